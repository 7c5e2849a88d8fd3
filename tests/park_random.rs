//! Parked slices in random pools: a plan says exactly what compacting does, and a mover that runs beside threads that park, read and
//! drop is never noticed by what they read.
#![allow(missing_docs)]

use bufslab::{CompactPolicy, Parked, SlabBytes, SlabPool};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const POOLS: u64 = if cfg!(miri) { 3 } else { 100 };
const ROUNDS: usize = if cfg!(miri) { 40 } else { 400 };
const STEPS: usize = if cfg!(miri) { 60 } else { 10_000 };

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

fn random(seed: u64) -> Random {
    Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
}

/// Bytes that tell where they came from.
fn fill(pool: &SlabPool, stamp: u8, len: usize) -> SlabBytes {
    let mut read = pool.alloc(len);
    read.extend((0..len).map(|i| stamp.wrapping_add(i as u8)));
    read.freeze()
}

fn is_stamped(bytes: &[u8]) -> bool {
    bytes.windows(2).all(|two| two[1] == two[0].wrapping_add(1))
}

fn any_age() -> CompactPolicy {
    CompactPolicy::new().older_than(Duration::ZERO)
}

/// What is held in the end, of slabs that are attached, held by others too, full, and sparse.
fn live(pool: &SlabPool, random: &mut Random) -> (Vec<Parked>, Vec<SlabBytes>) {
    let (mut parked, mut held) = (Vec::new(), Vec::new());
    let park_often = 1 + random.below(30);
    for round in 0..ROUNDS {
        let most = if random.below(4) == 0 { pool.slab_size() } else { 300 };
        let len = 1 + random.below(most);
        let mut whole = fill(pool, round as u8, len);
        let start = random.below(len);
        let part = whole.slice(start..start + 1 + random.below(len - start));
        match random.below(30) {
            n if n < park_often.min(8) => {
                // The whole is dropped, or the copy is one of a clone, a slice or a half.
                match random.below(4) {
                    0 => parked.push(part.clone().park("clone")),
                    1 => parked.push(whole.split_off(len / 2).park("half")),
                    _ => {}
                }
                parked.push(part.park("part"));
            }
            n if n == 8 && random.below(4) == 0 => held.push(part),
            _ => {}
        }
        if !parked.is_empty() && random.below(6) == 0 {
            let one = parked.swap_remove(random.below(parked.len()));
            match random.below(3) {
                0 => held.push(one.unpark()),
                _ => drop(one),
            }
        }
        if !held.is_empty() && random.below(3) == 0 {
            held.swap_remove(random.below(held.len()));
        }
    }
    (parked, held)
}

#[test]
fn a_plan_says_exactly_what_compacting_does() {
    let (mut slices, mut refused) = (0, [0; 4]);
    for seed in 1..=POOLS {
        let mut random = random(seed);
        let size = [256, 1000, 4096, 65_536][random.below(4)];
        let pool = SlabPool::builder().slab_size(size).idle_bytes(random.below(2) * (1 << 20)).build().unwrap();
        // One thread whose slabs are given up, and this one, whose slabs are attached.
        let there = {
            let (pool, mut random) = (pool.clone(), Random(random.0 ^ 0xABCD_EF01));
            thread::spawn(move || live(&pool, &mut random)).join().unwrap()
        };
        let (parked, _held) = (there.0, there.1);
        let here = live(&pool, &mut random);
        let all: Vec<&Parked> = parked.iter().chain(&here.0).collect();
        let before: Vec<Vec<u8>> = all.iter().map(|slice| slice.get().to_vec()).collect();
        for percent in [0, 1 + random.below(99) as u8, 100] {
            let policy = any_age().below_percent(percent).pack(random.below(2) == 0);
            let moved_before = all.iter().filter(|slice| slice.is_moved()).count();
            let stats = pool.stats();
            let plan = pool.report().parked_plan(&policy);
            let did = pool.compact(&policy);
            assert_eq!(did, plan, "pool {seed}");
            let after = pool.stats();
            assert_eq!(stats.pinned_bytes - after.pinned_bytes, did.freed_bytes, "pool {seed}: {did}");
            assert_eq!(stats.pinned_slabs - after.pinned_slabs, did.freed_slabs);
            assert_eq!(after.slabs_recycled - stats.slabs_recycled, did.freed_slabs as u64);
            let moved = all.iter().filter(|slice| slice.is_moved()).count() - moved_before;
            assert_eq!((moved, did.left_read, did.left_moving), (did.slices, 0, 0), "pool {seed}");
            slices += moved;
            let reasons = [did.left_attached, did.left_held, did.left_worth_it, did.left_young];
            refused.iter_mut().zip(reasons).for_each(|(sum, n)| *sum += n);
            assert_eq!(pool.report().parked_plan(&policy).slices, 0, "nothing is left to do");
        }
        for (slice, bytes) in all.iter().zip(&before) {
            assert_eq!(slice.get()[..], bytes[..], "pool {seed}");
        }
        drop((here, parked));
    }
    // Where each slice has a slab of its own, nobody is attached to one, and no slice is worth more than another.
    let reasons = if cfg!(bufslab_one_each) { 1..2 } else { 0..3 };
    assert!(slices > 100 && refused[reasons].iter().all(|&n| n > 0), "{slices} moved, {refused:?} left");
}

