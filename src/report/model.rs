//! What a report is made of: plain values, no references into the pool.

use core::time::Duration;
use std::time::SystemTime;

use super::sizing::SlabSizeMove;
use crate::config::{Level, Setting};
use crate::policy::RetainPolicy;
use crate::raw::{Backing, SliceKind};
use crate::track::{ScopeName, Site, Tag, Trace, TraceId};

/// What keeps a pool's slabs alive, taken without stopping anyone.
///
/// Made by [`SlabPool::report`](crate::SlabPool::report). Print it (`{}` fits a terminal and shows the worst first,
/// `{:#}` leaves nothing out), write it as JSON with [`to_json`](PinReport::to_json) or
/// [`write_json`](PinReport::write_json), or read the fields.
///
/// ```text
#[doc = include_str!("sample.txt")]
/// ```
///
/// Line by line:
/// * The first line is the verdict. *Used* bytes are covered by at least one listed slice, each counted once however
///   many slices overlap there; the rest of the pinned slabs is *waste*.
/// * *Set* lists what the pool was told and by whom: the program, a configuration file, a variable of the environment. What nobody set is
///   left out; `{:#}` has it.
/// * *Compacting* lines say what [`compact`](crate::SlabBytes::compact) would do to all slices of that tag, or of that
///   site where there is no tag: see [`Advice`]. What compacting cannot free is listed below them with the reason.
/// * *Alone*, *shared* and *amortised* are the three figures of [`Blame`].
/// * A slab is named by its number and generation (how often its memory has been used anew), a slice by its length and
///   offset. A slice without an age of its own is as old as the span beside its slab says.
///
/// **Not counted:** detached slices (they pin nothing), slabs no slice is alive in, and what the pinned memory holds: a
/// report never contains a byte of payload.
///
/// The pool runs on while the report is taken, so slabs are seen one after the other, and handles that are made or
/// dropped just then may be counted without being listed ([`PinnedSlab::in_motion`]). The sums hold all the same:
/// everything in a report is computed from the slabs and slices it lists.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PinReport {
    /// The pool's name.
    pub pool: String,
    /// The size of slabs the pool takes at present, in bytes. Slabs taken under another setting, and oversize requests,
    /// differ.
    pub slab_size: usize,
    /// The tracking level for slabs taken at present.
    pub level: Level,
    /// The pool's policy for `retain`.
    pub retain_policy: RetainPolicy,
    /// What the memory of the pool's slabs really is.
    pub backing: Backing,
    /// The pool's effective configuration: every setting with its value, and where that comes from. Empty if the report was read back
    /// from one of before version 0.2.
    pub config: Vec<Setting>,
    /// What the environment said that no pool understands: [`SlabPool::config_warnings`](crate::SlabPool::config_warnings).
    pub config_warnings: Vec<String>,
    /// The last 16 moves that the pool made of its slab size by itself, the earliest first: with [`Auto`](crate::Auto).
    pub slab_size_moves: Vec<SlabSizeMove>,
    /// When the report was taken, by the wall clock.
    pub taken_at: SystemTime,
    /// How long the pool's clock had run by then: no slab or slice is older.
    pub uptime: Duration,
    /// Sums over all pinned slabs.
    pub totals: Totals,
    /// What compacting would free, one entry for each tag (and site, where there is no tag); the largest saving first.
    /// Empty if compacting any single group would free nothing.
    pub advice: Vec<Advice>,
    /// What compacting all groups together frees. Only there if it saves over a tenth more than the entries of `advice`
    /// do one by one: that is, if much is pinned by slices of several groups at once.
    pub advice_together: Option<Advice>,
    /// Blame by tag, most amortised bytes first.
    pub by_tag: Vec<Blame>,
    /// Blame by site, most amortised bytes first.
    pub by_site: Vec<Blame>,
    /// Blame by owner scope, most amortised bytes first.
    pub by_scope: Vec<Blame>,
    /// Blame by the kind of scope: all scopes of one name together.
    pub by_scope_kind: Vec<Blame>,
    /// Blame by the thread that made the handles.
    pub by_thread: Vec<Blame>,
    /// Every pinned slab, the most waste first.
    pub slabs: Vec<PinnedSlab>,
    /// The stacks that slices refer to, by number.
    pub traces: Vec<Trace>,
}

