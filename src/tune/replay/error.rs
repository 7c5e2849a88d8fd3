//! Why a trace could not be run.

use crate::error::{AllocError, BuildError};
use core::fmt;

/// Why [`replay`](super::replay) or [`lockstep`](super::lockstep) could not run a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The trace contradicts itself.
    Trace {
        /// The step, from 0.
        step: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The trace is a sample that cannot be expanded; why, in words.
    Sample(String),
    /// The trace has more threads than are run.
    Threads {
        /// How many.
        threads: u32,
        /// How many there may be.
        most: u32,
    },
    /// No pool can be built like this.
    Setup(BuildError),
    /// There was no memory.
    Alloc(AllocError),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Trace { step, what } => write!(f, "step {step} of the trace {what}"),
            ReplayError::Sample(why) => write!(f, "the sampled trace cannot be expanded: {why}"),
            ReplayError::Threads { threads, most } => {
                write!(f, "the trace has {threads} threads: at most {most} are run")
            }
            ReplayError::Setup(error) => write!(f, "{error}"),
            ReplayError::Alloc(error) => write!(f, "no memory to run the trace: {error}"),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReplayError::Trace { .. } | ReplayError::Sample(_) | ReplayError::Threads { .. } => None,
            ReplayError::Setup(error) => Some(error),
            ReplayError::Alloc(error) => Some(error),
        }
    }
}

impl From<BuildError> for ReplayError {
    fn from(error: BuildError) -> ReplayError {
        ReplayError::Setup(error)
    }
}

impl From<AllocError> for ReplayError {
    fn from(error: AllocError) -> ReplayError {
        ReplayError::Alloc(error)
    }
}
