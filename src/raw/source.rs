//! Where slab memory comes from.

use core::alloc::Layout;
use core::ptr::NonNull;

/// Gives a pool the memory of its slabs.
///
/// The default is [`HeapSource`]. A pool asks once for each new slab and gives it back when it has more idle memory than
/// `idle_bytes`, or when the pool and the last slice of the slab are gone, on whichever thread that happens.
///
/// # Safety
///
/// * Memory returned by `allocate` is valid for reads and writes of `layout.size()` bytes, aligned to `layout.align()`,
///   and used by nobody else until it is passed to `deallocate`. It need not be initialised.
/// * It stays where it is, whatever happens to the source itself, until then.
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
}

/// Slab memory from the program's global allocator. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapSource;

// SAFETY: the global allocator gives what `SlabSource` asks for.
unsafe impl SlabSource for HeapSource {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        debug_assert!(layout.size() > 0);
        // SAFETY: the size is not 0, as every caller of a source promises.
        NonNull::new(unsafe { std::alloc::alloc(layout) })
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { std::alloc::dealloc(memory.as_ptr(), layout) }
    }
}

/// A slab starts on a cache line of its own where that wastes nothing.
pub(super) fn slab_layout(size: usize) -> Option<Layout> {
    let align = if size >= 64 { 64 } else { 1 };
    Layout::from_size_align(size, align).ok().filter(|layout| layout.size() > 0)
}
