//! A dry run of a policy says exactly what doing it does: real pools, random lifetimes, several threads.
#![allow(missing_docs)]

use bufslab::report::{CompactPlan, Holder, VainReason};
use bufslab::{PoolStats, RetainPolicy, SlabBytes, SlabBytesMut, SlabPool};
use bytes::Bytes;
use std::sync::mpsc;
use std::thread;

const ROUNDS: usize = if cfg!(miri) { 60 } else { 1_500 };
const TAGS: [&str; 4] = ["req.head", "body", "cache.key", "\u{1b}[2J"];

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// What a program holds in the end.
#[derive(Default)]
struct Held {
    slices: Vec<SlabBytes>,
    exported: Vec<Bytes>,
    writable: Vec<SlabBytesMut>,
}

impl Held {
    fn append(&mut self, mut other: Held) {
        self.slices.append(&mut other.slices);
        self.exported.append(&mut other.exported);
        self.writable.append(&mut other.writable);
    }

    /// What every holder of a listed slice does on `policy`'s advice. Returns slices and bytes copied.
    fn apply(&mut self, policy: &RetainPolicy, only: impl Fn(&SlabBytes) -> bool) -> (usize, usize) {
        let (mut slices, mut bytes) = (0, 0);
        for held in &mut self.slices {
            // Every slice has a tag, which a handle that no report lists cannot keep.
            let listed = held.tag_name().is_some();
            let goes = listed && only(held) && policy.decide(held.len(), held.retained_size()).is_copy();
            if goes {
                let slice = std::mem::take(held);
                assert!(!slice.is_compact());
                (slices, bytes) = (slices + 1, bytes + slice.len());
                *held = slice.compact();
            }
        }
        (slices, bytes)
    }
}

/// Reads, cuts, clones, splits, exports and drops at random; returns what is left.
fn live(pool: &SlabPool, random: &mut Random, rounds: usize) -> Held {
    let mut held = Held::default();
    for _ in 0..rounds {
        let room = 1 + random.below(pool.slab_size());
        let mut read = pool.alloc(if random.below(3) == 0 { room } else { 1 + room % 700 });
        let filled = 1 + random.below(read.capacity());
        read.resize(filled, b'.');
        if random.below(40) == 0 {
            held.writable.push(read);
            continue;
        }
        let mut whole = read.freeze().tag(TAGS[random.below(4)]);
        match random.below(8) {
            0 => held.slices.push(whole),
            1 => {
                let tail = whole.split_off(filled / 2);
                held.slices.extend([whole, tail].into_iter().filter(|part| !part.is_empty()));
            }
            2 | 3 => {
                let start = random.below(filled);
                let head = whole.slice(start..start + 1 + random.below(filled - start));
                held.slices.push(head.tag(TAGS[random.below(4)]));
            }
            4 if random.below(4) == 0 => held.exported.push(whole.into()),
            5 => held.slices.extend([whole.clone(), whole.clone()]),
            _ => {}
        }
        // Most are dropped again, in an order of their own.
        if !held.slices.is_empty() && random.below(5) > 1 {
            held.slices.swap_remove(random.below(held.slices.len()));
        }
    }
    held
}

fn policies(random: &mut Random) -> Vec<RetainPolicy> {
    vec![
        RetainPolicy::new(0, usize::MAX),
        RetainPolicy::new(random.below(40), 60),
        RetainPolicy::new(0, 1 + random.below(20)),
        RetainPolicy::new(300, usize::MAX),
        RetainPolicy::default(),
        RetainPolicy::new(usize::MAX, 0),
    ]
}

fn check_did(plan: &CompactPlan, did: (usize, usize), before: PoolStats, after: PoolStats) {
    assert_eq!((plan.slices, plan.copied_bytes), did, "{plan}");
    assert_eq!(before.pinned_bytes - after.pinned_bytes, plan.unpinned_bytes(), "{plan}");
    assert_eq!(before.pinned_slabs - after.pinned_slabs, plan.freed_slabs + plan.emptied_slabs, "{plan}");
    assert_eq!(after.pinned_bytes, plan.left_bytes());
    // Freed slabs lie idle or went back to their source; emptied ones stay with their thread.
    let in_use = |stats: PoolStats| stats.memory_bytes - stats.idle_bytes;
    assert_eq!(in_use(before) - in_use(after), plan.freed_bytes, "{plan}");
    assert_eq!(after.slabs_recycled - before.slabs_recycled, plan.freed_slabs as u64);
}

