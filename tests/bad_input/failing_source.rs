//! A source that fails at the n-th call, for each n, under every operation that may take memory.

use crate::panic_of;
use crate::sources::odd;
use bufslab::{AllocError, BufMut, SlabBytes, SlabBytesMut, SlabPool};
use std::sync::atomic::Ordering::SeqCst;

const SLAB: usize = 64;
/// Each call, or some where that would take hours.
const STRIDE: usize = if cfg!(miri) { 9 } else { 1 };

/// Makes a buffer, or tells why not, and checks that an error says what it should.
fn asked(pool: &SlabPool, n: usize) -> Option<SlabBytesMut> {
    let before = pool.stats();
    match pool.try_alloc(n) {
        Ok(buffer) => Some(buffer),
        Err(error) => {
            is_refusal(&error, n);
            let after = pool.stats();
            assert_eq!((after.handles, after.pinned_bytes), (before.handles, before.pinned_bytes), "nothing is lost");
            None
        }
    }
}

fn is_refusal(error: &AllocError, n: usize) {
    assert!(error.is_out_of_memory() && !error.is_limit() && !error.is_too_large(), "{error}");
    assert_eq!((error.requested(), error.limit()), (n, None));
    assert!(error.to_string().contains(&format!("{n} bytes")), "{error}");
}

/// Uses a pool in every way that may take memory. Returns how many requests were refused.
fn all_operations(pool: &SlabPool) -> usize {
    let mut refused = 0;
    let mut kept: Vec<(SlabBytes, Vec<u8>)> = Vec::new();
    for round in 0..4u8 {
        for n in [40, 1, SLAB, SLAB + 1, 5 * SLAB] {
            let Some(mut buffer) = asked(pool, n) else {
                refused += 1;
                continue;
            };
            let bytes: Vec<u8> = (0..n).map(|i| (i as u8).wrapping_mul(round + 3)).collect();
            buffer.put_slice(&bytes);
            // Grow it past its slab: as it was, or larger, and with the same bytes in both cases.
            let capacity = buffer.capacity();
            match buffer.try_reserve(n + SLAB) {
                Ok(()) => assert!(buffer.capacity() >= 2 * n + SLAB),
                Err(error) => {
                    refused += 1;
                    is_refusal(&error, error.requested());
                    assert!(error.requested() >= 2 * n + SLAB, "{error}");
                    assert_eq!(buffer.capacity(), capacity);
                }
            }
            assert_eq!(buffer[..], bytes);
            let whole = buffer.freeze();
            // None of these takes slab memory.
            let (clone, part) = (whole.clone(), whole.slice(n / 2..));
            let compact = part.clone().try_compact().map_err(|(error, _)| error).unwrap();
            assert_eq!((&clone[..], &part[..], &compact[..]), (&bytes[..], &bytes[n / 2..], &bytes[n / 2..]));
            let report = pool.report();
            assert_eq!(report.totals.slices, kept.len() + 3, "{report}");
            kept.push((whole, bytes));
        }
        kept.retain(|(slice, _)| slice.len() > 1 || round % 2 == 0);
    }
    for (slice, bytes) in &kept {
        assert_eq!(slice[..], bytes[..]);
    }
    refused
}

/// Calls that [`all_operations`] makes of a source that never fails.
fn calls_without_failure() -> u64 {
    let (source, account) = odd();
    let pool = SlabPool::builder().slab_size(SLAB).idle_bytes(SLAB).source(source).build().unwrap();
    assert_eq!(all_operations(&pool), 0);
    account.calls.load(SeqCst)
}

