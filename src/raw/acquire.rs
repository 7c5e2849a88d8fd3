//! Taking slots: from the owner's segments, from a guest's own, or from a new one.
//!
//! A *guest* is a thread that makes a handle on a slab it does not own, from a handle that it holds.

use super::header::Header;
use super::segment::Segment;
use super::slot::Slot;
use crate::sync::thread::{self, Identity};
use crate::sync::{Ordering, Plant, planted};
use core::ptr::NonNull;

/// How many of a thread's other segments are looked at before the ledger grows. More would make growth quadratic.
const LOOKS: usize = 2;
/// How many segments a guest passes to find so many of its own.
const STEPS: usize = 16;

impl Segment {
    /// Allocator of the segments that threads without an identity share, under the slab's growth lock.
    pub(super) const SHARED: u32 = thread::GONE - 1;

    /// Finds the owner a segment that has a free slot: the one at hand, another of its own, or a new one. Only for the owner.
    pub(super) fn next_for_owner(header: &Header, this: NonNull<Header>, me: u32) -> bool {
        header.put_down();
        for _ in 0..LOOKS {
            let rotor = header.own.rotor.load(Ordering::Relaxed);
            let candidate = if rotor.is_null() { header.first_segment() } else { rotor };
            let Some(segment) = NonNull::new(candidate) else { break };
            // SAFETY: segments are type-stable.
            let segment_ref = unsafe { segment.as_ref() };
            header.own.rotor.store(segment_ref.next(), Ordering::Relaxed);
            if segment_ref.owner() == me && (!segment_ref.is_full() || segment_ref.sweep()) {
                header.take_up(segment.as_ptr());
                return true;
            }
        }
        // SAFETY: segments are type-stable.
        let some = |segment: NonNull<Segment>| (!unsafe { segment.as_ref() }.is_full()).then_some(());
        let Some((segment, ())) = header.grow(this, me, some) else { return false };
        header.take_up(segment.as_ptr());
        true
    }

    fn sweep_and_pop(this: NonNull<Segment>) -> Option<NonNull<Slot>> {
        // SAFETY: segments are type-stable.
        if unsafe { this.as_ref() }.sweep() { Segment::pop(this) } else { None }
    }

    /// A slot, if one is left and the calling thread allocates from here and is in no scope. Not for the slab's owner.
    #[inline(always)]
    pub(super) fn pop_if_of(this: NonNull<Segment>, me: &Identity) -> Option<NonNull<Slot>> {
        // SAFETY: segments are type-stable.
        if unsafe { this.as_ref() }.owner() == me.known_id_out_of_scopes() { Segment::pop(this) } else { None }
    }

    /// The same from the segment that the thread used last on this slab, if it remembers one.
    #[inline(always)]
    pub(super) fn pop_from_hint(header: &Header, this: NonNull<Header>, me: &Identity) -> Option<NonNull<Slot>> {
        let hint = NonNull::new(me.hint(header.fixed.uid)?.cast::<Segment>())?;
        // SAFETY: as in `pop_for_guest`.
        if unsafe { hint.as_ref() }.header() == this.as_ptr() { Segment::pop_if_of(hint, me) } else { None }
    }

    /// A slot from the segment that a guest used last on this slab, or from another one of its own, or a new one.
    #[inline(never)]
    pub(super) fn pop_for_guest(header: &Header, this: NonNull<Header>) -> Option<NonNull<Slot>> {
        let me = thread::id();
        if planted(Plant::RemotePopsOwnersSlot) {
            return header.slot_at_hand().or_else(|| Segment::pop(NonNull::new(header.first_segment())?));
        }
        if let Some(hint) = thread::hint(header.fixed.uid).and_then(|segment| NonNull::new(segment.cast::<Segment>())) {
            // SAFETY: the hint was taken from a slab with this unique id, so from this ledger, which still lives; its
            // segments are type-stable.
            let segment = unsafe { hint.as_ref() };
            // Only this thread makes itself the allocator of a segment, so what it reads here is current. The segment
            // may have moved on to another slab meanwhile.
            if segment.owner() == me && segment.header() == this.as_ptr() {
                if let Some(slot) = Segment::pop(hint).or_else(|| Segment::sweep_and_pop(hint)) {
                    return Some(slot);
                }
            }
        }
        Segment::pop_for_guest_slow(header, this, me)
    }

