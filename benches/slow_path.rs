//! How long the step to another slab takes, by where that comes from.
//!
//! `cargo bench --bench slow_path`. Each allocation takes all there is of a slab, so each one steps, and lets an older buffer go:
//!
//! * in place: the buffer before is gone, and the slab is started over (a short buffer behind each long one sees to that: its allocation and
//!   its drop are in the time);
//! * from the magazine: four buffers are kept, and their slabs go round through what the thread has at hand;
//! * from the depot: 64 are kept and then dropped at once, which is more than a thread has at hand. Of 64 steps two are in place, four
//!   from the magazine, and 58 from the depot;
//! * around pins: eight slabs have a slice of 64 bytes each, and each step finds one of those that hold nothing else;
//! * fresh memory: nothing idle is kept, so that each slab comes from the allocator and goes back there.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use common::steps::{Origin, STEPS, Steps};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn slow_path(criterion: &mut Criterion) {
    for (name, slab_size) in [("4 KiB", 4 << 10), ("64 KiB", 64 << 10)] {
        let mut group = criterion.benchmark_group(format!("step, slabs of {name}"));
        group.throughput(Throughput::Elements(STEPS as u64));
        for origin in Origin::ALL {
            let mut steps = Steps::new(origin, slab_size);
            group.bench_function(BenchmarkId::from_parameter(origin.as_str()), |bencher| {
                bencher.iter(|| steps.round());
            });
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = config::config(); targets = slow_path }
criterion_main!(benches);
