//! A real pool is recorded, and what was recorded is simulated: it comes to what the pool says.

use super::lockstep::{ACTS, Pair, setup};
use crate::config::Reuse;
use crate::record::RecordOptions;
use crate::tune::{Setup, Simulated, simulate};

/// What a pool says after a random program, and what the simulation says of its recording.
fn both(setup: &Setup, threads: u32, seed: u64) -> ([u64; 9], Simulated) {
    let mut pair = Pair::new(setup.clone(), threads, seed);
    let recording = pair.pool.record(RecordOptions::new()).unwrap();
    for act in 0..ACTS {
        pair.act([4, 40, 200, 10][act * 8 / ACTS % 4]);
    }
    let stats = pair.pool.stats();
    let live = pair.pool.report().totals.live_bytes as u64;
    let trace = recording.stop();
    assert!(!trace.is_cut_short);
    let figures = [
        stats.pinned_bytes as u64,
        live,
        stats.slabs_taken,
        stats.slabs_reused,
        stats.slabs_reused_in_place,
        stats.slabs_reused_around,
        stats.slabs_recycled,
        stats.slab_size_moves,
        stats.slab_size as u64,
    ];
    (figures, simulate(&trace, setup).unwrap())
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: the simulation is of slabs that slices share")]
fn what_was_recorded_comes_to_what_the_pool_says() {
    let sizes = [crate::SlabSize::Fixed(1000), crate::SlabSize::Fixed(65_536), crate::Auto.between(8192, 1 << 20)];
    for (seed, slab_size) in sizes.into_iter().cycle().take(12).enumerate() {
        let reuse = if seed % 2 == 0 { Reuse::WholeSlab } else { Reuse::AroundThePin };
        let setup = Setup { slab_size, ..setup(4096, reuse, 100_000) };
        let (real, simulated) = both(&setup, 1 + seed as u32 % 4, seed as u64 + 40);
        let said = [
            simulated.end_pinned_bytes,
            simulated.end_live_bytes,
            simulated.slabs_taken,
            simulated.slabs_reused,
            simulated.slabs_reused_in_place,
            simulated.slabs_reused_around,
            simulated.slabs_recycled,
            simulated.slab_size_moves.len() as u64,
            simulated.end_slab_size as u64,
        ];
        assert_eq!(said, real, "run {seed} with {setup:?}");
    }
}