    /// Looks at a few of the slab's segments, where the guest before stopped to look, and takes the first slot that it may. All of them
    /// would make growth quadratic, and those at the start alone would never find what was freed long ago.
    #[cold]
    fn pop_for_guest_slow(header: &Header, this: NonNull<Header>, me: u32) -> Option<NonNull<Slot>> {
        let me = if me == thread::GONE { Segment::SHARED } else { me };
        let growth = header.fixed.growth.lock();
        // Relaxed, here and below: under the lock.
        let mut next = header.fixed.rotor.load(Ordering::Relaxed);
        let (mut taken, mut looks) = (None, 0);
        for _ in 0..STEPS {
            if next.is_null() {
                next = header.first_segment();
            }
            let Some(segment) = NonNull::new(next) else { break };
            // SAFETY: segments are type-stable.
            let segment_ref = unsafe { segment.as_ref() };
            next = segment_ref.next();
            let owner = segment_ref.owner();
            let abandoned = owner == thread::NOBODY
                || (owner != Segment::SHARED
                    && owner != me
                    && (planted(Plant::AdoptsTheLiving) || !thread::is_alive(owner)));
            if owner != me && !abandoned {
                continue;
            }
            if abandoned {
                // The dead thread's last use of the segment is ordered before this by the lock of the set of the living.
                segment_ref.set_owner(me);
            }
            taken = Segment::pop(segment).or_else(|| Segment::sweep_and_pop(segment));
            if taken.is_some() {
                // The next one looks here first.
                next = segment.as_ptr();
                thread::remember(header.fixed.uid, segment.as_ptr().cast());
                break;
            }
            looks += 1;
            if looks == LOOKS {
                break;
            }
        }
        header.fixed.rotor.store(next, Ordering::Relaxed);
        drop(growth);
        if taken.is_none() {
            let (segment, slot) = header.grow(this, me, Segment::pop)?;
            thread::remember(header.fixed.uid, segment.as_ptr().cast());
            return Some(slot);
        }
        taken
    }
}

impl Header {
    pub(super) fn first_segment(&self) -> *mut Segment {
        // Acquire: pairs with the Release in `push_segment`.
        self.fixed.segments.load(Ordering::Acquire)
    }

    /// Adds a segment that `me` allocates from. `None` when the ledger's budget or the memory is used up.
    ///
    /// `first` takes what the caller wants of it before anyone else knows the segment: a shared one may be emptied by others as soon as
    /// they do.
    fn grow<T>(
        &self,
        this: NonNull<Header>,
        me: u32,
        first: impl FnOnce(NonNull<Segment>) -> Option<T>,
    ) -> Option<(NonNull<Segment>, T)> {
        // SAFETY: the ledger outlives its slabs, and the caller holds a reference or owns the slab.
        let ledger = unsafe { &*self.fixed.ledger };
        let segment = ledger.segment(this)?;
        // SAFETY: segments are type-stable; this one is nobody else's yet.
        let segment_ref = unsafe { segment.as_ref() };
        segment_ref.set_owner(me);
        let Some(taken) = first(segment) else {
            // Threads that drop parked slices are in the middle of it with every one of its slots.
            segment_ref.set_next(core::ptr::null_mut());
            ledger.take_segments(segment.as_ptr());
            return None;
        };
        if segment_ref.has_notes() {
            // It was another slab's.
            self.set_noted();
        }
        let _growth = self.fixed.growth.lock();
        self.push_segment(segment);
        Some((segment, taken))
    }

    fn push_segment(&self, segment: NonNull<Segment>) {
        // SAFETY: segments are type-stable.
        unsafe { segment.as_ref() }.set_next(self.fixed.segments.load(Ordering::Relaxed));
        let release = if planted(Plant::SegmentListRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `first_segment`; publishes the segment's fields.
        self.fixed.segments.store(segment.as_ptr(), release);
    }

    /// Every segment of the slab goes to its new owner, or to nobody. Only for who has the slab to itself.
    pub(super) fn hand_segments_to(&self, owner: u32) {
        let first = self.first_segment();
        let mut next = first;
        let mut noted = false;
        while let Some(segment) = NonNull::new(next) {
            // SAFETY: segments are type-stable.
            let segment = unsafe { segment.as_ref() };
            segment.set_owner(owner);
            noted |= segment.has_notes();
            next = segment.next();
        }
        self.reset_noted(noted);
        self.own.rotor.store(core::ptr::null_mut(), Ordering::Relaxed);
    }

    /// Cuts the slab's list of segments after `keep` of them and returns the rest. Only for who has the slab to itself.
    pub(super) fn cut_segments(&self, keep: usize) -> *mut Segment {
        // Relaxed: nobody else knows the slab.
        self.fixed.rotor.store(core::ptr::null_mut(), Ordering::Relaxed);
        let mut last = self.first_segment();
        for _ in 1..keep {
            let Some(segment) = NonNull::new(last) else { break };
            // SAFETY: segments are type-stable.
            last = unsafe { segment.as_ref() }.next();
        }
        let Some(last) = NonNull::new(last) else { return core::ptr::null_mut() };
        // SAFETY: as above.
        let last = unsafe { last.as_ref() };
        let rest = last.next();
        last.set_next(core::ptr::null_mut());
        rest
    }
}
