//! `Shared`: a read-only slice and what keeps it alive. The whole of `SlabBytes`.

use super::header::{Emptied, Entry, Header};
use super::ledger::Ledger;
use super::log::EventKind;
use super::owned::Owned;
use super::slab::{Idle, Label};
use super::slot::{Extent, Mark, Slot};
use super::snapshot;
use super::unique::Unique;
use super::word::{Hold, Word};
use super::{poison, recorded, secret};
use crate::policy::RetainPolicy;
use crate::sync::thread::{self, Identity};
use bytes::Bytes;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::slice;
use std::sync::Arc;

/// A read-only slice. It has no `Drop`: its possessor calls [`release`](Shared::release) and passes the slab on.
pub(crate) struct Shared {
    ptr: NonNull<u8>,
    len: usize,
    word: Word,
}

// SAFETY: the bytes are read-only while any handle shares them, the counts behind `word` are made for many threads, and
// `Owned` holds nothing that is bound to a thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// No bytes.
    pub(crate) const fn empty() -> Shared {
        Shared::from_static(&[])
    }

    /// Static memory, which nothing has to keep alive.
    pub(crate) const fn from_static(data: &'static [u8]) -> Shared {
        // SAFETY: a reference is never null.
        let ptr = unsafe { NonNull::new_unchecked(data.as_ptr().cast_mut()) };
        Shared { ptr, len: data.len(), word: Word::NOTHING }
    }

    /// # Safety
    ///
    /// `ptr` is valid for reads of `len` bytes as long as `word` is held.
    pub(super) unsafe fn from_parts(ptr: NonNull<u8>, len: usize, word: Word) -> Shared {
        Shared { ptr, len, word }
    }

    pub(super) fn into_parts(self) -> (NonNull<u8>, usize, Word) {
        (self.ptr, self.len, self.word)
    }

    fn empty_at(ptr: NonNull<u8>) -> Shared {
        Shared { ptr, len: 0, word: Word::NOTHING }
    }

    /// An exact copy outside every slab. `None` when there is no memory.
    pub(crate) fn copy_of(data: &[u8]) -> Option<Shared> {
        if data.is_empty() {
            return Some(Shared::empty());
        }
        let (owned, ptr) = Owned::copy_of(data)?;
        Some(Shared { ptr, len: data.len(), word: Word::owned(owned) })
    }

    /// The same of what is not empty, whose end is logged in the ledger.
    pub(super) fn recorded_copy_of(data: &[u8], ledger: Arc<Ledger>) -> Option<Shared> {
        let (owned, ptr) = Owned::copy_recorded_in(data, Some(ledger))?;
        Some(Shared { ptr, len: data.len(), word: Word::owned(owned) })
    }

    /// A vector, as it is.
    pub(crate) fn from_vec(vec: Vec<u8>) -> Shared {
        let len = vec.len();
        if len == 0 {
            return Shared::empty();
        }
        let (owned, ptr) = Owned::from_vec(vec);
        Shared { ptr, len, word: Word::owned(owned) }
    }

    /// A handle on memory that somebody else counts.
    pub(crate) fn from_foreign(bytes: Bytes) -> Shared {
        let len = bytes.len();
        if len == 0 {
            return Shared::empty();
        }
        let (owned, ptr) = Owned::from_foreign(bytes);
        Shared { ptr, len, word: Word::owned(owned) }
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        #[cfg(bufslab_loom)]
        if let Some(header) = self.word.header() {
            // SAFETY: headers are type-stable.
            unsafe { header.as_ref() }.fixed.witness.read();
        }
        // SAFETY: the invariant of `from_parts`; nobody writes to bytes that a `Shared` covers.
        unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    /// A handle on `skip..skip + len` of this one. The range is in bounds.
    #[inline(always)]
    pub(crate) fn slice(&self, skip: usize, len: usize, label: Label) -> Shared {
        // As whoever asked has compared it, for who would do so twice otherwise.
        let end = skip.wrapping_add(len);
        assert!(skip <= end && end <= self.len);
        // SAFETY: in bounds of the same allocation, or one past its end.
        let ptr = unsafe { self.ptr.add(skip) };
        if len == 0 {
            return Shared::empty_at(ptr);
        }
        let quick = self.word.another_quick(|slot| shared_with(slot, slot.own_extent().part(skip, len), label));
        Shared {
            ptr,
            len,
            word: quick.unwrap_or_else(|| thread::with_identity(|me| slice_slow(self.word, skip, len, label, me))),
        }
    }

    /// Another handle on the same bytes.
    #[inline(always)]
    pub(crate) fn another(&self, label: Label) -> Shared {
        let quick = self.word.another_quick(|slot| shared_with(slot, slot.own_extent(), label));
        Shared {
            ptr: self.ptr,
            len: self.len,
            word: quick.unwrap_or_else(|| thread::with_identity(|me| another_slow(self.word, label, me))),
        }
    }

    #[inline]
    fn with_slot(&self, f: impl FnOnce(&Slot)) {
        if let Some(slot) = self.word.any_slot() {
            // SAFETY: slots are type-stable.
            f(unsafe { slot.as_ref() });
        }
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.word.is_secret()
    }

    pub(super) fn word(&self) -> Word {
        self.word
    }

    pub(super) fn change_word(&mut self, change: impl FnOnce(Word) -> Word) {
        self.word = change(self.word);
    }

    /// Forgets the first `n` bytes, which are fewer than all.
    #[inline]
    pub(crate) fn skip(&mut self, n: usize) {
        assert!(n < self.len);
        // SAFETY: in bounds.
        self.ptr = unsafe { self.ptr.add(n) };
        self.len -= n;
        self.give_up_all_but(n, self.len);
    }

    /// Keeps the first `len` bytes, which are at least one and fewer than all.
    #[inline]
    pub(crate) fn keep(&mut self, len: usize) {
        assert!(0 < len && len < self.len);
        self.len = len;
        self.give_up_all_but(0, len);
    }

    /// Lists only the `len` bytes that start `skip` bytes in: nobody holds the others any more, as far as this handle goes.
    #[inline]
    fn give_up_all_but(&self, skip: usize, len: usize) {
        if let Some(slot) = self.word.plain_slot() {
            poison::shrink(slot, skip, len);
            // SAFETY: slots are type-stable.
            let slot = unsafe { slot.as_ref() };
            slot.set_extent(slot.own_extent().part(skip, len));
        } else if self.word.is_marked() {
            self.give_up_marked(skip, len);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_up_marked(&self, skip: usize, len: usize) {
        if self.word.is_secret() {
            secret::shrink(self.word.without_marks(), skip, len);
        } else if let Hold::Slot(slot) = self.word.hold_of_any() {
            poison::shrink(slot, skip, len);
            // SAFETY: slots are type-stable.
            let slot = unsafe { slot.as_ref() };
            slot.set_extent(slot.own_extent().part(skip, len));
        }
        recorded::log(self.word, EventKind::Resize);
    }

    /// The same where another handle has the others: the other side of a split.
    #[inline]
    fn leave_to_the_other(&mut self, skip: usize, len: usize) {
        // SAFETY: in bounds.
        self.ptr = unsafe { self.ptr.add(skip) };
        self.len = len;
        match self.word.plain_slot() {
            // SAFETY: slots are type-stable.
            Some(slot) => unsafe { slot.as_ref() }.narrow(skip, len),
            None if self.word.is_marked() => recorded::set_extent(self.word, |extent| extent.part(skip, len)),
            None => {}
        }
    }

    /// Cuts off the bytes from `at` on, in bounds. What is left without bytes holds nothing.
    #[inline]
    pub(crate) fn split_off(&mut self, at: usize, label: Label) -> Shared {
        assert!(at <= self.len);
        // SAFETY: in bounds, or one past the end.
        let middle = unsafe { self.ptr.add(at) };
        if at == self.len {
            return Shared::empty_at(middle);
        }
        if at == 0 {
            return core::mem::replace(self, Shared::empty_at(middle));
        }
        let tail = self.part(at, self.len - at, label);
        self.leave_to_the_other(0, at);
        tail
    }

    /// Cuts off the first `at` bytes, in bounds. What is left without bytes holds nothing.
    #[inline]
    pub(crate) fn split_to(&mut self, at: usize, label: Label) -> Shared {
        assert!(at <= self.len);
        // SAFETY: in bounds, or one past the end.
        let middle = unsafe { self.ptr.add(at) };
        if at == 0 {
            return Shared::empty_at(self.ptr);
        }
        if at == self.len {
            return core::mem::replace(self, Shared::empty_at(middle));
        }
        if crate::sync::planted(crate::sync::Plant::ShrinkBeforePublish) {
            let len = self.len;
            self.with_slot(|slot| slot.set_extent(slot.own_extent().part(at, len - at)));
            let word = self.word.another(move |slot| {
                let extent = Extent::new(slot.own_extent().offset() - at, at);
                Entry { extent, root: slot.root(), mark: slot.mark(), site: label.site, parent: None }
            });
            let head = Shared { ptr: self.ptr, len: at, word };
            self.ptr = middle;
            self.len -= at;
            return head;
        }
        let head = self.part(0, at, label);
        self.leave_to_the_other(at, self.len - at);
        head
    }

    /// One side of a split: not shared with the other, which gives the range up as soon as this is published.
    #[inline]
    fn part(&self, skip: usize, len: usize, label: Label) -> Shared {
        let word = self.word.another(move |slot| {
            let extent = slot.own_extent().part(skip, len);
            Entry { extent, root: slot.root(), mark: slot.mark(), site: label.site, parent: None }
        });
        // SAFETY: in bounds.
        Shared { ptr: unsafe { self.ptr.add(skip) }, len, word }
    }

    /// Whether no other handle can see these bytes. May say no although it is so, for a slab that another thread fills.
    pub(crate) fn is_unique(&self) -> bool {
        match self.word.hold_of_any() {
            // SAFETY: slots are type-stable.
            Hold::Slot(slot) => !unsafe { slot.as_ref() }.mark().was_ever_shared() || snapshot::is_exclusive(slot),
            Hold::Untracked(header) => snapshot::is_only_reference(header),
            // SAFETY: this handle keeps it alive.
            Hold::Owned(owned) => unsafe { owned.as_ref() }.is_unique(),
            Hold::Nothing | Hold::Pool(_) | Hold::Marked(_) => false,
        }
    }

    /// The same bytes, writable, if no other handle can see them.
    pub(crate) fn try_into_unique(self) -> Result<Unique, Shared> {
        if !self.is_unique() {
            return Err(self);
        }
        let mut capacity = self.len;
        let mut was_shared = false;
        match self.word.hold_of_any() {
            Hold::Slot(slot) => {
                // SAFETY: slots are type-stable.
                let slot = unsafe { slot.as_ref() };
                was_shared = slot.mark().was_ever_shared();
                slot.set_mark(slot.mark().unique());
            }
            Hold::Owned(owned) => {
                if let Some((start, size)) = Owned::region(owned) {
                    capacity = size - (self.ptr.addr().get() - start.addr().get());
                }
            }
            _ => {}
        }
        // SAFETY: no other handle sees the bytes, and `capacity` bytes from `ptr` on are this handle's: of a slab its own
        // range, of detached memory all that follows.
        Ok(unsafe { Unique::from_parts(self.ptr, self.len, capacity, self.word.marked_like_its_memory(was_shared)) })
    }

    /// The vector behind this handle, if it came from one and is the only handle.
    pub(crate) fn try_into_vec(self) -> Result<Vec<u8>, Shared> {
        if let Hold::Owned(owned) = self.word.hold_of_any() {
            // SAFETY: this handle holds the reference and is consumed; its bytes lie inside.
            if let Some(vec) = unsafe { Owned::into_vec(owned, self.ptr, self.len) } {
                return Ok(vec);
            }
        }
        Err(self)
    }

    /// The bytes, if they are there for ever.
    pub(crate) fn as_static(&self) -> Option<&'static [u8]> {
        // SAFETY: bytes that nothing has to keep alive came from `from_static`, or there are none.
        matches!(self.word.hold(), Hold::Nothing).then(|| unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.len) })
    }

    /// Bytes that this handle keeps allocated.
    pub(crate) fn retained_size(&self) -> usize {
        retained_size(self.word)
    }

    /// Whether it keeps nothing allocated but its own bytes.
    pub(crate) fn is_compact(&self) -> bool {
        is_compact(self.word, self.len)
    }

    /// Whether a slab is kept alive.
    pub(crate) fn pins_slab(&self) -> bool {
        self.word.header().is_some()
    }

    /// The policy of the pool whose slab this pins, or pinned while it lived; or the default one.
    pub(crate) fn policy(&self) -> RetainPolicy {
        // SAFETY: the handle holds the slab, and the ledger outlives its slabs.
        self.word.header().map(|header| unsafe { &*header.as_ref().fixed.ledger }.policy()).unwrap_or_default()
    }

    pub(crate) fn tag(&self) -> u32 {
        tag(self.word)
    }

    pub(crate) fn set_tag(&mut self, tag: u32) {
        self.update_mark(|mark| mark.with_tag(tag));
        if self.word.is_recorded() {
            recorded::log(self.word, EventKind::Tag);
        }
    }

    /// Says in reports that the slice went into a `bytes::Bytes`.
    pub(crate) fn mark_exported(&mut self) {
        self.update_mark(Mark::exported);
    }

    fn update_mark(&mut self, f: impl FnOnce(Mark) -> Mark) {
        self.with_slot(|slot| slot.set_mark(f(slot.mark())));
    }

    /// Charges the handle to a scope; 0 is none.
    pub(crate) fn charge(&self, scope: u32) {
        charge(self.word, scope);
    }

    /// Leaves a hint.
    pub(crate) fn touch(&self, hint: u32) {
        touch(self.word, hint);
    }

    /// Model only: the slab's header, the slot's address, and the offset and length that the slot lists.
    #[cfg(bufslab_loom)]
    pub(crate) fn listed(&self) -> Option<(NonNull<super::Header>, usize, usize, usize)> {
        let Hold::Slot(slot) = self.word.hold_of_any() else { return None };
        // SAFETY: slots are type-stable.
        let extent = unsafe { slot.as_ref() }.own_extent();
        Some((self.word.header()?, slot.as_ptr().addr(), extent.offset(), extent.len()))
    }

    /// Leaves the handle without bytes, and gives up what it held if that is nothing but a few stores. Otherwise what it held is to be
    /// released.
    #[inline(always)]
    pub(crate) fn release_quick(&mut self) -> Option<Held> {
        let word = core::mem::replace(&mut self.word, Word::NOTHING);
        self.len = 0;
        // SAFETY: if so, the word is not used again.
        if unsafe { word.release_quick(|_, _| ()) } { None } else { Some(Held(word)) }
    }

    /// Gives the handle up. Returns the slab to whoever emptied it.
    #[inline]
    pub(crate) fn release(self) -> Option<Idle> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the handle is consumed.
        unsafe { this.word.release() }
    }
}

