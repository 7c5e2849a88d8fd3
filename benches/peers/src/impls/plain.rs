//! The standard library alone.

use super::{Reader, Sharer};
use std::ops::Range;
use std::sync::Arc;

/// A `Vec` for each read. It cannot be shared.
pub(crate) struct PlainVec;

impl Reader for PlainVec {
    type Read = Vec<u8>;

    fn new(_: usize) -> Self {
        PlainVec
    }

    fn another(&self) -> Self {
        PlainVec
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> Vec<u8> {
        let mut read = Vec::with_capacity(n);
        read.extend_from_slice(bytes);
        read
    }
}

/// Reads go into one buffer, and what has arrived is copied into an `Arc<[u8]>` of that size.
pub(crate) struct ArcCopied(Vec<u8>);

/// An `Arc<[u8]>` has no slices: this is what programs write around it.
#[derive(Clone)]
pub(crate) struct ArcPart {
    whole: Arc<[u8]>,
    range: Range<usize>,
}

impl ArcPart {
    #[inline]
    fn part(&self, range: Range<usize>) -> ArcPart {
        assert!(range.start <= range.end && range.end <= self.range.len());
        let start = self.range.start;
        ArcPart { whole: Arc::clone(&self.whole), range: start + range.start..start + range.end }
    }
}

impl Reader for ArcCopied {
    type Read = ArcPart;

    fn new(_: usize) -> Self {
        ArcCopied(Vec::new())
    }

    fn another(&self) -> Self {
        ArcCopied(Vec::new())
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> ArcPart {
        self.0.clear();
        self.0.reserve(n);
        self.0.extend_from_slice(bytes);
        ArcPart { range: 0..self.0.len(), whole: Arc::from(&*self.0) }
    }
}

impl Sharer for ArcCopied {
    #[inline]
    fn slice(read: &ArcPart, range: Range<usize>) -> ArcPart {
        read.part(range)
    }

    #[inline]
    fn split_to(read: &mut ArcPart, at: usize) -> ArcPart {
        let head = read.part(0..at);
        read.range.start += at;
        head
    }
}
