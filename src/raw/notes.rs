//! What is known of a handle beyond its slot: the scope it is charged to, the hints it was touched with, its stack.
//!
//! Most programs use none of it for most slices, so it is not in the slot: a segment gets its notes when the first of its
//! handles needs one. From then on they are published with the slot, before its extent, and belong to that extent.

use super::header::Header;
use super::segment::{SLOTS, Segment};
use super::slot::Slot;
use crate::sync::{AtomicU32, Ordering, Plant, Witness, planted};
use core::alloc::Layout;
use core::ptr::NonNull;

/// The notes of one segment, one for each slot. Type-stable, like the segment.
pub(super) struct Notes {
    of: [Note; SLOTS],
    /// Written once, when the notes are made: whoever finds them has to see them made.
    made: Witness,
}

/// Numbers; 0 is none.
pub(super) struct Note {
    scope: AtomicU32,
    first_hint: AtomicU32,
    last_hint: AtomicU32,
    trace: AtomicU32,
}

/// What a note says, as a report sees it.
#[derive(Clone, Copy, Default)]
pub(super) struct Noted {
    pub(super) scope: u32,
    pub(super) first_hint: u32,
    pub(super) last_hint: u32,
    pub(super) trace: u32,
}

pub(super) const NOTES_SIZE: usize = size_of::<Notes>();

impl Notes {
    /// Empty notes, or `None` when the allocator has no memory.
    pub(super) fn allocate() -> Option<NonNull<Notes>> {
        let layout = Layout::new::<Notes>();
        // SAFETY: the layout's size is not 0.
        let memory = NonNull::new(unsafe { std::alloc::alloc(layout) })?.cast::<Notes>();
        // SAFETY: fresh memory of the right layout.
        unsafe { memory.as_ptr().write(Notes { of: core::array::from_fn(|_| Note::new()), made: Witness::new() }) };
        Some(memory)
    }

    /// Frees notes.
    ///
    /// # Safety
    ///
    /// They came from [`allocate`](Notes::allocate), and nobody knows them any more.
    pub(super) unsafe fn free(this: NonNull<Notes>) {
        // SAFETY: the caller's promise; the layout is the one they were allocated with.
        unsafe {
            this.as_ptr().drop_in_place();
            std::alloc::dealloc(this.as_ptr().cast(), Layout::new::<Notes>());
        }
    }
}

impl Note {
    fn new() -> Note {
        let none = || AtomicU32::new(0);
        Note { scope: none(), first_hint: none(), last_hint: none(), trace: none() }
    }

    /// For a new handle, before its slot is published.
    fn write(&self, scope: u32, trace: u32) {
        let fields = if planted(Plant::NotesRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `seen`; whoever sees one of these sees that the slice before is gone.
        self.scope.store(scope, fields);
        self.first_hint.store(0, fields);
        self.last_hint.store(0, fields);
        self.trace.store(trace, fields);
    }

    /// As a report sees it. It belongs to an extent that is read before and is still there after.
    pub(super) fn seen(&self) -> Noted {
        // Acquire: pairs with the Release in `write`; the extent that is read after this is not older.
        Noted {
            scope: self.scope.load(Ordering::Acquire),
            first_hint: self.first_hint.load(Ordering::Acquire),
            last_hint: self.last_hint.load(Ordering::Acquire),
            trace: self.trace.load(Ordering::Acquire),
        }
    }

    /// Release, here and below: as in `write`. Only for the handle whose note it is, or one who has a reference to it.
    pub(super) fn charge(&self, scope: u32) {
        self.scope.store(scope, Ordering::Release);
    }

    /// The first hint stays.
    pub(super) fn touch(&self, hint: u32) {
        // Relaxed on failure: somebody else's hint was first, and nothing is read through it.
        let _ = self.first_hint.compare_exchange(0, hint, Ordering::Release, Ordering::Relaxed);
        self.last_hint.store(hint, Ordering::Release);
    }

    pub(super) fn set_trace(&self, trace: u32) {
        self.trace.store(trace, Ordering::Release);
    }
}

impl Segment {
    /// Says what the handle that is about to be published in `slot` is charged to, and clears what the one before it left.
    ///
    /// Charged to `scope`, or to that of the handle it is made from, if there is none.
    #[inline]
    pub(super) fn note(&self, header: &Header, slot: &Slot, scope: u32, parent: Option<NonNull<Slot>>, trace: u32) {
        let inherited = || {
            let parent = parent?;
            // SAFETY: segments and slots are type-stable.
            let (segment, parent) = unsafe { (Segment::of(parent).as_ref(), parent.as_ref()) };
            // Relaxed: the caller holds the parent, by something that orders what was noted of it.
            Some(segment.note_of(parent)?.scope.load(Ordering::Relaxed))
        };
        let scope = if scope != 0 { scope } else { inherited().unwrap_or(0) };
        let note = if scope != 0 || trace != 0 { self.note_or_new(header, slot) } else { self.note_of(slot) };
        if let Some(note) = note.filter(|_| scope != 0 || trace != 0 || !planted(Plant::NotesKept)) {
            note.write(scope, trace);
        }
    }

    /// The slot's note, if its segment has any.
    #[inline]
    pub(super) fn note_of(&self, slot: &Slot) -> Option<&Note> {
        // SAFETY: notes are type-stable, and `notes` publishes them initialised.
        let notes = unsafe { self.notes().as_ref() }?;
        notes.made.read();
        Some(&notes.of[self.index_of(slot)])
    }

    /// The slot's note. `None` when the ledger's budget or the memory is used up.
    #[inline]
    pub(super) fn note_or_new(&self, header: &Header, slot: &Slot) -> Option<&Note> {
        if self.notes().is_null() {
            self.make_notes(header)?;
        }
        self.note_of(slot)
    }

    #[cold]
    #[inline(never)]
    fn make_notes(&self, header: &Header) -> Option<()> {
        // SAFETY: the ledger outlives its slabs, and the caller holds a reference or owns the slab.
        let ledger = unsafe { &*header.fixed.ledger };
        header.set_noted();
        let fresh = ledger.notes()?;
        if !self.set_notes(fresh) {
            // Another thread was first.
            ledger.return_notes(fresh);
        }
        Some(())
    }
}
