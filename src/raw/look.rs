//! An exact look at a detached slab: which of its bytes are live, and nobody attaches it meanwhile.
//!
//! On a detached slab new handles only come from old ones and lie inside them, so what an exact look shows dead stays dead, until
//! somebody attaches the slab and cuts from it. The reference that a [`Look`] holds keeps others from that: their own look counts
//! one reference too many. So what is done to dead bytes (cutting from them, giving their memory back) is done while it lasts.

use super::header::{BIAS, Header};
use super::segment::{SLOTS, Segment};
use super::slab::Idle;
use super::slot::{Extent, Slot};
use crate::sync::{Plant, planted};
use core::ptr::NonNull;

/// A detached slab that the caller holds a reference to and that nobody else may attach.
pub(crate) struct Look(NonNull<Header>);

impl Look {
    /// Begins a look, if the slab is detached and has a slice.
    pub(crate) fn take(this: NonNull<Header>) -> Option<Look> {
        // SAFETY: headers are type-stable.
        unsafe { this.as_ref() }.pin(false).map(|_| Look(this))
    }

    /// The same, at a slab of somebody else's memory too: nothing is to be done to its dead bytes.
    pub(super) fn take_any(this: NonNull<Header>) -> Option<Look> {
        // SAFETY: as above.
        unsafe { this.as_ref() }.pin(true).map(|_| Look(this))
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: headers are type-stable.
        unsafe { self.0.as_ref() }
    }

    /// Fills `live` with the extents of all live slices and says whether these are all. They are not if the slab did not keep
    /// still, if it has handles without a slot, or if there is no memory for the list.
    ///
    /// The rule: read the state, scan the slots, read the state again. The two words are equal *and* the references but for the
    /// look's own are as many as the live slots seen. Either half alone is unsound: with equal claims only, a drop between the
    /// reads goes unseen; without the second read, a clone that moved past the scan does. And with references left over, others
    /// look too. The loom models show all three.
    pub(crate) fn live(&self, live: &mut Vec<Extent>) -> bool {
        self.exact(live, SLOTS, |live| {
            let mut count = 0;
            for segment in self.header().segments() {
                let Some(places) = live.spare_capacity_mut().get_mut(count..count + SLOTS) else { return false };
                let mut at = 0;
                for slot in segment.slots() {
                    let extent = slot.extent();
                    // Written whether it is live or not, and counted if it is: which ones are is anybody's guess, and the processor's.
                    // SAFETY: at most one was counted for each slot before this one.
                    unsafe { places.get_unchecked_mut(at) }.write(extent);
                    at += usize::from(extent.is_live());
                }
                count += at;
            }
            // SAFETY: so many were written, and there is room for them.
            unsafe { live.set_len(count) };
            true
        })
    }

    /// The same, with whatever `entry` makes of each slot and its extent.
    pub(super) fn list<T>(&self, live: &mut Vec<T>, entry: impl Fn(&Segment, &Slot, Extent) -> T) -> bool {
        self.exact(live, 0, |live| {
            for segment in self.header().segments() {
                for slot in segment.slots() {
                    let extent = slot.extent();
                    if !extent.is_live() {
                        continue;
                    }
                    if live.len() == live.capacity() {
                        return false;
                    }
                    live.push(entry(segment, slot, extent));
                }
            }
            true
        })
    }

    /// Has `list` fill the list, which has room for as many entries as it may come to and so many more, and says whether the slab kept still.
    fn exact<T>(&self, live: &mut Vec<T>, more: usize, list: impl FnOnce(&mut Vec<T>) -> bool) -> bool {
        live.clear();
        let header = self.header();
        let before = header.state();
        // With the bias in it the slab has an owner by now, and the count is no number of slices. The look's own reference has no slot.
        if before.refs() >= BIAS / 2 || live.try_reserve(before.refs() as usize + more).is_err() || !list(live) {
            return false;
        }
        let after = header.state();
        let unchanged = match () {
            () if planted(Plant::SnapshotNoRecheck) => true,
            () if planted(Plant::SnapshotClaimsOnly) => before.claims() == after.claims(),
            () => before == after,
        };
        let counted = match () {
            () if planted(Plant::SnapshotClaimsOnly) => true,
            () if planted(Plant::LooksBesideEachOther) => before.refs() as usize > live.len(),
            () => before.refs() as usize == live.len() + 1,
        };
        unchanged && counted
    }

    /// Ends the look. Returns the slab if no slice was left.
    pub(crate) fn leave(self) -> Option<Idle> {
        Header::leave(self.0)
    }

    pub(super) fn into_header(self) -> NonNull<Header> {
        self.0
    }
}
