//! Errors that say who holds the memory.

use bufslab::{AllocError, BufMut, Level, SlabBytes, SlabPool};
use std::thread;
use std::time::{Duration, Instant};

const SLAB: usize = 4096;

fn full(pool: &SlabPool, n: usize) -> SlabBytes {
    let mut buffer = pool.alloc(n);
    buffer.put_bytes(1, n);
    buffer.freeze()
}

fn shares(error: &AllocError) -> Vec<(Option<&'static str>, usize, usize)> {
    error.holders().iter().map(|share| (share.tag(), share.slices(), share.bytes())).collect()
}

#[test]
fn the_three_tags_with_the_most_live_bytes() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(2 * SLAB).build().unwrap();
    let (first, second) = (full(&pool, SLAB), full(&pool, SLAB));
    let mut kept = Vec::new();
    // Overlapping slices of one tag cover a byte once.
    kept.extend([first.slice(..1000).tag("req.head"), first.slice(500..1500).tag("req.head")]);
    kept.extend([first.slice(2000..2100).tag("cache.key"), second.slice(..100).tag("cache.key")]);
    kept.extend([second.slice(..50).tag("small"), second.slice(60..61).tag("smaller")]);
    drop((first, second));
    let error = pool.try_alloc(2 * SLAB).unwrap_err();
    let expected = [(Some("req.head"), 2, 1500), (Some("cache.key"), 2, 200), (Some("small"), 1, 50)];
    assert_eq!(shares(&error), expected);
    let text = error.to_string();
    assert!(
        text.ends_with("; held by req.head 2 slices 1.5 KiB, cache.key 2 slices 200 B, small 1 slice 50 B"),
        "{text}"
    );
    assert!(error.is_limit() && error.limit() == Some(2 * SLAB) && error.held() == Some(2 * SLAB));
    assert_eq!(error.clone(), error);
    // The report agrees.
    let report = pool.report();
    assert_eq!(report.blame_of_tag("req.head").unwrap().slices, 2);
    assert_eq!(report.totals.live_bytes, 1500 + 200);
}

#[test]
fn slices_without_a_tag_are_named_so() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).build().unwrap();
    let all = full(&pool, SLAB);
    let error = pool.try_alloc(1).unwrap_err();
    assert_eq!(shares(&error), [(None, 1, SLAB)]);
    assert!(error.to_string().ends_with("; held by (no tag) 1 slice 4 KiB"), "{error}");
    drop(all);
}

#[test]
fn other_errors_name_nobody_and_untracked_pools_know_nobody() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).tracking(Level::Off).build().unwrap();
    let all = full(&pool, SLAB);
    let error = pool.try_alloc(1).unwrap_err();
    assert!(error.is_limit() && error.holders().is_empty() && !error.to_string().contains("held by"));
    assert!(pool.try_alloc(usize::MAX).unwrap_err().holders().is_empty());
    drop(all);
}

#[test]
fn what_was_seen_serves_for_a_while_and_not_for_ever() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(SLAB).build().unwrap();
    let mut all = full(&pool, SLAB).tag("before");
    let first = pool.try_alloc(1).unwrap_err();
    all.retag("after");
    // Many failures in a short time do not look again and again.
    let mut same = 0;
    let start = Instant::now();
    let changed = loop {
        let error = pool.try_alloc(1).unwrap_err();
        if error.holders() != first.holders() {
            break error;
        }
        // One list for all of them.
        assert!(std::ptr::eq(error.holders(), first.holders()));
        same += 1;
        assert!(start.elapsed() < Duration::from_secs(60), "it never looks again");
    };
    assert!(same > 0);
    assert_eq!((first.holders()[0].tag(), changed.holders()[0].tag()), (Some("before"), Some("after")));
}

#[test]
fn many_threads_fail_at_once() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(4 * SLAB).build().unwrap();
    let all: Vec<_> = (0..4).map(|_| full(&pool, SLAB).tag("all")).collect();
    let named: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let errors = (0..if cfg!(miri) { 50 } else { 20_000 }).map(|_| pool.try_alloc(1).unwrap_err());
                    errors.filter(|error| shares(error) == [(Some("all"), 4, 4 * SLAB)]).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(named > 0);
    drop(all);
}
