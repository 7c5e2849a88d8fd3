//! How long a report and the sums take while threads allocate.
//!
//! `cargo bench --bench report_under_load`. A pool of 100 and of 1,000 pinned slabs with ten slices each is asked while nobody, one
//! and two threads allocate, cut and drop. The report waits for none of them, so that it may take longer by what the caches and the cores
//! cost, and no more. What it costs those threads is the group `beside` of the bench `report`.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::{SlabBytes, SlabPool};
use common::{read, request};
use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const SLAB: usize = 4096;
const SLICES: usize = 10;

/// Slabs that are full of slices.
fn crowd(pool: &SlabPool, slabs: usize) -> Vec<SlabBytes> {
    (0..slabs * SLICES).map(|_| read(pool, SLAB / SLICES, 64)).collect()
}

/// Ends what the threads do, also when a measurement panics: they would be waited for.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        // Relaxed: it is seen at some time, and nothing else with it.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Measures `f` beside so many threads that use the pool.
fn beside<R>(bencher: &mut Bencher<'_>, pool: &SlabPool, threads: usize, f: impl FnMut() -> R) {
    let stop = AtomicBool::new(false);
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                while !stop.load(Ordering::Relaxed) {
                    request(pool);
                }
            });
        }
        start.wait();
        bencher.iter_with_large_drop(f);
    });
}

fn under_load(criterion: &mut Criterion) {
    for slabs in [100, 1_000] {
        let pool = SlabPool::builder().slab_size(SLAB).build().expect("the size is valid");
        let held = crowd(&pool, slabs);
        let mut group = criterion.benchmark_group(format!("{} slices", slabs * SLICES));
        group.throughput(Throughput::Elements((slabs * SLICES) as u64));
        for threads in 0..=2 {
            let id = |what| BenchmarkId::new(what, format!("{threads} threads"));
            group.bench_function(id("report"), |bencher| beside(bencher, &pool, threads, || pool.report()));
            group.bench_function(id("stats"), |bencher| beside(bencher, &pool, threads, || pool.stats()));
        }
        group.finish();
        drop(held);
    }
}

criterion_group! { name = benches; config = config::config(); targets = under_load }
criterion_main!(benches);
