//! A count of rare events, on a line of its own. Never modelled: it is a hint, and nothing is ordered by it.

use super::CachePadded;
use core::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Events(CachePadded<AtomicUsize>);

impl Events {
    pub(crate) const fn none() -> Events {
        Events(CachePadded::new(AtomicUsize::new(0)))
    }

    pub(crate) fn add(&self) {
        // Relaxed: as said.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
