//! The accounts, while the source fails every n-th call and everybody takes from everybody.

use crate::source::counting;
use crate::{SLAB, whole};
use bufslab::{BufMut, SlabBytes, SlabPool};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const ROUNDS: usize = if cfg!(miri) { 40 } else { 3_000 };

/// Slices of all sizes, held for a while, sometimes handed to the next thread. Returns how many were refused.
fn traffic(pool: &SlabPool, thread: usize) -> usize {
    let mut held: Vec<SlabBytes> = Vec::new();
    let (mut refused, mut random) = (0, thread as u64 + 1);
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n = [100, SLAB / 2, SLAB, SLAB, 2 * SLAB][(random >> 33) as usize % 5];
        match pool.try_alloc(n) {
            Ok(mut buffer) => {
                buffer.put_bytes(thread as u8, n);
                held.push(buffer.freeze());
            }
            Err(error) => {
                assert!(error.is_limit() || error.is_out_of_memory(), "{error}");
                refused += 1;
                held.truncate(held.len() / 2);
            }
        }
        assert!(held.iter().all(|slice| slice[0] == thread as u8 && slice[slice.len() - 1] == thread as u8));
        match (random >> 40) % 40 {
            0 => held.clear(),
            1 => drop(pool.trim_to(round % 5 * SLAB)),
            2 => drop(pool.maintain(0, Duration::MAX)),
            // Dropped where it was not made.
            3 => std::thread::scope(|scope| drop(scope.spawn(|| held.pop()))),
            _ => held.truncate(12),
        }
    }
    refused
}

#[test]
fn the_accounts_are_right_whatever_fails() {
    for (every, max) in [(0, 20), (1, 20), (3, 1000), (4, 25), (7, 1000), (13, 12)] {
        let (source, account) = counting();
        let pool = SlabPool::builder().slab_size(SLAB).max_bytes(max * SLAB).idle_bytes(15 * SLAB);
        let pool = pool.idle_decay(Duration::from_millis(10)).source(source).build().unwrap();
        account.fails_every.store(every, SeqCst);
        let refused = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let all = [0, 1, 2].map(|thread| {
                let (pool, refused) = (&pool, &refused);
                scope.spawn(move || {
                    refused.fetch_add(traffic(pool, thread), SeqCst);
                })
            });
            // The end of the scope alone does not wait for the threads' locals, which hold slabs.
            for thread in all {
                thread.join().unwrap();
            }
        });
        assert!(refused.load(SeqCst) > 0, "nothing failed, with {every} and {max}");
        assert!(account.peak.load(SeqCst) <= max * SLAB, "the cap holds");
        let stats = pool.stats();
        assert_eq!((stats.handles, stats.pinned_bytes), (0, 0));
        assert_eq!((stats.memory_bytes, stats.idle_bytes), (account.out(), account.out()), "every {every}: {stats:?}");
        assert!(stats.idle_bytes <= 15 * SLAB);
        let trimmed = pool.trim();
        assert_eq!((trimmed.bytes, trimmed.slabs * SLAB), (stats.idle_bytes, stats.idle_bytes));
        assert_eq!((pool.stats().memory_bytes, account.out()), (0, 0));
        account.fails_every.store(0, SeqCst);
        drop(whole(&pool));
        drop(pool);
        assert_eq!(account.out(), 0);
    }
}
