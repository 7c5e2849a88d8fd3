//! bufslab, as it is by default and with what can be switched.

use super::{Reader, Sharer};
use bufslab::{Level, Reuse, SlabBytes, SlabPool};
use std::ops::Range;

/// At one level of tracking (0: off, 1: counters, 2: sites, the default), and cutting around pins or waiting for whole slabs.
pub(crate) struct Bufslab<const LEVEL: u8, const AROUND: bool>(SlabPool);

impl<const LEVEL: u8, const AROUND: bool> Reader for Bufslab<LEVEL, AROUND> {
    type Read = SlabBytes;

    fn new(slab: usize) -> Self {
        let level = match LEVEL {
            0 => Level::Off,
            1 => Level::Counters,
            _ => Level::Sites,
        };
        let reuse = if AROUND { Reuse::AroundThePin } else { Reuse::WholeSlab };
        let pool = SlabPool::builder().slab_size(slab).tracking(level).reuse(reuse).build();
        Bufslab(pool.expect("a size, a level and a reuse that are allowed"))
    }

    /// The same pool, which is what a program with several threads has.
    fn another(&self) -> Self {
        Bufslab(self.0.clone())
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> SlabBytes {
        let mut read = self.0.alloc(n);
        read.extend_from_slice(bytes);
        read.freeze()
    }
}

impl<const LEVEL: u8, const AROUND: bool> Sharer for Bufslab<LEVEL, AROUND> {
    #[inline]
    fn slice(read: &SlabBytes, range: Range<usize>) -> SlabBytes {
        read.slice(range)
    }

    #[inline]
    fn split_to(read: &mut SlabBytes, at: usize) -> SlabBytes {
        read.split_to(at)
    }
}
