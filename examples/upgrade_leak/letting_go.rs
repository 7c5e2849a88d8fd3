//! What lets go while a run goes on, once a virtual second, as a server would from a timer.

use std::time::Duration;

use anyhow::Result;
use bufslab::{CompactPolicy, PinReport, SlabPool};

use crate::frame::greeting_frame;
use crate::plan::Mode;

/// What was let go in one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct LetGo {
    /// Heads that were moved out of their slab.
    pub moved: usize,
    /// Their lengths: all that was ever copied.
    pub copied_bytes: usize,
    /// Bytes of pinned slabs that went back to the system.
    pub given_back_bytes: usize,
}

impl LetGo {
    /// Lets go of what can be.
    pub fn step(&mut self, mode: Mode, pool: &SlabPool, virtual_second: Duration) {
        match mode {
            Mode::Park => {
                // Slabs that were left a virtual second ago and that parked heads alone keep, which are next to nothing of them.
                let did = pool.compact(&CompactPolicy::new().older_than(virtual_second));
                self.moved += did.slices;
                self.copied_bytes += did.copied_bytes;
            }
            Mode::Punch => self.given_back_bytes += pool.punch().given_back_bytes,
            Mode::Hold | Mode::Around | Mode::Retain | Mode::Release => {}
        }
    }
}

/// Bytes of the heads of so many connections that outlived their slab: all of them, but for those on slabs that are still filled.
pub fn outlived(connections: u64, report: &PinReport) -> Result<usize> {
    let mut bytes = 0;
    for number in 0..connections {
        bytes += greeting_frame(number)?.len();
    }
    let filled = report.slabs.iter().filter(|slab| slab.attached).flat_map(|slab| &slab.slices);
    Ok(bytes - filled.map(|slice| slice.len).sum::<usize>())
}
