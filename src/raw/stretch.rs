//! Stretches: how far an owner cuts before it looks whether its slab has drained, and goes back to the start if so.
//!
//! A read that is dropped before the next one leaves the slab without a slice, over and over. Cut to its end such a slab moves all of
//! its memory through the cache; cut by the stretch it stays within the first few kibibytes, which are hot, and what lies behind
//! them is never touched. Where slices live on nothing changes: the next stretch follows the last.
//!
//! ```text
//! nothing lives at the end of a stretch:   |████....            |   cursor to 0, `laps` grows by where it was
//! something does:                          |█░░█████....        |   the limit moves on
//!                                           0  cursor  limit     end
//! ```
//!
//! Going back is no new life of the slab: it is not counted, no tick is read, and the generation stays, as when a handle gives its room
//! back. All that is done when the slab was cut *through*, counting what was cut over again: then its owner starts over or leaves it, as
//! it does without stretches.

use super::header::Header;
use super::ledger::Ledger;
use super::poison;
use crate::sync::{Ordering, Plant, clock, planted};

/// Bytes of a stretch behind the first slice in it: three reads of 4 KiB, and little more than a third of a small first-level data cache
/// (32 KiB), so that what is read from and whatever else the thread does has room there.
pub(crate) const STRETCH: usize = 12 << 10;
/// A stretch that no slab is as long as.
const STRAIGHT: usize = u32::MAX as usize;

impl Ledger {
    /// Bytes of a stretch: [`STRAIGHT`] if slabs are cut to their ends.
    fn stretch(&self) -> usize {
        // Relaxed: set before the first slab is cut.
        self.stretch.load(Ordering::Relaxed)
    }

    /// So many bytes from now on.
    pub(crate) fn set_stretch(&self, bytes: usize) {
        self.stretch.store(bytes, Ordering::Relaxed);
    }

    /// What changes whenever the pool wishes its slabs to be of another size or to be tracked at another level. Odd while it wants to know of
    /// every slab that is begun.
    #[inline]
    pub(super) fn wishes(&self) -> u32 {
        // Relaxed: a thread may learn of them a little later.
        self.wishes.load(Ordering::Relaxed)
    }

    /// The pool wishes something else.
    pub(crate) fn wish(&self) {
        self.wishes.fetch_add(2, Ordering::Relaxed);
    }

    /// The same, and whether it wants to know of every slab that is begun. One call at a time.
    pub(crate) fn wish_to_know(&self, whether: bool) {
        let next = |wishes: u32| Some((wishes | 1).wrapping_add(1 + u32::from(whether)));
        let _ = self.wishes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Nobody goes back: memory is used again when all of its slab was used, or is to be zeroed before.
    pub(crate) fn cut_straight(&self) {
        self.set_stretch(STRAIGHT);
    }
}

impl Header {
    /// Where the owner of an empty slab is to stop for the first time, and `end` to be its last stop.
    pub(super) fn first_stretch(&self, end: usize, ledger: &Ledger) -> usize {
        self.set_laps(0);
        self.set_end(end);
        self.set_stretch(ledger.stretch());
        // Whoever attached it around its slices does not go back.
        if self.birth() == 0 { end.min(self.stretch()) } else { end }
    }

    /// The owner of a drained slab starts over at its beginning, and stops where it did.
    pub(super) fn start_over(&self) {
        self.set_laps(0);
        self.set_end(self.size());
    }

    /// The slab had drained when its owner came to its end: it is to look for that earlier, if where it stops is far.
    pub(super) fn stop_early(&self) {
        let (limit, stretch) = (self.limit(), self.stretch());
        if self.goes_back() && limit / 2 > stretch {
            self.change_limit(limit, stretch);
        }
    }

