//! What-if: an [`AllocTrace`](crate::trace::AllocTrace) run again with another slab size, reuse or retain policy, in a simulation that is the same each
//! time, and for real on this machine.

mod cost;
mod replay;
mod sim;
mod study;

use crate::config::Reuse;
use crate::policy::RetainPolicy;
use crate::slab_size::SlabSize;
use core::time::Duration;
pub use replay::{Lockstep, ReplayError, ReplayOptions, Replayed, lockstep, lockstep_with, replay};
pub use sim::{Moment, SimulateError, simulate};
pub use study::{Row, Study};

/// What to run a trace with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Setup {
    /// As [`SlabPoolBuilder::slab_size`](crate::SlabPoolBuilder::slab_size).
    pub slab_size: SlabSize,
    /// As [`SlabPoolBuilder::reuse`](crate::SlabPoolBuilder::reuse).
    pub reuse: Reuse,
    /// As [`SlabPoolBuilder::idle_bytes`](crate::SlabPoolBuilder::idle_bytes).
    pub idle_bytes: usize,
    /// As [`SlabPoolBuilder::idle_decay`](crate::SlabPoolBuilder::idle_decay).
    pub idle_decay: Duration,
    /// What is asked where the program retains a slice; `None` copies nothing.
    pub retain: Option<RetainPolicy>,
    /// Slices with one of these tags are retained as soon as they have it, whether the program said so or not.
    pub retain_tags: Vec<String>,
}

impl Setup {
    /// A pool's defaults, with slabs of this size.
    pub fn new(slab_size: impl Into<SlabSize>) -> Setup {
        let config = crate::config::Config::default();
        Setup {
            slab_size: slab_size.into(),
            reuse: config.reuse,
            idle_bytes: config.idle_bytes,
            idle_decay: config.idle_decay,
            retain: Some(config.retain_policy),
            retain_tags: Vec::new(),
        }
    }
}

/// What a trace would have cost, as the simulation says.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Simulated {
    /// Allocations that were run.
    pub allocations: u64,
    /// Steps that were run.
    pub steps: u64,
    /// Most pinned bytes at any time.
    pub peak_pinned_bytes: u64,
    /// Pinned bytes on average over all steps.
    pub mean_pinned_bytes: u64,
    /// Pinned bytes after the last step.
    pub end_pinned_bytes: u64,
    /// Most live bytes at any time.
    pub peak_live_bytes: u64,
    /// Live bytes after the last step.
    pub end_live_bytes: u64,
    /// Most slab memory at any time: pinned, attached and idle.
    pub peak_memory_bytes: u64,
    /// Slabs for which memory was taken from the source, as `PoolStats::slabs_taken`.
    pub slabs_taken: u64,
    /// Of those, slabs of their own for requests larger than a slab.
    pub oversize: u64,
    /// As `PoolStats::slabs_reused`.
    pub slabs_reused: u64,
    /// As `PoolStats::slabs_reused_in_place`.
    pub slabs_reused_in_place: u64,
    /// As `PoolStats::slabs_reused_around`.
    pub slabs_reused_around: u64,
    /// Slices that were copied because they are kept for long.
    pub copies: u64,
    /// Bytes that were copied for them.
    pub copied_bytes: u64,
    /// As `PoolStats::slabs_recycled`.
    pub slabs_recycled: u64,
    /// Most bytes of such copies at any time.
    pub peak_copy_bytes: u64,
    /// Most pinned bytes and bytes of copies together at any time: what a retain policy has to keep low.
    pub peak_held_bytes: u64,
    /// Bytes that were cut for the first time, of memory that was more than there had been before: page faults. What went back to a heap
    /// and was taken again is not fresh.
    pub fresh_bytes: u64,
    /// Bytes that were cut again after so much else had been cut that they were in no cache any more: 4 MiB by the thread.
    pub cold_bytes: u64,
    /// Bytes that were cut again before that.
    pub hot_bytes: u64,
    /// Times a thread went on in another slab: an idle one, a partly filled one, or a fresh one.
    pub slab_changes: u64,
    /// Slabs that a thread left to their slices.
    pub detaches: u64,
    /// Handles that were made or dropped on a slab that the thread did not own, which costs an atomic read-modify-write each.
    pub guest_ops: u64,
    /// Buffers that grew out of their place and got another one.
    pub moves: u64,
    /// What it was like over time: at most some 500 moments, the most pinned of as many steps each.
    pub series: Vec<Moment>,
    /// The slab size at the end: another one than at first only with [`Auto`](crate::Auto).
    pub end_slab_size: usize,
    /// As `PoolStats::slab_size_moves`: what each was and why.
    pub slab_size_moves: Vec<String>,
}
