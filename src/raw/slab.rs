//! A slab as its possessor has it: idle (nobody's), or attached to the thread that cuts slices from it.
//!
//! ```text
//!            attach                  detach, slices left
//!    Idle ───────────▶ Attached ─────────────────────────────▶ (kept by its slices alone)
//!     ▲                │  ▲  ▲ └── around: attached to its holes ─────────┤
//!     │                │  └──┘ reset: drained, reused in place            │
//!     │  detach, none left                                                │
//!     └────────────────┴────────────────────────── the last slice drops ──┘
//! ```

use super::around::Holes;
use super::header::{Entry, Header};
use super::ledger::Ledger;
use super::poison;
use super::slot::{Extent, Mark};
use super::unique::Unique;
use super::word::Word;
use crate::config::Level;
use crate::sync::{Ordering, Plant, clock, planted, thread};
use core::marker::PhantomData;
use core::panic::Location;
use core::ptr::NonNull;
use std::sync::Arc;

/// Segments that an empty slab keeps for its next use; the others go back to the ledger.
const KEPT_SEGMENTS: usize = if cfg!(any(test, bufslab_loom)) { 1 } else { 4 };

/// A slab without a single slice, and its only possessor. Dropping it gives the memory back to the source.
pub(crate) struct Idle {
    header: NonNull<Header>,
    ledger: Arc<Ledger>,
}

// SAFETY: whoever has an `Idle` has the slab to itself; the header is `Send`.
unsafe impl Send for Idle {}

impl Idle {
    pub(super) fn fresh(header: NonNull<Header>, ledger: Arc<Ledger>) -> Idle {
        let idle = Idle { header, ledger };
        idle.header_ref().bump_generation();
        idle
    }

    /// From the thread that found the slab empty.
    pub(super) fn emptied(header: NonNull<Header>, ledger: Arc<Ledger>) -> Idle {
        let idle = Idle { header, ledger };
        let header = idle.header_ref();
        header.fixed.witness.write();
        header.wipe_if_must();
        poison::close(header, 0, header.size());
        header.bump_generation();
        let rest = header.cut_segments(KEPT_SEGMENTS);
        header.hand_segments_to(thread::NOBODY);
        idle.ledger.take_segments(rest);
        idle
    }

    pub(super) fn header_ref(&self) -> &Header {
        // SAFETY: headers are type-stable while the ledger lives.
        unsafe { self.header.as_ref() }
    }

    /// Bytes of memory.
    pub(crate) fn size(&self) -> usize {
        self.header_ref().size()
    }

    /// The ledger that accounts for this slab.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Whether its memory is somebody else's, which is not ours to use again.
    pub(crate) fn is_foreign(&self) -> bool {
        self.header_ref().is_foreign()
    }

    /// Overwrites the memory with zeros.
    pub(crate) fn zero(&mut self) {
        assert!(!self.is_foreign(), "somebody else may see the bytes");
        self.header_ref().zero();
    }

    /// Model only: the memory, all of which was written to.
    #[cfg(bufslab_loom)]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        // SAFETY: the memory is this long, the model has filled it, and nobody else knows it.
        unsafe { core::slice::from_raw_parts(self.header_ref().base(), self.size()) }.to_vec()
    }

    /// Makes this thread the slab's owner. Fails when the thread is dying and has no identity any more.
    pub(crate) fn attach(self, level: Level) -> Result<Attached, Idle> {
        let me = thread::id();
        if me == thread::GONE {
            return Err(self);
        }
        let header = self.header_ref();
        header.set_level(level);
        header.hand_segments_to(me);
        header.set_punched(false);
        header.attach(me);
        if level != Level::Off {
            header.take_up(header.first_segment());
        }
        let size = header.size();
        let (header, ledger) = self.into_parts();
        let attached = Attached::new(header, ledger);
        attached.open(size);
        Ok(attached)
    }

    /// Turns the whole slab into one handle of `n` bytes, with no owner.
    pub(crate) fn single(self, n: usize, level: Level, label: Label) -> Unique {
        let this = self.header;
        let word = self.first_handle(n, Mark::UNIQUE, level, label);
        // SAFETY: headers are type-stable.
        poison::open(unsafe { this.as_ref() }, 0, n);
        // SAFETY: headers are type-stable; a slab's base is not null, and `n` bytes of it are this handle's alone.
        unsafe { Unique::from_parts(NonNull::new_unchecked(this.as_ref().base()), 0, n, word) }
    }

    /// Leaves the slab to one handle on its first `n` bytes.
    pub(super) fn first_handle(self, n: usize, mark: Mark, level: Level, label: Label) -> Word {
        debug_assert!(0 < n && n <= self.size());
        let header = self.header_ref();
        header.set_level(level);
        header.set_punched(false);
        header.fixed.attached_tick.store(clock::read(), Ordering::Relaxed);
        header.fixed.retired_tick.store(clock::last(), Ordering::Relaxed);
        let (this, ledger) = self.into_parts();
        // SAFETY: headers are type-stable.
        let header = unsafe { this.as_ref() };
        header.first_reference(ledger);
        let extent = Extent::in_slab(header.size(), 0, n);
        let entry = Entry { extent, root: extent, mark: mark.with_tag(label.tag), site: label.site, parent: None };
        let slot = match level {
            Level::Off => None,
            _ => super::segment::Segment::pop_for_guest(header, this),
        };
        match slot {
            Some(slot) => header.publish(slot, entry, 0),
            None => header.count_unlisted(1),
        }
        Word::tracked(slot, this)
    }

    fn into_parts(self) -> (NonNull<Header>, Arc<Ledger>) {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped, so the `Arc` is moved out once.
        (this.header, unsafe { core::ptr::read(&this.ledger) })
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.ledger.retire(self.header);
    }
}

