//! The allocator alone, without sockets: reads of 1,500 bytes, in nanoseconds each.
//!
//! * *hot*: each read is dropped before the next. Its slab, when it is full, is empty and reused in place.
//! * *streamed*: one slice of 20 bytes is kept of each slab, the latest for 64 MiB. Slabs come back after that, warm to the
//!   system and cold to the caches.
//! * *fresh*: the same, but each slab is mapped anew and given back to the system: every page of it is a page fault.
//!
//! All write the 1,500 bytes, as a read does; *copy* is what that costs alone, into one place that never moves.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bufslab::{Level, Reuse, SlabBytes, SlabPool};
use bytes::BufMut;

use crate::run::Figures;

/// An Ethernet frame's payload.
const READ: [u8; 1500] = [7; 1500];
/// What the streamed reads go through before a slab comes again.
const WINDOW: usize = 64 << 20;
/// At most so much of a slab is gone for one read.
const READ_ROOM: usize = 1536;
/// Between two looks at the clock, at least.
const BATCH: usize = 256;

/// What is measured for slabs of one size, for at least `length` each.
pub fn with_slabs(slab_size: usize, length: Duration) -> Result<Figures> {
    let mut figures = Figures::new();
    // As a pool would be used by default, and as Node's was.
    let pool = || SlabPool::builder().tracking(Level::default()).slab_size(slab_size).reuse(Reuse::WholeSlab);
    let hot = pool().build()?;
    figures.insert("hot_ns".to_owned(), ns_each(slab_size / READ_ROOM, length, || drop(read(&hot))));
    let stats = hot.stats();
    ensure!(stats.slabs_taken == 1 && stats.slabs_reused == 0, "hot reads left their slab: {stats:?}");

    let warm = pool().idle_bytes(2 * WINDOW).idle_decay(Duration::ZERO).build()?;
    let ns = streamed(&warm, WINDOW, length)?;
    let stats = warm.stats();
    ensure!(stats.slabs_taken <= most_at_once(WINDOW, slab_size), "streamed reads took fresh slabs: {stats:?}");
    figures.insert("streamed_ns".to_owned(), ns);

    #[cfg(unix)]
    {
        let cold = pool().idle_bytes(0).source(bufslab::MmapSource::new()).build()?;
        let ns = streamed(&cold, 2 * slab_size, length)?;
        let stats = cold.stats();
        ensure!(stats.slabs_reused == 0, "fresh reads took slabs that were used before: {stats:?}");
        figures.insert("fresh_ns".to_owned(), ns);
    }
    Ok(figures)
}

/// Slabs that are kept, are filled, and were just left.
fn most_at_once(window: usize, slab_size: usize) -> u64 {
    (window / slab_size + 4) as u64
}

/// The same with a `Vec` for each read, and the copy alone.
pub fn without_slabs(length: Duration) -> Figures {
    let vec = ns_each(0, length, || {
        let mut room = Vec::with_capacity(READ.len());
        room.put_slice(black_box(&READ));
        drop(black_box(room));
    });
    let mut place = [0; READ.len()];
    let copy = ns_each(0, length, || {
        place.copy_from_slice(black_box(&READ));
        black_box(&mut place);
    });
    [("hot_ns".to_owned(), vec), ("copy_ns".to_owned(), copy)].into()
}

fn read(pool: &SlabPool) -> SlabBytes {
    let mut room = pool.alloc(READ.len());
    room.put_slice(black_box(&READ));
    black_box(room.freeze())
}

/// Reads, with one slice of each slab kept while slabs of `window` bytes come after it.
fn streamed(pool: &SlabPool, window: usize, length: Duration) -> Result<f64> {
    let slab_size = pool.slab_size();
    let each = (slab_size / READ_ROOM).max(1);
    let mut kept = VecDeque::with_capacity(window / slab_size + 1);
    let mut count = 0;
    let ns = ns_each(window / READ_ROOM, length, || {
        let read = read(pool);
        if count % each == 0 {
            if kept.len() == window / slab_size {
                kept.pop_front();
            }
            kept.push_back(read.slice(..20));
        }
        count += 1;
    });
    let last = kept.back().context("nothing was kept")?;
    ensure!(last[..] == READ[..20], "what was kept has changed");
    Ok(ns)
}

/// Does `act` until `length` is over, in batches; returns nanoseconds a time. `first` times go before.
fn ns_each(first: usize, length: Duration, mut act: impl FnMut()) -> f64 {
    (0..first.max(BATCH)).for_each(|_| act());
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < length {
        (0..BATCH).for_each(|_| act());
        count += BATCH;
    }
    start.elapsed().as_nanos() as f64 / count as f64
}
