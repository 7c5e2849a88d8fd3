//! `Parked`: a slice that may be moved out of its slab while its handle lives.
//!
//! It is made without copying. While the slab is attached, its handle costs its owner no read-modify-write, to read or to drop.
//! Only a [mover](super::mover) moves it, and only out of a detached slab that nobody attaches meanwhile.

use super::berth::{Berth, DROPPED, LIVE, MOVED, MOVING, READERS, RELEASED};
use super::header::{CLAIM, Entry, Header, State};
use super::ledger::Ledger;
use super::owned::Owned;
use super::shared::{self, Shared};
use super::slab::{Idle, Label};
use super::slot::Extent;
use super::word::{Hold, Word};
use super::{poison, recorded};
use crate::sync::{Ordering, Plant, planted, thread};
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::slice;
use std::sync::Arc;

/// A read-only slice that the pool may move. It has no `Drop`, as [`Shared`].
pub(crate) struct Parked {
    /// Where it lay when it was parked.
    ptr: NonNull<u8>,
    /// With the flag [`BERTHED`].
    len: usize,
    /// A berth, or what any handle has: then it is never moved.
    word: Word,
}

/// The word is a berth. No length has this bit.
const BERTHED: usize = 1 << (usize::BITS - 1);

// SAFETY: as for `Shared`; the berth is made for many threads.
unsafe impl Send for Parked {}
// SAFETY: as above.
unsafe impl Sync for Parked {}

impl Shared {
    /// Parks the slice. If there is no memory for a berth it stays where it is for good.
    pub(crate) fn park(self) -> Parked {
        // A parked slice is one that is kept.
        self.log_kept();
        let (ptr, len, word) = self.into_parts();
        let berth = match word.hold_of_any() {
            Hold::Slot(slot) if !word.is_secret() => {
                // SAFETY: slots, segments and headers are type-stable, and a live handle's segment names its slab.
                let (slot_ref, segment) = unsafe { (slot.as_ref(), super::segment::Segment::of(slot).as_ref()) };
                // SAFETY: as above.
                let header = unsafe { &*segment.header() };
                let berth = if slot_ref.own_extent().is_whole() { None } else { segment.berth_or_new(header, slot) };
                berth.inspect(|berth| {
                    if header.fixed.parked.load(Ordering::Relaxed) == 0 {
                        header.fixed.parked.store(1, Ordering::Relaxed);
                    }
                    // What another handle is to list. The slot itself may be set aside by then.
                    slot_ref.set_root(slot_ref.own_extent());
                    // SAFETY: berths are type-stable.
                    let berth = unsafe { berth.as_ref() };
                    // Relaxed, both: published with `LIVE`. A reader of the slot's last slice may have been forgotten.
                    berth.data.store(ptr.as_ptr(), Ordering::Relaxed);
                    berth.local.store(0, Ordering::Relaxed);
                    // Before it is marked: who sees the mark finds the berth alive. Release: pairs with the Acquire in `seen` and of
                    // the mover.
                    berth.word.store(LIVE, Ordering::Release);
                    let mark = slot_ref.mark().shared().ever_shared().parked();
                    slot_ref.set_mark(if word.is_recorded() { mark.recorded() } else { mark });
                })
            }
            _ => None,
        };
        match berth {
            Some(berth) => Parked { ptr, len: len | BERTHED, word: Word::parked(berth) },
            None => Parked { ptr, len, word },
        }
    }
}

/// What to do when a reader is done.
#[derive(Clone, Copy)]
enum Seat {
    /// Nothing: the bytes stay as long as the handle.
    None,
    /// It was taken as the owner of the slab.
    Local,
    /// It was taken by a read-modify-write.
    Counted,
}

/// Somebody reads a parked slice: the bytes stay where they are. It has no `Drop`: its possessor calls [`leave`](Reading::leave)
/// last.
pub(crate) struct Reading<'a> {
    ptr: NonNull<u8>,
    seat: Seat,
    /// Whether `ptr` is the new place.
    moved: bool,
    parked: &'a Parked,
}

// SAFETY: a shared view of bytes that nobody writes; the seat is given up by atomics alone.
unsafe impl Send for Reading<'_> {}
// SAFETY: as above.
unsafe impl Sync for Reading<'_> {}

