//! Marked handles, whose bytes are overwritten with zeros when the last handle that covers them goes away.
//!
//! The mark is a bit in the handle's word, so that an unmarked handle pays nothing: the one test of the fast path sends
//! marked ones here. What is made from a marked handle is marked.
//!
//! A byte that a marked handle gives up is overwritten
//! * **at once**, if it is known that no other handle covers it: the range was never shared, or an exact look says so;
//! * **with its slab**, if that cannot be known: another thread owns the slab, an overlapping handle lives still or is being
//!   dropped on another thread, or there is no slot that says where the handle is. The slab is flagged, and whoever has it to
//!   itself next overwrites all of it, before it is used again in any way or goes back to its source.
//!
//! The flag is set before the reference is given back, and taken down only by who has the slab to itself: so no reference is
//! left whose drop could set it, and every drop that did is ordered before. Whoever cuts from a slab that still has slices (from
//! holes around a pin) has to overwrite what it cuts while the flag is up, and must not take it down: a handle that set it may
//! not be gone yet.

use super::header::Header;
use super::owned::Owned;
use super::segment::Segment;
use super::shared::Shared;
use super::slab::Idle;
use super::slot::{Extent, Slot};
use super::unique::{self, Unique};
use super::word::{Hold, Word};
use super::{poison, snapshot};
use crate::sync::{Ordering, Plant, planted};
use core::ptr::NonNull;

/// Overwrites memory with zeros, in a way that is not optimised away although nobody reads them: by volatile writes, which the
/// compiler has to make, word by word where that is aligned.
///
/// # Safety
///
/// `len` bytes from `start` on are valid for writes, and nobody else looks at them meanwhile.
pub(super) unsafe fn wipe(start: NonNull<u8>, len: usize) {
    const WORD: usize = size_of::<usize>();
    let head = start.as_ptr().align_offset(WORD).min(len);
    let words = (len - head) / WORD;
    // SAFETY: head, words and tail are `len` bytes together; the words are aligned.
    unsafe {
        let middle = start.add(head);
        let tail = middle.add(words * WORD);
        (0..head).for_each(|i| start.add(i).write_volatile(0));
        (0..words).for_each(|i| middle.cast::<usize>().add(i).write_volatile(0));
        (0..len - head - words * WORD).for_each(|i| tail.add(i).write_volatile(0));
    }
}

impl Header {
    /// Says that the slab holds bytes that have to be overwritten before it is used again.
    #[cold]
    pub(super) fn set_must_wipe(&self) {
        if planted(Plant::WipeUnflagged) {
            return;
        }
        // Relaxed: the caller holds a reference; whoever takes the slab acquires its return.
        self.fixed.must_wipe.store(1, Ordering::Relaxed);
    }

    /// Whether the slab holds bytes that have to be overwritten before they are handed out. Stays so until nobody holds the slab:
    /// for who cuts from a slab that has slices.
    pub(super) fn must_wipe(&self) -> bool {
        // Relaxed: what the caller saw dead it acquired, and this was set before.
        self.fixed.must_wipe.load(Ordering::Relaxed) != 0
    }

    /// Overwrites the slab if it must be. Only for who has it to itself, without a single slice.
    pub(super) fn wipe_if_must(&self) {
        if self.must_wipe() {
            self.wipe_all();
        }
    }

    #[cold]
    fn wipe_all(&self) {
        // Relaxed: nobody else knows the slab.
        self.fixed.must_wipe.store(0, Ordering::Relaxed);
        // SAFETY: the memory is this long, no slice is left, and only the caller could cut one.
        unsafe { self.open_and_wipe(0, self.size()) };
    }

    /// Overwrites a hole of a slab that has slices, if the slab must be. The flag stays up.
    ///
    /// # Safety
    ///
    /// No slice covers the hole, and only the caller could cut one from it.
    pub(super) unsafe fn wipe_hole_if_must(&self, hole: Extent) {
        if self.must_wipe() {
            // SAFETY: the caller's promise.
            unsafe { self.open_and_wipe(hole.offset(), hole.len()) };
            if planted(Plant::WipeFlagTakenDown) {
                self.fixed.must_wipe.store(0, Ordering::Relaxed);
            }
        }
    }

