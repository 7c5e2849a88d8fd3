//! `trim`, `close` and the end of a pool, with slabs in other threads' hands.

use super::stop::Stop;
use crate::source::counting;
use crate::{Hand, SLAB, until, whole};
use bufslab::SlabPool;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// A pool whose idle slabs stay, and its source's account.
fn pool() -> (SlabPool, std::sync::Arc<crate::source::Account>) {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_decay(Duration::ZERO).source(source).build().unwrap();
    (pool, account)
}

/// Has a thread use six slabs: it is attached to two then, and has four idle ones at hand.
fn six(pool: &SlabPool, on: &Hand) {
    let used = pool.clone();
    on.does(move || drop((0..6).map(|_| whole(&used)).collect::<Vec<_>>()));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn trimming_reaches_every_thread() {
    let (pool, account) = pool();
    assert_eq!(pool.trim().to_string(), "gave back no idle slab");
    let hands = [Hand::new(), Hand::new()];
    hands.iter().for_each(|hand| six(&pool, hand));
    drop((0..9).map(|_| whole(&pool)).collect::<Vec<_>>());
    assert_eq!((pool.stats().idle_bytes, account.out()), ((4 + 4 + 7) * SLAB, 21 * SLAB));

    assert_eq!(pool.trim_to(16 * SLAB).slabs, 0);
    let trimmed = pool.trim_to(14 * SLAB);
    assert_eq!((trimmed.slabs, trimmed.bytes), (1, SLAB));
    assert_eq!(trimmed.to_string(), "gave back 1 idle slab (4.0 KiB)");
    assert_eq!(pool.trim_to(3 * SLAB - 1).bytes, 12 * SLAB, "at most that much is left");
    assert_eq!(pool.stats().idle_bytes, 2 * SLAB);
    assert_eq!(pool.trim().slabs, 2);
    let stats = pool.stats();
    assert_eq!((stats.idle_bytes, stats.memory_bytes, account.out()), (0, 6 * SLAB, 6 * SLAB));

    // Everybody works on, with fresh memory.
    hands.iter().for_each(|hand| six(&pool, hand));
    assert_eq!(pool.stats().idle_bytes, 8 * SLAB);
    hands.into_iter().for_each(Hand::ends);
    assert_eq!(pool.stats().idle_bytes, 12 * SLAB, "what dying threads leave is everybody's");
    drop(pool);
    assert_eq!(account.out(), 0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn what_threads_have_at_hand_goes_last_and_its_hottest_at_the_very_last() {
    let (pool, _) = pool();
    let slices: Vec<_> = (0..8).map(|_| whole(&pool)).collect();
    let address = |slice: &bufslab::SlabBytes| slice.as_ptr().addr();
    // The first four go into this thread's magazine, two are for everybody, and the last two stay attached.
    let addresses: Vec<usize> = slices.iter().map(address).collect();
    drop(slices);
    assert_eq!(pool.trim_to(2 * SLAB).slabs, 4);
    let kept: Vec<_> = (0..4).map(|_| whole(&pool)).collect();
    let again: Vec<usize> = kept.iter().map(address).collect();
    assert_eq!((again[2..].to_vec(), pool.stats().idle_bytes), (vec![addresses[3], addresses[2]], 0));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn another_slab_size_empties_magazines_too() {
    let (pool, account) = pool();
    let hand = Hand::new();
    six(&pool, &hand);
    drop((0..7).map(|_| whole(&pool)).collect::<Vec<_>>());
    pool.set_slab_size(2 * SLAB).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.idle_bytes, stats.memory_bytes, account.out()), (0, 4 * SLAB, 4 * SLAB));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn closing_takes_what_threads_have_at_hand() {
    let (pool, account) = pool();
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    hands.iter().for_each(|hand| six(&pool, hand));
    pool.close(Duration::ZERO).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.idle_bytes, stats.memory_bytes), (0, 6 * SLAB), "two for each thread are attached");
    hands.into_iter().for_each(Hand::ends);
    assert_eq!((pool.stats().memory_bytes, account.out()), (0, 0));
}

/// It takes a while to overwrite a slab before it is put down: longer than `close` takes.
#[test]
#[cfg_attr(miri, ignore = "overwrites 64 MiB")]
fn a_slab_that_comes_back_while_the_pool_is_closed_is_not_kept() {
    const LARGE: usize = 64 << 20;
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(LARGE).idle_bytes(usize::MAX).zero_on_recycle(true).source(source);
    let pool = pool.build().unwrap();
    let used = pool.clone();
    let other = std::thread::spawn(move || {
        let first = used.alloc(LARGE);
        // These two stay attached, and the first one is left to its slice.
        drop((used.alloc(LARGE), used.alloc(LARGE)));
        drop(first);
    });
    until("nobody holds a slice", std::thread::yield_now, || {
        let stats = pool.stats();
        stats.slabs_taken == 3 && stats.handles == 0
    });
    pool.close(Duration::ZERO).unwrap();
    other.join().unwrap();
    assert_eq!((pool.stats().idle_bytes, account.out()), (0, 0));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn trimming_while_others_use_the_pool() {
    let (pool, account) = pool();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = [6, 11].map(|slabs| {
            let (pool, over) = (&pool, &over);
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    let slices: Vec<_> = (0..slabs).map(|_| whole(pool)).collect();
                    assert!(slices.iter().all(|slice| slice.iter().all(|&byte| byte == 1)));
                }
            })
        });
        let stop = Stop(&over);
        let (given, mut round) = (std::cell::Cell::new(0), 0);
        let trim = || {
            given.set(given.get() + pool.trim_to(round % 4 * SLAB).slabs);
            round += 1;
            std::thread::yield_now();
        };
        until("slabs are given back", trim, || given.get() > if cfg!(miri) { 10 } else { 60 });
        drop(stop);
        busy.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let stats = pool.stats();
    assert_eq!((stats.memory_bytes, account.out()), (stats.idle_bytes, stats.idle_bytes), "{stats:?}");
    assert_eq!(pool.trim().bytes, stats.idle_bytes);
    assert_eq!(account.out(), 0);
}