    /// Bytes that the owner may still cut before it has to start over or to leave, in this slab or in this hole of it.
    pub(super) fn room(&self) -> usize {
        // Relaxed: set by this thread, or by whoever closes the ledger, who waits for nobody that is cutting just now.
        if self.limit() == 0 {
            return 0;
        }
        self.end().min(self.size() - self.laps()).saturating_sub(self.cursor())
    }

    /// Whether there is room for `n` bytes, more than none, before the owner stops.
    #[inline]
    pub(super) fn has_room(&self, n: usize) -> bool {
        let cursor = poison::start(self, self.cursor());
        let end = cursor.wrapping_add(n);
        cursor < end && end <= self.limit()
    }

    /// The owner goes on in the next stretch, or in the first one if the slab has drained. Says whether `n` bytes have room there. It
    /// does neither if the limit is 0, as with [holes](Header::next_hole).
    #[inline(never)]
    pub(super) fn go_on(&self, n: usize) -> bool {
        let limit = self.limit();
        if limit == 0 || n == 0 {
            return false;
        }
        if self.may_go_back() {
            if n <= self.room() {
                return self.go_back(limit, n);
            }
            if !self.begins_anew(n) {
                return false;
            }
        }
        self.reach(poison::start(self, self.cursor()).saturating_add(n))
    }

    /// Whether the owner may cut up to `to`, for which it goes on in the next stretch if need be.
    pub(super) fn reach(&self, to: usize) -> bool {
        let limit = self.limit();
        to <= limit || (limit > 0 && to <= self.end() && self.stretch_to(limit, to, self.end()))
    }

    fn goes_back(&self) -> bool {
        self.stretch() < STRAIGHT
    }

    fn may_go_back(&self) -> bool {
        // With nothing before the cursor there is nowhere to go.
        self.cursor() > 0
            && self.birth() == 0
            && !self.must_wipe()
            && self.goes_back()
            && (self.is_drained() || planted(Plant::GoesBackUndrained))
    }

    /// Begins another life of a drained slab that was cut through, if its pool has no part in that: it wishes nothing else than when the
    /// owner asked last, and the clock has not moved since. Says whether it did.
    fn begins_anew(&self, n: usize) -> bool {
        // SAFETY: the ledger outlives its slabs, and the caller owns this one.
        let wishes = unsafe { &*self.fixed.ledger }.wishes();
        // Relaxed: the owner wrote it.
        let now = self.fixed.attached_tick.load(Ordering::Relaxed);
        let same = wishes == self.wishes() && wishes % 2 == 0 && n <= self.size() && clock::read() == now;
        if same {
            self.renew(self.depth().level(), now);
            self.start_over();
            self.stop_early();
        }
        same
    }

    /// Says whether it did, and nobody has stopped the owner meanwhile.
    fn go_back(&self, limit: usize, n: usize) -> bool {
        self.fixed.witness.write();
        poison::close(self, 0, limit);
        self.set_laps(self.laps() + self.cursor());
        self.set_cursor(0);
        let end = self.size() - self.laps();
        // The limit stays where it is if that is about right: to change it takes a locked instruction.
        let (least, most) = (n + self.stretch() / 2, n + self.stretch() * 2);
        (least..=most.min(end)).contains(&limit) || self.stretch_to(limit, n, end)
    }

    /// Makes the limit a stretch more than `to`, or twice that if it is more, and `end` at most; if nobody has stopped the owner meanwhile. The
    /// further it has come, the less there is to be won by looking.
    fn stretch_to(&self, limit: usize, to: usize, end: usize) -> bool {
        let next = end.min(to.saturating_add(self.stretch().max(to)));
        next == limit || self.change_limit(limit, next)
    }
}

#[cfg(all(test, not(bufslab_loom)))]
mod tests {
    use super::*;
    use crate::config::Level;
    use crate::policy::RetainPolicy;
    use crate::raw::slab::{Attached, Label};
    use crate::raw::{HeapSource, Unique};
    use std::sync::Arc;

    const SLAB: usize = 1 << 10;

