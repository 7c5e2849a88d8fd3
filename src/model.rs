//! What the loom models see of floor 2: the shipped types, with no more around them than it takes to name them from another
//! crate. Only under `--cfg bufslab_loom`.
//!
//! A handle here has no `Drop`, as in `raw`: a model gives it up by `release`, which hands back the slab if that emptied it.

pub use crate::sync::{Plant, plant};

use crate::config::Level;
use crate::raw::{self, Label, SlabSource};
use crate::sync::thread;
use bytes::Bytes;
use core::ops::Range;
use core::panic::Location;
use core::ptr::NonNull;
use std::sync::Arc;

#[track_caller]
fn label(tag: u32) -> Label {
    Label { site: Location::caller(), tag }
}

/// One pool's ledger.
#[derive(Clone)]
pub struct Ledger(Arc<raw::Ledger>);

/// One slab of a view.
#[derive(Debug)]
pub struct View {
    /// Which slab.
    pub id: u64,
    /// Which of its lives.
    pub generation: u64,
    /// Its length.
    pub size: usize,
    /// Whether a thread cuts slices from it.
    pub attached: bool,
    /// Whether its memory is somebody else's.
    pub foreign: bool,
    /// Live references.
    pub handles: u64,
    /// References that no slot lists.
    pub untracked: u64,
    /// Range and tag of each slice.
    pub slices: Vec<(Range<usize>, u32)>,
    /// Scope and first hint of each slice.
    pub notes: Vec<(u32, u32)>,
}

impl Ledger {
    /// A ledger whose slabs come from `source`.
    pub fn new(source: impl SlabSource) -> Ledger {
        Ledger(raw::Ledger::new(1, Box::new(source), None, None, crate::RetainPolicy::default(), || 0))
    }

    /// A fresh slab.
    pub fn slab(&self, size: usize) -> Idle {
        Idle(self.0.slab(size).expect("no limit is set"))
    }

    /// So many bytes are cut before an owner looks whether its slab has drained.
    pub fn set_stretch(&self, bytes: usize) {
        self.0.set_stretch(bytes);
    }

    /// Nothing is cut from now on.
    pub fn close(&self) {
        self.0.close();
    }

    /// One more request waits for memory, and everybody is asked for the slabs they are attached to.
    pub fn want(&self) {
        self.0.want(1);
        self.0.recall();
    }

    /// Whether somebody waits for memory, or else will see what the caller did before.
    pub fn is_wanted_now(&self) -> bool {
        self.0.is_wanted_now()
    }

    /// Attaches a partly filled slab of `size` bytes that has a hole of `n`, around its slices. Returns the slab if looking at it
    /// emptied it.
    pub fn attach_around(&self, size: usize, n: usize) -> (Option<Attached>, Option<Idle>) {
        let want = raw::Around { size, longest: n, hole: n, free: n, again: false };
        let mut emptied = Vec::new();
        let mut attached = self.0.attach_around(want, &mut raw::Search::default(), &mut emptied);
        assert!(emptied.len() < 2, "one slab is emptied once");
        if let Some(attached) = &mut attached {
            assert!(attached.first_hole(n), "it was chosen for its hole");
        }
        (attached.map(Attached), emptied.pop().map(Idle))
    }

    /// Bytes of headers, slots and berths.
    pub fn bytes(&self) -> usize {
        self.0.ledger_bytes()
    }

    /// Moves the parked slices of all slabs out that are not attached. Returns what was done, and the slabs that were emptied.
    pub fn compact(&self) -> (crate::Compaction, Vec<Idle>) {
        let mut emptied = Vec::new();
        let policy = crate::CompactPolicy::new().older_than(core::time::Duration::ZERO);
        let did = self.0.compact(&policy, usize::MAX, || true, |idle| emptied.push(Idle(idle)));
        (did, emptied)
    }

    /// Gives dead pages back. Returns the slabs that looking at them emptied.
    pub fn punch(&self) -> (raw::Punched, Vec<Idle>) {
        let mut emptied = Vec::new();
        let outcome = self.0.punch(&mut emptied);
        (outcome, emptied.into_iter().map(Idle).collect())
    }

