//! Memory that others made, adopted into a pool: listed as what it is, never written, dropped once.
#![allow(missing_docs)]

use bufslab::{CompactPolicy, Level, RetainPolicy, SlabBytes, SlabBytesMut, SlabPool, SliceKind};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const KIB: usize = 1024;

/// Somebody's buffer, which counts its drops.
struct Owner {
    memory: Vec<u8>,
    drops: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// A buffer of `len` bytes that count up, and the number of times it was dropped.
fn buffer(len: usize) -> (Bytes, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    let memory = (0..len).map(|i| i as u8).collect();
    (Bytes::from_owner(Owner { memory, drops: Arc::clone(&drops) }), drops)
}

fn dropped(drops: &AtomicUsize) -> usize {
    drops.load(Ordering::Relaxed)
}

/// Nothing foreign is listed, and every sum of the report holds.
#[track_caller]
fn assert_nothing_foreign(pool: &SlabPool) {
    let (report, stats) = (pool.report(), pool.stats());
    assert_eq!((report.totals.foreign_bytes, stats.foreign_bytes), (0, 0));
    assert!(report.slabs.iter().all(|slab| !slab.foreign));
}

#[test]
fn a_foreign_slice_is_listed_and_never_charged() {
    let pool = SlabPool::builder().slab_size(4096).max_bytes(8192).build().unwrap();
    let (read, drops) = buffer(400 * KIB);
    let value = pool.adopt(read.slice(100..120), read.len(), "header.value");
    assert_eq!(value, read.slice(100..120));
    drop(read);

    assert_eq!((value.retained_size(), value.is_compact()), (400 * KIB, false));
    assert_eq!(value.tag_name().unwrap().name(), "header.value");
    let stats = pool.stats();
    assert_eq!((stats.memory_bytes, stats.pinned_bytes, stats.foreign_bytes), (0, 400 * KIB, 400 * KIB));
    let report = pool.report();
    let [slab] = &report.slabs[..] else { panic!("one slab") };
    assert_eq!((slab.foreign, slab.attached, slab.size, slab.live_bytes), (true, false, 400 * KIB, 20));
    let [slice] = &slab.slices[..] else { panic!("one slice") };
    assert_eq!((slice.kind, slice.len), (SliceKind::Shared, 20));
    assert!(slice.site.unwrap().file().ends_with("foreign.rs"));
    let text = report.to_string();
    assert!(text.contains("pinned besides: 400 KiB of 1 slab that others allocated"), "{text}");
    assert!(text.contains("memory 0 B, of which pinned 0 B"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("slab ") && line.ends_with("foreign")), "{text}");

    assert_eq!(dropped(&drops), 0);
    drop(value);
    assert_eq!(dropped(&drops), 1);
    assert!(pool.report().is_empty());
    assert_nothing_foreign(&pool);
}

#[test]
fn all_that_works_on_a_slice_works_on_a_foreign_one() {
    let pool = SlabPool::new();
    let (read, drops) = buffer(64 * KIB);
    let mut value = pool.adopt(read.clone(), 64 * KIB, "body");
    let scope = pool.scope("conn", 42);
    value.charge_to(scope.scope());
    value.touch("parsed");
    let clone = value.clone();
    let tail = value.split_off(1000);
    let head = value.split_to(10);
    let part = tail.slice(5..15).tag("part");
    assert_eq!((&clone[..], &head[..], &value[..]), (&read[..], &read[..10], &read[10..1000]));
    assert_eq!((&tail[..], &part[..]), (&read[1000..], &read[1005..1015]));

    let report = pool.report();
    assert_eq!((report.totals.slabs, report.totals.slices, report.totals.live_bytes), (1, 5, 64 * KIB));
    assert_eq!(report.blame_of_tag("part").unwrap().slices, 1);
    let slice = report.slabs[0].slices.iter().find(|slice| slice.len == 10 && slice.offset == 0).unwrap();
    assert_eq!(slice.scope.unwrap().to_string(), "conn 42");
    drop((clone, tail, value, read));
    assert_eq!(dropped(&drops), 0);
    let plan = pool.report().compact_plan(&RetainPolicy::default());
    assert_eq!((plan.slices, plan.copied_bytes, plan.freed_bytes), (2, 20, 64 * KIB));
    let kept = (head.retain(), part.compact());
    assert_eq!((kept.0.retained_size(), kept.1.retained_size(), pool.stats().pinned_bytes), (10, 10, 0));
    assert_eq!(dropped(&drops), 1);
}

#[test]
fn nobody_gets_to_write() {
    for level in [Level::Sites, Level::Off] {
        let pool = SlabPool::builder().tracking(level).build().unwrap();
        let (read, drops) = buffer(100);
        let value = pool.adopt(read.clone(), 100, "x");
        assert!(!value.is_unique());
        let value = value.try_into_mut().unwrap_err();
        // A part that a split leaves alone, and one that lost all its siblings.
        let mut rest = value.slice(..);
        let part = rest.split_to(50);
        drop((value, rest));
        assert!(!part.is_unique());
        let part = part.try_into_mut().unwrap_err();
        let mut copy = SlabBytesMut::from(part.clone());
        copy[0] = 99;
        let vec = Vec::from(part);
        assert_eq!((&vec[..], read[0]), (&read[..50], 0));
        assert_eq!(dropped(&drops), 0);
        drop(read);
        assert_eq!((dropped(&drops), pool.stats().foreign_bytes), (1, 0));
        drop(copy);
    }
}

#[test]
fn it_goes_on_as_bytes() {
    let pool = SlabPool::new();
    let (read, drops) = buffer(8 * KIB);
    let long = pool.adopt(read.slice(..4 * KIB), 8 * KIB, "long");
    let short = pool.adopt(read.slice(..20), 8 * KIB, "short");
    let (long, short) = (Bytes::from(long), Bytes::from(short));
    assert_eq!(long.as_ptr(), read.as_ptr(), "no copy");
    assert_ne!(short.as_ptr(), read.as_ptr(), "copied below the copybreak");
    assert_eq!(pool.report().totals.exported, 1);
    drop(read);
    assert_eq!(dropped(&drops), 0);
    drop((long, short));
    assert_eq!(dropped(&drops), 1);
    assert_nothing_foreign(&pool);
}

#[test]
fn it_is_never_used_again() {
    // A foreign slab of just the size of the pool's own, with idle memory wanted and zeroed.
    let pool = SlabPool::builder().slab_size(4096).zero_on_recycle(true).build().unwrap();
    let (read, drops) = buffer(4096);
    drop(pool.adopt(read.clone(), 4096, "x"));
    assert_eq!(pool.stats().idle_bytes, 0);
    assert_eq!(pool.stats().slabs_recycled, 0);
    assert!(read.iter().enumerate().all(|(i, &byte)| byte == i as u8), "somebody wrote to it");
    // The header is used again, as one of ours.
    let ours = std::thread::spawn({
        let pool = pool.clone();
        move || {
            let mut ours = pool.alloc(4096);
            ours.extend_from_slice(&[7; 4096]);
            ours.freeze()
        }
    });
    let ours = ours.join().unwrap();
    let report = pool.report();
    assert_eq!((report.slabs.len(), report.slabs[0].foreign, report.totals.memory_bytes), (1, false, 4096));
    assert_eq!(ours, [7; 4096][..]);
    drop(ours);
    // And again as a foreign one.
    let again = pool.adopt(read, 4096, "x");
    assert_eq!(pool.stats().foreign_bytes, 4096);
    assert_eq!(dropped(&drops), 0);
    drop(again);
    assert_eq!(dropped(&drops), 1);
}

/// A mark that asks for zeros changes nothing on memory that is not ours to write.
#[test]
fn it_is_not_overwritten_when_it_is_marked() {
    for level in [Level::Sites, Level::Off] {
        let pool = SlabPool::builder().tracking(level).build().unwrap();
        let (read, _) = buffer(100);
        let mut marked = pool.adopt(read.clone(), 100, "x").zero_on_drop();
        drop((marked.slice(..10), marked.split_off(50), marked.clone()));
        marked.truncate(20);
        drop(marked);
        assert_nothing_foreign(&pool);
        assert!(read.iter().enumerate().all(|(i, &byte)| byte == i as u8), "somebody wrote to it");
    }
}

/// Nor are its pages given back, nor is it cut from between its slices.
#[test]
fn its_holes_are_left_alone() {
    let pool = SlabPool::builder().slab_size(64 * KIB).build().unwrap();
    let (read, _) = buffer(64 * KIB);
    let kept = pool.adopt(read.slice(..20), 64 * KIB, "x");
    let punched = pool.punch();
    assert_eq!((punched.pinned_slabs, punched.not_page_backed, punched.given_back_bytes), (1, 1, 0));
    let ours: Vec<_> = (0..40)
        .map(|_| {
            let mut ours = pool.alloc(60 * KIB);
            ours.extend_from_slice(&[255; 60 * KIB]);
            ours.freeze().slice(..20)
        })
        .collect();
    assert!(read.iter().enumerate().all(|(i, &byte)| byte == i as u8), "somebody wrote to it");
    let report = pool.report();
    let foreign = report.slabs.iter().find(|slab| slab.foreign).unwrap();
    assert_eq!((foreign.slices.len(), foreign.attached, report.totals.foreign_bytes), (1, false, 64 * KIB));
    drop((kept, ours));
}

#[test]
fn empty_static_and_lying_sizes() {
    let pool = SlabPool::new();
    let (read, drops) = buffer(100);
    let empty = {
        let mut rest = read;
        bytes::Buf::advance(&mut rest, 100);
        pool.adopt(rest, 100, "x")
    };
    assert!(empty.is_empty() && empty.is_compact());
    assert_eq!((dropped(&drops), pool.stats().handles), (1, 0));

    let greeting = pool.adopt(Bytes::from_static(b"hello"), 4096, "x");
    assert_eq!((&greeting[..], pool.stats().foreign_bytes), (&b"hello"[..], 4096));
    drop(greeting);

    let (read, _) = buffer(100);
    let value = pool.adopt(read, 10, "x");
    assert_eq!((value.retained_size(), pool.report().totals.waste_bytes), (100, 0));
    drop(value);

    let (read, _) = buffer(100);
    let huge = [usize::MAX, isize::MAX as usize, 5 << 30].map(|size| pool.adopt(read.slice(..20), size, "x"));
    let report = pool.report();
    assert_eq!(report.totals.slabs, 3);
    assert!(huge.iter().all(|value| *value == read.slice(..20)));
    assert!(report.slabs.iter().all(|slab| slab.live_bytes <= slab.size));
    drop(huge);
    assert_nothing_foreign(&pool);
}

#[test]
fn several_of_one_allocation_count_once() {
    let pool = SlabPool::new();
    let (read, drops) = buffer(64 * KIB);
    let foreign = pool.foreign(64 * KIB);
    assert_eq!((foreign.allocation_size(), pool.stats().handles), (64 * KIB, 0));
    // The second lies before the first, the third overlaps it, the fourth is a part of it.
    let ranges = [30_000..30_020, 100..120, 30_010..30_030, 30_005..30_015];
    let mut kept: Vec<SlabBytes> =
        ranges.iter().map(|range| foreign.adopt(read.slice(range.clone()), "value")).collect();
    drop(read);
    for (slice, range) in kept.iter().zip(&ranges) {
        assert!(slice.iter().zip(range.clone()).all(|(&byte, at)| byte == at as u8));
    }
    let report = pool.report();
    assert_eq!((report.totals.slabs, report.totals.slices), (1, 4));
    assert_eq!((report.totals.live_bytes, report.totals.foreign_bytes), (50, 64 * KIB));
    let offsets: Vec<usize> = report.slabs[0].slices.iter().map(|slice| slice.offset).collect();
    assert_eq!(offsets, [0, 5, 10, 64 * KIB - 29_900]);

    // The first goes; it joins while others are left.
    let last = kept.pop().unwrap();
    kept.clear();
    assert_eq!((dropped(&drops), pool.stats().pinned_slabs), (0, 1));
    drop(last);
    assert_eq!((dropped(&drops), pool.stats().pinned_slabs), (1, 0));

    // The next buffer begins a slab of its own.
    let (next, next_drops) = buffer(64 * KIB);
    let value = foreign.adopt(next.slice(..20), "value");
    assert_eq!((pool.stats().pinned_slabs, pool.stats().foreign_bytes), (1, 64 * KIB));
    drop((value, next));
    assert_eq!(dropped(&next_drops), 1);
    assert_nothing_foreign(&pool);
}

#[test]
fn what_cannot_be_of_one_allocation_is_listed_apart() {
    let pool = SlabPool::new();
    let memory = Bytes::from(vec![1; 1 << 20]);
    let foreign = pool.foreign(4 * KIB);
    let a = foreign.adopt(memory.slice(..20), "a");
    let far = foreign.adopt(memory.slice(4 * KIB..4 * KIB + 20), "far");
    let long = foreign.adopt(memory.slice(4 * KIB..12 * KIB), "long");
    let report = pool.report();
    let mut sizes: Vec<usize> = report.slabs.iter().map(|slab| slab.size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [4 * KIB, 4 * KIB, 8 * KIB]);
    assert_eq!(report.totals.clipped, 0);
    drop((a, far, long));
    assert_nothing_foreign(&pool);
}

/// Two owners adopted as one allocation, which is a lie: each is kept as long as it is read.
#[test]
fn a_lie_about_the_allocation_is_harmless() {
    let pool = SlabPool::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let owned = |byte| Bytes::from_owner(Owner { memory: vec![byte; 100], drops: Arc::clone(&drops) });
    let foreign = pool.foreign(1 << 40);
    let (a, b) = (foreign.adopt(owned(1), "a"), foreign.adopt(owned(2), "b"));
    drop(a);
    assert_eq!(b, [2; 100][..]);
    let stats = pool.stats();
    assert!(pool.report().slabs.iter().all(|slab| slab.live_bytes <= slab.size));
    drop((b, stats));
    assert_eq!(dropped(&drops), 2);
}

#[test]
fn a_slice_that_would_pass_the_end_is_moved_inside() {
    let pool = SlabPool::new();
    let memory = Bytes::from(vec![1; 4 * KIB]);
    let foreign = pool.foreign(4 * KIB);
    let a = foreign.adopt(memory.slice(2000..2020), "a");
    // Reaches from before the first slice to behind it: round the end.
    let b = foreign.adopt(memory.slice(1990..2030), "b");
    let report = pool.report();
    assert_eq!((report.totals.slabs, report.totals.clipped, report.totals.live_bytes), (1, 0, 60));
    assert_eq!((&a[..], &b[..]), (&memory[..20], &memory[..40]));
}

#[test]
fn a_closed_pool_lists_nothing_and_loses_nothing() {
    let pool = SlabPool::new();
    let (read, drops) = buffer(100);
    let foreign = pool.foreign(100);
    let early = foreign.adopt(read.slice(..10), "early");
    let still = pool.close(Duration::ZERO).unwrap_err();
    assert_eq!(still.report().totals.foreign_bytes, 100);

    let (error, back) = pool.try_adopt(read.slice(..20), 100, "late").unwrap_err();
    assert!(error.is_closed());
    let (error, back) = foreign.try_adopt(back, "late").unwrap_err();
    assert!(error.is_closed());
    assert_eq!(back, read.slice(..20));
    let late = pool.adopt(back, 100, "late");
    assert_eq!((&late[..], late.tag_name(), pool.stats().handles), (&read[..20], None, 1));
    drop((early, read));
    assert!(pool.close(Duration::from_secs(10)).is_ok());
    assert_eq!(dropped(&drops), 0);
    drop(late);
    assert_eq!(dropped(&drops), 1);
}

#[test]
fn past_the_ledgers_budget_it_is_untracked() {
    let pool = SlabPool::builder().max_ledger_bytes(1).build().unwrap();
    let (read, drops) = buffer(4096);
    let foreign = pool.foreign(4096);
    let kept = [foreign.adopt(read.slice(..20), "a"), foreign.adopt(read.slice(40..60), "b")];
    let report = pool.report();
    assert_eq!((report.totals.untracked, report.totals.slices, report.totals.foreign_bytes), (2, 0, 4096));
    assert_eq!(report.totals.unlisted_bytes, 4096);
    drop((kept, read));
    assert_eq!(dropped(&drops), 1);
    assert!(pool.report().is_empty());
}

#[test]
fn it_outlives_its_pool_and_is_dropped_by_the_last_thread() {
    let pool = SlabPool::new();
    let (read, drops) = buffer(4096);
    let value = pool.adopt(read, 4096, "x");
    drop(pool);
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let value = value.slice(i..i + 100);
            std::thread::spawn(move || {
                for _ in 0..if cfg!(miri) { 5 } else { 1000 } {
                    let clone = value.clone();
                    assert_eq!(clone[0], i as u8);
                }
            })
        })
        .collect();
    drop(value);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(dropped(&drops), 1);
}

