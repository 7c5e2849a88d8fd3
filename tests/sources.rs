//! Where slab memory may come from: pages, a region of the user's, memory that others share.
#![allow(missing_docs)]

use bufslab::{RegionSource, Reuse, SlabPool, SlabSource, StableRegion};
use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SLAB: usize = 4096;

fn pool_of(region: &RegionSource) -> SlabPool {
    let size = region.slab_size();
    SlabPool::builder().slab_size(size).reuse(Reuse::WholeSlab).source(region.clone()).build().unwrap()
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn a_source_of_two_methods_is_one_still() {
    /// As sources were before pages could be given back.
    struct Old;

    // SAFETY: memory is the heap's.
    unsafe impl SlabSource for Old {
        fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
            bufslab::HeapSource.allocate(layout)
        }

        unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
            // SAFETY: as asked for.
            unsafe { bufslab::HeapSource.deallocate(memory, layout) }
        }
    }

    let pool = SlabPool::builder().slab_size(SLAB).source(Old).build().unwrap();
    let kept: Vec<_> = (0..4).map(|_| pool.alloc(SLAB)).collect();
    let outcome = pool.punch();
    assert_eq!((outcome.pinned_slabs, outcome.attached, outcome.not_page_backed), (4, 2, 2));
    let report = pool.report();
    assert_eq!((&*report.backing.kind, report.totals.resident_bytes), ("custom source", None));
    drop(kept);
}

#[test]
fn slabs_of_a_region_lie_side_by_side() {
    for (bytes, size, stride) in
        [(10 * SLAB, SLAB, SLAB), (100_000, 1000, 1024), (640, 64, 64), (1000, 10, 10), (99, 1, 1)]
    {
        let region = RegionSource::new(vec![0; bytes], size).unwrap();
        assert_eq!((region.slab_size(), region.len()), (stride, bytes));
        // Up to a cache line may be lost at the start.
        assert!((bytes / stride - 1..=bytes / stride).contains(&region.slabs()), "{region:?}");
        let layout = Layout::from_size_align(size, if size >= 64 { 64 } else { 1 }).unwrap();
        let slabs: Vec<NonNull<u8>> = (0..region.slabs()).map(|_| region.allocate(layout).unwrap()).collect();
        assert_eq!(region.allocate(layout), None, "there is no more");
        for (i, slab) in slabs.iter().enumerate() {
            assert_eq!(slab.as_ptr().addr() % layout.align(), 0);
            let place = region.place_of_raw(slab.as_ptr(), size).unwrap();
            assert_eq!((place.slab, place.offset_in_slab, place.offset), (i, 0, region.slab_offset(i)));
            assert_eq!(slab.as_ptr().addr(), region.as_ptr().as_ptr().addr() + place.offset);
            assert_eq!(region.place_of_raw(slab.as_ptr(), stride + 1), None, "it does not end in the slab");
        }
        // Given back, one is the next to be taken.
        // SAFETY: they came from this source with this layout, and are given back once.
        unsafe { region.deallocate(slabs[0], layout) };
        assert_eq!(region.allocate(layout), Some(slabs[0]));
        // SAFETY: as above.
        slabs.iter().for_each(|&slab| unsafe { region.deallocate(slab, layout) });
    }
}