    /// Lists `bytes` as one slice of a foreign slab.
    #[track_caller]
    pub fn adopt(&self, bytes: Bytes, size: usize, tag: u32) -> (Shared, Foreign) {
        let adopted = self.0.adopt(bytes, size, Level::Sites, label(tag));
        let (shared, slab) = adopted.unwrap_or_else(|(error, _)| panic!("{error}"));
        (Shared(shared), Foreign(slab))
    }

    /// Lists `bytes` as one more slice of that slab, if it is there still.
    #[track_caller]
    pub fn adopt_beside(&self, slab: Foreign, bytes: Bytes, tag: u32) -> Option<Shared> {
        match self.0.adopt_beside(slab.0, bytes, label(tag)) {
            raw::Adopted::Listed(shared) => Some(Shared(shared)),
            raw::Adopted::Elsewhere(_) => None,
            raw::Adopted::Refused(_) => panic!("there is memory"),
        }
    }

    /// What a report is made from.
    pub fn views(&self) -> Vec<View> {
        let view = |view: raw::SlabView| View {
            id: view.id,
            generation: view.generation,
            size: view.size,
            attached: view.attached,
            foreign: view.foreign,
            handles: view.handles,
            untracked: view.untracked,
            notes: view.slots.iter().map(|slot| (slot.scope, slot.first_hint)).collect(),
            slices: view.slots.iter().map(|slot| (slot.offset..slot.offset + slot.len, slot.tag)).collect(),
        };
        self.0.views().into_iter().map(view).collect()
    }

    /// Begins to record everything.
    pub fn record(&self) {
        let limits = raw::Limits { one_in: 1, max_bytes: usize::MAX, slab_size: 0 };
        assert!(self.0.begin_log(limits).is_ok(), "one recording at a time");
    }

    /// Ends recording. Which slots handles were made in, and left.
    pub fn recorded(&self) -> Vec<(bool, usize)> {
        let logged = self.0.take_log(None).map(|logged| logged.events).unwrap_or_default();
        let whether = |event: &raw::Event| match event.kind {
            raw::EventKind::Alloc | raw::EventKind::Derive { .. } => Some((true, event.key)),
            raw::EventKind::Free => Some((false, event.key)),
            _ => None,
        };
        logged.iter().flatten().filter_map(whether).collect()
    }

    /// Bytes of slabs that are out.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    /// Pinned slabs, and the handles on them.
    pub fn pinned(&self) -> (usize, u64) {
        let pinned = self.0.pinned();
        (pinned.slabs, pinned.handles)
    }
}

/// A foreign slab that was made once, and may be gone.
#[derive(Clone, Copy)]
pub struct Foreign(raw::Remembered);

/// An empty slab and its only possessor.
pub struct Idle(raw::Idle);

impl Idle {
    /// Makes this thread the owner, with every slice listed.
    pub fn attach(self) -> Attached {
        self.attach_at(Level::Sites)
    }

    /// Makes this thread the owner.
    pub fn attach_at(self, level: Level) -> Attached {
        match self.0.attach(level) {
            Ok(attached) => Attached(attached),
            Err(_) => panic!("a dead thread attaches a slab"),
        }
    }

    /// The whole slab as one slice without an owner.
    #[track_caller]
    pub fn single(self, tag: u32) -> Shared {
        let size = self.0.size();
        filled(self.0.single(size, Level::Sites, label(tag)))
    }

    /// The slab's memory as it would be handed on.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes()
    }
}

/// A slab that this thread owns. Dropping it detaches it.
pub struct Attached(raw::Attached);

impl Attached {
    /// Cuts `n` bytes, fills them and freezes them. `None` when there is no room, or this thread is not the owner.
    #[track_caller]
    pub fn alloc(&self, n: usize, tag: u32) -> Option<Shared> {
        self.0.alloc(n, label(tag)).map(filled)
    }

    /// The same, recorded if anything is.
    #[track_caller]
    pub fn alloc_recorded(&self, ledger: &Ledger, n: usize) -> Option<Shared> {
        let mut raw = self.0.alloc(n, label(0))?;
        ledger.0.log_allocation(&mut raw);
        Some(filled(raw))
    }

