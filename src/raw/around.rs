//! Around the pin: a slab that is detached and partly filled is attached again, and its owner cuts from the holes between live
//! slices. So the collector Immix allocates into partly filled regions (Blackburn and McKinley, PLDI 2008).

use super::header::{BIAS, Header};
use super::ledger::Ledger;
use super::look::Look;
use super::poison;
use super::segment::Segment;
use super::slab::{Attached, Idle};
use super::slot::Extent;
use crate::config::Level;
use crate::sync::{Ordering, Plant, planted, thread};
use core::ptr::NonNull;
use std::sync::Arc;

/// Headers that are glanced at for one slab, and of these how many are looked at exactly.
pub(crate) const GLANCES: usize = 16;
pub(crate) const LOOKS: usize = 3;

/// What a slab must have to be attached around its pins.
#[derive(Clone, Copy)]
pub(crate) struct Around {
    /// Its size.
    pub(crate) size: usize,
    /// The length of its longest hole, at least.
    pub(crate) longest: usize,
    /// Holes shorter than this are left alone.
    pub(crate) hole: usize,
    /// The sum of all other holes, at least.
    pub(crate) free: usize,
    /// Slabs that were found too full are looked at again.
    pub(crate) again: bool,
}

/// The holes of one slab, the lowest last.
#[derive(Default)]
pub(crate) struct Holes(Vec<Extent>);

impl Holes {
    /// Takes the next hole of at least `n` bytes out. Shorter ones before it are given up until the next look.
    pub(super) fn next(&mut self, n: usize) -> Option<Extent> {
        while let Some(hole) = self.0.pop() {
            if hole.len() >= n + poison::SLACK {
                return Some(hole);
            }
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.0.iter()
    }

    /// Turns the list of live extents of a slab into that of its holes of at least `floor` bytes. Returns the sum and the longest.
    fn between(live: &mut Vec<Extent>, size: usize, floor: usize) -> (usize, usize) {
        Extent::sort(live);
        // In a slab that is listed whole there are none to speak of, and all its extents are so.
        if live.first().is_some_and(|extent| extent.is_whole()) {
            live.clear();
            return (0, 0);
        }
        let floor = floor.max(1);
        let (mut covered, mut written) = (0, 0);
        // In place: there is at most one hole before each slice, and one behind the last. Each is written, and counted if it is one: which are
        // is anybody's guess, and the processor's.
        for at in 0..live.len() {
            let slice = live[at];
            let len = slice.offset().saturating_sub(covered);
            live[written] = Extent::of_parts(covered, len);
            written += usize::from(len >= floor);
            covered = covered.max(slice.end());
        }
        live.truncate(written);
        let len = size.saturating_sub(covered);
        if len >= floor {
            live.push(Extent::new(covered, len));
        }
        let both = |(sum, longest): (usize, usize), hole: &Extent| (sum + hole.len(), longest.max(hole.len()));
        let (sum, longest) = live.iter().fold((0, 0), both);
        live.reverse();
        (sum, longest)
    }
}

/// What a search writes into, kept so that searching allocates nothing.
#[derive(Default)]
pub(crate) struct Search {
    holes: Holes,
    glances: usize,
}

impl Search {
    /// Whether the last search had to leave slabs out.
    pub(crate) fn was_cut_short(&self) -> bool {
        self.glances >= GLANCES
    }

    /// Lists the holes of a slab and says whether they are what is wanted.
    fn look(&mut self, look: &Look, want: Around) -> bool {
        let list = &mut self.holes.0;
        if !look.live(list) {
            return false;
        }
        let slices = list.len();
        let (sum, longest) = Holes::between(list, want.size, want.hole);
        if sum < want.free {
            look.header().set_full_at(slices as u32);
        }
        sum >= want.free && longest >= want.longest + poison::SLACK
    }

    /// A list that is not needed any more.
    pub(crate) fn give_back(&mut self, holes: Holes) {
        if self.holes.0.capacity() < holes.0.capacity() {
            self.holes = holes;
        }
    }
}

impl Ledger {
    /// Attaches the emptiest of a few partly filled slabs. Slabs that turn out to be empty are appended to `emptied`.
    pub(crate) fn attach_around(
        self: &Arc<Self>,
        want: Around,
        search: &mut Search,
        emptied: &mut Vec<Idle>,
    ) -> Option<Attached> {
        let me = thread::id();
        if me == thread::GONE {
            return None;
        }
        let mut candidates = self.glance();
        search.glances = candidates.glances;
        let mut looks = 0;
        while looks < LOOKS {
            let (refs, header) = candidates.take_emptiest()?;
            // SAFETY: headers are type-stable.
            if !unsafe { header.as_ref() }.is_worth_a_look(refs, want) {
                continue;
            }
            looks += 1;
            let Some(look) = Look::take(header) else { continue };
            if search.look(&look, want) {
                return Some(Attached::around(look, me, core::mem::take(&mut search.holes)));
            }
            emptied.extend(look.leave());
        }
        None
    }

