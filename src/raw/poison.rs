//! Debug poison: under `--cfg bufslab_asan` AddressSanitizer is told which bytes of a slab nobody holds, so that a stale pointer
//! into them ends the program with a report. Without it nothing is left of this file.
//!
//! Poisoned are idle slabs, what a thread has not cut yet of its slabs, what was given back, and what a handle gives up if no
//! other one covers it. Whether that is so is asked exactly ([`leave`]), which walks through the slab's slots: this is slow. On
//! a slab that another thread owns the answer is not known; there a range that was ever shared stays as it is until the slab is
//! empty.
//!
//! The sanitizer knows memory by granules of eight bytes, of which a first part may be addressable
//! ([its algorithm](https://github.com/google/sanitizers/wiki/AddressSanitizerAlgorithm)). So slices are cut at multiples of
//! eight, and a whole granule is left behind each of them where the slab has room: a red zone of 8 to 15 bytes. (What is reported
//! of a byte in a partly addressable granule depends on the next one: if that is a neighbour's, the report names no poison.)
//!
//! The functions are in `compiler-rt`'s
//! [`asan_interface.h`](https://github.com/llvm/llvm-project/blob/main/compiler-rt/include/sanitizer/asan_interface.h).

#[cfg(not(bufslab_asan))]
pub(super) use none::*;
#[cfg(bufslab_asan)]
pub(super) use real::*;

#[cfg(bufslab_asan)]
mod real {
    use super::super::header::Header;
    use super::super::segment::Segment;
    use super::super::slot::{Extent, Slot};
    use crate::sync::thread;
    use core::ffi::c_void;
    use core::ptr::NonNull;

    /// Whether somebody is told at all.
    pub(in super::super) const IS_ON: bool = true;

    const GRANULE: usize = 8;

    /// Bytes that a hole is to be longer than what is cut from it: a red zone on either side, and what aligning takes.
    pub(in super::super) const SLACK: usize = 3 * GRANULE;
    /// Bytes of it that are left to the red zone before the slice behind it.
    pub(in super::super) const MARGIN: usize = GRANULE;

    // SAFETY: as the sanitizer's header declares them. Whatever the range is, they write only to its shadow memory.
    unsafe extern "C" {
        fn __asan_poison_memory_region(start: *const c_void, size: usize);
        fn __asan_unpoison_memory_region(start: *const c_void, size: usize);
    }

    /// Nobody may touch `len` bytes from `offset` on.
    pub(in super::super) fn close(header: &Header, offset: usize, len: usize) {
        if let Some(base) = NonNull::new(header.base()) {
            // SAFETY: they lie in the slab, and no handle covers them.
            close_at(unsafe { base.add(offset) }, len);
        }
    }

    /// The same, where only the address is known.
    pub(in super::super) fn close_at(start: NonNull<u8>, len: usize) {
        // SAFETY: no handle covers them.
        unsafe { __asan_poison_memory_region(start.as_ptr().cast(), len) };
    }

    /// They may be used.
    pub(in super::super) fn open(header: &Header, offset: usize, len: usize) {
        if let Some(base) = NonNull::new(header.base()) {
            // SAFETY: they lie in the slab.
            unsafe { __asan_unpoison_memory_region(base.add(offset).as_ptr().cast(), len) };
        }
    }

    /// Where a slice is cut if the cursor is at `cursor`: at a granule's start, with a red zone before it. The cursor itself stays at
    /// the end of the last slice, so that this one still knows that it is the last.
    pub(in super::super) fn start(header: &Header, cursor: usize) -> usize {
        if cursor == 0 {
            return 0;
        }
        let base = header.base().addr();
        (base + cursor).next_multiple_of(GRANULE) - base + GRANULE
    }

    /// Where the cursor goes when everything from `to` on comes back, and closes it. `slot` is that of the handle it was cut for. If all
    /// of a cut comes back, its red zone does so too: the next one is at the same place.
    pub(in super::super) fn back_to(header: &Header, slot: NonNull<Slot>, to: usize) -> usize {
        // SAFETY: slots are type-stable.
        let whole = unsafe { slot.as_ref() }.root().offset() == to;
        close(header, to, header.cursor() - to);
        if whole { to.saturating_sub(GRANULE) } else { to }
    }

