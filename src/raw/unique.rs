//! `Unique`: a writable range of a slab, of which the first bytes are filled. The whole of `SlabBytesMut`.
//!
//! Its slot's extent is its *region*: `[front | filled | spare]`. The front are bytes that were read and skipped; they
//! stay the handle's own, so that it can slide back to them. The region always ends where the capacity ends.

use super::header::{Entry, Header};
use super::log::EventKind;
use super::owned::Owned;
use super::segment::Segment;
use super::shared::{self, Shared};
use super::slab::{Idle, Label};
use super::slot::{Extent, Slot};
use super::snapshot;
use super::word::{Hold, Word};
use super::{poison, recorded, secret};
use crate::sync::{Plant, planted, thread};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;
use core::slice;

/// What came of [`Unique::reclaim_root`].
pub(crate) enum Reclaim {
    /// Other handles are left in it, or this thread cannot tell.
    NotAlone,
    /// No other handle is left, but it has only `size` bytes, `front` of them before the handle's start.
    TooSmall { front: usize, size: usize },
    /// It is the handle's region now.
    Taken,
}

/// A writable range. It has no `Drop`: its possessor calls [`release`](Unique::release) and passes the slab on.
pub(crate) struct Unique {
    ptr: NonNull<u8>,
    len: usize,
    capacity: usize,
    word: Word,
}

// SAFETY: the range is this handle's alone; the counts behind `word` are made for many threads.
unsafe impl Send for Unique {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for Unique {}

impl Unique {
    /// # Safety
    ///
    /// `capacity` bytes from `ptr` on are valid for writes and nobody else's as long as `word` is held; the first `len` of
    /// them are initialised. If `word` is a slot, its extent ends where they end.
    pub(super) unsafe fn from_parts(ptr: NonNull<u8>, len: usize, capacity: usize, word: Word) -> Unique {
        Unique { ptr, len, capacity, word }
    }

    /// No bytes and no room, of no pool.
    #[inline(always)]
    pub(crate) const fn nothing() -> Unique {
        Unique { ptr: NonNull::dangling(), len: 0, capacity: 0, word: Word::NOTHING }
    }

    /// No bytes and no room, of the pool with this id.
    pub(crate) fn empty(pool_id: usize) -> Unique {
        Unique { ptr: NonNull::dangling(), len: 0, capacity: 0, word: Word::pool(pool_id, 0) }
    }

    /// No bytes and no room, at `ptr`: what is left of this one when all its room is split off. It holds nothing, but
    /// remembers the pool and the size, so that a buffer that is filled to the last byte again and again keeps its size.
    fn empty_at(&self, ptr: NonNull<u8>) -> Unique {
        let size = self.root_len().or_else(|| self.region()).unwrap_or(self.capacity);
        let word = Word::pool(self.word.pool_id(), size);
        Unique { ptr, len: 0, capacity: 0, word: if self.is_secret() { word.secret() } else { word } }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised and only written through `&mut self`.
        unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the range is this handle's alone.
        unsafe { slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }

    /// The room behind the filled bytes.
    #[inline]
    pub(crate) fn spare_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the capacity is this handle's alone; what lies behind `len` may be uninitialised.
        unsafe { slice::from_raw_parts_mut(self.ptr.as_ptr().add(self.len).cast(), self.capacity - self.len) }
    }