/// What a new slice is called and where it was made.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    pub(crate) site: &'static Location<'static>,
    /// Number of the tag; 0 is none.
    pub(crate) tag: u32,
}

/// A slab that this thread owns and cuts slices from. Dropping it detaches it.
pub(crate) struct Attached {
    header: NonNull<Header>,
    /// Taken when the slab is detached.
    ledger: Option<Arc<Ledger>>,
    /// The owner's counts are this thread's alone.
    not_send: PhantomData<*mut ()>,
}

impl Attached {
    pub(super) fn new(header: NonNull<Header>, ledger: Arc<Ledger>) -> Attached {
        Attached { header, ledger: Some(ledger), not_send: PhantomData }
    }

    /// Lets the owner cut up to `end`, unless the ledger is closed.
    pub(super) fn open(&self, end: usize) {
        let Some(ledger) = &self.ledger else { return };
        self.header().set_wishes(ledger.wishes());
        self.header().set_limit(self.header().first_stretch(end, ledger));
        // If somebody has begun to record, this thread sees that from now on, and makes no slab its current one. Otherwise who begins
        // will see the limit and set it to 0.
        ledger.log.look();
        if ledger.is_closed_now() && !planted(Plant::CloseUnseen) {
            self.header().set_limit(0);
        }
    }

    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: headers are type-stable while the ledger lives.
        unsafe { self.header.as_ref() }
    }

    /// Bytes of memory.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.header().size()
    }

    /// Bytes that are left where the slab is cut from now.
    pub(crate) fn room(&self) -> usize {
        self.header().room()
    }

    /// Handles on it, when nobody else makes or drops any.
    pub(crate) fn handles(&self) -> u64 {
        self.header().sums().map_or(0, |(_, handles, _)| handles)
    }

    /// Cuts the next `n` bytes, if that many are left; or the first ones, if the slab has drained and it is time to look.
    #[inline]
    pub(crate) fn alloc(&self, n: usize, label: Label) -> Option<Unique> {
        if !thread::is(self.header().owner()) {
            return None;
        }
        let enlist = |header, entry| {
            Header::enlist_quick(header, || entry).or_else(|| Some(Header::enlist_as_owner(header, entry)))
        };
        // SAFETY: this thread owns the slab.
        let cut = || unsafe { cut(self.header, n, label, enlist) };
        cut().or_else(|| if self.header().go_on(n) { cut() } else { None })
    }

    /// Makes this the slab that [`alloc_current`] cuts from, for the pool with this id; unless something is recorded.
    pub(crate) fn make_current(&self, pool: usize) {
        let Some(ledger) = self.ledger.as_ref().filter(|_| thread::is(self.header().owner())) else { return };
        let slab = self.header.cast();
        // A hint will do: whoever begins to record sets the limit to 0, and who sets it to more asks in `open`.
        if ledger.log.is_open() { thread::unset_current(slab) } else { thread::set_current(pool, slab) }
    }

    /// Whether no slice is left of this slab.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        self.header().is_drained()
    }

    /// Starts over at the beginning of a drained slab, whose memory is still hot in the cache.
    pub(crate) fn reset(&mut self, level: Level) {
        assert!(self.is_drained(), "only an empty slab is reused");
        self.holes_mut().clear();
        let header = self.header();
        header.renew(level, clock::read());
        if header.limit() == 0 {
            return self.open(header.size());
        }
        header.start_over();
        if let Some(ledger) = &self.ledger {
            header.set_wishes(ledger.wishes());
        }
    }

    /// The slab had drained when it came to its end: the owner is to look for that earlier from now on.
    pub(crate) fn stop_early(&self) {
        self.header().stop_early();
    }

    /// Overwrites the memory of a drained slab with zeros.
    pub(crate) fn zero(&self) {
        assert!(self.is_drained(), "only an empty slab is overwritten");
        self.header().zero();
    }

    /// Where the slab has room besides the one it is cut from now.
    pub(super) fn holes_mut(&mut self) -> &mut Holes {
        // SAFETY: this thread owns the slab, and whoever owns it reaches them through this or `next_hole`, which lets go of them at once.
        unsafe { &mut *self.header().own.holes.get() }
    }

    /// The list of holes, to be used for another slab.
    pub(crate) fn take_holes(&mut self) -> Holes {
        let mut holes = core::mem::take(self.holes_mut());
        holes.clear();
        holes
    }

    /// Leaves the slab to its slices. Returns it if there are none.
    pub(crate) fn detach(self) -> Option<Idle> {
        self.detach_at(clock::read())
    }

    /// The same at the tick `now`.
    pub(crate) fn detach_at(mut self, now: u32) -> Option<Idle> {
        self.leave(now)
    }

    fn leave(&mut self, now: u32) -> Option<Idle> {
        let ledger = self.ledger.take()?;
        thread::unset_current(self.header.cast());
        self.holes_mut().clear();
        Header::detach(self.header, ledger, now)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.ledger.is_some() {
            drop(self.leave(clock::read()));
        }
    }
}

