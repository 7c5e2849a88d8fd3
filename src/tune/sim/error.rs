//! Why a trace could not be simulated.

use crate::error::BuildError;
use crate::trace::TraceError;
use core::fmt;

/// Why [`simulate`](super::simulate) could not run a trace.
///
/// ```
/// use bufslab::trace::AllocTrace;
/// use bufslab::tune::{Setup, simulate};
///
/// let error = simulate(&AllocTrace::default(), &Setup::new(0)).unwrap_err();
/// assert_eq!(error.to_string(), "slab_size is 0: it must be from 1 B to 1 GiB");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimulateError {
    /// The trace contradicts itself.
    Trace {
        /// The step, from 0.
        step: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A trace of some of the allocations could not be made one of all.
    Sampled {
        /// What [`AllocTrace::expand`](crate::trace::AllocTrace::expand) says.
        why: String,
    },
    /// No pool can be built like this.
    Setup(BuildError),
}

impl fmt::Display for SimulateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SimulateError::Trace { step, what } => write!(f, "step {step} of the trace {what}"),
            SimulateError::Sampled { why } => f.write_str(why),
            SimulateError::Setup(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SimulateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SimulateError::Trace { .. } | SimulateError::Sampled { .. } => None,
            SimulateError::Setup(error) => Some(error),
        }
    }
}

impl From<BuildError> for SimulateError {
    fn from(error: BuildError) -> SimulateError {
        SimulateError::Setup(error)
    }
}

impl From<TraceError> for SimulateError {
    fn from(error: TraceError) -> SimulateError {
        SimulateError::Sampled { why: error.to_string() }
    }
}