    /// # Safety
    ///
    /// `len` is at most the capacity, and that many bytes are initialised.
    #[inline]
    pub(crate) unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity);
        self.len = len;
    }

    /// Fills the room with as much of `data` as fits.
    #[inline]
    pub(crate) fn fill(&mut self, data: &[u8]) -> usize {
        let n = data.len().min(self.capacity - self.len);
        // SAFETY: `n` bytes of room are this handle's, so `data` cannot overlap them.
        unsafe { self.ptr.as_ptr().add(self.len).copy_from_nonoverlapping(data.as_ptr(), n) };
        self.len += n;
        n
    }

    /// Fills `n` bytes of room, at most all of it, with `value`.
    pub(crate) fn fill_with(&mut self, value: u8, n: usize) {
        assert!(n <= self.capacity - self.len);
        // SAFETY: the room is this handle's alone.
        unsafe { self.ptr.as_ptr().add(self.len).write_bytes(value, n) };
        self.len += n;
    }

    /// Keeps the first `len` bytes, at most all.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        assert!(len <= self.len);
        self.len = len;
    }

    /// Moves the start on by `n`, at most to the end of the filled bytes. The skipped bytes become front.
    #[inline]
    pub(crate) fn skip(&mut self, n: usize) {
        assert!(n <= self.len);
        // SAFETY: in bounds.
        self.ptr = unsafe { self.ptr.add(n) };
        self.len -= n;
        self.capacity -= n;
    }

    #[inline]
    fn slot(&self) -> Option<&Slot> {
        // SAFETY: slots are type-stable, and this one is the handle's while it lives.
        self.word.any_slot().map(|slot| unsafe { slot.as_ref() })
    }

    #[inline]
    pub(crate) fn is_secret(&self) -> bool {
        self.word.is_secret()
    }

    pub(super) fn change_word(&mut self, change: impl FnOnce(Word) -> Word) {
        self.word = change(self.word);
    }

    /// Start of the filled bytes, capacity and hold, which are the caller's to give up now.
    pub(super) fn into_parts(self) -> (NonNull<u8>, usize, Word) {
        (self.ptr, self.capacity, self.word)
    }

    /// Bytes of the region: front and capacity. `None` where the region is not known to the handle.
    pub(crate) fn region(&self) -> Option<usize> {
        match self.word.hold_of_any() {
            Hold::Owned(owned) => {
                let (start, size) = Owned::region(owned)?;
                // SAFETY: this handle keeps it alive.
                let alone = unsafe { owned.as_ref() }.is_unique();
                let end = self.ptr.addr().get() + self.capacity;
                (alone && end == start.addr().get() + size).then_some(size)
            }
            Hold::Nothing | Hold::Pool(_) => Some(0),
            _ => self.slot().map(Slot::own_extent).filter(|extent| !extent.is_whole()).map(Extent::len),
        }
    }

    /// Moves the filled bytes to the start of the region. The caller has seen that the front is at least as long as they.
    pub(crate) fn slide_to_front(&mut self) {
        let Some(front) = self.region().map(|region| region - self.capacity) else { return };
        assert!(front >= self.len, "source and target would overlap");
        // SAFETY: the region begins `front` bytes before `ptr` and is this handle's alone.
        unsafe {
            let start = self.ptr.sub(front);
            start.copy_from_nonoverlapping(self.ptr, self.len);
            self.ptr = start;
        }
        self.capacity += front;
    }

    /// Bytes of the allocation that this handle descends from, which it may share with others that were split from it.
    pub(crate) fn root_len(&self) -> Option<usize> {
        if let size @ 1.. = self.word.remembered() {
            return Some(size);
        }
        self.slot().map(Slot::root).filter(|root| !root.is_whole()).map(Extent::len)
    }

    /// Whether the handle was split from, or off, a larger allocation.
    pub(crate) fn is_part(&self) -> bool {
        self.word.remembered() > 0 || self.slot().is_some_and(|slot| slot.root() != slot.own_extent())
    }

    /// Takes the whole allocation that this handle was split from into its region, if no other handle is left in it, this
    /// thread owns the slab, and there is then room for `wanted` bytes. The start stays where it is.
    pub(crate) fn reclaim_root(&mut self, wanted: usize) -> Reclaim {
        let Hold::Slot(slot_ptr) = self.word.hold_of_any() else { return Reclaim::NotAlone };
        let Some(header) = self.word.header() else { return Reclaim::NotAlone };
        // SAFETY: slots and headers are type-stable.
        let (slot, header) = unsafe { (slot_ptr.as_ref(), header.as_ref()) };
        let (extent, root) = (slot.own_extent(), slot.root());
        if extent.is_whole() || !thread::is(header.owner()) {
            return Reclaim::NotAlone;
        }
        let start = root.offset().min(extent.offset());
        let end = root.end().max(extent.end());
        if end > header.limit() && !planted(Plant::ReclaimsHoles) {
            // A hole that is cut from later may lie there.
            return Reclaim::NotAlone;
        }
        let whole = Extent::new(start, end - start);
        if !snapshot::is_free_but_for(slot_ptr, whole) {
            return Reclaim::NotAlone;
        }
        let capacity = self.capacity + (end - extent.end());
        let front = whole.len() - capacity;
        let enough = capacity >= wanted || (front >= self.len && whole.len() >= wanted);
        if !enough {
            return Reclaim::TooSmall { front, size: whole.len() };
        }
        if end > header.cursor() {
            // Some of it was given back to the slab and not cut again.
            header.set_cursor(end);
        }
        poison::open(header, start, whole.len());
        if header.must_wipe() {
            // Some of it may be what a marked handle left.
            // SAFETY: nobody holds these parts, as just seen, and only this thread could cut them.
            unsafe {
                header.wipe_range(start, extent.offset() - start);
                header.wipe_range(extent.end(), end - extent.end());
            }
        }
        self.capacity = capacity;
        slot.set_root(whole);
        slot.set_extent(whole);
        recorded::log(self.word, EventKind::Resize);
        Reclaim::Taken
    }

    /// Makes the region longer by `more` bytes where it lies, if it is the last one cut from a slab this thread owns.
    pub(crate) fn extend_in_place(&mut self, more: usize) -> bool {
        let (Some(slot), Some(header)) = (self.slot(), self.word.header()) else { return false };
        // SAFETY: headers are type-stable.
        let header = unsafe { header.as_ref() };
        let extent = slot.own_extent();
        let last = thread::is(header.owner()) && !extent.is_whole() && extent.end() == header.cursor();
        if !last || slot.root().end() != extent.end() || !header.reach(extent.end().saturating_add(more)) {
            return false;
        }
        header.set_cursor(extent.end() + more);
        poison::open(header, extent.end(), more);
        slot.set_root(Extent::new(slot.root().offset(), slot.root().len() + more));
        slot.set_extent(Extent::new(extent.offset(), extent.len() + more));
        self.capacity += more;
        if self.word.is_recorded() {
            recorded::log(self.word, EventKind::Resize);
        }
        true
    }

    /// Cuts off everything from `at` on, at most the capacity.
    #[inline]
    pub(crate) fn split_off(&mut self, at: usize, label: Label) -> Unique {
        assert!(at <= self.capacity);
        // SAFETY: in bounds, or one past the end.
        let middle = unsafe { self.ptr.add(at) };
        if at == self.capacity {
            return self.empty_at(middle);
        }
        if at == 0 {
            let rest = self.empty_at(self.ptr);
            return core::mem::replace(self, rest);
        }
        let (whole, capacity) = (self.capacity, self.capacity - at);
        let word = self.word.another(move |slot| {
            let extent = slot.own_extent();
            let extent = extent.part(front(extent, whole) + at, capacity);
            Entry { extent, root: slot.root(), mark: slot.mark(), site: label.site, parent: None }
        });
        self.leave_to_the_other(|extent| extent.part(0, front(extent, whole) + at));
        let len = self.len.saturating_sub(at);
        self.len = self.len.min(at);
        self.capacity = at;
        Unique { ptr: middle, len, capacity, word }
    }

    /// Cuts off the first `at` bytes, at most all filled ones. The front goes with them.
    #[inline]
    pub(crate) fn split_to(&mut self, at: usize, label: Label) -> Unique {
        assert!(at <= self.len);
        // SAFETY: in bounds, or one past the end.
        let middle = unsafe { self.ptr.add(at) };
        if at == 0 {
            return self.empty_at(self.ptr);
        }
        if at == self.capacity {
            let rest = self.empty_at(middle);
            return core::mem::replace(self, rest);
        }
        let (whole, capacity) = (self.capacity, self.capacity - at);
        let word = self.word.another(move |slot| {
            let extent = slot.own_extent();
            let extent = extent.part(0, front(extent, whole) + at);
            Entry { extent, root: slot.root(), mark: slot.mark(), site: label.site, parent: None }
        });
        // After the other side is listed: no byte is without a slot for a moment.
        self.leave_to_the_other(|extent| extent.part(front(extent, whole) + at, capacity));
        let head = Unique { ptr: self.ptr, len: at, capacity: at, word };
        self.ptr = middle;
        self.len -= at;
        self.capacity = capacity;
        head
    }

    /// Lists only this part: the other side of a split has the rest.
    #[inline(always)]
    fn leave_to_the_other(&self, part: impl FnOnce(Extent) -> Extent) {
        if let Some(slot) = self.word.plain_slot() {
            // SAFETY: slots are type-stable, and this one is the handle's.
            let slot = unsafe { slot.as_ref() };
            slot.set_extent(part(slot.own_extent()));
        } else if self.word.is_marked() {
            recorded::set_extent(self.word, part);
        }
    }

    /// Takes `other` in, if it follows directly on the filled bytes and was split from the same allocation.
    pub(crate) fn try_unsplit(&mut self, other: Unique) -> Result<Option<Idle>, Unique> {
        if other.capacity == 0 {
            return Ok(other.release());
        }
        let adjacent = self.len == self.capacity && self.ptr.addr().get() + self.len == other.ptr.addr().get();
        let (Some(mine), Some(theirs)) = (self.slot(), other.slot()) else { return Err(other) };
        let (extent, behind) = (mine.own_extent(), theirs.own_extent());
        let same_slab = self.word.header() == other.word.header();
        if !adjacent
            || !same_slab
            || extent.is_whole()
            || extent.end() != behind.offset()
            || mine.root() != theirs.root()
        {
            return Err(other);
        }
        let union = Extent::new(extent.offset(), extent.len() + behind.len());
        mine.set_extent(union);
        self.len += other.len;
        self.capacity += other.capacity;
        if other.is_secret() {
            self.word = self.word.secret();
        }
        let other = ManuallyDrop::new(other);
        // SAFETY: the other handle is consumed. Only its hold is given up: the region is this handle's now.
        let hand_over = || unsafe { other.word.hand_over() };
        if !other.word.is_recorded() {
            return Ok(hand_over());
        }
        recorded::log(self.word, EventKind::Resize);
        Ok(recorded::release(other.word, hand_over))
    }

    /// The address where the region ends.
    #[inline(always)]
    fn end(&self) -> usize {
        self.ptr.addr().get() + self.capacity
    }

    /// The same as [`freeze`](Unique::freeze), if there are bytes and the handle is not marked; the handle is left without room.
    /// `None` if it is not so, and nothing was done.
    #[inline(always)]
    pub(crate) fn freeze_quick(&mut self) -> Option<Shared> {
        if self.len == 0 {
            return None;
        }
        match self.word.plain_slot() {
            Some(slot) => self.list_frozen(slot),
            None if self.word.is_marked() => return None,
            None => give_back_untracked(self.word, self.end(), self.capacity - self.len),
        }
        // SAFETY: the first `len` bytes are initialised, held by the word, and no longer written to: this handle forgets them.
        let frozen = unsafe { Shared::from_parts(self.ptr, self.len, self.word) };
        (self.len, self.capacity, self.word) = (0, 0, Word::NOTHING);
        Some(frozen)
    }

    /// The filled bytes, read-only from now on. What is not filled goes back to the slab if it was cut last and by this
    /// thread.
    pub(crate) fn freeze(self) -> (Shared, Option<Idle>) {
        if self.len == 0 {
            return (Shared::empty(), self.release());
        }
        match self.word.hold() {
            Hold::Slot(slot) => self.list_frozen(slot),
            Hold::Marked(word) => self.list_frozen_marked(word),
            _ => give_back_untracked(self.word, self.end(), self.capacity - self.len),
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: the first `len` bytes are initialised, held by the word, and no longer written to.
        (unsafe { Shared::from_parts(this.ptr, this.len, this.word) }, None)
    }

    /// Lists the filled bytes alone, as read-only.
    #[inline(always)]
    fn list_frozen(&self, slot_ptr: NonNull<Slot>) {
        // SAFETY: slots are type-stable, and this one is the handle's.
        let slot = unsafe { slot_ptr.as_ref() };
        let extent = slot.own_extent();
        slot.set_mark(slot.mark().shared());
        if extent.len() != self.len && !extent.is_whole() {
            poison::shrink(slot_ptr, front(extent, self.capacity), self.len);
            slot.set_extent(extent.part(front(extent, self.capacity), self.len));
            if self.len < self.capacity {
                give_back(slot_ptr, extent.end(), self.capacity - self.len);
            }
        }
    }

    /// The same for a marked handle, which holds what `word` says.
    #[cold]
    #[inline(never)]
    fn list_frozen_marked(&self, word: Word) {
        let Hold::Slot(slot) = word.hold() else { return };
        if self.is_secret() {
            secret::wipe_around(slot, |extent| front(extent, self.capacity), self.len);
        }
        self.list_frozen(slot);
        recorded::log(self.word, EventKind::Freeze);
    }

    /// As [`Shared::retained_size`].
    pub(crate) fn retained_size(&self) -> usize {
        shared::retained_size(self.word)
    }

    /// The id of the pool it came from and grows in. 0 if there is none.
    pub(crate) fn pool_id(&self) -> usize {
        self.word.pool_id()
    }

    pub(crate) fn tag(&self) -> u32 {
        shared::tag(self.word)
    }

    pub(crate) fn set_tag(&mut self, tag: u32) {
        if let Some(slot) = self.slot() {
            slot.set_mark(slot.mark().with_tag(tag));
        }
        if self.word.is_recorded() {
            recorded::log(self.word, EventKind::Tag);
        }
    }

    /// As [`Shared::charge`].
    pub(crate) fn charge(&self, scope: u32) {
        shared::charge(self.word, scope);
    }

    /// As [`Shared::touch`].
    pub(crate) fn touch(&self, hint: u32) {
        shared::touch(self.word, hint);
    }

    /// Model only: writes, for a handle that is the only one on its slab.
    #[cfg(bufslab_loom)]
    pub(crate) fn overwrite(&mut self) {
        if let Some(header) = self.word.header() {
            // SAFETY: headers are type-stable.
            unsafe { header.as_ref() }.fixed.witness.write();
        }
    }

    /// Gives up what the handle holds, if that is nothing but a few stores, and leaves it without room. Otherwise the handle is moved out,
    /// to be [released](Unique::release).
    #[inline(always)]
    pub(crate) fn release_quick(&mut self) -> Option<Unique> {
        let this = core::mem::replace(self, Unique::nothing());
        let back = |header: &Header, slot: &Slot| {
            let extent = slot.own_extent();
            if header.cursor() == extent.end() {
                header.set_cursor(extent.offset());
            }
        };
        // SAFETY: if so, the word is not used again.
        if unsafe { this.word.release_quick(back) } { None } else { Some(this) }
    }

    /// Gives the handle up. Returns the slab to whoever emptied it. The region, which nobody else can see, goes back to the
    /// slab if it was cut last and by this thread: a read that found nothing takes nothing.
    pub(crate) fn release(self) -> Option<Idle> {
        match self.word.hold() {
            Hold::Slot(slot) => {
                // SAFETY: slots are type-stable, and this one is the handle's.
                let extent = unsafe { slot.as_ref() }.own_extent();
                give_back(slot, extent.end(), extent.len());
            }
            Hold::Marked(_) => return self.release_marked(),
            Hold::Untracked(_) => {
                give_back_untracked(self.word, self.end(), self.capacity);
                poison::close_at(self.ptr, self.capacity);
            }
            _ => {}
        }
        // SAFETY: the handle is consumed.
        unsafe { self.word.release() }
    }
}

