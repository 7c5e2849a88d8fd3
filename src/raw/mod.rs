//! Floor 2: slab memory and the reference protocol. The only unsafe code of the crate.
//!
//! | noun | type | size | what it is | what it is not |
//! |---|---|---|---|---|
//! | slab | [`Idle`], [`Attached`] | `slab_size` | contiguous memory, cut by moving a cursor | kept alive by its pool |
//! | header | `Header` | 3 cache lines (2 × 64 B each) | a slab's counts; type-stable | in the slab: payload memory is never written |
//! | slot | `Slot` | 32 B | one live handle's place, site, tag | shared: only its handle writes it |
//! | segment | `Segment` | 1 KiB | slots with one allocator thread | tied to a slab for ever |
//! | notes | `Notes` | 480 B | scope, hints and stack of a segment's handles, once one has any | in most segments |
//! | berth | `Berth` | 32 B | where a parked slice was moved to, beside its slot | in segments where nothing is parked |
//! | life | `Life` | 40 B | what keeps a foreign slab's memory: the `Bytes` that were adopted | in a slab of ours |
//! | ledger | [`Ledger`] | | all headers and segments of a pool | freed before the last slab is |
//! | handle | [`Shared`], [`Parked`], [`Unique`] | 24 B, 24 B, 32 B | pointer, length, (capacity,) word | `Drop`: the floors above pass emptied slabs on |
//!
//! Following one 20-byte head: a thread attaches a slab ([`Idle::attach`]) and cuts 4,096 bytes for a read
//! ([`Attached::alloc`]): one slot is taken and the tally goes to 1, both in one word; the cursor goes to 4,096. `freeze` gives 3,000 unused
//! bytes back to the cursor. The parser slices the head ([`Shared::slice`]): a second slot, the tally is 2. The request is
//! dropped: one slot dead, the tally is 1. The slab fills and is detached: `BIAS − 1` references are refunded, one is left, and
//! it is the head's. A report finds the header, reads one live slot, and names its site and tag. When the head is dropped,
//! on whatever thread, the count reaches zero there, and [`Shared::release`] returns the slab to be used again.

mod acquire;
mod around;
mod berth;
mod exit;
mod foreign;
mod handles;
mod header;
mod ledger;
mod log;
mod look;
mod mover;
mod notes;
mod owned;
mod park;
mod poison;
mod project;
mod punch;
mod recall;
mod recorded;
mod secret;
mod segment;
mod shared;
mod shares;
mod slab;
mod slot;
mod snapshot;
mod source;
mod stretch;
mod tally;
mod unique;
mod word;

pub(crate) use around::{Around, Search};
#[cfg(feature = "tune")]
pub(crate) use around::{GLANCES, LOOKS};
pub(crate) use exit::at_exit;
pub(crate) use foreign::{Adopted, Remembered};
pub(crate) use header::Emptied;
#[cfg(bufslab_loom)]
pub(crate) use header::Header;
pub(crate) use ledger::Ledger;
pub(crate) use log::{Event, EventKind, Limits, LogState, Logged};
pub(crate) use park::{Parked, Reading};
pub(crate) use project::Beside;
pub use punch::Punched;
pub(crate) use shared::{Held, Shared};
pub(crate) use shares::By;
pub(crate) use slab::{Attached, Idle, Label, alloc_current, alloc_quick};
pub use slot::SliceKind;
pub(crate) use snapshot::{SlabView, SlotView};
pub use source::{Backing, HeapSource, RegionPlace, RegionSource, SlabSource, StableRegion};
#[cfg(all(unix, feature = "mmap"))]
pub use source::{HugePageUse, HugePages, Mapping, MmapSource};
#[cfg(feature = "tune")]
pub(crate) use stretch::STRETCH;
pub(crate) use unique::{Reclaim, Unique};
#[cfg(bufslab_loom)]
pub(crate) use {slot::Extent, snapshot::exact};
