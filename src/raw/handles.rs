//! Handles and their slots: made, noted and dropped.

use super::header::{Depth, Emptied, Entry, Header};
use super::notes::Note;
use super::segment::Segment;
use super::slab::Idle;
use super::slot::Slot;
use super::word::Word;
use crate::config::Level;
use crate::sync::thread::{self, Identity};
use crate::sync::{Ordering, Plant, clock, planted};
use core::ptr::NonNull;

impl Header {
    /// Makes a reference and its slot where that is nothing but a few stores: the caller owns the slab and is in no scope, there is
    /// nothing to note, and a slot is at hand. `None` where it is not so, and nothing was done.
    #[inline(always)]
    pub(super) fn enlist_quick(this: NonNull<Header>, entry: impl FnOnce() -> Entry) -> Option<Word> {
        // SAFETY: the caller holds a reference, or owns the slab.
        let header = unsafe { this.as_ref() };
        if !thread::is_out_of_scopes(header.owner()) || !header.depth().is_plain() {
            return None;
        }
        let slot = header.join_with_slot()?;
        header.publish_plain(slot, entry(), header.birth());
        Some(Word::slot(slot))
    }

    /// Makes a reference and its slot from a handle on a slab that the caller does not own, where that is one read-modify-write and a
    /// few stores: a slot is left in that handle's segment, if the caller allocates from there, or else in the one it used last on
    /// this slab. `None` where it is not so, and nothing was done.
    #[inline(always)]
    pub(super) fn enlist_quick_as_guest(
        parent: NonNull<Slot>,
        me: &Identity,
        entry: impl FnOnce() -> Entry,
    ) -> Option<NonNull<Slot>> {
        let segment = Segment::of(parent);
        // SAFETY: segments are type-stable, and a live handle's segment names its slab.
        let this = unsafe { NonNull::new_unchecked(segment.as_ref().header()) };
        // SAFETY: headers are type-stable.
        let header = unsafe { this.as_ref() };
        if header.owner() == me.known_id() || !header.depth().is_plain() || planted(Plant::PublishBeforeRef) {
            return None;
        }
        let slot = Segment::pop_if_of(segment, me).or_else(|| Segment::pop_from_hint(header, this, me))?;
        // Before the reference: loads that come after a locked instruction wait for it.
        let (entry, tick) = (entry(), clock::last());
        header.join();
        header.publish_plain(slot, entry, tick);
        Some(slot)
    }

    /// Makes a reference and its slot, from a handle that the caller holds or as the owner. The word is without a slot if the slab is
    /// untracked, or the ledger may not grow: the reference counts all the same.
    #[inline(always)]
    pub(super) fn enlist(this: NonNull<Header>, entry: Entry) -> Word {
        // SAFETY: the caller holds a reference, or owns the slab.
        let header = unsafe { this.as_ref() };
        if thread::is(header.owner()) {
            Header::enlist_as_owner(this, entry)
        } else {
            Header::enlist_as_guest(this, entry)
        }
    }

    /// The same, for the owner.
    #[inline(never)]
    pub(super) fn enlist_as_owner(this: NonNull<Header>, entry: Entry) -> Word {
        // SAFETY: the caller owns the slab.
        let header = unsafe { this.as_ref() };
        if header.depth().code() == 0 {
            header.join_as_owner();
            return Word::untracked(this);
        }
        let slot = header.join_with_slot().or_else(|| header.join_with_next_slot(this));
        match slot {
            Some(slot) => header.publish(slot, entry, header.birth()),
            None => {
                header.join_as_owner();
                header.count_unlisted(1);
            }
        }
        Word::tracked(slot, this)
    }

    #[cold]
    #[inline(never)]
    fn join_with_next_slot(&self, this: NonNull<Header>) -> Option<NonNull<Slot>> {
        if Segment::next_for_owner(self, this, thread::id()) { self.join_with_slot() } else { None }
    }