impl Unique {
    /// The same for a marked handle.
    #[cold]
    fn release_marked(mut self) -> Option<Idle> {
        let word = self.word;
        if !word.is_recorded() {
            return secret::release_unique(self);
        }
        self.word = word.without_record();
        recorded::release(word, || self.release())
    }
}

/// As [`give_back`], for a handle on a slab that is not tracked and whose region ends at the address `end`.
#[inline(never)]
fn give_back_untracked(word: Word, end: usize, unused: usize) {
    let Some(header) = word.plain_header().filter(|_| !poison::IS_ON) else { return };
    // SAFETY: headers are type-stable.
    let header = unsafe { header.as_ref() };
    let cursor = header.cursor();
    if thread::is(header.owner()) && header.base().addr() + cursor == end {
        header.set_cursor(cursor - unused);
    }
}

/// Bytes before the start of a handle whose region is `extent` and whose capacity is `capacity`.
#[inline]
fn front(extent: Extent, capacity: usize) -> usize {
    if extent.is_whole() { 0 } else { extent.len() - capacity }
}

/// Moves the owner's cursor back by the `unused` bytes that end at `end`, if nothing was cut since.
#[inline]
pub(super) fn give_back(slot: NonNull<Slot>, end: usize, unused: usize) {
    // SAFETY: segments and headers are type-stable, and a live handle's segment names its slab.
    let header: &Header = unsafe { &*Segment::of(slot).as_ref().header() };
    if thread::is(header.owner()) && header.cursor() == end {
        header.set_cursor(poison::back_to(header, slot, end - unused));
    }
}
