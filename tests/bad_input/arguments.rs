//! Arguments at the edge and past it.

use crate::panic_of;
use bufslab::{Buf, BufMut, SlabBytes, SlabPool};
use std::ops::{Bound, RangeBounds};

#[test]
fn slab_sizes_of_any_number() {
    for size in [1, 3, 4097, 1 << 30] {
        let pool = SlabPool::builder().slab_size(size).build().unwrap();
        assert_eq!(pool.slab_size(), size);
    }
    let pool = SlabPool::new();
    for size in [0, (1 << 30) + 1, usize::MAX] {
        let from_builder = SlabPool::builder().slab_size(size).build().unwrap_err();
        let at_run_time = pool.set_slab_size(size).unwrap_err();
        for error in [from_builder, at_run_time] {
            assert_eq!((error.field(), error.value()), ("slab_size", &*size.to_string()));
            assert!(error.to_string().contains("from 1 B to 1 GiB"), "{error}");
        }
        assert_eq!(pool.slab_size(), 64 * 1024, "a refused size changes nothing");
    }
}

#[test]
fn slabs_of_one_and_of_three_bytes_work() {
    for size in [1, 3] {
        let pool = SlabPool::builder().slab_size(size).build().unwrap();
        let kept: Vec<SlabBytes> = (0..20)
            .map(|i| {
                let mut buffer = pool.alloc(1 + i % 4);
                buffer.put_bytes(i as u8, 1 + i % 4);
                buffer.freeze()
            })
            .collect();
        for (i, slice) in kept.iter().enumerate() {
            assert_eq!(slice[..], vec![i as u8; 1 + i % 4]);
        }
        let report = pool.report();
        assert_eq!((report.totals.slices, report.totals.live_bytes), (20, 50));
        drop(kept);
        assert_eq!(pool.stats().pinned_bytes, 0);
    }
}

#[test]
fn a_cap_below_one_slab() {
    let error = SlabPool::builder().slab_size(4096).max_bytes(4095).build().unwrap_err();
    assert_eq!((error.field(), error.value()), ("max_bytes", "4095"));
    assert!(error.to_string().contains("4 KiB"), "{error}");

    let pool = SlabPool::builder().slab_size(4096).max_bytes(4096).build().unwrap();
    assert_eq!(pool.set_slab_size(4097).unwrap_err().field(), "slab_size");
    assert_eq!(pool.alloc(4096).capacity(), 4096);
}

#[test]
fn allocations_of_any_number() {
    let pool = SlabPool::builder().slab_size(4096).build().unwrap();
    for n in [0, 1, 4095, 4096, 4097, 100_000] {
        let mut buffer = pool.alloc(n);
        assert_eq!((buffer.len(), buffer.capacity()), (0, n));
        assert_eq!(buffer.retained_size(), if n == 0 || cfg!(bufslab_one_each) { n } else { n.max(4096) });
        buffer.put_bytes(7, n);
        assert_eq!((buffer.len(), buffer.capacity()), (n, n), "it was filled without growing");
        assert_eq!(buffer.freeze()[..], vec![7; n]);
    }
    let before = pool.stats();
    for n in [isize::MAX as usize, isize::MAX as usize + 1, usize::MAX - 1, usize::MAX] {
        let error = pool.try_alloc(n).unwrap_err();
        assert_eq!(error.requested(), n);
        assert!(error.to_string().contains(&n.to_string()), "{error}");
        assert!(error.limit() == Some(isize::MAX as usize) || error.is_out_of_memory(), "{error:?}");
        assert_eq!(panic_of(|| pool.alloc(n)), error.to_string());
    }
    let after = pool.stats();
    assert_eq!((after.memory_bytes, after.pinned_bytes), (before.memory_bytes, 0));
    assert_eq!(pool.alloc(10).capacity(), 10);
}