    /// As [`wipe_range`](Header::wipe_range), for bytes that no slice covers.
    ///
    /// # Safety
    ///
    /// As there.
    pub(super) unsafe fn open_and_wipe(&self, offset: usize, len: usize) {
        poison::open(self, offset, len);
        // SAFETY: the caller's promise.
        unsafe { self.wipe_range(offset, len) };
        poison::close(self, offset, len);
    }

    /// Overwrites all memory with zeros, which stays with its pool: plain writes will do. Only for who has the slab to itself,
    /// without a single slice.
    pub(super) fn zero(&self) {
        poison::open(self, 0, self.size());
        // SAFETY: the memory is this long, no slice is left, and only the caller could cut one.
        unsafe { self.base().write_bytes(0, self.size()) };
        poison::close(self, 0, self.size());
    }

    /// Overwrites `len` bytes of the slab from `offset` on. Nothing happens to a foreign slab, whose base is null.
    ///
    /// # Safety
    ///
    /// They lie in the slab, and nobody else looks at them meanwhile.
    pub(super) unsafe fn wipe_range(&self, offset: usize, len: usize) {
        if let Some(base) = NonNull::new(self.base()) {
            // SAFETY: the caller's promise.
            unsafe { wipe(base.add(offset), len) }
        }
    }
}

/// Overwrites `range` of a marked handle, which gives it up; or flags the slab, if somebody else may cover it.
fn give_up(slot: NonNull<Slot>, range: Extent) {
    // SAFETY: slots, segments and headers are type-stable, and a live handle's segment names its slab.
    let (slot_ref, header) = unsafe { (slot.as_ref(), &*Segment::of(slot).as_ref().header()) };
    let alone = !slot_ref.mark().was_ever_shared() || snapshot::is_free_but_for(slot, range);
    if alone && !range.is_whole() {
        // SAFETY: the range is this handle's, and no other one covers it: none was ever made, or an exact look showed so. The
        // handle is in the caller's hands alone, so nobody makes one.
        unsafe { header.wipe_range(range.offset(), range.len()) };
    } else {
        header.set_must_wipe();
    }
}

/// Gives up what a marked handle holds; `word` is without the mark. Returns the slab to whoever emptied it.
///
/// # Safety
///
/// The caller's handle holds it and does not use it afterwards.
#[cold]
#[inline(never)]
pub(super) unsafe fn release(word: Word) -> Option<Idle> {
    match word.hold() {
        Hold::Slot(slot) if planted(Plant::WipeAfterRelease) => {
            // SAFETY: slots are type-stable.
            let (range, header) = unsafe { (slot.as_ref().own_extent(), &*Segment::of(slot).as_ref().header()) };
            let alone = snapshot::is_exclusive(slot);
            let emptied = Header::delist(slot);
            if alone {
                // SAFETY: none; that is the bug.
                unsafe { header.wipe_range(range.offset(), range.len()) };
            } else {
                header.set_must_wipe();
            }
            return emptied;
        }
        // SAFETY: slots are type-stable.
        Hold::Slot(slot) => give_up(slot, unsafe { slot.as_ref() }.own_extent()),
        // SAFETY: the caller's handle holds the slab.
        Hold::Untracked(header) => unsafe { header.as_ref() }.set_must_wipe(),
        // Whoever drops the last handle on it overwrites it.
        Hold::Owned(_) | Hold::Nothing | Hold::Pool(_) | Hold::Marked(_) => {}
    }
    // SAFETY: the caller's promise.
    unsafe { word.release() }
}

/// The same for a writable one.
#[cold]
#[inline(never)]
pub(super) fn release_unique(this: Unique) -> Option<Idle> {
    let (ptr, capacity, word) = this.into_parts();
    let word = word.without_marks();
    match word.hold() {
        Hold::Slot(slot) => {
            // SAFETY: slots are type-stable.
            let extent = unsafe { slot.as_ref() }.own_extent();
            give_up(slot, extent);
            unique::give_back(slot, extent.end(), extent.len());
        }
        Hold::Untracked(header) => {
            // SAFETY: the room is this handle's alone. What it skipped is its own too, but nobody knows how much that was.
            unsafe {
                wipe(ptr, capacity);
                header.as_ref().set_must_wipe();
            }
            poison::close_at(ptr, capacity);
        }
        _ => {}
    }
    // SAFETY: the handle is consumed.
    unsafe { word.release() }
}

