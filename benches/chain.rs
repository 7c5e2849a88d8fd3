//! What a buffer costs on its whole way.
//!
//! `cargo bench --bench chain`. `chain` is an allocation, filled, frozen, cloned, cut, and three drops, by the size of the buffer;
//! `request` is what a server does with one: a read of up to 4 KiB, and eight slices of it that are passed around.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::SlabPool;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn chain(criterion: &mut Criterion) {
    let pool = SlabPool::new();
    let mut group = criterion.benchmark_group("chain");
    for len in [64, 1500, 4096] {
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| common::chain(&pool, len, len));
        });
    }
    // A read that finds less than it has room for gives the rest back.
    group.throughput(Throughput::Bytes(64));
    group.bench_function("64 of 4096", |bencher| bencher.iter(|| common::chain(&pool, 4096, 64)));
    group.finish();

    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    group.bench_function("a read and 8 slices", |bencher| bencher.iter(|| common::request(&pool)));
    group.finish();
}

criterion_group! { name = benches; config = config::config(); targets = chain }
criterion_main!(benches);