impl PinReport {
    /// The version of the report's JSON form. It changes when a field changes its meaning or goes, not when one is
    /// added.
    pub const SCHEMA_VERSION: u32 = 1;

    /// Whether nothing is pinned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slabs.is_empty()
    }

    /// The blame on the tag called `name`, if a listed slice has it.
    #[must_use]
    pub fn blame_of_tag(&self, name: &str) -> Option<&Blame> {
        self.by_tag.iter().find(|blame| matches!(&blame.holder, Holder::Tag(tag) if tag.name() == name))
    }

    /// The same report without its slices and stacks: a fraction of the memory, with all figures, groups and slabs.
    ///
    /// What compares reports ([`diff`](super::diff), [`Series`](super::Series)) needs no more. What asks for single
    /// slices ([`compact_plan`](PinReport::compact_plan), [`retained_tree`](PinReport::retained_tree), and the forms
    /// that list them) finds none.
    #[must_use]
    pub fn without_slices(mut self) -> PinReport {
        for slab in &mut self.slabs {
            slab.slices = Vec::new();
        }
        self.traces = Vec::new();
        self
    }

    /// The advice for the tag called `name`, if compacting its slices would free anything.
    #[must_use]
    pub fn advice_for_tag(&self, name: &str) -> Option<&Advice> {
        self.advice.iter().find(|advice| matches!(&advice.holder, Holder::Tag(tag) if tag.name() == name))
    }
}

/// The sums of a report. No byte is counted twice.
///
/// ```text
/// pinned_bytes = live_bytes + waste_bytes
/// pinned_bytes = reclaimable_bytes + attached_bytes + unlisted_bytes + writable_bytes
/// memory_bytes = pinned_bytes - foreign_bytes + idle_bytes + slabs that are attached and empty
///                                                                                  (if nothing moves meanwhile)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Pinned slabs.
    pub slabs: usize,
    /// Slices listed on them.
    pub slices: usize,
    /// Those of them that live on as a `bytes::Bytes`.
    pub exported: usize,
    /// Handles that pin a slab without being listed: made at [`Level::Off`] or past the ledger's budget (or, rarely,
    /// made or dropped just when their slab was looked at).
    pub untracked: usize,
    /// Handles whose count and slot did not match, because they were being made or dropped when their slab was looked
    /// at.
    pub in_motion: usize,
    /// Slices that seemed to pass the end of their slab, and were clipped. Anything but 0 is a bug of this crate.
    pub clipped: usize,
    /// The sizes of all pinned slabs.
    pub pinned_bytes: usize,
    /// Bytes of them that listed slices cover, overlaps once. What untracked handles cover is not known and not in it,
    /// so that it is a lower bound if [`untracked`](Totals::untracked) is not 0.
    pub live_bytes: usize,
    /// `pinned_bytes - live_bytes`; an upper bound where `live_bytes` is a lower one.
    pub waste_bytes: usize,
    /// Slabs that would be freed if every listed `SlabBytes` were compacted (and every exported slice copied).
    pub reclaimable_bytes: usize,
    /// Slabs a thread still allocates from. Once their slices are gone that thread fills them again in place: they
    /// serve, but are not freed.
    pub attached_bytes: usize,
    /// Slabs, not attached, with handles that are untracked or in motion: nobody can say what would free them.
    pub unlisted_bytes: usize,
    /// Slabs, neither attached nor with unlisted handles, that a writable buffer (`SlabBytesMut`) keeps. It cannot be
    /// compacted before it is frozen.
    pub writable_bytes: usize,
    /// Bytes of the pinned slabs that take real memory: less than `pinned_bytes` where pages were never used, or given back by
    /// [`punch`](crate::SlabPool::punch). `None` if it is not known of one of them, as where memory is not page-backed.
    pub resident_bytes: Option<usize>,
    /// Those of `pinned_bytes` that are somebody else's memory, [adopted](crate::SlabPool::adopt) to be listed here. They are
    /// no part of `memory_bytes`.
    pub foreign_bytes: usize,
    /// Memory of the pool's slabs, pinned or not.
    pub memory_bytes: usize,
    /// Memory of slabs the pool keeps ready for use.
    pub idle_bytes: usize,
    /// Memory of the ledger that this report was read from: slab headers and slots.
    pub ledger_bytes: usize,
    /// Memory of names, scopes and stacks, which all pools of the process share.
    pub names_bytes: usize,
}

