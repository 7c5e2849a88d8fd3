//! What is to be recorded.

use crate::raw::Limits;

/// Bytes that a recording may take by default.
const MAX_BYTES: usize = 16 << 20;

/// What [`SlabPool::record`](crate::SlabPool::record) records: by default every allocation, in at most 16 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOptions {
    one_in: u32,
    max_bytes: usize,
}

impl RecordOptions {
    /// The default.
    #[must_use]
    pub fn new() -> RecordOptions {
        RecordOptions { one_in: 1, max_bytes: MAX_BYTES }
    }

    /// Records one allocation of each `n` in a row, with all that happens to it: as if by chance, and the same ones each time. 0 is
    /// taken for 1: all.
    #[must_use]
    pub fn one_in(self, n: u32) -> RecordOptions {
        RecordOptions { one_in: n.max(1), ..self }
    }

    /// Bytes of memory that the recording may take, at 64 for each step. When they are full it ends by itself, and the trace says so
    /// ([`is_cut_short`](crate::trace::AllocTrace::is_cut_short)). They are taken as they are needed.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> RecordOptions {
        RecordOptions { max_bytes: bytes, ..self }
    }

    pub(super) fn limits(self, slab_size: usize) -> Limits {
        Limits { one_in: self.one_in, max_bytes: self.max_bytes, slab_size }
    }
}

impl Default for RecordOptions {
    fn default() -> RecordOptions {
        RecordOptions::new()
    }
}
