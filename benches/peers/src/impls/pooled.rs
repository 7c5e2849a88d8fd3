//! Pools of objects: the crate `opool`, with a `Vec` as object. What is read cannot be shared.

use super::Reader;
use opool::{LocalPool, Pool, PoolAllocator, RefGuard, RefLocalGuard};

/// As many as the largest window holds, and some.
const OBJECTS: usize = 2048;

/// Makes and empties the pool's objects.
pub(crate) struct Vecs;

impl PoolAllocator<Vec<u8>> for Vecs {
    #[inline]
    fn reset(&self, read: &mut Vec<u8>) {
        read.clear();
    }

    fn allocate(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// The pool that all threads share. It lives as long as the process: its guards borrow it.
pub(crate) struct Objects(&'static Pool<Vecs, Vec<u8>>);

impl Reader for Objects {
    type Read = RefGuard<'static, Vecs, Vec<u8>>;

    fn new(_: usize) -> Self {
        Objects(Box::leak(Box::new(Pool::new(OBJECTS, Vecs))))
    }

    fn another(&self) -> Self {
        Objects(self.0)
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> Self::Read {
        let mut read = self.0.get();
        read.reserve(n);
        read.extend_from_slice(bytes);
        read
    }
}

/// The pool for one thread, whose objects stay there.
pub(crate) struct LocalObjects(&'static LocalPool<Vecs, Vec<u8>>);

impl Reader for LocalObjects {
    type Read = RefLocalGuard<'static, Vecs, Vec<u8>>;

    fn new(_: usize) -> Self {
        LocalObjects(Box::leak(Box::new(LocalPool::new(OBJECTS, Vecs))))
    }

    fn another(&self) -> Self {
        LocalObjects::new(0)
    }

    #[inline]
    fn read(&mut self, n: usize, bytes: &[u8]) -> Self::Read {
        let mut read = self.0.get();
        read.reserve(n);
        read.extend_from_slice(bytes);
        read
    }
}
