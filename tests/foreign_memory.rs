//! Adopting while the allocator fails at each of its calls in turn: the bytes are listed, or come back as they were.
#![allow(missing_docs)]

use bufslab::{SlabPool, Tag};
use bytes::Bytes;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    // No destructor, so that it can be read at any time. Calls of this thread until one fails.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct FailsOnce;

// SAFETY: every call is handed on unchanged, or answered with null, which is allowed at any time.
unsafe impl GlobalAlloc for FailsOnce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.with(Cell::get);
        if left != usize::MAX {
            LEFT.with(|cell| cell.set(left.wrapping_sub(1)));
            if left == 0 {
                return ptr::null_mut();
            }
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: FailsOnce = FailsOnce;

/// Runs `f` while the call after `n` others fails. Says whether one failed.
fn failing_after<R>(n: usize, f: impl FnOnce() -> R) -> (R, bool) {
    LEFT.with(|left| left.set(n));
    let result = f();
    let failed = LEFT.with(|left| left.replace(usize::MAX)) == usize::MAX;
    (result, failed)
}

struct Owner(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn every_call_of_the_allocator_may_fail() {
    let tag = Tag::new("adopted");
    // This thread is known, and so is its hint.
    drop(SlabPool::new().adopt(Bytes::from_static(b"warm"), 100, tag));
    let drops = Arc::new(AtomicUsize::new(0));
    let made = Cell::new(0);
    let make = || {
        made.set(made.get() + 1);
        Bytes::from_owner(Owner(vec![7; 100], Arc::clone(&drops)))
    };
    let (mut listed, mut refused, mut untracked, mut rounds) = (0, 0, 0, 0);
    // The first `Bytes` of a slab, and one that joins it.
    for joins in [false, true] {
        for n in 0.. {
            let pool = SlabPool::new();
            let foreign = pool.foreign(1 << 20);
            let first = joins.then(|| foreign.adopt(make(), tag));
            let known = first.iter().len();
            let bytes = make();
            let (result, failed) = failing_after(n, || foreign.try_adopt(bytes, tag));
            rounds += 1;
            match result {
                Ok(value) => {
                    assert_eq!(value, [7; 100][..]);
                    let totals = pool.report().totals;
                    assert_eq!(totals.slices + totals.untracked, known + 1);
                    listed += 1;
                    untracked += totals.untracked;
                }
                Err((error, bytes)) => {
                    assert!(failed && error.is_out_of_memory(), "{error}");
                    assert_eq!(error.requested(), 100);
                    assert_eq!(bytes, [7; 100][..], "the bytes come back");
                    assert_eq!(pool.stats().handles, known as u64);
                    refused += 1;
                    // `adopt` keeps them all the same, where there is memory for that.
                    assert_eq!(foreign.adopt(bytes, tag), [7; 100][..]);
                }
            }
            drop(first);
            assert_eq!((pool.stats().handles, pool.stats().foreign_bytes), (0, 0));
            if !failed {
                break;
            }
        }
    }
    println!("{rounds} rounds: {listed} listed, {untracked} of them untracked, {refused} refused");
    assert_eq!(drops.load(Ordering::Relaxed), made.get(), "each was dropped once");
    assert!(refused >= 4 && untracked >= 1, "{refused} refused, {untracked} untracked");
}
