//! The heap, with a list of the slabs that are out: how the twin knows which slab an address lies in. It has pages of 16 bytes,
//! which are overwritten when they are given back: who needs them still sees that.

use bufslab::{HeapSource, SlabSource};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
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
    punched: usize,
}

/// Bytes of what is a page here.
const PAGE: usize = 16;

// SAFETY: every call is handed on to the heap's source; `punch` writes to the ranges it is given.
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

    fn page_size(&self, memory: NonNull<u8>, layout: Layout) -> Option<usize> {
        assert_eq!(self.size_of(memory.addr().get()), layout.size());
        Some(PAGE)
    }

    unsafe fn punch(&self, memory: NonNull<u8>, layout: Layout, dead: &[Range<usize>]) -> io::Result<usize> {
        let (start, mut before) = (memory.addr().get(), 0);
        assert!(!dead.is_empty());
        for range in dead {
            assert!(before <= range.start && range.start < range.end && range.end <= layout.size(), "{dead:?}");
            assert!((start + range.start) % PAGE == 0 && (start + range.end) % PAGE == 0, "{dead:?}");
            before = range.end + 1;
            // SAFETY: in bounds, and nobody needs these bytes.
            unsafe { memory.add(range.start).write_bytes(0xDD, range.len()) };
        }
        let bytes = dead.iter().map(Range::len).sum();
        self.0.lock().unwrap().punched += bytes;
        Ok(bytes)
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

    /// Bytes of pages that were given back under slices.
    pub(crate) fn punched(&self) -> usize {
        self.0.lock().unwrap().punched
    }

    /// Number and bytes of the slabs that are out, and the most bytes there ever were.
    pub(crate) fn out(&self) -> (usize, usize, usize) {
        let book = self.0.lock().unwrap();
        (book.slabs.len(), book.bytes, book.peak)
    }
}
