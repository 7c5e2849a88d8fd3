//! Why something is no trace.

use core::fmt;
use std::io;

/// Why bytes are no [`AllocTrace`](super::AllocTrace), or why a trace contradicts itself.
///
/// ```
/// use bufslab::trace::AllocTrace;
///
/// let error = AllocTrace::from_bytes(b"GIF89a").unwrap_err();
/// assert_eq!(error.to_string(), "byte 0: not a trace: it does not begin with SLABTRCE");
/// ```
#[derive(Debug)]
pub struct TraceError(Cause);

#[derive(Debug)]
enum Cause {
    /// At this byte of a file.
    Byte(u64, String),
    /// At this step of a trace that is no file yet.
    Step(u64, String),
    Io(io::Error),
}

impl TraceError {
    pub(super) fn byte(at: usize, what: impl Into<String>) -> TraceError {
        TraceError(Cause::Byte(at as u64, what.into()))
    }

    pub(super) fn step(at: usize, what: impl Into<String>) -> TraceError {
        TraceError(Cause::Step(at as u64, what.into()))
    }

    /// The byte of the file, from 0, at which reading ended.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self.0 {
            Cause::Byte(at, _) => Some(at),
            _ => None,
        }
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Byte(at, what) => write!(f, "byte {at}: {what}"),
            Cause::Step(at, what) => write!(f, "step {at}: {what}"),
            Cause::Io(error) => write!(f, "cannot read the trace: {error}"),
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for TraceError {
    fn from(error: io::Error) -> TraceError {
        TraceError(Cause::Io(error))
    }
}
