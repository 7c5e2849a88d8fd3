//! What a report costs: to take, to write in each form, to compare, and to those who allocate meanwhile.
//!
//! `cargo bench --bench report --all-features` runs all of it (minutes); a word behind `--` picks one:
//!
//! * `take`: [`SlabPool::report`] of 10⁵ slabs with 10⁶ slices;
//! * `write/FORM`: that report in each form;
//! * `ask`: plan, tree of holders and diff of it;
//! * `beside`: what a round costs threads that allocate, in time on their cores, alone, beside a thread that only burns a
//!   core, and beside one that takes reports in a loop, of a pool with 10⁴ slabs pinned. The last two should be alike: a
//!   report costs its core and nothing else. (Of an all but empty pool a report takes a microsecond; a loop of those fights for the very cache lines
//!   that the threads write to.)
#![allow(missing_docs)]

use bufslab::report::Format;
use bufslab::{RetainPolicy, Scope, SlabBytes, SlabPool, Tag};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

/// With `--test` each bench is to run, and nothing is measured.
fn slabs() -> usize {
    if std::env::args().any(|argument| argument == "--test") { 1_000 } else { 100_000 }
}

const SLICES: usize = 10;

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Slabs of 1,000 bytes, each full of ten slices of a hundred tags and a thousand owners in no order.
fn crowd(slabs: usize) -> (SlabPool, Vec<SlabBytes>) {
    let pool = SlabPool::builder().slab_size(1_000).build().unwrap();
    let mut random = Random(88_172_645_463_325_252);
    let tags: Vec<Tag> = (0..100).map(|n| Tag::new(&format!("tag {n}"))).collect();
    let owners: Vec<Scope> = (0..1_000).map(|n| pool.scope("ws_session", n).into()).collect();
    let mut held = Vec::with_capacity(slabs * SLICES);
    for _ in 0..slabs * SLICES {
        let _owner = owners[random.below(owners.len())].enter();
        let mut read = pool.alloc(100);
        read.resize(100, b'.');
        let read = read.freeze();
        let part = match random.below(4) {
            0 => read.slice(..50),
            1 => read.slice(10..),
            2 => read.clone(),
            _ => read,
        };
        held.push(part.tag(tags[random.below(tags.len())]));
    }
    (pool, held)
}

/// Counts bytes.
struct Sink(u64);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn large(criterion: &mut Criterion) {
    let slabs = slabs();
    let (pool, held) = crowd(slabs);
    let report = pool.report();
    assert_eq!((report.totals.slabs, report.totals.slices), (slabs, slabs * SLICES));

    let mut group = criterion.benchmark_group("take");
    group.sample_size(20).throughput(Throughput::Elements((slabs * SLICES) as u64));
    group.bench_function("report of 1e5 slabs, 1e6 slices", |bencher| bencher.iter_with_large_drop(|| pool.report()));
    group.finish();

    let mut group = criterion.benchmark_group("write");
    group.sample_size(10).throughput(Throughput::Elements((slabs * SLICES) as u64));
    group.bench_function("text for a terminal", |bencher| bencher.iter(|| report.to_string()));
    for &format in Format::ALL {
        group.bench_function(format.name(), |bencher| {
            bencher.iter(|| {
                let mut sink = Sink(0);
                report.write_as(format, &mut sink).unwrap();
                sink.0
            });
        });
    }
    group.finish();

    let later = pool.report();
    let mut group = criterion.benchmark_group("ask");
    group.sample_size(10);
    group.bench_function("compact_plan", |bencher| bencher.iter(|| report.compact_plan(&RetainPolicy::default())));
    group.bench_function("retained_tree", |bencher| bencher.iter_with_large_drop(|| report.retained_tree()));
    group.bench_function("diff", |bencher| bencher.iter(|| report.diff(&later)));
    group.finish();
    drop(held);
}

/// One thread's traffic: reads, slices, some of which stay for a while.
fn traffic(pool: &SlabPool, rounds: u64) {
    let mut kept: Vec<SlabBytes> = Vec::new();
    for round in 0..rounds {
        let mut read = pool.alloc(1_500);
        read.extend_from_slice(&[b'.'; 64]);
        let read = read.freeze();
        kept.push(read.slice(..20));
        if kept.len() == 1_000 {
            kept.drain(..(round as usize % 900));
        }
        black_box(read);
    }
}

#[derive(Clone, Copy)]
enum Beside {
    Nobody,
    ABusyThread,
    Reports,
}

/// How long this thread has been on a core, where the system says so (Linux): what it lost because others ran instead is
/// not in it. Elsewhere it is the time of day.
fn time_on_core() -> Duration {
    // The count is brought up to date when the thread gives way.
    thread::yield_now();
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = schedstat.split(' ').next().and_then(|first| first.parse().ok());
    ns.map_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(), Duration::from_nanos)
}

/// Time that `threads` threads need on their cores to do `rounds` each, on average, beside another thread.
fn beside(pool: &SlabPool, threads: usize, rounds: u64, other: Beside) -> Duration {
    let stop = AtomicBool::new(false);
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let working: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let started = time_on_core();
                    traffic(pool, rounds);
                    time_on_core() - started
                })
            })
            .collect();
        let stop = &stop;
        match other {
            Beside::Nobody => {}
            Beside::ABusyThread => {
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        (0..1_000).for_each(|n| _ = black_box(n));
                    }
                });
            }
            Beside::Reports => {
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        black_box(pool.report());
                    }
                });
            }
        }
        start.wait();
        let sum: Duration = working.into_iter().map(|thread| thread.join().unwrap()).sum();
        stop.store(true, Ordering::Relaxed);
        sum / threads as u32
    })
}

fn meanwhile(criterion: &mut Criterion) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // With a core left for the other thread, and without.
    let mut counts = vec![(cores - 1).max(1), cores];
    counts.dedup();
    let mut group = criterion.benchmark_group("beside");
    group.sample_size(10);
    for threads in counts {
        for (name, other) in
            [("nobody", Beside::Nobody), ("a busy thread", Beside::ABusyThread), ("reports", Beside::Reports)]
        {
            let (pool, held) = crowd(10_000);
            pool.set_slab_size(64 << 10).unwrap();
            group.bench_function(format!("{name}, {threads} threads on {cores} cores"), |bencher| {
                bencher.iter_custom(|rounds| beside(&pool, threads, rounds, other));
            });
            drop(held);
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = large, meanwhile
}
criterion_main!(benches);
