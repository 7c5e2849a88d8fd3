//! What threads cost each other.
//!
//! `cargo bench --bench threads`.
//!
//! * `hand over`: one thread allocates, fills and freezes, another one drops, 64 slices at a time; beside it the same with no other
//!   thread, so that the difference is what the other one costs.
//! * `two at once`: each of two threads does the chain of the bench `chain`, on a pool for both, on a pool for each, and with clones of one
//!   slice that both share, where they write to the same cache line. One thread alone stands beside. The time is that of the slower thread.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::{SlabBytes, SlabPool};
use common::{chain, read};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

/// Slices that change hands at once.
const BATCH: usize = 64;
const LEN: usize = 1500;

fn batch(pool: &SlabPool, mut list: Vec<SlabBytes>) -> Vec<SlabBytes> {
    list.extend((0..BATCH).map(|_| read(pool, LEN, 64)));
    list
}

/// Time for so many batches that another thread drops, with two on the way.
fn hand_over(pool: &SlabPool, batches: u64) -> Duration {
    let (to, from) = sync_channel::<Vec<SlabBytes>>(2);
    let (back, empty) = sync_channel::<Vec<SlabBytes>>(2);
    (0..2).for_each(|_| back.send(Vec::with_capacity(BATCH)).expect("there is room for two"));
    thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            for mut list in from {
                list.clear();
                if back.send(list).is_err() {
                    // The producer is done.
                    break;
                }
            }
        });
        let started = Instant::now();
        for _ in 0..batches {
            let list = empty.recv().expect("the consumer returns what it empties");
            to.send(batch(pool, list)).expect("the consumer takes what there is");
        }
        drop(to);
        drop(empty);
        consumer.join().expect("dropping does not panic");
        started.elapsed()
    })
}

/// The time of the slower of so many threads, each of which calls `f` so many times.
fn at_once(threads: usize, rounds: u64, f: impl Fn(usize) + Sync) -> Duration {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let (start, f) = (&start, &f);
        let work = move |thread| {
            start.wait();
            let started = Instant::now();
            (0..rounds).for_each(|_| f(thread));
            started.elapsed()
        };
        let working: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        let times = working.into_iter().map(|thread| thread.join().expect("the work does not panic"));
        times.max().unwrap_or_default()
    })
}

fn across(criterion: &mut Criterion) {
    let pool = SlabPool::new();
    let mut group = criterion.benchmark_group("hand over");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("same thread drops", |bencher| {
        let mut list = Vec::with_capacity(BATCH);
        bencher.iter(|| {
            list = batch(&pool, std::mem::take(&mut list));
            list.clear();
        });
    });
    group.bench_function("another thread drops", |bencher| bencher.iter_custom(|batches| hand_over(&pool, batches)));
    group.finish();
}

fn together(criterion: &mut Criterion) {
    let pools = [SlabPool::new(), SlabPool::new()];
    let shared = read(&pools[0], 4096, 4096);
    let mut group = criterion.benchmark_group("two at once");
    group.throughput(Throughput::Elements(1));
    group.bench_function("chain, one thread", |bencher| {
        bencher.iter_custom(|rounds| at_once(1, rounds, |_| chain(&pools[0], LEN, 64)));
    });
    group.bench_function("chain, one pool", |bencher| {
        bencher.iter_custom(|rounds| at_once(2, rounds, |_| chain(&pools[0], LEN, 64)));
    });
    group.bench_function("chain, a pool each", |bencher| {
        bencher.iter_custom(|rounds| at_once(2, rounds, |thread| chain(&pools[thread], LEN, 64)));
    });
    group.bench_function("clone and drop, one thread", |bencher| {
        bencher.iter_custom(|rounds| at_once(1, rounds, |_| drop(black_box(shared.clone()))));
    });
    group.bench_function("clone and drop, one slice", |bencher| {
        bencher.iter_custom(|rounds| at_once(2, rounds, |_| drop(black_box(shared.clone()))));
    });
    group.finish();
}

criterion_group! { name = benches; config = config::config(); targets = across, together }
criterion_main!(benches);
