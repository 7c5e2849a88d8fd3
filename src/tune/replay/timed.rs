//! A trace run as fast as its threads can.

use super::plan::{Act, Plan, Tables};
use super::threads::Shared;
use super::work::{Nothing, OnPool, Work};
use super::worker::{Broken, Ran, Worker};
use super::{ReplayError, ReplayOptions, Replayed, pool_of, resident};
use crate::trace::AllocTrace;
use crate::tune::Setup;
use core::time::Duration;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;

/// Looks at memory in the round that is for looking.
const LOOKS: u64 = 1000;
/// Most rounds that are timed in a pass, and the fewest.
const MOST_ROUNDS: usize = 64;
const FEWEST_ROUNDS: usize = 3;

/// One pass: a pool that is made, run over several times, and gone.
pub(super) fn pass(trace: &AllocTrace, setup: &Setup, options: &ReplayOptions) -> Result<Replayed, ReplayError> {
    let plan = Plan::new(trace, setup, Tables::PerThread)?;
    let by_thread = split(&plan);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let run = Run { plan: &plan, by_thread: &by_thread, options, cores };

    let pool = pool_of(setup)?;
    let tags: Arc<[_]> = plan.tags.clone().into();
    let before = resident::bytes();
    let mut observed = None;
    let real = run.rounds(
        || OnPool::new(pool.clone(), Arc::clone(&tags), setup.retain.is_some()),
        || observed = Some(pool.stats()),
        |()| pool.stats().pinned_bytes > options.most_pinned,
    )?;

    // Last: what there is no memory for has been refused by now.
    let empty = run.rounds(Nothing::new, || (), |()| false)?;

    let observed = observed.unwrap_or_else(|| pool.stats());
    let peak = |of: fn(&OnPool) -> u64| real.works.iter().map(of).max().unwrap_or(0);
    let steps = plan.steps().max(1) as f64;
    let per_step = real.median_ns() / steps;
    let empty_per_step = empty.median_ns() / steps;
    let net = (per_step - empty_per_step).max(0.0);
    Ok(Replayed {
        threads: plan.threads,
        steps: plan.steps(),
        allocations: plan.allocations,
        passes: 1,
        rounds: real.ns.len() as u64,
        ns_per_step: net,
        ns_per_alloc: net * steps / plan.allocations.max(1) as f64,
        gross_ns_per_step: per_step,
        empty_ns_per_step: empty_per_step,
        lowest_ns_per_step: net,
        highest_ns_per_step: net,
        peak_resident_bytes: before.map(|before| peak(|work| work.peak_resident).saturating_sub(before)),
        peak_pinned_bytes: peak(|work| work.peak_pinned).max(observed.pinned_bytes as u64),
        end_pinned_bytes: observed.pinned_bytes as u64,
        slabs_taken: observed.slabs_taken,
        // Of the round in which memory was looked at, and each of the others alike.
        approximated_steps: real.works.iter().map(|work| work.approximated).sum::<u64>() / (real.ns.len() as u64 + 1),
        end_slab_size: pool.slab_size(),
    })
}

fn split(plan: &Plan) -> Vec<Vec<Act>> {
    let mut by_thread = vec![Vec::new(); plan.threads as usize];
    for act in &plan.acts {
        by_thread[act.thread as usize].push(*act);
    }
    by_thread
}

struct Run<'a> {
    plan: &'a Plan,
    by_thread: &'a [Vec<Act>],
    options: &'a ReplayOptions,
    cores: usize,
}

/// What rounds came to.
struct Rounds<W> {
    /// Busy nanoseconds of all threads in each timed round.
    ns: Vec<f64>,
    works: Vec<W>,
}

impl<W> Rounds<W> {
    fn median_ns(&self) -> f64 {
        super::median(&self.ns)
    }
}

impl Run<'_> {
    /// One round to look at memory, then timed ones. What a round leaves alive stays alive for the ones after it, as in a server
    /// that runs on.
    fn rounds<W: Work>(
        &self,
        mut work: impl FnMut() -> W,
        mut observed: impl FnMut(),
        enough: impl Fn(()) -> bool,
    ) -> Result<Rounds<W>, ReplayError> {
        let shared = Shared::new(self.plan.shared, self.plan.threads, self.options.window.max(1));
        let mut rounds = Rounds { ns: Vec::new(), works: Vec::new() };
        let mut kept = Vec::new();
        let look_every = (self.plan.steps() / LOOKS).max(1);
        let mut broken = None;
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (thread, acts) in self.by_thread.iter().enumerate() {
                let (start, starts) = mpsc::channel::<u64>();
                let (tell, told) = mpsc::channel::<Result<Ran, Broken>>();
                let own = self.plan.own[thread] as usize;
                let mut worker = Worker {
                    thread: thread as u32,
                    acts,
                    shared: &shared,
                    work: work(),
                    own: std::iter::repeat_with(|| None).take(own).collect(),
                    kept: Vec::new(),
                    look_every: 0,
                };
                let body = move || {
                    while let Ok(look_every) = starts.recv() {
                        worker.look_every = look_every;
                        let ran = worker.round();
                        let is_end = ran.is_err();
                        if tell.send(ran).is_err() || is_end {
                            break;
                        }
                    }
                    worker.work
                };
                threads.push((start, told, scope.spawn(body)));
            }
            let mut wall_total = Duration::ZERO;
            for round in 0..=MOST_ROUNDS {
                let firsts = self.by_thread.iter().map(|acts| acts.first().map_or(u64::MAX, |act| act.index));
                kept.extend(shared.rewind(firsts));
                for (start, ..) in &threads {
                    // One that is gone says so below.
                    let _ = start.send(if round == 0 { look_every } else { 0 });
                }
                let ran: Vec<_> = threads.iter().map(|(_, told, _)| told.recv()).collect();
                let mut fine = Vec::new();
                for ran in ran {
                    match ran {
                        Ok(Ok(ran)) => fine.push(ran),
                        Ok(Err(Broken::Error(error))) => broken = Some(error),
                        // Another thread says why; or this one has panicked, and joining it says so.
                        Ok(Err(Broken::Stopped)) | Err(mpsc::RecvError) => {}
                    }
                }
                if fine.len() < threads.len() {
                    break;
                }
                let (busy, wall) = times(&fine);
                if round == 0 {
                    observed();
                    continue;
                }
                // Threads that share cores count the others' time as their own: all of them together had no more than this.
                rounds.ns.push(busy.min(wall * self.cores as u32).as_nanos() as f64);
                wall_total += wall;
                let is_long = wall_total >= self.options.at_least && rounds.ns.len() >= FEWEST_ROUNDS;
                if is_long || enough(()) {
                    break;
                }
            }
            for (start, _, thread) in threads {
                drop(start);
                match thread.join() {
                    Ok(work) => rounds.works.push(work),
                    Err(panic) => resume_unwind(panic),
                }
            }
        });
        broken.map_or(Ok(rounds), Err)
    }
}

/// How long the threads were busy in sum, and how long it took from the first start to the last end.
fn times(ran: &[Ran]) -> (Duration, Duration) {
    let busy = ran.iter().map(|ran| (ran.ended - ran.begun).saturating_sub(ran.waited)).sum();
    let begun = ran.iter().map(|ran| ran.begun).min();
    let ended = ran.iter().map(|ran| ran.ended).max();
    (busy, begun.zip(ended).map_or(Duration::ZERO, |(begun, ended)| ended - begun))
}