    /// The handle with this slot goes away: closes what no other one covers.
    pub(in super::super) fn leave(slot: NonNull<Slot>) {
        // SAFETY: slots are type-stable.
        give_up(slot, unsafe { slot.as_ref() }.own_extent());
    }

    /// The handle keeps only the `len` bytes that start `skip` bytes in: closes what no other one covers of the rest.
    pub(in super::super) fn shrink(slot: NonNull<Slot>, skip: usize, len: usize) {
        // SAFETY: slots are type-stable.
        let extent = unsafe { slot.as_ref() }.own_extent();
        if extent.is_whole() {
            return;
        }
        if skip > 0 {
            give_up(slot, extent.part(0, skip));
        }
        if skip + len < extent.len() {
            give_up(slot, extent.part(skip + len, extent.len() - skip - len));
        }
    }

    fn give_up(mine: NonNull<Slot>, range: Extent) {
        // SAFETY: slots, segments and headers are type-stable, and a live handle's segment names its slab.
        let (slot, header) = unsafe { (mine.as_ref(), &*Segment::of(mine).as_ref().header()) };
        if range.is_whole() {
            return;
        }
        let mut others = Vec::new();
        if slot.mark().was_ever_shared() {
            match others_within(header, mine, range) {
                Some(found) => others = found,
                None => return,
            }
        }
        others.sort_unstable_by_key(|other: &Extent| other.offset());
        let mut at = range.offset();
        for other in others {
            if other.offset() > at {
                close(header, at, other.offset() - at);
            }
            at = at.max(other.end());
        }
        if at < range.end() {
            close(header, at, range.end() - at);
        }
    }

    /// What other handles cover of `range`, if that can be known: by the rule of [`super::super::snapshot::is_free_but_for`].
    fn others_within(header: &Header, mine: NonNull<Slot>, range: Extent) -> Option<Vec<Extent>> {
        let owner = header.owner();
        let attached = thread::is(owner);
        if !attached && owner != thread::NOBODY {
            return None;
        }
        let before = header.state();
        let live: Vec<(bool, Extent)> = header
            .segments()
            .flat_map(Segment::slots)
            .map(|slot| (core::ptr::eq(slot, mine.as_ptr()), slot.extent()))
            .filter(|(_, extent)| extent.is_live())
            .collect();
        let exact = header.state() == before && header.true_refs(before, attached) as usize == live.len();
        let overlaps = |&(is_mine, extent): &(bool, Extent)| !is_mine && extent.overlaps(range);
        exact.then(|| live.into_iter().filter(overlaps).map(|(_, extent)| extent).collect())
    }
}

#[cfg(not(bufslab_asan))]
mod none {
    use super::super::header::Header;
    use super::super::slot::Slot;
    use core::ptr::NonNull;

    pub(in super::super) const IS_ON: bool = false;
    pub(in super::super) const SLACK: usize = 0;
    pub(in super::super) const MARGIN: usize = 0;

    #[inline(always)]
    pub(in super::super) fn close(_: &Header, _: usize, _: usize) {}

    #[inline(always)]
    pub(in super::super) fn close_at(_: NonNull<u8>, _: usize) {}

    #[inline(always)]
    pub(in super::super) fn open(_: &Header, _: usize, _: usize) {}

    #[inline(always)]
    pub(in super::super) fn start(_: &Header, cursor: usize) -> usize {
        cursor
    }

    #[inline(always)]
    pub(in super::super) fn back_to(_: &Header, _: NonNull<Slot>, to: usize) -> usize {
        to
    }

    #[inline(always)]
    pub(in super::super) fn leave(_: NonNull<Slot>) {}

    #[inline(always)]
    pub(in super::super) fn shrink(_: NonNull<Slot>, _: usize, _: usize) {}
}
