//! Floors: what the machine takes for the least that an operation could do. Nothing that does the operation can be faster by much.

use crate::timing::Run;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The largest read.
const MOST: usize = 4096;

/// Reads of this many bytes and more begin at another place each time.
const LONG: usize = 2048;

/// Source of all bytes that are written.
static BYTES: [u8; 2 * MOST] = [7; 2 * MOST];

/// What a read consists of. The compiler is not told how many bytes: no socket would tell it.
///
/// Where a long copy goes to a place a few bytes behind its source, modulo 4,096, `rep movsb` is many times as slow on several processors of
/// AMD (<https://sourceware.org/bugzilla/show_bug.cgi?id=30994>), and glibc copies 4 KiB with nothing else. From one place alone that
/// would hit some who take part each time and others never, by where their allocator's pages begin. From all places in turn, sixteen bytes
/// apart, everybody has the same share of it, which is one copy in some two hundred.
#[inline]
pub(crate) fn bytes(len: usize) -> &'static [u8] {
    thread_local! {
        static AT: Cell<usize> = const { Cell::new(0) };
    }
    let len = black_box(len);
    let start = if len < LONG { 0 } else { AT.replace((AT.get() + 16) % MOST) };
    &black_box(&BYTES)[start..start + len]
}

/// A count up and down that no other thread may see: what a reference costs its owner at least.
pub(crate) fn plain_count() -> Run {
    let count = Cell::new(1_u64);
    Box::new(move |rounds| {
        let count = black_box(&count);
        let start = Instant::now();
        for _ in 0..rounds {
            count.set(count.get() + 1);
            // The count has to be in memory in between, as it is if somebody else's code runs meanwhile.
            black_box(count);
            count.set(count.get() - 1);
            black_box(count);
        }
        start.elapsed()
    })
}

/// An atomic read-modify-write up, and one down: what a reference costs that any thread may take and drop.
pub(crate) fn two_rmws() -> Run {
    let count = AtomicU64::new(1);
    Box::new(move |rounds| {
        let count = black_box(&count);
        let start = Instant::now();
        for _ in 0..rounds {
            count.fetch_add(1, Ordering::Relaxed);
            black_box(count);
            count.fetch_sub(1, Ordering::Release);
            black_box(count);
        }
        start.elapsed()
    })
}

/// `N` bytes copied into one buffer that stays in the cache.
pub(crate) fn copy_hot<const N: usize>() -> Run {
    let mut buffer = vec![0; N];
    Box::new(move |rounds| {
        let start = Instant::now();
        for _ in 0..rounds {
            buffer.copy_from_slice(bytes(N));
            black_box(&buffer);
        }
        start.elapsed()
    })
}

/// `N` bytes copied into the next of `PLACES` buffers: what it costs to have so many of them filled at any time.
pub(crate) fn copy_around<const N: usize, const PLACES: usize>() -> Run {
    /// From one to the next: were it a power of two, all of them would want the same few lines of the cache.
    const GAP: usize = 192;
    let mut buffer = vec![0; (N + GAP) * PLACES];
    let mut place = 0;
    Box::new(move |rounds| {
        let start = Instant::now();
        for _ in 0..rounds {
            place = (place + 1) % PLACES;
            buffer[place * (N + GAP)..][..N].copy_from_slice(bytes(N));
            black_box(&buffer);
        }
        start.elapsed()
    })
}
