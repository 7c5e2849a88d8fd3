//! The simulation: a twin of a pool's policy that counts and touches no memory.
//!
//! | file | twin of |
//! |---|---|
//! | `run` | handles: what each step of a trace does to them |
//! | `pool` | `pool/core`, `pool/local`, `raw/slab`: which slab a thread cuts from |
//! | `around` | `pool/around`, `raw/around`: partly filled slabs |
//! | `idle` | `pool/depot`, `pool/magazine`: slabs that nobody uses |
//! | `slabs`, `cover` | `raw/header`, `raw/slot`: who keeps what alive, and which bytes are live |
//! | `series` | (what it was like over time) |
//!
//! The tests run random programs on a real pool and here in lockstep and compare every figure after every step.

mod around;
mod cover;
mod error;
mod idle;
mod pool;
mod run;
mod series;
mod slabs;
#[cfg(test)]
mod tests;

use super::{Setup, Simulated};
use crate::trace::AllocTrace;
pub use error::SimulateError;
use run::Run;
pub use series::Moment;

/// Runs a trace in a simulation of a pool that is set up like this: which slabs it would have taken, what would have been pinned,
/// and what would have been copied. The same each time; no memory is touched, no clock is read and no thread is started.
///
/// Of a trace that has only one in so many allocations, it runs what [`AllocTrace::expand`] makes of it.
///
/// Threads take turns in the order of the trace, and the clock moves as it was recorded. What it says of a trace is what a real pool
/// comes to whose threads take the same turns, to the byte (the crate's tests hold it to that), but for what a trace does not tell:
///
/// * that a thread ended: it keeps its two slabs here;
/// * slices that were there before recording began, and requests that failed at a limit of memory;
/// * where in its place a buffer that had been split grew again: here it gets another one if there is no room behind it.
///
/// ```
/// use bufslab::trace::{AllocTrace, Op, Step};
/// use bufslab::tune::{Setup, simulate};
///
/// // A thousand reads of which one is kept, a small slice of it.
/// let mut trace = AllocTrace::default();
/// trace.threads = 1;
/// for read in 0..1000 {
///     let kept = 2 * read + 1;
///     for op in [
///         Op::Alloc { len: 8192, site: 0, tag: 0 },
///         Op::Freeze { handle: 2 * read, offset: 0, len: 1500 },
///         Op::Derive { parent: 2 * read, offset: 0, len: 20, shared: true, site: 0, tag: 0 },
///         Op::Free { handle: 2 * read },
///         Op::Free { handle: kept },
///     ] {
///         let is_kept = read == 500 && op == Op::Free { handle: kept };
///         if !is_kept {
///             trace.steps.push(Step { millis: 0, position: u64::from(read), thread: 0, op });
///         }
///     }
/// }
/// let small = simulate(&trace, &Setup::new(16 * 1024))?;
/// let large = simulate(&trace, &Setup::new(10 << 20))?;
/// assert_eq!((small.end_pinned_bytes, large.end_pinned_bytes), (16 * 1024, 10 << 20));
/// assert_eq!((small.end_live_bytes, large.end_live_bytes), (20, 20));
/// # Ok::<(), bufslab::tune::SimulateError>(())
/// ```
///
/// # Errors
///
/// If the trace contradicts itself (a step on a handle that does not exist) or cannot be expanded, or no pool can be built with this
/// setup.
pub fn simulate(trace: &AllocTrace, setup: &Setup) -> Result<Simulated, SimulateError> {
    let expanded;
    let trace = match trace.one_in {
        1 => trace,
        _ => {
            expanded = trace.expand()?;
            &expanded
        }
    };
    let mut run = Run::new(trace, setup)?;
    for step in &trace.steps {
        run.step(step)?;
    }
    Ok(run.finish())
}
