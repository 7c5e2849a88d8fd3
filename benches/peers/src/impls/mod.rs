//! The ways to have a buffer for each read, each behind the same two traits, and as its own documentation would have it used.

mod bytes_crate;
mod oxidizer;
mod plain;
mod pooled;
mod slab;

pub(crate) use bytes_crate::{Carved, Fresh, FromVec, Ntex, SharePool};
pub(crate) use oxidizer::Oxidizer;
pub(crate) use plain::{ArcCopied, PlainVec};
pub(crate) use pooled::{LocalObjects, Objects};
pub(crate) use slab::Bufslab;

use std::ops::Range;

/// Slab size where there are slabs: bufslab's default.
pub(crate) const SLAB: usize = 64 * 1024;

/// Has a buffer for each read.
pub(crate) trait Reader: Sized + 'static {
    /// What is left when the bytes have arrived.
    type Read: 'static;

    /// With slabs of `slab` bytes, for those that have any.
    fn new(slab: usize) -> Self;

    /// What another thread of the same program would read with.
    fn another(&self) -> Self;

    /// Gets room for `n` bytes, writes `bytes` into it, and leaves it as it is passed on. What can be shared, can be from here on.
    fn read(&mut self, n: usize, bytes: &[u8]) -> Self::Read;
}

/// Has reads that can be shared without a copy.
pub(crate) trait Sharer: Reader<Read: Clone> {
    /// A part of it.
    fn slice(read: &Self::Read, range: Range<usize>) -> Self::Read;

    /// Cuts off the first `at` bytes.
    fn split_to(read: &mut Self::Read, at: usize) -> Self::Read;
}
