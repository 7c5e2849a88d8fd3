//! Slots: one for each live handle. They are what makes a slice visible to a report.

use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering, Plant, Witness, planted};
use core::panic::Location;
use core::ptr;

/// A range of a slab in one word, `offset << 32 | length`, so that it is published and cleared in one store.
///
/// Live extents have a length; a length of 0 is no slice. The one extent of a slab too large for 32 bits is
/// [`Extent::WHOLE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent(u64);

impl Extent {
    /// Nobody's: the slot is on its segment's list, or its taker has not published it yet.
    pub(super) const DEAD: Extent = Extent(0);
    /// Given up by a thread that does not allocate from the segment; the one that does will find it.
    pub(super) const FREED: Extent = Extent(1 << 32);
    /// Reserved for a parked slice that is elsewhere by now, or on its way: dead for whoever looks, and nobody's to take.
    pub(super) const KEPT: Extent = Extent(2 << 32);
    /// All of a slab of 4 GiB or more, whose slices are not told apart.
    pub(crate) const WHOLE: Extent = Extent(u32::MAX as u64);

    #[inline]
    pub(crate) fn new(offset: usize, len: usize) -> Extent {
        debug_assert!(len > 0 && offset + len < u32::MAX as usize);
        Extent((offset as u64) << 32 | len as u64)
    }

    /// The same where it may be none, if it has no length.
    #[inline]
    pub(super) fn of_parts(offset: usize, len: usize) -> Extent {
        Extent((offset as u64) << 32 | len as u64)
    }

    /// The extent for a handle on `offset..offset + len` of a slab of `size` bytes.
    pub(super) fn in_slab(size: usize, offset: usize, len: usize) -> Extent {
        if size < u32::MAX as usize { Extent::new(offset, len) } else { Extent::WHOLE }
    }

    #[inline]
    pub(crate) fn offset(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.0 as u32 as usize
    }

    #[inline]
    pub(crate) fn end(self) -> usize {
        self.offset() + self.len()
    }

    #[inline]
    pub(crate) fn is_live(self) -> bool {
        self.0 as u32 != 0
    }

    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        self == Extent::WHOLE
    }

    /// The part that starts `skip` bytes in and has `len` bytes.
    #[inline]
    pub(super) fn part(self, skip: usize, len: usize) -> Extent {
        if self.is_whole() { self } else { Extent::new(self.offset() + skip, len) }
    }

    /// Sorts by where they start, and then by where they end.
    pub(super) fn sort(extents: &mut [Extent]) {
        extents.sort_unstable_by_key(|extent| extent.0);
    }

    pub(super) fn overlaps(self, other: Extent) -> bool {
        self.is_whole() || other.is_whole() || (self.offset() < other.end() && other.offset() < self.end())
    }
}

/// What kind of handle holds a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SliceKind {
    /// A `SlabBytesMut`: unique and writable.
    Mut,
    /// A `SlabBytes`.
    Shared,
    /// A `bytes::Bytes` made from a `SlabBytes` without copying.
    Exported,
    /// A `Parked`, which the pool moves out of its slab when that pays.
    Parked,
}

/// Tag and flags of a slot in one word: the tag's number in the low 24 bits, flags above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark(u32);

impl Mark {
    const TAG: u32 = (1 << 24) - 1;
    const SHARED: u32 = 1 << 24;
    const EXPORTED: u32 = 1 << 25;
    /// Another handle may have had a view of the same bytes.
    const EVER_SHARED: u32 = 1 << 26;
    const PARKED: u32 = 1 << 27;
    /// Of a parked handle, whose word has no room for the mark: its end is logged.
    const RECORDED: u32 = 1 << 28;

    pub(super) const UNIQUE: Mark = Mark(0);
    /// A read-only handle on bytes that somebody else may see.
    pub(super) const FOREIGN: Mark = Mark(Mark::SHARED | Mark::EVER_SHARED);

    pub(crate) fn tag(self) -> u32 {
        self.0 & Mark::TAG
    }

    pub(super) fn with_tag(self, tag: u32) -> Mark {
        debug_assert!(tag <= Mark::TAG);
        Mark(self.0 & !Mark::TAG | tag)
    }

    #[inline]
    pub(super) fn shared(self) -> Mark {
        Mark(self.0 | Mark::SHARED)
    }

    #[inline]
    pub(super) fn ever_shared(self) -> Mark {
        Mark(self.0 | Mark::EVER_SHARED)
    }

    pub(super) fn exported(self) -> Mark {
        Mark(self.0 | Mark::EXPORTED)
    }

    pub(super) fn parked(self) -> Mark {
        Mark(self.0 | Mark::PARKED)
    }

    pub(super) fn unparked(self) -> Mark {
        Mark(self.0 & !(Mark::PARKED | Mark::RECORDED))
    }

    pub(super) fn recorded(self) -> Mark {
        Mark(self.0 | Mark::RECORDED)
    }

    pub(super) fn is_recorded(self) -> bool {
        self.0 & Mark::RECORDED != 0
    }

    pub(super) fn is_parked(self) -> bool {
        self.0 & Mark::PARKED != 0
    }

