//! Many threads that wait, give up and drop what they got, at a small limit.

use crate::source::counting;
use crate::stop::Stop;
use bufslab::{AllocAsync, BufMut, SlabBytes, SlabBytesMut, SlabPool};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

const SLAB: usize = 4096;
const MAX: usize = 4 * SLAB;
const ROUNDS: usize = if cfg!(miri) { 20 } else { 3_000 };

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Unpark {
    fn this_thread() -> Arc<Unpark> {
        Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) })
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        self.thread.unpark();
    }
}

/// An executor of one task: polls when it is woken and at no other time, and gives its slabs up before it parks.
fn block_on(pool: &SlabPool, mut future: AllocAsync) -> SlabBytesMut {
    let unpark = Unpark::this_thread();
    let waker = Waker::from(Arc::clone(&unpark));
    loop {
        if let Poll::Ready(outcome) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return outcome.unwrap();
        }
        pool.detach_thread();
        let asleep = Instant::now();
        while !unpark.woken.swap(false, SeqCst) {
            // Whoever is waited for is at work.
            assert!(asleep.elapsed() < Duration::from_secs(120), "nobody woke it: {:?}", pool.stats());
            thread::park_timeout(Duration::from_secs(1));
        }
    }
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn everybody_is_served_while_others_give_up() {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(MAX).idle_bytes(2 * SLAB).source(source).build().unwrap();
    let given_up = AtomicUsize::new(0);
    let (send, dropped_elsewhere) = mpsc::channel::<SlabBytes>();
    thread::scope(|scope| {
        // Drops what others made, as a writer would.
        scope.spawn(move || {
            for slice in dropped_elsewhere {
                assert!(slice.iter().all(|&byte| byte == slice[0]), "somebody else's bytes");
            }
        });
        let busy: Vec<_> = (0..6u8)
            .map(|number| {
                let (pool, given_up, send) = (&pool, &given_up, send.clone());
                scope.spawn(move || {
                    let mut numbers = Numbers(u64::from(number));
                    for _ in 0..ROUNDS {
                        let n = [100, 1500, SLAB, 2 * SLAB, MAX][numbers.below(5) as usize];
                        if numbers.below(3) == 0 {
                            // Polled once, perhaps served, and given up.
                            let mut future = pool.alloc_async(n);
                            let poll = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()));
                            given_up.fetch_add(usize::from(poll.is_pending()), SeqCst);
                            drop(poll);
                            thread::yield_now();
                            continue;
                        }
                        let mut buffer = block_on(pool, pool.alloc_async(n));
                        buffer.put_bytes(number, n);
                        let slice = buffer.freeze();
                        match numbers.below(3) {
                            0 => send.send(slice).unwrap(),
                            1 => send.send(slice.slice(n / 2..)).unwrap(),
                            _ => drop(slice),
                        }
                        // Some allocate without waiting.
                        if numbers.below(4) == 0 {
                            drop(pool.try_alloc(64));
                        }
                    }
                    pool.detach_thread();
                })
            })
            .collect();
        drop(send);
        busy.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert!(given_up.load(SeqCst) > 0, "nobody gave up, so this has tested less than it says");
    assert!(account.peak.load(SeqCst) <= MAX, "{} bytes", account.peak.load(SeqCst));
    assert_eq!((pool.waiting(), pool.stats().handles), (0, 0));
    assert_eq!(pool.stats().memory_bytes, account.out.load(SeqCst));
    // Everything can be had again.
    drop(pool.try_alloc(MAX).unwrap());
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}

#[test]
fn those_who_wait_are_served_in_turn_while_others_grab() {
    // Two threads take all there is, without ever waiting, and drop it when somebody waits; a queue of tasks must go on in order
    // all the same.
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(2 * SLAB).build().unwrap();
    let stop = AtomicBool::new(false);
    const TASKS: usize = if cfg!(miri) { 10 } else { 300 };
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    let grabbed = pool.try_alloc(SLAB);
                    while grabbed.is_ok() && pool.waiting() == 0 && !stop.load(SeqCst) {
                        thread::yield_now();
                    }
                }
                pool.detach_thread();
            });
        }
        // One thread polls all tasks. Memory for one of them may be there just after it was polled, so what holds is that none
        // has it while another that came earlier is in the queue.
        let mut tasks: VecDeque<(usize, AllocAsync)> = VecDeque::new();
        let waker = Waker::from(Unpark::this_thread());
        let (mut next, mut served, mut waited) = (0, 0, 0);
        while served < TASKS {
            while tasks.is_empty() && pool.stats().handles < 2 {
                thread::yield_now();
            }
            while tasks.len() < 4 && next < TASKS {
                tasks.push_back((next, pool.alloc_async(SLAB)));
                next += 1;
            }
            let mut polled = 0;
            while let Some((number, task)) = tasks.get_mut(polled) {
                let Poll::Ready(buffer) = Pin::new(task).poll(&mut Context::from_waker(&waker)) else {
                    polled += 1;
                    waited += 1;
                    continue;
                };
                let behind = next - 1 - *number;
                assert!(pool.waiting() <= behind, "task {number} came before one that waits: {:?}", pool.stats());
                drop(buffer.unwrap());
                tasks.remove(polled);
                served += 1;
            }
            pool.detach_thread();
            thread::yield_now();
        }
        assert!(waited > 0, "nobody waited, so this has tested less than it says");
    });
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn a_slab_that_comes_back_while_somebody_begins_to_wait_is_not_missed() {
    // With one slab, whoever begins to wait just when it comes back either finds it or is found. Zeroing makes that moment long.
    const LARGE: usize = if cfg!(miri) { SLAB } else { 4 << 20 };
    let pool = SlabPool::builder().slab_size(LARGE).max_bytes(LARGE).zero_on_recycle(true).build().unwrap();
    let (send, dropped_elsewhere) = mpsc::sync_channel::<SlabBytesMut>(1);
    thread::scope(|scope| {
        scope.spawn(move || dropped_elsewhere.into_iter().for_each(drop));
        let mut numbers = Numbers(1);
        for _ in 0..ROUNDS / 4 {
            let buffer = block_on(&pool, pool.alloc_async(LARGE));
            // So that the drop over there empties it.
            pool.detach_thread();
            send.send(buffer).unwrap();
            (0..numbers.below(20_000)).for_each(|_| std::hint::spin_loop());
        }
        drop(send);
    });
    assert_eq!((pool.waiting(), pool.stats().handles), (0, 0));
}
