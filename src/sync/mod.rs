//! Floor 0: the one place that names a concurrency primitive.
//!
//! Everything above takes its atomics, its locks and its thread identity from here, so that the loom models run the
//! shipped code and not a copy of it. `real` is what users get; `model` is the same surface over loom and exists only
//! under `--cfg bufslab_loom`.

#[cfg(bufslab_loom)]
mod model;
#[cfg(not(bufslab_loom))]
mod real;
pub(crate) mod clock;
pub(crate) mod thread;

#[cfg(bufslab_loom)]
pub(crate) use model::*;
#[cfg(not(bufslab_loom))]
pub(crate) use real::*;

pub(crate) use crossbeam_utils::CachePadded;

/// Bugs that the loom models plant on purpose, to prove that a model would notice them.
///
/// A shipped build has no such switch: [`planted`] is the constant `false` there and the branch is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(bufslab_loom), allow(dead_code, unreachable_pub, reason = "only the loom models plant bugs"))]
pub enum Plant {
    /// The drop that empties a slab does not acquire what the other droppers released.
    LastDropRelaxed,
    /// A drop on another thread does not release its reads of the payload.
    RemoteDropRelaxed,
    /// The owner reuses a drained slab after a relaxed read of the state.
    DrainedRelaxed,
    /// The owner refunds its surplus of references before it has said that it is no longer the owner.
    RefundBeforeDisown,
    /// The owner refunds the whole bias and forgets its own tally.
    RefundForgetsTally,
    /// A drop gives its reference back before it has cleared its slot.
    RefBeforeSlot,
    /// An exact snapshot compares only the claims of the two state words.
    SnapshotClaimsOnly,
    /// An exact snapshot does not read the state a second time.
    SnapshotNoRecheck,
    /// `split_to` shrinks its own extent before it publishes the new slot.
    ShrinkBeforePublish,
    /// A clone on another thread publishes its slot before it takes its reference.
    PublishBeforeRef,
    /// The owner's sweep reads freed slots without acquiring.
    SweepAllocatesLive,
    /// Recycling does not bump the generation.
    RecycleKeepsGeneration,
    /// A clone on another thread takes its slot from the owner's segment.
    RemotePopsOwnersSlot,
}

#[cfg(not(bufslab_loom))]
#[inline(always)]
pub(crate) const fn planted(_: Plant) -> bool {
    false
}

/// A number that no other call of this process gets. Never 0.
pub(crate) fn next_uid() -> u64 {
    use core::sync::atomic::AtomicU64 as Counter;
    static NEXT: Counter = Counter::new(1);
    // Relaxed: only uniqueness matters. Not a modelled atomic: nothing depends on which number it is.
    NEXT.fetch_add(1, core::sync::atomic::Ordering::Relaxed)
}