    /// Makes it the slab that this thread cuts from without asking, unless something is recorded.
    pub fn make_current(&self) {
        self.0.make_current(1);
    }

    /// Whether this thread was asked to give the slab up.
    pub fn is_recalled(&self) -> bool {
        self.0.is_recalled()
    }

    /// Cuts `n` bytes and leaves them writable.
    #[track_caller]
    pub fn cut(&self, n: usize) -> Option<Unique> {
        self.0.alloc(n, label(0)).map(Unique)
    }

    /// Goes on to the next hole with room for `n` bytes, unless this thread is to stop.
    pub fn next_hole(&mut self, n: usize) -> bool {
        self.0.next_hole(n)
    }

    /// Whether no slice is left.
    pub fn is_drained(&self) -> bool {
        self.0.is_drained()
    }

    /// Starts over in a drained slab.
    pub fn reset(&mut self) {
        self.0.reset(Level::Sites);
    }

    /// Leaves the slab to its slices.
    #[must_use]
    pub fn detach(self) -> Option<Idle> {
        self.0.detach().map(Idle)
    }
}

/// Cuts `n` bytes from the slab that this thread made its current one, without asking anybody.
#[track_caller]
pub fn alloc_current(n: usize) -> Option<Shared> {
    raw::alloc_current(1, n, 0, label(0)).map(filled)
}

fn filled(mut unique: raw::Unique) -> Shared {
    let room = unique.capacity();
    unique.fill_with(7, room);
    let (shared, emptied) = unique.freeze();
    assert!(emptied.is_none(), "a slice with bytes in it was emptied");
    Shared(shared)
}

/// A read-only slice.
pub struct Shared(raw::Shared);

#[allow(clippy::should_implement_trait, reason = "the sites of these handles are of interest")]
impl Shared {
    /// Another handle on the same bytes.
    #[track_caller]
    pub fn clone(&self) -> Shared {
        Shared(self.0.another(label(0)))
    }

    /// A handle on a part.
    #[track_caller]
    pub fn slice(&self, range: Range<usize>) -> Shared {
        let (start, len) = (range.start, range.len());
        Shared(self.0.slice(start, len, label(0)))
    }

    /// Cuts off the first `at` bytes.
    #[track_caller]
    pub fn split_to(&mut self, at: usize) -> Shared {
        Shared(self.0.split_to(at, label(0)))
    }

    /// Cuts off what follows the first `at` bytes.
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> Shared {
        Shared(self.0.split_off(at, label(0)))
    }

    /// Forgets the first `n` bytes.
    pub fn skip(&mut self, n: usize) {
        self.0.skip(n);
    }

    /// Looks at the payload.
    pub fn read(&self) {
        assert!(self.0.as_slice().iter().all(|&byte| byte == 7), "somebody else's bytes");
    }

    /// The size of its slab.
    pub fn slab_size(&self) -> usize {
        self.0.retained_size()
    }

    /// Charges it to a scope.
    pub fn charge(&self, scope: u32) {
        self.0.charge(scope);
    }

    /// Marks it to be overwritten when it goes away.
    pub fn zero_on_drop(&mut self) {
        self.0.mark_secret();
    }

    /// Leaves a hint.
    pub fn touch(&self, hint: u32) {
        self.0.touch(hint);
    }

    /// Gives the handle up, on each of the ways of [`SlabBytes`](crate::SlabBytes).
    #[must_use]
    pub fn release(mut self) -> Option<Idle> {
        let held = self.0.release_quick()?;
        match thread::with_identity(|me| held.release_as_guest(me)) {
            Ok(emptied) => emptied.map(|emptied| Idle(emptied.idle())),
            Err(held) => held.release().map(Idle),
        }
    }

    /// The range that the slot lists; `None` without a slot.
    pub fn listed(&self) -> Option<Range<usize>> {
        self.0.listed().map(|(_, _, offset, len)| offset..offset + len)
    }

