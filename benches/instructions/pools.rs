//! Operations on pools: buffers and their whole way, windows, steps to another slab, reports.

use crate::common::steps::{Origin, STEPS, Steps};
use crate::common::window::{KEPT, Lifetimes, Window};
use crate::common::{chain, read, request};
use crate::count::{BATCH, rounds};
use bufslab::{SlabBytes, SlabPool, Tag};
use std::time::Duration;

/// Without decay, which comes when the clock says so.
pub(crate) fn pool() -> SlabPool {
    SlabPool::builder().idle_decay(Duration::ZERO).build().expect("the settings are valid")
}

/// Of so many bytes, kept.
pub(crate) fn alloc(n: usize, count: usize) -> usize {
    let pool = pool();
    let alloc = |buffers: &mut Vec<_>| buffers.extend((0..BATCH).map(|_| pool.alloc(n)));
    rounds(count, BATCH, &mut Vec::with_capacity(BATCH), |_| {}, alloc, Vec::clear)
}

/// One after the other does this, and keeps nothing.
fn again(count: usize, f: impl Fn(&SlabPool)) -> usize {
    rounds(count, BATCH, &mut pool(), |_| {}, |pool| (0..BATCH).for_each(|_| f(pool)), |_| {})
}

pub(crate) fn alloc_fill_freeze_drop(count: usize) -> usize {
    again(count, |pool| drop(read(pool, 1500, 64)))
}

pub(crate) fn whole_chain(count: usize) -> usize {
    again(count, |pool| chain(pool, 1500, 64))
}

pub(crate) fn whole_request(count: usize) -> usize {
    again(count, request)
}

/// Pieces of 64 bytes off a writable buffer of 4 KiB.
pub(crate) fn split_to_writable(count: usize) -> usize {
    let pool = pool();
    let filled = || {
        let mut buffer = pool.alloc(64 * BATCH);
        buffer.resize(64 * BATCH, b'.');
        buffer
    };
    rounds(
        count,
        BATCH,
        &mut (filled(), Vec::with_capacity(BATCH)),
        |(buffer, _)| *buffer = filled(),
        |(buffer, pieces)| pieces.extend((0..BATCH).map(|_| buffer.split_to(64))),
        |(_, pieces)| pieces.clear(),
    )
}

pub(crate) fn step(origin: Origin, count: usize) -> usize {
    rounds(count, STEPS, &mut Steps::new(origin, 4096), |_| {}, Steps::round, |_| {})
}

/// Reads with room for 4 KiB that find 1,500 bytes.
pub(crate) fn window(lifetimes: Lifetimes, count: usize) -> usize {
    let mut window = Window::new(pool(), lifetimes, 4096, 1500);
    // As long as it takes until slabs come round.
    (0..20 * KEPT).for_each(|_| window.turn());
    rounds(count, BATCH, &mut window, |_| {}, |window| (0..BATCH).for_each(|_| window.turn()), |_| {})
}

/// Of 1,000 slices that ten tags share, on some twenty slabs.
pub(crate) fn report(count: usize) -> usize {
    let pool = pool();
    let tags: Vec<Tag> = (0..10).map(|n| Tag::new(&format!("tag {n}"))).collect();
    let _held: Vec<SlabBytes> = (0..1_000).map(|n| read(&pool, 1_300, 1_300).tag(tags[n % 10])).collect();
    rounds(count, 1, &mut None, |_| {}, |report| *report = Some(pool.report()), |report| *report = None)
}
