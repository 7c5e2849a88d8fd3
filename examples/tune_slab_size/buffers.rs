//! Where the server's reads go: a slab pool, or a `Vec` for each read.

use std::ops::Deref;

use anyhow::Result;
use bufslab::{SlabBytes, SlabBytesMut, SlabPool};
use bytes::{Buf, BufMut, Bytes};

use crate::plan::Case;

/// How much is read from a socket at a time, at most; libuv suggests the same.
const READ_SIZE: usize = 64 * 1024;

/// What hands out buffers.
pub trait Buffers: Clone + 'static {
    type Room: BufMut;
    type Slice: Buf + Deref<Target = [u8]> + Clone + Default + 'static;

    /// Room for one read of this many bytes.
    fn room(&self, bytes: usize) -> Self::Room;
    /// What has been read into it.
    fn filled(room: Self::Room) -> Self::Slice;
    /// Cuts off what begins at `at`.
    fn split_off(slice: &mut Self::Slice, at: usize) -> Self::Slice;
    /// A slice that is going to be kept.
    fn kept(slice: &Self::Slice) -> Self::Slice;
    /// The largest read, in bytes.
    fn most(&self) -> usize;
    /// What slices pin and how many slabs were taken, if there are slabs.
    fn slabs(&self) -> Option<Slabs>;
}

/// What a pool says.
#[derive(Clone, Copy, Debug)]
pub struct Slabs {
    pub pinned_bytes: usize,
    /// Slabs made from fresh memory so far.
    pub taken: u64,
    /// Size of the next slab, in bytes.
    pub size: usize,
}

/// The pool of a case; `None` if it has none.
pub fn pool(case: Case) -> Result<Option<SlabPool>> {
    let Case::Pool { size, reuse } = case else {
        return Ok(None);
    };
    Ok(Some(SlabPool::builder().name("tls").slab_size(size).reuse(reuse).build()?))
}

impl Buffers for SlabPool {
    type Room = SlabBytesMut;
    type Slice = SlabBytes;

    fn room(&self, bytes: usize) -> SlabBytesMut {
        self.alloc(bytes)
    }

    fn filled(room: SlabBytesMut) -> SlabBytes {
        // On the owner's thread, freezing gives the unused tail back to the slab.
        room.freeze()
    }

    fn split_off(slice: &mut SlabBytes, at: usize) -> SlabBytes {
        slice.split_off(at)
    }

    fn kept(slice: &SlabBytes) -> SlabBytes {
        slice.clone().tag("req.head")
    }

    fn most(&self) -> usize {
        READ_SIZE.min(self.slab_size())
    }

    fn slabs(&self) -> Option<Slabs> {
        let stats = self.stats();
        Some(Slabs { pinned_bytes: stats.pinned_bytes, taken: stats.slabs_taken, size: stats.slab_size })
    }
}

/// A `Vec` for each read, shared by means of `Bytes`.
#[derive(Clone, Copy)]
pub struct VecEach;

impl Buffers for VecEach {
    type Room = Vec<u8>;
    type Slice = Bytes;

    fn room(&self, bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn filled(room: Vec<u8>) -> Bytes {
        room.into()
    }

    fn split_off(slice: &mut Bytes, at: usize) -> Bytes {
        slice.split_off(at)
    }

    fn kept(slice: &Bytes) -> Bytes {
        slice.clone()
    }

    fn most(&self) -> usize {
        READ_SIZE
    }

    fn slabs(&self) -> Option<Slabs> {
        None
    }
}
