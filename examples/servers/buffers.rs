//! What the servers read into, cut from, and keep: the only thing that differs between them.

use std::borrow::Borrow;
use std::hash::Hash;
use std::mem;
use std::ops::Deref;

use bufslab::{SlabBytes, SlabBytesMut, SlabPool};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Memory is taken for reads of at least so many bytes.
const READ: usize = 8 * 1024;

/// One kind of buffers.
pub trait Buffers: Clone + 'static {
    type Input: Input<Slice = Self::Slice>;
    /// A value of its own: what has been cut from an input.
    type Slice: Deref<Target = [u8]> + Borrow<[u8]> + Hash + Eq + 'static;

    /// A new connection's input.
    fn input(&self) -> Self::Input;
    /// A value that was not read but made.
    fn copied(&self, bytes: &[u8]) -> Self::Slice;
    /// A value that is going to be kept for long.
    fn keep(slice: Self::Slice) -> Self::Slice;
}

/// What came from a connection and is not used up yet.
pub trait Input {
    type Slice;
    type Room: BufMut;

    /// The bytes that are there.
    fn unread(&self) -> &[u8];
    /// Room behind them: for `missing` bytes by all means, and if it can be for `usual` bytes.
    fn room(&mut self, missing: usize, usual: usize) -> &mut Self::Room;
    /// Forgets the first `count` bytes.
    fn skip(&mut self, count: usize);
    /// Cuts off the first `count` bytes.
    fn take(&mut self, count: usize) -> Self::Slice;
    /// Nothing comes for a while.
    fn rest(&mut self);
}

/// A `Vec` for each connection. What outlives the next read is copied out.
#[derive(Clone, Copy)]
pub struct Vecs;

pub struct VecInput {
    bytes: Vec<u8>,
    /// So many of them are used up.
    at: usize,
}

impl Buffers for Vecs {
    type Input = VecInput;
    type Slice = Vec<u8>;

    fn input(&self) -> VecInput {
        VecInput { bytes: Vec::new(), at: 0 }
    }

    fn copied(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn keep(slice: Vec<u8>) -> Vec<u8> {
        slice
    }
}

impl Input for VecInput {
    type Slice = Vec<u8>;
    type Room = Vec<u8>;

    fn unread(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn room(&mut self, missing: usize, usual: usize) -> &mut Vec<u8> {
        let least = missing.max(usual);
        if self.bytes.capacity() - self.bytes.len() < least {
            self.bytes.drain(..self.at);
            self.at = 0;
            if self.bytes.capacity() - self.bytes.len() < least {
                self.bytes.reserve(least.max(READ));
            }
        }
        &mut self.bytes
    }

    fn skip(&mut self, count: usize) {
        self.at += count;
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.unread()[..count].to_vec();
        self.skip(count);
        taken
    }

    fn rest(&mut self) {}
}

/// `BytesMut` for each connection, of which `Bytes` are split off.
#[derive(Clone, Copy)]
pub struct BytesEach;

impl Buffers for BytesEach {
    type Input = BytesMut;
    type Slice = Bytes;

    fn input(&self) -> BytesMut {
        BytesMut::new()
    }

    fn copied(&self, bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }

    fn keep(slice: Bytes) -> Bytes {
        slice
    }
}

impl Input for BytesMut {
    type Slice = Bytes;
    type Room = BytesMut;

    fn unread(&self) -> &[u8] {
        self
    }

    fn room(&mut self, missing: usize, usual: usize) -> &mut BytesMut {
        let least = missing.max(usual);
        // Not before the room has become short: what is kept would pin a buffer for each read.
        if self.capacity() - self.len() < least {
            self.reserve(least.max(READ));
        }
        self
    }

    fn skip(&mut self, count: usize) {
        self.advance(count);
    }

    fn take(&mut self, count: usize) -> Bytes {
        self.split_to(count).freeze()
    }

    fn rest(&mut self) {}
}

/// A pool for all connections. Each takes room when its socket has something, and gives back what was not filled.
#[derive(Clone)]
pub struct Slabs(SlabPool);

pub struct SlabInput {
    pool: SlabPool,
    bytes: SlabBytesMut,
}

impl Slabs {
    /// With all settings as they are by default.
    pub fn new() -> Slabs {
        Slabs(SlabPool::new())
    }
}

impl Buffers for Slabs {
    type Input = SlabInput;
    type Slice = SlabBytes;

    fn input(&self) -> SlabInput {
        SlabInput { pool: self.0.clone(), bytes: SlabBytesMut::new() }
    }

    fn copied(&self, bytes: &[u8]) -> SlabBytes {
        SlabBytes::copy_from_slice(bytes)
    }

    fn keep(slice: SlabBytes) -> SlabBytes {
        slice.retain()
    }
}

impl Input for SlabInput {
    type Slice = SlabBytes;
    type Room = SlabBytesMut;

    fn unread(&self) -> &[u8] {
        &self.bytes
    }

    fn room(&mut self, missing: usize, usual: usize) -> &mut SlabBytesMut {
        // No more than fits into a slab, unless a message needs that: what is larger gets a slab of its own.
        let most = self.pool.slab_size().saturating_sub(self.bytes.len());
        if self.bytes.is_empty() {
            self.bytes = self.pool.alloc(usual.max(READ).min(most).max(missing));
        } else if self.bytes.capacity() - self.bytes.len() < usual.min(most).max(missing) {
            self.bytes.reserve(usual.max(READ).min(most).max(missing));
        }
        &mut self.bytes
    }

    fn skip(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn take(&mut self, count: usize) -> SlabBytes {
        if count == self.bytes.len() {
            // The last piece: freezing all of it gives the room behind it back.
            mem::take(&mut self.bytes).freeze()
        } else {
            self.bytes.split_to(count).freeze()
        }
    }

    fn rest(&mut self) {
        // An idle connection holds nothing: the room goes back to the slab.
        if self.bytes.is_empty() && self.bytes.capacity() > 0 {
            self.bytes = SlabBytesMut::new();
        }
    }
}
