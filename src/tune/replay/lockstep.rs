//! A trace run step by step, each on its own thread and in the trace's order: the same result each time.

use super::ReplayError;
use super::plan::{Act, Place, Plan, Tables, What};
use super::work::{Hand, OnPool, Work};
use super::{builder_of, full};
use crate::pool::{PoolStats, SlabPool};
use crate::trace::AllocTrace;
use crate::tune::Setup;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

/// What a trace cost a real pool while its threads took turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lockstep {
    /// Steps that were run.
    pub steps: u64,
    /// Allocations among them.
    pub allocations: u64,
    /// Most pinned bytes after any step.
    pub peak_pinned_bytes: u64,
    /// Pinned bytes on average over all steps.
    pub mean_pinned_bytes: u64,
    /// Pinned bytes after the last step.
    pub end_pinned_bytes: u64,
    /// Most slab memory after any step: pinned, attached and idle.
    pub peak_memory_bytes: u64,
    /// Live bytes after the last step, as a report counts them.
    pub end_live_bytes: u64,
    /// As `PoolStats::slabs_taken`.
    pub slabs_taken: u64,
    /// As `PoolStats::slabs_reused`.
    pub slabs_reused: u64,
    /// As `PoolStats::slabs_reused_in_place`.
    pub slabs_reused_in_place: u64,
    /// As `PoolStats::slabs_reused_around`.
    pub slabs_reused_around: u64,
    /// Steps that a pool has no exact way to do, such as one that makes a writable buffer longer in place.
    pub approximated_steps: u64,
}

/// Runs the steps of `trace` on a real pool in the order of the trace, each on its own thread while the others wait. Deterministic but for
/// what a pool does by the clock ([`Setup::idle_decay`]), and slow: memory is looked at after every step.
/// A sampled trace is [expanded](AllocTrace::expand) first.
///
/// # Errors
///
/// If the trace contradicts itself, no pool can be built like this, or there is no memory.
///
/// # Panics
///
/// If the pool does; all threads have ended then.
pub fn lockstep(trace: &AllocTrace, setup: &Setup) -> Result<Lockstep, ReplayError> {
    lockstep_with(trace, setup, |_, _| ())
}

/// As [`lockstep`], and calls `each` with the number of each step and the pool's figures after it.
///
/// # Errors
///
/// As [`lockstep`].
///
/// # Panics
///
/// If the pool or `each` does; all threads have ended then.
pub fn lockstep_with(
    trace: &AllocTrace,
    setup: &Setup,
    each: impl FnMut(u64, &PoolStats) + Send,
) -> Result<Lockstep, ReplayError> {
    let trace = full(trace)?;
    let plan = Plan::new(&trace, setup, Tables::One)?;
    let pool = builder_of(setup).build()?;
    let state = State {
        work: OnPool::new(pool.clone(), plan.tags.clone().into(), setup.retain.is_some()),
        hands: std::iter::repeat_with(|| None).take(plan.own[0] as usize).collect(),
        seen: Lockstep { steps: plan.steps(), allocations: plan.allocations, ..Lockstep::default() },
        pinned: 0,
        each,
    };
    let state = turns(&plan, &pool, state)?;
    // Its handles are still there.
    let live: usize = pool.report().slabs.iter().map(|slab| slab.live_bytes).sum();
    let stats = pool.stats();
    Ok(Lockstep {
        mean_pinned_bytes: (state.pinned / u128::from(plan.steps().max(1))) as u64,
        end_pinned_bytes: stats.pinned_bytes as u64,
        end_live_bytes: live as u64,
        slabs_taken: stats.slabs_taken,
        slabs_reused: stats.slabs_reused,
        slabs_reused_in_place: stats.slabs_reused_in_place,
        slabs_reused_around: stats.slabs_reused_around,
        approximated_steps: state.work.approximated,
        ..state.seen
    })
}

/// What goes from thread to thread.
struct State<F> {
    work: OnPool,
    hands: Vec<Option<Hand>>,
    seen: Lockstep,
    /// Pinned bytes after each step, in sum.
    pinned: u128,
    each: F,
}

/// Steps of one thread that follow each other, and all that they need.
type Turn<'a, F> = (&'a [Act], Box<State<F>>);
type Done<F> = Result<Box<State<F>>, ReplayError>;

fn turns<F>(plan: &Plan, pool: &SlabPool, state: State<F>) -> Result<Box<State<F>>, ReplayError>
where
    F: FnMut(u64, &PoolStats) + Send,
{
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel::<Done<F>>();
        let threads: Vec<_> = (0..plan.threads)
            .map(|_| {
                let (give, given) = mpsc::channel::<Turn<'_, F>>();
                let tell = tell.clone();
                let body = move || {
                    while let Ok((acts, state)) = given.recv() {
                        if tell.send(state.turn(acts, pool)).is_err() {
                            break;
                        }
                    }
                };
                (give, scope.spawn(body))
            })
            .collect();
        drop(tell);
        let mut state = Ok(Box::new(state));
        for acts in plan.acts.chunk_by(|a, b| a.thread == b.thread) {
            let (give, thread) = &threads[acts[0].thread as usize];
            let Ok(now) = state else { break };
            let _ = give.send((acts, now));
            // The thread that has the state either sends it back or ends, and is looked at every so often.
            state = loop {
                match told.recv_timeout(std::time::Duration::from_millis(50)) {
                    Ok(done) => break done,
                    Err(_) if thread.is_finished() => break told.try_recv().unwrap_or(Err(GONE)),
                    Err(_) => {}
                }
            };
        }
        for (give, thread) in threads {
            drop(give);
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
        state
    })
}

/// Never seen: the thread's panic goes on instead.
const GONE: ReplayError = ReplayError::Trace { step: 0, what: "ended its thread" };

impl<F: FnMut(u64, &PoolStats)> State<F> {
    fn turn(mut self: Box<Self>, acts: &[Act], pool: &SlabPool) -> Done<F> {
        for act in acts {
            self.act(act)?;
            let stats = pool.stats();
            let seen = &mut self.seen;
            self.pinned += stats.pinned_bytes as u128;
            seen.peak_pinned_bytes = seen.peak_pinned_bytes.max(stats.pinned_bytes as u64);
            seen.peak_memory_bytes = seen.peak_memory_bytes.max(stats.memory_bytes as u64);
            (self.each)(act.index, &stats);
        }
        Ok(self)
    }

    fn act(&mut self, act: &Act) -> Result<(), ReplayError> {
        let at = |place: Place| match place {
            Place::Own(place) | Place::Shared(place) => place as usize,
        };
        let place = at(act.place);
        match act.what {
            What::Alloc { len, filled } => self.hands[place] = Some(self.work.alloc(act, len, filled)?),
            What::Derive { from, offset, len, shared, .. } => {
                let parent = self.hands[at(from)].as_mut();
                self.hands[place] = parent.map(|parent| self.work.derive(parent, act, offset, len, shared));
            }
            What::Free => self.hands[place].take().into_iter().for_each(|hand| self.work.free(hand)),
            What::Freeze { .. } | What::Resize { .. } | What::Tag | What::Retain => {
                self.hands[place].iter_mut().try_for_each(|hand| self.work.change(hand, act))?;
            }
        }
        Ok(())
    }
}
