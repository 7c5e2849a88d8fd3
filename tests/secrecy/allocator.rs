//! The program's allocator: nothing that holds a secret is freed.

use crate::SECRET;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Searching;

#[global_allocator]
static ALLOCATOR: Searching = Searching;

static FREED_SECRETS: AtomicUsize = AtomicUsize::new(0);

/// As many in a row are no accident.
const RUN: usize = 8;

// SAFETY: every call is handed to the system's allocator, and all memory is initialised.
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // Padding of what lay there may be uninitialised in the eyes of an interpreter.
        if !cfg!(miri) {
            // SAFETY: the block is the caller's, and was zeroed when it was allocated.
            let bytes = unsafe { std::slice::from_raw_parts(memory, layout.size()) };
            if bytes.windows(RUN).any(|run| run == [SECRET; RUN]) {
                FREED_SECRETS.fetch_add(1, Ordering::Relaxed);
            }
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Blocks that were freed with a secret in them, in the whole process so far.
pub(crate) fn freed_secrets() -> usize {
    FREED_SECRETS.load(Ordering::Relaxed)
}

#[test]
#[cfg(not(miri))]
fn what_this_looks_for_it_sees() {
    // Of its own process: the count is everybody's.
    if std::env::var_os("SECRECY_FREES").is_some() {
        drop(std::hint::black_box(vec![SECRET; 100]));
        assert_eq!(freed_secrets(), 1);
        return;
    }
    let this = std::env::current_exe().unwrap();
    let name = "allocator::what_this_looks_for_it_sees";
    let child = std::process::Command::new(this).args(["--exact", name]).env("SECRECY_FREES", "1").output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}
