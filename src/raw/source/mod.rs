//! Where slab memory comes from.
//!
//! | source | memory | pages can be given back |
//! |---|---|---|
//! | [`HeapSource`] | the global allocator's | no |
//! | `MmapSource` (feature `mmap`) | anonymous pages, or huge pages | yes, on Linux |
//! | [`RegionSource`] | the user's own, cut into slabs | if it is a `Mapping` and the user says so |

mod backing;
mod heap;
#[cfg(all(unix, feature = "mmap"))]
mod huge;
#[cfg(all(unix, feature = "mmap"))]
mod mmap;
#[cfg(all(unix, feature = "mmap"))]
mod pages;
mod region;

pub use backing::Backing;
use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;
pub use heap::HeapSource;
#[cfg(all(unix, feature = "mmap"))]
pub use huge::{HugePageUse, HugePages};
#[cfg(all(unix, feature = "mmap"))]
pub use mmap::{Mapping, MmapSource};
pub use region::{RegionPlace, RegionSource, StableRegion};
use std::io;

/// Gives a pool the memory of its slabs.
///
/// The default is [`HeapSource`]. A pool asks once for each new slab and gives it back when it has more idle memory than
/// `idle_bytes`, or when the pool and the last slice of the slab are gone, on whichever thread that happens.
///
/// Two methods are all that is needed. The others are for memory that comes by the page, so that
/// [`SlabPool::punch`](crate::SlabPool::punch) can give dead pages back; without them memory is not page-backed, and reports
/// say so.
///
/// # Safety
///
/// * Memory returned by `allocate` is valid for reads and writes of `layout.size()` bytes, aligned to `layout.align()`,
///   and used by nobody else until it is passed to `deallocate`. It need not be initialised.
/// * It stays where it is, whatever happens to the source itself, until then.
/// * `punch` changes no byte outside of the ranges it is given, and leaves those valid for reads and writes.
///
/// ```
/// use bufslab::{HeapSource, SlabPool, SlabSource};
/// use std::alloc::Layout;
/// use std::ptr::NonNull;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::sync::Arc;
///
/// /// The heap, with a count of the slabs that were taken.
/// struct Counting(Arc<AtomicUsize>);
///
/// // SAFETY: every call is handed to the heap's source unchanged.
/// unsafe impl SlabSource for Counting {
///     fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         HeapSource.allocate(layout)
///     }
///
///     unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
///         // SAFETY: the caller's promise is the one asked for.
///         unsafe { HeapSource.deallocate(memory, layout) }
///     }
/// }
///
/// let taken = Arc::new(AtomicUsize::new(0));
/// let pool = SlabPool::builder().source(Counting(taken.clone())).build()?;
/// let (a, b) = (pool.alloc(100), pool.alloc(100));
/// assert_eq!(taken.load(Ordering::Relaxed), 1, "both are cut from one slab");
/// # drop((a, b));
/// # Ok::<(), bufslab::BuildError>(())
/// ```
pub unsafe trait SlabSource: Send + Sync + 'static {
    /// Memory for one slab, or `None` when there is none. The size is never 0.
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>>;

    /// Takes back the memory of one slab.
    ///
    /// # Safety
    ///
    /// `memory` came from `allocate` of this source with the same `layout`, is given back once, and nobody looks at it
    /// afterwards.
    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout);

    /// The size in bytes of the pages in which this slab's memory can be given back while the slab stays: a power of two.
    /// `None` if it cannot be.
    ///
    /// Asked of a slab that is out: `memory` came from `allocate` with this `layout` and was not given back.
    fn page_size(&self, memory: NonNull<u8>, layout: Layout) -> Option<usize> {
        let _ = (memory, layout);
        None
    }

    /// Gives the memory behind the ranges `dead`, in bytes from the slab's start, back to the system, and says how many bytes
    /// that freed. Whoever reads there later finds anything.
    ///
    /// # Errors
    ///
    /// The system's, if it refused any of the ranges. Those before it may have been given back.
    ///
    /// # Safety
    ///
    /// * `memory` came from `allocate` of this source with this `layout`, and was not given back.
    /// * `dead` are ranges of whole pages of the size that `page_size` said (their *addresses* are multiples of it), inside the
    ///   slab, in order and apart.
    /// * Until this returns nobody reads or writes a byte of them, and nobody needs what they held.
    unsafe fn punch(&self, memory: NonNull<u8>, layout: Layout, dead: &[Range<usize>]) -> io::Result<usize> {
        let _ = (memory, layout, dead);
        Ok(0)
    }

    /// How many of the `len` bytes at `memory` take real memory now, or `None` if that is not known.
    ///
    /// For reports. The slab may be given back while this runs, even before: it must not touch the memory, and a wrong answer
    /// for a slab that has gone does no harm.
    fn resident(&self, memory: *const u8, len: usize) -> Option<usize> {
        let _ = (memory, len);
        None
    }

    /// What the memory really is. For reports.
    fn describe(&self) -> Backing {
        Backing::new("custom source")
    }
}

/// A slab starts on a cache line of its own where that wastes nothing.
pub(super) fn slab_layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size, slab_align(size)).ok().filter(|layout| layout.size() > 0)
}

fn slab_align(size: usize) -> usize {
    if size >= 64 { 64 } else { 1 }
}
