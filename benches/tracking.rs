//! What it costs to know who holds what: the same work at each level of tracking.
//!
//! `cargo bench --bench tracking --features backtraces`; without the feature stacks cannot be taken, and that level is left out.
//! `clone` is one handle, `chain` three with an allocation, `request` nine. `owned, tagged` is a request inside of a scope, whose slices
//! have a tag: what a program adds that wants to see names in its reports.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::{Level, Scope, SlabPool, Tag};
use common::{chain, read, request};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn levels() -> Vec<Level> {
    let mut levels = vec![Level::Off, Level::Counters, Level::Sites];
    if cfg!(feature = "backtraces") {
        levels.push(Level::backtraces(100));
    }
    levels
}

fn owned_and_tagged(pool: &SlabPool, owner: &Scope, tag: Tag) {
    let _owner = owner.enter();
    let whole = read(pool, 4096, 640);
    let parts: [_; 8] = std::array::from_fn(|n| whole.slice(n * 80..n * 80 + 60).tag(tag));
    drop(black_box(whole));
    drop(black_box(parts));
}

fn tracking(criterion: &mut Criterion) {
    for level in levels() {
        let pool = SlabPool::builder().tracking(level).build().expect("every level is valid");
        let slice = read(&pool, 4096, 4096);
        let (owner, tag) = (Scope::from(pool.scope("conn", 42)), Tag::new("req.head"));
        let mut group = criterion.benchmark_group(format!("level {level}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("clone", |bencher| bencher.iter(|| slice.clone()));
        group.bench_function("chain", |bencher| bencher.iter(|| chain(&pool, 1500, 64)));
        group.bench_function("request", |bencher| bencher.iter(|| request(&pool)));
        group.bench_function("request, owned, tagged", |bencher| {
            bencher.iter(|| owned_and_tagged(&pool, &owner, tag));
        });
        group.finish();
    }
}

criterion_group! { name = benches; config = config::config(); targets = tracking }
criterion_main!(benches);
