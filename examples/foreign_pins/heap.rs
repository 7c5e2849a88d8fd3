//! The allocator of this program: counts what is allocated, and knows which allocation an address lies in.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static HEAP: Counting = Counting;

struct Counting;

/// Bytes that are allocated.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Allocations of at least this many bytes have an entry in the table.
const LARGE: usize = 512;
/// Entries, and how many of them are tried for one address.
const ENTRIES: usize = 1 << 15;
const TRIES: usize = 256;

struct Entry {
    start: AtomicUsize,
    size: AtomicUsize,
}

static LARGE_ONES: [Entry; ENTRIES] =
    [const { Entry { start: AtomicUsize::new(0), size: AtomicUsize::new(0) } }; ENTRIES];
/// Large allocations that found no entry.
static UNLISTED: AtomicUsize = AtomicUsize::new(0);

fn entries_for(start: usize) -> impl Iterator<Item = &'static Entry> {
    let first = (start >> 4).wrapping_mul(0x9E37_79B1) >> 8;
    (0..TRIES).map(move |i| &LARGE_ONES[(first + i) % ENTRIES])
}

fn list(start: usize, size: usize) {
    LIVE.fetch_add(size, Relaxed);
    if size < LARGE {
        return;
    }
    let taken = entries_for(start).find(|entry| entry.start.compare_exchange(0, start, Relaxed, Relaxed).is_ok());
    match taken {
        Some(entry) => entry.size.store(size, Relaxed),
        None => _ = UNLISTED.fetch_add(1, Relaxed),
    }
}

fn delist(start: usize, size: usize) {
    LIVE.fetch_sub(size, Relaxed);
    if size >= LARGE {
        if let Some(entry) = entries_for(start).find(|entry| entry.start.load(Relaxed) == start) {
            entry.size.store(0, Relaxed);
            entry.start.store(0, Relaxed);
        }
    }
}

// SAFETY: every call is handed to the system's allocator unchanged; what is done besides allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one asked for.
        let memory = unsafe { System.alloc(layout) };
        if !memory.is_null() {
            list(memory.addr(), layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        delist(memory.addr(), layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Bytes that are allocated.
pub(crate) fn live() -> usize {
    LIVE.load(Relaxed)
}

/// Start and size of the allocation that `bytes` lie in; `None` if it is a small one.
pub(crate) fn allocation_of(bytes: &[u8]) -> Option<(usize, usize)> {
    assert_eq!(UNLISTED.load(Relaxed), 0, "the table of large allocations is too small");
    let (address, end) = (bytes.as_ptr().addr(), bytes.as_ptr().addr() + bytes.len());
    LARGE_ONES
        .iter()
        .map(|entry| (entry.start.load(Relaxed), entry.size.load(Relaxed)))
        .find(|&(start, size)| start <= address && end <= start + size)
}