/// Four threads park, hand over, read and drop, while a fifth compacts all the time.
#[test]
fn a_mover_beside_readers_and_droppers_is_not_noticed() {
    let pool = SlabPool::builder().slab_size(2048).idle_bytes(64 * 1024).build().unwrap();
    let shared: Mutex<Vec<Arc<Parked>>> = Mutex::default();
    let (stop, moved, parked_bytes) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|n| {
                let (pool, shared, parked_bytes) = (&pool, &shared, &parked_bytes);
                scope.spawn(move || {
                    let mut random = random(n + 1);
                    let mut mine: Vec<Parked> = Vec::new();
                    for step in 0..STEPS {
                        match random.below(10) {
                            0..=2 => {
                                let whole = fill(pool, step as u8, 1 + random.below(500));
                                let len = 1 + random.below(whole.len().min(40));
                                parked_bytes.fetch_add(len, Ordering::Relaxed);
                                mine.push(whole.slice(..len).park("mine"));
                            }
                            3 if !mine.is_empty() => {
                                let one = mine.swap_remove(random.below(mine.len()));
                                shared.lock().unwrap().push(Arc::new(one));
                            }
                            4 | 5 => {
                                let one = shared.lock().unwrap().pop();
                                let Some(one) = one else { continue };
                                let (outer, inner) = (one.get(), one.get());
                                assert!(is_stamped(&outer) && outer[..] == inner[..]);
                                drop(outer);
                                // Across whatever the mover does.
                                if random.below(4) == 0 {
                                    thread::yield_now();
                                }
                                assert!(is_stamped(&inner));
                                drop(inner);
                                if random.below(3) != 0 {
                                    shared.lock().unwrap().insert(0, one);
                                }
                            }
                            6 if !mine.is_empty() => {
                                let one = mine.swap_remove(random.below(mine.len()));
                                let held = one.get().to_slab_bytes();
                                assert!(is_stamped(&one.unpark()));
                                assert!(is_stamped(&held));
                            }
                            7 if !mine.is_empty() => drop(mine.swap_remove(random.below(mine.len()))),
                            _ => assert!(mine.iter().take(5).all(|one| one.read(is_stamped))),
                        }
                        if mine.len() > 60 {
                            mine.drain(..30);
                        }
                        let mut shared = shared.lock().unwrap();
                        if shared.len() > 60 {
                            let half: Vec<_> = shared.drain(..30).collect();
                            drop(shared);
                            drop(half);
                        }
                    }
                })
            })
            .collect();
        let mover = scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                let did = pool.compact(&any_age().below_percent(100).pack(moved.load(Ordering::Relaxed) % 2 == 0));
                moved.fetch_add(did.copied_bytes, Ordering::Relaxed);
                assert_eq!(did.left_no_memory, 0);
                thread::yield_now();
            }
        });
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        stop.store(true, Ordering::Release);
        mover.join().unwrap();
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    let (copied, all) = (moved.into_inner(), parked_bytes.into_inner());
    assert!(copied <= all, "each slice is copied once at most: {copied} of {all}");
    assert!(copied > 0 || cfg!(miri), "nothing was moved");
    let left = shared.into_inner().unwrap();
    assert!(left.iter().all(|one| one.read(is_stamped)));
    drop(left);
    let stats = pool.stats();
    assert_eq!((stats.pinned_bytes, stats.handles), (0, 0), "{stats:?}");
    println!("{copied} of {all} parked bytes were moved; {} bytes of slots", stats.ledger_bytes);
}

/// The last handles of pools that are gone, some moved and some not, dropped by two threads at once.
#[test]
fn pools_end_with_their_last_parked_slices() {
    for seed in 0..if cfg!(miri) { 5 } else { 1000 } {
        let pool = SlabPool::builder().slab_size(512).build().unwrap();
        let mut parked: Vec<Parked> = Vec::new();
        for i in 0..6 {
            parked.extend((0..2).map(|_| fill(&pool, i, 256).slice(..8).park("x")));
            if i == 3 {
                pool.compact(&any_age());
            }
        }
        drop(pool);
        if seed % 2 == 0 {
            parked.reverse();
        }
        let theirs: Vec<Parked> = parked.drain(..6).collect();
        thread::scope(|scope| {
            scope.spawn(move || theirs.into_iter().for_each(|one| assert!(one.read(is_stamped))));
            drop(parked);
        });
    }
}
