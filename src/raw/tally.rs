//! The owner's word: its tally, and the free slots of the segment it takes slots from.
//!
//! ```text
//! own.word = [charged:32 | free:32]
//! tally    = charged − bits of free
//! ```
//!
//! The *tally* counts references that the owner made minus references that it dropped, as a two's complement number. *Free* has a
//! bit for each slot of `own.segment` that may be taken: that segment's own list is empty meanwhile. All of these were *charged* as
//! references when they came to hand, and those that are not taken are subtracted again by whoever wants the tally. So the owner makes
//! a handle by clearing a bit, which takes a slot and counts the reference, and drops it by setting the bit: a load and a store each,
//! and no addition. Others read the tally out of one word, for reports.

use super::header::{BIAS, CLAIM, Header, State, too_many_references};
use super::segment::{self, SLOTS, Segment};
use super::slot::{Extent, Slot};
use crate::sync::{Ordering, Plant, planted};
use core::ptr::{self, NonNull};

/// The owner moves its tally into `state` when that has come this far from 0, in either direction. Else a slab that stays
/// attached while the owner only clones and others only drop would run out of numbers. Small where the rare path is to be the
/// common one.
const SETTLE: i32 = if cfg!(bufslab_loom) { 3 } else { BIAS as i32 / 4 };

/// One in the tally.
const ONE: u64 = 1 << 32;

/// References in the tally for these free slots. To count bits takes a dozen instructions where not every processor has one for it.
#[inline]
fn charge(free: u32) -> u32 {
    free.count_ones()
}

#[cold]
#[inline(never)]
fn is_charge(references: u32, free: u32) -> bool {
    references == charge(free)
}

impl Header {
    #[inline]
    fn word(&self) -> u64 {
        // Relaxed, here and in `set_word`: only the owner writes it, and who reads it for a report wants any recent tally.
        self.own.word.load(Ordering::Relaxed)
    }

    #[inline]
    fn set_word(&self, word: u64) {
        self.own.word.store(word, Ordering::Relaxed);
    }

    /// The tally.
    #[inline]
    pub(super) fn local(&self) -> u32 {
        let word = self.word();
        ((word >> 32) as u32).wrapping_sub(charge(word as u32))
    }

    /// Whether the tally is `tally`, for which bits seldom have to be counted.
    #[inline]
    pub(super) fn is_tally(&self, tally: u32) -> bool {
        let word = self.word();
        let (charged, free) = ((word >> 32) as u32, word as u32);
        let expected = charged.wrapping_sub(tally);
        // As many as can be free are so, or are not.
        if expected >= SLOTS as u32 {
            expected == SLOTS as u32 && free == segment::ALL
        } else {
            is_charge(expected, free)
        }
    }

    /// What the tally comes from. As good as that to tell whether it is far from 0.
    #[inline(always)]
    fn charged(&self) -> i32 {
        (self.word() >> 32) as i32
    }

    fn set_charged(&self, charged: u32, free: u32) {
        self.set_word(u64::from(charged) << 32 | u64::from(free));
    }

    /// Nothing counted and no segment at hand. Only for who has the slab to itself or becomes its owner.
    pub(super) fn reset_tally(&self) {
        debug_assert_eq!(self.word() as u32, 0, "the segment at hand was put down");
        self.set_word(0);
    }

    #[inline(always)]
    fn segment_at_hand(&self) -> *mut Segment {
        // Relaxed: only the owner touches it.
        self.own.segment.load(Ordering::Relaxed)
    }

    /// The owner makes a reference and takes a slot for it. `None` if the segment at hand has none left.
    ///
    /// It is charged already.
    #[inline(always)]
    pub(super) fn join_with_slot(&self) -> Option<NonNull<Slot>> {
        let word = self.word();
        let free = word as u32;
        if free == 0 {
            return None;
        }
        // Without the lowest bit that is set, which is among the low ones.
        self.set_word(word & (word - 1));
        // SAFETY: where there is a bit, there is a segment.
        let segment = unsafe { NonNull::new_unchecked(self.segment_at_hand()) };
        Some(Segment::slot_with_bit(segment, free.trailing_zeros() as usize))
    }

