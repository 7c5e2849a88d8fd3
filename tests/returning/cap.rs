//! Memory that one thread has at hand and another one needs.

use crate::source::{Account, counting};
use crate::{Hand, SLAB, whole};
use bufslab::{SlabBytes, SlabPool};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// A pool of eight slabs, and a thread that waits, attached to two, with four idle ones at hand.
fn with_a_sleeper(max: Option<usize>) -> (SlabPool, Arc<Account>, Hand) {
    let (source, account) = counting();
    let builder = SlabPool::builder().slab_size(SLAB).idle_decay(Duration::ZERO).source(source);
    let pool = match max {
        Some(max) => builder.max_bytes(max).build().unwrap(),
        None => builder.build().unwrap(),
    };
    let hand = Hand::new();
    let used = pool.clone();
    hand.does(move || drop((0..6).map(|_| whole(&used)).collect::<Vec<_>>()));
    assert_eq!((pool.stats().idle_bytes, account.out()), (4 * SLAB, 6 * SLAB));
    (pool, account, hand)
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn at_the_cap_a_sleepers_magazine_is_used() {
    let (pool, account, hand) = with_a_sleeper(Some(8 * SLAB));
    let mine: Vec<SlabBytes> = (0..6).map(|_| whole(&pool)).collect();
    let stats = pool.stats();
    assert_eq!((stats.idle_bytes, stats.memory_bytes, stats.slabs_taken, stats.slabs_reused), (0, 8 * SLAB, 8, 4));
    assert!(pool.try_alloc(1).unwrap_err().is_limit(), "the sleeper's two attached slabs are out of reach");
    assert_eq!(
        (account.calls.load(SeqCst), account.peak.load(SeqCst)),
        (8, 8 * SLAB),
        "none went to the source and back"
    );
    // The sleeper wakes up and finds nothing at hand: it goes on with what it is attached to.
    let used = pool.clone();
    hand.does(move || {
        let two = (whole(&used), whole(&used));
        assert!(used.try_alloc(1).unwrap_err().is_limit());
        drop(two);
    });
    drop(mine);
    assert_eq!(pool.stats().idle_bytes, 4 * SLAB);
    hand.ends();
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn at_the_cap_a_large_request_gets_a_sleepers_memory() {
    let (pool, account, hand) = with_a_sleeper(Some(8 * SLAB));
    assert!(pool.try_alloc(6 * SLAB + 1).unwrap_err().is_limit());
    let large = pool.try_alloc(6 * SLAB).unwrap();
    let stats = pool.stats();
    assert_eq!((large.capacity(), stats.idle_bytes, stats.memory_bytes), (6 * SLAB, 0, 8 * SLAB));
    assert_eq!(account.out(), 8 * SLAB);
    hand.ends();
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn when_the_source_has_none_a_sleepers_magazine_is_used() {
    let (pool, account, _hand) = with_a_sleeper(None);
    account.fails_every.store(1, SeqCst);
    let mine: Vec<SlabBytes> = (0..4).map(|_| whole(&pool)).collect();
    assert!(pool.try_alloc(1).unwrap_err().is_out_of_memory());
    assert!(pool.try_alloc(SLAB + 1).unwrap_err().is_out_of_memory());
    assert_eq!((mine.len(), pool.stats().memory_bytes, account.out()), (4, 6 * SLAB, 6 * SLAB));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn below_the_cap_everyone_keeps_its_own() {
    let (pool, account, hand) = with_a_sleeper(Some(20 * SLAB));
    let mine: Vec<SlabBytes> = (0..6).map(|_| whole(&pool)).collect();
    assert_eq!((pool.stats().idle_bytes, account.out()), (4 * SLAB, 12 * SLAB));
    let used = pool.clone();
    hand.does(move || drop((0..6).map(|_| whole(&used)).collect::<Vec<_>>()));
    assert_eq!(account.calls.load(SeqCst), 12, "the sleeper found all of it again");
    drop(mine);
}
