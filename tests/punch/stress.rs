//! Many threads allocate, cut, clone and drop, around pins and not, while one punches: every byte that was written stays.

use super::stop::Stop;
use super::support::{alone, builder, conserved};
use bufslab::report::PinnedSlab;
use bufslab::{Reuse, SlabBytes, SlabPool};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

const ROUNDS: usize = 30_000;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// A slice of `value`s.
fn filled(pool: &SlabPool, len: usize, value: u8) -> SlabBytes {
    let mut read = pool.alloc(len);
    read.resize(len, value);
    read.freeze()
}

fn check(slice: &SlabBytes, value: u8) {
    assert!(slice.iter().all(|&byte| byte == value), "a byte of a live slice has changed");
}

fn run(reuse: Reuse) {
    let pool = builder(64 * 1024).reuse(reuse).idle_bytes(256 * 1024).build().unwrap();
    let (stop, given_back) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (passed_on, received) = mpsc::sync_channel::<(SlabBytes, u8)>(64);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..4u64)
            .map(|seed| {
                let (pool, passed_on) = (&pool, passed_on.clone());
                scope.spawn(move || {
                    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                    let mut kept: Vec<(SlabBytes, u8)> = Vec::new();
                    for _ in 0..ROUNDS {
                        let value = random.below(255) as u8 + 1;
                        let whole = filled(pool, 1 + random.below(9_000), value);
                        let at = random.below(whole.len());
                        let part = whole.slice(at..(at + 1 + random.below(300)).min(whole.len()));
                        drop(whole);
                        match random.below(16) {
                            0 => kept.push((part, value)),
                            1 => drop(passed_on.try_send((part, value))),
                            _ => check(&part, value),
                        }
                        if kept.len() > 200 {
                            let (slice, value) = kept.swap_remove(random.below(200));
                            check(&slice, value);
                        }
                    }
                    kept.iter().for_each(|(slice, value)| check(slice, *value));
                    kept
                })
            })
            .collect();
        drop(passed_on);
        scope.spawn(|| {
            // Drops on another thread what it checks, and clones it before.
            for (slice, value) in received {
                let copy = slice.clone();
                drop(slice);
                check(&copy, value);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let outcome = pool.punch();
                conserved(&outcome);
                given_back.fetch_add(outcome.given_back_bytes, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            // Slabs go back to the system under its eyes.
            while !stop.load(Ordering::Relaxed) {
                let report = pool.report();
                let fits = |slab: &PinnedSlab| slab.resident_bytes.is_none_or(|bytes| bytes <= slab.size);
                assert!(report.slabs.iter().all(fits), "{report:#}");
            }
        });
        let done = Stop(&stop);
        let kept: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        drop(done);
        kept.iter().for_each(|(slice, value)| check(slice, *value));
        conserved(&pool.punch());
        kept.iter().for_each(|(slice, value)| check(slice, *value));
    });
    println!("{reuse:?}: {} KiB given back meanwhile; {:?}", given_back.load(Ordering::Relaxed) >> 10, pool.stats());
    assert!(given_back.load(Ordering::Relaxed) > 0, "punching found nothing to do");
    assert_eq!(pool.stats().handles, 0);
}

#[test]
fn live_bytes_survive_reuse_around_pins() {
    let _alone = alone();
    run(Reuse::AroundThePin);
}

#[test]
fn live_bytes_survive_reuse_of_whole_slabs() {
    let _alone = alone();
    run(Reuse::WholeSlab);
}
