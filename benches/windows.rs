//! What a read costs while 1,024 others are kept: the new one takes the place of the oldest, or of any.
//!
//! `cargo bench --bench windows`. Reads have room for 4 KiB and find 64 bytes, or all 4 KiB: a window of the first fits into two slabs,
//! one of the second streams through 64. With random lifetimes slabs do not drain, and are cut from again around what is left on them.
//! `around` compares that with pools that wait for whole slabs.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::SlabPool;
use common::window::{Lifetimes, Window};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn windows(criterion: &mut Criterion) {
    for lifetimes in [Lifetimes::Fifo, Lifetimes::Random] {
        let mut group = criterion.benchmark_group(format!("window, {}", lifetimes.as_str()));
        for (name, len) in [("64 B", 64), ("4 KiB", 4096)] {
            let mut window = Window::new(SlabPool::new(), lifetimes, 4096, len);
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(name, |bencher| bencher.iter(|| window.turn()));
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = config::config(); targets = windows }
criterion_main!(benches);