#[test]
fn reserve_beyond_any_memory_on_a_buffer_that_was_read_from() {
    let pool = SlabPool::builder().slab_size(4096).build().unwrap();
    for read in [0, 1, 9, 10] {
        for less in [0, 1, 5, 9, 10, 11, 64] {
            let mut buffer = pool.alloc(20);
            buffer.put_slice(b"0123456789");
            buffer.advance(read);
            let capacity = buffer.capacity();
            let error = buffer.try_reserve(usize::MAX - less).unwrap_err();
            assert!(error.is_too_large() && error.limit() == Some(isize::MAX as usize), "{error}");
            assert!(!buffer.try_reclaim(usize::MAX - less));
            let text = panic_of(|| buffer.reserve(usize::MAX - less));
            assert!(text.contains("overflow") || text.contains("isize::MAX"), "{text}");
            assert_eq!((buffer.capacity(), &buffer[..]), (capacity, &b"0123456789"[read..]), "it is as it was");
            buffer.put_slice(b"more than there is room for");
            assert_eq!(buffer.len(), 10 - read + 27, "and works on");
        }
    }
    let mut buffer = pool.alloc(0);
    assert!(buffer.try_reserve(usize::MAX).unwrap_err().is_too_large());
    buffer.put_u8(1);
    assert_eq!(buffer[..], [1]);
    assert!(panic_of(|| buffer.resize(usize::MAX, 0)).contains("isize::MAX"));
    assert_eq!(buffer[..], [1]);
}

/// Slices by `range`, and compares with what a `Vec` gives.
fn agrees(bytes: &SlabBytes, range: impl RangeBounds<usize> + Clone + std::fmt::Debug) {
    let mut start = match range.start_bound() {
        Bound::Included(&n) => n as u128,
        Bound::Excluded(&n) => n as u128 + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&n) => n as u128 + 1,
        Bound::Excluded(&n) => n as u128,
        Bound::Unbounded => bytes.len() as u128,
    };
    if start <= end && end <= bytes.len() as u128 {
        let slice = bytes.slice(range.clone());
        assert_eq!(slice[..], bytes[start as usize..end as usize], "{range:?}");
        start = end;
        assert_eq!(slice.is_empty(), slice.retained_size() == 0, "{range:?}");
        assert!(start <= bytes.len() as u128);
    } else {
        let text = panic_of(|| bytes.slice(range.clone()));
        assert!(text.starts_with("range "), "{range:?}: {text}");
    }
}

#[test]
fn every_form_of_range() {
    let pool = SlabPool::builder().slab_size(64).build().unwrap();
    let mut buffer = pool.alloc(64);
    buffer.put_slice(b"0123456789");
    let bytes = buffer.freeze();
    let numbers = [0, 1, 5, 9, 10, 11, usize::MAX - 1, usize::MAX];
    agrees(&bytes, ..);
    for a in numbers {
        agrees(&bytes, a..);
        agrees(&bytes, ..a);
        agrees(&bytes, ..=a);
        agrees(&bytes, (Bound::Excluded(a), Bound::Unbounded));
        for b in numbers {
            agrees(&bytes, a..b);
            agrees(&bytes, a..=b);
            agrees(&bytes, (Bound::Excluded(a), Bound::Excluded(b)));
            agrees(&bytes, (Bound::Excluded(a), Bound::Included(b)));
        }
    }
    assert_eq!(pool.stats().handles, 1, "no failed slice left a handle behind");
}

#[test]
fn positions_out_of_bounds_panic_and_change_nothing() {
    let pool = SlabPool::builder().slab_size(64).build().unwrap();
    let mut buffer = pool.alloc(20);
    buffer.put_slice(b"0123456789");
    for at in [11, 20, 21, usize::MAX] {
        panic_of(|| buffer.split_to(at));
        panic_of(|| buffer.advance(at));
        if at > 20 {
            panic_of(|| buffer.split_off(at));
        }
    }
    panic_of(|| buffer.extend_from_within(5..11));
    assert_eq!((&buffer[..], buffer.capacity()), (&b"0123456789"[..], 20));
    let mut bytes = buffer.freeze();
    for at in [11, usize::MAX] {
        panic_of(|| bytes.split_to(at));
        panic_of(|| bytes.split_off(at));
        panic_of(|| bytes.advance(at));
    }
    panic_of(|| bytes.slice_ref(b"not a part"));
    let other = bytes.slice(..5);
    panic_of(|| other.slice_ref(&bytes[3..8]));
    drop(other);
    assert_eq!((&bytes[..], pool.stats().handles), (&b"0123456789"[..], 1));
}