/// Many threads adopt through one `Foreign` while others let go: each buffer is dropped once, whatever slab it was listed on.
#[test]
fn joining_races_with_the_last_drop() {
    let rounds = if cfg!(miri) { 20 } else { 5_000 };
    let pool = SlabPool::new();
    let foreign = Arc::new(pool.foreign(4096));
    let drops = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3u8)
        .map(|i| {
            let (foreign, drops) = (Arc::clone(&foreign), Arc::clone(&drops));
            std::thread::spawn(move || {
                for _ in 0..rounds {
                    let owner = Owner { memory: vec![i; 64], drops: Arc::clone(&drops) };
                    let value = foreign.adopt(Bytes::from_owner(owner), "x");
                    let part = value.slice(10..20);
                    drop(value);
                    assert_eq!(part, [i; 10][..]);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(dropped(&drops), 3 * rounds);
    assert_nothing_foreign(&pool);
}

/// Parked slices are moved out of a foreign slab while others join it: what is read is right, and each buffer is dropped once.
#[test]
fn joining_races_with_the_mover() {
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    let pool = SlabPool::new();
    let foreign = Arc::new(pool.foreign(1 << 20));
    let (drops, moved) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..2u8)
        .map(|i| {
            let (foreign, drops) = (Arc::clone(&foreign), Arc::clone(&drops));
            std::thread::spawn(move || {
                for round in 0..rounds {
                    let owner = Owner { memory: vec![i; 64], drops: Arc::clone(&drops) };
                    let parked = foreign.adopt(Bytes::from_owner(owner), "x").slice(3..13).park("kept");
                    if round % 3 == 0 {
                        std::thread::yield_now();
                    }
                    assert_eq!(parked.unpark(), [i; 10][..]);
                }
            })
        })
        .collect();
    let policy = CompactPolicy::new().older_than(Duration::ZERO);
    while threads.iter().any(|thread| !thread.is_finished()) {
        moved.fetch_add(pool.compact(&policy).slices, Ordering::Relaxed);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    println!("{} slices were moved", dropped(&moved));
    assert_eq!(dropped(&drops), 2 * rounds);
    assert_nothing_foreign(&pool);
}

/// The owner's `Drop` is the user's code: it may use the pool, and it may panic.
#[test]
fn owners_may_use_the_pool_and_may_panic() {
    struct Uses(SlabPool, Vec<u8>);
    impl AsRef<[u8]> for Uses {
        fn as_ref(&self) -> &[u8] {
            &self.1
        }
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            drop(self.0.adopt(Bytes::from(vec![1; 100]), 100, "inner"));
            assert!(self.1.len() != 13, "planned");
        }
    }
    let pool = SlabPool::new();
    drop(pool.adopt(Bytes::from_owner(Uses(pool.clone(), vec![0; 10])), 10, "outer"));
    let unlucky = pool.adopt(Bytes::from_owner(Uses(pool.clone(), vec![0; 13])), 13, "outer");
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(unlucky))).is_err());
    assert_nothing_foreign(&pool);
    assert_eq!(pool.adopt(Bytes::from(vec![1; 100]), 100, "after"), [1; 100][..]);
}

#[test]
#[cfg(feature = "json")]
fn a_report_with_a_foreign_slab_is_read_back() {
    let pool = SlabPool::new();
    let mut ours = pool.alloc(100);
    ours.extend_from_slice(&[0; 100]);
    let kept = (pool.adopt(Bytes::from(vec![1; 100]), 4096, "foreign"), ours);
    let text = pool.report().to_json();
    let back = bufslab::PinReport::from_json(text.as_bytes()).unwrap();
    assert_eq!((back.totals.foreign_bytes, back.to_json()), (4096, text.clone()));
    // A report of before there were foreign slabs.
    let old = text.replace("\"foreign\":true,", "").replace("\"foreign\":false,", "");
    assert_eq!(bufslab::PinReport::from_json(old.as_bytes()).unwrap().totals.foreign_bytes, 0);
    drop(kept);
}
