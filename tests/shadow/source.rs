//! The heap, with a list of the slabs that are out: how the twin knows which slab an address lies in.

use bufslab::{HeapSource, SlabSource};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Recorded(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// Size by address.
    slabs: BTreeMap<usize, usize>,
    bytes: usize,
    peak: usize,
}

// SAFETY: every call is handed on to the heap's source.
unsafe impl SlabSource for Recorded {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let memory = HeapSource.allocate(layout)?;
        let mut book = self.0.lock().unwrap();
        assert_eq!(book.slabs.insert(memory.addr().get(), layout.size()), None, "a slab handed out twice");
        book.bytes += layout.size();
        book.peak = book.peak.max(book.bytes);
        Some(memory)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        let mut book = self.0.lock().unwrap();
        assert_eq!(book.slabs.remove(&memory.addr().get()), Some(layout.size()), "a slab given back that was not out");
        book.bytes -= layout.size();
        // SAFETY: nobody looks at it any more; who does sees this. Then as the caller promises.
        unsafe {
            memory.write_bytes(0xDD, layout.size());
            HeapSource.deallocate(memory, layout);
        }
    }
}

impl Recorded {
    /// Start and size of the slab that this address lies in.
    pub(crate) fn slab_of(&self, address: usize) -> Option<(usize, usize)> {
        let book = self.0.lock().unwrap();
        let (&start, &size) = book.slabs.range(..=address).next_back()?;
        (address < start + size).then_some((start, size))
    }

    /// Size of the slab that starts here.
    pub(crate) fn size_of(&self, start: usize) -> usize {
        self.0.lock().unwrap().slabs[&start]
    }

    /// Number and bytes of the slabs that are out, and the most bytes there ever were.
    pub(crate) fn out(&self) -> (usize, usize, usize) {
        let book = self.0.lock().unwrap();
        (book.slabs.len(), book.bytes, book.peak)
    }
}
