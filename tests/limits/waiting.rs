//! Waiting for memory, step by step.

use crate::source::{Task, counting};
use bufslab::{BufMut, InScope, Reuse, SlabBytes, SlabBytesMut, SlabPool};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};

const SLAB: usize = 4096;

fn pool(slabs: usize) -> SlabPool {
    SlabPool::builder().slab_size(SLAB).max_bytes(slabs * SLAB).build().unwrap()
}

/// All memory of a pool, in whole slabs.
fn all_of(pool: &SlabPool) -> Vec<SlabBytesMut> {
    let mut all = Vec::new();
    while let Ok(buffer) = pool.try_alloc(SLAB) {
        all.push(buffer);
    }
    assert_eq!(pool.stats().memory_bytes, pool.stats().max_bytes.unwrap());
    all
}

#[test]
fn with_room_nobody_waits() {
    let pool = pool(1);
    let buffer = Task::new(pool.alloc_async(100)).poll().unwrap().unwrap();
    assert_eq!((buffer.capacity(), pool.waiting()), (100, 0));
    assert!(Task::new(pool.alloc_async(0)).poll().unwrap().unwrap().is_empty());
}

#[test]
fn slabs_go_to_those_who_wait_in_the_order_they_came() {
    let pool = pool(3);
    let mut all = all_of(&pool);
    let mut tasks: Vec<Task> = (0..5).map(|_| Task::waiting(pool.alloc_async(SLAB))).collect();
    assert_eq!(pool.waiting(), 5);
    let mut served: Vec<SlabBytesMut> = Vec::new();
    for turn in 0..5 {
        let freed = all.pop().unwrap_or_else(|| served.remove(0));
        std::thread::spawn(move || drop(freed)).join().unwrap();
        let wakes: Vec<usize> = tasks.iter().map(Task::wakes).collect();
        let expected: Vec<usize> = (0..5).map(|i| usize::from(i <= turn)).collect();
        assert_eq!(wakes, expected, "one slab wakes one, and nobody twice");
        served.push(tasks[turn].outcome().unwrap());
    }
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn one_slab_is_cut_for_as_many_as_fit() {
    let pool = pool(1);
    let all = all_of(&pool);
    let mut tasks: Vec<Task> = [1000, 1000, 2096, 1].map(|n| Task::waiting(pool.alloc_async(n))).into();
    drop(all);
    let served: Vec<SlabBytesMut> = tasks[..3].iter_mut().map(|task| task.outcome().unwrap()).collect();
    assert_eq!(served.iter().map(SlabBytesMut::capacity).collect::<Vec<_>>(), [1000, 1000, 2096]);
    assert_eq!((tasks[3].wakes(), pool.waiting()), (0, 1));
    drop(served);
    assert_eq!(tasks[3].outcome().unwrap().capacity(), 1);
}

#[test]
fn a_small_request_does_not_come_before_a_large_one() {
    let pool = pool(2);
    let mut all = all_of(&pool);
    let mut large = Task::waiting(pool.alloc_async(2 * SLAB));
    let mut small = Task::waiting(pool.alloc_async(1));
    drop(all.pop());
    assert_eq!((large.wakes(), small.wakes()), (0, 0), "half of what the first one wants");
    assert!(pool.try_alloc(1).unwrap_err().is_limit(), "nobody else gets it either");
    assert!(pool.try_alloc(1).unwrap_err().to_string().contains("2 other requests wait"));
    drop(all);
    let large = large.outcome().unwrap();
    assert_eq!((large.capacity(), pool.stats().memory_bytes, small.wakes()), (2 * SLAB, 2 * SLAB, 0));
    drop(large);
    assert!(small.outcome().is_ok());
}

#[test]
fn who_gives_up_at_the_head_lets_the_others_pass() {
    let pool = pool(2);
    let mut all = all_of(&pool);
    let large = Task::waiting(pool.alloc_async(2 * SLAB));
    let mut small = Task::waiting(pool.alloc_async(SLAB));
    drop(all.pop());
    assert_eq!(small.wakes(), 0);
    drop(large);
    assert!(small.outcome().is_ok());
}

#[test]
fn who_gives_up_after_it_was_woken_passes_its_memory_on() {
    let pool = pool(1);
    let all = all_of(&pool);
    let [first, second, mut third] = [(); 3].map(|()| Task::waiting(pool.alloc_async(SLAB)));
    drop(all);
    assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 0));
    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second);
    assert!(third.outcome().is_ok());
    assert_eq!((pool.waiting(), pool.stats().handles), (0, 0));
    assert!(pool.try_alloc(SLAB).is_ok(), "and when nobody is left, to anybody");
}