    /// A slot that the owner will take, for a planted bug.
    pub(super) fn slot_at_hand(&self) -> Option<NonNull<Slot>> {
        let (free, segment) = (self.word() as u32, NonNull::new(self.segment_at_hand())?);
        (free != 0).then(|| Segment::slot_with_bit(segment, free.trailing_zeros() as usize))
    }

    /// The owner drops the reference with this slot, if it allocates from the slot's segment: clears it and leaves it where it will be
    /// taken again. Calls `before` first.
    ///
    /// The tally is not looked at: it sinks by no more than the slots there are, which the owner or somebody before it took.
    #[inline(always)]
    pub(super) fn leave_with_slot(
        &self,
        owner: u32,
        segment: NonNull<Segment>,
        slot: &Slot,
        before: impl FnOnce(),
    ) -> bool {
        // SAFETY: segments are type-stable.
        let segment_ref = unsafe { segment.as_ref() };
        let at_hand = ptr::eq(self.segment_at_hand(), segment.as_ptr());
        if !at_hand && segment_ref.owner() != owner {
            return false;
        }
        before();
        self.fixed.witness.read();
        slot.witness.write();
        slot.set_extent(Extent::DEAD);
        let bit = 1_u64 << Segment::bit_of(NonNull::from(slot));
        if at_hand {
            self.set_word(self.word() | bit);
        } else {
            segment_ref.add_free(bit as u32);
            self.set_word(self.word().wrapping_sub(ONE));
        }
        true
    }

    /// The owner makes a reference without a slot, unless it is time to [settle](Header::settle). Says whether it did.
    #[inline(always)]
    pub(super) fn join_as_owner_quick(&self) -> bool {
        let in_time = self.charged() < SETTLE;
        if in_time {
            self.set_word(self.word().wrapping_add(ONE));
        }
        in_time
    }

    /// The owner makes a reference without a slot. No read-modify-write, but to settle.
    pub(super) fn join_as_owner(&self) {
        if !self.join_as_owner_quick() {
            self.settle();
            self.set_word(self.word().wrapping_add(ONE));
        }
    }

    /// The owner drops a reference whose slot, if any, is a guest's. No read-modify-write, but to settle.
    #[inline]
    pub(super) fn leave_as_owner(&self) {
        self.fixed.witness.read();
        if self.charged() <= -SETTLE {
            self.settle();
        }
        self.set_word(self.word().wrapping_sub(ONE));
    }

    /// Moves the owner's tally into the state.
    #[cold]
    #[inline(never)]
    fn settle(&self) {
        let tally = if planted(Plant::SettleForgetsTally) { 0 } else { self.local() as i32 };
        // Before the count: whoever sees the new count sees the new tally.
        let free = self.word() as u32;
        self.set_charged(charge(free), free);
        // Release: pairs with the Acquire in `state`, as said. The refs stay above 0 on the way, so that nothing is borrowed
        // from the claims.
        let old = State(self.state.fetch_add(CLAIM.wrapping_add(i64::from(tally) as u64), Ordering::Release));
        if old.refs().wrapping_add(tally as u32) >= BIAS + BIAS / 2 {
            too_many_references();
        }
    }

    /// Takes this segment to hand, which the owner allocates from, and its free slots. The one before was put down.
    pub(super) fn take_up(&self, segment: *mut Segment) {
        self.own.segment.store(segment, Ordering::Relaxed);
        if self.charged().unsigned_abs() >= SETTLE as u32 {
            self.settle();
        }
        let Some(segment) = NonNull::new(segment) else { return };
        // SAFETY: segments are type-stable.
        let free = unsafe { segment.as_ref() }.take_free();
        self.set_charged((self.charged() as u32).wrapping_add(charge(free)), free);
    }

    /// Gives the free slots back to the segment at hand, and has none. Only for the owner, or who has the slab to itself.
    pub(super) fn put_down(&self) {
        let word = self.word();
        if let Some(segment) = NonNull::new(self.segment_at_hand()) {
            // SAFETY: segments are type-stable.
            unsafe { segment.as_ref() }.add_free(word as u32);
            self.own.segment.store(ptr::null_mut(), Ordering::Relaxed);
        }
        self.set_charged(self.local(), 0);
    }
}
