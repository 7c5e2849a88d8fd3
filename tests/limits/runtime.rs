//! Waiting under tokio: many tasks, little memory.

use crate::source::counting;
use bufslab::{BufMut, SlabPool};
use std::sync::atomic::Ordering::SeqCst;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const SLAB: usize = 4096;
const MAX: usize = 3 * SLAB;
const TASKS: usize = if cfg!(miri) { 20 } else { 400 };

/// Every thread that has nothing to do gives its slabs up.
fn runtime(pool: &SlabPool, mut builder: Builder) -> Runtime {
    let parked = pool.clone();
    builder.on_thread_park(move || parked.detach_thread()).enable_all().build().unwrap()
}

fn every_task_finishes(builder: Builder) {
    let (source, account) = counting();
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(MAX).source(source).build().unwrap();
    let runtime = runtime(&pool, builder);
    let outer = pool.clone();
    runtime.block_on(async move {
        let mut tasks = JoinSet::new();
        for number in 0..TASKS {
            let pool = outer.clone();
            tasks.spawn(async move {
                for round in 0..10 {
                    let n = [64, 1500, SLAB, MAX][(number + round) % 4];
                    let mut buffer = pool.alloc_async(n).await.unwrap();
                    buffer.put_bytes(number as u8, n);
                    let slice = buffer.freeze();
                    tokio::task::yield_now().await;
                    assert!(slice.iter().all(|&byte| byte == number as u8));
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
    assert!(account.peak.load(SeqCst) <= MAX);
    assert_eq!((pool.waiting(), pool.stats().handles), (0, 0));
    drop(runtime);
    drop(pool);
    assert_eq!(account.out.load(SeqCst), 0);
}

#[test]
#[cfg_attr(miri, ignore = "no epoll")]
fn many_tasks_on_many_threads() {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(4);
    every_task_finishes(builder);
}

#[test]
#[cfg_attr(miri, ignore = "no epoll")]
fn many_tasks_on_one_thread() {
    every_task_finishes(Builder::new_current_thread());
}

#[test]
#[cfg_attr(miri, ignore = "no epoll")]
fn a_worker_that_parks_gives_its_slabs_up() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).build().unwrap();
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1);
    let runtime = runtime(&pool, builder);
    // The worker has the only slab, drained, and nothing more to do.
    let there = pool.clone();
    runtime.block_on(runtime.spawn(async move { drop(there.alloc(100)) })).unwrap();
    assert!(runtime.block_on(pool.alloc_async(SLAB)).is_ok());
}

#[test]
#[cfg_attr(miri, ignore = "no epoll")]
fn tasks_that_are_aborted_pass_on_what_they_got() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).build().unwrap();
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    let runtime = runtime(&pool, builder);
    let driver = pool.clone();
    // On a worker: the hook is for those, and not for the thread that calls `block_on`.
    let driver = runtime.spawn(async move {
        let pool = driver;
        for round in 0..50 {
            let all = pool.alloc_async(SLAB).await.unwrap();
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let pool = pool.clone();
                    tokio::spawn(async move { pool.alloc_async(SLAB).await.map(drop) })
                })
                .collect();
            while pool.waiting() < 8 {
                tokio::task::yield_now().await;
            }
            drop(all);
            for (i, task) in tasks.into_iter().enumerate() {
                if (i + round) % 3 == 0 {
                    task.abort();
                }
                // Cancelled or served: in both cases it is over.
                let _ = task.await.map(Result::unwrap);
            }
        }
    });
    runtime.block_on(driver).unwrap();
    assert_eq!((pool.waiting(), pool.stats().handles), (0, 0));
}

#[cfg(feature = "tokio")]
mod timeout {
    use super::*;
    use std::time::Duration;

    fn one_slab() -> (SlabPool, Runtime) {
        let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).build().unwrap();
        let runtime = runtime(&pool, Builder::new_current_thread());
        (pool, runtime)
    }

    #[test]
    #[cfg_attr(miri, ignore = "no epoll")]
    fn when_the_time_is_over_it_says_who_holds_the_memory() {
        let (pool, runtime) = one_slab();
        let mut all = pool.alloc(SLAB);
        all.put_bytes(1, SLAB);
        let all = all.freeze().tag("all of it");
        let error = runtime.block_on(pool.alloc_timeout(100, Duration::from_millis(50))).unwrap_err();
        assert!(error.is_limit() && error.requested() == 100);
        assert_eq!(error.holders()[0].tag(), Some("all of it"));
        assert_eq!(pool.waiting(), 0);
        drop(all);
        assert!(runtime.block_on(pool.alloc_timeout(SLAB, Duration::MAX)).is_ok());
    }

    #[test]
    #[cfg_attr(miri, ignore = "no epoll")]
    fn while_it_waits_it_finds_room_in_pinned_slabs() {
        let (pool, runtime) = one_slab();
        let mut all = pool.alloc(SLAB);
        all.put_bytes(1, SLAB);
        let all = all.freeze();
        let pin = all.slice(..1);
        runtime.block_on(async {
            let waiting = tokio::spawn(pool.alloc_timeout(100, Duration::from_secs(3600)));
            while pool.waiting() == 0 {
                tokio::task::yield_now().await;
            }
            drop(all);
            assert_eq!(waiting.await.unwrap().unwrap().capacity(), 100);
        });
        drop(pin);
    }
}
