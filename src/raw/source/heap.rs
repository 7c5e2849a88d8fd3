//! Slab memory from the global allocator.

use super::{Backing, SlabSource};
use core::alloc::Layout;
use core::ptr::NonNull;

/// Slab memory from the program's global allocator. The default. Not page-backed: nothing is given back under a live slice.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapSource;

// SAFETY: the global allocator gives what `SlabSource` asks for; nothing is punched.
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

    fn describe(&self) -> Backing {
        Backing::new("heap")
    }
}
