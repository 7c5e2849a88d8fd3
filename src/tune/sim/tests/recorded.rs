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
    trace.check().unwrap();
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
#[cfg_attr(bufslab_asan, ignore = "asan: slabs are cut with gaps between slices")]
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

/// What is predicted for another setup from a recording is what comes of the same program with a pool of that setup. Not to the byte,
/// for where a buffer found room to grow in the recorded pool it may find none in the other, and the other way round.
#[test]
#[cfg_attr(bufslab_asan, ignore = "asan: slabs are cut with gaps between slices")]
#[cfg_attr(bufslab_one_each, ignore = "one each: the simulation is of slabs that slices share")]
fn what_is_predicted_for_another_setup_is_what_comes_of_it() {
    let setups = |reuse| [1000, 4096, 20_000, 65_536, 1 << 20].map(|size| setup(size, reuse, 100_000));
    let all: Vec<Setup> = [Reuse::WholeSlab, Reuse::AroundThePin].into_iter().flat_map(setups).collect();
    // The same program each time, whatever the pool.
    let program = |setup: &Setup, seed: u64| {
        let mut pair = Pair::new(setup.clone(), 3, seed);
        pair.slab_size = 10_000;
        pair
    };
    for seed in 0..if cfg!(miri) { 1 } else { 12 } {
        let mut recorded = program(&setup(4096, Reuse::AroundThePin, 0), seed);
        let recording = recorded.pool.record(RecordOptions::new()).unwrap();
        (0..ACTS).for_each(|_| recorded.act(60));
        let trace = recording.stop();
        for other in &all {
            let mut rerun = program(other, seed);
            let (mut peak, mut sum) = (0, 0);
            for _ in 0..ACTS {
                rerun.act(60);
                let pinned = rerun.pool.stats().pinned_bytes as u64;
                (peak, sum) = (pinned.max(peak), sum + pinned);
            }
            let simulated = simulate(&trace, other).unwrap();
            let real = [peak, sum / ACTS as u64, rerun.pool.stats().slabs_taken];
            let predicted = [simulated.peak_pinned_bytes, simulated.mean_pinned_bytes, simulated.slabs_taken];
            // Peaks are whole slabs, of which there are few.
            let within = [real[0] / 7, real[1] / 20, real[2] / 4 + 1];
            for ((real, predicted), within) in real.into_iter().zip(predicted).zip(within) {
                assert!(
                    predicted.abs_diff(real) <= within,
                    "{predicted:?} was predicted for {real:?} of {other:?}, program {seed}"
                );
            }
        }
    }
}
