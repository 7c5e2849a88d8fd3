//! Reads that live for a while: so many at a time.

use super::bytes;
use crate::impls::Reader;
use crate::random::Random;
use crate::timing::Run;
use std::hint::black_box;
use std::time::Instant;

/// Reads that are alive at any time.
pub(crate) const LIVE: usize = 1024;

/// A read takes the place of the one that `place` says.
fn window<R: Reader>(slab: usize, n: usize, written: usize, mut place: impl FnMut() -> usize + 'static) -> Run {
    let mut reader = R::new(slab);
    let mut live: Vec<R::Read> = (0..LIVE).map(|_| reader.read(n, bytes(written))).collect();
    // Until as much is free, and as scattered, as it is later on.
    for _ in 0..8 * LIVE {
        live[place() % LIVE] = reader.read(n, bytes(written));
    }
    Box::new(move |rounds| {
        let start = Instant::now();
        for _ in 0..rounds {
            live[place() % LIVE] = reader.read(black_box(n), bytes(written));
            black_box(&live);
        }
        start.elapsed()
    })
}

/// The oldest of them goes.
pub(crate) fn fifo<R: Reader>(slab: usize, n: usize, written: usize) -> Run {
    let mut oldest = 0;
    window::<R>(slab, n, written, move || {
        oldest += 1;
        oldest
    })
}

/// A random one goes.
pub(crate) fn random<R: Reader>(slab: usize, n: usize, written: usize) -> Run {
    let mut random = Random::default();
    window::<R>(slab, n, written, move || random.next())
}