/// The slab that this thread made current for the pool with this id, if there is one.
#[inline(always)]
fn current(pool: usize) -> Option<NonNull<Header>> {
    thread::current(pool).map(NonNull::cast)
}

/// Cuts the next `n` bytes from the slab that this thread made current for the pool with this id, if there is one, it has that much
/// room, and it takes no more than a few stores to do so.
#[inline(always)]
pub(crate) fn alloc_quick(pool: usize, n: usize, label: Label) -> Option<Unique> {
    // SAFETY: an attached slab is unset before it is detached, and a dying thread unsets it before it loses its identity. A thread
    // without one has it for no pool's id.
    unsafe {
        cut(current(pool)?, n, label, |this, entry| {
            let untracked = || this.as_ref().enlist_untracked_quick().then(|| Word::untracked(this));
            Header::enlist_quick(this, || entry).or_else(untracked)
        })
    }
}

/// The same, however it is to be done, and also from the next stretch of that slab, or from one of the holes that come next in it: those
/// that are too short for a request of at most `largest` bytes are given up.
#[inline(never)]
pub(crate) fn alloc_current(pool: usize, n: usize, largest: usize, label: Label) -> Option<Unique> {
    let this = current(pool)?;
    // SAFETY: as above.
    let header = unsafe { this.as_ref() };
    let next_hole = || (1..=largest).contains(&n) && Header::next_hole(this, n);
    if !(header.has_room(n) || header.go_on(n) || next_hole()) {
        return None;
    }
    // SAFETY: as above.
    unsafe {
        cut(this, n, label, |this, entry| {
            Header::enlist_quick(this, || entry).or_else(|| Some(Header::enlist_as_owner(this, entry)))
        })
    }
}

/// Cuts the next `n` bytes of a slab, if that many are left and `enlist` makes the handle.
///
/// # Safety
///
/// The calling thread owns the slab.
#[inline(always)]
unsafe fn cut(
    this: NonNull<Header>,
    n: usize,
    label: Label,
    enlist: impl FnOnce(NonNull<Header>, Entry) -> Option<Word>,
) -> Option<Unique> {
    // SAFETY: an owned slab's header lives.
    let header = unsafe { this.as_ref() };
    let at = header.cursor();
    let cursor = poison::start(header, at);
    let end = cursor.wrapping_add(n);
    // At least one byte, not so many that the sum wraps, and at most what is left.
    if end <= cursor || end > header.limit() {
        return None;
    }
    let extent = Extent::new(cursor, n);
    let entry = Entry { extent, root: extent, mark: Mark::UNIQUE.with_tag(label.tag), site: label.site, parent: None };
    let word = enlist(this, entry)?;
    header.set_cursor(end);
    poison::open(header, cursor, n);
    // SAFETY: `end` is at most the slab's size. Nobody else was given these bytes since the slab was last
    // empty: the cursor only moves back over bytes that their unique holder gave back, or to the start while there is no handle at all.
    unsafe {
        let start = NonNull::new_unchecked(header.base().add(cursor));
        Some(Unique::from_parts(start, 0, n, word))
    }
}