/// A slab that at least one handle keeps alive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PinnedSlab {
    /// The slab's number in its pool.
    pub id: u64,
    /// How often the slab with this number has been used anew. Id and generation together name one life of a slab.
    pub generation: u64,
    /// Its size in bytes: what it pins.
    pub size: usize,
    /// Whether a thread still allocates from it.
    pub attached: bool,
    /// Whether it is somebody else's memory that was [adopted](crate::SlabPool::adopt): its size is what was said then, and
    /// offsets count from the first slice that was adopted. Without its slices nothing in this pool holds it; it is freed if
    /// nothing elsewhere does.
    pub foreign: bool,
    /// Whether it was found old and sparse, so that whatever touches its slices leaves a stack.
    pub suspect: bool,
    /// The tracking level it was taken under.
    pub level: Level,
    /// References counted on it: `slices.len() + untracked`, unless some are in motion.
    pub handles: usize,
    /// References that have no slot, see [`Totals::untracked`].
    pub untracked: usize,
    /// By how many the references counted and the slices seen differ, see [`Totals::in_motion`].
    pub in_motion: usize,
    /// Bytes that listed slices cover, overlaps once; a lower bound if there are untracked handles.
    pub live_bytes: usize,
    /// `size - live_bytes`.
    pub waste_bytes: usize,
    /// Bytes of it that take real memory, by whole pages. `None` if that is not known. A hint: the slab is used meanwhile.
    pub resident_bytes: Option<usize>,
    /// The age of its slices as the slab knows it: born after a thread attached the slab, and before the thread retired
    /// it.
    pub age: Age,
    /// Every slice, by offset.
    pub slices: Vec<PinnedSlice>,
}

/// One live slice: the range of its slab that one handle holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PinnedSlice {
    /// Where it begins, in bytes from the slab's start.
    pub offset: usize,
    /// Its length in bytes; of a writable buffer, its capacity.
    pub len: usize,
    /// Where the handle was made (known at [`Level::Sites`]).
    pub site: Option<Site>,
    /// The name the program gave it.
    pub tag: Option<Tag>,
    /// The owner it is charged to.
    pub scope: Option<ScopeName>,
    /// What was said of it first by [`touch`](crate::SlabBytes::touch).
    pub first_hint: Option<Tag>,
    /// What was said of it last.
    pub last_hint: Option<Tag>,
    /// The stack of its making, or of what touched it last on a suspect slab: look for it in [`PinReport::traces`].
    pub trace: Option<TraceId>,
    /// What the handle is.
    pub kind: SliceKind,
    /// The thread that made it: a number that is unique in the process and never used again.
    pub thread: u32,
    /// Its age. A slice made after its slab was retired has a time of its own, as the pool's coarse clock had it: then
    /// both bounds are equal. Otherwise they are those of its slab.
    pub age: Age,
}

/// An age as two bounds, counted in ticks of 10 ms.
///
/// Nobody reads the clock for a single slice; taking and retiring a slab does, and these two readings bound the birth
/// of its slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    min_ticks: u32,
    max_ticks: u32,
}

impl Age {
    pub(super) const TICK_MS: u64 = 10;

    pub(super) fn from_ticks(min: u32, max: u32) -> Age {
        Age { min_ticks: min.min(max), max_ticks: max.max(min) }
    }

    /// At least this old.
    #[must_use]
    pub fn min(&self) -> Duration {
        Duration::from_millis(u64::from(self.min_ticks) * Age::TICK_MS)
    }

    /// At most this old.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_millis(u64::from(self.max_ticks) * Age::TICK_MS)
    }
}

