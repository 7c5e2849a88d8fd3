//! The third word of a handle: what, if anything, keeps its bytes alive.

use super::berth::Berth;
use super::header::{Entry, Header};
use super::owned::Owned;
use super::segment::Segment;
use super::slab::Idle;
use super::slot::Slot;
use super::{poison, recorded, secret};
use crate::sync::thread::Identity;
use core::ptr::{self, NonNull};

/// A tagged pointer. The two low bits tell what it points to; the third one whether the handle's bytes are overwritten when it
/// goes away ([`secret`]), the fourth whether what happens to it is logged ([`recorded`]): its marks. What it points to is at
/// least sixteen-aligned. A word without any of these bits is a slot, so one test tells the common case; one that says nothing
/// points to nothing [`OWNED`]. It is never 0.
#[derive(Clone, Copy)]
pub(crate) struct Word(NonNull<()>);

const SLOT: usize = 0;
const OWNED: usize = 1;
const UNTRACKED: usize = 2;
const POOL: usize = 3;
const KIND: usize = 3;
const SECRET: usize = 4;
const RECORDED: usize = 8;
const MARKS: usize = SECRET | RECORDED;
const TAG: usize = KIND | MARKS;

const _: () = assert!(align_of::<Slot>() > TAG && align_of::<Owned>() > TAG && align_of::<Header>() > TAG);

/// What keeps a handle's bytes alive.
#[derive(Clone, Copy)]
pub(super) enum Hold {
    /// Nothing has to: static memory, or no bytes at all.
    Nothing,
    /// A slab, through a slot that lists the handle.
    Slot(NonNull<Slot>),
    /// A slab, through a reference that is not listed.
    Untracked(NonNull<Header>),
    /// Memory outside every slab.
    Owned(NonNull<Owned>),
    /// Nothing, but it remembers the pool with this id: an empty buffer that will grow there, to at least the size it had
    /// once (see [`Word::remembered`]).
    Pool(usize),
    /// What this word without its marks says, by a handle that has some.
    Marked(Word),
}

impl Word {
    pub(super) const NOTHING: Word = Word::pointing_to_nothing(OWNED);

    const fn pointing_to_nothing(bits: usize) -> Word {
        assert!(bits != 0);
        // SAFETY: as asserted.
        Word(unsafe { NonNull::new_unchecked(ptr::without_provenance_mut(bits)) })
    }

    #[inline(always)]
    fn address(self) -> usize {
        self.0.addr().get()
    }

    /// The same with other low bits.
    #[inline(always)]
    fn with(self, f: impl FnOnce(usize) -> usize) -> Word {
        // SAFETY: what points to nothing keeps its kind, which is not 0, and all else what it points to.
        Word(unsafe { NonNull::new_unchecked(self.0.as_ptr().map_addr(f)) })
    }

    #[inline(always)]
    pub(super) fn slot(slot: NonNull<Slot>) -> Word {
        Word(slot.cast())
    }

    pub(super) fn owned(owned: NonNull<Owned>) -> Word {
        Word(owned.cast()).with(|address| address | OWNED)
    }

    #[inline(always)]
    pub(super) fn untracked(header: NonNull<Header>) -> Word {
        Word(header.cast()).with(|address| address | UNTRACKED)
    }

    /// Only in a `Parked` that says so itself: to all else here it would be a slot.
    pub(super) fn parked(berth: NonNull<Berth>) -> Word {
        Word(berth.cast())
    }

    /// The berth that it was made from.
    #[inline(always)]
    pub(super) fn berth(self) -> *const Berth {
        self.0.as_ptr().cast_const().cast()
    }

    /// For an empty buffer of the pool with this id, which was once `size` bytes long.
    pub(super) fn pool(id: usize, size: usize) -> Word {
        let class = match (size >> 10).min(64) {
            0 => 0,
            kib => kib.ilog2() as usize + 1,
        };
        Word::pointing_to_nothing(id << 7 | class << 4 | POOL)
    }

    /// The size that an empty buffer once had, rounded down to a power of two from 1 to 64 KiB, or nothing.
    pub(super) fn remembered(self) -> usize {
        match self.address() >> 4 & 7 {
            class @ 1.. if self.address() & KIND == POOL => 512 << class,
            _ => 0,
        }
    }

    pub(super) fn is_secret(self) -> bool {
        self.address() & SECRET != 0
    }

    /// The same, marked to be overwritten.
    pub(super) fn secret(self) -> Word {
        self.with(|address| address | SECRET)
    }

    pub(super) fn is_recorded(self) -> bool {
        self.address() & RECORDED != 0
    }

    /// The same, marked to be logged.
    pub(super) fn recorded(self) -> Word {
        self.with(|address| address | RECORDED)
    }

    pub(super) fn without_record(self) -> Word {
        self.with(|address| address & !RECORDED)
    }

    /// Whether there is any mark.
    #[inline(always)]
    pub(super) fn is_marked(self) -> bool {
        self.address() & MARKS != 0
    }