/// What is listed of a handle on `extent` that shares it with the one with this slot.
#[inline(always)]
fn shared_with(slot: &Slot, extent: Extent, label: Label) -> Entry {
    let mark = slot.mark();
    if !mark.was_ever_shared() {
        slot.set_mark(mark.ever_shared());
    }
    Entry { extent, root: slot.root(), mark: mark.ever_shared().shared(), site: label.site, parent: None }
}

/// What a handle held.
#[must_use]
pub(crate) struct Held(Word);

impl Held {
    /// Gives it up if a slot lists it, on a slab that the caller does not own. Returns what it emptied.
    #[inline(always)]
    pub(crate) fn release_as_guest(self, me: &Identity) -> Result<Option<Emptied>, Held> {
        let slot = self.0.plain_slot().filter(|_| !poison::IS_ON).ok_or(Held(self.0))?;
        Header::delist_as_guest(slot, me).ok_or(self)
    }

    /// Gives it up. Returns the slab to whoever emptied it.
    #[inline(always)]
    pub(crate) fn release(self) -> Option<Idle> {
        // SAFETY: the handle is gone, and this is consumed.
        unsafe { self.0.release() }
    }
}

// The rest of `another` and `slice`, in registers: a handle whose address is taken has to be in memory, whether that is needed or not.
// A function for each way that calls nothing but the next one: what it might call later has registers saved for it now.

