//! The twin of a pool's depot: idle slabs, each thread's magazine of them, and when they are given back.

use super::slabs::Slabs;
use crate::pool::{IN_PASSING, MAGAZINE, Stack, ticks};
use crate::sync::clock::TICK_MS;
use core::time::Duration;

/// Idle slabs by their number.
#[derive(Debug)]
pub(super) struct Idle {
    /// For whoever needs one, and then the threads' magazines.
    stacks: Vec<Stack<u32>>,
    pub(super) bytes: u64,
    most: u64,
    interval: u64,
    due: u64,
    owing: bool,
}

/// The stack that is everybody's.
const SHARED: usize = 0;

impl Idle {
    /// Keeps at most so many bytes. The first interval begins after so many milliseconds.
    pub(super) fn new(most: usize, decay: Duration, millis: u64) -> Idle {
        let interval = u64::from(ticks(decay));
        Idle {
            stacks: vec![Stack::new()],
            bytes: 0,
            most: most as u64,
            interval,
            due: millis / TICK_MS + interval,
            owing: false,
        }
    }

    /// A magazine for a thread.
    pub(super) fn join(&mut self) -> usize {
        self.stacks.push(Stack::new());
        self.stacks.len() - 1
    }

    /// Whether there is room for so many bytes.
    pub(super) fn has_room(&self, size: u64) -> bool {
        self.bytes + size <= self.most
    }

    pub(super) fn put(&mut self, magazine: Option<usize>, slab: u32, size: u64) {
        self.bytes += size;
        let own = magazine.filter(|&own| self.stacks[own].len() < MAGAZINE);
        // It says no where there is no memory to write the number down, and then a simulation has more to complain of.
        _ = self.stacks[own.unwrap_or(SHARED)].push(slab);
    }

    /// The hottest of the thread's own, or else of those for everybody.
    pub(super) fn take(&mut self, magazine: Option<usize>, slabs: &Slabs) -> Option<u32> {
        let own = magazine.and_then(|own| self.stacks[own].pop());
        let slab = own.or_else(|| self.stacks[SHARED].pop())?;
        self.bytes -= slabs.slab(slab).size;
        Some(slab)
    }

    /// Gives back all that are not of this size.
    pub(super) fn sweep(&mut self, size: u64, slabs: &mut Slabs) {
        for stack in &mut self.stacks {
            while let Some(slab) = stack.pop_where(|&slab| slabs.slab(slab).size != size) {
                self.bytes -= slabs.slab(slab).size;
                slabs.retire(slab);
            }
        }
    }

    /// If it is time: gives back what nobody needed in the interval before, or some of it.
    pub(super) fn decay(&mut self, millis: u64, slabs: &mut Slabs) {
        let now = millis / TICK_MS;
        if self.interval == 0 || now < self.due {
            return;
        }
        if !self.owing {
            self.stacks.iter_mut().for_each(Stack::mark);
        }
        let mut given = 0;
        for stack in &mut self.stacks {
            while stack.surplus() > 0 {
                if given >= IN_PASSING as u64 {
                    (self.owing, self.due) = (true, now);
                    return;
                }
                if let Some(slab) = stack.pop_surplus() {
                    given += slabs.slab(slab).size;
                    self.bytes -= slabs.slab(slab).size;
                    slabs.retire(slab);
                }
            }
        }
        (self.owing, self.due) = (false, now + self.interval);
    }
}
