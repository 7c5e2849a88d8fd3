//! Threads that die at any point, and handles that outlive everybody.

use crate::sources::odd;
use bufslab::{BufMut, SlabBytes, SlabBytesMut, SlabPool};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;

const SLAB: usize = 4096;

fn frozen(pool: &SlabPool, n: usize, value: u8) -> SlabBytes {
    let mut buffer = pool.alloc(n);
    buffer.put_bytes(value, n);
    buffer.freeze()
}

/// Does its work while its thread's locals are destroyed.
struct AtDeath {
    pool: SlabPool,
    slice: SlabBytes,
    buffer: SlabBytesMut,
    ran: Arc<AtomicUsize>,
}

impl Drop for AtDeath {
    fn drop(&mut self) {
        assert_eq!(self.slice[..], [1; 50]);
        let clone = self.slice.clone();
        let part = self.slice.slice(10..20);
        // Allocates, small and oversize, grows, freezes, splits and reports.
        let mut small = frozen(&self.pool, 30, 2);
        let large = frozen(&self.pool, 3 * SLAB, 3);
        self.buffer.put_bytes(4, 2 * SLAB);
        let front = self.buffer.split_to(SLAB).freeze();
        let tail = small.split_off(10);
        assert_eq!((&small[..], &tail[..]), (&[2; 10][..], &[2; 20][..]));
        assert!(large.iter().all(|&byte| byte == 3) && front.iter().all(|&byte| byte == 4));
        assert_eq!((&clone[..], &part[..]), (&[1; 50][..], &[1; 10][..]));
        let report = self.pool.report();
        assert_eq!(report.totals.untracked, 0, "slices made by dying threads are listed too: {report}");
        assert!(report.totals.slices >= 8, "{report}");
        self.ran.fetch_add(1, SeqCst);
    }
}

thread_local! {
    static EARLY: RefCell<Option<AtDeath>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<AtDeath>> = const { RefCell::new(None) };
}

/// Locals are destroyed in the order of their first use or in the reverse, so one is used before the pool's and one after.
#[test]
fn work_in_destructors_of_thread_locals() {
    let (source, account) = odd();
    let pool = SlabPool::builder().slab_size(SLAB).source(source).build().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    for round in 0..4 {
        let at_death = || {
            let (pool, ran) = (pool.clone(), Arc::clone(&ran));
            // From another thread, so that this one has nothing of the pool yet.
            let made = pool.clone();
            let (slice, buffer) = thread::spawn(move || (frozen(&made, 50, 1), made.alloc(10))).join().unwrap();
            AtDeath { pool, slice, buffer, ran }
        };
        let (early, late) = (at_death(), at_death());
        let pool = pool.clone();
        thread::spawn(move || {
            EARLY.with(|local| *local.borrow_mut() = Some(early));
            if round % 2 == 0 {
                drop(frozen(&pool, 100, 9));
            }
            LATE.with(|local| *local.borrow_mut() = Some(late));
        })
        .join()
        .unwrap();
    }
    assert_eq!(ran.load(SeqCst), 8, "all destructors ran to their end");
    let stats = pool.stats();
    assert_eq!((stats.handles, stats.pinned_bytes, stats.memory_bytes), (0, 0, stats.idle_bytes), "{stats:?}");
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}

