//! After a burst memory falls back to what the load needs, and nobody calls anything for it.

use super::stop::Stop;
use crate::source::counting;
use crate::{Hand, SLAB, until, whole};
use bufslab::{BufMut, SlabBytes, SlabPool};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const DECAY: Duration = Duration::from_millis(20);
/// Slices that each thread holds at a time, four to a slab.
const STEADY: usize = if cfg!(miri) { 16 } else { 80 };
const THREADS: usize = 3;

/// Traffic of one thread: it holds its last `window` slices.
fn step(pool: &SlabPool, held: &mut VecDeque<SlabBytes>, window: usize) {
    let mut buffer = pool.alloc(SLAB / 4);
    buffer.put_bytes(held.len() as u8, SLAB / 4);
    held.push_back(buffer.freeze());
    while held.len() > window {
        held.pop_front();
    }
}

#[test]
fn a_burst_under_steady_traffic_on_several_threads() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_bytes(usize::MAX).idle_decay(DECAY).source(source);
    let pool = pool.build().unwrap();
    let (window, over) = (AtomicUsize::new(STEADY), AtomicBool::new(false));
    let held_now: [AtomicUsize; THREADS] = [const { AtomicUsize::new(0) }; THREADS];
    std::thread::scope(|scope| {
        let _stop = Stop(&over);
        for held_here in &held_now {
            let (pool, window, over) = (&pool, &window, &over);
            scope.spawn(move || {
                let mut held = VecDeque::new();
                while !over.load(SeqCst) {
                    step(pool, &mut held, window.load(SeqCst));
                    held_here.store(held.len(), SeqCst);
                }
            });
        }
        let all_hold = |slices| held_now.iter().all(|held| held.load(SeqCst) == slices);
        let wait = || std::thread::sleep(Duration::from_millis(1));
        // What the threads hold, two attached slabs and half a slab at the window's end each.
        let working_set = THREADS * (STEADY / 4 + 3) * SLAB;
        until("the threads get going", wait, || all_hold(STEADY));
        for round in 0..if cfg!(miri) { 1 } else { 3 } {
            window.store(10 * STEADY, SeqCst);
            until("the burst", wait, || all_hold(10 * STEADY));
            let peak = account.peak.swap(0, SeqCst);
            assert!(peak >= THREADS * 10 * STEADY / 4 * SLAB, "round {round}: a burst of {peak} bytes");
            window.store(STEADY, SeqCst);
            until("the end of the burst", wait, || all_hold(STEADY));
            until("memory falls back", wait, || account.out() <= working_set + working_set / 10);
        }
    });
}

/// Every slab event is a reuse in place, which takes no lock and looks at no idle slab.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn a_burst_and_then_a_load_that_is_served_in_place() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_decay(DECAY).source(source).build().unwrap();
    drop((0..40).map(|_| whole(&pool)).collect::<Vec<_>>());
    let before = pool.stats();
    assert_eq!((before.idle_bytes, account.out()), (38 * SLAB, 40 * SLAB));
    until("idle memory goes back", || drop(whole(&pool)), || pool.stats().idle_bytes == 0);
    let after = pool.stats();
    assert_eq!((after.memory_bytes, account.out()), (2 * SLAB, 2 * SLAB));
    assert_eq!((after.slabs_taken, after.slabs_reused), (before.slabs_taken, before.slabs_reused), "{after:?}");
    assert!(after.slabs_reused_in_place > before.slabs_reused_in_place);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn a_thread_that_waits_does_not_keep_what_it_has_at_hand() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_decay(DECAY).source(source).build().unwrap();
    let sleepers: Vec<Hand> = (0..5).map(|_| Hand::new()).collect();
    for sleeper in &sleepers {
        let used = pool.clone();
        sleeper.does(move || drop((0..6).map(|_| whole(&used)).collect::<Vec<_>>()));
    }
    assert!(account.peak.load(SeqCst) >= 5 * 6 * SLAB - 4 * SLAB);
    until("they are emptied", || drop(whole(&pool)), || pool.stats().idle_bytes == 0);
    // Of this thread one, of the others two each.
    assert!(account.out() <= (5 * 2 + 2) * SLAB, "{:?}", pool.stats());
    sleepers.into_iter().for_each(Hand::ends);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn switched_off_it_keeps_everything() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).idle_decay(Duration::ZERO).source(source).build().unwrap();
    drop((0..40).map(|_| whole(&pool)).collect::<Vec<_>>());
    let start = std::time::Instant::now();
    while start.elapsed() < 4 * DECAY {
        drop(whole(&pool));
        assert_eq!(pool.maintain(usize::MAX, Duration::MAX).given_back.slabs, 0);
    }
    assert_eq!((pool.stats().idle_bytes, account.out()), (38 * SLAB, 40 * SLAB));
}
