//! `maintain`, by hand and by the thread that does it.

use crate::source::counting;
use crate::{Hand, SLAB, until, whole};
use bufslab::SlabPool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const DECAY: Duration = Duration::from_millis(20);

fn wait() {
    std::thread::sleep(Duration::from_millis(2));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn a_quiet_pool_is_emptied_by_the_thread() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_decay(DECAY).source(source).build().unwrap();
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let maintenance = pool.maintain_every(Duration::from_millis(5)).unwrap();
    for hand in &hands {
        let used = pool.clone();
        hand.does(move || drop((0..60).map(|_| whole(&used)).collect::<Vec<_>>()));
    }
    assert!(account.peak.load(SeqCst) >= 60 * SLAB);
    // From here on nobody touches the pool.
    until("it is emptied", wait, || account.out() <= 3 * 2 * SLAB);
    until("the round is over", wait, || maintenance.given_back_bytes() > 0);
    assert_eq!((pool.stats().idle_bytes, maintenance.panics(), maintenance.is_finished()), (0, 0, false));
    drop(maintenance);
    hands.into_iter().for_each(Hand::ends);
}

#[test]
fn the_thread_ends_with_its_guard_or_with_the_pool() {
    let pool = SlabPool::builder().name("na\0me").slab_size(SLAB).build().unwrap();
    let guard = pool.maintain_every(Duration::from_secs(3600)).unwrap();
    until("the first round", wait, || guard.rounds() > 0);
    // Without waiting for an hour.
    drop(guard);
    let guard = pool.maintain_every(Duration::ZERO).unwrap();
    until("a few rounds", wait, || guard.rounds() > 3);
    assert!(!guard.is_finished());
    drop(pool);
    until("its end", wait, || guard.is_finished());
    assert_eq!(guard.panics(), 0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn a_source_that_panics_is_counted_and_the_thread_goes_on() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_decay(DECAY).source(source).build().unwrap();
    let hand = Hand::new();
    let used = pool.clone();
    hand.does(move || drop((0..60).map(|_| whole(&used)).collect::<Vec<_>>()));
    account.panics.store(3, SeqCst);
    let maintenance = pool.maintain_every(Duration::from_millis(5)).unwrap();
    until("all is given back all the same", wait, || account.out() == 2 * SLAB);
    until("all panics are counted", wait, || maintenance.panics() == 3);
    assert_eq!(pool.stats().idle_bytes, 0);
    assert!(!maintenance.is_finished());
    hand.ends();
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn a_step_is_within_its_time() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_decay(DECAY).source(source).build().unwrap();
    drop((0..60).map(|_| whole(&pool)).collect::<Vec<_>>());
    let outcome = std::cell::Cell::new(pool.maintain(0, Duration::ZERO));
    assert_eq!(outcome.get().to_string(), "nothing was due");
    let step = || outcome.set(pool.maintain(0, Duration::ZERO));
    until("something is due", step, || outcome.get().out_of_time);
    let outcome = outcome.get();
    assert_eq!(outcome.to_string(), "nothing was due, and was out of time");
    assert_eq!((outcome.given_back.slabs, account.out()), (0, 60 * SLAB));
    let mut given = 0;
    until("it is given back", wait, || {
        let outcome = pool.maintain(0, Duration::MAX);
        given += outcome.given_back.slabs;
        let expected =
            if outcome.given_back.slabs == 58 { "gave back 58 idle slabs (232 KiB)" } else { "nothing was due" };
        assert_eq!((outcome.to_string().as_str(), outcome.out_of_time), (expected, false));
        given == 58
    });
    assert_eq!((pool.stats().idle_bytes, account.out()), (0, 2 * SLAB));
}
