//! Parked slices: moved late, once, and never from under a reader.
#![allow(missing_docs)]

use bufslab::{CompactPolicy, Compaction, Level, Parked, SlabBytes, SlabPool, SliceKind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const SLAB: usize = 4096;

fn pool() -> SlabPool {
    SlabPool::builder().slab_size(SLAB).build().unwrap()
}

/// Whatever is not attached.
fn all() -> CompactPolicy {
    CompactPolicy::new().older_than(Duration::ZERO).below_percent(100)
}

/// A slab of its own, with slices of these lengths of it.
fn slab(pool: &SlabPool, fill: u8, lens: &[usize]) -> Vec<SlabBytes> {
    let mut read = pool.alloc(SLAB);
    read.resize(SLAB, fill);
    let read = read.freeze();
    let mut at = 0;
    let cut = |&len: &usize| {
        at += len;
        read.slice(at - len..at)
    };
    lens.iter().map(cut).collect()
}

/// Takes the thread's two slabs away from what it cut from before.
fn retire(pool: &SlabPool) {
    let full: Vec<_> = (0..2).map(|_| slab(pool, 0, &[SLAB])).collect();
    drop(full);
}

#[test]
fn what_outlives_its_slab_is_moved_once() {
    let pool = pool();
    let heads: Vec<Parked> = (0..10).flat_map(|i| slab(&pool, i, &[20])).map(|s| s.park("head")).collect();
    retire(&pool);
    let pinned = pool.stats().pinned_bytes;
    assert_eq!(pinned, 10 * SLAB);
    assert!(pool.report().slabs.iter().all(|slab| slab.slices[0].kind == SliceKind::Parked));
    let plan = pool.report().parked_plan(&all());
    let did = pool.compact(&all());
    assert_eq!((plan, did.slices, did.copied_bytes, did.freed_bytes), (did, 10, 200, 10 * SLAB));
    assert_eq!((pool.stats().pinned_bytes, pool.stats().handles), (0, 0));
    assert_eq!(pool.compact(&all()), Compaction::default());
    for (i, head) in heads.iter().enumerate() {
        assert!(head.is_moved() && head.is_compact());
        assert_eq!((head.get()[..].to_vec(), head.retained_size()), (vec![i as u8; 20], 20));
        assert_eq!(head.tag_name().unwrap().name(), "head");
    }
    let back: Vec<SlabBytes> = heads.into_iter().map(Parked::unpark).collect();
    assert!(back.iter().all(SlabBytes::is_compact));
}

#[test]
fn a_parked_slice_is_three_words_and_for_every_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<Parked>();
    shared::<bufslab::ParkedRef<'static>>();
    assert_eq!((size_of::<Parked>(), size_of::<Option<Parked>>()), (3 * size_of::<usize>(), 3 * size_of::<usize>()));
}

/// A reader that is forgotten keeps its slice where it is, and nothing else.
#[test]
fn a_forgotten_reader_loses_no_slab() {
    let pool = pool();
    for round in 0..3 {
        let head = slab(&pool, round, &[20]).remove(0).park("head");
        std::mem::forget(head.get());
        retire(&pool);
        thread::scope(|scope| scope.spawn(|| std::mem::forget(head.get())).join()).unwrap();
        assert_eq!(pool.compact(&all()).left_read, 1);
        drop(head);
        assert_eq!(pool.stats().pinned_bytes, 0);
    }
    let head = slab(&pool, 9, &[20]).remove(0).park("head");
    retire(&pool);
    assert_eq!((pool.compact(&all()).slices, head.get()[0]), (1, 9), "a slot knows nothing of its last slice");
}

