//! `max_bytes` and the ledger's budget, reached.

use super::stop::Stop;
use crate::sources::odd;
use bufslab::{BufMut, SlabBytes, SlabPool};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

const SLAB: usize = 4096;
const MAX: usize = 5 * SLAB;
const ROUNDS: usize = if cfg!(miri) { 30 } else { 4_000 };

#[test]
fn the_cap_holds_while_many_threads_run_into_it() {
    let (source, account) = odd();
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(MAX).source(source).build().unwrap();
    let (refused, granted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        let busy = [0, 1, 2, 3].map(|thread: u8| {
            let (pool, refused, granted, start) = (&pool, &refused, &granted, &start);
            scope.spawn(move || {
                let mut kept: Vec<SlabBytes> = Vec::new();
                start.wait();
                for round in 0..ROUNDS {
                    // Some of them need a slab of their own.
                    let n = [100, 1500, SLAB, 2 * SLAB][(round + usize::from(thread)) % 4];
                    match pool.try_alloc(n) {
                        Ok(mut buffer) => {
                            buffer.put_bytes(thread, n);
                            kept.push(buffer.freeze());
                            granted.fetch_add(1, SeqCst);
                        }
                        Err(error) => {
                            assert!(
                                error.is_limit() && error.limit() == Some(MAX) && error.requested() == n,
                                "{error}"
                            );
                            refused.fetch_add(1, SeqCst);
                            kept.truncate(kept.len() / 2);
                            std::thread::yield_now();
                        }
                    }
                    assert!(kept.iter().all(|slice| slice.iter().all(|&byte| byte == thread)));
                    kept.truncate(6);
                }
            })
        });
        let sampler = scope.spawn(|| {
            while !over.load(SeqCst) {
                let stats = pool.stats();
                assert!(stats.memory_bytes <= MAX, "{stats:?}");
                std::thread::yield_now();
            }
        });
        // The end of the scope alone does not wait for the threads' locals, which hold slabs.
        let stop = Stop(&over);
        busy.into_iter().for_each(|thread| thread.join().unwrap());
        drop(stop);
        sampler.join().unwrap();
    });
    assert!(refused.load(SeqCst) > 0 && granted.load(SeqCst) > 0, "nobody ran into the cap");
    assert!(account.peak.load(SeqCst) <= MAX, "the source never had more out");
    let stats = pool.stats();
    assert_eq!((stats.handles, stats.pinned_bytes), (0, 0));
    // The threads are gone: all of the memory can be had again, by anyone, and at once.
    let all: Vec<_> = (0..MAX / SLAB).map(|_| pool.try_alloc(SLAB).unwrap()).collect();
    assert_eq!(pool.stats().pinned_bytes, MAX);
    assert!(pool.try_alloc(1).unwrap_err().is_limit());
    drop(all);
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn idle_memory_makes_way_for_a_large_request() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(MAX).build().unwrap();
    drop((0..MAX / SLAB).map(|_| pool.alloc(SLAB)).collect::<Vec<_>>());
    assert!(pool.stats().idle_bytes > 0);
    // Two slabs stay attached to this thread.
    let large = pool.try_alloc(MAX - 2 * SLAB).unwrap();
    assert_eq!(pool.stats().memory_bytes, MAX);
    let error = pool.try_alloc(SLAB + 1).unwrap_err();
    assert!(error.is_limit());
    assert!(error.to_string().contains(&MAX.to_string()), "{error}");
    drop(large);
    assert!(pool.try_alloc(SLAB + 1).is_ok());
}

#[test]
fn the_cap_is_met_to_the_byte() {
    for max in [SLAB, 10_000, 10_001] {
        let pool = SlabPool::builder().slab_size(SLAB).max_bytes(max).build().unwrap();
        assert!(pool.try_alloc(max + 1).unwrap_err().is_limit());
        let all = pool.try_alloc(max).unwrap();
        assert_eq!((all.capacity(), pool.stats().memory_bytes), (max, max));
        assert!(pool.try_alloc(1).unwrap_err().is_limit());
    }
}