    pub(super) fn without_marks(self) -> Word {
        self.with(|address| address & !MARKS)
    }

    /// What is held, whether by a marked handle or not.
    pub(super) fn hold_of_any(self) -> Hold {
        self.without_marks().hold()
    }

    /// Through its slot if it has one.
    #[inline]
    pub(super) fn tracked(slot: Option<NonNull<Slot>>, header: NonNull<Header>) -> Word {
        match slot {
            Some(slot) => Word::slot(slot),
            None => Word::untracked(header),
        }
    }

    /// The slot, if a slab is held through one and the handle is not marked: the common case, told by one test.
    #[inline(always)]
    pub(super) fn plain_slot(self) -> Option<NonNull<Slot>> {
        (self.address() & TAG == SLOT).then(|| self.0.cast())
    }

    /// Whether the word says nothing at all.
    #[inline(always)]
    pub(super) fn is_nothing(self) -> bool {
        self.address() == OWNED
    }

    /// The slab, if one is held without a slot and the handle is not marked.
    #[inline(always)]
    pub(super) fn plain_header(self) -> Option<NonNull<Header>> {
        (self.address() & TAG == UNTRACKED).then(|| self.with(|address| address & !TAG).0.cast())
    }

    /// The slot, if there is one, of a marked handle or not.
    #[inline(always)]
    pub(super) fn any_slot(self) -> Option<NonNull<Slot>> {
        let plain = self.plain_slot();
        if plain.is_some() { plain } else { self.slot_of_marked() }
    }

    #[cold]
    #[inline(never)]
    fn slot_of_marked(self) -> Option<NonNull<Slot>> {
        self.without_marks().plain_slot()
    }

    #[inline(always)]
    pub(super) fn hold(self) -> Hold {
        let address = self.address();
        if let Some(slot) = self.plain_slot() {
            return Hold::Slot(slot);
        }
        if self.is_marked() {
            return Hold::Marked(self.without_marks());
        }
        let untagged = self.0.as_ptr().map_addr(|address| address & !TAG);
        let Some(target) = NonNull::new(untagged) else {
            return if address & TAG == POOL { Hold::Pool(0) } else { Hold::Nothing };
        };
        match address & TAG {
            OWNED => Hold::Owned(target.cast()),
            UNTRACKED => Hold::Untracked(target.cast()),
            _ => Hold::Pool(address >> 7),
        }
    }

    /// The slab's header, if a slab is held.
    #[inline]
    pub(super) fn header(self) -> Option<NonNull<Header>> {
        if let Some(slot) = self.any_slot() {
            // SAFETY: slots and segments are type-stable, and a live handle's segment names its slab.
            return NonNull::new(unsafe { Segment::of(slot).as_ref() }.header());
        }
        match self.hold_of_any() {
            Hold::Untracked(header) => Some(header),
            _ => None,
        }
    }

    /// The id of the pool the slab belongs to, or that the empty buffer remembers. 0 if there is none.
    pub(super) fn pool_id(self) -> usize {
        match self.hold_of_any() {
            Hold::Pool(id) => id,
            _ => self.header().map_or(0, |header| {
                // SAFETY: the handle holds the slab, and the ledger outlives its slabs.
                unsafe { (*header.as_ref().fixed.ledger).id() }
            }),
        }
    }

    /// Gives up what is held where that is nothing but a few stores; see [`Header::delist_quick`], also for `before`. Says whether it was so; if not, the word is to be [released](Word::release).
    ///
    /// # Safety
    ///
    /// The caller's handle holds it, and does not use it afterwards if this says so.
    #[inline(always)]
    pub(super) unsafe fn release_quick(self, before: impl FnOnce(&Header, &Slot)) -> bool {
        match self.plain_slot() {
            Some(slot) => !poison::IS_ON && Header::delist_quick(slot, before),
            None => self.is_nothing(),
        }
    }

    /// Gives up what is held. Returns the slab to whoever emptied it.
    ///
    /// # Safety
    ///
    /// The caller's handle holds it and does not use it afterwards.
    #[inline(always)]
    pub(super) unsafe fn release(self) -> Option<Idle> {
        if let Some(slot) = self.plain_slot() {
            poison::leave(slot);
            return Header::delist(slot);
        }
        if let Some(header) = self.plain_header() {
            return Header::drop_untracked(header);
        }
        // SAFETY: the caller's promise.
        unsafe { self.release_without_slot() }
    }

    /// The same where no slot says what is held.
    ///
    /// # Safety
    ///
    /// As above.
    #[inline(never)]
    unsafe fn release_without_slot(self) -> Option<Idle> {
        match self.hold() {
            // SAFETY: the caller's promise.
            Hold::Marked(_) => return unsafe { self.release_marked() },
            // SAFETY: the caller's promise.
            Hold::Owned(owned) => unsafe { Owned::release(owned) },
            Hold::Slot(_) | Hold::Untracked(_) | Hold::Nothing | Hold::Pool(_) => {}
        }
        None
    }

