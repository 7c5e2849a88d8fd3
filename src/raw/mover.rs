//! The mover: copies the parked slices of a detached slab out of it, if that frees it.
//!
//! It waits for nobody and nobody waits for it. It looks at the slab as who attaches it would ([`Look`]), so that nobody attaches
//! it. It puts a mark where the owner would stand, so that handles that are dropped meanwhile know to ask, and claims the slab, so
//! that those notice that did not see the mark. Then, slice by slice: it takes the berth (`MOVING`), sets the slot aside, and
//! publishes the copy (`MOVED`). The references of all slices that nobody reads any more go back in one read-modify-write at the
//! end, with the second claim.

use super::berth::{Berth, DROPPED, LIVE, MOVED, MOVING, READERS, RELEASED};
use super::header::{BIAS, Header};
use super::ledger::Ledger;
use super::look::Look;
use super::notes::Note;
use super::owned::Owned;
use super::slab::Idle;
use super::slot::{Extent, Slot};
use crate::compaction::{CompactPolicy, Compaction, Left};
use crate::config::Level;
use crate::sync::{Ordering, Plant, clock, planted, thread};
use core::ptr::NonNull;
use core::time::Duration;
use std::sync::Arc;

/// One slice on its way.
struct Passenger {
    slot: NonNull<Slot>,
    berth: Option<NonNull<Berth>>,
    extent: Extent,
    /// What it belongs with: scope and tag.
    party: (u32, u32),
    copy: Option<(NonNull<Owned>, NonNull<u8>)>,
}

/// What a glance shows of a slab.
#[derive(Default)]
struct Glance {
    parked: usize,
    bytes: usize,
    others: bool,
}

/// What one call may do and has done.
struct Errand<'a> {
    policy: &'a CompactPolicy,
    max_bytes: usize,
    /// The tick at its beginning.
    now: u32,
    list: Vec<Passenger>,
    done: Compaction,
}

impl Ledger {
    /// Moves the parked slices of all slabs that `policy` finds worth it and that this frees, of `max_bytes` at most and as long as
    /// `go_on` says so. Slabs that this empties are handed to `emptied`. The next call begins with what this one had to leave.
    pub(crate) fn compact(
        self: &Arc<Self>,
        policy: &CompactPolicy,
        max_bytes: usize,
        mut go_on: impl FnMut() -> bool,
        mut emptied: impl FnMut(Idle),
    ) -> Compaction {
        let done = Compaction::default();
        let mut errand = Errand { policy, max_bytes, now: clock::read(), list: Vec::new(), done };
        let mut headers = Vec::new();
        if !self.copy_headers(&mut headers) {
            errand.done.complete = false;
            return errand.done;
        }
        // Relaxed: where it begins is of no consequence.
        let start = self.moved_last.load(Ordering::Relaxed) % headers.len().max(1);
        let mut first_left = None;
        for (at, header) in headers.iter().enumerate().cycle().skip(start).take(headers.len()) {
            // SAFETY: headers are type-stable.
            if unsafe { header.as_ref() }.fixed.parked.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let time_is_over = !go_on();
            errand.done.complete &= !time_is_over;
            let idle = if time_is_over { None } else { errand.move_out(self, *header) };
            idle.into_iter().for_each(&mut emptied);
            if !errand.done.complete {
                first_left.get_or_insert(at);
            }
            if time_is_over {
                break;
            }
        }
        self.moved_last.store(first_left.unwrap_or(0), Ordering::Relaxed);
        errand.done
    }
}

impl Ledger {
    /// Appends every header there is, if there is memory for that.
    fn copy_headers(&self, list: &mut Vec<NonNull<Header>>) -> bool {
        let headers = self.headers.lock();
        let has_room = list.try_reserve(headers.len()).is_ok();
        if has_room {
            list.extend_from_slice(&headers);
        }
        has_room
    }
}

