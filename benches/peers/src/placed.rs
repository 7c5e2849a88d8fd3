//! Floors of tracked reads that live for a while or go elsewhere: as [`listed`](crate::listed) has it, each handle is listed by one word in a slot
//! of its own, and nothing else is known. Here each slot has a place for the bytes, too, as in a pool whose buffers are all of one size.

use crate::impls::Reader;
use std::array;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots, of which as many as there are reads at any time are taken: some more than half.
const SLOTS: usize = 2048;
/// Slots of a word, which has a bit for each that is free.
const BITS: usize = u64::BITS as usize;

/// Slots of a thread that keeps its reads.
struct List {
    free: [Cell<u64>; SLOTS / BITS],
    /// The word in which a bit was set last.
    at_hand: Cell<usize>,
    slots: [Cell<u64>; SLOTS],
}

/// Slots, and a place for each. The one that was left last is the next one's.
pub(crate) struct Places {
    list: &'static List,
    /// As many bytes a place as the first read has.
    bytes: Vec<u8>,
}

/// A read of [`Places`].
pub(crate) struct Placed {
    list: &'static List,
    slot: usize,
}

impl Reader for Places {
    type Read = Placed;

    fn new(_slab: usize) -> Self {
        let free = [const { Cell::new(u64::MAX) }; SLOTS / BITS];
        let list = List { free, at_hand: Cell::new(0), slots: [const { Cell::new(0) }; SLOTS] };
        Places { list: Box::leak(Box::new(list)), bytes: Vec::new() }
    }

    fn another(&self) -> Self {
        Self::new(0)
    }

    #[inline]
    fn read(&mut self, _n: usize, bytes: &[u8]) -> Placed {
        let Places { list, bytes: all } = self;
        let mut word = list.at_hand.get();
        while list.free[word].get() == 0 {
            word = (word + 1) % list.free.len();
            list.at_hand.set(word);
        }
        let free = list.free[word].get();
        list.free[word].set(free & free.wrapping_sub(1));
        let slot = word * BITS + free.trailing_zeros() as usize;
        if all.is_empty() {
            all.resize(SLOTS * bytes.len(), 0);
        }
        let start = slot * bytes.len();
        all[start..start + bytes.len()].copy_from_slice(bytes);
        list.slots[slot % SLOTS].set((start as u64) << 32 | bytes.len() as u64);
        Placed { list, slot }
    }
}

impl Drop for Placed {
    #[inline]
    fn drop(&mut self) {
        self.list.slots[self.slot % SLOTS].set(0);
        let word = self.slot / BITS % self.list.free.len();
        self.list.free[word].set(self.list.free[word].get() | 1 << (self.slot % BITS));
        self.list.at_hand.set(word);
    }
}

/// How many the other thread has struck off, on a line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Gone(AtomicU64);

/// What two threads know of reads that one makes and the other strikes off.
struct Common {
    slots: [AtomicU64; SLOTS],
    gone: Gone,
}

/// Makes reads that another thread strikes off, and counts them there if they are `COUNTED`: a count says when none is left, for which slots would
/// have to be looked through. Their bytes go into one buffer that stays in the cache, since nobody reads them.
pub(crate) struct Sender<const COUNTED: bool> {
    common: &'static Common,
    next: usize,
    buffer: Vec<u8>,
}

/// A read of [`Sender`].
pub(crate) struct Sent<const COUNTED: bool> {
    common: &'static Common,
    slot: usize,
}

impl<const COUNTED: bool> Reader for Sender<COUNTED> {
    type Read = Sent<COUNTED>;

    fn new(_slab: usize) -> Self {
        let slots = array::from_fn(|_| AtomicU64::new(0));
        let common = Box::leak(Box::new(Common { slots, gone: Gone::default() }));
        Sender { common, next: 0, buffer: Vec::new() }
    }

    fn another(&self) -> Self {
        Self::new(0)
    }

    #[inline]
    fn read(&mut self, _n: usize, bytes: &[u8]) -> Sent<COUNTED> {
        let slot = loop {
            self.next = (self.next + 1) % SLOTS;
            if self.common.slots[self.next].load(Ordering::Acquire) == 0 {
                break self.next;
            }
        };
        self.buffer.resize(bytes.len(), 0);
        self.buffer.copy_from_slice(bytes);
        black_box(&self.buffer);
        let start = self.buffer.as_ptr().addr() as u64;
        self.common.slots[slot].store(start << 32 | bytes.len() as u64, Ordering::Release);
        Sent { common: self.common, slot }
    }
}

impl<const COUNTED: bool> Drop for Sent<COUNTED> {
    #[inline]
    fn drop(&mut self) {
        self.common.slots[self.slot % SLOTS].store(0, Ordering::Release);
        if COUNTED {
            self.common.gone.0.fetch_add(1, Ordering::Release);
        }
    }
}