    /// Which slot it is.
    pub fn slot(&self) -> Option<usize> {
        self.0.listed().map(|(_, slot, ..)| slot)
    }

    /// The slab, to look at while others use it.
    pub fn slab(&self) -> Slab {
        Slab(self.0.listed().expect("a listed slice").0)
    }

    /// The same bytes, writable, if no other handle sees them.
    pub fn try_into_unique(self) -> Result<Unique, Shared> {
        self.0.try_into_unique().map(Unique).map_err(Shared)
    }
}

impl Shared {
    /// Lets the ledger move it.
    pub fn park(self) -> Parked {
        Parked(self.0.park())
    }
}

/// A slice that the ledger may move.
pub struct Parked(raw::Parked);

impl Parked {
    /// Begins to read.
    pub fn read(&self) -> Reading<'_> {
        Reading(self.0.read())
    }

    /// Looks at the payload. Returns the slab if that emptied it.
    #[must_use]
    pub fn check(&self) -> Option<Idle> {
        let mut reading = self.read();
        reading.check();
        reading.leave()
    }

    /// Whether it was moved.
    pub fn is_moved(&self) -> bool {
        self.0.is_moved()
    }

    /// Gives the handle up.
    #[must_use]
    pub fn release(self) -> Option<Idle> {
        self.0.release().map(Idle)
    }
}

/// A reader of a parked slice.
pub struct Reading<'a>(raw::Reading<'a>);

impl Reading<'_> {
    /// Looks at the payload.
    pub fn check(&self) {
        assert!(self.0.as_slice().iter().all(|&byte| byte == 7), "somebody else's bytes");
    }

    /// An ordinary handle on the same bytes.
    #[track_caller]
    pub fn another(&self) -> Shared {
        Shared(self.0.another(label(0)))
    }

    /// Is done.
    #[must_use]
    pub fn leave(&mut self) -> Option<Idle> {
        self.0.leave().map(Idle)
    }
}

/// A writable slice.
pub struct Unique(raw::Unique);

impl Unique {
    /// Writes. Only for the one handle of its slab: the witness that loom watches is the slab's.
    pub fn overwrite(&mut self) {
        self.0.overwrite();
    }

    /// Cuts off what follows the first `at` bytes.
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> Unique {
        Unique(self.0.split_off(at, label(0)))
    }

    /// Takes the allocation it was split from back, if that is free, and says whether it has room for `wanted` bytes then.
    pub fn reclaim(&mut self, wanted: usize) -> bool {
        matches!(self.0.reclaim_root(wanted), raw::Reclaim::Taken)
    }

    /// The same bytes, all of them, read-only.
    pub fn fill_and_freeze(self) -> Shared {
        filled(self.0)
    }

    /// Gives the handle up.
    #[must_use]
    pub fn release(mut self) -> Option<Idle> {
        self.0.release_quick()?.release().map(Idle)
    }
}

/// A slab to look at, without holding it. Only while a ledger of the model lives.
#[derive(Clone, Copy)]
pub struct Slab(NonNull<raw::Header>);

#[allow(unsafe_code, reason = "headers are type-stable while the ledger lives")]
// SAFETY: a header is made to be looked at by every thread.
unsafe impl Send for Slab {}

/// What an exact snapshot showed, and the slab if giving the snapshot's reference back emptied it.
pub type Snapshot = (Option<Vec<Range<usize>>>, Option<Idle>);

impl Slab {
    /// The live ranges of a detached slab, if it kept still.
    #[must_use]
    pub fn exact(self) -> Snapshot {
        let (live, emptied) = raw::exact(self.0);
        let ranges = |live: Vec<_>| live.iter().map(range_of).collect();
        (live.map(ranges), emptied.map(Idle))
    }
}

fn range_of(extent: &raw::Extent) -> Range<usize> {
    extent.offset()..extent.end()
}

/// From now on the calling thread is in the scope with this number; 0 is none.
pub fn enter(scope: u32) {
    crate::sync::thread::set_scope(scope);
}

/// The calling thread counts as dead from here on: what it still drops, it drops as a thread without an identity.
pub fn die() {
    crate::sync::thread::leave();
}
