//! Berths: where a parked slice lies, and where it has been moved to.
//!
//! Each slot of a segment can have one. A slice that is parked keeps its slot for as long as its handle lives, also when it was
//! moved out of the slab long since and the segment serves another slab: what is done with the slot last is always the handle's
//! doing. So a handle that is dropped while a mover is at work never touches a slot that has become somebody else's.
//!
//! The word of a berth, in its life: `LIVE`, plus the number of readers, and then
//!
//! ```text
//!                 MOVING ──────────▶ MOVED, readers left ──▶ MOVED | RELEASED ──▶ 0, by the handle
//!    LIVE ──────▶   │  ╲                                          ▲
//!      │            ▼   ╲───── no readers ────────────────────────┘
//!      ├──▶ DROPPED, cleaned up by the mover
//!      └──▶ 0, by the handle
//! ```
//!
//! `RELEASED` is set by whoever has to give back the slab's reference: the mover, or else the last reader of the old place.

use super::header::Header;
use super::owned::Owned;
use super::segment::{SLOTS, Segment};
use super::slot::{Extent, Slot};
use crate::sync::{AtomicPtr, AtomicU32, Ordering, Witness, wait};
use core::alloc::Layout;
use core::ptr::{self, NonNull};

/// The berth is somebody's.
pub(super) const LIVE: u32 = 1 << 31;
/// A mover is at it, and will clean up if it finds the handle dropped.
pub(super) const MOVING: u32 = 1 << 30;
/// The bytes are at the new place for whoever comes now.
pub(super) const MOVED: u32 = 1 << 29;
/// Nobody looks at the old place any more, and its reference is given back.
pub(super) const RELEASED: u32 = 1 << 28;
/// The handle is gone.
pub(super) const DROPPED: u32 = 1 << 27;
/// Readers that came by a read-modify-write.
pub(super) const READERS: u32 = DROPPED - 1;

/// The berth of one slot. Type-stable, like the slot.
pub(super) struct Berth {
    pub(super) word: AtomicU32,
    /// Not 0 while the thread that owns the slab reads without a read-modify-write. Only written to 1 by the slab's owner, and to
    /// 0 by whoever has that reader.
    pub(super) local: AtomicU32,
    /// Never changes.
    slot: NonNull<Slot>,
    /// The place: in the slab first, and then the new one.
    pub(super) data: AtomicPtr<u8>,
    pub(super) owned: AtomicPtr<Owned>,
    /// Written with the new place, read by who reads there.
    pub(super) copied: Witness,
}

/// The berths of one segment.
pub(super) struct Berths {
    of: [Berth; SLOTS],
    /// Written once, when the berths are made: whoever finds them has to see them made.
    made: Witness,
}

pub(super) const BERTHS_SIZE: usize = size_of::<Berths>();

impl Berths {
    /// Berths for the slots of `segment`, or `None` when the allocator has no memory.
    pub(super) fn allocate(segment: NonNull<Segment>) -> Option<NonNull<Berths>> {
        let layout = Layout::new::<Berths>();
        // SAFETY: the layout's size is not 0.
        let memory = NonNull::new(unsafe { std::alloc::alloc(layout) })?.cast::<Berths>();
        let berth = |index| Berth {
            word: AtomicU32::new(0),
            local: AtomicU32::new(0),
            slot: Segment::slot_at(segment, index),
            data: AtomicPtr::new(ptr::null_mut()),
            owned: AtomicPtr::new(ptr::null_mut()),
            copied: Witness::new(),
        };
        // SAFETY: fresh memory of the right layout.
        unsafe { memory.as_ptr().write(Berths { of: core::array::from_fn(berth), made: Witness::new() }) };
        Some(memory)
    }

