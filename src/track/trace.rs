//! Stacks: how the program came to a site.

use core::fmt;
use core::num::NonZeroU32;

/// The number of a stack that was recorded. The same stack has the same number as long as the process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(NonZeroU32);

impl TraceId {
    /// The number, from 1 on.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The trace with this number; 0 is none.
    pub(crate) fn from_number(number: u32) -> Option<TraceId> {
        NonZeroU32::new(number).map(TraceId)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({})", self.0)
    }
}

/// One stack with names, as a report gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// What slices refer to it by.
    pub id: TraceId,
    /// Innermost call first.
    pub frames: Vec<Frame>,
}

/// One call of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// The function's name, if the program has symbols.
    pub function: Option<String>,
    /// The source file, if the program has debug information.
    pub file: Option<String>,
    /// The line in it, counted from 1.
    pub line: Option<u32>,
}