#[test]
fn others_do_not_come_between_a_slab_and_who_waits_for_it() {
    let pool = pool(1);
    let all = all_of(&pool);
    let mut task = Task::waiting(pool.alloc_async(SLAB));
    drop(all);
    // Woken, and not polled yet.
    assert!(pool.try_alloc(1).is_err());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(pool.try_alloc(1).is_err()));
    });
    assert!(task.outcome().is_ok());
}

#[test]
fn what_can_never_fit_fails_at_once() {
    let pool = pool(2);
    let all = all_of(&pool);
    let error = Task::new(pool.alloc_async(2 * SLAB + 1)).poll().unwrap().unwrap_err();
    assert!(error.is_limit() && error.requested() == 2 * SLAB + 1, "{error}");
    let error = Task::new(pool.alloc_async(usize::MAX)).poll().unwrap().unwrap_err();
    assert!(error.is_too_large());
    assert_eq!(pool.waiting(), 0);
    drop(all);
}

#[test]
fn closing_fails_everybody() {
    let pool = pool(2);
    let mut all = all_of(&pool);
    let mut tasks = [SLAB, SLAB, 1].map(|n| Task::waiting(pool.alloc_async(n)));
    drop(all.pop());
    // The first one was served, and has not noticed.
    assert_eq!(tasks.each_ref().map(Task::wakes), [1, 0, 0]);
    assert!(pool.close(std::time::Duration::ZERO).is_err());
    for (task, n) in tasks.iter_mut().zip([SLAB, SLAB, 1]) {
        let error = task.outcome().unwrap_err();
        assert!(error.is_closed() && error.requested() == n, "{error}");
    }
    assert!(Task::new(pool.alloc_async(1)).poll().unwrap().unwrap_err().is_closed());
    assert_eq!((pool.waiting(), pool.stats().handles), (0, all.len() as u64));
}

#[test]
fn a_source_without_memory_fails_the_first_in_line() {
    for panics in [false, true] {
        let (source, account) = counting();
        let pool =
            SlabPool::builder().slab_size(SLAB).max_bytes(2 * SLAB).idle_bytes(0).source(source).build().unwrap();
        let mut all = all_of(&pool);
        let mut tasks = [SLAB + 1, SLAB, SLAB].map(|n| Task::waiting(pool.alloc_async(n)));
        if panics { &account.panics } else { &account.fails }.store(true, SeqCst);
        all.clear();
        for task in &mut tasks {
            let error = task.outcome().unwrap_err();
            assert!(error.is_out_of_memory(), "{error}");
        }
        account.panics.store(false, SeqCst);
        account.fails.store(false, SeqCst);
        assert_eq!(pool.stats().memory_bytes, account.out.load(SeqCst));
        assert!(Task::new(pool.alloc_async(SLAB)).poll().unwrap().is_ok());
        drop(tasks);
        drop(pool);
        assert_eq!(account.out.load(SeqCst), 0);
    }
}