impl Parked {
    /// No bytes.
    pub(crate) const fn empty() -> Parked {
        Parked { ptr: NonNull::dangling(), len: 0, word: Word::NOTHING }
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len & !BERTHED
    }

    #[inline(always)]
    fn berth(&self) -> Option<&Berth> {
        // SAFETY: berths are type-stable while the ledger lives, which this handle keeps alive: by its slab, or by a reference.
        (self.len & BERTHED != 0).then(|| unsafe { &*self.word.berth() })
    }

    /// Whether it was moved out of its slab.
    pub(crate) fn is_moved(&self) -> bool {
        self.berth().is_some_and(|berth| berth.seen() & MOVED != 0)
    }

    /// Begins to read.
    #[inline]
    pub(crate) fn read(&self) -> Reading<'_> {
        let Some(berth) = self.berth() else {
            return Reading { ptr: self.ptr, seat: Seat::None, moved: false, parked: self };
        };
        if berth.seen() & MOVED != 0 {
            return self.moved(berth, Seat::None);
        }
        // SAFETY: headers are type-stable.
        let owns = thread::is(unsafe { berth.header().as_ref() }.owner());
        // After the header: if that is not the slice's any more, this says so.
        if berth.seen() & MOVED != 0 {
            return self.moved(berth, Seat::None);
        }
        // A mover comes only after this thread has detached the slab, and sees the seat then. Relaxed: detaching releases it, and
        // the seat of a reader who came as the owner before can only be seen taken for too long.
        if owns && berth.local.load(Ordering::Relaxed) == 0 {
            berth.local.store(1, Ordering::Relaxed);
            return Reading { ptr: self.ptr, seat: Seat::Local, moved: false, parked: self };
        }
        // Acquire: pairs with the Release of whoever set `MOVED`.
        let before = berth.word.fetch_add(1, Ordering::Acquire);
        if before & READERS > READERS / 2 {
            too_many_readers();
        }
        if before & MOVED != 0 {
            return self.moved(berth, Seat::Counted);
        }
        Reading { ptr: self.ptr, seat: Seat::Counted, moved: false, parked: self }
    }

    fn moved(&self, berth: &Berth, seat: Seat) -> Reading<'_> {
        // Relaxed: ordered by `MOVED`, which the caller has seen by an Acquire. They do not change any more.
        let data = berth.data.load(Ordering::Relaxed);
        Reading { ptr: NonNull::new(data).expect("a moved slice has a place"), seat, moved: true, parked: self }
    }

    /// Bytes that this handle keeps allocated.
    pub(crate) fn retained_size(&self) -> usize {
        let Some(berth) = self.berth() else { return shared::retained_size(self.word) };
        // SAFETY: headers are type-stable.
        let slab = unsafe { berth.header().as_ref() }.size();
        match self.owned() {
            // SAFETY: the handle keeps it alive.
            Some(owned) => unsafe { owned.as_ref() }.size(),
            None => slab,
        }
    }

    /// Whether it keeps nothing allocated but its own bytes.
    pub(crate) fn is_compact(&self) -> bool {
        if let Some(owned) = self.owned() {
            // SAFETY: the handle keeps it alive.
            return unsafe { owned.as_ref() }.is_exactly(self.len());
        }
        self.berth().is_none() && shared::is_compact(self.word, self.len())
    }

    /// What the new place belongs to.
    fn owned(&self) -> Option<NonNull<Owned>> {
        let berth = self.berth().filter(|berth| berth.seen() & MOVED != 0)?;
        // Relaxed: ordered by `MOVED`.
        NonNull::new(berth.owned.load(Ordering::Relaxed))
    }

    pub(crate) fn tag(&self) -> u32 {
        // The slot stays the handle's.
        self.berth().map_or_else(|| shared::tag(self.word), |berth| berth.slot().mark().tag())
    }

    /// Gives the handle up. Returns the slab to whoever emptied it.
    #[inline]
    pub(crate) fn release(self) -> Option<Idle> {
        let this = ManuallyDrop::new(self);
        let Some(berth) = this.berth() else {
            // SAFETY: the handle is consumed.
            return unsafe { this.word.release() };
        };
        if berth.slot().mark().is_recorded() {
            log_end(berth);
        }
        let header = berth.header();
        // SAFETY: headers are type-stable.
        let owns = thread::is(unsafe { header.as_ref() }.owner());
        // After the header: if that is not the slice's any more, this says so. And no mover is at a slab that this thread owns.
        if owns && berth.seen() & MOVED == 0 {
            // Relaxed: the slot, which is freed next, leads the next one to the berth.
            berth.word.store(0, Ordering::Relaxed);
            poison::leave(berth.slot_ptr());
            return Header::delist(berth.slot_ptr());
        }
        release_as_guest(berth)
    }
}

