//! The user's own memory as slabs.

#[cfg(all(unix, feature = "mmap"))]
use super::mmap::{self, Mapping};
#[cfg(all(unix, feature = "mmap"))]
use super::pages;
use super::{Backing, SlabSource, slab_align};
use crate::error::BuildError;
use crate::sync::Mutex;
use core::alloc::Layout;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::NonNull;
use std::io;
use std::sync::Arc;

/// Memory that a [`RegionSource`] may cut into slabs, and its owner.
///
/// # Safety
///
/// What `memory` returns is one region that is valid for reads and writes, stays where it is, and is read and written by
/// nobody else, through this value or otherwise, until this value is dropped; on whichever thread that happens.
///
/// The region need not be initialised. *Nobody else* is meant as Rust means it: the kernel, a device or another process may write
/// where the program expects them to, that is, into a `SlabBytesMut` that it does not touch meanwhile.
pub unsafe trait StableRegion: Send + 'static {
    /// The region. Called once, when the value has got to its place and before anything else is done with it.
    fn memory(&mut self) -> NonNull<[u8]>;
}

// SAFETY: a box owns its bytes, which stay where they are when it is moved; the source does not look into it again.
unsafe impl StableRegion for Box<[u8]> {
    fn memory(&mut self) -> NonNull<[u8]> {
        NonNull::from(&mut **self)
    }
}

// SAFETY: as above.
unsafe impl StableRegion for Box<[MaybeUninit<u8>]> {
    fn memory(&mut self) -> NonNull<[u8]> {
        let len = self.len();
        NonNull::slice_from_raw_parts(NonNull::from(&mut **self).cast(), len)
    }
}

// SAFETY: as above, for all the room the vector has.
unsafe impl StableRegion for Vec<u8> {
    fn memory(&mut self) -> NonNull<[u8]> {
        let room = self.capacity();
        NonNull::slice_from_raw_parts(NonNull::new(self.as_mut_ptr()).unwrap_or(NonNull::dangling()), room)
    }
}

// SAFETY: it is borrowed for ever.
unsafe impl StableRegion for &'static mut [MaybeUninit<u8>] {
    fn memory(&mut self) -> NonNull<[u8]> {
        let len = self.len();
        NonNull::slice_from_raw_parts(NonNull::from(&mut **self).cast(), len)
    }
}

#[cfg(all(unix, feature = "mmap"))]
// SAFETY: mapped memory lies outside of the value, which never looks at it.
unsafe impl StableRegion for Mapping {
    fn memory(&mut self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.start(), self.len())
    }
}

/// Slabs of one size out of one region of the user's: buffers that are registered with io_uring, shared memory, memory of a
/// device. The region never moves, and lives until the last slice of it is gone.
///
/// The pool's [`slab_size`](crate::SlabPoolBuilder::slab_size) has to be the region's or smaller. When all slabs are out the
/// pool reports that its source has no memory, and a request that is larger than a slab is refused like that at once.
///
/// Nothing is given back by [`punch`](crate::SlabPool::punch): who registered a region relies on its pages. For a region of anonymous
/// pages that nobody else knows, ask for it with `from_mapping` (feature `mmap`).
///
/// A clone is the same region: keep one to ask where a slice lies.
///
/// ```
/// use bufslab::{BufMut, RegionSource, SlabPool};
///
/// let region = RegionSource::new(vec![0; 256 * 1024], 64 * 1024)?;
/// let slab_size = region.slab_size();
/// let pool = SlabPool::builder().slab_size(slab_size).source(region.clone()).build()?;
/// let mut buffer = pool.alloc(4096);
/// buffer.put_slice(b"hello");
///
/// let place = region.place_of(&buffer).expect("it is cut from the region");
/// assert!(place.slab < region.slabs());
/// assert_eq!(place.offset, region.slab_offset(place.slab) + place.offset_in_slab);
/// assert_eq!(region.place_of(b"somewhere else"), None);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone)]
pub struct RegionSource(Arc<Region>);

/// Where some bytes lie in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RegionPlace {
    /// Number of the slab: the index of a fixed buffer, if each slab was registered as one.
    pub slab: usize,
    /// Bytes from the slab's start.
    pub offset_in_slab: usize,
    /// Bytes from the region's start.
    pub offset: usize,
}

