//! Segments: slots come by the segment of 1 KiB, and a slab's ledger grows by whole segments.
//!
//! **A segment has one allocator, and anybody may free.** Only the thread named in `owner` takes slots from it, so taking
//! one needs no atomic read-modify-write. That thread marks slots it frees in the segment's list, a word of bits; any other thread marks
//! them [`Extent::FREED`] and leaves them where they are, for the allocator's next [`sweep`](Segment::sweep).
//!
//! Each slot of a segment is in exactly one of five states: on the list or at its slab's owner's hand (`DEAD`), taken and not yet published (`DEAD`),
//! live, `FREED`, or `KEPT` for a parked slice that was moved out of the slab (see `berth`). Kept slots stay so while their
//! segment moves on to other slabs.

use super::berth::Berths;
use super::header::Header;
use super::notes::Notes;
use super::slot::{Extent, Slot};
use crate::sync::{AtomicPtr, AtomicU32, Ordering, Plant, Witness, planted, thread};
use core::alloc::Layout;
use core::ptr::{self, NonNull};

/// Slots in a segment. Few where the rare path is to be the common one.
pub(crate) const SLOTS: usize = if cfg!(bufslab_loom) {
    2
} else if cfg!(test) {
    3
} else {
    30
};

/// A segment's size and alignment: a slot's address leads to its segment by clearing the low bits.
pub(crate) const SEGMENT_SIZE: usize = if cfg!(bufslab_loom) { 4096 } else { 1024 };

/// The bit of a segment's first slot. They are numbered so that a slot's address, without more ado, tells its bit.
const FIRST: usize = SLOTS_AT / size_of::<Slot>();

const SLOTS_AT: usize = core::mem::offset_of!(Segment, slots);

/// Nothing, but where slots are of another size.
const SHIFT: usize = SLOTS_AT % size_of::<Slot>();

/// All slots of a segment, as bits.
pub(super) const ALL: u32 = ((1 << SLOTS) - 1) << FIRST;

const _: () = assert!((SHIFT == 0 || cfg!(bufslab_loom)) && FIRST + SLOTS <= 32, "each slot has a bit");

/// Some slots of one slab. Type-stable: never freed while the pool lives, though it may move on to another slab.
#[repr(C)]
#[cfg_attr(not(bufslab_loom), repr(align(1024)))]
#[cfg_attr(bufslab_loom, repr(align(4096)))]
pub(crate) struct Segment {
    /// The slab whose handles the slots are for.
    header: AtomicPtr<Header>,
    /// The next segment of the same slab.
    next: AtomicPtr<Segment>,
    /// The one thread that takes slots from here.
    owner: AtomicU32,
    /// The list: a bit for each slot that may be taken, but for those that the slab's owner has at hand (see [`super::tally`]). Beside
    /// `header` and `owner`, which whoever drops a handle reads before: one line less to fetch where lifetimes are random.
    free: AtomicU32,
    /// Null until one of the handles needs a note.
    notes: AtomicPtr<Notes>,
    slots: [Slot; SLOTS],
    /// Written once, when the segment is made: whoever walks to it has to see it made.
    pub(super) made: Witness,
    /// Null until one of the handles is parked.
    berths: AtomicPtr<Berths>,
}

const _: () = assert!(size_of::<Segment>() == SEGMENT_SIZE && align_of::<Segment>() == SEGMENT_SIZE);

impl Segment {
    /// A segment of fresh slots for `header`, or `None` when the allocator has no memory.
    pub(super) fn allocate(header: NonNull<Header>) -> Option<NonNull<Segment>> {
        let layout = Layout::new::<Segment>();
        // SAFETY: the layout's size is not 0.
        let memory = NonNull::new(unsafe { std::alloc::alloc(layout) })?.cast::<Segment>();
        let segment = Segment {
            header: AtomicPtr::new(header.as_ptr()),
            next: AtomicPtr::new(ptr::null_mut()),
            owner: AtomicU32::new(thread::NOBODY),
            notes: AtomicPtr::new(ptr::null_mut()),
            slots: core::array::from_fn(|_| Slot::new()),
            made: Witness::new(),
            free: AtomicU32::new(ALL),
            berths: AtomicPtr::new(ptr::null_mut()),
        };
        // SAFETY: fresh memory of the right layout.
        unsafe { memory.as_ptr().write(segment) };
        Some(memory)
    }