/// Threads that live until they are let go, so that their slabs stay attached; what they hold is handed over.
fn with_threads(pool: &SlabPool, threads: u64, check: impl FnOnce(Held)) {
    thread::scope(|scope| {
        let (out, inbox) = mpsc::channel();
        let stop: Vec<_> = (0..threads)
            .map(|n| {
                let (out, (stop, stopped)) = (out.clone(), mpsc::channel::<()>());
                scope.spawn(move || {
                    out.send(live(pool, &mut Random(0x9e37_79b9 + n), ROUNDS)).unwrap();
                    let _ = stopped.recv();
                });
                stop
            })
            .collect();
        drop(out);
        let mut held = live(pool, &mut Random(0xfeed), ROUNDS);
        (0..threads).for_each(|_| held.append(inbox.recv().unwrap()));
        check(held);
        drop(stop);
    });
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn what_the_plan_says_is_what_happens() {
    let mut seen = [0; 4];
    for slab_size in [512, 4096, 65_536] {
        for (n, policy) in policies(&mut Random(77)).into_iter().enumerate() {
            let pool = SlabPool::builder().slab_size(slab_size).idle_bytes(slab_size * n).build().unwrap();
            with_threads(&pool, 3, |mut held| {
                let plan = pool.report().compact_plan(&policy);
                let before = pool.stats();
                assert_eq!(plan.pinned_bytes, before.pinned_bytes);
                let did = held.apply(&policy, |_| true);
                check_did(&plan, did, before, pool.stats());
                seen[0] += plan.freed_slabs;
                seen[1] += plan.emptied_slabs;
                seen[2] += plan.slices_in_vain();
                seen[3] += plan.exported + plan.writable;
                let again = pool.report().compact_plan(&policy);
                assert_eq!(again.slices, 0, "nothing is left to do");
                // The copies are as they were.
                assert!(held.slices.iter().all(|slice| slice.iter().all(|&byte| byte == b'.')));
            });
        }
    }
    assert!(seen.iter().all(|&n| n > 0), "each case was there: {seen:?}");
}

#[test]
fn the_same_when_threads_are_gone_and_by_retain_itself() {
    for policy in policies(&mut Random(99)) {
        let pool = SlabPool::builder().slab_size(4096).retain_policy(policy).build().unwrap();
        let mut held = Held::default();
        for n in 0..3 {
            let pool = pool.clone();
            held.append(thread::spawn(move || live(&pool, &mut Random(n * 31 + 5), ROUNDS)).join().unwrap());
        }
        let (plan, before) = (pool.report().compact_plan(&pool.retain_policy()), pool.stats());
        assert_eq!(plan.emptied_slabs, 0, "no thread has a slab any more");
        let lens: usize = held.slices.iter().map(SlabBytes::len).sum();
        let slices: Vec<_> = held.slices.drain(..).map(SlabBytes::retain).collect();
        let copied = slices.iter().filter(|slice| slice.is_compact());
        let did = copied.fold((0, 0), |(slices, bytes), copy| (slices + 1, bytes + copy.len()));
        check_did(&plan, did, before, pool.stats());
        assert_eq!(slices.iter().map(SlabBytes::len).sum::<usize>(), lens);
    }
}

#[test]
fn one_tag_at_a_time() {
    let pool = SlabPool::builder().slab_size(2048).build().unwrap();
    let policy = RetainPolicy::new(400, 8);
    with_threads(&pool, 2, |mut held| {
        for tag in TAGS {
            let (plan, before) = (pool.report().compact_plan(&policy), pool.stats().pinned_bytes);
            let group = plan.by_tag.iter().find(|group| matches!(group.holder, Holder::Tag(t) if t.name() == tag));
            let group = group.unwrap();
            let did = held.apply(&policy, |slice| slice.tag_name().is_some_and(|name| name.name() == tag));
            assert_eq!((group.slices, group.copied_bytes), did);
            assert_eq!(before - pool.stats().pinned_bytes, group.unpinned_alone_bytes, "{plan}");
        }
    });
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn handles_that_are_not_listed_keep_their_slabs() {
    // Room for the slots of some handles, not of all.
    let pool = SlabPool::builder().max_ledger_bytes(6 << 10).build().unwrap();
    let policy = RetainPolicy::new(usize::MAX, 0);
    let mut held = Held::default();
    for _ in 0..500 {
        let mut read = pool.alloc(20);
        read.resize(20, b'.');
        held.slices.push(read.freeze().tag("req.head"));
    }
    let report = pool.report();
    assert!(report.totals.untracked > 0 && report.totals.slices > 0, "{report}");
    let (plan, before) = (report.compact_plan(&policy), pool.stats());
    check_did(&plan, held.apply(&policy, |_| true), before, pool.stats());
    assert_eq!((plan.slices, plan.unpinned_bytes()), (report.totals.slices, 0));
    assert!(matches!(plan.in_vain[..], [group] if group.reason == VainReason::Unlisted && group.slabs == 1), "{plan}");
}