impl Errand<'_> {
    fn move_out(&mut self, ledger: &Arc<Ledger>, this: NonNull<Header>) -> Option<Idle> {
        let Errand { policy, max_bytes, now, list, done } = self;
        // SAFETY: headers are type-stable.
        let header = unsafe { this.as_ref() };
        let seen = header.glance();
        if seen.parked == 0 {
            return None;
        }
        let verdict = match () {
            () if header.state().refs() >= BIAS / 2 => Some(Left::Attached),
            () if seen.others || header.unlisted(u64::MAX) > 0 => Some(Left::Held),
            () => policy.refuses(header.retired_for(*now), seen.bytes, header.size()),
        };
        if let Some(left) = verdict {
            done.leave(left, seen.parked);
            return None;
        }
        if seen.bytes > max_bytes.saturating_sub(done.copied_bytes) {
            done.complete = false;
            return None;
        }
        let Some(look) = Look::take_any(this) else {
            done.leave(Left::Moving, seen.parked);
            return None;
        };
        if let Err((left, slices)) = board(&look, &seen, policy.packs(), list) {
            list.clear();
            done.leave(left, slices);
            return look.leave();
        }
        if !planted(Plant::MoverUnmarked) {
            // Before the claim: whoever reads the state after that knows. Nobody else writes the owner while the look is on.
            header.set_owner(thread::MOVER);
        }
        header.claim_for_mover(0);
        let refs = cross(header, ledger, list, done);
        list.clear();
        header.claim_for_mover(refs);
        let size = header.size();
        // After the claim: whoever read the state before that sees it changed.
        header.set_owner(thread::NOBODY);
        let emptied = look.leave();
        if emptied.is_some() {
            done.freed_slabs += 1;
            done.freed_bytes += size;
        }
        emptied
    }
}

/// Lists the slices of the slab and makes room for their copies. Fails with how many are left, and why.
fn board(look: &Look, seen: &Glance, pack: bool, list: &mut Vec<Passenger>) -> Result<(), (Left, usize)> {
    let exact = look.list(list, |segment, slot, extent| {
        let mark = slot.seen_mark();
        let scope = segment.note_of(slot).map(Note::seen).unwrap_or_default().scope;
        let berth = if mark.is_parked() { segment.berth_of(slot) } else { None };
        Passenger { slot: NonNull::from(slot), berth, extent, party: (scope, mark.tag()), copy: None }
    });
    let parked = list.iter().filter(|passenger| passenger.berth.is_some()).count();
    let bytes: usize = list.iter().map(|passenger| passenger.extent.len()).sum();
    // What was decided was decided for these.
    let same = exact && bytes == seen.bytes;
    if !same && !planted(Plant::MoverInexact) {
        return Err((Left::Moving, parked.max(seen.parked)));
    }
    if parked < list.len() {
        return Err((Left::Held, parked));
    }
    // SAFETY: berths are type-stable.
    let is_read = |passenger: &Passenger| passenger.berth.is_some_and(|berth| unsafe { berth.as_ref() }.is_read());
    if list.iter().any(is_read) && !planted(Plant::LocalReaderUnseen) {
        return Err((Left::Read, parked));
    }
    if !give_room(list, pack) {
        list.iter().for_each(Passenger::cancel);
        return Err((Left::NoMemory, parked));
    }
    Ok(())
}

/// Copies the slices and publishes the copies. Returns how many references to the slab are to be given back.
fn cross(header: &Header, ledger: &Arc<Ledger>, list: &[Passenger], done: &mut Compaction) -> u32 {
    let mut refs = 0;
    for passenger in list {
        match passenger.cross(ledger) {
            Crossing::Released => refs += 1,
            Crossing::ReadStill => {}
            Crossing::Dropped => {
                refs += 1;
                continue;
            }
            Crossing::Gone => continue,
        }
        done.slices += 1;
        done.copied_bytes += passenger.extent.len();
    }
    header.fixed.witness.read();
    refs
}

/// Room for the copies: one allocation for each slice, or for each party. Says whether there is enough; if not, some have it.
fn give_room(list: &mut [Passenger], pack: bool) -> bool {
    let party = |passenger: &Passenger| passenger.party;
    if pack {
        list.sort_unstable_by_key(party);
    }
    for batch in list.chunk_by_mut(|a, b| pack && party(a) == party(b)) {
        let bytes = batch.iter().map(|passenger| passenger.extent.len()).sum();
        let Ok(refs) = u32::try_from(batch.len()) else { return false };
        let Some((owned, mut place)) = Owned::room(bytes, refs) else { return false };
        for passenger in batch {
            passenger.copy = Some((owned, place));
            // SAFETY: in bounds, or one past the end behind the last of them.
            place = unsafe { place.add(passenger.extent.len()) };
        }
    }
    true
}

/// What became of a slice.
enum Crossing {
    /// It was moved, and nobody reads it at its old place.
    Released,
    /// It was moved; the last reader gives the reference back.
    ReadStill,
    /// It was dropped meanwhile, and its reference is the mover's to give back.
    Dropped,
    /// It was dropped before.
    Gone,
}