#[inline(never)]
fn another_slow(word: Word, label: Label, me: &Identity) -> Word {
    if word.plain_slot().is_none() {
        return another_unlisted(word, label);
    }
    let guest = word.another_as_guest(me, |slot| shared_with(slot, slot.own_extent(), label));
    guest.unwrap_or_else(|| another_slower(word, label))
}

#[inline(never)]
fn another_unlisted(word: Word, label: Label) -> Word {
    word.another_untracked().unwrap_or_else(|| another_slower(word, label))
}

#[inline(never)]
fn another_slower(word: Word, label: Label) -> Word {
    word.another_slow(|slot| shared_with(slot, slot.own_extent(), label))
}

#[inline(never)]
fn slice_slow(word: Word, skip: usize, len: usize, label: Label, me: &Identity) -> Word {
    if word.plain_slot().is_none() {
        return slice_unlisted(word, skip, len, label);
    }
    let part = |slot: &Slot| shared_with(slot, slot.own_extent().part(skip, len), label);
    let guest = word.another_as_guest(me, part);
    guest.unwrap_or_else(|| slice_slower(word, skip, len, label))
}

#[inline(never)]
fn slice_unlisted(word: Word, skip: usize, len: usize, label: Label) -> Word {
    word.another_untracked().unwrap_or_else(|| slice_slower(word, skip, len, label))
}