    /// Glances at the next few slabs of all there are, in turns.
    fn glance(&self) -> Candidates {
        let mut candidates =
            Candidates { refs: [u32::MAX; GLANCES], headers: [NonNull::dangling(); GLANCES], glances: 0 };
        let headers = self.headers.lock();
        let count = headers.len().min(GLANCES);
        if count == 0 {
            return candidates;
        }
        // Relaxed: where a search starts is of no consequence. Under the lock.
        let rotor = self.rotor.load(Ordering::Relaxed);
        self.rotor.store(rotor.wrapping_add(count), Ordering::Relaxed);
        let start = rotor % headers.len();
        let first = &headers[start..headers.len().min(start + count)];
        candidates.headers[..first.len()].copy_from_slice(first);
        candidates.headers[first.len()..count].copy_from_slice(&headers[..count - first.len()]);
        // The glances themselves miss the cache, and need no lock: one line each, and no other is looked at but for the emptiest.
        drop(headers);
        candidates.glances = count;
        for (fewest, header) in candidates.refs.iter_mut().zip(&candidates.headers[..count]) {
            // SAFETY: headers are type-stable.
            let refs = unsafe { header.as_ref() }.state().refs();
            // With the bias in it the slab has an owner.
            if refs.wrapping_sub(1) < BIAS / 2 {
                *fewest = refs;
            }
        }
        candidates
    }
}

/// Slabs that may have room, with their references: the fewer, the more room, for all that a glance can tell. Those that have no
/// slice, or an owner, have as many as there can be.
struct Candidates {
    refs: [u32; GLANCES],
    headers: [NonNull<Header>; GLANCES],
    glances: usize,
}

impl Candidates {
    fn take_emptiest(&mut self) -> Option<(u32, NonNull<Header>)> {
        // Both in one number, of which the least is found without a branch that could be foreseen wrongly.
        let both = |(at, &refs): (usize, &u32)| u64::from(refs) << 32 | at as u64;
        let least = self.refs.iter().enumerate().map(both).fold(u64::MAX, u64::min);
        let (refs, at) = ((least >> 32) as u32, least as u32 as usize);
        if refs == u32::MAX {
            return None;
        }
        self.refs[at] = u32::MAX;
        Some((refs, self.headers[at]))
    }
}

impl Header {
    /// Whether this is a detached slab of the right size with listed slices, and has lost a good part of them since it was found
    /// too full.
    fn is_worth_a_look(&self, refs: u32, want: Around) -> bool {
        let fewer = want.again || u64::from(refs) * 4 <= u64::from(self.full_at()) * 3;
        fewer && self.owner() == thread::NOBODY && self.size() == want.size && self.depth().level() > Level::Off
    }

    /// The owner goes on to the next hole with room for `n` bytes, if there is one. It does not if the limit is 0: it is to stop, as
    /// everybody learns who closes the pool, records it, or waits for memory.
    pub(super) fn next_hole(this: NonNull<Header>, n: usize) -> bool {
        // SAFETY: the caller owns the slab, whose header lives.
        let header = unsafe { this.as_ref() };
        let limit = header.limit();
        if limit == 0 {
            return false;
        }
        // SAFETY: only the owner reaches them, and nothing here calls back.
        let Some(hole) = (unsafe { &mut *header.own.holes.get() }).next(n) else { return false };
        header.start_at(hole);
        header.set_end(hole.end() - poison::MARGIN);
        header.change_limit(limit, header.end())
    }

    fn start_at(&self, hole: Extent) {
        // SAFETY: in bounds of the slab; nobody but this thread could cut a slice from a hole.
        unsafe { self.wipe_hole_if_must(hole) };
        self.set_cursor(if planted(Plant::HoleFromTheStart) { 0 } else { hole.offset() });
    }

