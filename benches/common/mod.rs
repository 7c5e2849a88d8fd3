//! What several benches use: traffic, slices of other threads' slabs, and pools whose next slab comes from a known place.
#![allow(dead_code, reason = "each bench uses a part of this")]

pub(crate) mod placed;
pub(crate) mod random;
pub(crate) mod steps;
pub(crate) mod window;

use bufslab::{SlabBytes, SlabPool};
use std::cell::Cell;
use std::hint::black_box;

/// What reads are filled with.
static PAYLOAD: [u8; 260 << 10] = [b'.'; 260 << 10];

/// A buffer with room for `room` bytes of which `len` are filled, frozen.
#[inline]
pub(crate) fn read(pool: &SlabPool, room: usize, len: usize) -> SlabBytes {
    let mut buffer = pool.alloc(room);
    buffer.extend_from_slice(black_box(&PAYLOAD[..len]));
    buffer.freeze()
}

/// What a long read is filled with, from another place each time. A copy takes many times as long where it goes to a place a few bytes behind
/// its source, on some processors: see `benches/peers/src/machine.rs`.
#[inline]
pub(crate) fn long_payload(len: usize) -> &'static [u8] {
    thread_local! {
        static AT: Cell<usize> = const { Cell::new(0) };
    }
    let start = AT.replace((AT.get() + 16) % 4096);
    black_box(&PAYLOAD[start..][..len])
}

/// As [`read`], filled with that.
#[inline]
pub(crate) fn read_long(pool: &SlabPool, room: usize, len: usize) -> SlabBytes {
    let mut buffer = pool.alloc(room);
    buffer.extend_from_slice(long_payload(len));
    buffer.freeze()
}

/// One buffer's way: allocated, filled, frozen, cloned, cut, and all of it dropped.
#[inline]
pub(crate) fn chain(pool: &SlabPool, room: usize, len: usize) {
    let whole = read(pool, room, len);
    let clone = whole.clone();
    let part = clone.slice(1..21);
    drop(black_box(whole));
    drop(black_box(clone));
    drop(black_box(part));
}

/// One request of a server: a read of up to 4 KiB, of which eight slices are passed around.
#[inline]
pub(crate) fn request(pool: &SlabPool) {
    let whole = read(pool, 4096, 640);
    let parts: [SlabBytes; 8] = std::array::from_fn(|n| whole.slice(n * 80..n * 80 + 60));
    drop(black_box(whole));
    drop(black_box(parts));
}
