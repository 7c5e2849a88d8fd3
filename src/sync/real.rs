//! The shipped primitives.

pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(crate) use parking_lot::{Mutex, RwLock};
pub(crate) use std::thread_local;

/// Stands where loom checks that the payload is not touched after the slab was given up; nothing here.
pub(crate) struct Witness;

impl Witness {
    pub(crate) const fn new() -> Self {
        Witness
    }

    /// A holder of a slice looks at the payload.
    #[inline(always)]
    pub(crate) fn read(&self) {}

    /// Whoever found the slab empty takes the payload for itself.
    #[inline(always)]
    pub(crate) fn write(&self) {}
}

/// Waits a moment for another thread.
pub(crate) fn wait() {
    std::thread::yield_now();
}

/// A number that no other call of this process gets. Never 0.
pub(crate) fn next_uid() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only uniqueness matters.
    NEXT.fetch_add(1, Ordering::Relaxed)
}
