//! `bytes`, in the three ways it is read with, and the two crates made of it.

use super::{Reader, Sharer};
use bytes::{Bytes, BytesMut};
use bytes_pool::BytesPool;
use ntex_bytes::BytePageSize;
use std::ops::Range;

/// The same for every reader whose reads are `Bytes`.
macro_rules! shares_as_bytes {
    ($reader:ty, $read:ty) => {
        impl Sharer for $reader {
            #[inline]
            fn slice(read: &$read, range: Range<usize>) -> $read {
                read.slice(range)
            }

            #[inline]
            fn split_to(read: &mut $read, at: usize) -> $read {
                read.split_to(at)
            }
        }
    };
}

/// A `Vec` for each read, made into `Bytes`.
pub(crate) struct FromVec;

impl Reader for FromVec {
    type Read = Bytes;

    fn new(_: usize) -> Self {
        FromVec
    }

    fn another(&self) -> Self {
        FromVec
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> Bytes {
        let mut read = Vec::with_capacity(n);
        read.extend_from_slice(bytes);
        Bytes::from(read)
    }
}

shares_as_bytes!(FromVec, Bytes);

/// A `BytesMut` for each read.
pub(crate) struct Fresh;

impl Reader for Fresh {
    type Read = Bytes;

    fn new(_: usize) -> Self {
        Fresh
    }

    fn another(&self) -> Self {
        Fresh
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> Bytes {
        let mut read = BytesMut::with_capacity(n);
        read.extend_from_slice(bytes);
        read.freeze()
    }
}

shares_as_bytes!(Fresh, Bytes);

/// One large `BytesMut`, from which each read is split off. When it is used up, `reserve` takes its memory again if no read is left
/// of it, and new memory otherwise.
pub(crate) struct Carved {
    rest: BytesMut,
    slab: usize,
}

impl Reader for Carved {
    type Read = Bytes;

    fn new(slab: usize) -> Self {
        Carved { rest: BytesMut::with_capacity(slab), slab }
    }

    fn another(&self) -> Self {
        Carved::new(self.slab)
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> Bytes {
        if self.rest.capacity() < n {
            self.rest.reserve(self.slab.max(n));
        }
        self.rest.extend_from_slice(bytes);
        self.rest.split().freeze()
    }
}

shares_as_bytes!(Carved, Bytes);

/// The crate `bytes-pool`: it copies what was read elsewhere, here from one buffer that is read into again and again.
pub(crate) struct SharePool {
    pool: BytesPool,
    scratch: Vec<u8>,
    slab: usize,
}

impl Reader for SharePool {
    type Read = Bytes;

    fn new(slab: usize) -> Self {
        SharePool { pool: BytesPool::with_capacity(slab), scratch: Vec::new(), slab }
    }

    fn another(&self) -> Self {
        SharePool::new(self.slab)
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> Bytes {
        self.scratch.clear();
        self.scratch.reserve(n);
        self.scratch.extend_from_slice(bytes);
        if self.pool.capacity() < bytes.len() {
            self.pool.reserve(self.slab.max(bytes.len()));
        }
        self.pool.share_bytes(&self.scratch)
    }
}

shares_as_bytes!(SharePool, Bytes);

/// The crate `ntex-bytes`: a page for each read, out of its cache for each thread. Up to 23 bytes are kept inside the handle.
pub(crate) struct Ntex;

impl Reader for Ntex {
    type Read = ntex_bytes::Bytes;

    fn new(_: usize) -> Self {
        Ntex
    }

    fn another(&self) -> Self {
        Ntex
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> ntex_bytes::Bytes {
        let mut read = ntex_bytes::BytesMut::with_page_size(BytePageSize::for_capacity(n));
        read.extend_from_slice(bytes);
        read.freeze()
    }
}

shares_as_bytes!(Ntex, ntex_bytes::Bytes);
