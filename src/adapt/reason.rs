//! Why a slab size was changed: a sentence with figures.

use crate::error::rounded as size;
use core::fmt;

/// One change of a pool's slab size by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Move {
    /// The size before, in bytes.
    pub(crate) from: usize,
    /// The size since, in bytes.
    pub(crate) to: usize,
    pub(crate) reason: Reason,
    /// Nanoseconds for a request as the model says, before and after: time, and the rent of pinned memory.
    pub(crate) cost: (f64, f64),
}

/// What most of the gain is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reason {
    /// Requests that do not fit into a slab.
    Alone { requests: u32, of: u32, largest: usize },
    /// Slabs do not last.
    Changes { of: u32, elsewhere: u32, unused_percent: u32, handles: f32 },
    /// Slices pin slabs that they use little of.
    Pins { slabs: u64, handles: f32, saved: u64 },
    /// Slabs do not stay in a cache.
    Cache { both: usize },
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.to > self.from { "grew" } else { "shrank" };
        write!(f, "{verb} from {} to {}: {}", size(self.from), size(self.to), self.reason)?;
        write!(f, " ({:.0} ns a request by the model, then {:.0} ns)", self.cost.0, self.cost.1)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reason::Alone { requests, of, largest } => write!(
                f,
                "{requests} of the last {of} slabs were for one request each that is larger than a slab, of up to {}",
                size(largest)
            ),
            Reason::Changes { of, elsewhere, unused_percent, handles } => {
                write!(f, "of the last {of} slabs, {elsewhere} were not started over where they were")?;
                if unused_percent >= 10 {
                    write!(f, ", {unused_percent} % of each stayed unused")?;
                }
                if handles >= 1.0 {
                    write!(f, ", and a slab was left with {handles:.0} slices on it")?;
                }
                Ok(())
            }
            Reason::Pins { slabs, handles, saved } => write!(
                f,
                "{slabs} slabs are pinned by {handles:.1} slices each, and half as large they would pin {} less",
                size(usize::try_from(saved).unwrap_or(usize::MAX))
            ),
            Reason::Cache { both } => {
                write!(f, "a thread cuts from two slabs in turn, and {} do not stay in a core's own cache", size(both))
            }
        }
    }
}