/// The handle, which is recorded, is about to end.
#[cold]
#[inline(never)]
fn log_end(berth: &Berth) {
    // SAFETY: headers are type-stable, and all that a segment is ever of are of one ledger, which the handle keeps: by its slab, or by
    // a reference.
    unsafe { recorded::log_end_of_parked(berth.slot_ptr(), berth.header().as_ref().fixed.ledger) };
}

/// One read-modify-write, if no mover comes.
///
/// It is the one that gives the reference back, and it fails if anything happened to the slab since this thread looked: a mover
/// changes the state's claims when it begins and when it ends. The slot is dead by then and cannot be taken by anybody, so that
/// until then nothing is done that a mover could see differently.
#[inline(never)]
fn release_as_guest(berth: &Berth) -> Option<Idle> {
    loop {
        let this = berth.header();
        // SAFETY: headers are type-stable.
        let header = unsafe { this.as_ref() };
        let state = header.state();
        // Acquire: pairs with the Release in `set_owner`; if a mover ended before, the state is not what was read above.
        let mover = header.fixed.owner.load(Ordering::Acquire) == thread::MOVER;
        // After all of it: who was moved before the state was read sees it here.
        if berth.seen() & MOVED != 0 {
            return release_moved(berth);
        }
        if mover {
            return release_beside_a_mover(berth, this);
        }
        berth.slot().set_extent(Extent::KEPT);
        if let Ok(left) = header.leave_unchanged(state) {
            let emptied = (left == 0).then(|| Header::emptied(this));
            berth.end();
            return emptied;
        }
    }
}

#[cold]
fn release_beside_a_mover(berth: &Berth, header: NonNull<Header>) -> Option<Idle> {
    // AcqRel: either the mover sees this, or this sees what the mover did.
    let before = berth.word.fetch_or(DROPPED, Ordering::AcqRel);
    if before & MOVED != 0 {
        return release_moved(berth);
    }
    if before & MOVING != 0 && !planted(Plant::MovingUnseen) {
        // The mover cleans up.
        return None;
    }
    // It leaves the berth alone from now on, and the reference is this handle's.
    berth.end();
    Header::leave(header)
}

/// The handle has the new place to itself, or its part in a packed one.
#[cold]
fn release_moved(berth: &Berth) -> Option<Idle> {
    berth.copied.write();
    // Relaxed: ordered by `MOVED`.
    if let Some(owned) = NonNull::new(berth.owned.load(Ordering::Relaxed)) {
        // SAFETY: the mover left one reference to the handle, which is consumed.
        unsafe { Owned::release(owned) };
    }
    let header = berth.header();
    // SAFETY: headers are type-stable, and all of one ledger name it.
    let ledger = unsafe { header.as_ref() }.fixed.ledger;
    // There are no readers any more. If the last of them was forgotten, the old place is the handle's to give back.
    let held = berth.seen() & RELEASED == 0 && !planted(Plant::OldPlaceForgotten);
    let emptied = if held { Header::leave(header) } else { None };
    berth.end();
    // SAFETY: `keep_for_moved` took a reference to it for this handle.
    drop(unsafe { Arc::from_raw(ledger) });
    emptied
}

impl Ledger {
    /// One more moved slice needs its berth: it takes a reference to the ledger.
    pub(super) fn keep_for_moved(self: &Arc<Ledger>) {
        let _ = Arc::into_raw(Arc::clone(self));
    }
}

