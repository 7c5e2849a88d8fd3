//! What the size of slabs costs and saves, from 4 KiB to Node's 10 MiB.
//!
//! `cargo bench --bench slab_sizes`. `chain` uses one buffer at a time, so that each slab is started over where it is: what is left is how often
//! that is, and which caches the slab fits into. The windows keep 1,024 reads of 1,500 bytes and replace the oldest, or any. After
//! each the pool's memory is printed: those reads are 1.5 MB.

#![allow(missing_docs)]

mod common;
#[path = "common/config.rs"]
mod config;

use bufslab::SlabPool;
use common::chain;
use common::window::{Lifetimes, Window};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SIZES: [(&str, usize); 6] = [
    ("4 KiB", 4 << 10),
    ("16 KiB", 16 << 10),
    ("64 KiB", 64 << 10),
    ("256 KiB", 256 << 10),
    ("1 MiB", 1 << 20),
    ("10 MiB", 10 << 20),
];
const LEN: usize = 1500;

fn slab_sizes(criterion: &mut Criterion) {
    for (name, slab_size) in SIZES {
        let pool = || SlabPool::builder().slab_size(slab_size).build().expect("the size is valid");
        let mut group = criterion.benchmark_group(format!("slabs of {name}"));
        group.throughput(Throughput::Elements(1));
        let in_place = pool();
        group.bench_function("chain", |bencher| bencher.iter(|| chain(&in_place, LEN, LEN)));
        for lifetimes in [Lifetimes::Fifo, Lifetimes::Random] {
            let window_name = format!("window, {}", lifetimes.as_str());
            let mut window = Window::new(pool(), lifetimes, LEN, LEN);
            group.bench_function(&window_name, |bencher| bencher.iter(|| window.turn()));
            let stats = window.pool.stats();
            let (memory, ledger) = (stats.memory_bytes as f64 / 1e6, stats.ledger_bytes as f64 / 1e6);
            println!("{window_name}, slabs of {name}: {memory:.1} MB of slabs, {ledger:.2} MB of ledger");
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = config::config(); targets = slab_sizes }
criterion_main!(benches);
