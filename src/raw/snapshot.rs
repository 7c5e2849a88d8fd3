//! Looking at a slab that others use meanwhile.
//!
//! Two kinds of look. A *view* ([`Ledger::views`]) is what a report is made from: it stops nobody and may catch a handle
//! in motion, which it counts as such. An *exact snapshot* says which bytes of a slab are live, and stays true: on a
//! detached slab new handles only come from old ones and lie inside them, so what it shows dead stays dead.

use super::header::{BIAS, Header};
use super::ledger::Ledger;
use super::notes::Note;
use super::segment::Segment;
use super::slot::{Extent, SliceKind, Slot};
use crate::adapt::Census;
use crate::config::Level;
use crate::sync::{Ordering, Plant, planted, thread};
use core::panic::Location;
use core::ptr::NonNull;

/// How often a look is taken again when the slab changed under it.
const TRIES: usize = if cfg!(bufslab_loom) { 2 } else { 4 };

/// One slab as a report sees it.
#[derive(Clone, Debug)]
pub(crate) struct SlabView {
    pub(crate) id: u64,
    pub(crate) generation: u64,
    pub(crate) size: usize,
    /// Its owner thread still cuts slices from it.
    pub(crate) attached: bool,
    /// Its memory is somebody else's.
    pub(crate) foreign: bool,
    /// Whatever touches its slices leaves a stack.
    pub(crate) suspect: bool,
    /// Live references.
    pub(crate) handles: u64,
    /// References that no slot lists. Those that are neither listed nor untracked are in motion.
    pub(crate) untracked: u64,
    pub(crate) level: Level,
    /// In ticks of 10 ms since the process started.
    pub(crate) attached_tick: u32,
    pub(crate) retired_tick: Option<u32>,
    /// Bytes that take real memory now, if the source can say.
    pub(crate) resident: Option<usize>,
    pub(crate) slots: Vec<SlotView>,
}

/// One slice as a report sees it.
#[derive(Clone, Debug)]
pub(crate) struct SlotView {
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) site: Option<&'static Location<'static>>,
    /// Number of the tag; 0 is none.
    pub(crate) tag: u32,
    pub(crate) kind: SliceKind,
    /// The thread that made the handle.
    pub(crate) thread: u32,
    /// When the handle was made, if after the slab was retired; 0 otherwise.
    pub(crate) tick: u32,
    /// Number of the scope that it is charged to; 0 is none. The same for hints and stack.
    pub(crate) scope: u32,
    pub(crate) first_hint: u32,
    pub(crate) last_hint: u32,
    pub(crate) trace: u32,
}

/// Sums that need no look at slots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pinned {
    pub(crate) slabs: usize,
    pub(crate) bytes: usize,
    /// Those of `bytes` that are somebody else's memory.
    pub(crate) foreign: usize,
    pub(crate) handles: u64,
    /// Times a drained slab was reused where it was, idle slabs included.
    pub(crate) resets: u64,
}

impl Header {
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        let mut next = self.first_segment();
        core::iter::from_fn(move || {
            // SAFETY: segments are type-stable.
            let segment = unsafe { NonNull::new(next)?.as_ref() };
            segment.made.read();
            next = segment.next();
            Some(segment)
        })
    }

    /// Size, live references and whether a thread owns it; `None` without memory or while it changes hands.
    pub(super) fn sums(&self) -> Option<(usize, u64, bool)> {
        for _ in 0..TRIES {
            let generation = self.generation();
            let state = self.state();
            // By the count and not by the owner, who changes a moment before or after it.
            let attached = match planted(Plant::SumsBelieveBias) {
                false => state.refs() >= BIAS / 2,
                true => self.owner() != thread::NOBODY,
            };
            let refs = self.true_refs(state, attached) as i32;
            let size = self.size_seen();
            // What is detached is counted in that one word; an owner's tally belongs to a word that is still there after it.
            let together = !attached || self.state() == state;
            if self.generation() == generation && together && refs >= 0 {
                return Some((size, refs as u64, attached)).filter(|_| size > 0);
            }
        }
        None
    }

    fn view(&self) -> Option<SlabView> {
        for _ in 0..TRIES {
            let generation = self.generation();
            let (size, handles, attached) = self.sums()?;
            if handles == 0 {
                return None;
            }
            let sited = self.depth().has_sites();
            let mut slots = Vec::new();
            for segment in self.segments() {
                if !core::ptr::eq(segment.header(), self) {
                    break;
                }
                slots.extend(segment.slots().iter().filter_map(|slot| slot_view(segment, slot, size, sited)));
            }
            // Relaxed: the generation decides whether they belong together.
            let attached_tick = self.fixed.attached_tick.load(Ordering::Relaxed);
            let retired = self.fixed.retired_tick.load(Ordering::Relaxed);
            let foreign = self.is_foreign();
            // SAFETY: the ledger outlives its headers.
            let ledger = unsafe { &*self.fixed.ledger };
            let resident = if foreign { None } else { ledger.resident(self.base(), size) };
            if self.generation() != generation {
                continue;
            }
            return Some(SlabView {
                id: self.fixed.uid,
                generation,
                size,
                attached,
                foreign,
                suspect: self.depth().is_suspect(),
                handles,
                untracked: self.unlisted(handles),
                level: self.depth().level(),
                attached_tick,
                retired_tick: (retired != 0).then_some(retired),
                resident,
                slots,
            });
        }
        None
    }
}