    /// Frees berths.
    ///
    /// # Safety
    ///
    /// They came from [`allocate`](Berths::allocate), and nobody knows them any more.
    pub(super) unsafe fn free(this: NonNull<Berths>) {
        // SAFETY: the caller's promise; the layout is the one they were allocated with.
        unsafe {
            this.as_ptr().drop_in_place();
            std::alloc::dealloc(this.as_ptr().cast(), Layout::new::<Berths>());
        }
    }
}

impl Berth {
    pub(super) fn slot(&self) -> &Slot {
        // SAFETY: slots are type-stable, and live as long as their berths.
        unsafe { self.slot.as_ref() }
    }

    pub(super) fn slot_ptr(&self) -> NonNull<Slot> {
        self.slot
    }

    pub(super) fn segment(&self) -> &Segment {
        // SAFETY: segments are type-stable, and live as long as their berths.
        unsafe { Segment::of(self.slot).as_ref() }
    }

    /// The slab that the segment belongs to now: the slice's, unless `MOVED` is seen after this.
    #[inline]
    pub(super) fn header(&self) -> NonNull<Header> {
        // SAFETY: a segment with berths has or had a slab. Headers are type-stable.
        unsafe { NonNull::new_unchecked(self.segment().header_now()) }
    }

    #[inline]
    pub(super) fn seen(&self) -> u32 {
        // Acquire: pairs with the Release of whoever set `MOVED`; the new place is there.
        self.word.load(Ordering::Acquire)
    }

    /// Whether somebody reads the slice where it lies in its slab. Not for good: only where the slab is looked at no new local reader
    /// comes.
    pub(super) fn is_read(&self) -> bool {
        // Acquire: pairs with the Release of a reader that leaves.
        self.word.load(Ordering::Acquire) & READERS != 0 || self.local.load(Ordering::Acquire) != 0
    }

    /// The end of its life. Its slot is the next one's to take.
    pub(super) fn end(&self) {
        let slot = self.slot();
        slot.witness.write();
        // Relaxed: the slot, which is freed by a Release, leads the next one here.
        self.word.store(0, Ordering::Relaxed);
        slot.free();
    }
}

impl Segment {
    /// The berth of a slot of this segment, if that has any.
    pub(super) fn berth_of(&self, slot: &Slot) -> Option<NonNull<Berth>> {
        let berths = NonNull::new(self.berths())?;
        let index = self.index_of(slot);
        // SAFETY: berths are type-stable, and published initialised.
        unsafe { berths.as_ref() }.made.read();
        // SAFETY: berths are type-stable, and the index is in bounds; only a place is computed, no reference is made.
        NonNull::new(unsafe { (&raw mut (*berths.as_ptr()).of).cast::<Berth>().add(index) })
    }

    /// The same; berths are made if there are none. `None` when the ledger's budget or the memory is used up.
    pub(super) fn berth_or_new(&self, header: &Header, slot: NonNull<Slot>) -> Option<NonNull<Berth>> {
        // SAFETY: slots are type-stable.
        let slot_ref = unsafe { slot.as_ref() };
        if self.berths().is_null() {
            // SAFETY: the ledger outlives its slabs, and the caller holds a reference.
            let ledger = unsafe { &*header.fixed.ledger };
            let fresh = ledger.berths(Segment::of(slot))?;
            if !self.set_berths(fresh) {
                // Another thread was first.
                ledger.return_berths(fresh);
            }
        }
        self.berth_of(slot_ref)
    }

    /// Waits for threads that gave back the last reference to a slab of the ledger, which is going, and have not freed the slot of
    /// their parked slice yet: they are between two instructions.
    pub(super) fn await_stragglers(&self) {
        if self.berths().is_null() {
            return;
        }
        for slot in self.slots() {
            // Acquire, in `extent`: pairs with the Release in `free`; their last look at the ledger is over.
            let mut waits = 0_u32;
            while slot.extent() == Extent::KEPT {
                waits = waits.wrapping_add(1);
                assert!(!cfg!(bufslab_loom) || waits < 100, "nobody frees this slot");
                wait();
            }
        }
    }
}