#[test]
fn a_region_that_is_too_small_says_so() {
    for (bytes, size) in [(0, 1), (100, 0), (100, 101), (SLAB, usize::MAX), (63, 64)] {
        let error = RegionSource::new(vec![0; bytes], size).unwrap_err();
        assert_eq!((error.field(), error.value()), ("slab_size", &*size.to_string()));
        assert!(error.to_string().contains(&format!("the region of {bytes} bytes")), "{error}");
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn slices_of_a_region_are_found_in_it() {
    let memory: Box<[MaybeUninit<u8>]> = Box::new_uninit_slice(8 * SLAB + 64);
    let region = RegionSource::new(memory, SLAB).unwrap();
    let pool = pool_of(&region);
    let mut kept = Vec::new();
    for i in 0..12u8 {
        let mut read = pool.alloc(2000);
        read.resize(2000, i);
        let place = region.place_of(&read).unwrap();
        let spare = read.spare_capacity_mut();
        assert!(spare.is_empty() || region.place_of_raw(spare.as_ptr().cast(), spare.len()).is_some());
        let slice = read.freeze().slice(100..300);
        let inner = region.place_of(&slice).unwrap();
        assert_eq!(
            (inner.slab, inner.offset, inner.offset_in_slab),
            (place.slab, place.offset + 100, place.offset_in_slab + 100)
        );
        kept.push(slice);
    }
    let elsewhere = kept[0].clone().compact();
    assert_eq!(region.place_of(&elsewhere), None);
    assert_eq!(region.place_of(b"static"), None);
    // Used up: an error like any other, and nothing is lost.
    let rest: Vec<_> = std::iter::from_fn(|| pool.try_alloc(SLAB).ok()).collect();
    let error = pool.try_alloc(SLAB).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    assert!(pool.try_alloc(region.slab_size() + 1).unwrap_err().is_out_of_memory(), "no slab of its own for it");
    drop(rest);
    assert!(pool.try_alloc(SLAB).is_ok());
    for (i, slice) in kept.iter().enumerate() {
        assert!(slice.iter().all(|&byte| usize::from(byte) == i));
    }
}

#[test]
fn a_region_lives_until_its_last_slice_is_gone() {
    let freed = Arc::new(AtomicUsize::new(0));
    let memory = Box::into_raw(vec![0u8; 4 * SLAB].into_boxed_slice());
    let count = Arc::clone(&freed);
    let memory_again = NonNull::new(memory).unwrap();
    struct Send<T>(T);
    // SAFETY: the memory is touched by the source alone until it calls back.
    unsafe impl<T> std::marker::Send for Send<T> {}
    let owner = Send(memory);
    let on_free = move || {
        let owner = owner;
        count.fetch_add(1, Ordering::Relaxed);
        // SAFETY: it came out of a box, and the source is done with it.
        drop(unsafe { Box::from_raw({ owner }.0) });
    };
    // SAFETY: the box is valid for reads and writes, stays where it is, and is nobody else's until `on_free`.
    let region = unsafe { RegionSource::from_raw(memory_again.cast(), 4 * SLAB, SLAB, on_free) }.unwrap();
    let pool = pool_of(&region);
    let mut read = pool.alloc(100);
    read.extend_from_slice(&[7; 100]);
    let slice = read.freeze().slice(..10);
    drop(region);
    drop(pool);
    // This thread's part of the pool goes too.
    assert_eq!(freed.load(Ordering::Relaxed), 0);
    let slice = std::thread::spawn(move || slice.clone()).join().unwrap();
    assert_eq!(slice, [7; 10]);
    drop(slice);
    assert_eq!(freed.load(Ordering::Relaxed), 1);
}

#[test]
fn a_region_that_is_refused_is_freed() {
    let freed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&freed);
    // SAFETY: a region of no bytes is valid.
    let refused = unsafe {
        RegionSource::from_raw(NonNull::dangling(), 0, SLAB, move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
    };
    assert!(refused.is_err());
    assert_eq!(freed.load(Ordering::Relaxed), 1);
}

#[test]
fn memory_that_is_borrowed_for_ever() {
    let memory: &'static mut [MaybeUninit<u8>] = Box::leak(Box::new_uninit_slice(4 * SLAB));
    let start = memory.as_ptr();
    let region = RegionSource::new(memory, SLAB).unwrap();
    let pool = pool_of(&region);
    let mut read = pool.alloc(SLAB);
    read.resize(SLAB, 1);
    assert_eq!(read[..], [1; SLAB]);
    drop((read, pool));
    // SAFETY: it was leaked above, and a drop of the region leaves it alone.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(start.cast_mut(), 4 * SLAB)) });
}

/// A region that owns its memory inside of itself: it must not be moved or looked at after it was asked where that is.
#[test]
fn a_region_inside_of_its_owner() {
    struct Inline([u8; 4 * SLAB]);

    // SAFETY: the array is this value's, which is not moved any more when it is asked.
    unsafe impl StableRegion for Inline {
        fn memory(&mut self) -> NonNull<[u8]> {
            NonNull::from(&mut self.0[..])
        }
    }

    let region = RegionSource::new(Inline([0; 4 * SLAB]), SLAB).unwrap();
    let pool = pool_of(&region);
    let kept: Vec<_> = (0..3u8)
        .map(|i| {
            let mut read = pool.alloc(SLAB);
            read.resize(SLAB, i);
            read.freeze()
        })
        .collect();
    drop(region);
    for (i, slice) in kept.iter().enumerate() {
        assert!(slice.iter().all(|&byte| usize::from(byte) == i));
    }
}

#[cfg(all(target_os = "linux", feature = "mmap", not(miri)))]
#[path = "sources/linux.rs"]
mod linux;