#[inline(never)]
fn slice_slower(word: Word, skip: usize, len: usize, label: Label) -> Word {
    word.another_slow(|slot| shared_with(slot, slot.own_extent().part(skip, len), label))
}

pub(super) fn retained_size(word: Word) -> usize {
    match word.hold_of_any() {
        // SAFETY: the handle keeps it alive.
        Hold::Owned(owned) => unsafe { owned.as_ref() }.size(),
        // SAFETY: headers are type-stable.
        _ => word.header().map_or(0, |header| unsafe { header.as_ref() }.size()),
    }
}

pub(super) fn is_compact(word: Word, len: usize) -> bool {
    match word.hold_of_any() {
        Hold::Nothing | Hold::Pool(_) => true,
        Hold::Slot(_) | Hold::Untracked(_) | Hold::Marked(_) => false,
        // SAFETY: the handle keeps it alive.
        Hold::Owned(owned) => unsafe { owned.as_ref() }.is_exactly(len),
    }
}

pub(super) fn tag(word: Word) -> u32 {
    match word.hold_of_any() {
        // SAFETY: slots are type-stable.
        Hold::Slot(slot) => unsafe { slot.as_ref() }.mark().tag(),
        _ => 0,
    }
}

pub(super) fn charge(word: Word, scope: u32) {
    if let (Hold::Slot(slot), Some(header)) = (word.hold_of_any(), word.header()) {
        // SAFETY: headers are type-stable.
        unsafe { header.as_ref() }.charge(slot, scope);
    }
}

pub(super) fn touch(word: Word, hint: u32) {
    if let (Hold::Slot(slot), Some(header)) = (word.hold_of_any(), word.header()) {
        // SAFETY: headers are type-stable.
        unsafe { header.as_ref() }.touch(slot, hint);
    }
}
