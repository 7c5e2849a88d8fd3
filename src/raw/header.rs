//! The slab header and its reference protocol.
//!
//! Conservation, for every slab at every moment:
//!
//! ```text
//! attached:  true references = state.refs − BIAS + local
//! detached:  true references = state.refs
//! live slots + handles being made or dropped + untracked handles = true references
//! ```
//!
//! The owner thread counts its own handles in `local`, its [tally](super::tally): a relaxed load and store that cost nothing; everybody else, and
//! the owner after it has detached the slab, counts in `state` with one read-modify-write. A reference that one side made
//! may be dropped by the other: `local` may be negative, and `state.refs` below `BIAS`.

use super::around::Holes;
use super::ledger::Ledger;
use super::poison;
use super::segment::Segment;
use super::slab::Idle;
use super::slot::{Extent, Mark, Slot};
use crate::config::Level;
use crate::sync::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, CachePadded, Mutex, Ordering, Plant, Witness, clock, planted, thread,
};
use core::cell::UnsafeCell;
use core::panic::Location;
use core::ptr::{self, NonNull};
use std::sync::Arc;

/// Added to `state.refs` while a thread owns the slab, so that no other thread can count it down to zero.
pub(super) const BIAS: u32 = 1 << 30;
/// One claim: a slot was taken by somebody else than the owner, or the slab changed hands.
pub(super) const CLAIM: u64 = 1 << 32;

/// `[claims:32 | refs:32]`. Claims only ever grow (and wrap), so two equal words with a scan of the slots between them mean
/// that no reference was taken or given back meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State(pub(super) u64);

