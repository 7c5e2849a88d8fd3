//! Quotas for scopes.

use bufslab::{BufMut, InScope, Level, OverQuota, Quota, QuotaAction, SlabBytes, SlabPool};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};

const SLAB: usize = 4096;

fn pool() -> SlabPool {
    SlabPool::builder().slab_size(SLAB).build().unwrap()
}

fn full(pool: &SlabPool, n: usize) -> SlabBytes {
    let mut buffer = pool.alloc(n);
    buffer.put_bytes(1, n);
    buffer.freeze()
}

/// Keeps so many bytes in the scope `kind id`.
fn keep(pool: &SlabPool, kind: &str, id: u64, n: usize) -> SlabBytes {
    let _inside = pool.scope(kind, id);
    full(pool, n)
}

fn ids(acted: &[OverQuota]) -> Vec<u64> {
    acted.iter().map(|over| over.scope.id()).collect()
}

#[test]
fn a_scope_over_its_quota_is_refused_until_it_has_come_down() {
    let pool = pool();
    pool.set_scope_quota("conn", Quota::new(1000));
    let mut kept = vec![keep(&pool, "conn", 1, 600), keep(&pool, "conn", 1, 600), keep(&pool, "conn", 2, 1000)];
    let outcome = pool.enforce_quotas();
    assert_eq!((outcome.over, outcome.refused, outcome.released), (1, 1, 0));
    let over = outcome.acted[0];
    assert_eq!((over.scope.to_string().as_str(), over.bytes, over.slices, over.quota), ("conn 1", 1200, 2, 1000));
    assert_eq!(over.to_string(), "conn 1 holds 1200 bytes in 2 slices, more than its quota of 1000");

    {
        let _inside = pool.scope("conn", 1);
        for n in [1, SLAB, 10 * SLAB] {
            let error = pool.try_alloc(n).unwrap_err();
            assert!(error.is_quota() && !error.is_limit() && !error.is_closed(), "{error}");
            assert_eq!((error.requested(), error.scope()), (n, Some("conn 1")));
            assert_eq!((error.limit(), error.held()), (Some(1000), Some(1200)));
            let text = format!("cannot allocate {n} bytes: conn 1 holds 1200 bytes, more than its quota of 1000");
            assert_eq!(error.to_string(), text);
        }
        // What takes no memory goes on.
        assert_eq!(kept[0].slice(..10).len(), 10);
        // Another scope inside of this one is another scope; then it is this one's turn again.
        {
            let _nested = pool.scope("conn", 2);
            assert!(pool.try_alloc(1).is_ok());
        }
        assert!(pool.try_alloc(1).unwrap_err().is_quota());
        // The quota is this pool's.
        let other = SlabPool::new();
        assert!(other.try_alloc(1).is_ok());
        assert!(pool.try_alloc(1).unwrap_err().is_quota(), "also after another pool was used");
    }
    assert!(pool.try_alloc(1).is_ok(), "outside of the scope");
    drop(keep(&pool, "conn", 2, 1));

    kept.remove(0);
    {
        let _inside = pool.scope("conn", 1);
        assert!(pool.try_alloc(1).unwrap_err().is_quota(), "nobody has looked yet");
    }
    let outcome = pool.enforce_quotas();
    assert_eq!((outcome.over, outcome.acted.len(), outcome.refused, outcome.released), (0, 0, 0, 1));
    drop(keep(&pool, "conn", 1, 1));
}

#[test]
fn a_thread_that_never_leaves_its_scope_notices() {
    let pool = pool();
    pool.set_scope_quota("conn", Quota::new(1000));
    let (kept, refused) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _inside = pool.scope("conn", 1);
            // Cut from a slab with a lot of room left, on the fast path.
            let slices: Vec<_> = (0..11).map(|_| full(&pool, 100)).collect();
            kept.wait();
            refused.wait();
            assert!(pool.try_alloc(1).unwrap_err().is_quota());
            assert!(pool.try_alloc(1).unwrap_err().is_quota(), "and goes on to notice");
            drop(slices);
        });
        kept.wait();
        assert_eq!(pool.enforce_quotas().refused, 1);
        refused.wait();
    });
}

#[test]
fn a_task_notices_at_its_next_step() {
    use std::future::{Future, poll_fn};
    use std::task::{Context, Poll, Waker};
    let pool = pool();
    pool.set_scope_quota("conn", Quota::new(1000));
    let mut kept = Vec::new();
    let task = poll_fn(|_| match pool.try_alloc(600) {
        Ok(buffer) => {
            kept.push(buffer);
            Poll::Pending
        }
        Err(error) => Poll::Ready(error),
    });
    let mut task = std::pin::pin!(task.in_scope(pool.scope("conn", 1)));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        assert!(task.as_mut().poll(&mut context).is_pending());
        pool.enforce_quotas();
    }
    let Poll::Ready(error) = task.as_mut().poll(&mut context) else { panic!("it was not refused") };
    assert!(error.is_quota());
    // Waiting for it would not help.
    let waiting = pool.alloc_async(1).in_scope(pool.scope("conn", 1));
    let Poll::Ready(Err(error)) = std::pin::pin!(waiting).poll(&mut context) else { panic!("it waits") };
    assert!(error.is_quota());
}