impl Passenger {
    /// The copy is not needed.
    fn cancel(&self) {
        if let Some((owned, _)) = self.copy {
            // SAFETY: one reference was made for this slice, whose handle did not get it.
            unsafe { Owned::release(owned) };
        }
    }

    fn cross(&self, ledger: &Arc<Ledger>) -> Crossing {
        let (Some(berth), Some((owned, data))) = (self.berth, self.copy) else { return Crossing::Gone };
        // SAFETY: berths and slots are type-stable.
        let (berth, slot) = unsafe { (berth.as_ref(), self.slot.as_ref()) };
        // Since they were listed others may have dropped theirs, in one read-modify-write that needs no berth. From the claim on all of
        // that is seen here, and nobody does so any more.
        if slot.extent() != self.extent {
            self.cancel();
            return Crossing::Gone;
        }
        let free = |word: u32| (word & !READERS == LIVE).then_some(word | MOVING);
        // AcqRel: pairs with the one in `release_beside_a_mover`: the handle is there, or this sees that it is not. The Acquire: the
        // slot is not older than the berth's life.
        if berth.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).is_err() {
            self.cancel();
            return Crossing::Gone;
        }
        // It may have become another slice's in between; if that has the same place it goes as well.
        if slot.extent() != self.extent {
            // AcqRel: as above.
            let word = berth.word.fetch_and(!MOVING, Ordering::AcqRel);
            self.cancel();
            return if word & DROPPED != 0 { clean_up(berth) } else { Crossing::Gone };
        }
        berth.copied.write();
        // Relaxed: written before the berth's life began.
        if let Some(from) = NonNull::new(berth.data.load(Ordering::Relaxed)) {
            // SAFETY: the slice has this many bytes there, and its handle is alive or has left its end to this. At `data` there is
            // room for them, which nobody else knows.
            unsafe { data.copy_from_nonoverlapping(from, self.extent.len()) };
        }
        // Relaxed, both: published with `MOVED`.
        berth.data.store(data.as_ptr(), Ordering::Relaxed);
        berth.owned.store(owned.as_ptr(), Ordering::Relaxed);
        ledger.keep_for_moved();
        if planted(Plant::MovedSlotFreed) {
            slot.free();
        } else if !planted(Plant::SlotKeptLate) {
            // Before `MOVED`: what comes after that is the handle's.
            slot.set_extent(Extent::KEPT);
        }
        let moved = |word: u32| {
            if word & DROPPED != 0 && !planted(Plant::DroppedUnseen) {
                return None;
            }
            let released = word & READERS == 0 || planted(Plant::ReleasedUnderReaders);
            Some(word & !MOVING | MOVED | if released { RELEASED } else { 0 })
        };
        let both = if planted(Plant::MovedRelaxed) { Ordering::Relaxed } else { Ordering::AcqRel };
        // AcqRel: the Release pairs with the Acquire in `seen`, and publishes the new place; the Acquire pairs with the Release of
        // readers that left.
        let before = berth.word.fetch_update(both, Ordering::Acquire, moved);
        if planted(Plant::SlotKeptLate) {
            slot.set_extent(Extent::KEPT);
        }
        match before {
            Ok(word) if word & READERS == 0 || planted(Plant::ReleasedUnderReaders) => Crossing::Released,
            Ok(_) => Crossing::ReadStill,
            Err(_) => {
                // SAFETY: taken above for the handle, which is gone.
                unsafe { Arc::decrement_strong_count(Arc::as_ptr(ledger)) };
                self.cancel();
                clean_up(berth)
            }
        }
    }
}

/// The handle was dropped and left its berth and its reference to the mover.
fn clean_up(berth: &Berth) -> Crossing {
    berth.end();
    Crossing::Dropped
}

impl Header {
    /// What is on the slab, as far as one look can tell.
    fn glance(&self) -> Glance {
        let mut seen = Glance::default();
        if self.depth().level() == Level::Off {
            return seen;
        }
        for segment in self.segments() {
            if !core::ptr::eq(segment.header(), self) {
                break;
            }
            for slot in segment.slots() {
                let extent = slot.extent();
                if !extent.is_live() {
                    continue;
                }
                if slot.seen_mark().is_parked() {
                    seen.parked += 1;
                    seen.bytes += extent.len();
                } else {
                    seen.others = true;
                }
            }
        }
        seen
    }

    /// How long ago the slab's owner left it.
    fn retired_for(&self, now: u32) -> Duration {
        // Relaxed: set before the slab was detached.
        let retired = self.fixed.retired_tick.load(Ordering::Relaxed);
        clock::since(now, retired)
    }
}