impl State {
    pub(super) fn refs(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn claims(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// How much is known of a slab's handles: the code of its [`Level`], and two flags. One word, so that the fast path asks once
/// whether a slot is all there is to write.
#[derive(Clone, Copy)]
pub(super) struct Depth(u32);

impl Depth {
    /// Whatever makes a handle leaves its stack.
    const SUSPECT: u32 = 1 << 30;
    /// Some segment has notes, which a new handle has to take over or to clear.
    const NOTED: u32 = 1 << 31;
    const LEVEL: u32 = Depth::SUSPECT - 1;

    pub(super) fn level(self) -> Level {
        Level::from_code(self.code())
    }

    #[inline]
    pub(super) fn code(self) -> u32 {
        self.0 & Depth::LEVEL
    }

    /// Whether handles that have slots have nothing else, unless the thread is in a scope.
    #[inline(always)]
    pub(super) fn is_plain(self) -> bool {
        self.0 <= Level::SITES
    }

    /// Whether the sites of handles are to be known.
    pub(super) fn has_sites(self) -> bool {
        self.code() >= Level::SITES
    }

    pub(super) fn is_suspect(self) -> bool {
        self.0 & Depth::SUSPECT != 0
    }
}

/// What stays the same while a slab is out, or nearly. Read by every thread, so it shares no line with the counts.
pub(super) struct Fixed {
    /// The thread that the slab is attached to.
    pub(super) owner: AtomicU32,
    /// What is known of each handle; see [`Depth`].
    depth: AtomicU32,
    /// Never handed out twice in a process: what a thread's hint is keyed by.
    pub(super) uid: u64,
    base: AtomicPtr<u8>,
    size: AtomicUsize,
    /// Where the owner stops cutting: the end of the stretch or of the hole it is in, or 0 once the ledger is closed.
    limit: AtomicUsize,
    generation: AtomicU64,
    /// The slab's segments, newest first.
    pub(super) segments: AtomicPtr<Segment>,
    pub(super) attached_tick: AtomicU32,
    /// 0 while the slab is attached.
    pub(super) retired_tick: AtomicU32,
    /// With how many slices a look found too little room here; as many as there can be if none did since the slab was detached.
    full_at: AtomicU32,
    /// Handles on a tracked slab that got no slot, because the ledger might not grow.
    pub(super) unlisted: AtomicU32,
    /// Not 0: the memory has to be overwritten before it is used again; see [`super::secret`].
    pub(super) must_wipe: AtomicU32,
    /// Not 0 once a slice was parked in this life of the slab.
    pub(super) parked: AtomicU32,
    /// Not 0: the system took pages of it back, and nobody has filled them since.
    pub(super) punched: AtomicU32,
    /// Held while a segment is added or changes its allocator.
    pub(super) growth: Mutex<()>,
    /// Where the next guest begins to look for a segment, under that lock; null for the start of the list.
    pub(super) rotor: AtomicPtr<Segment>,
    /// The ledger this header belongs to; it outlives every slab.
    pub(super) ledger: *const Ledger,
    /// What keeps the memory if it is somebody else's; null for a slab of ours. See [`super::foreign`].
    pub(super) life: AtomicPtr<super::foreign::Life>,
    /// What keeps the ledger alive while the slab is detached. Written by the owner before it detaches, taken by whoever
    /// finds the slab empty.
    keep: UnsafeCell<Option<Arc<Ledger>>>,
    pub(super) witness: Witness,
}

/// What only the owner writes. Others read its tally, for reports.
pub(super) struct Own {
    /// The owner's tally and free slots; see [`super::tally`].
    pub(super) word: AtomicU64,
    /// First byte that was not handed out yet.
    cursor: AtomicU32,
    /// The tick of when the slab was attached around slices that it had already; 0 if it was attached empty.
    birth: AtomicU32,
    /// Times an owner started over in this slab after it had drained. Never set back.
    resets: AtomicU64,
    /// The segment the owner takes slots from; null if there is none.
    pub(super) segment: AtomicPtr<Segment>,
    /// The segment it will look at next when that one has none left.
    pub(super) rotor: AtomicPtr<Segment>,
    /// Where the slab has room besides the one it is cut from now.
    pub(super) holes: UnsafeCell<Holes>,
    /// Where its last stretch ends: the end of the slab or of the hole it is in.
    end: AtomicU32,
    /// Bytes that were cut before it went back to the start.
    laps: AtomicU32,
    /// Bytes of a stretch; see [`super::stretch`].
    stretch: AtomicU32,
    /// What its pool had wished when its owner last asked; see [`Ledger::wishes`].
    wishes: AtomicU32,
}

/// One slab's entry in the ledger. Type-stable: not freed while the ledger lives, so a report may read it at any time.
#[repr(C)]
pub(crate) struct Header {
    pub(super) fixed: CachePadded<Fixed>,
    pub(super) state: CachePadded<AtomicU64>,
    pub(super) own: CachePadded<Own>,
}

// SAFETY: `keep` is written and taken only by whoever has the slab to itself, ordered by `state`; so are `holes`, or by its owner; `ledger` is only
// dereferenced while something keeps the ledger alive. All else is atomic or locked.
unsafe impl Send for Header {}
// SAFETY: as above.
unsafe impl Sync for Header {}

/// What a new handle's slot is to say.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) extent: Extent,
    pub(super) root: Extent,
    pub(super) mark: Mark,
    pub(super) site: &'static Location<'static>,
    /// The slot of the handle it is made from, whose scope it takes over if the thread is in none.
    pub(super) parent: Option<NonNull<Slot>>,
}

impl Header {
    pub(super) fn new(uid: u64, ledger: *const Ledger) -> Header {
        Header {
            fixed: CachePadded::new(Fixed {
                owner: AtomicU32::new(thread::NOBODY),
                depth: AtomicU32::new(Level::Off.code()),
                uid,
                base: AtomicPtr::new(ptr::null_mut()),
                size: AtomicUsize::new(0),
                limit: AtomicUsize::new(0),
                generation: AtomicU64::new(0),
                segments: AtomicPtr::new(ptr::null_mut()),
                attached_tick: AtomicU32::new(0),
                retired_tick: AtomicU32::new(0),
                full_at: AtomicU32::new(u32::MAX),
                unlisted: AtomicU32::new(0),
                must_wipe: AtomicU32::new(0),
                parked: AtomicU32::new(0),
                punched: AtomicU32::new(0),
                growth: Mutex::new(()),
                rotor: AtomicPtr::new(ptr::null_mut()),
                ledger,
                life: AtomicPtr::new(ptr::null_mut()),
                keep: UnsafeCell::new(None),
                witness: Witness::new(),
            }),
            state: CachePadded::new(AtomicU64::new(0)),
            own: CachePadded::new(Own {
                word: AtomicU64::new(0),
                cursor: AtomicU32::new(0),
                birth: AtomicU32::new(0),
                resets: AtomicU64::new(0),
                segment: AtomicPtr::new(ptr::null_mut()),
                rotor: AtomicPtr::new(ptr::null_mut()),
                holes: UnsafeCell::new(Holes::default()),
                end: AtomicU32::new(0),
                laps: AtomicU32::new(0),
                stretch: AtomicU32::new(0),
                wishes: AtomicU32::new(0),
            }),
        }
    }

    // ---- Fields. Relaxed, but where said: set while the setter has the slab to itself, and whoever holds a handle got it
    // through something that orders its reads after that; a report checks the generation.

    #[inline]
    pub(super) fn owner(&self) -> u32 {
        self.fixed.owner.load(Ordering::Relaxed)
    }

    pub(super) fn set_owner(&self, owner: u32) {
        // Release: pairs with the Acquire in `release_as_guest`; who sees that a mover is gone sees what it did.
        self.fixed.owner.store(owner, Ordering::Release);
    }

    #[inline]
    pub(super) fn depth(&self) -> Depth {
        Depth(self.fixed.depth.load(Ordering::Relaxed))
    }

    /// For a new life of the slab, which keeps its segments and what notes they have. Where nothing is tracked no slot is at hand.
    pub(super) fn set_level(&self, level: Level) {
        if level == Level::Off {
            self.put_down();
        }
        let noted = self.depth().0 & Depth::NOTED;
        self.fixed.depth.store(level.code().min(Depth::LEVEL) | noted, Ordering::Relaxed);
        self.fixed.parked.store(0, Ordering::Relaxed);
    }

    /// From now on whatever makes a handle leaves its stack. If the slab has changed hands meanwhile, its next life does so
    /// in vain.
    pub(super) fn set_suspect(&self) {
        // Relaxed: it is a wish, ordered with nothing.
        self.fixed.depth.fetch_or(Depth::SUSPECT, Ordering::Relaxed);
    }

    /// Some segment has notes. Said before the first of them is written.
    pub(super) fn set_noted(&self) {
        if planted(Plant::NotedUnsaid) {
            return;
        }
        // Relaxed: whoever takes the slot or has the handle got it by something that orders this, as it does the note.
        self.fixed.depth.fetch_or(Depth::NOTED, Ordering::Relaxed);
    }

    /// Whether some segment has notes, for who has the slab to itself.
    pub(super) fn reset_noted(&self, noted: bool) {
        let rest = self.depth().0 & !Depth::NOTED;
        self.fixed.depth.store(rest | if noted { Depth::NOTED } else { 0 }, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn base(&self) -> *mut u8 {
        self.fixed.base.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn size(&self) -> usize {
        self.fixed.size.load(Ordering::Relaxed)
    }

    pub(super) fn full_at(&self) -> u32 {
        self.fixed.full_at.load(Ordering::Relaxed)
    }

    pub(super) fn set_full_at(&self, refs: u32) {
        self.fixed.full_at.store(refs, Ordering::Relaxed);
    }

    pub(super) fn set_memory(&self, base: *mut u8, size: usize) {
        self.fixed.base.store(base, Ordering::Relaxed);
        let release = if planted(Plant::SizeRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `size_seen`; who sees this size sees that the generation before is over.
        self.fixed.size.store(size, release);
    }

    /// The size for who looks on: it belongs to a generation that is read before and is still there after.
    pub(super) fn size_seen(&self) -> usize {
        // Acquire: pairs with the Release in `set_memory`.
        self.fixed.size.load(Ordering::Acquire)
    }

    /// Where the owner stops cutting.
    #[inline(always)]
    pub(super) fn limit(&self) -> usize {
        self.fixed.limit.load(Ordering::Relaxed)
    }

    /// Relaxed: `Ledger::close` and who attaches a slab are ordered by the ledger's flag.
    pub(super) fn set_limit(&self, limit: usize) {
        self.fixed.limit.store(limit, Ordering::Relaxed);
    }

    /// Nothing is cut from the slab from now on, until its owner opens it anew.
    pub(super) fn stop(&self) {
        // A read-modify-write, as its partner in `change_limit`: of the two one is first. Relaxed: as in `set_limit`.
        self.fixed.limit.swap(0, Ordering::Relaxed);
    }

    /// The owner sets another limit, if nobody has stopped it meanwhile. Says whether it did.
    pub(super) fn change_limit(&self, from: usize, to: usize) -> bool {
        if planted(Plant::HoleUnasked) {
            self.set_limit(to);
            return true;
        }
        // Relaxed: as in `stop`.
        self.fixed.limit.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn generation(&self) -> u64 {
        // Acquire: pairs with the Release in `bump_generation`; what a report reads next is of this generation or newer.
        self.fixed.generation.load(Ordering::Acquire)
    }

    /// Only for who has the slab to itself.
    pub(super) fn bump_generation(&self) {
        if planted(Plant::RecycleKeepsGeneration) {
            return;
        }
        let generation = self.fixed.generation.load(Ordering::Relaxed);
        let release = if planted(Plant::GenerationRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `generation`; who sees the new one sees the old one's slots cleared.
        self.fixed.generation.store(generation + 1, release);
    }

    /// The tick that the owner's new slices bear: 0 if they are as old as the slab's attachment says.
    #[inline(always)]
    pub(super) fn birth(&self) -> u32 {
        self.own.birth.load(Ordering::Relaxed)
    }

    /// Another life of a drained slab under the same owner, which begins at the tick `now`.
    pub(super) fn renew(&self, level: Level, now: u32) {
        self.set_level(level);
        self.count_reset();
        self.fixed.witness.write();
        self.wipe_if_must();
        poison::close(self, 0, self.size());
        self.bump_generation();
        self.fixed.attached_tick.store(now, Ordering::Relaxed);
        self.own.birth.store(0, Ordering::Relaxed);
        self.set_cursor(0);
    }

    #[inline]
    pub(super) fn cursor(&self) -> usize {
        self.own.cursor.load(Ordering::Relaxed) as usize
    }

    /// Only for the owner.
    #[inline]
    pub(super) fn set_cursor(&self, cursor: usize) {
        self.own.cursor.store(cursor as u32, Ordering::Relaxed);
    }

    /// Where the owner's last stretch ends.
    pub(super) fn end(&self) -> usize {
        self.own.end.load(Ordering::Relaxed) as usize
    }

    /// Only for the owner.
    pub(super) fn set_end(&self, end: usize) {
        self.own.end.store(end as u32, Ordering::Relaxed);
    }

    /// Bytes that the owner cut before it went back to the start.
    pub(super) fn laps(&self) -> usize {
        self.own.laps.load(Ordering::Relaxed) as usize
    }

    /// Only for the owner.
    pub(super) fn set_laps(&self, bytes: usize) {
        self.own.laps.store(bytes as u32, Ordering::Relaxed);
    }

    /// Bytes of a stretch.
    pub(super) fn stretch(&self) -> usize {
        self.own.stretch.load(Ordering::Relaxed) as usize
    }

    /// Only for the owner.
    pub(super) fn set_stretch(&self, bytes: usize) {
        self.own.stretch.store(bytes as u32, Ordering::Relaxed);
    }

    /// The pool's wishes that the owner knows.
    pub(super) fn wishes(&self) -> u32 {
        self.own.wishes.load(Ordering::Relaxed)
    }

    /// Only for the owner.
    pub(super) fn set_wishes(&self, wishes: u32) {
        self.own.wishes.store(wishes, Ordering::Relaxed);
    }

    pub(super) fn resets(&self) -> u64 {
        self.own.resets.load(Ordering::Relaxed)
    }

    /// Only for the owner.
    pub(super) fn count_reset(&self) {
        self.own.resets.store(self.resets() + 1, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> State {
        // Acquire: pairs with the Release of every reference given back; who sees a count sees what its droppers did.
        State(self.state.load(if planted(Plant::StateRelaxed) { Ordering::Relaxed } else { Ordering::Acquire }))
    }

    // ---- References.

    /// Another thread, or anyone on a detached slab, makes a reference from one it holds. One read-modify-write.
    #[inline]
    pub(super) fn join(&self) {
        // Relaxed: the reference it is made from keeps the slab; nothing is published by this.
        let old = State(self.state.fetch_add(CLAIM | 1, Ordering::Relaxed));
        if old.refs() >= BIAS + BIAS / 2 {
            too_many_references();
        }
    }

    /// Another thread, or anyone on a detached slab, drops a reference. One read-modify-write. Returns the slab to whoever
    /// emptied it.
    #[inline]
    pub(super) fn leave(this: NonNull<Header>) -> Option<Idle> {
        Header::leave_last(this).map(Emptied::idle)
    }

    /// The same, but for what is to be done with what was emptied.
    #[inline]
    pub(super) fn leave_last(this: NonNull<Header>) -> Option<Emptied> {
        // SAFETY: headers are type-stable, and the reference given back below still holds the slab.
        let header = unsafe { this.as_ref() };
        header.fixed.witness.read();
        let release = if planted(Plant::RemoteDropRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire of whoever finds the slab empty; this thread's use of the slab is over.
        let old = State(header.state.fetch_sub(1, release));
        debug_assert!(old.refs() > 0, "a reference is given back once");
        (old.refs() == 1).then_some(Emptied(this))
    }

    #[cold]
    pub(super) fn emptied(this: NonNull<Header>) -> Idle {
        // SAFETY: as in `leave`.
        let header = unsafe { this.as_ref() };
        let acquire = if planted(Plant::LastDropRelaxed) { Ordering::Relaxed } else { Ordering::Acquire };
        // Acquire: pairs with the Release of every earlier `leave` and of `detach`. A load and not a fence, so that
        // ThreadSanitizer understands it.
        header.state.load(acquire);
        // SAFETY: this thread brought the count of a detached slab to zero: nobody else has a reference or can make one,
        // and `keep` was filled before the slab was detached.
        let ledger = unsafe { (*header.fixed.keep.get()).take() };
        let ledger = ledger.expect("a detached slab keeps its ledger");
        Idle::emptied(this, ledger)
    }

    /// Takes a reference that is not made from another one, if the slab is alive and nobody's. The caller sees to it that it
    /// is the slab it means, and that its life does not end meanwhile.
    pub(super) fn join_living(&self) -> bool {
        let join = |word: u64| {
            let living = (1..BIAS / 2).contains(&State(word).refs()) || planted(Plant::ForeignJoinsDead);
            living.then(|| word.wrapping_add(CLAIM | 1))
        };
        // Relaxed: what the reference is for is ordered by the caller's lock, and the next `leave` releases it.
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, join).is_ok()
    }

    /// The first reference of a slab that nobody else knows, made without an owner.
    pub(super) fn first_reference(&self, ledger: Arc<Ledger>) {
        self.keep_ledger(ledger);
        self.set_full_at(u32::MAX);
        let state = State(self.state.load(Ordering::Relaxed));
        debug_assert_eq!(state.refs(), 0);
        let release = if planted(Plant::SingleRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `state`, so that a report that sees this count sees the slab it belongs to, and so
        // that who had a parked slice in the slab's life before sees that it was moved. Who gets a handle gets it by something that orders
        // this before.
        self.state.store((u64::from(state.claims()) << 32).wrapping_add(CLAIM | 1), release);
    }

    fn keep_ledger(&self, ledger: Arc<Ledger>) {
        // SAFETY: the caller is the owner, or has the slab to itself; nobody else touches `keep` before the count, which
        // the caller changes next, is zero.
        unsafe { *self.fixed.keep.get() = Some(ledger) };
    }

    /// Makes the calling thread the owner of an empty slab.
    pub(super) fn attach(&self, me: u32) {
        let state = State(self.state.load(Ordering::Relaxed));
        debug_assert_eq!(state.refs(), 0);
        self.reset_tally();
        self.set_cursor(0);
        self.own.birth.store(0, Ordering::Relaxed);
        self.fixed.attached_tick.store(clock::read(), Ordering::Relaxed);
        self.fixed.retired_tick.store(0, Ordering::Relaxed);
        self.set_owner(me);
        let claims = (u64::from(state.claims()) << 32).wrapping_add(CLAIM);
        // A plain store: with a count of zero nobody else writes the word. Release: pairs with the Acquire in `state`, so
        // that a snapshot that sees this word sees the owner.
        let release = if planted(Plant::AttachRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        self.state.store(claims | u64::from(BIAS), release);
    }

    /// Gives up ownership, at the tick `now`: the surplus of references is refunded in one read-modify-write. Returns the slab if that
    /// emptied it.
    pub(super) fn detach(this: NonNull<Header>, ledger: Arc<Ledger>, now: u32) -> Option<Idle> {
        // SAFETY: headers are type-stable.
        let header = unsafe { this.as_ref() };
        header.fixed.retired_tick.store(now, Ordering::Relaxed);
        header.keep_ledger(ledger);
        header.set_full_at(u32::MAX);
        header.put_down();
        let tally = if planted(Plant::RefundForgetsTally) { 0 } else { header.local() };
        if !planted(Plant::RefundBeforeDisown) {
            // Before the refund: afterwards the slab may already be another thread's.
            header.set_owner(thread::NOBODY);
        }
        let surplus = u64::from(BIAS.wrapping_sub(tally));
        // AcqRel: the Release publishes what the owner did to `keep`, to its slots and to the payload; the Acquire is for
        // the case that this empties the slab, and pairs with the Release of every `leave`.
        // The refs are at least `surplus`: what the owner made and others dropped was counted in both.
        let both = if planted(Plant::DetachRelaxed) { Ordering::Relaxed } else { Ordering::AcqRel };
        let old = State(header.state.fetch_add(CLAIM.wrapping_sub(surplus), both));
        if planted(Plant::RefundBeforeDisown) {
            header.set_owner(thread::NOBODY);
        }
        if u64::from(old.refs()) == surplus { Some(Header::emptied(this)) } else { None }
    }

    /// Makes `me` the owner of a slab that has slices, for who has a look at it and gives up the reference that the look held.
    /// Returns what kept the ledger alive meanwhile.
    pub(super) fn attach_around(&self, me: u32) -> Arc<Ledger> {
        self.reset_tally();
        self.own.birth.store(clock::read(), Ordering::Relaxed);
        self.fixed.retired_tick.store(0, Ordering::Relaxed);
        self.set_owner(me);
        let surplus = if planted(Plant::AroundKeepsPin) { u64::from(BIAS) } else { u64::from(BIAS) - 1 };
        // AcqRel: the Release pairs with the Acquire in `state`, so that who sees the bias sees the owner and the empty tally; the
        // Acquire pairs with the Release of every reference given back before.
        let old = State(self.state.fetch_add(CLAIM.wrapping_add(surplus), Ordering::AcqRel));
        debug_assert!((1..BIAS / 2).contains(&old.refs()));
        // SAFETY: filled before the slab was detached, which the look's reference is ordered after; with the bias nobody can bring
        // the count to zero, and only who does that takes it.
        let ledger = unsafe { (*self.fixed.keep.get()).take() };
        ledger.expect("a detached slab keeps its ledger")
    }

    /// Whether no handle at all is left of a slab that the calling thread owns.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        let acquire = if planted(Plant::DrainedRelaxed) { Ordering::Relaxed } else { Ordering::Acquire };
        // Acquire: pairs with the Release of every `leave`; their last look at the payload is over before it is reused.
        let refs = State(self.state.load(acquire)).refs();
        self.is_tally(BIAS.wrapping_sub(refs))
    }

    /// References that exist, as far as one look can tell: exact for the owner, and for anyone on a detached slab.
    pub(super) fn true_refs(&self, state: State, attached: bool) -> u32 {
        if attached { state.refs().wrapping_sub(BIAS).wrapping_add(self.local()) } else { state.refs() }
    }

    /// Takes a reference for a snapshot, without a claim, if the slab is detached and alive, and its memory is ours unless it may be
    /// `foreign`.
    pub(super) fn pin(&self, foreign: bool) -> Option<State> {
        loop {
            let state = self.state();
            if self.owner() != thread::NOBODY
                || !(1..BIAS / 2).contains(&state.refs())
                || (!foreign && self.is_foreign())
            {
                return None;
            }
            let pinned = State(state.0 + 1);
            // Acquire: pairs with the Release in `detach` and `leave`. The word holds the claims: it is still the same
            // detached slab if it is equal.
            let acquire = if planted(Plant::StateRelaxed) { Ordering::Relaxed } else { Ordering::Acquire };
            if self.state.compare_exchange(state.0, pinned.0, acquire, Ordering::Relaxed).is_ok() {
                return Some(pinned);
            }
        }
    }
}

/// A slab whose last reference the caller has given up, and whose only possessor it is.
#[must_use = "it is lost"]
pub(crate) struct Emptied(NonNull<Header>);

impl Emptied {
    /// The slab.
    pub(crate) fn idle(self) -> Idle {
        Header::emptied(self.0)
    }
}

/// More handles on one slab than can be counted: only `mem::forget` in a loop gets here. Like `Arc`, the process ends.
#[cold]
pub(super) fn too_many_references() -> ! {
    eprintln!("bufslab: more than {} handles on one slab", BIAS / 2);
    std::process::abort()
}