#[test]
fn slabs_of_another_size_make_way() {
    let pool = pool(4);
    let all = all_of(&pool);
    pool.set_slab_size(2 * SLAB).unwrap();
    let mut tasks = [2 * SLAB, 3 * SLAB / 2].map(|n| Task::waiting(pool.alloc_async(n)));
    drop(all);
    let served = tasks.each_mut().map(|task| task.outcome().unwrap().capacity());
    assert_eq!(served, [2 * SLAB, 3 * SLAB / 2]);
    // A smaller size is what somebody waits for, too.
    pool.set_slab_size(SLAB).unwrap();
    let kept = [pool.alloc(3 * SLAB)];
    let mut task = Task::waiting(pool.alloc_async(2 * SLAB));
    pool.set_slab_size(2 * SLAB).unwrap();
    assert_eq!(task.wakes(), 0);
    drop(kept);
    assert!(task.outcome().is_ok());
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no thread is attached to a slab")]
fn a_thread_gives_its_slabs_up_when_it_allocates_and_somebody_waits() {
    let pool = pool(2);
    let (a, b) = (pool.alloc(100), pool.alloc(SLAB));
    let mut task = None;
    std::thread::scope(|scope| {
        scope.spawn(|| task = Some(Task::waiting(pool.alloc_async(2 * SLAB)))).join().unwrap();
    });
    // This thread is attached to both slabs. Dropping its slices tells nobody.
    drop((a, b));
    let mut task = task.unwrap();
    assert_eq!(task.wakes(), 0);
    assert!(pool.try_alloc(1).is_err(), "it had the memory, and gave it to who was first");
    assert!(task.outcome().is_ok());
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no thread is attached to a slab")]
fn a_thread_that_stops_allocating_can_detach() {
    let pool = pool(1);
    drop(pool.alloc(100));
    let mut task = None;
    std::thread::scope(|scope| {
        scope.spawn(|| task = Some(Task::waiting(pool.alloc_async(SLAB)))).join().unwrap();
    });
    let mut task = task.unwrap();
    assert_eq!(task.wakes(), 0);
    pool.detach_thread();
    assert!(task.outcome().is_ok());
    pool.detach_thread();
    assert!(pool.try_alloc(SLAB).is_ok(), "it attaches again when it allocates");
}

#[test]
fn who_waits_keeps_nothing_attached_itself() {
    let pool = pool(1);
    let small = pool.alloc(100);
    let mut task = Task::waiting(pool.alloc_async(SLAB));
    // On the owner's thread, where a drop goes unnoticed as long as the slab is attached.
    drop(small);
    assert!(task.outcome().is_ok());
}

#[test]
fn pinned_slabs_are_cut_around_their_pins_when_somebody_looks() {
    let pool = pool(1);
    let mut buffer = pool.alloc(SLAB);
    buffer.put_bytes(7, SLAB);
    let whole = buffer.freeze();
    let pin: SlabBytes = whole.slice(..20);
    let mut task = Task::waiting(pool.alloc_async(1000));
    drop(whole);
    assert_eq!(task.wakes(), 0, "nobody is told of a slice that others are left beside");
    assert_eq!(pool.serve_waiting(), 0);
    let mut around = task.outcome().unwrap();
    around.put_bytes(8, 1000);
    assert_eq!((&pin[..], pool.stats().memory_bytes), (&[7; 20][..], SLAB));

    // A pool that does not do that waits for the last slice.
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).reuse(Reuse::WholeSlab).build().unwrap();
    let mut buffer = pool.alloc(SLAB);
    buffer.put_bytes(7, SLAB);
    let pin = buffer.freeze().slice(..20);
    let mut task = Task::waiting(pool.alloc_async(1000));
    assert_eq!(pool.serve_waiting(), 1);
    drop(pin);
    assert!(task.outcome().is_ok());
}

#[test]
fn what_was_waited_for_has_the_site_and_scope_of_who_asked() {
    let pool = pool(1);
    let all = all_of(&pool);
    let line = line!() + 1;
    let future = pool.alloc_async(100);
    let mut future = pin!(future.in_scope(pool.scope("conn", 7)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    {
        let _other = pool.scope("conn", 8);
        drop(all);
    }
    let Poll::Ready(Ok(buffer)) = future.poll(&mut context) else { panic!("it was served") };
    let report = pool.report();
    let slice = &report.slabs[0].slices[0];
    assert_eq!(slice.scope.unwrap().to_string(), "conn 7");
    let site = slice.site.as_ref().unwrap();
    assert_eq!((site.file(), site.line()), (file!(), line));
    drop(buffer);
}

#[test]
fn zeroed_pools_hand_zeros_to_who_waits() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).zero_on_recycle(true).build().unwrap();
    let mut buffer = pool.alloc(SLAB);
    buffer.put_bytes(0xaa, SLAB);
    let mut task = Task::waiting(pool.alloc_async(SLAB));
    drop(buffer);
    let mut served = task.outcome().unwrap();
    let spare = served.spare_capacity_mut();
    // SAFETY: the test's own promise: the memory was written before, by the test and by the pool.
    assert!(spare.iter().all(|byte| unsafe { byte.assume_init() } == 0));
}

#[test]
fn a_waker_that_panics_or_gives_up_others_is_of_no_consequence() {
    struct Bad(std::sync::Mutex<Option<Task>>);
    impl std::task::Wake for Bad {
        fn wake(self: std::sync::Arc<Self>) {
            drop(self.0.lock().unwrap().take());
            panic!("an executor with a bug");
        }
    }
    let pool = pool(1);
    let all = all_of(&pool);
    let mut bad = pin!(pool.alloc_async(SLAB / 2));
    let given_up = std::sync::Arc::new(Bad(None.into()));
    let waker = Waker::from(std::sync::Arc::clone(&given_up));
    assert!(bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *given_up.0.lock().unwrap() = Some(Task::waiting(pool.alloc_async(SLAB / 2)));
    let mut last = Task::waiting(pool.alloc_async(SLAB / 2));
    drop(all);
    let Poll::Ready(Ok(half)) = bad.poll(&mut Context::from_waker(&waker)) else { panic!("it was served") };
    drop(half);
    assert!(last.outcome().is_ok());
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn the_future_is_sendable_and_keeps_its_pool() {
    fn is_send<T: Send + Sync + Unpin + 'static>(value: T) -> T {
        value
    }
    let pool = pool(1);
    let all = all_of(&pool);
    let mut task = Task::waiting(is_send(pool.alloc_async(1)));
    drop(pool);
    drop(all);
    assert_eq!(task.outcome().unwrap().capacity(), 1);
}
