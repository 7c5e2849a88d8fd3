//! A trace run again for real: its steps on a real pool, on as many threads as it was recorded from.
//!
//! | file | part |
//! |---|---|
//! | `plan` | the trace made ready: who does what, with which handle, after whom |
//! | `work` | what a step does, with a pool or with nothing |
//! | `threads`, `worker`, `timed` | as fast as the threads can, timed |
//! | `lockstep` | one step after the other, counted |
//! | `resident` | what the operating system says |

mod error;
mod lockstep;
mod plan;
mod resident;
mod threads;
mod timed;
mod work;
mod worker;

pub use error::ReplayError;
pub use lockstep::{Lockstep, lockstep, lockstep_with};

use super::Setup;
use crate::pool::{SlabPool, SlabPoolBuilder};
use crate::trace::AllocTrace;
use core::time::Duration;
use std::borrow::Cow;

/// More than that, and the machine is busy with the threads alone.
const MOST_THREADS: u32 = 512;

/// How a trace is run for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayOptions {
    /// How often everything is done, each time with a new pool; figures are medians. At least 1, 5 by default.
    pub passes: u32,
    /// Steps of the trace that a thread may be ahead of the slowest one. At least 1, 256 by default: more, and a thread that
    /// only allocates runs away from the one that drops; fewer, and they wait more than they work.
    pub window: u64,
    /// How long the timed part of a pass is at least: the trace is run again until it is. 20 ms by default.
    pub at_least: Duration,
}

impl Default for ReplayOptions {
    fn default() -> ReplayOptions {
        ReplayOptions { passes: 5, window: 256, at_least: Duration::from_millis(20) }
    }
}

/// What a trace cost on this machine.
///
/// Times are busy times of all threads in sum: what a thread waited for another one is not in them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Replayed {
    /// Threads that it ran on.
    pub threads: u32,
    /// Steps of one round, on all threads.
    pub steps: u64,
    /// Allocations among them.
    pub allocations: u64,
    /// Passes that the figures are medians of.
    pub passes: u32,
    /// Rounds that were timed, in all passes.
    pub rounds: u64,
    /// Nanoseconds for a step, without what the same loop takes that has no pool
    /// ([`empty_ns_per_step`](Replayed::empty_ns_per_step)).
    pub ns_per_step: f64,
    /// The same for each allocation with all that was done with it.
    pub ns_per_alloc: f64,
    /// Nanoseconds for a step with the loop around it.
    pub gross_ns_per_step: f64,
    /// Nanoseconds for a step of a loop that does the same with no pool, and writes the payload to one place that stays in the cache: in the
    /// fastest round, since what else the machine does only adds to it.
    pub empty_ns_per_step: f64,
    /// [`ns_per_step`](Replayed::ns_per_step) of the fastest pass.
    pub lowest_ns_per_step: f64,
    /// [`ns_per_step`](Replayed::ns_per_step) of the slowest pass.
    pub highest_ns_per_step: f64,
    /// By how much the process's resident bytes grew at most, of a thousand looks in a round of its own; the largest of all passes. `None`
    /// where the system does not say. With the feature `mmap`, slabs have pages of their own in that round; without it, what the
    /// program's allocator had kept from earlier is missing.
    pub peak_resident_bytes: Option<u64>,
    /// Most pinned bytes in the first round, of a thousand looks.
    pub peak_pinned_bytes: u64,
    /// Pinned bytes after the first round.
    pub end_pinned_bytes: u64,
    /// Slabs for which memory was taken in the first round.
    pub slabs_taken: u64,
    /// Steps of a round that a pool has no exact way to do, and that were done as nearly as it goes.
    pub approximated_steps: u64,
    /// The slab size at the end: another one than at first only with [`Auto`](crate::Auto).
    pub end_slab_size: usize,
}

/// Runs `trace` on a real pool on this machine, for its time and its memory.
///
/// Each thread of the trace is a thread here, which does its own steps in their order as fast as it can; a step on a handle waits
/// for the steps before it on that handle, whichever thread does them, and no thread runs away from the others
/// ([`ReplayOptions::window`]). What a handle is frozen with is written before, so that pages and caches count. In each pass the trace
/// is run once to look at memory, and then again and again for the time, what it left alive dropped in between: as
/// it was recorded, on a pool that is warm. Time passes faster than when the trace was recorded: memory that would have gone back to the system
/// after [`Setup::idle_decay`] mostly stays. A sampled trace is [expanded](AllocTrace::expand) first.
///
/// # Errors
///
/// If the trace contradicts itself, no pool can be built like this, or there is no memory.
///
/// # Panics
///
/// If the pool does; all threads have ended then.
pub fn replay(trace: &AllocTrace, setup: &Setup, options: &ReplayOptions) -> Result<Replayed, ReplayError> {
    let trace = &*full(trace)?;
    let pass = |_| timed::pass(trace, setup, options);
    let passes: Vec<Replayed> = (0..options.passes.max(1)).map(pass).collect::<Result<_, _>>()?;
    Ok(Replayed::median(&passes))
}

impl Replayed {
    /// One figure of each kind for several runs of the same trace and setup: the median; for memory the largest. For
    /// those who compare setups and want all of them measured in turn, so that none has the machine's quiet minute for itself.
    #[must_use]
    pub fn median(runs: &[Replayed]) -> Replayed {
        let of = |figure: fn(&Replayed) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        let most = |figure: fn(&Replayed) -> u64| runs.iter().map(figure).max().unwrap_or(0);
        let Some(last) = runs.last() else { return Replayed::default() };
        Replayed {
            passes: runs.iter().map(|run| run.passes).sum(),
            rounds: runs.iter().map(|run| run.rounds).sum(),
            ns_per_step: of(|run| run.ns_per_step),
            ns_per_alloc: of(|run| run.ns_per_alloc),
            gross_ns_per_step: of(|run| run.gross_ns_per_step),
            empty_ns_per_step: of(|run| run.empty_ns_per_step),
            lowest_ns_per_step: runs.iter().map(|run| run.lowest_ns_per_step).fold(f64::INFINITY, f64::min),
            highest_ns_per_step: runs.iter().map(|run| run.highest_ns_per_step).fold(0.0, f64::max),
            peak_resident_bytes: runs.iter().filter_map(|run| run.peak_resident_bytes).max(),
            peak_pinned_bytes: most(|run| run.peak_pinned_bytes),
            end_pinned_bytes: most(|run| run.end_pinned_bytes),
            slabs_taken: most(|run| run.slabs_taken),
            ..last.clone()
        }
    }
}

/// A sampled trace [expanded](AllocTrace::expand).
fn full(trace: &AllocTrace) -> Result<Cow<'_, AllocTrace>, ReplayError> {
    match trace.one_in {
        1 => Ok(Cow::Borrowed(trace)),
        _ => trace.expand().map(Cow::Owned).map_err(|error| ReplayError::Sample(error.to_string())),
    }
}

fn builder_of(setup: &Setup) -> SlabPoolBuilder {
    let builder = SlabPool::builder()
        .name("replay")
        .slab_size(setup.slab_size)
        .reuse(setup.reuse)
        .idle_bytes(setup.idle_bytes)
        .idle_decay(setup.idle_decay);
    match setup.retain {
        Some(policy) => builder.retain_policy(policy),
        None => builder,
    }
}

/// The one in the middle, or between the two there. 0 of none.
fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        n if n % 2 == 1 => figures[n / 2],
        n => f64::midpoint(figures[n / 2 - 1], figures[n / 2]),
    }
}
