//! The claim: 40 slabs of 10 MiB, each pinned by one slice of 20 bytes, cost 400 MiB before and at most 1 MiB after.

use super::stop::Stop;
use super::support::{alone, builder, byte, check, conserved, is_sanitized, pinned, resident, rss};
use bufslab::SlabBytes;
use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const SLABS: usize = 40;
const SIZE: usize = 10 << 20;
const MIB: usize = 1 << 20;

/// Each slab's slice lies somewhere else, also across the edge of a page.
fn place(slab: usize) -> Range<usize> {
    let at = match slab % 4 {
        0 => 0,
        1 => SIZE - 20,
        2 => slab * 200_000 / 4096 * 4096 - 10,
        _ => slab * 200_001,
    };
    at..at + 20
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn forty_slabs_of_ten_mebibytes_fall_to_one() {
    let _alone = alone();
    let pool = builder(SIZE).idle_bytes(SLABS * SIZE).build().unwrap();
    let rss_before = rss();
    let slices: Vec<SlabBytes> = (0..SLABS).flat_map(|slab| pinned(&pool, slab, &[place(slab)])).collect();
    let sum = || (0..SLABS).map(|slab| resident(&slices[slab], place(slab).start, SIZE)).sum::<usize>();
    let rss_now = || rss().saturating_sub(rss_before);
    let (filled, rss_filled) = (sum(), rss_now());
    assert_eq!(filled, SLABS * SIZE, "all of it is in memory");
    assert_eq!((pool.stats().pinned_slabs, pool.stats().pinned_bytes), (SLABS, SLABS * SIZE));

    let (stop, ready) = (AtomicBool::new(false), Barrier::new(5));
    let (reads, clones) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcomes = std::thread::scope(|scope| {
        for reader in 0..2 {
            let (slices, stop, ready, reads) = (&slices, &stop, &ready, &reads);
            scope.spawn(move || {
                ready.wait();
                while !stop.load(Ordering::Relaxed) {
                    for slab in (0..SLABS).map(|slab| (slab + reader * SLABS / 2) % SLABS) {
                        check(slab, &[place(slab)], &slices[slab..=slab]);
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..2 {
            let (slices, stop, ready, clones) = (&slices, &stop, &ready, &clones);
            scope.spawn(move || {
                ready.wait();
                while !stop.load(Ordering::Relaxed) {
                    for (slab, slice) in slices.iter().enumerate() {
                        let copy = slice.clone();
                        let part = copy.slice(3..17);
                        drop(copy);
                        assert_eq!(part[0], byte(slab, place(slab).start + 3));
                    }
                    clones.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stop = Stop(&stop);
        ready.wait();
        let run = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        // While they run a slab may be in motion: who is not punched now is by one of the next calls.
        let mut outcomes = vec![pool.punch()];
        while (outcomes.iter().map(|outcome| outcome.given_back_bytes).sum::<usize>() < filled - MIB
            || run(&reads) < 20
            || run(&clones) < 20)
            && outcomes.len() < 100_000
        {
            std::thread::yield_now();
            outcomes.push(pool.punch());
        }
        outcomes
    });
    let last = pool.punch();
    let (after, rss_after) = (sum(), rss_now());
    println!("the first of {} calls: {}", outcomes.len(), outcomes[0]);
    println!("the last one, with nobody beside it: {last}");
    println!("mincore: {} KiB before, {} KiB after", filled >> 10, after >> 10);
    println!("rss: {} KiB before, {} KiB after", rss_filled >> 10, rss_after >> 10);
    outcomes.iter().for_each(conserved);
    assert_eq!((last.punched, last.pinned_slabs, last.slices), (SLABS, SLABS, SLABS));
    assert_eq!(last.resident_bytes, after, "what it says is what mincore says");
    let given_back: usize = outcomes.iter().chain([&last]).map(|outcome| outcome.given_back_bytes).sum();
    assert_eq!(given_back, filled - after, "no byte is given back twice, and none goes unsaid");
    assert!(after <= MIB, "{after} bytes are resident");
    if !is_sanitized() {
        assert!(rss_filled >= SLABS * SIZE && rss_after <= MIB, "{rss_filled} and {rss_after} bytes");
    }
    (0..SLABS).for_each(|slab| check(slab, &[place(slab)], &slices[slab..=slab]));

    // Recycled, the same slabs are whole again.
    drop(slices);
    let taken = pool.stats().slabs_taken;
    assert_eq!((pool.stats().pinned_slabs, pool.stats().idle_bytes), (0, SLABS * SIZE));
    let refilled: Vec<Vec<SlabBytes>> = (0..SLABS).map(|slab| pinned(&pool, slab + 7, &[0..SIZE])).collect();
    for (slab, slices) in refilled.iter().enumerate() {
        check(slab + 7, &[0..SIZE], slices);
    }
    assert_eq!(pool.stats().slabs_taken, taken, "no new slab was needed");
}