thread_local! {
    static KEPT_EARLY: RefCell<Vec<SlabBytes>> = const { RefCell::new(Vec::new()) };
    static KEPT_LATE: RefCell<Vec<SlabBytes>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn slices_dropped_by_destructors_of_thread_locals() {
    let (source, account) = odd();
    let pool = SlabPool::builder().slab_size(SLAB).source(source).build().unwrap();
    for round in 0..6 {
        let used = pool.clone();
        let foreign = frozen(&pool, 1000, 5);
        thread::spawn(move || {
            KEPT_EARLY.with(|kept| kept.borrow_mut().push(foreign.clone()));
            // From three slabs: detached, previous, current.
            let own: Vec<SlabBytes> = (0..9).map(|i| frozen(&used, 1200, i)).collect();
            if round % 2 == 0 {
                KEPT_EARLY.with(|kept| kept.borrow_mut().extend(own.iter().cloned()));
            }
            if round % 3 != 0 {
                KEPT_LATE.with(|kept| kept.borrow_mut().extend(own));
            }
            if round == 5 {
                panic!("a thread that dies of a panic");
            }
        })
        .join()
        .unwrap_or_else(|_| assert_eq!(round, 5));
        let stats = pool.stats();
        assert_eq!((stats.handles, stats.pinned_bytes), (0, 0), "round {round}: {stats:?}");
    }
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn a_thread_dies_with_slabs_in_hand() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let made = pool.clone();
    let kept: Vec<SlabBytes> =
        thread::spawn(move || (0..12).map(|i| frozen(&made, 1000, i).slice(1..).tag("kept")).collect()).join().unwrap();
    let report = pool.report();
    assert_eq!((report.totals.slabs, report.totals.slices, report.totals.live_bytes), (3, 12, 12 * 999), "{report}");
    assert!(report.slabs.iter().all(|slab| !slab.attached), "its owner is dead: {report}");
    assert_eq!(report.totals.reclaimable_bytes, 3 * SLAB);
    for (i, slice) in kept.iter().enumerate() {
        assert_eq!(slice[..], [i as u8; 999]);
        assert!(!slice.clone().is_unique());
    }
    drop(kept);
    let stats = pool.stats();
    assert_eq!((stats.pinned_bytes, stats.memory_bytes), (0, stats.idle_bytes), "{stats:?}");
}

#[test]
fn the_ledger_does_not_grow_with_the_number_of_threads_that_were() {
    let births = if cfg!(miri) { 30 } else { 1_000 };
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let pinned = frozen(&pool, 100, 7);
    // One slab that this thread owns, and one that nobody does.
    let made = pool.clone();
    let orphan = thread::spawn(move || frozen(&made, 100, 8)).join().unwrap();
    let mut settled = 0;
    for birth in 0..births {
        let (a, b, used) = (pinned.clone(), orphan.clone(), pool.clone());
        thread::spawn(move || {
            let clones = (a.clone(), b.clone(), a.slice(3..9), b.slice(3..9));
            assert_eq!((clones.0[0], clones.1[0], clones.2.len(), clones.3.len()), (7, 8, 6, 6));
            assert_eq!(used.alloc(10).capacity(), 10);
        })
        .join()
        .unwrap();
        if birth == 9 {
            settled = pool.stats().ledger_bytes;
        }
    }
    let stats = pool.stats();
    assert_eq!(stats.ledger_bytes, settled, "after {births} births as after 10");
    assert_eq!((stats.handles, stats.pinned_slabs), (2, 2));
    assert_eq!(pool.report().totals.slices, 2);
}

#[test]
fn handles_outlive_the_pool_on_other_threads() {
    let (source, account) = odd();
    let pool = SlabPool::builder().slab_size(SLAB).source(source).build().unwrap();
    let own: Vec<SlabBytes> = (0..12).map(|i| frozen(&pool, 1000, i)).collect();
    let large = frozen(&pool, 3 * SLAB, 77);
    let mut buffer = pool.alloc(500);
    buffer.put_slice(b"still here");
    let (to, from) = channel::<()>();
    let clones: Vec<SlabBytes> = own.iter().map(|slice| slice.slice(500..)).collect();
    let elsewhere = thread::spawn(move || {
        from.recv().unwrap();
        for (i, slice) in clones.iter().enumerate() {
            assert_eq!(slice.clone()[..], [i as u8; 500]);
        }
        // It grows, if no longer in its pool.
        buffer.put_bytes(b'!', SLAB);
        assert_eq!((&buffer[..10], buffer.len()), (&b"still here"[..], 10 + SLAB));
        let kept = clones[3].clone().retain().tag("late");
        assert_eq!(kept[..], [3; 500]);
        (clones, kept)
    });
    drop(pool);
    to.send(()).unwrap();
    let (clones, kept) = elsewhere.join().unwrap();
    assert!(account.out.load(SeqCst) >= 3 * SLAB, "the slices keep their slabs");
    assert!(large.iter().all(|&byte| byte == 77));
    assert_eq!(large.retained_size(), 3 * SLAB);
    drop(large);
    drop(own);
    assert_eq!(clones[11][..], [11; 500]);
    assert!(account.out.load(SeqCst) > 0);
    drop((clones, kept));
    assert_eq!(account.out.load(SeqCst), 0, "the last handle gave the last slab back");
}