    fn label() -> Label {
        Label { site: core::panic::Location::caller(), tag: 0 }
    }

    /// A slab of 1,024 bytes that is cut by stretches of so many.
    fn attached(stretch: usize, level: Level) -> (Arc<Ledger>, Attached) {
        let ledger = Ledger::new(1, Box::new(HeapSource), None, None, RetainPolicy::default(), || 0);
        ledger.set_stretch(stretch);
        ledger.wish_to_know(true);
        let attached = ledger.slab(SLAB).unwrap().attach(level).ok().unwrap();
        (ledger, attached)
    }

    /// Where a slice of `n` bytes is cut.
    fn cut(slab: &Attached, n: usize) -> Option<(usize, Unique)> {
        let slice = slab.alloc(n, label())?;
        let from = slice.as_slice().as_ptr().addr() - slab.header().base().addr();
        Some((from, slice))
    }

    /// Where slices of `n` bytes are cut that are dropped at once, until none is.
    fn read_and_drop(slab: &Attached, n: usize) -> Vec<usize> {
        let mut places = Vec::new();
        while let Some((from, slice)) = cut(slab, n) {
            // Filled, or it would give its room back.
            let (shared, emptied) = filled(slice).freeze();
            assert!(emptied.is_none() && shared.release().is_none());
            places.push(from);
        }
        places
    }

    fn filled(mut slice: Unique) -> Unique {
        let room = slice.capacity();
        slice.fill_with(7, room);
        slice
    }

    #[test]
    #[cfg_attr(bufslab_asan, ignore = "asan: slices lie a red zone apart")]
    fn a_slab_that_drains_is_cut_through_in_its_first_stretch() {
        for level in [Level::Sites, Level::Counters, Level::Off] {
            let (_ledger, mut slab) = attached(256, level);
            let places = read_and_drop(&slab, 64);
            assert_eq!(places.len(), SLAB / 64, "as many as without stretches");
            assert!(places.iter().all(|&from| from < 256 + 64), "{places:?}");
            assert_eq!(slab.room(), 0);
            slab.reset(level);
            assert_eq!(read_and_drop(&slab, 64).len(), SLAB / 64);
            drop(slab.detach().unwrap());
        }
    }

    #[test]
    #[cfg_attr(bufslab_asan, ignore = "asan: slices lie a red zone apart")]
    fn a_slab_that_was_cut_through_begins_anew_unless_its_pool_has_a_part_in_that() {
        let (ledger, mut slab) = attached(256, Level::Sites);
        ledger.wish_to_know(false);
        slab.reset(Level::Sites);
        let (lives, generation) = (slab.header().resets(), slab.header().generation());
        let (mut round, mut begun_by_pool) = (0, 0);
        // The clock may move in any of them.
        while round < begun_by_pool + 20 {
            round += 1;
            assert!(round < 100_000, "none begins by itself");
            for _ in 0..SLAB / 64 {
                if read_and_drop_some(&slab, 64, 1).is_empty() {
                    // The clock has moved.
                    slab.reset(Level::Sites);
                    begun_by_pool += 1;
                    assert_eq!(read_and_drop_some(&slab, 64, 1).len(), 1);
                }
            }
            assert_eq!(slab.header().resets() - lives, round - 1, "a life for each time through");
        }
        assert_eq!(slab.header().generation() - generation, round - 1);
        for wish in [Ledger::wish, |ledger: &Ledger| ledger.wish_to_know(true)] {
            wish(&ledger);
            assert!(read_and_drop_some(&slab, 64, 1).is_empty(), "cut through");
            slab.reset(Level::Counters);
            assert!(read_and_drop(&slab, 64).len() >= SLAB / 64);
        }
        slab.reset(Level::Counters);
        assert_eq!(read_and_drop(&slab, 64).len(), SLAB / 64, "the pool wants to know");
        drop(slab.detach().unwrap());
    }