/// Overwrites what surrounds the filled bytes of a writable handle that is about to be read-only: `front` bytes before them and
/// all that is behind.
pub(super) fn wipe_around(slot: NonNull<Slot>, front: impl FnOnce(Extent) -> usize, len: usize) {
    // SAFETY: slots, segments and headers are type-stable, and a live handle's segment names its slab.
    let (extent, header) = unsafe { (slot.as_ref().own_extent(), &*Segment::of(slot).as_ref().header()) };
    if !extent.is_whole() {
        let front = front(extent);
        // SAFETY: the region is this handle's alone.
        unsafe {
            header.wipe_range(extent.offset(), front);
            header.wipe_range(extent.offset() + front + len, extent.len() - front - len);
        }
    }
}

/// A marked read-only handle gives up a part of its range: all but the `len` bytes that start `skip` bytes in.
#[cold]
#[inline(never)]
pub(super) fn shrink(word: Word, skip: usize, len: usize) {
    let Hold::Slot(slot) = word.hold() else { return };
    // SAFETY: slots are type-stable.
    let slot_ref = unsafe { slot.as_ref() };
    let extent = slot_ref.own_extent();
    if extent.is_whole() {
        return;
    }
    if skip > 0 {
        give_up(slot, extent.part(0, skip));
    }
    let behind = skip + len;
    if behind < extent.len() {
        give_up(slot, extent.part(behind, extent.len() - behind));
    }
    slot_ref.set_extent(extent.part(skip, len));
}

impl Word {
    /// Marks what can be overwritten: memory that somebody else counts, or that is there for ever, cannot.
    pub(super) fn marked(self) -> Word {
        // SAFETY: headers are type-stable while the caller's handle holds the slab.
        let foreign = || self.header().is_some_and(|header| unsafe { header.as_ref() }.is_foreign());
        match self.hold_of_any() {
            Hold::Slot(_) | Hold::Untracked(_) if foreign() => self,
            Hold::Slot(_) | Hold::Untracked(_) | Hold::Pool(_) => self.secret(),
            // SAFETY: the caller's handle keeps it alive.
            Hold::Owned(owned) if unsafe { owned.as_ref() }.set_secret() => self.secret(),
            Hold::Owned(_) | Hold::Nothing | Hold::Marked(_) => self,
        }
    }

    /// For a handle that is about to be writable: marked, if another one on the same bytes was that could not overwrite them
    /// when it went away. Its range may go back to its slab without anybody looking at the flag.
    pub(super) fn marked_like_its_memory(self, was_shared: bool) -> Word {
        if self.is_secret() {
            return self;
        }
        let marked = match self.hold_of_any() {
            // SAFETY: headers are type-stable while the caller's handle holds the slab.
            Hold::Slot(_) => was_shared && self.header().is_some_and(|header| unsafe { header.as_ref() }.must_wipe()),
            // SAFETY: as above.
            Hold::Untracked(header) => unsafe { header.as_ref() }.must_wipe(),
            // SAFETY: the caller's handle keeps it alive.
            Hold::Owned(owned) => unsafe { owned.as_ref() }.is_secret(),
            Hold::Nothing | Hold::Pool(_) | Hold::Marked(_) => false,
        };
        if marked { self.secret() } else { self }
    }
}

impl Shared {
    /// Overwrites the bytes when the last handle on them goes away.
    pub(crate) fn mark_secret(&mut self) {
        self.change_word(Word::marked);
    }

    /// An exact copy outside every slab, marked if this is. `None` when there is no memory.
    pub(crate) fn detached(&self) -> Option<Shared> {
        let mut copy = Shared::copy_of(self.as_slice())?;
        if self.is_secret() {
            copy.mark_secret();
        }
        Some(copy)
    }
}

impl Unique {
    /// Overwrites the whole region when the handle goes away, and what is made from it.
    pub(crate) fn mark_secret(&mut self) {
        let pool = self.pool_id();
        self.change_word(|word| match word.hold() {
            // It remembers the mark, until there are bytes.
            Hold::Nothing => Word::pool(pool, 0).secret(),
            _ => word.marked(),
        });
    }
}

/// Overwrites memory that is about to be freed, if a handle on it was marked.
///
/// # Safety
///
/// The caller's reference was the last one.
pub(super) unsafe fn wipe_owned(this: NonNull<Owned>) {
    // SAFETY: the caller's promise.
    unsafe {
        if this.as_ref().is_secret() {
            if let Some((start, size)) = Owned::region(this) {
                wipe(start, size);
            }
        }
    }
}
