//! Giving idle memory back now.

use crate::pool::{Given, SlabPool};
use crate::report;
use core::fmt;

impl SlabPool {
    /// Gives all idle slabs back to the memory's source, those that threads have at hand included.
    ///
    /// What slices pin stays, and the two slabs at most that each allocating thread is attached to, also while they are
    /// empty. Whether the source gives the memory on to the system is [its affair](crate::docs::returning_memory).
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let burst: Vec<_> = (0..12).map(|_| pool.alloc(64 * 1024)).collect();
    /// drop(burst);
    /// let trimmed = pool.trim();
    /// assert_eq!(trimmed.to_string(), "gave back 10 idle slabs (640 KiB)");
    /// assert_eq!(pool.stats().memory_bytes, 2 * 64 * 1024, "this thread is attached to two");
    /// ```
    pub fn trim(&self) -> Trimmed {
        self.trim_to(0)
    }

    /// As [`trim`](SlabPool::trim), but leaves up to `bytes` of idle memory: what threads have at hand goes last, and of each
    /// store the slabs that came back last. What comes back while it runs may be left on top.
    pub fn trim_to(&self, bytes: usize) -> Trimmed {
        let given = self.core().depot().trim_to(bytes);
        self.core().room_made();
        given.into()
    }
}

/// Idle memory that went back to its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// How many slabs.
    pub slabs: usize,
    /// Their sizes.
    pub bytes: usize,
}

impl From<Given> for Trimmed {
    fn from(given: Given) -> Trimmed {
        Trimmed { slabs: given.slabs, bytes: given.bytes }
    }
}

impl fmt::Display for Trimmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slabs {
            0 => f.write_str("gave back no idle slab"),
            1 => write!(f, "gave back 1 idle slab ({})", report::bytes(self.bytes)),
            n => write!(f, "gave back {n} idle slabs ({})", report::bytes(self.bytes)),
        }
    }
}
