//! Recorded handles: what happens to them is [logged](super::log).
//!
//! That a handle is recorded is a mark in its word, as [`secret`](super::secret) has one, so that another handle pays nothing: the
//! one test of the fast path sends marked ones off it. What is made from a recorded handle is recorded: an allocation is in the log
//! with all that is made of it, or not at all.
//!
//! A handle without a slot is not recorded: nothing would tell it from another one. The exception is the copy that takes a recorded
//! handle's place when that is retained.

use super::header::Header;
use super::ledger::Ledger;
use super::log::{Event, EventKind, Log};
use super::owned::Owned;
use super::segment::Segment;
use super::shared::Shared;
use super::slab::Idle;
use super::slot::{Extent, SliceKind, Slot};
use super::unique::Unique;
use super::word::{Hold, Word};
use crate::sync::{Plant, planted};
use core::ptr::NonNull;
use std::sync::Arc;

/// The slab of a handle that is alive.
fn header_of<'a>(slot: NonNull<Slot>) -> &'a Header {
    // SAFETY: segments and headers are type-stable, and a live handle's segment names its slab.
    unsafe { &*Segment::of(slot).as_ref().header() }
}

/// The log of the pool that a live handle is of.
fn log_of<'a>(slot: NonNull<Slot>) -> &'a Log {
    // SAFETY: a ledger outlives its slabs, and the handle keeps its own.
    unsafe { &(*header_of(slot).fixed.ledger).log }
}

/// What is known of a live handle, by its slot.
fn event(kind: EventKind, slot: NonNull<Slot>) -> Event {
    // SAFETY: slots are type-stable.
    let slot_ref = unsafe { slot.as_ref() };
    let extent = slot_ref.own_extent();
    let (offset, len) = match extent.is_whole() {
        true => (0, header_of(slot).size()),
        false => (extent.offset(), extent.len()),
    };
    let (site, mark, _) = slot_ref.seen();
    let site = site.filter(|_| header_of(slot).depth().has_sites());
    let (offset, len, tag) = (offset as u64, len as u64, mark.tag());
    Event { offset, len, site, tag, ..Event::new(kind, slot.as_ptr().addr()) }
}

/// A handle was made from the recorded one with the slot `parent`: it is recorded as well, if anything is.
pub(super) fn derived(parent: NonNull<Slot>, made: Word) -> Word {
    let Hold::Slot(slot) = made.hold() else { return made };
    // SAFETY: slots are type-stable.
    let kind = EventKind::Derive { shared: unsafe { slot.as_ref() }.mark().kind() != SliceKind::Mut };
    let event = Event { other: parent.as_ptr().addr(), ..event(kind, slot) };
    if log_of(parent).write(event, None) { made.recorded() } else { made }
}

/// The same for a handle that is made from a parked one, whose place in its allocation its slot does not tell any more.
pub(super) fn derived_from_parked(parent: NonNull<Slot>, made: Word) -> Word {
    let Hold::Slot(slot) = made.hold() else { return made };
    let event = Event { other: parent.as_ptr().addr(), ..event(EventKind::Another, slot) };
    if log_of(slot).write(event, None) { made.recorded() } else { made }
}

/// What happened to the handle with this word, if it is recorded. Its slot says what came of it.
#[cold]
pub(super) fn log(word: Word, kind: EventKind) {
    if let (true, Hold::Slot(slot)) = (word.is_recorded(), word.hold_of_any()) {
        log_of(slot).write(event(kind, slot), None);
    }
}

/// The end of a recorded handle that holds what `word` says.
fn log_end(word: Word) {
    match word.hold_of_any() {
        Hold::Slot(slot) => {
            log_of(slot).write(event(EventKind::Free, slot), None);
        }
        Hold::Owned(owned) => {
            // SAFETY: the handle keeps it alive.
            if let Some(ledger) = unsafe { Owned::recorded_in(owned) } {
                ledger.log.write(Event::new(EventKind::Free, owned.as_ptr().addr()), None);
            }
        }
        _ => {}
    }
}