impl Reading<'_> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        #[cfg(bufslab_loom)]
        if let Some(berth) = self.parked.berth() {
            match self.moved {
                true => berth.copied.read(),
                // SAFETY: headers are type-stable.
                false => unsafe { berth.header().as_ref() }.fixed.witness.read(),
            }
        }
        // SAFETY: valid as long as the seat is held, or else as long as the handle; nobody writes to bytes that a handle covers.
        unsafe { slice::from_raw_parts(self.ptr.as_ptr(), self.parked.len()) }
    }

    /// An ordinary handle on the same bytes, where they are now.
    pub(crate) fn another(&self, label: Label) -> Shared {
        let parked = self.parked;
        let complete = |mark| move |extent| Entry { extent, root: extent, mark, site: label.site, parent: None };
        let word = match parked.berth() {
            None => parked.word.another(|slot| {
                let mark = slot.mark();
                slot.set_mark(mark.ever_shared());
                Entry { root: slot.root(), ..complete(mark.ever_shared().shared())(slot.own_extent()) }
            }),
            Some(_) if self.moved => match parked.owned() {
                Some(owned) => Word::owned(owned).another(|_| unreachable!("no slab is held")),
                None => Word::NOTHING,
            },
            Some(berth) => {
                // The seat holds the slab.
                let (header, slot) = (berth.header(), berth.slot());
                let entry = complete(slot.mark().unparked())(slot.root());
                let entry = Entry { parent: Some(berth.slot_ptr()), ..entry };
                let word = Header::enlist(header, entry);
                match slot.mark().is_recorded() {
                    true => recorded::derived_from_parked(berth.slot_ptr(), word),
                    false => word,
                }
            }
        };
        // SAFETY: `word` holds the bytes.
        unsafe { Shared::from_parts(self.ptr, parked.len(), word) }
    }

    /// Ends it. Returns the slab to whoever emptied it: the last reader of the old place of a slice that was moved meanwhile.
    #[inline]
    pub(crate) fn leave(&mut self) -> Option<Idle> {
        let berth = self.parked.berth()?;
        match core::mem::replace(&mut self.seat, Seat::None) {
            Seat::None => None,
            Seat::Local => {
                let release = if planted(Plant::LocalLeavesRelaxed) { Ordering::Relaxed } else { Ordering::Release };
                // Release: pairs with the Acquire in `is_read`; the reading is over.
                berth.local.store(0, release);
                None
            }
            Seat::Counted => leave_counted(berth),
        }
    }
}

#[inline]
fn leave_counted(berth: &Berth) -> Option<Idle> {
    let release = if planted(Plant::ReaderLeavesRelaxed) { Ordering::Relaxed } else { Ordering::Release };
    // Release: pairs with the Acquire of whoever sets `RELEASED`, and of `is_read`; the reading is over.
    let before = berth.word.fetch_sub(1, release);
    if before & (MOVED | RELEASED) == MOVED && before & READERS == 1 { last_reader(berth) } else { None }
}

/// The old place may have no readers any more: whoever says so first gives its reference back.
#[cold]
fn last_reader(berth: &Berth) -> Option<Idle> {
    // Acquire: pairs with the Release of the readers that left. Relaxed on failure: another one is there, and will be here.
    let released = LIVE | MOVED | RELEASED;
    berth.word.compare_exchange(LIVE | MOVED, released, Ordering::Acquire, Ordering::Relaxed).ok()?;
    Header::leave(berth.header())
}

impl Header {
    /// Gives a reference back if nothing changed since `seen`. Returns how many are left.
    fn leave_unchanged(&self, seen: State) -> Result<u32, ()> {
        if planted(Plant::DropUncompared) {
            return Ok(State(self.state.fetch_sub(1, Ordering::Release)).refs() - 1);
        }
        // Release: pairs with the Acquire of whoever finds the slab empty; this thread's use of the slab is over. Relaxed on failure:
        // all is read again.
        let left = self.state.compare_exchange(seen.0, seen.0 - 1, Ordering::Release, Ordering::Relaxed);
        left.map(|_| seen.refs() - 1).map_err(|_| ())
    }

    /// A mover has begun or ends, and gives `refs` references back, of more that there are.
    pub(super) fn claim_for_mover(&self, refs: u32) {
        let claim = if planted(Plant::MoverClaimsNothing) { 0 } else { CLAIM };
        // AcqRel: the Acquire pairs with the Release of every handle that was dropped before: its slot is seen dead. The Release pairs
        // with the Acquire in `state`: who sees this sees what was moved.
        self.state.fetch_add(claim.wrapping_sub(u64::from(refs)), Ordering::AcqRel);
    }
}

/// Only `mem::forget` in a loop gets here. Like `Arc`, the process ends.
#[cold]
fn too_many_readers() -> ! {
    eprintln!("bufslab: more than {} readers of one parked slice", READERS / 2);
    std::process::abort()
}
