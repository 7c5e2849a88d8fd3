//! A trace run as fast as its threads can.

use super::plan::{Act, Plan, Tables};
use super::threads::Shared;
use super::work::{Nothing, OnPool, Work};
use super::worker::{Broken, Ran, Worker};
use super::{ReplayError, ReplayOptions, Replayed, builder_of, resident};
use crate::pool::{SlabPool, SlabPoolBuilder};
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

    let tags: Arc<[_]> = plan.tags.clone().into();
    let work = |pool: &SlabPool| OnPool::new(pool.clone(), Arc::clone(&tags), setup.retain.is_some());
    let pool = builder_of(setup).build()?;
    let real = run.rounds(|| work(&pool), &mut || pool.stats(), true)?;
    let observed = real.after_first;

    let pages = with_pages(builder_of(setup)).build()?;
    let watched = run.rounds(|| work(&pages), &mut resident::bytes, false)?;
    let most_resident = watched.works.iter().map(|work| work.peak_resident).max().unwrap_or(0);
    let peak_resident_bytes = watched.before.map(|before| most_resident.saturating_sub(before));

    // Last: what there is no memory for has been refused by now.
    let empty = run.rounds(Nothing::new, &mut || (), true)?;
    let peak = |of: fn(&OnPool) -> u64| real.works.iter().map(of).max().unwrap_or(0);
    let steps = plan.steps().max(1) as f64;
    let per_step = real.median_ns() / steps;
    // The machine's other work only adds to it; whole, it would swallow what a quiet moment of the real rounds took.
    let empty_per_step = empty.least_ns() / steps;
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
        peak_resident_bytes,
        peak_pinned_bytes: peak(|work| work.peak_pinned).max(observed.pinned_bytes as u64),
        end_pinned_bytes: observed.pinned_bytes as u64,
        slabs_taken: observed.slabs_taken,
        // Of the round in which memory was looked at, and each of the others alike.
        approximated_steps: real.works.iter().map(|work| work.approximated).sum::<u64>() / (real.ns.len() as u64 + 1),
        end_slab_size: pool.slab_size(),
    })
}

/// Slabs that are not there before they are taken, nor after they are given back.
fn with_pages(builder: SlabPoolBuilder) -> SlabPoolBuilder {
    #[cfg(all(unix, feature = "mmap"))]
    let builder = builder.source(crate::raw::MmapSource::new());
    builder
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
struct Rounds<W, T> {
    /// Busy nanoseconds of all threads in each timed round.
    ns: Vec<f64>,
    works: Vec<W>,
    /// What was seen before the first round, and after it.
    before: T,
    after_first: T,
}

impl<W, T> Rounds<W, T> {
    fn median_ns(&self) -> f64 {
        super::median(&self.ns)
    }

    fn least_ns(&self) -> f64 {
        self.ns.iter().copied().reduce(f64::min).unwrap_or(0.0)
    }
}

/// A thread, how to tell it to run a round, and what it says of it.
struct Started<'scope, W> {
    /// Steps between two looks at memory, 0 for none.
    start: mpsc::Sender<u64>,
    told: mpsc::Receiver<Result<Ran, Broken>>,
    thread: thread::ScopedJoinHandle<'scope, W>,
}