    /// The same, for everybody else.
    #[inline(always)]
    fn enlist_as_guest(this: NonNull<Header>, entry: Entry) -> Word {
        // SAFETY: the caller holds a reference.
        let header = unsafe { this.as_ref() };
        let slot = match header.depth().code() {
            0 => None,
            _ => Segment::pop_for_guest(header, this),
        };
        let publish = || match slot {
            Some(slot) => header.publish(slot, entry, clock::last()),
            None => header.count_unlisted(1),
        };
        if planted(Plant::PublishBeforeRef) {
            publish();
            header.join();
        } else {
            header.join();
            publish();
        }
        Word::tracked(slot, this)
    }

    /// Makes a reference on a slab that is not tracked at all, if the caller owns it and that is a load and a store. Says whether it
    /// did.
    #[inline(always)]
    pub(super) fn enlist_untracked_quick(&self) -> bool {
        thread::is(self.owner()) && self.depth().code() == 0 && self.join_as_owner_quick()
    }

    /// Makes a reference without a slot, from one that the caller holds.
    #[inline]
    pub(super) fn enlist_untracked(this: NonNull<Header>) {
        // SAFETY: the caller holds a reference.
        let header = unsafe { this.as_ref() };
        if thread::is(header.owner()) {
            header.join_as_owner()
        } else {
            header.join()
        }
        header.count_unlisted(1);
    }

    /// Counts handles without a slot, up or down. A slab that is not tracked at all has no others, and is not counted.
    pub(super) fn count_unlisted(&self, change: i32) {
        if self.depth().code() != 0 {
            // Relaxed: for reports.
            self.fixed.unlisted.fetch_add(change as u32, Ordering::Relaxed);
        }
    }

    /// Handles that no slot lists, of the `handles` there are.
    pub(super) fn unlisted(&self, handles: u64) -> u64 {
        match self.depth().code() {
            0 => handles,
            _ => u64::from(self.fixed.unlisted.load(Ordering::Relaxed)).min(handles),
        }
    }

    /// Fills a slot in and shows it, for a handle that there is nothing to note of. The site is in there at every level, for that
    /// costs less than to ask: who reads it does so.
    #[inline(always)]
    fn publish_plain(&self, slot: NonNull<Slot>, entry: Entry, tick: u32) {
        // SAFETY: slots are type-stable, and this one was taken for the caller.
        unsafe { slot.as_ref() }.publish(entry.extent, entry.root, entry.site, entry.mark, tick);
    }

    /// Fills a slot in and shows it.
    #[inline]
    pub(super) fn publish(&self, slot: NonNull<Slot>, entry: Entry, tick: u32) {
        let depth = self.depth();
        if !depth.is_plain() || thread::scope() != 0 {
            self.note(slot, entry.parent, depth);
        }
        self.publish_plain(slot, entry, tick);
    }

    /// Notes what the handle that is about to be published is charged to, and its stack.
    #[inline(never)]
    fn note(&self, slot: NonNull<Slot>, parent: Option<NonNull<Slot>>, depth: Depth) {
        let trace = self.stack(depth);
        if let Some(parent) = parent.filter(|_| trace != 0 && depth.is_suspect()) {
            self.with_note(parent, |note| note.set_trace(trace));
        }
        self.charge_new(slot, parent, depth.has_sites(), trace);
    }

    /// Charges the handle that is about to be published to the thread's scope, or else to its parent's.
    #[inline]
    fn charge_new(&self, slot: NonNull<Slot>, parent: Option<NonNull<Slot>>, sited: bool, trace: u32) {
        let (scope, parent) = if sited { (thread::scope(), parent) } else { (0, None) };
        // SAFETY: slots and segments are type-stable.
        unsafe { Segment::of(slot).as_ref() }.note(self, unsafe { slot.as_ref() }, scope, parent, trace);
    }

    /// The number of this thread's stack, if it is to be noted: always on a suspect slab, sometimes at a level with stacks.
    fn stack(&self, depth: Depth) -> u32 {
        let due = match depth.code() {
            0 => false,
            _ if depth.is_suspect() => true,
            1..=Level::SITES => false,
            more => thread::is_nth(more - Level::SITES),
        };
        // SAFETY: the ledger outlives its slabs, and the caller holds a reference or owns the slab.
        if due { (unsafe { &*self.fixed.ledger }.tracer)() } else { 0 }
    }