    /// Segments that nobody alive allocates from are `me`'s from now on. Only for the owner of a slab with slices.
    fn adopt_segments(&self, me: u32) {
        let may_be_adopted = |owner: u32| owner != me && owner != Segment::SHARED;
        // As a rule all of them are this thread's, which nobody else can change. Without the lock none is adopted: others may be about to.
        let growth = self.segments().any(|segment| may_be_adopted(segment.owner())).then(|| self.fixed.growth.lock());
        let mut mine = core::ptr::null_mut();
        let mut next = self.first_segment();
        while let Some(segment) = NonNull::new(next) {
            // SAFETY: segments are type-stable.
            let segment_ref = unsafe { segment.as_ref() };
            let owner = segment_ref.owner();
            if growth.is_some() && may_be_adopted(owner) && (owner == thread::NOBODY || !thread::is_alive(owner)) {
                // A dead thread's last use of the segment is ordered before this by the lock of the set of the living.
                segment_ref.set_owner(me);
            }
            if segment_ref.owner() == me {
                mine = segment.as_ptr();
            }
            next = segment_ref.next();
        }
        self.own.rotor.store(core::ptr::null_mut(), Ordering::Relaxed);
        self.take_up(mine);
    }
}

impl Attached {
    /// Makes this thread the owner of the slab that is looked at, to cut from its holes.
    fn around(look: Look, me: u32, holes: Holes) -> Attached {
        let header = look.into_header();
        // SAFETY: headers are type-stable.
        let header_ref = unsafe { header.as_ref() };
        header_ref.set_punched(false);
        header_ref.set_cursor(0);
        header_ref.set_limit(0);
        for hole in holes.iter() {
            poison::close(header_ref, hole.offset(), hole.len());
        }
        let ledger = header_ref.attach_around(me);
        header_ref.adopt_segments(me);
        let mut attached = Attached::new(header, ledger);
        *attached.holes_mut() = holes;
        attached
    }

    /// Goes on to the next hole with room for `n` bytes, if there is one, and the thread is not to stop.
    pub(crate) fn next_hole(&mut self, n: usize) -> bool {
        Header::next_hole(NonNull::from(self.header()), n)
    }

    /// Opens the first hole with room for `n` bytes.
    pub(crate) fn first_hole(&mut self, n: usize) -> bool {
        let Some(hole) = self.holes_mut().next(n) else { return false };
        self.header().start_at(hole);
        self.open(hole.end() - poison::MARGIN);
        true
    }

    /// Overwrites the holes with zeros.
    pub(crate) fn zero_holes(&self) {
        // SAFETY: as in `holes_mut`.
        for hole in unsafe { &*self.header().own.holes.get() }.iter() {
            // SAFETY: in bounds of the slab; nobody but this thread could cut a slice from a hole.
            unsafe { self.header().open_and_wipe(hole.offset(), hole.len()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RetainPolicy;

    fn holes(live: &[(usize, usize)], floor: usize) -> (Vec<(usize, usize)>, usize, usize) {
        let mut list: Vec<Extent> = live.iter().map(|&(offset, len)| Extent::new(offset, len)).collect();
        let (sum, longest) = Holes::between(&mut list, 100, floor);
        (list.iter().rev().map(|hole| (hole.offset(), hole.end())).collect(), sum, longest)
    }

    #[test]
    fn holes_lie_between_live_slices() {
        assert_eq!(holes(&[(10, 10), (50, 1)], 1), (vec![(0, 10), (20, 50), (51, 100)], 89, 49));
        assert_eq!(holes(&[(50, 1), (10, 10)], 11), (vec![(20, 50), (51, 100)], 79, 49));
        assert_eq!(holes(&[(0, 100)], 1), (vec![], 0, 0));
        assert_eq!(holes(&[(0, 60), (10, 5), (20, 70)], 1), (vec![(90, 100)], 10, 10), "overlapping slices");
        assert_eq!(holes(&[(20, 5), (20, 10), (90, 10)], 1), (vec![(0, 20), (30, 90)], 80, 60));
        assert_eq!(holes(&[], 1), (vec![(0, 100)], 100, 100));
    }

    /// The count is no number of slices then: who believes it asks for gibibytes.
    #[test]
    fn a_look_at_a_slab_that_was_attached_meanwhile_asks_for_no_memory() {
        let ledger = Ledger::new(1, Box::new(crate::raw::HeapSource), None, None, RetainPolicy::default(), || 0);
        let attached = ledger.slab(64).unwrap().attach(Level::Sites).ok().unwrap();
        let label = crate::raw::Label { site: core::panic::Location::caller(), tag: 0 };
        let slice = attached.alloc(8, label).unwrap();
        assert!(attached.detach().is_none());
        let header = ledger.headers()[0];
        let (first, second) = (Look::take(header).unwrap(), Look::take(header).unwrap());
        let attached = Attached::around(second, thread::id(), Holes::default());
        let mut list = Vec::new();
        assert!(!first.live(&mut list) && list.capacity() == 0);
        assert!(first.leave().is_none() && slice.release().is_none());
        drop(attached.detach().unwrap());
    }
}