impl Run<'_> {
    /// One round to look at memory, and then timed ones if they are asked for. What a round leaves alive is dropped before the next
    /// one begins: each is the trace as it was recorded, on a pool that is warm.
    fn rounds<W: Work, T>(
        &self,
        mut work: impl FnMut() -> W,
        see: &mut dyn FnMut() -> T,
        is_timed: bool,
    ) -> Result<Rounds<W, T>, ReplayError> {
        let shared = Shared::new(self.plan.shared, self.plan.threads, self.options.window.max(1));
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for thread in 0..self.by_thread.len() {
                match self.start(scope, &shared, thread, work()) {
                    Ok(started) => threads.push(started),
                    Err(_) => {
                        let (threads, most) = (self.plan.threads, thread as u32);
                        return Err(ReplayError::Threads { threads, most });
                    }
                }
            }
            let before = see();
            let mut ns = Vec::new();
            let ran = self.run_rounds(&shared, &threads, see, is_timed, &mut ns);
            let mut works = Vec::new();
            for Started { start, thread, .. } in threads {
                drop(start);
                match thread.join() {
                    Ok(work) => works.push(work),
                    Err(panic) => resume_unwind(panic),
                }
            }
            Ok(Rounds { ns, works, before, after_first: ran? })
        })
    }

    fn start<'scope, 'env, W: Work + 'scope>(
        &'env self,
        scope: &'scope thread::Scope<'scope, 'env>,
        shared: &'env Shared<W::Hand>,
        thread: usize,
        work: W,
    ) -> std::io::Result<Started<'scope, W>> {
        let (start, starts) = mpsc::channel::<u64>();
        let (tell, told) = mpsc::channel::<Result<Ran, Broken>>();
        let mut worker = Worker {
            thread: thread as u32,
            acts: &self.by_thread[thread],
            shared,
            work,
            own: std::iter::repeat_with(|| None).take(self.plan.own[thread] as usize).collect(),
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
        let thread = thread::Builder::new().spawn_scoped(scope, body)?;
        Ok(Started { start, told, thread })
    }

    /// Returns what was seen after the first round.
    fn run_rounds<W: Work, T>(
        &self,
        shared: &Shared<W::Hand>,
        threads: &[Started<'_, W>],
        see: &mut dyn FnMut() -> T,
        is_timed: bool,
        ns: &mut Vec<f64>,
    ) -> Result<T, ReplayError> {
        let look_every = (self.plan.steps() / LOOKS).max(1);
        self.round(shared, threads, look_every)?;
        let seen = see();
        let mut total = Duration::ZERO;
        while is_timed && ns.len() < MOST_ROUNDS {
            let ran = self.round(shared, threads, 0)?;
            let (busy, wall) = times(&ran);
            // Threads that share cores count the others' time as their own: all of them together had no more than this.
            ns.push(busy.min(wall * self.cores as u32).as_nanos() as f64);
            total += wall;
            if total >= self.options.at_least && ns.len() >= FEWEST_ROUNDS {
                break;
            }
        }
        Ok(seen)
    }

    fn round<W: Work>(
        &self,
        shared: &Shared<W::Hand>,
        threads: &[Started<'_, W>],
        look_every: u64,
    ) -> Result<Vec<Ran>, ReplayError> {
        let firsts = self.by_thread.iter().map(|acts| acts.first().map_or(u64::MAX, |act| act.index));
        shared.rewind(firsts);
        for Started { start, .. } in threads {
            // One that is gone says so below.
            let _ = start.send(look_every);
        }
        let mut all = Vec::new();
        let mut broken = None;
        for Started { told, .. } in threads {
            match told.recv() {
                Ok(Ok(ran)) => all.push(ran),
                Ok(Err(Broken::Error(error))) => broken = Some(error),
                // Another thread says why; or this one has panicked, and whoever joins it goes on with that.
                Ok(Err(Broken::Stopped)) | Err(mpsc::RecvError) => broken = broken.or(Some(STOPPED)),
            }
        }
        broken.map_or(Ok(all), Err)
    }
}

/// Never seen: the panic of the thread that stopped the others goes on instead.
const STOPPED: ReplayError = ReplayError::Trace { step: 0, what: "stopped its threads" };

/// How long the threads were busy in sum, and how long it took from the first start to the last end.
fn times(ran: &[Ran]) -> (Duration, Duration) {
    let busy = ran.iter().map(|ran| (ran.ended - ran.begun).saturating_sub(ran.waited)).sum();
    let begun = ran.iter().map(|ran| ran.begun).min();
    let ended = ran.iter().map(|ran| ran.ended).max();
    (busy, begun.zip(ended).map_or(Duration::ZERO, |(begun, ended)| ended - begun))
}