#[test]
fn the_largest_come_first_and_all_come_in_time() {
    let pool = pool();
    let called = Arc::<Mutex<Vec<u64>>>::default();
    let here = Arc::clone(&called);
    let action = QuotaAction::call(move |over| here.lock().unwrap().push(over.scope.id()));
    pool.set_scope_quota("conn", Quota::new(100).at_most(2).then(action));
    let kept: Vec<_> = (1..=5).map(|id| keep(&pool, "conn", id, 200 * id as usize)).collect();
    let other = keep(&pool, "other", 1, 4000);
    for expected in [[5, 4], [3, 2], [1, 5], [5, 4]] {
        let outcome = pool.enforce_quotas();
        assert_eq!((outcome.over, ids(&outcome.acted)), (5, expected.to_vec()));
        assert_eq!(std::mem::take(&mut *called.lock().unwrap()), expected);
    }
    drop((kept, other));
    assert_eq!(pool.enforce_quotas().over, 0);
}

#[test]
fn refusing_goes_on_to_the_next() {
    let pool = pool();
    pool.set_scope_quota("conn", Quota::new(100).at_most(1));
    let kept: Vec<_> = (1..=3).map(|id| keep(&pool, "conn", id, 200 * id as usize)).collect();
    for (id, refused) in [(3, 1), (2, 2), (1, 3)] {
        let outcome = pool.enforce_quotas();
        assert_eq!((ids(&outcome.acted), outcome.refused), (vec![id], refused));
    }
    assert_eq!(pool.enforce_quotas().acted, []);
    // Without the quota nobody is refused.
    pool.remove_scope_quota("conn");
    assert_eq!(pool.enforce_quotas().released, 3);
    drop(keep(&pool, "conn", 3, 1000));
    drop(kept);
}

#[test]
fn a_callback_may_do_what_it_likes() {
    let pool = pool();
    let kept = Arc::<Mutex<Vec<SlabBytes>>>::default();
    let calls = Arc::<AtomicUsize>::default();
    let action = {
        let (kept, pool, calls) = (Arc::clone(&kept), pool.clone(), Arc::clone(&calls));
        QuotaAction::call(move |over| {
            if calls.fetch_add(1, SeqCst) == 0 {
                panic!("a callback with a bug");
            }
            // Lets go, allocates, and asks again.
            assert_eq!((over.scope.id(), over.bytes), (1, 200));
            kept.lock().unwrap().clear();
            drop(pool.alloc(100));
            assert_eq!(pool.enforce_quotas().over, 0);
        })
    };
    pool.set_scope_quota("conn", Quota::new(100).then(action));
    kept.lock().unwrap().push(keep(&pool, "conn", 1, 200));
    assert_eq!(pool.enforce_quotas().panics, 1);
    let outcome = pool.enforce_quotas();
    assert_eq!((outcome.over, outcome.panics), (1, 0));
    assert_eq!((pool.enforce_quotas().over, kept.lock().unwrap().len()), (0, 0));
    pool.remove_scope_quota("conn");
}

#[test]
fn a_byte_counts_once_and_nothing_is_known_below_sites() {
    let pool = pool();
    pool.set_scope_quota("conn", Quota::new(1000));
    let whole = keep(&pool, "conn", 1, 1000);
    let parts: Vec<_> = (0..50).map(|i| whole.slice(i..)).collect();
    assert_eq!(pool.enforce_quotas().over, 0);
    drop((whole, parts));

    let blind = SlabPool::builder().slab_size(SLAB).tracking(Level::Counters).build().unwrap();
    blind.set_scope_quota("conn", Quota::new(100));
    let kept = keep(&blind, "conn", 1, 1000);
    assert_eq!(blind.enforce_quotas().over, 0);
    drop(kept);
}

#[test]
fn a_pool_that_is_gone_refuses_nobody() {
    let gone = pool();
    gone.set_scope_quota("conn", Quota::new(100));
    let kept = keep(&gone, "conn", 9, 1000);
    assert_eq!(gone.enforce_quotas().refused, 1);
    drop((gone, kept));
    let pool = pool();
    let _inside = pool.scope("conn", 9);
    assert!(pool.try_alloc(1).is_ok());
}

#[test]
fn maintenance_enforces_quotas() {
    let pool = pool();
    let mut kept = vec![keep(&pool, "conn", 1, 600), keep(&pool, "conn", 1, 600)];
    let maintain = || pool.maintain(usize::MAX, std::time::Duration::from_secs(60));
    assert_eq!(maintain().over_quota, 0, "there is none");
    pool.set_scope_quota("conn", Quota::new(1000));
    let did = maintain();
    assert_eq!((did.over_quota, did.to_string().ends_with("; 1 scope is over its quota")), (1, true), "{did}");
    let refused = || {
        let _inside = pool.scope("conn", 1);
        pool.try_alloc(1).is_err_and(|error| error.is_quota())
    };
    assert!(refused());
    pool.remove_scope_quota("conn");
    kept.pop();
    assert_eq!(maintain().over_quota, 0);
    assert!(!refused(), "there is no quota any more");
}
