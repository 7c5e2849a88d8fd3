//! A real pool with `Auto`: its slab size goes where the load wants it, and each move is explained.
#![allow(missing_docs)]
#![cfg(not(miri))]

use bufslab::{Auto, Reuse, SlabBytes, SlabPool, SlabSize};
use std::collections::VecDeque;
use std::thread;

const KIB: usize = 1 << 10;

fn pool(reuse: Reuse) -> SlabPool {
    SlabPool::builder().name("found").slab_size(Auto).reuse(reuse).build().unwrap()
}

fn read(pool: &SlabPool, len: usize) -> SlabBytes {
    let mut buffer = pool.alloc(len);
    buffer.resize(len, 7);
    buffer.freeze()
}

/// Reads that are dropped at once.
fn drop_at_once(pool: &SlabPool, len: usize, times: usize) {
    (0..times).for_each(|_| drop(read(pool, len)));
}

/// Reads of which 20 bytes of one in 40 are kept for long.
fn pin(pool: &SlabPool, kept: &mut VecDeque<SlabBytes>, times: usize) {
    for i in 0..times {
        let read = read(pool, 1_500);
        if i % 40 == 0 {
            kept.push_back(read.slice(..20));
        }
        if kept.len() > 400 {
            kept.pop_front();
        }
    }
}

/// What the report says of each move holds together: one step, within the bounds, one after the other.
#[track_caller]
fn explained(pool: &SlabPool, (min, max): (usize, usize)) {
    let report = pool.report();
    let moves = &report.slab_size_moves;
    assert!(!moves.is_empty() && moves.len() <= 16, "{report}");
    assert!(moves.len() as u64 <= pool.stats().slab_size_moves);
    assert!(moves.windows(2).all(|two| two[0].to == two[1].from && two[0].age >= two[1].age), "{moves:?}");
    for made in moves {
        assert!((min..=max).contains(&made.to), "{made:?}");
        assert!(made.to <= 2 * made.from && made.from <= 2 * made.to, "{made:?}");
        let verb = if made.to > made.from { "grew from " } else { "shrank from " };
        assert!(made.to_string().starts_with(verb) && made.reason.contains(" ns a request"), "{made}");
    }
    assert_eq!(moves.last().unwrap().to, pool.slab_size(), "{report}");
    let text = report.to_string();
    assert!(text.contains("slab size: auto:") && text.contains(&moves.last().unwrap().reason[..20]), "{text}");
}

#[test]
fn small_reads_leave_the_size_alone() {
    let pool = pool(Reuse::AroundThePin);
    drop_at_once(&pool, 1_500, 50_000);
    assert_eq!((pool.slab_size(), pool.stats().slab_size_moves), (64 * KIB, 0));
    assert!(!pool.report().to_string().contains("slab size:"), "{}", pool.report());
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is a slab")]
fn large_reads_make_it_grow() {
    let pool = pool(Reuse::AroundThePin);
    drop_at_once(&pool, 200_000, 2_000);
    assert!(pool.slab_size() >= 256 * KIB, "{}", pool.report());
    explained(&pool, (16 * KIB, 1024 * KIB));
    // It stays there.
    let moves = pool.stats().slab_size_moves;
    drop_at_once(&pool, 200_000, 5_000);
    assert!(pool.stats().slab_size_moves <= moves + 1, "{}", pool.report());
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is a slab")]
fn pins_make_it_shrink_where_they_keep_whole_slabs() {
    let pool = pool(Reuse::WholeSlab);
    let mut kept = VecDeque::new();
    pin(&pool, &mut kept, 30_000);
    assert!(pool.slab_size() < 64 * KIB, "{}", pool.report());
    explained(&pool, (16 * KIB, 1024 * KIB));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is a slab")]
fn loads_in_turns_do_not_make_it_swing() {
    let pool = pool(Reuse::WholeSlab);
    let mut kept = VecDeque::new();
    for _ in 0..20 {
        drop_at_once(&pool, 200_000, 500);
        pin(&pool, &mut kept, 5_000);
    }
    let moves = pool.stats().slab_size_moves;
    // 20 turns there and back, of four steps at most each way, if it did swing.
    assert!((1..=60).contains(&moves), "{moves} moves: {}", pool.report());
    explained(&pool, (16 * KIB, 1024 * KIB));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is a slab")]
fn bounds_hold_and_memory_limits_them() {
    let bounds = Auto.between(32 * KIB, 128 * KIB);
    let pool = SlabPool::builder().slab_size(bounds).build().unwrap();
    drop_at_once(&pool, 200_000, 2_000);
    assert!(pool.slab_size() <= 128 * KIB);
    let small = SlabPool::builder().slab_size(Auto).max_bytes(1024 * KIB).build().unwrap();
    drop_at_once(&small, 100_000, 2_000);
    assert!(small.slab_size() <= 128 * KIB, "an eighth of all memory: {}", small.report());
    let error = SlabPool::builder().slab_size(Auto.between(2 << 20, 4 << 20)).max_bytes(1 << 20).build();
    let error = error.unwrap_err().to_string();
    assert!(error.contains("max_bytes"), "{error}");
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is a slab")]
fn a_number_ends_it_and_auto_begins_it_anew() {
    let pool = pool(Reuse::AroundThePin);
    pool.set_slab_size(100_000).unwrap();
    drop_at_once(&pool, 200_000, 2_000);
    assert_eq!((pool.slab_size(), pool.slab_sizing()), (100_000, SlabSize::Fixed(100_000)));
    pool.set_slab_size(Auto).unwrap();
    drop_at_once(&pool, 200_000, 2_000);
    assert!(pool.slab_size() >= 200_000, "{}", pool.report());
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is a slab")]
fn several_threads_move_one_size() {
    let pool = pool(Reuse::AroundThePin);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    drop_at_once(&pool, 200_000, 40);
                    // Others see the size move under them.
                    let kept: Vec<SlabBytes> = (0..20).map(|_| read(&pool, 3_000)).collect();
                    assert!(kept.iter().all(|slice| slice.iter().all(|&byte| byte == 7)));
                }
                pool.detach_thread();
            });
        }
    });
    assert!(pool.slab_size() >= 256 * KIB, "{}", pool.report());
    explained(&pool, (16 * KIB, 1024 * KIB));
    assert_eq!(pool.stats().handles, 0);
}
