//! What it costs to give the dead pages of pinned slabs back to the system, and to use such a slab again.
//!
//! `cargo bench --bench punching`. Sixteen slabs of 1 MiB from an `MmapSource`, all of them filled, each pinned by 20 bytes.
//!
//! * `punch`: all of them, of which all pages but one go (on Linux; elsewhere nothing does);
//! * `punch again`: the same slabs once more, with nothing left to give;
//! * `fill`: what it takes to fill the sixteen again when their pins are gone, as they are, and after they were punched, when each page is
//!   a fault.

#![allow(missing_docs)]

#[path = "common/config.rs"]
mod config;

#[cfg(not(unix))]
use bufslab::HeapSource as Source;
#[cfg(unix)]
use bufslab::MmapSource as Source;
use bufslab::{Punched, Reuse, SlabBytes, SlabPool};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::thread;
use std::time::Duration;

const SLABS: usize = 16;
const SLAB: usize = 1 << 20;

/// A pool that keeps its slabs, and leaves those that are pinned alone.
fn pool() -> SlabPool {
    let builder = SlabPool::builder().slab_size(SLAB).reuse(Reuse::WholeSlab).idle_bytes(2 * SLABS * SLAB);
    builder.idle_decay(Duration::ZERO).source(Source::new()).build().expect("the settings are valid")
}

/// Sixteen slabs, filled by a thread that has ended, and 20 bytes of each.
fn pins(pool: &SlabPool) -> Vec<SlabBytes> {
    let pin = |n| {
        let mut whole = pool.alloc(SLAB);
        whole.resize(SLAB, b'.');
        whole.freeze().slice(n * 1000..n * 1000 + 20)
    };
    let fill = || (0..SLABS).map(pin).collect();
    thread::scope(|scope| scope.spawn(fill).join()).expect("filling slabs does not panic")
}

fn checked(punched: Punched) {
    let expected = if cfg!(target_os = "linux") { SLABS } else { 0 };
    assert_eq!((punched.punched, punched.pinned_slabs), (expected, SLABS), "{punched}");
}

fn punching(criterion: &mut Criterion) {
    let pool = pool();
    let mut group = criterion.benchmark_group("punching");
    group.sample_size(20).throughput(Throughput::Bytes((SLABS * SLAB) as u64));
    group.bench_function("punch", |bencher| {
        let punch = |pins: Vec<SlabBytes>| {
            checked(pool.punch());
            pins
        };
        bencher.iter_batched(|| pins(&pool), punch, BatchSize::PerIteration);
    });
    let pinned = pins(&pool);
    checked(pool.punch());
    group.bench_function("punch again", |bencher| bencher.iter(|| checked(pool.punch())));
    drop(pinned);
    for (name, is_punched) in [("fill, kept", false), ("fill, punched", true)] {
        let idle = || {
            let pins = pins(&pool);
            if is_punched {
                checked(pool.punch());
            }
            drop(pins);
        };
        group.bench_function(name, |bencher| bencher.iter_batched(idle, |()| pins(&pool), BatchSize::PerIteration));
    }
    group.finish();
}

criterion_group! { name = benches; config = config::config(); targets = punching }
criterion_main!(benches);