    #[test]
    #[cfg_attr(bufslab_asan, ignore = "asan: slices lie a red zone apart")]
    fn a_slab_that_starts_over_stops_within_its_first_stretches() {
        let (_ledger, mut slab) = attached(64, Level::Sites);
        let kept: Vec<Unique> = core::iter::from_fn(|| cut(&slab, 64)).map(|(_, slice)| filled(slice)).collect();
        assert_eq!(kept.len(), SLAB / 64);
        assert!(kept.into_iter().all(|slice| slice.release().is_none()));
        slab.reset(Level::Sites);
        slab.stop_early();
        let places = read_and_drop(&slab, 64);
        assert_eq!(places.len(), SLAB / 64);
        assert!(places.iter().all(|&from| from < 256), "{places:?}");
        drop(slab.detach().unwrap());
    }

    #[test]
    #[cfg_attr(bufslab_asan, ignore = "asan: slices lie a red zone apart")]
    fn nothing_goes_back_over_a_slice() {
        let (_ledger, slab) = attached(256, Level::Sites);
        let first = read_and_drop_some(&slab, 64, 6);
        let (at, pin) = cut(&slab, 64).unwrap();
        let pin = filled(pin);
        let mut places = Vec::new();
        let mut kept = Vec::new();
        while let Some((from, slice)) = cut(&slab, 64) {
            places.push(from);
            kept.push(slice);
        }
        assert!(first.iter().all(|&from| from < 256 + 64), "{first:?}");
        let expected: Vec<usize> = (at + 64..SLAB).step_by(64).collect();
        assert_eq!(places, expected, "on to the very end, whatever was cut before");
        assert!(pin.as_slice().iter().all(|&byte| byte == 7));
        for slice in kept.into_iter().chain([pin]) {
            assert!(slice.release().is_none());
        }
        drop(slab.detach().unwrap());
    }

    fn read_and_drop_some(slab: &Attached, n: usize, count: usize) -> Vec<usize> {
        let one = |_| {
            let (from, slice) = cut(slab, n)?;
            let (shared, _) = filled(slice).freeze();
            assert!(shared.release().is_none());
            Some(from)
        };
        (0..count).filter_map(one).collect()
    }

    #[test]
    #[cfg_attr(bufslab_asan, ignore = "asan: slices lie a red zone apart")]
    fn a_slice_may_be_longer_than_a_stretch_and_grow_beyond_it() {
        let (_ledger, slab) = attached(64, Level::Sites);
        let (from, slice) = cut(&slab, 200).unwrap();
        let mut slice = filled(slice);
        assert_eq!(from, 0);
        assert!(slice.extend_in_place(300), "the slab has room for it");
        assert!(!slice.extend_in_place(SLAB), "and none for that");
        assert_eq!(slice.capacity(), 500);
        assert!(cut(&slab, SLAB).is_none() && cut(&slab, usize::MAX).is_none());
        assert!(slice.release().is_none());
        assert_eq!(cut(&slab, SLAB).map(|(from, slice)| (from, slice.release().is_none())), Some((0, true)));
        drop(slab.detach().unwrap());
    }

    #[test]
    #[cfg_attr(bufslab_asan, ignore = "asan: slices lie a red zone apart")]
    fn what_is_to_be_overwritten_is_not_gone_back_to() {
        let straight: Vec<usize> = (0..SLAB).step_by(64).collect();
        let (ledger, slab) = attached(256, Level::Sites);
        slab.header().set_must_wipe();
        assert_eq!(read_and_drop(&slab, 64), straight);
        drop((slab.detach().unwrap(), ledger));
        let (ledger, slab) = attached(256, Level::Sites);
        drop(slab.detach().unwrap());
        ledger.cut_straight();
        let slab = ledger.slab(SLAB).unwrap().attach(Level::Sites).ok().unwrap();
        assert_eq!(read_and_drop(&slab, 64), straight);
        drop(slab.detach().unwrap());
    }
}
