//! What it costs to let a slab go by copying what is kept of it.
//!
//! `cargo bench --bench compaction`.
//!
//! * `compact`: one slice, by its length: it is cut, copied into an allocation of its own, and both are dropped.
//! * `retain`: 1,000 slices, each on a slab of its own, whose lengths double from 16 bytes to all of the slab: the policy has most of them
//!   copied. `compact_plan` is what a report says beforehand about the same slices, report included.
//! * `late`: two parked slices on each of 1,000 slabs that no thread allocates from are moved out, each to a place of its own or both to one;
//!   and a call that finds nothing to move because other slices keep the same slabs.
//! * `read`: bytes of a parked slice, on the thread that owns its slab, on another one, and after it was moved.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::{CompactPolicy, Parked, Reuse, SlabBytes, SlabPool};
use common::placed::{Owner, Placed};
use common::read;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::thread;
use std::time::Duration;

const SLABS: usize = 1_000;
const SLAB: usize = 4096;

/// A pool whose pinned slabs stay as they are.
fn pool() -> SlabPool {
    let builder = SlabPool::builder().slab_size(SLAB).reuse(Reuse::WholeSlab).idle_bytes(2 * SLABS * SLAB);
    builder.idle_decay(Duration::ZERO).build().expect("the settings are valid")
}

/// Full slabs, one handle each, that no thread is attached to.
fn full_slabs(pool: &SlabPool) -> Vec<SlabBytes> {
    let fill = || (0..SLABS).map(|_| read(pool, SLAB, SLAB)).collect();
    thread::scope(|scope| scope.spawn(fill).join()).expect("filling slabs does not panic")
}

fn compact(criterion: &mut Criterion) {
    let pool = SlabPool::new();
    let whole = read(&pool, 16 << 10, 16 << 10);
    let mut group = criterion.benchmark_group("compact");
    for len in [20, 1024, 16 << 10] {
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| whole.slice(..len).compact());
        });
    }
    group.finish();
}

fn retain(criterion: &mut Criterion) {
    let pool = pool();
    let of_all_lengths = || -> Vec<SlabBytes> {
        full_slabs(&pool).into_iter().enumerate().map(|(n, whole)| whole.slice(..16 << (n % 9))).collect()
    };
    let mut group = criterion.benchmark_group("retain");
    group.throughput(Throughput::Elements(SLABS as u64));
    group.bench_function("1,000 slices", |bencher| {
        let retain = |slices: Vec<SlabBytes>| -> Vec<SlabBytes> { slices.into_iter().map(SlabBytes::retain).collect() };
        bencher.iter_batched(of_all_lengths, retain, BatchSize::PerIteration);
    });
    let slices = of_all_lengths();
    group.bench_function("compact_plan", |bencher| {
        bencher.iter(|| pool.report().compact_plan(&pool.retain_policy()));
    });
    drop(slices);
    group.finish();
}

fn two_parked(pool: &SlabPool) -> Vec<[Parked; 2]> {
    let park = |whole: SlabBytes| [0, 100].map(|at| whole.slice(at..at + 20).park("req.head"));
    full_slabs(pool).into_iter().map(park).collect()
}

fn late(criterion: &mut Criterion) {
    let pool = pool();
    let policy = CompactPolicy::new().older_than(Duration::ZERO);
    let mut group = criterion.benchmark_group("late");
    group.throughput(Throughput::Elements(2 * SLABS as u64));
    for (name, policy) in [("each by itself", policy), ("packed", policy.pack(true))] {
        let move_out = |parked: Vec<[Parked; 2]>| {
            let did = pool.compact(&policy);
            assert_eq!((did.slices, did.freed_slabs), (2 * SLABS, SLABS), "{did}");
            parked
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| two_parked(&pool), move_out, BatchSize::PerIteration);
        });
    }
    let held: Vec<(SlabBytes, Parked)> =
        full_slabs(&pool).into_iter().map(|whole| (whole.clone(), whole.slice(..20).park("req.head"))).collect();
    group.bench_function("nothing to move", |bencher| {
        bencher.iter(|| {
            let did = pool.compact(&policy);
            assert_eq!(did.left_held, SLABS, "{did}");
        });
    });
    drop(held);
    group.finish();
}

fn parked_reads(criterion: &mut Criterion) {
    let pool = pool();
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(1));
    for owner in Owner::ALL {
        let placed = Placed::new(&pool, owner, 20);
        let parked = placed.slice.clone().park("req.head");
        group.bench_function(owner.as_str(), |bencher| bencher.iter(|| parked.read(|bytes| black_box(bytes)[7])));
    }
    let parked = Placed::new(&pool, Owner::Nobody, 20).slice.clone().park("req.head");
    let did = pool.compact(&CompactPolicy::new().older_than(Duration::ZERO));
    assert!(parked.is_moved(), "{did}");
    group.bench_function("moved", |bencher| bencher.iter(|| parked.read(|bytes| black_box(bytes)[7])));
    group.finish();
}

criterion_group! { name = benches; config = config::config(); targets = compact, retain, late, parked_reads }
criterion_main!(benches);
