//! Floor 0: the one place that names a concurrency primitive.
//!
//! Everything above takes its atomics, its locks and its thread identity from here, so that the loom models run the
//! shipped code and not a copy of it. `real` is what users get; `model` is the same surface over loom and exists only
//! under `--cfg bufslab_loom`.

pub(crate) mod clock;
mod events;
#[cfg(bufslab_loom)]
mod model;
#[cfg(not(bufslab_loom))]
mod real;
mod rounds;
pub(crate) mod thread;

#[cfg(bufslab_loom)]
pub(crate) use model::*;
#[cfg(not(bufslab_loom))]
pub(crate) use real::*;

#[cfg(bufslab_loom)]
pub use model::plant;

pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use events::Events;
pub(crate) use rounds::Rounds;

/// Bugs that the loom models plant on purpose, to prove that a model would notice them.
///
/// A shipped build has no such switch: [`planted`] is the constant `false` there and the branch is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(bufslab_loom), allow(dead_code, unreachable_pub, reason = "only the loom models plant bugs"))]
pub enum Plant {
    // ---- Orderings.
    /// The drop that empties a slab does not acquire what the other droppers released.
    LastDropRelaxed,
    /// A drop on another thread does not release its reads of the payload.
    RemoteDropRelaxed,
    /// The owner reuses a drained slab after a relaxed read of the state.
    DrainedRelaxed,
    /// Detaching releases nothing: neither what the owner read nor what it left for whoever empties the slab.
    DetachRelaxed,
    /// Attaching publishes the count without what belongs to it.
    AttachRelaxed,
    /// A recycled slab's new generation is published without the end of the old one.
    GenerationRelaxed,
    /// Whoever looks at the count does not acquire what its droppers released.
    StateRelaxed,
    /// A slot's extent is published without the fields that belong to it.
    PublishRelaxed,
    /// A slot's fields are overwritten with nothing that tells a reader that the old extent is gone.
    FieldsRelaxed,
    /// A segment's notes are shown before they are made.
    NotesUnpublished,
    /// A slot's note is overwritten with nothing that tells a reader that the old extent is gone.
    NotesRelaxed,
    /// A slot is freed without releasing it to its next user.
    FreeRelaxed,
    /// The allocator's sweep takes a freed slot without acquiring it.
    SweepRelaxed,
    /// A segment is added to a slab's list without being published.
    SegmentListRelaxed,

    // ---- Protocol.
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
    /// The allocator's sweep takes live slots as well.
    SweepAllocatesLive,
    /// Recycling does not bump the generation.
    RecycleKeepsGeneration,
    /// A clone on another thread takes its slot from the owner's segment.
    RemotePopsOwnersSlot,
    /// A guest takes over the segment of a thread that still lives.
    AdoptsTheLiving,
    /// A segment goes back to the ledger with its allocator's name on it.
    SpareKeepsAllocator,
    /// The owner takes the free slots of a segment to hand and leaves them on its list too.
    TakeUpKeepsList,
    /// The owner forgets its tally when it settles it.
    SettleForgetsTally,
    /// Whether a slice is exclusive is decided without counting the references.
    ExclusiveUncounted,
    /// Whether a slice is exclusive is decided without reading the state a second time.
    ExclusiveNoRecheck,
    /// A segment gets its notes without a look at whether another thread gave it some just now.
    NotesReplaced,
    /// Whoever attaches a slab does not look whether the ledger was closed meanwhile.
    CloseUnseen,
    /// Whoever attaches a slab looks whether somebody waits for memory in a way that may miss who came just now.
    WantUnseen,
    /// A slab gets its first notes and does not say so.
    NotedUnsaid,
    /// A handle without a scope is published with the note that the one before it left.
    NotesKept,
    /// A marked handle that cannot overwrite its bytes goes away without saying so.
    WipeUnflagged,
    /// A marked handle overwrites its bytes after it has given them up.
    WipeAfterRelease,
    /// Whoever cuts around slices takes down the flag that the slab has to be overwritten.
    WipeFlagTakenDown,
    /// A look is believed although others may be looking too, and attach the slab by what they saw.
    LooksBesideEachOther,
    /// Attaching a slab around its slices keeps the look's reference and does not count it.
    AroundKeepsPin,
    /// The owner opens its next hole without a look at whether it is to stop.
    HoleUnasked,
    /// The owner goes back to the start of its slab without a look at whether that has drained.
    GoesBackUndrained,
    /// The owner cuts from the start of the slab although its hole lies further on.
    HoleFromTheStart,
    /// A buffer takes back what it was split from although that is a hole to be cut from later.
    ReclaimsHoles,
    /// A mover moves slices although its look was not exact: the slab may be attached meanwhile.
    MoverInexact,
    /// A mover does not say that it is at a slab.
    MoverUnmarked,
    /// A mover changes nothing in the state that a drop would notice.
    MoverClaimsNothing,
    /// A moved slice's new place is not published.
    MovedRelaxed,
    /// A moved slice's old place is given back although somebody reads there.
    ReleasedUnderReaders,
    /// A mover does not look whether the handle was dropped meanwhile.
    DroppedUnseen,
    /// A mover frees the slot of a slice that it has moved.
    MovedSlotFreed,
    /// A mover sets the slot of a slice aside after it has said that the slice is moved.
    SlotKeptLate,
    /// A segment's berths are shown before they are made.
    BerthsUnpublished,
    /// A mover does not see that the slab's former owner reads.
    LocalReaderUnseen,
    /// A reader leaves without releasing what it read.
    ReaderLeavesRelaxed,
    /// The same, for a reader that came as the slab's owner.
    LocalLeavesRelaxed,
    /// A parked slice is dropped without a look whether the slab is as it was.
    DropUncompared,
    /// A moved slice that is dropped does not ask whether its old place was given back.
    OldPlaceForgotten,
    /// A parked slice that is dropped while a mover has it cleans up too.
    MovingUnseen,
    /// Pages are given back although the slab did not keep still while it was looked at.
    PunchUnchecked,
    /// The page on which a slice ends is given back with the dead ones behind it.
    PunchTouchesSlices,
    /// The first reference of a slab without an owner is told without the slab it belongs to.
    SingleRelaxed,
    /// A header's new size is told without the end of the slab before.
    SizeRelaxed,
    /// Whoever joins a foreign slab does not look whether its last handle is gone.
    ForeignJoinsDead,
    /// Whoever joins a foreign slab does not look whether it is still the same one.
    ForeignLifeUnchecked,
    /// A foreign slab's end is told without the end of its generation.
    ForeignEndRelaxed,
    /// A foreign slab keeps only the first `Bytes` that was adopted for it.
    ForeignKeepsFirstOnly,
    /// A thread goes back to its fast path without asking whether a recording has begun.
    RecordUnseen,
    /// The end of a recorded handle is logged when its slot may be another one's already.
    EndLoggedLate,
    /// A count that was caught in the middle of detaching is believed.
    SumsBelieveBias,
}

#[cfg(not(bufslab_loom))]
#[inline(always)]
pub(crate) const fn planted(_: Plant) -> bool {
    false
}
