//! What cutting around pins is worth: slices of random lifetimes, in a window.
//!
//! `cargo bench --bench around`. Each round fills a buffer of 4 KiB, which takes the place of a random one of the 1,024 that are
//! kept. A pool that waits for whole slabs streams through memory that is cold; one that goes on around the pins needs about as
//! much of it as is live. `Vec` stands for the allocator that both come from. What is printed at the end is the memory of each.

#![allow(missing_docs)]

mod common;

use bufslab::{Reuse, SlabBytes, SlabPool};
use common::random::Random;
use common::{long_payload, read_long};
use criterion::{Criterion, criterion_group, criterion_main};

const WINDOW: usize = 1024;
const LEN: usize = 4096;

fn windows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("random lifetimes");
    for reuse in [Reuse::WholeSlab, Reuse::AroundThePin] {
        let pool = SlabPool::builder().reuse(reuse).build().unwrap();
        let mut random = Random::new();
        let mut window: Vec<SlabBytes> = (0..WINDOW).map(|_| read_long(&pool, LEN, LEN)).collect();
        group.bench_function(reuse.as_str(), |bencher| {
            bencher.iter(|| {
                let at = random.below(WINDOW);
                window[at] = read_long(&pool, LEN, LEN);
            });
        });
        let stats = pool.stats();
        let (memory, ledger) = (stats.memory_bytes as f64 / 1e6, stats.ledger_bytes as f64 / 1e6);
        println!("{reuse:?}: {memory:.1} MB of slabs and {ledger:.2} MB of ledger for 4.2 MB of slices; {stats:?}");
    }
    let mut random = Random::new();
    let mut window: Vec<Vec<u8>> = (0..WINDOW).map(|_| vec![7; LEN]).collect();
    group.bench_function("vec", |bencher| {
        bencher.iter(|| {
            let at = random.below(WINDOW);
            let mut read = Vec::with_capacity(LEN);
            read.extend_from_slice(long_payload(LEN));
            window[at] = read;
        });
    });
    group.finish();
}

criterion_group!(benches, windows);
criterion_main!(benches);