/// Whom a report blames or advises about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Holder {
    /// All slices with this tag.
    Tag(Tag),
    /// All slices made at this site; as the subject of an [`Advice`], those of them without a tag.
    Site(Site),
    /// All slices charged to this scope.
    Scope(ScopeName),
    /// All slices charged to scopes of this kind.
    ScopeKind(Tag),
    /// All handles that this thread made.
    Thread(u32),
    /// All slices without a tag.
    Untagged,
    /// All slices that are charged to no scope.
    Unscoped,
    /// All slices without a known site; as the subject of an [`Advice`], those of them without a tag.
    NoSite,
    /// Handles that are not listed, see [`Totals::untracked`].
    Untracked,
    /// Handles that were counted but not seen, see [`Totals::in_motion`].
    InMotion,
    /// All slices of the report. Only in [`PinReport::advice_together`].
    Everyone,
}

/// How much memory one group of slices keeps alive, in three figures.
///
/// * `exclusive_bytes`: slabs that nobody but this group pins. Dropping its slices empties exactly these.
/// * `shared_bytes`: slabs that it pins together with others. Such a slab counts in full for each of them, so these do
///   not add up.
/// * `amortised_bytes`: its share of the bill. Over all groups of a table they add up to [`Totals::pinned_bytes`], to
///   the byte.
///
/// **How a slab is split.** Live bytes are charged to those who use them, in proportion to the bytes each group covers
/// (that is: each its own, unless groups overlap). The waste is split evenly among the groups on the slab. Each of them
/// alone would keep all of it, so none is more to blame than the next (it is the Shapley value of that game), and a
/// 20-byte slice that keeps 10 MiB next to a larger neighbour shows up with 5 MiB rather than with 20 bytes. Odd bytes
/// go to the groups first by name, so that the same slabs give the same figures.
///
/// Handles that are not listed form groups of their own, with nothing known to be covered.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Blame {
    /// The group.
    pub holder: Holder,
    /// Its slices (its handles, if they are not listed).
    pub slices: usize,
    /// Bytes they cover, overlaps within the group once.
    pub live_bytes: usize,
    /// Slabs that it pins, alone or with others.
    pub slabs: usize,
    /// The sizes of slabs that only this group pins.
    pub exclusive_bytes: usize,
    /// The sizes of slabs that it pins together with others.
    pub shared_bytes: usize,
    /// Its share of all pinned bytes.
    pub amortised_bytes: usize,
}

/// What compacting the slices of one group would free.
///
/// It counts a slab if all its handles are listed and belong to the group, and if its slices together are shorter than
/// the slab, so that copying them saves memory. Left out are
/// * slabs that are attached: their thread fills them again in place once they are empty, so they are not freed;
/// * slabs with a writable buffer, which cannot be compacted before it is frozen;
/// * slabs with handles that are not listed.
///
/// *Freed* means: emptied and back with the pool, which uses the slab anew or, past its idle limit, returns the memory.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Advice {
    /// The group. An untagged slice belongs to its site.
    pub holder: Holder,
    /// How many slices have to be compacted: the group's slices on the slabs that this frees.
    pub slices: usize,
    /// How many slices the group has in all.
    pub slices_in_group: usize,
    /// How many of `slices` were exported. A `bytes::Bytes` has no `compact`; its holder copies it by
    /// `Bytes::copy_from_slice`.
    pub exported: usize,
    /// Bytes that are copied: the sum of the slices' lengths, as each handle gets a copy of its own.
    pub copied_bytes: usize,
    /// Slabs that are freed.
    pub freed_slabs: usize,
    /// Their sizes.
    pub freed_bytes: usize,
}

/// What the pool knows of itself, handed over with the slabs.
#[derive(Clone, Debug)]
pub(crate) struct ReportMeta {
    pub(crate) pool: String,
    pub(crate) slab_size: usize,
    pub(crate) level: Level,
    pub(crate) retain_policy: RetainPolicy,
    pub(crate) backing: Backing,
    pub(crate) config: Vec<Setting>,
    pub(crate) config_warnings: Vec<String>,
    pub(crate) slab_size_moves: Vec<SlabSizeMove>,
    pub(crate) taken_at: SystemTime,
    /// The clock's tick when the report was taken.
    pub(crate) now_tick: u32,
    pub(crate) memory_bytes: usize,
    pub(crate) idle_bytes: usize,
    pub(crate) ledger_bytes: usize,
    pub(crate) names_bytes: usize,
}
