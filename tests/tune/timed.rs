use super::traces::{Script, hand_over, mixed, upgrades};
use bufslab::tune::{ReplayError, ReplayOptions, Replayed, Setup, lockstep, replay};
use std::time::Duration;

fn briefly() -> ReplayOptions {
    let mut options = ReplayOptions::default();
    (options.passes, options.at_least) = (2, Duration::from_millis(1));
    options
}

#[test]
fn every_step_is_done_on_every_thread() {
    for (trace, threads) in [(upgrades(430, 43), 1), (hand_over(2000), 3), (mixed(5, 5000), 5)] {
        let ran = replay(&trace, &Setup::new(32_768), &briefly()).unwrap();
        let allocations = trace.allocations;
        assert_eq!((ran.threads, ran.steps, ran.allocations), (threads, trace.steps.len() as u64, allocations));
        assert_eq!((ran.passes, ran.approximated_steps, ran.end_slab_size), (2, 0, 32_768));
        assert!(ran.rounds >= 6, "{ran:?}");
        assert!(ran.gross_ns_per_step > 0.0 && ran.empty_ns_per_step > 0.0, "{ran:?}");
        assert!(ran.lowest_ns_per_step <= ran.ns_per_step && ran.ns_per_step <= ran.highest_ns_per_step);
        assert!(ran.peak_pinned_bytes >= ran.end_pinned_bytes && ran.slabs_taken > 0);
        if cfg!(target_os = "linux") {
            assert!(ran.peak_resident_bytes.is_some());
        }
    }
}

/// On one thread the order is that of the trace, so memory is the same as step by step.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn one_thread_ends_as_in_lockstep() {
    for size in [4096, 65_536, 1 << 20] {
        let trace = upgrades(2000, 10);
        let ran = replay(&trace, &Setup::new(size), &briefly()).unwrap();
        let stepped = lockstep(&trace, &Setup::new(size)).unwrap();
        assert_eq!((ran.end_pinned_bytes, ran.slabs_taken), (stepped.end_pinned_bytes, stepped.slabs_taken));
    }
}

/// The thread that only allocates does not run away from the one that drops.
#[test]
fn nobody_runs_away() {
    let mut script = Script::new(2, &[]);
    for _ in 0..5000 {
        let read = script.read(0, 1000, 1000);
        script.free(1, read);
    }
    let trace = script.end();
    let mut options = briefly();
    options.window = 30;
    let ran = replay(&trace, &Setup::new(1000), &options).unwrap();
    // Of 5,000 reads at most those of one window are there at once, each in a slab of its own; and a few in motion.
    assert!(ran.peak_pinned_bytes <= 40 * 1000, "{ran:?}");
}

/// One thread fails, and those that wait for it, or for its handles, end too.
#[test]
fn an_error_on_one_thread_ends_all() {
    let mut script = Script::new(3, &[]);
    let mut last = script.read(0, 100, 100);
    for _ in 0..1000 {
        last = script.slice(2, last, 0, 100, 0);
    }
    let huge = script.alloc(1, u64::MAX);
    script.free(2, huge);
    for _ in 0..1000 {
        last = script.slice(0, last, 0, 100, 0);
    }
    let error = replay(&script.end(), &Setup::new(16_384), &briefly()).unwrap_err();
    assert!(matches!(error, ReplayError::Alloc(_)), "{error}");
}

#[test]
fn medians_of_several_runs() {
    let run = |ns: f64, peak: u64| {
        let mut run = Replayed::default();
        (run.ns_per_step, run.lowest_ns_per_step, run.highest_ns_per_step) = (ns, ns, ns);
        (run.peak_pinned_bytes, run.passes) = (peak, 1);
        run
    };
    let all = Replayed::median(&[run(30.0, 5), run(10.0, 9), run(11.0, 7)]);
    assert_eq!((all.ns_per_step, all.lowest_ns_per_step, all.highest_ns_per_step), (11.0, 10.0, 30.0));
    assert_eq!((all.peak_pinned_bytes, all.passes), (9, 3));
    assert_eq!(Replayed::median(&[]), Replayed::default());
}