    /// As a fresh unique handle: the tag stays, the flags go.
    pub(super) fn unique(self) -> Mark {
        Mark(self.0 & Mark::TAG)
    }

    #[inline]
    pub(super) fn was_ever_shared(self) -> bool {
        self.0 & Mark::EVER_SHARED != 0
    }

    pub(crate) fn kind(self) -> SliceKind {
        match self.0 & (Mark::SHARED | Mark::EXPORTED | Mark::PARKED) {
            flags if flags & Mark::PARKED != 0 => SliceKind::Parked,
            0 => SliceKind::Mut,
            Mark::SHARED => SliceKind::Shared,
            _ => SliceKind::Exported,
        }
    }
}

/// One live handle's entry in the ledger. 32 bytes.
///
/// A handle owns its slot exclusively, so it publishes and clears it with plain stores; everyone else only looks.
#[repr(C)]
#[cfg_attr(not(bufslab_loom), repr(align(32)))]
#[cfg_attr(bufslab_loom, repr(align(16)))]
pub(crate) struct Slot {
    /// Where the handle's slice is. Stored last when published and first when cleared.
    extent: AtomicU64,
    /// What the slice was cut from: the range of the allocation it descends from. In a dead slot: the next one of the
    /// segment's list.
    root: AtomicU64,
    site: AtomicPtr<Location<'static>>,
    mark: AtomicU32,
    /// When the handle was made, if that was after its slab was retired; 0 otherwise.
    tick: AtomicU32,
    /// Written when the slot is taken and when it is given up: nobody else has it between.
    pub(super) witness: Witness,
}

impl Slot {
    pub(super) fn new() -> Slot {
        Slot {
            extent: AtomicU64::new(Extent::DEAD.0),
            root: AtomicU64::new(0),
            site: AtomicPtr::new(ptr::null_mut()),
            mark: AtomicU32::new(0),
            tick: AtomicU32::new(0),
            witness: Witness::new(),
        }
    }

    #[inline(always)]
    pub(super) fn publish(
        &self,
        extent: Extent,
        root: Extent,
        site: &'static Location<'static>,
        mark: Mark,
        tick: u32,
    ) {
        self.witness.write();
        let fields = if planted(Plant::FieldsRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Relaxed: no report reads it.
        self.root.store(root.0, Ordering::Relaxed);
        // Release: pairs with the Acquire in `seen`; whoever sees one of these sees that the slice before is gone.
        self.site.store(ptr::from_ref(site).cast_mut(), fields);
        self.mark.store(mark.0, fields);
        self.tick.store(tick, fields);
        let release = if planted(Plant::PublishRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: as in `set_extent`.
        self.extent.store(extent.0, release);
    }

    /// Leaves the slot to the sweep of its segment's allocator.
    #[inline]
    pub(super) fn free(&self) {
        let release = if planted(Plant::FreeRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `Segment::sweep`; this handle's use of the slot is over.
        self.extent.store(Extent::FREED.0, release);
    }

    /// Relaxed for the handle itself, which wrote it last.
    #[inline]
    pub(super) fn own_extent(&self) -> Extent {
        Extent(self.extent.load(Ordering::Relaxed))
    }

    /// Acquire: pairs with the Release in `set_extent`; the other fields belong to the extent that is read, and what
    /// the reader loads next is not older than it.
    pub(super) fn extent(&self) -> Extent {
        Extent(self.extent.load(Ordering::Acquire))
    }

    /// Release: pairs with the Acquire in `extent`; publishes the fields stored before, and for a dead slot orders the
    /// clearing before the return of the reference that follows.
    #[inline]
    pub(super) fn set_extent(&self, extent: Extent) {
        self.extent.store(extent.0, Ordering::Release);
    }

    /// Keeps only the `len` bytes that start `skip` bytes in.
    #[inline]
    pub(super) fn narrow(&self, skip: usize, len: usize) {
        self.set_extent(self.own_extent().part(skip, len));
    }

    // Relaxed for the handle itself, which wrote them last, or got the slot through something that orders its reads.

    #[inline]
    pub(super) fn root(&self) -> Extent {
        Extent(self.root.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn set_root(&self, root: Extent) {
        self.root.store(root.0, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark(self.mark.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn set_mark(&self, mark: Mark) {
        // Release: as in `publish`.
        self.mark.store(mark.0, Ordering::Release);
    }

    /// The mark as others see it. It belongs to an extent that is read before and is still there after.
    pub(super) fn seen_mark(&self) -> Mark {
        // Acquire: as in `seen`.
        Mark(self.mark.load(Ordering::Acquire))
    }

    /// Site, mark and tick as a report sees them. They belong to an extent that is read before and is still there after.
    pub(super) fn seen(&self) -> (Option<&'static Location<'static>>, Mark, u32) {
        // Acquire: pairs with the Release in `publish` and `set_mark`; the extent that is read after this is not older.
        let site = self.site.load(Ordering::Acquire);
        let mark = Mark(self.mark.load(Ordering::Acquire));
        let tick = self.tick.load(Ordering::Acquire);
        // SAFETY: `publish` is the only writer and stores a `&'static`; before that it is null.
        (unsafe { site.cast_const().as_ref() }, mark, tick)
    }
}
