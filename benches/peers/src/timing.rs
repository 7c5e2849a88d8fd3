//! Rounds in batches, and the batches of all who take part in turns.

use crate::cases::Op;
use crate::options::Options;
use std::time::Duration;

/// Somebody who makes rounds of one operation, and says how long they took.
pub(crate) type Run = Box<dyn FnMut(u64) -> Duration>;

/// Fewer rounds than that are not timed: the clock itself takes some 20 ns.
const LEAST: u64 = 256;

/// Nanoseconds for one round of each case: the median of its batches.
pub(crate) fn in_turns(op: &Op, options: &Options) -> Vec<f64> {
    let mut runs: Vec<Run> = op.cases.iter().map(|case| (case.make)()).collect();
    let counts: Vec<u64> = runs.iter_mut().map(|run| enough(run, options.batch)).collect();
    let mut seen: Vec<Vec<f64>> = vec![Vec::new(); runs.len()];
    for batch in 0..options.batches {
        for at in 0..runs.len() {
            // Another one begins each time, so that nobody always follows the same neighbour's use of the caches.
            let at = (at + batch * 5) % runs.len();
            // The caches are filled anew first: the others have been here.
            runs[at](counts[at] / 2);
            let took = runs[at](counts[at]);
            seen[at].push(took.as_nanos() as f64 / counts[at] as f64);
        }
    }
    seen.into_iter().map(median).collect()
}

/// How many rounds take about that long, once it has gone on for a while: at first pages are touched for the first time, and threads wake up. By the
/// fastest of them: with too few rounds a batch ends before its caches are full, and somebody who was once held up would stay slow.
fn enough(run: &mut Run, batch: Duration) -> u64 {
    let (mut rounds, mut passed, mut fastest) = (LEAST, Duration::ZERO, f64::MAX);
    while passed < batch * 8 {
        let took = run(rounds);
        passed += took;
        fastest = fastest.min(took.as_nanos().max(1) as f64 / rounds as f64);
        if took * 4 < batch {
            rounds *= 2;
        }
    }
    ((batch.as_nanos() as f64 / fastest) as u64).max(LEAST)
}

/// The one in the middle.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