/// Gives up a recorded handle by `release`. Its end is logged first: as soon as its slot is free it may be another one's.
pub(super) fn release(word: Word, release: impl FnOnce() -> Option<Idle>) -> Option<Idle> {
    if planted(Plant::EndLoggedLate) {
        let Hold::Slot(slot) = word.hold_of_any() else { return release() };
        let (log, event) = (log_of(slot), event(EventKind::Free, slot));
        let emptied = release();
        log.write(event, None);
        return emptied;
    }
    log_end(word);
    release()
}

/// The end of a recorded parked slice with this slot, which is in the log of `ledger`.
///
/// # Safety
///
/// The handle keeps the ledger.
pub(super) unsafe fn log_end_of_parked(slot: NonNull<Slot>, ledger: *const Ledger) {
    // SAFETY: the caller's promise.
    unsafe { &(*ledger).log }.write(Event::new(EventKind::Free, slot.as_ptr().addr()), None);
}

/// A writable handle that was split off `word`'s took the rest of it along, or another one was merged into it.
pub(super) fn set_extent(word: Word, extent: impl FnOnce(Extent) -> Extent) {
    if let Hold::Slot(slot) = word.hold_of_any() {
        // SAFETY: slots are type-stable, and this one is the handle's.
        let slot = unsafe { slot.as_ref() };
        slot.set_extent(extent(slot.own_extent()));
        log(word, EventKind::Resize);
    }
}

impl Ledger {
    /// Counts a new allocation, and records it if its turn has come.
    pub(crate) fn log_allocation(&self, raw: &mut Unique) {
        if raw.capacity() == 0 || !self.log.is_open() {
            return;
        }
        let Some(number) = self.log.count() else { return };
        raw.change_word(|word| {
            let Hold::Slot(slot) = word.hold_of_any() else { return word };
            if self.log.write(event(EventKind::Alloc, slot), Some(number)) { word.recorded() } else { word }
        });
    }
}

impl Shared {
    /// Notes that the handle is kept for long, and stays where it is.
    pub(crate) fn log_kept(&self) {
        let word = self.word();
        if !word.is_recorded() {
            return;
        }
        match word.hold_of_any() {
            Hold::Slot(_) => log(word, EventKind::Retain),
            Hold::Owned(owned) => {
                // SAFETY: the handle keeps it alive.
                if let Some(ledger) = unsafe { Owned::recorded_in(owned) } {
                    ledger.log.write(Event::new(EventKind::Retain, owned.as_ptr().addr()), None);
                }
            }
            _ => {}
        }
    }

    /// As [`detached`](Shared::detached), for a handle that is kept for long: if this one is recorded, the copy takes its place, and
    /// this one is not recorded any more. `None` when there is no memory.
    pub(crate) fn detached_to_keep(&mut self) -> Option<Shared> {
        let Hold::Slot(slot) = self.word().hold_of_any() else { return self.detached() };
        if !self.word().is_recorded() {
            return self.detached();
        }
        let ledger = header_of(slot).fixed.ledger;
        // SAFETY: it came from an `Arc`, and the slab of this handle keeps one reference.
        let ledger = unsafe {
            Arc::increment_strong_count(ledger);
            Arc::from_raw(ledger)
        };
        let mut copy = Shared::recorded_copy_of(self.as_slice(), ledger)?;
        if self.is_secret() {
            copy.mark_secret();
        }
        let key = match copy.word().hold_of_any() {
            Hold::Owned(owned) => owned.as_ptr().addr(),
            _ => return Some(copy),
        };
        log_of(slot).write(Event { other: key, ..event(EventKind::Retain, slot) }, None);
        copy.change_word(Word::recorded);
        self.change_word(Word::without_record);
        Some(copy)
    }
}
