//! The crate `bytesbuf`, of Microsoft's Oxidizer.

use super::{Reader, Sharer};
use bytesbuf::BytesView;
use bytesbuf::mem::GlobalPool;
use std::ops::Range;

/// A buffer of its `GlobalPool` for each read. It has one size of memory for each range of sizes of reads, whatever `slab` says.
pub(crate) struct Oxidizer(GlobalPool);

impl Reader for Oxidizer {
    type Read = BytesView;

    fn new(_: usize) -> Self {
        Oxidizer(GlobalPool::new())
    }

    /// A pool of its own, as its documentation wants it for threads that its runtime did not start.
    fn another(&self) -> Self {
        Oxidizer(GlobalPool::new())
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> BytesView {
        let mut read = self.0.reserve(n);
        read.put_slice(bytes);
        read.consume_all()
    }
}

impl Sharer for Oxidizer {
    #[inline]
    fn slice(read: &BytesView, range: Range<usize>) -> BytesView {
        read.range(range)
    }

    /// It has no `split_to`: a slice, and the rest goes on behind it.
    #[inline]
    fn split_to(read: &mut BytesView, at: usize) -> BytesView {
        let head = read.range(..at);
        read.advance(at);
        head
    }
}
