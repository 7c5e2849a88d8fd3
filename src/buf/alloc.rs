//! Buffers from a pool.

use super::SlabBytesMut;
use crate::error::AllocError;
use crate::pool::{SlabPool, no_memory};
use crate::raw::{self, Label};
use core::panic::Location;

impl SlabPool {
    /// An empty buffer with room for exactly `n` bytes, cut from this thread's slab. A request larger than the slab size
    /// gets a slab of its own, tracked alike. `n = 0` takes no memory until something is written.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`try_alloc`](SlabPool::try_alloc) returns that as an error.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// assert_eq!(pool.alloc(1500).capacity(), 1500);
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn alloc(&self, n: usize) -> SlabBytesMut {
        let label = Label { site: Location::caller(), tag: 0 };
        // Straight from the current slab: no `Result` on the way, which would go through memory.
        match raw::alloc_quick(self.id(), n, label) {
            Some(raw) => SlabBytesMut::from_raw(raw),
            None => self.alloc_or_panic(n, label),
        }
    }

    #[inline(never)]
    #[track_caller]
    fn alloc_or_panic(&self, n: usize, label: Label) -> SlabBytesMut {
        if let Some(raw) = raw::alloc_current(self.id(), n, self.slab_size(), label) {
            return SlabBytesMut::from_raw(raw);
        }
        match self.alloc_slow(n, label) {
            Ok(raw) => SlabBytesMut::from_raw(raw),
            Err(error) => no_memory(&error),
        }
    }

    /// As [`alloc`](SlabPool::alloc).
    ///
    /// # Errors
    ///
    /// Tells the request and the limit that stood in the way. The pool works on, and nothing is lost.
    #[inline]
    #[track_caller]
    pub fn try_alloc(&self, n: usize) -> Result<SlabBytesMut, AllocError> {
        let label = Label { site: Location::caller(), tag: 0 };
        match raw::alloc_quick(self.id(), n, label) {
            Some(raw) => Ok(SlabBytesMut::from_raw(raw)),
            None => self.alloc_raw(n, label).map(SlabBytesMut::from_raw),
        }
    }
}