    /// Frees a segment.
    ///
    /// # Safety
    ///
    /// It came from [`allocate`](Segment::allocate), and no handle, slab or reader knows it any more.
    pub(super) unsafe fn free(this: NonNull<Segment>) {
        // SAFETY: the caller's promise; the layout is the one it was allocated with.
        unsafe {
            if let Some(notes) = NonNull::new(this.as_ref().notes()) {
                Notes::free(notes);
            }
            if let Some(berths) = NonNull::new(this.as_ref().berths()) {
                Berths::free(berths);
            }
            this.as_ptr().drop_in_place();
            std::alloc::dealloc(this.as_ptr().cast(), Layout::new::<Segment>());
        }
    }

    /// The segment that a slot lies in.
    #[inline]
    pub(super) fn of(slot: NonNull<Slot>) -> NonNull<Segment> {
        let segment = slot.as_ptr().map_addr(|address| address & !(SEGMENT_SIZE - 1)).cast::<Segment>();
        // SAFETY: a slot lies inside its segment, whose address is a multiple of its size and not 0.
        unsafe { NonNull::new_unchecked(segment) }
    }

    /// The slot with this index, with the provenance of its whole segment, so that [`Segment::of`] can go back.
    #[inline]
    pub(super) fn slot_at(this: NonNull<Segment>, index: usize) -> NonNull<Slot> {
        debug_assert!(index < SLOTS);
        // SAFETY: the index is in bounds; only a place is computed, no reference is made.
        unsafe { NonNull::new_unchecked((&raw mut (*this.as_ptr()).slots).cast::<Slot>().add(index)) }
    }

    /// The slot with this bit.
    #[inline(always)]
    pub(super) fn slot_with_bit(this: NonNull<Segment>, bit: usize) -> NonNull<Slot> {
        debug_assert!((FIRST..FIRST + SLOTS).contains(&bit));
        // SAFETY: in bounds of the segment, and aligned; the slot has the provenance of its whole segment.
        unsafe { this.byte_add(SHIFT).cast::<Slot>().add(bit) }
    }

    /// The bit of a slot.
    #[inline(always)]
    pub(super) fn bit_of(slot: NonNull<Slot>) -> usize {
        (slot.addr().get() % SEGMENT_SIZE - SHIFT) / size_of::<Slot>()
    }

    #[inline]
    pub(super) fn index_of(&self, slot: &Slot) -> usize {
        Segment::bit_of(NonNull::from(slot)) - FIRST
    }

    /// Whether some handle here had a note. Only for who has the segment to itself.
    pub(super) fn has_notes(&self) -> bool {
        // Relaxed: whatever gave the caller the segment orders this.
        !self.notes.load(Ordering::Relaxed).is_null()
    }

    pub(super) fn notes(&self) -> *mut Notes {
        // Acquire: pairs with the Release in `set_notes`; the notes behind the pointer are initialised.
        self.notes.load(Ordering::Acquire)
    }

    /// Gives the segment its notes, if it has none yet.
    pub(super) fn set_notes(&self, notes: NonNull<Notes>) -> bool {
        if planted(Plant::NotesReplaced) {
            self.notes.store(notes.as_ptr(), Ordering::Release);
            return true;
        }
        let release = if planted(Plant::NotesUnpublished) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `notes`. Relaxed on failure: the pointer is read again.
        self.notes.compare_exchange(ptr::null_mut(), notes.as_ptr(), release, Ordering::Relaxed).is_ok()
    }

    pub(super) fn berths(&self) -> *mut Berths {
        // Acquire: pairs with the Release in `set_berths`; the berths behind the pointer are initialised.
        self.berths.load(Ordering::Acquire)
    }

    /// Gives the segment its berths, if it has none yet.
    pub(super) fn set_berths(&self, berths: NonNull<Berths>) -> bool {
        let release = if planted(Plant::BerthsUnpublished) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `berths`. Relaxed on failure: the pointer is read again.
        self.berths.compare_exchange(ptr::null_mut(), berths.as_ptr(), release, Ordering::Relaxed).is_ok()
    }

