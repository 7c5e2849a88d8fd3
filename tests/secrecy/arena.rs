//! A source whose memory can be looked into at any time, given back or not.

use crate::SECRET;
use bufslab::SlabSource;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Arena(Arc<Mutex<Pieces>>);

#[derive(Default)]
struct Pieces(Vec<(NonNull<u8>, Layout, bool)>);

// SAFETY: the memory is this value's own.
unsafe impl Send for Pieces {}

impl Drop for Pieces {
    fn drop(&mut self) {
        for (memory, layout, out) in self.0.drain(..) {
            // What is still out outlives the test.
            if !out {
                // SAFETY: allocated below with this layout, and freed once. Without what was not marked, for the allocator searches.
                unsafe {
                    memory.write_bytes(0, layout.size());
                    dealloc(memory.as_ptr(), layout);
                }
            }
        }
    }
}

// SAFETY: fresh memory from the allocator, kept until the arena itself goes.
unsafe impl SlabSource for Arena {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: a pool asks for at least one byte.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        self.0.lock().unwrap().0.push((memory, layout, true));
        Some(memory)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, _: Layout) {
        let mut pieces = self.0.lock().unwrap();
        let (_, _, out) = pieces.0.iter_mut().find(|(start, ..)| *start == memory).expect("a piece of this arena");
        assert!(std::mem::replace(out, false), "given back twice");
    }
}

impl Arena {
    /// Secret bytes in all memory, given back or not. Only while no thread writes to any of it. What is out is poisoned in part
    /// where AddressSanitizer is told of it, and not looked into.
    pub(crate) fn secrets(&self) -> usize {
        let pieces = self.0.lock().unwrap();
        let mut found = 0;
        for (memory, layout, out) in &pieces.0 {
            if *out && cfg!(bufslab_asan) {
                continue;
            }
            for i in 0..layout.size() {
                // SAFETY: in bounds, initialised, and nobody writes to it.
                found += usize::from(unsafe { memory.add(i).read() } == SECRET);
            }
        }
        found
    }

    /// Pieces that are out.
    pub(crate) fn out(&self) -> usize {
        self.0.lock().unwrap().0.iter().filter(|piece| piece.2).count()
    }
}
