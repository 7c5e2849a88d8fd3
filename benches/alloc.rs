//! What a buffer costs by its size, on the thread that owns the slab.
//!
//! `cargo bench --bench alloc`. From 64 bytes to all of a slab; 256 KiB is larger than the pool's slabs and gets one of its own,
//! for which memory is taken and given back. `alloc, drop` is the pool alone, and its fastest path: a buffer that is dropped
//! unfilled gives its room back. In `alloc, fill, freeze, drop` each byte is written, and slabs are used up.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::SlabPool;
use common::read_long;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SIZES: [usize; 5] = [64, 1500, 4096, 64 << 10, 256 << 10];

fn alloc(criterion: &mut Criterion) {
    let pool = SlabPool::new();
    let mut group = criterion.benchmark_group("alloc, drop");
    for size in SIZES {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| bencher.iter(|| pool.alloc(size)));
    }
    group.finish();

    let mut group = criterion.benchmark_group("alloc, fill, freeze, drop");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        group
            .bench_function(BenchmarkId::from_parameter(size), |bencher| bencher.iter(|| read_long(&pool, size, size)));
    }
    group.finish();
}

criterion_group! { name = benches; config = config::config(); targets = alloc }
criterion_main!(benches);