    // Relaxed, in these: only the allocator touches the list, and it changes hands with the slab.

    /// Whether the list is empty. Only for the segment's allocator.
    pub(super) fn is_full(&self) -> bool {
        self.free.load(Ordering::Relaxed) == 0
    }

    /// Takes a slot off the list. Only for the segment's allocator.
    #[inline]
    pub(super) fn pop(this: NonNull<Segment>) -> Option<NonNull<Slot>> {
        // SAFETY: segments are type-stable.
        let segment = unsafe { this.as_ref() };
        let free = segment.free.load(Ordering::Relaxed);
        if free == 0 {
            return None;
        }
        segment.free.store(free & (free - 1), Ordering::Relaxed);
        Some(Segment::slot_with_bit(this, free.trailing_zeros() as usize))
    }

    /// Puts a dead slot on the list. Only for the segment's allocator.
    #[inline]
    pub(super) fn push(&self, slot: &Slot) {
        self.add_free(1 << Segment::bit_of(NonNull::from(slot)));
    }

    /// Takes all slots off the list. Only for the segment's allocator.
    pub(super) fn take_free(&self) -> u32 {
        let free = self.free.load(Ordering::Relaxed);
        if !planted(Plant::TakeUpKeepsList) {
            self.free.store(0, Ordering::Relaxed);
        }
        free
    }

    /// Puts dead slots on the list. Only for the segment's allocator.
    #[inline]
    pub(super) fn add_free(&self, free: u32) {
        self.free.store(self.free.load(Ordering::Relaxed) | free, Ordering::Relaxed);
    }

    /// Collects what other threads freed. Only for the segment's allocator; says whether the list has a slot now.
    pub(super) fn sweep(&self) -> bool {
        let mut found = false;
        for slot in &self.slots {
            // Acquire, in `extent`: pairs with the Release of the thread that freed the slot; its last look at the slot
            // is over before the slot is used again.
            let extent = if planted(Plant::SweepRelaxed) { slot.own_extent() } else { slot.extent() };
            if extent == Extent::FREED || (planted(Plant::SweepAllocatesLive) && extent.is_live()) {
                slot.witness.write();
                slot.set_extent(Extent::DEAD);
                self.push(slot);
                found = true;
            }
        }
        found
    }

    /// Clears a slot whose handle goes away, and leaves it where its next user will find it.
    #[inline]
    pub(super) fn clear(&self, slot: &Slot) {
        thread::with_identity(|me| self.clear_by(slot, me.known_id()));
    }

    /// The same, for the thread with the id `me`.
    #[inline(always)]
    pub(super) fn clear_by(&self, slot: &Slot, me: u32) {
        slot.witness.write();
        if self.owner() == me {
            slot.set_extent(Extent::DEAD);
            self.push(slot);
        } else {
            slot.free();
        }
    }

    #[inline]
    pub(super) fn owner(&self) -> u32 {
        // Relaxed: a thread only asks whether it is itself, and only it can make that so.
        self.owner.load(Ordering::Relaxed)
    }

    /// Who allocates from here from now on. Only while the slab's growth lock is held, or by who has the slab to itself, or
    /// while nobody else knows the segment.
    pub(super) fn set_owner(&self, owner: u32) {
        self.owner.store(owner, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn header(&self) -> *mut Header {
        // Relaxed: a live handle's segment does not change slabs; a report checks the slab's generation afterwards.
        self.header.load(Ordering::Relaxed)
    }

    /// The slab, for who may have lost it without being told.
    pub(super) fn header_now(&self) -> *mut Header {
        // Acquire: pairs with the Release in `set_header`; who sees another slab sees how the segment came to leave the first.
        self.header.load(Ordering::Acquire)
    }

    pub(super) fn set_header(&self, header: NonNull<Header>) {
        // Release: pairs with the Acquire in `header_now`.
        self.header.store(header.as_ptr(), Ordering::Release);
    }

    pub(super) fn next(&self) -> *mut Segment {
        // Acquire: pairs with the Release in `set_next`; the segment behind the pointer is initialised.
        self.next.load(Ordering::Acquire)
    }

    pub(super) fn set_next(&self, next: *mut Segment) {
        // Release: pairs with the Acquire in `next`.
        self.next.store(next, Ordering::Release);
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }
}
