//! What the simulation was like over time, in a bounded number of moments.

use super::slabs::Sums;

/// How many moments there are at most.
const MOMENTS: u64 = 500;

/// What a simulated pool was like at one step. All sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// Milliseconds since recording began.
    pub millis: u64,
    /// Number of the step after which it was so, from 0.
    pub step: u64,
    /// Sizes of the slabs that some slice kept alive.
    pub pinned_bytes: u64,
    /// Bytes of them that some slice covered.
    pub live_bytes: u64,
    /// Slab memory: pinned, attached and idle.
    pub memory_bytes: u64,
    /// Bytes of copies.
    pub copy_bytes: u64,
}

/// Of each so many steps the moment with the most pinned bytes: no peak is lost.
#[derive(Debug)]
pub(super) struct Series {
    every: u64,
    moments: Vec<Moment>,
}

impl Series {
    pub(super) fn new(steps: u64) -> Series {
        Series { every: steps.div_ceil(MOMENTS).max(1), moments: Vec::new() }
    }

    pub(super) fn note(&mut self, step: u64, millis: u64, sums: &Sums) {
        let moment = Moment {
            millis,
            step,
            pinned_bytes: sums.pinned_bytes,
            live_bytes: sums.live_bytes,
            memory_bytes: sums.memory_bytes,
            copy_bytes: sums.copy_bytes,
        };
        match self.moments.last_mut() {
            Some(most) if step % self.every != 0 => {
                if most.pinned_bytes <= moment.pinned_bytes {
                    *most = moment;
                }
            }
            _ => self.moments.push(moment),
        }
    }

    pub(super) fn into_moments(self) -> Vec<Moment> {
        self.moments
    }
}
