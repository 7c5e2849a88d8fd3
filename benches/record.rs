//! What recording costs: an allocation of 1,500 bytes, a freeze, a slice and two drops, while nothing is recorded, in full, and
//! sampled. `cargo bench --bench record`.

#![allow(missing_docs)]

use bufslab::{RecordOptions, Recording, SlabPool};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

/// Allocations that each recording sees: few enough that none is full.
const ALLOCATIONS: usize = 10_000;

fn one(pool: &SlabPool) {
    let mut read = pool.alloc(1_500);
    read.extend_from_slice(black_box(&[7; 64]));
    let whole = read.freeze();
    let part = whole.slice(..20);
    drop(whole);
    drop(black_box(part));
}

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("10,000 allocations");
    for (name, one_in) in
        [("not recorded", None), ("full", Some(1)), ("one in 10", Some(10)), ("one in 100", Some(100))]
    {
        let pool = SlabPool::new();
        let begin = || -> Option<Recording> {
            one_in.map(|n| pool.record(RecordOptions::new().one_in(n)).expect("nothing else is recorded"))
        };
        group.bench_function(name, |bencher| {
            let run = |recording: Option<Recording>| {
                (0..ALLOCATIONS).for_each(|_| one(&pool));
                assert!(!recording.as_ref().is_some_and(Recording::is_full));
                recording
            };
            bencher.iter_batched(begin, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, recording);
criterion_main!(benches);