#[test]
fn the_source_fails_at_each_call() {
    let calls = calls_without_failure();
    assert!((20..60).contains(&calls), "{calls} calls; one bit each is what the account has");
    for nth in (0..calls).step_by(STRIDE) {
        for fails in [1 << nth, u64::MAX << nth] {
            let (source, account) = odd();
            account.fails.store(fails, SeqCst);
            let pool = SlabPool::builder().slab_size(SLAB).idle_bytes(SLAB).source(source).build().unwrap();
            let refused = all_operations(&pool);
            // A second try with fewer bytes may hide the first refusal of a growing buffer.
            assert!(refused > 0 || fails == 1 << nth, "call {nth} and all after it fail, and nobody noticed");

            let stats = pool.stats();
            assert_eq!((stats.handles, stats.pinned_bytes), (0, 0));
            assert_eq!(stats.memory_bytes, account.out.load(SeqCst), "after a failure of call {nth}");
            account.fails.store(0, SeqCst);
            assert_eq!(all_operations(&pool), 0, "the pool works on");
            drop(pool);
            assert_eq!(account.out.load(SeqCst), 0, "after a failure of call {nth}");
        }
    }
}

#[test]
fn operations_that_cannot_say_no_panic_and_lose_nothing() {
    let (source, account) = odd();
    let pool = SlabPool::builder().slab_size(SLAB).source(source).build().unwrap();
    let mut buffer = pool.alloc(SLAB);
    buffer.put_bytes(1, SLAB);
    let mut full = pool.alloc(SLAB);
    full.put_bytes(2, SLAB);
    account.fails.store(u64::MAX, SeqCst);
    assert!(panic_of(|| pool.alloc(1)).contains("1 bytes"));
    assert!(panic_of(|| buffer.put_u8(1)).contains("source"));
    assert!(panic_of(|| buffer.clone()).contains("source"));
    assert!(panic_of(|| buffer.unsplit(full)).contains("source"));
    assert_eq!(buffer[..], [1; SLAB]);
    let before = pool.stats();
    for n in SLAB + 1..SLAB + 200 {
        assert!(pool.try_alloc(n).is_err());
    }
    assert_eq!(pool.stats(), before, "refusals add up to nothing");
    account.fails.store(0, SeqCst);
    buffer.put_u8(3);
    assert_eq!((buffer.len(), buffer[SLAB]), (SLAB + 1, 3));
    drop(buffer);
    assert_eq!(pool.stats().pinned_bytes, 0);
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}

#[test]
fn the_source_panics_at_each_call() {
    let calls = calls_without_failure();
    for nth in (0..calls).step_by(STRIDE) {
        let (source, account) = odd();
        account.panics.store(1 << nth, SeqCst);
        let pool = SlabPool::builder().slab_size(SLAB).idle_bytes(SLAB).max_bytes(100 * SLAB).source(source).build();
        let pool = pool.unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| all_operations(&pool)));
        assert!(outcome.is_err(), "call {nth} was not made");
        account.panics.store(0, SeqCst);
        let stats = pool.stats();
        assert_eq!((stats.handles, stats.pinned_bytes), (0, 0), "after a panic in call {nth}");
        assert_eq!(stats.memory_bytes, account.out.load(SeqCst), "after a panic in call {nth}");
        assert_eq!(all_operations(&pool), 0, "the pool works on");
        let elsewhere = pool.clone();
        let elsewhere = std::thread::spawn(move || all_operations(&elsewhere)).join().unwrap();
        assert_eq!(elsewhere, 0, "and so it does on other threads");
        drop(pool);
        assert_eq!(account.out.load(SeqCst), 0, "after a panic in call {nth}");
    }
}

#[test]
fn a_source_that_allocates_from_the_pool_it_feeds() {
    let (source, account) = odd();
    let pool = SlabPool::builder().slab_size(SLAB).source(source).build().unwrap();
    *account.calls_back.lock().unwrap() = Some(pool.clone());
    let mut outer = pool.alloc(SLAB);
    outer.put_bytes(9, SLAB);
    {
        let mut taken = account.taken.lock().unwrap();
        assert_eq!(taken.len(), 2, "it called back");
        for inner in taken.iter_mut() {
            inner.put_bytes(5, 16);
        }
        assert_eq!(outer[..], [9; SLAB], "the buffers are apart");
        assert_eq!(pool.stats().handles, 3);
        taken.clear();
    }
    drop(outer);
    assert_eq!(all_operations(&pool), 0);
    assert_eq!(pool.stats().pinned_bytes, 0);
    assert_eq!(pool.stats().memory_bytes, account.out.load(SeqCst));
    *account.calls_back.lock().unwrap() = None;
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}