    /// The same for a marked handle.
    ///
    /// # Safety
    ///
    /// As above.
    #[cold]
    unsafe fn release_marked(self) -> Option<Idle> {
        if self.is_recorded() {
            return recorded::release(self, || {
                let word = self.without_record();
                // SAFETY: the caller's promise.
                unsafe { if word.is_secret() { secret::release(word.without_marks()) } else { word.release() } }
            });
        }
        // SAFETY: the caller's promise.
        unsafe { secret::release(self.without_marks()) }
    }

    /// Gives up the hold of a handle whose range another one has taken over.
    ///
    /// # Safety
    ///
    /// As for [`release`](Word::release), and the other handle is listed with the range already.
    pub(super) unsafe fn hand_over(self) -> Option<Idle> {
        match self.any_slot() {
            Some(slot) => Header::delist(slot),
            // SAFETY: the caller's promise.
            None => unsafe { self.without_marks().release() },
        }
    }

    /// One more handle on the same memory, if it takes no more than a few stores; see [`Header::enlist_quick`]. Its slot says what
    /// `complete` makes of the slot of this handle.
    #[inline(always)]
    pub(super) fn another_quick(self, complete: impl FnOnce(&Slot) -> Entry) -> Option<Word> {
        let parent = self.plain_slot()?;
        // SAFETY: slots are type-stable.
        Header::enlist_quick(Word::header_of(parent), || complete(unsafe { parent.as_ref() }))
    }

    /// The same for a slab that is not tracked.
    #[inline(always)]
    pub(super) fn another_untracked(self) -> Option<Word> {
        let header = self.plain_header()?;
        Header::enlist_untracked(header);
        Some(self)
    }

    /// The same for a slab that the caller does not own, if it takes little more; see [`Header::enlist_quick_as_guest`].
    #[inline(always)]
    pub(super) fn another_as_guest(self, me: &Identity, complete: impl FnOnce(&Slot) -> Entry) -> Option<Word> {
        let parent = self.plain_slot()?;
        // SAFETY: slots are type-stable.
        let entry = || complete(unsafe { parent.as_ref() });
        Header::enlist_quick_as_guest(parent, me, entry).map(Word::slot)
    }

    /// One more handle on the same memory. For a slab its slot says what `complete` makes of the slot of this handle.
    #[inline]
    pub(super) fn another(self, complete: impl FnOnce(&Slot) -> Entry + Copy) -> Word {
        self.another_quick(complete).unwrap_or_else(|| self.another_out_of_line(complete))
    }

    #[inline(never)]
    fn another_out_of_line(self, complete: impl FnOnce(&Slot) -> Entry) -> Word {
        self.another_slow(complete)
    }

    /// The same, for who has tried it quickly and is out of line.
    #[inline(always)]
    pub(super) fn another_slow(self, complete: impl FnOnce(&Slot) -> Entry) -> Word {
        match self.plain_slot() {
            Some(slot) => Word::on_slab_of(slot, complete),
            None if self.is_marked() => self.another_marked(complete),
            None => self.another_without_slot(),
        }
    }

    /// The slab of the handle with this slot.
    #[inline(always)]
    fn header_of(slot: NonNull<Slot>) -> NonNull<Header> {
        // SAFETY: slots and segments are type-stable, and a live handle's segment names its slab.
        unsafe { NonNull::new_unchecked(Segment::of(slot).as_ref().header()) }
    }

    /// A handle on the slab of the one with this slot.
    #[inline(always)]
    fn on_slab_of(slot: NonNull<Slot>, complete: impl FnOnce(&Slot) -> Entry) -> Word {
        // SAFETY: slots are type-stable.
        let entry = Entry { parent: Some(slot), ..complete(unsafe { slot.as_ref() }) };
        Header::enlist(Word::header_of(slot), entry)
    }

    #[inline(never)]
    fn another_without_slot(self) -> Word {
        match self.hold() {
            Hold::Untracked(header) => Header::enlist_untracked(header),
            // SAFETY: the caller's handle keeps it alive.
            Hold::Owned(owned) => unsafe { owned.as_ref() }.retain(),
            Hold::Slot(_) | Hold::Marked(_) | Hold::Nothing | Hold::Pool(_) => {}
        }
        self
    }

    /// As [`another`](Word::another), for a marked handle: what is made from it has its marks.
    #[cold]
    #[inline(never)]
    fn another_marked(self, complete: impl FnOnce(&Slot) -> Entry) -> Word {
        let mut word = self.without_marks();
        word = match word.hold() {
            Hold::Slot(slot) => {
                let made = Word::on_slab_of(slot, complete);
                if self.is_recorded() { recorded::derived(slot, made) } else { made }
            }
            _ => word.another_without_slot(),
        };
        if self.is_secret() { word.secret() } else { word }
    }
}
