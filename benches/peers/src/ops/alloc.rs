//! Reads that are gone before the next one.

use super::bytes;
use crate::impls::{Reader, Sharer};
use crate::random::Random;
use crate::timing::Run;
use std::hint::black_box;
use std::time::Instant;

/// Room for `n` bytes, `written` of them written, ready to be shared, dropped.
pub(crate) fn alloc<R: Reader>(slab: usize, n: usize, written: usize) -> Run {
    let mut reader = R::new(slab);
    // Once through every slab that it may have, so that no page is touched for the first time later.
    for _ in 0..2 * slab / written {
        black_box(&reader.read(n, bytes(written)));
    }
    Box::new(move |rounds| {
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(&reader.read(black_box(n), bytes(written)));
        }
        start.elapsed()
    })
}

/// One round of [`chain`].
#[inline]
pub(crate) fn link<R: Sharer>(reader: &mut R, random: &mut Random, n: usize) {
    let read = reader.read(black_box(n), bytes(64));
    black_box(&read);
    let whole = read.clone();
    black_box(&whole);
    let part = R::slice(&whole, random.part());
    black_box(&part);
}

/// Room for `n` bytes, 64 of them written; a clone of that; a part of that; all dropped.
pub(crate) fn chain<R: Sharer>(slab: usize, n: usize) -> Run {
    let (mut reader, mut random) = (R::new(slab), Random::default());
    Box::new(move |rounds| {
        let start = Instant::now();
        for _ in 0..rounds {
            link(&mut reader, &mut random, n);
        }
        start.elapsed()
    })
}

/// A request: room for `n` bytes, 1 KiB of it written; eight parts of that, kept until the request is answered; all dropped.
pub(crate) fn request<R: Sharer>(slab: usize, n: usize) -> Run {
    let (mut reader, mut random) = (R::new(slab), Random::default());
    Box::new(move |rounds| {
        let start = Instant::now();
        for _ in 0..rounds {
            let read = reader.read(black_box(n), bytes(1024));
            let parts: [R::Read; 8] = std::array::from_fn(|at| {
                let part = random.part();
                R::slice(&read, at * 64 + part.start..at * 64 + part.end)
            });
            black_box(&parts);
        }
        start.elapsed()
    })
}
