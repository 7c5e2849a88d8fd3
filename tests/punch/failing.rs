//! A system that refuses, a source that panics, and sources that cannot: nothing is lost.

use super::support::{PAGE, alone, builder, check, conserved, is_sanitized, pinned};
use bufslab::{Backing, MmapSource, Reuse, SlabPool, SlabSource};
use std::alloc::Layout;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 8 * PAGE;

/// Mapped pages; every `nth` call of `punch` goes wrong in some way.
struct Failing {
    inner: MmapSource,
    calls: Arc<AtomicUsize>,
    nth: usize,
    panics: bool,
}

// SAFETY: all is handed to the source inside; a call that fails does nothing.
unsafe impl SlabSource for Failing {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.inner.allocate(layout)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: as asked for.
        unsafe { self.inner.deallocate(memory, layout) }
    }

    fn page_size(&self, memory: NonNull<u8>, layout: Layout) -> Option<usize> {
        self.inner.page_size(memory, layout)
    }

    unsafe fn punch(&self, memory: NonNull<u8>, layout: Layout, dead: &[Range<usize>]) -> io::Result<usize> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % self.nth == 0 {
            assert!(!self.panics, "planted");
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: as asked for.
        unsafe { self.inner.punch(memory, layout, dead) }
    }

    fn describe(&self) -> Backing {
        self.inner.describe()
    }
}

fn failing(nth: usize, panics: bool) -> (SlabPool, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let source = Failing { inner: MmapSource::new(), calls: Arc::clone(&calls), nth, panics };
    (builder(SIZE).source(source).build().unwrap(), calls)
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn a_refusal_is_counted_and_loses_nothing() {
    let _alone = alone();
    let (pool, calls) = failing(3, false);
    let ranges = [PAGE..PAGE + 20];
    let slices: Vec<_> = (0..9).map(|slab| pinned(&pool, slab, &ranges)).collect();
    let outcome = pool.punch();
    conserved(&outcome);
    assert_eq!((outcome.punched, outcome.refused, calls.load(Ordering::Relaxed)), (6, 3, 9));
    let errno = io::Error::from_raw_os_error(libc::EINVAL).to_string();
    assert_eq!(outcome.refusal.as_deref(), Some(&*errno));
    assert!(outcome.to_string().ends_with(&format!(", 3 refused ({errno})")), "{outcome}");
    for (slab, slices) in slices.iter().enumerate() {
        check(slab, &ranges, slices);
    }
    drop(slices);
    assert_eq!((pool.stats().pinned_slabs, pool.stats().idle_bytes), (0, 9 * SIZE));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn a_source_that_panics_leaves_no_slab_looked_at() {
    let _alone = alone();
    let (pool, calls) = failing(1_000, true);
    let ranges = [PAGE..PAGE + 20];
    let slices: Vec<_> = (0..4).map(|slab| pinned(&pool, slab, &ranges)).collect();
    assert!(catch_unwind(AssertUnwindSafe(|| pool.punch())).is_err());
    let outcome = pool.punch();
    assert_eq!((outcome.punched, calls.load(Ordering::Relaxed)), (4, 5), "{outcome}");
    for (slab, slices) in slices.iter().enumerate() {
        check(slab, &ranges, slices);
    }
    drop(slices);
    assert_eq!((pool.stats().pinned_slabs, pool.stats().idle_bytes), (0, 4 * SIZE));
}

#[test]
fn locked_pages_are_refused_by_the_kernel() {
    let _alone = alone();
    if is_sanitized() {
        println!("skipped: AddressSanitizer makes nothing of mlock");
        return;
    }
    let pool = builder(SIZE).build().unwrap();
    let ranges = [PAGE..PAGE + 20];
    let slices = pinned(&pool, 1, &ranges);
    let base = slices[0].as_ptr().wrapping_sub(PAGE);
    // SAFETY: the slab is mapped while the slice lives; locking changes no byte.
    if unsafe { libc::mlock(base.cast(), SIZE) } != 0 {
        println!("skipped: this process may lock no memory: {}", io::Error::last_os_error());
        return;
    }
    let outcome = pool.punch();
    assert_eq!((outcome.punched, outcome.refused), (0, 1), "{outcome}");
    check(1, &ranges, &slices);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::munlock(base.cast(), SIZE) }, 0);
    assert_eq!(pool.punch().given_back_bytes, 7 * PAGE);
    check(1, &ranges, &slices);
}

#[test]
fn the_heap_gives_nothing_back_and_says_so() {
    let pool = SlabPool::builder().slab_size(SIZE).reuse(Reuse::WholeSlab).build().unwrap();
    let ranges = [PAGE..PAGE + 20];
    let slices = pinned(&pool, 1, &ranges);
    let outcome = pool.punch();
    conserved(&outcome);
    assert_eq!((outcome.pinned_slabs, outcome.not_page_backed, outcome.given_back_bytes), (1, 1, 0));
    check(1, &ranges, &slices);
}