#[test]
fn past_the_ledgers_budget_handles_are_counted_and_not_listed() {
    for budget in [0, 1024, 2048, 5000] {
        let pool = SlabPool::builder().slab_size(SLAB).max_ledger_bytes(budget).build().unwrap();
        let mut buffer = pool.alloc(100);
        buffer.put_bytes(3, 100);
        let whole = buffer.freeze();
        let clones: Vec<SlabBytes> = (0..200).map(|i| whole.slice(i % 50..)).collect();
        let report = pool.report();
        let totals = &report.totals;
        assert_eq!((totals.slabs, totals.slices + totals.untracked, totals.in_motion), (1, 201, 0), "{report}");
        assert!(totals.untracked > 0, "a budget of {budget} bytes is too small for 201 slots");
        assert!(totals.untracked == 201 || budget >= 1024);
        assert_eq!(totals.pinned_bytes, if cfg!(bufslab_one_each) { 100 } else { SLAB });
        assert_eq!(pool.stats().handles, 201);
        assert!(!whole.is_unique() && whole.try_into_mut().is_err());
        for (i, slice) in clones.iter().enumerate() {
            assert_eq!(slice[..], [3; 100][i % 50..]);
        }
        std::thread::spawn(move || drop(clones)).join().unwrap();
        assert_eq!(pool.stats().pinned_bytes, 0);
        assert!(pool.report().is_empty());
    }
}

/// Asks a pool for all kinds of buffers, on several threads, while slab sizes change.
fn hustle(pool: &SlabPool, threads: u64, rounds: usize) -> (usize, usize) {
    const SIZES: [usize; 4] = [SLAB, SLAB / 4, 2 * SLAB, 1000];
    let (refused, granted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let busy: Vec<_> = (0..threads)
            .map(|thread| {
                let (refused, granted) = (&refused, &granted);
                scope.spawn(move || {
                    let mut kept: Vec<SlabBytes> = Vec::new();
                    let mut random = thread + 1;
                    for _ in 0..rounds {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        let dice = (random >> 33) as usize;
                        if dice % 50 == 0 {
                            pool.set_slab_size(SIZES[dice / 50 % SIZES.len()]).unwrap();
                        }
                        let n = [1, 100, 1500, SLAB, 2 * SLAB + 1, MAX][dice % 6];
                        // A source that panics does so here.
                        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.try_alloc(n)));
                        match outcome {
                            Ok(Ok(mut buffer)) => {
                                buffer.put_bytes(thread as u8, n);
                                kept.push(buffer.freeze());
                                granted.fetch_add(1, SeqCst);
                            }
                            Ok(Err(_)) | Err(_) => {
                                refused.fetch_add(1, SeqCst);
                                kept.truncate(kept.len() / 2);
                                std::thread::yield_now();
                            }
                        }
                        assert!(kept.iter().all(|slice| slice.iter().all(|&byte| byte == thread as u8)));
                        kept.truncate(dice % 8);
                    }
                })
            })
            .collect();
        busy.into_iter().for_each(|thread| thread.join().unwrap());
    });
    (refused.load(SeqCst), granted.load(SeqCst))
}

#[test]
fn the_source_never_has_more_out_than_the_cap() {
    let (source, account) = odd();
    account.slow.store(true, SeqCst);
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(MAX).idle_bytes(2 * SLAB).source(source).build().unwrap();
    let (refused, granted) = hustle(&pool, 8, ROUNDS / 2);
    assert!(refused > 0 && granted > 0, "{refused} refused, {granted} granted: this was no hustle");
    let peak = account.peak.load(SeqCst);
    assert!((MAX - SLAB..=MAX).contains(&peak), "the cap of {MAX} was not run into: {peak}");
    assert_eq!(pool.stats().memory_bytes, account.out.load(SeqCst));
    assert_eq!(pool.stats().handles, 0);
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}

#[test]
fn cap_and_conservation_hold_when_every_nth_call_of_the_source_fails() {
    for every in 1..=12 {
        for panics in [false, true] {
            let (source, account) = odd();
            let nth = if panics { &account.panics_every } else { &account.fails_every };
            nth.store(every, SeqCst);
            let pool =
                SlabPool::builder().slab_size(SLAB).max_bytes(MAX).idle_bytes(SLAB).source(source).build().unwrap();
            let (refused, granted) = hustle(&pool, 4, ROUNDS / 20);
            assert!(refused > 0 && (granted > 0 || every == 1), "every {every}: {refused} refused, {granted} granted");
            let stats = pool.stats();
            assert_eq!((stats.handles, stats.pinned_bytes), (0, 0), "every {every}");
            assert_eq!(stats.memory_bytes, account.out.load(SeqCst), "every {every}, panics: {panics}");
            assert!(account.peak.load(SeqCst) <= MAX);
            // All of it can be had again, by anyone.
            nth.store(0, SeqCst);
            pool.set_slab_size(SLAB).unwrap();
            drop(pool.try_alloc(MAX).unwrap());
            drop(pool);
            assert_eq!(account.out.load(SeqCst), 0, "every {every}, panics: {panics}");
        }
    }
}