#[test]
fn what_does_not_is_not() {
    let pool = pool();
    let mut copied = 0;
    for i in 0..50 {
        let head = slab(&pool, i, &[20]).remove(0).park("head");
        drop(head);
        copied += pool.compact(&all()).copied_bytes;
    }
    assert_eq!(copied, 0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no thread is attached to a slab")]
fn slices_are_left_for_a_reason() {
    let pool = pool();
    let mut two = slab(&pool, 1, &[20, 30]);
    let other = two.remove(1);
    let held = two.remove(0).park("held");
    let worth = slab(&pool, 2, &[3000]).remove(0).park("worth");
    let read = slab(&pool, 3, &[20, 10]).into_iter().map(|slice| slice.park("read")).collect::<Vec<_>>();
    retire(&pool);
    let attached = slab(&pool, 4, &[5]).remove(0).park("attached");
    let policy = all().below_percent(50);
    let reading = read[0].get();
    let did = pool.compact(&policy);
    assert_eq!((did.left_held, did.left_worth_it, did.left_read, did.left_attached), (1, 1, 2, 1), "{did}");
    assert_eq!((did.slices, did.left()), (0, 5));
    assert_eq!(reading, [3; 20]);
    drop(reading);
    drop(other);
    let young = pool.compact(&policy.older_than(Duration::from_secs(1_000_000)));
    assert_eq!(young.left_young, 4);
    let plan = pool.report().parked_plan(&policy);
    let did = pool.compact(&policy);
    assert_eq!((did, did.slices, did.freed_slabs), (plan, 3, 2));
    assert!(held.is_moved() && !worth.is_moved() && read[0].is_moved() && !attached.is_moved());
    assert_eq!((held.get()[0], worth.get()[0], read[1].get()[0], attached.get()[0]), (1, 2, 3, 4));
}

#[test]
fn what_is_not_in_a_slab_or_has_no_slot_is_parked_as_it_is() {
    let fixed = SlabBytes::from_static(b"static").park("a");
    let copy = SlabBytes::copy_from_slice(b"copy").park_untagged();
    let none = SlabBytes::new().park("c");
    assert_eq!((fixed.get().len(), copy.read(<[u8]>::len), none.is_empty()), (6, 4, true));
    assert!(!fixed.is_moved() && copy.is_compact() && none.is_compact());
    assert_eq!(format!("{fixed:?} {copy:?}"), r#"b"static" b"copy""#);
    assert_eq!(fixed.unpark(), "static");

    let off = SlabPool::builder().slab_size(SLAB).tracking(Level::Off).build().unwrap();
    let head = slab(&off, 7, &[20]).remove(0).park("head");
    retire(&off);
    assert_eq!(off.compact(&all()), Compaction::default());
    assert_eq!((head.get()[..].to_vec(), head.retained_size()), (vec![7; 20], SLAB));
    drop(head);
    assert_eq!(off.stats().pinned_bytes, 0);
}

#[test]
fn packed_slices_share_one_copy() {
    let pool = pool();
    let mut parked: Vec<Parked> = slab(&pool, 1, &[10, 20, 30]).into_iter().map(|slice| slice.park("a")).collect();
    retire(&pool);
    let other = slab(&pool, 2, &[5]).remove(0);
    let last = other.park("b");
    retire(&pool);
    let did = pool.compact(&all().pack(true));
    assert_eq!((did.slices, did.freed_slabs), (4, 2));
    assert!(parked.iter().all(|slice| slice.retained_size() == 60 && !slice.is_compact()));
    assert!(last.is_compact());
    let kept = parked.remove(1);
    drop(parked);
    assert_eq!((kept.get()[..].to_vec(), kept.retained_size()), (vec![1; 20], 60));
    assert!(!kept.unpark().is_compact(), "it keeps the others' bytes");
}

#[test]
fn it_comes_back_as_an_ordinary_slice() {
    let pool = pool();
    let parked = slab(&pool, 1, &[100]).remove(0).park("head");
    let slice = parked.unpark();
    let report = pool.report();
    assert_eq!((report.slabs[0].slices.len(), report.slabs[0].slices[0].kind), (1, SliceKind::Shared));
    assert_eq!(slice.tag_name().unwrap().name(), "head");
    retire(&pool);
    assert_eq!(pool.compact(&all()), Compaction::default());
    let mut writable = slice.try_into_mut().unwrap();
    writable[0] = 9;
    assert_eq!((writable[0], writable[1]), (9, 1));
}

#[test]
fn a_budget_ends_it_and_the_next_call_goes_on() {
    let pool = pool();
    let heads: Vec<Parked> = (0..20).flat_map(|i| slab(&pool, i, &[20])).map(|s| s.park("head")).collect();
    retire(&pool);
    let big = slab(&pool, 9, &[100]).remove(0).park("big");
    retire(&pool);
    let mut calls = 0;
    while pool.stats().pinned_bytes > SLAB {
        let did = pool.compact_within(&all(), 50, Duration::MAX);
        calls += 1;
        assert!(did.copied_bytes <= 50 && !did.complete, "one slab holds more than that");
    }
    assert!(calls == 10 && heads.iter().all(Parked::is_moved) && !big.is_moved());
    let none = pool.compact_within(&all(), 100, Duration::ZERO);
    assert!(!none.complete && none.slices == 0);
    assert!(pool.compact_within(&all(), 100, Duration::MAX).complete && big.is_moved());
}

#[test]
fn maintenance_moves_what_the_pools_policy_says() {
    let pool = SlabPool::builder().slab_size(SLAB).compact_policy(all()).build().unwrap();
    assert_eq!(pool.compact_policy(), all());
    let head = slab(&pool, 1, &[20]).remove(0).park("head");
    retire(&pool);
    let did = pool.maintain(19, Duration::MAX);
    assert!(!did.compacted.complete && !head.is_moved());
    let did = pool.maintain(20, Duration::MAX);
    assert!(did.compacted.slices == 1 && head.is_moved(), "{did}");

    let head = slab(&pool, 2, &[20]).remove(0).park("head");
    retire(&pool);
    let thread = pool.maintain_every(Duration::from_millis(1)).unwrap();
    while !head.is_moved() {
        thread::yield_now();
    }
    drop(thread);
    assert_eq!(head, *[2; 20].as_slice());
}

#[test]
fn parked_slices_outlive_their_pool() {
    let pool = pool();
    let moved = slab(&pool, 1, &[20]).remove(0).park("a");
    retire(&pool);
    pool.compact(&all());
    let there = slab(&pool, 2, &[20]).remove(0).park("b");
    drop(pool);
    assert!(moved.is_moved() && !there.is_moved());
    assert_eq!((moved.get()[0], there.get()[0]), (1, 2));
    thread::spawn(move || drop(there)).join().unwrap();
    assert_eq!(moved.get()[0], 1);
    thread::spawn(move || drop(moved)).join().unwrap();
}

#[test]
fn a_panic_while_reading_gives_the_seat_back() {
    let pool = pool();
    let head = Arc::new(slab(&pool, 1, &[20]).remove(0).park("a"));
    let theirs = Arc::clone(&head);
    assert!(thread::spawn(move || theirs.read(|_| panic!("on purpose"))).join().is_err());
    let mine = std::panic::catch_unwind(|| head.read(|_| panic!("on purpose")));
    assert!(mine.is_err());
    retire(&pool);
    assert_eq!(pool.compact(&all()).slices, 1);
    assert_eq!(head.get()[0], 1);
}

/// Slots stay reserved for slices that were moved: segments full of them are set aside, and come back.
#[test]
fn many_moved_slices_do_not_use_up_slots() {
    let pool = pool();
    let mut heads = Vec::new();
    for round in 0..200_u8 {
        heads.extend(slab(&pool, round, &[1; 100]).into_iter().map(|slice| slice.park("head")));
        retire(&pool);
        let did = pool.compact(&all());
        assert_eq!((did.slices, did.left()), (100, 0), "{did}");
        let stats = pool.stats();
        assert_eq!((stats.pinned_bytes, pool.report().totals.untracked), (0, 0));
    }
    let most = pool.stats().ledger_bytes;
    assert!(heads.iter().enumerate().all(|(i, head)| head.get()[..] == [(i / 100) as u8]));
    drop(heads);
    for round in 0..200_u8 {
        let heads: Vec<Parked> = slab(&pool, round, &[1; 100]).into_iter().map(|slice| slice.park("head")).collect();
        retire(&pool);
        assert_eq!(pool.compact(&all()).slices, 100);
        drop(heads);
    }
    let now = pool.stats().ledger_bytes;
    assert!(now <= most + most / 10, "{most} bytes of slots were there, now {now}");
}

#[test]
fn a_parked_slice_of_foreign_memory_lets_it_go() {
    let pool = pool();
    let foreign: Vec<u8> = (0..200).collect();
    let bytes = bytes::Bytes::from(foreign);
    let (value, rest) = (pool.adopt(bytes.slice(20..40), 10_000, "value"), bytes.slice(100..));
    drop(bytes);
    let parked = value.park("header.value");
    assert!(pool.report().slabs[0].foreign);
    let before = pool.stats().foreign_bytes;
    let plan = pool.report().parked_plan(&all());
    let did = pool.compact(&all());
    assert_eq!((did, did.slices, did.freed_bytes), (plan, 1, 10_000));
    assert_eq!((before, pool.stats().foreign_bytes), (10_000, 0));
    assert_eq!(parked.get()[..], (20..40).collect::<Vec<u8>>()[..]);
    assert!(rest.is_unique(), "the adopted part is gone");
    let slice = pool.adopt(rest, 10_000, "rest").park("rest").unpark();
    assert_eq!((slice.len(), slice[0], pool.report().slabs[0].slices[0].len), (100, 100, 100));
}

#[test]
fn a_marked_slice_is_not_copied() {
    let pool = pool();
    let key = slab(&pool, 1, &[20]).remove(0).zero_on_drop().park("key");
    retire(&pool);
    assert_eq!(pool.compact(&all()).slices, 0);
    assert!(!key.is_moved() && key.read(|bytes| bytes == [1; 20]));
    drop(key);
    assert_eq!(pool.stats().pinned_bytes, 0);
}
