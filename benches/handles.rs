//! What handles cost: to clone, to cut, to drop, by who owns the slab.
//!
//! `cargo bench --bench handles`. `owner` is the thread that allocates from the slab, and needs no locked instruction. `guest` is any
//! other thread while the slab's owner lives; `detached` is a slab that its owner has left. There each handle costs one locked instruction
//! to make and one to drop. `drop` is what a drop alone costs, in batches; all others drop what they make.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::{SlabBytesMut, SlabPool};
use common::placed::{Owner, Placed};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const LEN: usize = 4096;

fn handles(criterion: &mut Criterion) {
    let pool = SlabPool::new();
    for owner in Owner::ALL {
        let placed = Placed::new(&pool, owner, LEN);
        let slice = &placed.slice;
        let mut group = criterion.benchmark_group(owner.as_str());
        group.throughput(Throughput::Elements(1));
        group.bench_function("clone", |bencher| bencher.iter(|| slice.clone()));
        group.bench_function("slice", |bencher| bencher.iter(|| slice.slice(black_box(20)..60)));
        group.bench_function("clone, split_to", |bencher| {
            bencher.iter(|| {
                let mut right = slice.clone();
                let left = right.split_to(black_box(20));
                (left, right)
            });
        });
        group.bench_function("clone, split_off", |bencher| {
            bencher.iter(|| {
                let mut left = slice.clone();
                let right = left.split_off(black_box(20));
                (left, right)
            });
        });
        group.bench_function("clone, truncate", |bencher| {
            bencher.iter(|| {
                let mut left = slice.clone();
                left.truncate(black_box(20));
                left
            });
        });
        // Few at a time, so that they are not more than a slab has as a rule.
        let batch = BatchSize::NumIterations(100);
        group.bench_function("drop", |bencher| bencher.iter_batched(|| slice.clone(), drop, batch));
        group.finish();
    }
}

/// A parser's way: a buffer that is filled is split piece by piece, and the pieces are frozen.
fn pieces(criterion: &mut Criterion) {
    let pool = SlabPool::new();
    let filled = || {
        let mut read = pool.alloc(LEN);
        read.resize(LEN, b'.');
        read
    };
    let mut group = criterion.benchmark_group("owner, writable");
    group.throughput(Throughput::Elements((LEN / 64) as u64));
    let split = |mut read: SlabBytesMut| {
        while !read.is_empty() {
            black_box(read.split_to(64).freeze());
        }
    };
    group.bench_function("split_to, freeze", |bencher| {
        bencher.iter_batched(filled, split, BatchSize::NumIterations(4));
    });
    group.finish();
}

criterion_group! { name = benches; config = config::config(); targets = handles, pieces }
criterion_main!(benches);
