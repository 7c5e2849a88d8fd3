//! Slabs that are pinned are cut from again, around their pins: when, and that nothing live is touched.
#![allow(missing_docs)]

use bufslab::{Level, Reuse, SlabBytes, SlabPool};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[path = "common/stop.rs"]
mod stop;
use stop::Stop;

const SLAB: usize = 4096;

fn pool() -> SlabPool {
    SlabPool::builder().slab_size(SLAB).build().unwrap()
}

fn filled(pool: &SlabPool, len: usize, with: u8) -> SlabBytes {
    let mut read = pool.alloc(len);
    read.resize(len, with);
    read.freeze()
}

/// Fills `slabs` slabs, of which one byte each is kept.
fn pins(pool: &SlabPool, slabs: usize) -> Vec<SlabBytes> {
    (0..slabs).map(|n| filled(pool, SLAB, n as u8).slice(100..101)).collect()
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn pins_cost_their_bytes_and_not_their_slabs() {
    let pool = pool();
    let kept = pins(&pool, 1);
    // Whole slabs cannot be had around a pin; halves can.
    let more: Vec<_> = (0..100).map(|n| filled(&pool, 1500, n as u8).slice(..1)).collect();
    let stats = pool.stats();
    assert!(stats.memory_bytes <= 4 * SLAB, "{stats:?}");
    assert!(stats.slabs_reused_around > 20, "{stats:?}");
    assert_eq!(kept[0], [0][..]);
    assert!(more.iter().enumerate().all(|(n, slice)| slice[..] == [n as u8]), "a live byte was written to");
}

/// A slab is taken again when a third of it is free, and no slabs are taken by the dozen without a search: so the pool is not much
/// larger than what lives in it, whatever the order in which that dies.
#[test]
#[cfg_attr(miri, ignore = "miri: 20,000 slices")]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn reads_that_die_at_random_take_little_more_than_what_lives() {
    for len in [SLAB / 16, SLAB / 64] {
        let pool = pool();
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let mut window: Vec<_> = (0..1024).map(|n| filled(&pool, len, n as u8)).collect();
        for n in 0..20_000 {
            window[random() % 1024] = filled(&pool, len, n as u8);
        }
        let (stats, live) = (pool.stats(), 1024 * len);
        // With a red zone behind each slice, they need more.
        let most = if cfg!(bufslab_asan) { 3.0 } else { 1.6 };
        assert!(
            stats.memory_bytes as f64 <= most * live as f64,
            "{:.2} times: {stats:?}",
            stats.memory_bytes as f64 / live as f64
        );
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn whole_slabs_if_that_is_asked_for() {
    let pool = SlabPool::builder().slab_size(SLAB).reuse(Reuse::WholeSlab).build().unwrap();
    let kept: Vec<_> = (0..100).map(|n| filled(&pool, 1500, n as u8).slice(..1)).collect();
    let stats = pool.stats();
    assert_eq!((stats.slabs_reused_around, stats.pinned_slabs), (0, 50), "{stats:?}");
    drop(kept);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn slabs_whose_slices_are_not_known_are_left_alone() {
    let pool = SlabPool::builder().slab_size(SLAB).tracking(Level::Off).build().unwrap();
    let kept: Vec<_> = (0..40).map(|n| filled(&pool, 1500, n as u8).slice(..1)).collect();
    assert_eq!((pool.stats().slabs_reused_around, pool.stats().pinned_slabs), (0, 20));
    drop(kept);
}

#[test]
fn slabs_of_another_size_are_left_alone() {
    let pool = pool();
    let kept: Vec<_> = (0..8).map(|_| filled(&pool, SLAB, 1).slice(..1)).collect();
    pool.set_slab_size(2 * SLAB).unwrap();
    let more: Vec<_> = (0..8).map(|_| filled(&pool, SLAB, 2).slice(..1)).collect();
    for slab in &pool.report().slabs {
        let sizes: Vec<usize> = slab.slices.iter().map(|slice| slice.len).collect();
        assert!(slab.size == 2 * SLAB || sizes == [1], "an old slab got a new slice: {slab:?}");
    }
    drop((kept, more));
}

#[test]
#[cfg_attr(bufslab_asan, ignore = "four quarters and the red zones between them are more than a slab")]
fn at_the_limit_the_last_hole_is_found() {
    let pool = SlabPool::builder().slab_size(SLAB).max_bytes(4 * SLAB).build().unwrap();
    // Four slabs, each three quarters full: no slab is half empty.
    let mut kept = Vec::new();
    for n in 0..4 {
        for quarter in 0..4 {
            kept.push(filled(&pool, SLAB / 4, 4 * n + quarter));
        }
    }
    let holes: Vec<SlabBytes> = [1, 5, 9, 13].iter().rev().map(|&at| kept.remove(at)).collect();
    assert!(pool.try_alloc(SLAB / 4).is_err(), "everything is full");
    drop(holes);
    let in_holes: Vec<SlabBytes> = (0..2).map(|_| filled(&pool, SLAB / 4, 200)).collect();
    assert!(pool.stats().memory_bytes <= 4 * SLAB);
    let expected = (0..16).filter(|at| ![1, 5, 9, 13].contains(at));
    assert!(kept.iter().zip(expected).all(|(slice, with)| slice.iter().all(|&byte| byte == with)));
    drop(in_holes);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn holes_are_overwritten_where_slabs_are() {
    let pool = SlabPool::builder().slab_size(SLAB).zero_on_recycle(true).build().unwrap();
    let kept: Vec<_> = (0..60).map(|_| filled(&pool, 1500, 0xAA).slice(..1)).collect();
    assert!(pool.stats().slabs_reused_around > 0);
    let taken = pool.stats().slabs_taken;
    // What is cut now lies in a hole that was full of 0xAA before.
    for _ in 0..20 {
        let mut fresh = pool.alloc(1500);
        // SAFETY: whatever the memory holds, it was written to: by an earlier slice, or as zeros by the pool.
        unsafe { fresh.set_len(1500) };
        assert!(fresh.iter().all(|&byte| byte == 0 || byte == 1), "a former slice's bytes are handed out");
        fresh.fill(1);
        drop(fresh.freeze().slice(..1));
    }
    assert_eq!(pool.stats().slabs_taken, taken, "none of it was fresh memory");
    assert!(kept.iter().all(|slice| slice[..] == [0xAA]));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn a_slice_is_no_older_than_its_slab_was_attached_last() {
    let pool = pool();
    let old: Vec<_> = (0..3).map(|n| filled(&pool, SLAB, n).slice(..1).tag("old")).collect();
    thread::sleep(Duration::from_millis(60));
    let young: Vec<_> = (0..12).map(|n| filled(&pool, 1500, n).slice(..1).tag("young")).collect();
    let report = pool.report();
    let both = report.slabs.iter().find(|slab| slab.slices.len() > 1 && slab.slices.iter().any(is_old));
    let both = both.expect("an old slab was cut from again");
    for slice in &both.slices {
        assert_eq!(is_old(slice), slice.age.max() >= Duration::from_millis(50), "{slice:?}");
    }
    drop((old, young));
}

fn is_old(slice: &bufslab::report::PinnedSlice) -> bool {
    slice.tag.is_some_and(|tag| tag.name() == "old")
}

/// A number that only this slice has, in each of its words.
fn stamped(pool: &SlabPool, len: usize, stamp: u64) -> SlabBytes {
    let mut read = pool.alloc(len);
    while read.len() < len {
        let rest = len - read.len();
        read.extend_from_slice(&stamp.to_le_bytes()[..rest.min(8)]);
    }
    read.freeze()
}

fn has_stamp(slice: &[u8], stamp: u64) -> bool {
    slice.chunks(8).all(|word| *word == stamp.to_le_bytes()[..word.len()])
}

/// Threads allocate, keep parts for random times, hand them to each other and drop them, while reports are taken. Every slice
/// is checked when it is dropped.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn nothing_live_is_written_to_under_load() {
    const THREADS: usize = 4;
    let rounds: u64 = if cfg!(miri) { 200 } else { 40_000 };
    let pool = SlabPool::builder().slab_size(16 * 1024).build().unwrap();
    let (done, stamps) = (AtomicBool::new(false), AtomicU64::new(1));
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel::<(SlabBytes, u64)>()).unzip();
    thread::scope(|scope| {
        let workers: Vec<_> = inboxes
            .into_iter()
            .enumerate()
            .map(|(me, inbox)| {
                let (pool, senders, stamps) = (pool.clone(), senders.clone(), &stamps);
                scope.spawn(move || {
                    let mut random = 0x9E37_79B9_7F4A_7C15_u64 ^ (me as u64 + 1);
                    let mut below = |n: u64| {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        random % n
                    };
                    let mut kept: VecDeque<(SlabBytes, u64)> = VecDeque::new();
                    for _ in 0..rounds {
                        let stamp = stamps.fetch_add(1, Ordering::Relaxed);
                        let whole = stamped(&pool, 8 + 8 * below(250) as usize, stamp);
                        match below(8) {
                            0 => kept.push_back((whole.slice(..8), stamp)),
                            1 => kept.push_back((whole, stamp)),
                            2 => drop(senders[below(THREADS as u64) as usize].send((whole.clone(), stamp))),
                            _ => assert!(has_stamp(&whole, stamp), "a live slice was written to"),
                        }
                        kept.extend(inbox.try_recv());
                        if kept.len() > 200 {
                            let at = below(kept.len() as u64) as usize;
                            let (slice, stamp) = kept.swap_remove_back(at).unwrap();
                            assert!(has_stamp(&slice, stamp), "a live slice was written to");
                            // One in two goes by another handle, in another slot.
                            if stamp % 2 == 0 {
                                let part = slice.slice(..slice.len() / 16 * 8);
                                drop(slice);
                                assert!(has_stamp(&part, stamp));
                                kept.push_back((part, stamp));
                            }
                        }
                        kept.retain(|(slice, _)| !slice.is_empty());
                    }
                    for (slice, stamp) in kept.drain(..).chain(inbox.try_iter()) {
                        assert!(has_stamp(&slice, stamp), "a live slice was written to");
                    }
                })
            })
            .collect();
        drop(senders);
        let reporter = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let report = pool.report();
                assert!(report.totals.live_bytes <= report.totals.pinned_bytes);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let done = Stop(&done);
        for worker in workers {
            worker.join().unwrap();
        }
        drop(done);
        reporter.join().unwrap();
    });
    let stats = pool.stats();
    assert_eq!((stats.handles, stats.pinned_bytes), (0, 0), "{stats:?}");
    assert!(stats.slabs_reused_around > 0, "no slab was cut from around its slices: {stats:?}");
}