struct Region {
    start: NonNull<u8>,
    len: usize,
    /// Where the first slab begins.
    first: usize,
    /// From one slab to the next.
    stride: usize,
    slabs: usize,
    /// Numbers of the slabs that are not out, the next one last.
    free: Mutex<Vec<usize>>,
    /// Bytes of the pages that may be given back.
    page_size: Option<usize>,
    /// Whether the kernel can be asked about its pages.
    mapped: bool,
    /// Dropped last of all: it owns the memory.
    _owner: Owner,
}

/// What owns a region. Behind a raw pointer, so that moving it asserts nothing about the memory.
struct Owner(*mut dyn Send);

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: it came out of a box in `Owner::of`, and is dropped once.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

// SAFETY: the owner is `Send`, and nothing is done with it but to drop it.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}
// SAFETY: the memory is only handed out, and the owner is only dropped; the rest is locked or never changes.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Runs when a region is given up.
struct OnFree<F: FnOnce() + Send>(Option<F>);

impl<F: FnOnce() + Send> Drop for OnFree<F> {
    fn drop(&mut self) {
        if let Some(free) = self.0.take() {
            free();
        }
    }
}

impl RegionSource {
    /// Cuts `memory` into slabs of `slab_size` bytes, each on a cache line of its own (64 bytes) unless they are smaller. What is
    /// left at the ends is not used.
    ///
    /// # Errors
    ///
    /// If `slab_size` is 0 or the region is too small for one slab.
    pub fn new(memory: impl StableRegion, slab_size: usize) -> Result<RegionSource, BuildError> {
        let owner = Box::into_raw(Box::new(memory));
        let hold = Owner(owner);
        // SAFETY: the box has its final place and nobody else knows it; the value is not touched again before it is dropped.
        let memory = unsafe { (*owner).memory() };
        RegionSource::cut(memory, slab_size, None, false, hold)
    }

    /// As [`new`](RegionSource::new), for a mapping that nobody else knows: [`punch`](crate::SlabPool::punch) gives its pages back. Not
    /// for memory that is registered with the kernel, which would go on using the pages that were given away.
    ///
    /// # Errors
    ///
    /// As for `new`.
    #[cfg(all(unix, feature = "mmap"))]
    pub fn from_mapping(mut mapping: Mapping, slab_size: usize) -> Result<RegionSource, BuildError> {
        let memory = mapping.memory();
        let page_size = mapping.can_punch().then(pages::page_size);
        RegionSource::cut(memory, slab_size, page_size, true, Owner(Box::into_raw(Box::new(mapping))))
    }

    /// As [`new`](RegionSource::new), for the `len` bytes at `start`. `on_free` is called when the last slice and the last clone of this
    /// are gone, on whichever thread that happens; also if this fails.
    ///
    /// # Errors
    ///
    /// As for `new`.
    ///
    /// # Safety
    ///
    /// What [`StableRegion`] asks for, until `on_free` is called.
    pub unsafe fn from_raw(
        start: NonNull<u8>,
        len: usize,
        slab_size: usize,
        on_free: impl FnOnce() + Send + 'static,
    ) -> Result<RegionSource, BuildError> {
        let owner = Owner(Box::into_raw(Box::new(OnFree(Some(on_free)))));
        RegionSource::cut(NonNull::slice_from_raw_parts(start, len), slab_size, None, false, owner)
    }

    fn cut(
        memory: NonNull<[u8]>,
        slab_size: usize,
        page_size: Option<usize>,
        mapped: bool,
        owner: Owner,
    ) -> Result<RegionSource, BuildError> {
        let (start, len) = (memory.cast::<u8>(), memory.len());
        let align = slab_align(slab_size);
        let first = start.addr().get().next_multiple_of(align) - start.addr().get();
        let stride = slab_size.checked_next_multiple_of(align).filter(|&stride| stride > 0);
        let slabs = stride.map_or(0, |stride| len.saturating_sub(first) / stride);
        let Some(stride) = stride.filter(|_| slabs > 0) else {
            let allowed = format!("from 1 byte to what the region of {len} bytes holds");
            return Err(BuildError::new("slab_size", slab_size.to_string(), allowed));
        };
        let free = Mutex::new((0..slabs).rev().collect());
        Ok(RegionSource(Arc::new(Region { start, len, first, stride, slabs, free, page_size, mapped, _owner: owner })))
    }