    /// Changes the note of a handle that the caller holds.
    fn with_note(&self, slot: NonNull<Slot>, change: impl FnOnce(&Note)) {
        if !self.depth().has_sites() {
            return;
        }
        // SAFETY: slots and segments are type-stable.
        let (slot, segment) = unsafe { (slot.as_ref(), Segment::of(slot).as_ref()) };
        if let Some(note) = segment.note_or_new(self, slot) {
            change(note);
        }
    }

    /// Charges the handle with this slot to a scope; 0 is none.
    pub(super) fn charge(&self, slot: NonNull<Slot>, scope: u32) {
        self.with_note(slot, |note| note.charge(scope));
    }

    /// Leaves a hint with the handle that has this slot, and a stack where one is wanted.
    pub(super) fn touch(&self, slot: NonNull<Slot>, hint: u32) {
        let trace = self.stack(self.depth());
        self.with_note(slot, |note| {
            note.touch(hint);
            if trace != 0 {
                note.set_trace(trace);
            }
        });
    }

    /// Clears a slot and drops its reference, in this order: references are never fewer than live slots. Returns the slab to whoever
    /// emptied it: never to its owner.
    #[inline(always)]
    pub(super) fn delist(slot: NonNull<Slot>) -> Option<Idle> {
        if let Some(emptied) = thread::with_identity(|me| Header::delist_as_guest(slot, me)) {
            return emptied.map(Emptied::idle);
        }
        let segment = Segment::of(slot);
        // SAFETY: slots, segments and headers are type-stable, and a live handle's segment names its slab.
        let (slot, segment_ref, header) = unsafe { (slot.as_ref(), segment.as_ref(), &*segment.as_ref().header()) };
        if !header.leave_with_slot(header.owner(), segment, slot, || ()) {
            segment_ref.clear(slot);
            header.leave_as_owner();
        }
        None
    }

    /// The same if the caller does not own the slab. `None` if it does, and nothing was done.
    #[inline(always)]
    pub(super) fn delist_as_guest(slot: NonNull<Slot>, me: &Identity) -> Option<Option<Emptied>> {
        let segment = Segment::of(slot);
        // SAFETY: segments are type-stable, and a live handle's segment names its slab.
        let this = unsafe { NonNull::new_unchecked(segment.as_ref().header()) };
        // SAFETY: slots, segments and headers are type-stable.
        let (slot, segment, header) = unsafe { (slot.as_ref(), segment.as_ref(), this.as_ref()) };
        if header.owner() == me.known_id() {
            return None;
        }
        if planted(Plant::RefBeforeSlot) {
            let emptied = Header::leave_last(this);
            segment.clear(slot);
            return Some(emptied);
        }
        segment.clear_by(slot, me.known_id());
        Some(Header::leave_last(this))
    }

    /// The same where that is nothing but a few stores: the caller owns the slab and allocates from the slot's segment. Says whether it
    /// was so; if not, nothing was done. Calls `before` first.
    #[inline(always)]
    pub(super) fn delist_quick(slot: NonNull<Slot>, before: impl FnOnce(&Header, &Slot)) -> bool {
        let segment = Segment::of(slot);
        // SAFETY: slots, segments and headers are type-stable, and a live handle's segment names its slab.
        let (slot, header) = unsafe { (slot.as_ref(), &*segment.as_ref().header()) };
        let owner = header.owner();
        thread::is(owner) && header.leave_with_slot(owner, segment, slot, || before(header, slot))
    }

    /// Drops a reference that has no slot.
    #[inline(always)]
    pub(super) fn drop_untracked(this: NonNull<Header>) -> Option<Idle> {
        // SAFETY: the caller holds a reference.
        let header = unsafe { this.as_ref() };
        header.count_unlisted(-1);
        if thread::is(header.owner()) {
            header.leave_as_owner();
            None
        } else {
            Header::leave(this)
        }
    }
}