/// One live handle of a slab of `size` bytes; its site only if that is `sited`.
pub(super) fn slot_view(segment: &Segment, slot: &Slot, size: usize, sited: bool) -> Option<SlotView> {
    let extent = slot.extent();
    if !extent.is_live() {
        return None;
    }
    let (site, mark, tick) = slot.seen();
    let noted = segment.note_of(slot).map(Note::seen).unwrap_or_default();
    // The slot may have changed hands while it was read; then it is the next report's.
    if slot.extent() != extent {
        return None;
    }
    let (offset, len) = if extent.is_whole() { (0, size) } else { (extent.offset(), extent.len()) };
    Some(SlotView {
        offset,
        len,
        site: site.filter(|_| sited),
        tag: mark.tag(),
        kind: mark.kind(),
        thread: segment.owner(),
        tick,
        scope: noted.scope,
        first_hint: noted.first_hint,
        last_hint: noted.last_hint,
        trace: noted.trace,
    })
}

impl Ledger {
    /// Every slab that some handle keeps alive, with its slices.
    pub(crate) fn views(&self) -> Vec<SlabView> {
        // SAFETY: headers are type-stable.
        self.headers().into_iter().filter_map(|header| unsafe { header.as_ref() }.view()).collect()
    }

    /// Makes suspects of the slabs with these ids, if they are in the same life still. The list is sorted.
    pub(crate) fn suspect(&self, slabs: &[(u64, u64)]) {
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            let header = unsafe { header.as_ref() };
            if slabs.binary_search(&(header.fixed.uid, header.generation())).is_ok() {
                header.set_suspect();
            }
        }
    }

    /// Numbers of all scopes that some live handle is charged to.
    pub(crate) fn scopes_in_use(&self, found: &mut impl FnMut(u32)) {
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            for segment in unsafe { header.as_ref() }.segments() {
                for slot in segment.slots().iter().filter(|slot| slot.extent().is_live()) {
                    if let Some(note) = segment.note_of(slot) {
                        found(note.seen().scope);
                    }
                }
            }
        }
    }

    /// How much is kept alive, without asking by what.
    pub(crate) fn pinned(&self) -> Pinned {
        let mut sum = Pinned::default();
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            let header = unsafe { header.as_ref() };
            sum.resets += header.resets();
            if let Some((size, handles @ 1.., _)) = header.sums() {
                sum.slabs += 1;
                // Saturating: the size of a foreign slab is what somebody said.
                sum.bytes = sum.bytes.saturating_add(size);
                sum.foreign = sum.foreign.saturating_add(if header.is_foreign() { size } else { 0 });
                sum.handles += handles;
            }
        }
        sum
    }

    /// Counts the handles of slabs of this size.
    pub(crate) fn census(&self, size: usize) -> Census {
        let mut census = Census::default();
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            let header = unsafe { header.as_ref() };
            match header.sums() {
                Some((found, handles, _)) if found == size && !header.is_foreign() => census.count(size, handles),
                _ => census.pass(),
            }
        }
        census
    }
}

/// Model only: the live extents of a detached slab, or `None` if there is no such slab or it did not keep still.
#[cfg(bufslab_loom)]
pub(crate) fn exact(header: NonNull<Header>) -> (Option<Vec<super::slot::Extent>>, Option<super::slab::Idle>) {
    let Some(look) = super::look::Look::take(header) else { return (None, None) };
    let mut live = Vec::new();
    let exact = look.live(&mut live);
    (exact.then_some(live), look.leave())
}

/// Whether no other live slot overlaps this handle's extent: exactly known, or said to be not so.
pub(super) fn is_exclusive(slot: NonNull<Slot>) -> bool {
    // SAFETY: slots are type-stable.
    is_free_but_for(slot, unsafe { slot.as_ref() }.own_extent())
}

/// Whether no live slot but `mine` overlaps `range`. Only on a slab that this thread owns, or a detached one: what another
/// owner does to its slab leaves no trace in the state.
pub(super) fn is_free_but_for(mine: NonNull<Slot>, range: Extent) -> bool {
    // SAFETY: slots, segments and headers are type-stable, and a live handle's segment names its slab.
    let header = unsafe { &*Segment::of(mine).as_ref().header() };
    let owner = header.owner();
    let attached = thread::is(owner);
    if header.is_foreign() || (!attached && owner != thread::NOBODY) {
        return false;
    }
    let before = header.state();
    let mut live = 0;
    for slot in header.segments().flat_map(Segment::slots) {
        let extent = slot.extent();
        if extent.is_live() {
            live += 1;
            if !core::ptr::eq(slot, mine.as_ptr()) && extent.overlaps(range) {
                return false;
            }
        }
    }
    (planted(Plant::ExclusiveNoRecheck) || header.state() == before)
        && (planted(Plant::ExclusiveUncounted) || header.true_refs(before, attached) == live)
}

/// Whether an untracked handle is the only one on its slab.
pub(super) fn is_only_reference(header: NonNull<Header>) -> bool {
    // SAFETY: the caller's handle holds the slab.
    let header = unsafe { header.as_ref() };
    let owner = header.owner();
    let attached = thread::is(owner);
    !header.is_foreign() && (attached || owner == thread::NOBODY) && header.true_refs(header.state(), attached) == 1
}