    /// Where the region begins: what to register.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.0.start
    }

    /// The region's size in bytes.
    #[allow(clippy::len_without_is_empty, reason = "there is room for one slab at least")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// How many slabs it is cut into.
    #[must_use]
    pub fn slabs(&self) -> usize {
        self.0.slabs
    }

    /// The largest slab that fits, in bytes: the size that was asked for, rounded up to whole cache lines.
    #[must_use]
    pub fn slab_size(&self) -> usize {
        self.0.stride
    }

    /// Where the slab with this number begins, in bytes from the region's start.
    ///
    /// # Panics
    ///
    /// If there is no such slab.
    #[must_use]
    pub fn slab_offset(&self, slab: usize) -> usize {
        assert!(slab < self.0.slabs, "slab {slab} of {}", self.0.slabs);
        self.0.first + slab * self.0.stride
    }

    /// Where these bytes lie, if that is in one of the slabs. For no bytes, where they would.
    #[must_use]
    pub fn place_of(&self, bytes: &[u8]) -> Option<RegionPlace> {
        self.place_of_raw(bytes.as_ptr(), bytes.len())
    }

    /// The same of the `len` bytes at `start`, as of a buffer's room that is not filled yet. Nothing is read.
    #[must_use]
    pub fn place_of_raw(&self, start: *const u8, len: usize) -> Option<RegionPlace> {
        let region = &*self.0;
        let offset = start.addr().checked_sub(region.start.addr().get())?;
        let in_slabs = offset.checked_sub(region.first)?;
        let (slab, offset_in_slab) = (in_slabs / region.stride, in_slabs % region.stride);
        let fits = slab < region.slabs && len <= region.stride - offset_in_slab;
        fits.then_some(RegionPlace { slab, offset_in_slab, offset })
    }
}

impl fmt::Debug for RegionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Region { start, len, stride, slabs, .. } = &*self.0;
        f.debug_struct("RegionSource")
            .field("start", start)
            .field("len", len)
            .field("slab_size", stride)
            .field("slabs", slabs)
            .finish_non_exhaustive()
    }
}

// SAFETY: slabs are parts of the region that do not overlap, each out once: its number is on the list, or it is out. The region stays
// until the source is dropped, which the pool's ledger does after the last slab. Only pages of an anonymous mapping are punched.
unsafe impl SlabSource for RegionSource {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let region = &*self.0;
        if layout.size() > region.stride {
            return None;
        }
        let mut free = region.free.lock();
        let slab = *free.last()?;
        // SAFETY: the slab lies inside the region.
        let memory = unsafe { region.start.add(region.first + slab * region.stride) };
        if memory.addr().get() % layout.align() != 0 {
            return None;
        }
        free.pop();
        Some(memory)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, _: Layout) {
        if let Some(place) = self.place_of_raw(memory.as_ptr(), 0) {
            // There is room: the list was made with all of them.
            self.0.free.lock().push(place.slab);
        }
    }

    fn page_size(&self, _: NonNull<u8>, _: Layout) -> Option<usize> {
        self.0.page_size
    }

    #[cfg(all(unix, feature = "mmap"))]
    unsafe fn punch(&self, memory: NonNull<u8>, _: Layout, dead: &[Range<usize>]) -> io::Result<usize> {
        // SAFETY: the caller's promise is the one asked for; with a page size the region is an anonymous mapping.
        unsafe { mmap::forget(memory, dead) }
    }

    #[cfg(not(all(unix, feature = "mmap")))]
    unsafe fn punch(&self, _: NonNull<u8>, _: Layout, _: &[Range<usize>]) -> io::Result<usize> {
        Ok(0)
    }

    fn resident(&self, memory: *const u8, len: usize) -> Option<usize> {
        #[cfg(all(unix, feature = "mmap"))]
        if self.0.mapped {
            return pages::resident(memory, len);
        }
        let _ = (memory, len, self.0.mapped);
        None
    }

    fn describe(&self) -> Backing {
        let Region { slabs, stride, page_size, .. } = *self.0;
        let note = format!("{slabs} slabs of {stride} bytes");
        let backing = Backing::new("region").with_note(note);
        Backing { page_size, ..backing }
    }
}
