//! Floors of tracking: the least that a handle takes which somebody could be asked for. It is listed in a slot of its own by one word, which says
//! where it lies, and the slot is found by the lowest bit of a word. Nothing else is known, asked or counted: who owns the memory, how much of it
//! is left, who made the handle and where, whether another thread looks.

use crate::machine::bytes;
use crate::timing::Run;
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

const SLOTS: usize = 32;

/// Slots, of which one for each bit is free.
struct List {
    free: Cell<u32>,
    slots: [Cell<u64>; SLOTS],
}

impl List {
    fn new() -> List {
        List { free: Cell::new(u32::MAX), slots: [const { Cell::new(0) }; SLOTS] }
    }
}

/// A handle as it is passed around: where its bytes begin, how many there are, and its slot.
struct Listed<'a> {
    start: usize,
    len: usize,
    list: &'a List,
    slot: u32,
}

impl<'a> Listed<'a> {
    #[inline]
    fn new(list: &'a List, start: usize, len: usize) -> Listed<'a> {
        let free = list.free.get();
        list.free.set(free & free.wrapping_sub(1));
        let slot = free.trailing_zeros();
        list.slots[slot as usize % SLOTS].set((start as u64) << 32 | len as u64);
        Listed { start, len, list, slot }
    }

    #[inline]
    fn slice(&self, skip: usize, len: usize) -> Listed<'a> {
        assert!(skip <= self.len && len <= self.len - skip);
        Listed::new(self.list, self.start + skip, len)
    }
}

impl Drop for Listed<'_> {
    #[inline]
    fn drop(&mut self) {
        self.list.slots[self.slot as usize % SLOTS].set(0);
        self.list.free.set(self.list.free.get() | 1 << self.slot);
    }
}

/// A handle is listed, and struck off.
pub(crate) fn handle() -> Run {
    let list = List::new();
    Box::new(move |rounds| {
        let whole = Listed::new(black_box(&list), 0, 4096);
        let start = Instant::now();
        for _ in 0..rounds {
            let whole = black_box(&whole);
            black_box(&Listed::new(whole.list, whole.start, whole.len));
        }
        start.elapsed()
    })
}

/// `N` bytes copied into one buffer that stays in the cache, and listed.
pub(crate) fn read<const N: usize>() -> Run {
    copied::<N>(|_| ())
}

/// The same, and once more, and a part of that.
pub(crate) fn chain<const N: usize>() -> Run {
    copied::<N>(|read| {
        let whole = read.slice(0, N);
        black_box(&whole);
        black_box(&whole.slice(black_box(8), black_box(20)));
    })
}

/// A read of `N` bytes, and what is done with it before it goes.
fn copied<const N: usize>(further: impl Fn(&Listed<'_>) + 'static) -> Run {
    let (list, mut buffer) = (List::new(), vec![0; N]);
    Box::new(move |rounds| {
        let list = black_box(&list);
        let start = Instant::now();
        for _ in 0..rounds {
            let read = Listed::new(list, buffer.as_ptr().addr(), N);
            buffer.copy_from_slice(bytes(N));
            black_box((&read, &buffer));
            further(&read);
        }
        start.elapsed()
    })
}
