//! Foreign slabs: memory that somebody else owns and counts, listed as what it is.
//!
//! A foreign slab has a header and slots like any other, and no memory of ours: its base is null, so that whoever might
//! write to a slab (a cut, a recycling, a return of pages) finds nothing to write to. Instead it keeps the `Bytes` that were
//! adopted, its *life*, until the last handle is gone; then they are dropped, on whatever thread that is.
//!
//! ```text
//! the life is there   ⇔ the slab is foreign and not retired yet
//! a foreign slab has no owner: true references = state.refs, as on a detached slab
//! every byte that a handle reads lies in one of the life's `Bytes`
//! ```
//!
//! Further `Bytes` of the same allocation may join while handles are left. Whoever joins has no handle to make one from, so
//! it takes its reference only from a count that is not 0, under the lock under which the life ends.

use super::header::{Entry, Header};
use super::ledger::Ledger;
use super::segment::Segment;
use super::shared::Shared;
use super::slab::{Idle, Label};
use super::slot::{Extent, Mark, Slot};
use super::word::Word;
use crate::config::Level;
use crate::error::AllocError;
use crate::sync::{Ordering, Plant, clock, next_uid, planted};
use bytes::Bytes;
use core::alloc::Layout;
use core::ptr::NonNull;
use std::sync::Arc;

/// How many of the last adopted `Bytes` are looked at for one that covers the next. More would make adopting quadratic.
const LOOKS: usize = 8;

/// The largest size that is believed: sums over many slabs are to stay numbers.
const MAX_SIZE: usize = match 1_usize.checked_shl(40) {
    Some(tebibyte) => tebibyte,
    None => isize::MAX as usize,
};

/// What keeps a foreign slab's memory.
pub(super) struct Life {
    /// Never used twice in a process: headers are used again, also for other foreign slabs.
    uid: u64,
    /// The address of the first slice that was adopted.
    first: usize,
    kept: Vec<Bytes>,
}

impl Life {
    /// The life of a slab that begins with `bytes`, or the `bytes` if there is no memory for it.
    fn allocate(bytes: Bytes) -> Result<NonNull<Life>, Bytes> {
        let mut kept = Vec::new();
        if kept.try_reserve_exact(1).is_err() {
            return Err(bytes);
        }
        // SAFETY: the layout's size is not 0.
        let Some(memory) = NonNull::new(unsafe { std::alloc::alloc(Layout::new::<Life>()) }) else { return Err(bytes) };
        let memory = memory.cast::<Life>();
        let first = bytes.as_ptr().addr();
        kept.push(bytes);
        // SAFETY: fresh memory of the right layout.
        unsafe { memory.write(Life { uid: next_uid(), first, kept }) };
        Ok(memory)
    }

    /// Takes what is kept out of its allocation.
    ///
    /// # Safety
    ///
    /// It came from [`allocate`](Life::allocate), and nobody else knows it any more.
    unsafe fn end(this: NonNull<Life>) -> Vec<Bytes> {
        // SAFETY: the caller's promise; the value is moved out once.
        unsafe {
            let life = this.read();
            std::alloc::dealloc(this.as_ptr().cast(), Layout::new::<Life>());
            life.kept
        }
    }

    /// Where `bytes` are listed in the slab of `size` bytes: counted from the first slice that was adopted, and round at the
    /// slab's end for what lies before it. `None` if they cannot be of the same allocation.
    fn place(&self, bytes: &Bytes, size: usize) -> Option<usize> {
        let distance = (bytes.as_ptr().addr() as isize).checked_sub(self.first as isize)?;
        if bytes.len() > size || distance.unsigned_abs() >= size {
            return None;
        }
        let offset = distance.rem_euclid(isize::try_from(size).ok()?) as usize;
        Some(offset.min(size - bytes.len()))
    }

    /// Keeps `bytes`, unless they lie in what is kept already: then they are returned, and may go. Says where the bytes are
    /// to be read, which is valid as long as the life lasts. There is room for one more.
    fn keep(&mut self, bytes: Bytes) -> (NonNull<u8>, Option<Bytes>) {
        let (start, len) = (bytes.as_ptr().addr(), bytes.len());
        let covers = |kept: &&Bytes| {
            let skip = start.checked_sub(kept.as_ptr().addr());
            skip.is_some_and(|skip| skip <= kept.len() && len <= kept.len() - skip)
        };
        if let Some(kept) = self.kept.iter().rev().take(LOOKS).find(covers) {
            let skip = start - kept.as_ptr().addr();
            return (NonNull::from(&kept[skip..]).cast(), Some(bytes));
        }
        let ptr = NonNull::from(&bytes[..]).cast();
        if planted(Plant::ForeignKeepsFirstOnly) {
            return (ptr, Some(bytes));
        }
        self.kept.push(bytes);
        (ptr, None)
    }
}

/// A foreign slab as who adopted for it remembers it. It holds nothing: the slab may be gone.
#[derive(Clone, Copy)]
pub(crate) struct Remembered {
    header: NonNull<Header>,
    life: u64,
}

// SAFETY: headers are made to be looked at by every thread; it is only looked at through the ledger that it belongs to.
unsafe impl Send for Remembered {}

/// What came of [`Ledger::adopt_beside`].
pub(crate) enum Adopted {
    /// Listed on the same slab.
    Listed(Shared),
    /// That slab is gone, or these bytes cannot be a part of it.
    Elsewhere(Bytes),
    /// There is no memory to keep them with.
    Refused(Bytes),
}

impl Ledger {
    /// Lists `bytes`, which are not empty, as the one slice of a foreign slab of `size` bytes, or of as many as there are
    /// if that is more.
    ///
    /// # Errors
    ///
    /// The bytes as they were, when there is no memory for the slab's header.
    pub(crate) fn adopt(
        self: &Arc<Self>,
        bytes: Bytes,
        size: usize,
        level: Level,
        label: Label,
    ) -> Result<(Shared, Remembered), (AllocError, Bytes)> {
        let len = bytes.len();
        debug_assert!(len > 0);
        let size = size.min(MAX_SIZE).max(len);
        let refused = |bytes| (AllocError::unlisted(len), bytes);
        let ptr = NonNull::from(&bytes[..]).cast::<u8>();
        let life = Life::allocate(bytes).map_err(refused)?;
        let Some(header) = self.header() else {
            // SAFETY: made just now, and known to nobody.
            return Err(refused(unsafe { Life::end(life) }.swap_remove(0)));
        };
        // SAFETY: headers are type-stable; this one is nobody else's now. The life is nobody else's either.
        let (header_ref, uid) = unsafe { (header.as_ref(), life.as_ref().uid) };
        header_ref.set_memory(core::ptr::null_mut(), size);
        header_ref.set_life(life.as_ptr());
        let word = Idle::fresh(header, Arc::clone(self)).first_handle(len, Mark::FOREIGN, level, label);
        // SAFETY: the life keeps the bytes as long as a handle holds the slab.
        Ok((unsafe { Shared::from_parts(ptr, len, word) }, Remembered { header, life: uid }))
    }

    /// Lists `bytes`, which are not empty, as one more slice of a foreign slab of this ledger.
    pub(crate) fn adopt_beside(&self, slab: Remembered, bytes: Bytes, label: Label) -> Adopted {
        let len = bytes.len();
        debug_assert!(len > 0);
        // SAFETY: headers are type-stable, and the slab was one of this ledger's.
        let header = unsafe { slab.header.as_ref() };
        let lock = header.fixed.growth.lock();
        // SAFETY: a life ends under this lock, and only its holder changes it.
        let life = NonNull::new(header.life()).map(|mut life| unsafe { life.as_mut() });
        let Some(life) = life.filter(|life| life.uid == slab.life || planted(Plant::ForeignLifeUnchecked)) else {
            return Adopted::Elsewhere(bytes);
        };
        let size = header.size();
        let Some(offset) = life.place(&bytes, size) else { return Adopted::Elsewhere(bytes) };
        if life.kept.try_reserve(1).is_err() {
            return Adopted::Refused(bytes);
        }
        if !header.join_living() {
            return Adopted::Elsewhere(bytes);
        }
        let (ptr, covered) = life.keep(bytes);
        drop(lock);
        // Its owner's `Drop` is the user's code.
        drop(covered);
        let extent = Extent::in_slab(size, offset, len);
        let mark = Mark::FOREIGN.with_tag(label.tag);
        let slot = header.list(slab.header, Entry { extent, root: extent, mark, site: label.site, parent: None });
        let word = Word::tracked(slot, slab.header);
        // SAFETY: the life keeps the bytes as long as a handle holds the slab, and the reference is this handle's.
        Adopted::Listed(unsafe { Shared::from_parts(ptr, len, word) })
    }
}

impl Header {
    /// Whether the slab's memory is somebody else's: never written, and never used again.
    pub(super) fn is_foreign(&self) -> bool {
        !self.life().is_null()
    }

    fn life(&self) -> *mut Life {
        // Acquire: pairs with the Release in `set_life`; the life is initialised, and who sees it gone sees the generation
        // that came before.
        self.fixed.life.load(Ordering::Acquire)
    }

    /// Only for who has the slab to itself, and under the lock if it has been known to others.
    fn set_life(&self, life: *mut Life) {
        let release = if planted(Plant::ForeignEndRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        // Release: pairs with the Acquire in `life`.
        self.fixed.life.store(life, release);
    }

    /// Ends the life of a foreign slab and returns what it kept, to be dropped when all else is done. Nothing for a slab of
    /// ours. Only for who has the slab to itself.
    pub(super) fn end_life(&self) -> Vec<Bytes> {
        if !self.is_foreign() {
            return Vec::new();
        }
        let lock = self.fixed.growth.lock();
        let life = self.life();
        self.set_life(core::ptr::null_mut());
        drop(lock);
        // SAFETY: it was taken out under the lock, so nobody else knows it, and it ends once.
        NonNull::new(life).map_or_else(Vec::new, |life| unsafe { Life::end(life) })
    }

    /// Takes a slot for a reference that the caller has, on a slab without an owner, and fills it in.
    fn list(&self, this: NonNull<Header>, entry: Entry) -> Option<NonNull<Slot>> {
        let slot = match self.depth().level() {
            Level::Off => None,
            _ => Segment::pop_for_guest(self, this),
        };
        match slot {
            Some(slot) => self.publish(slot, entry, clock::last()),
            None => self.count_unlisted(1),
        }
        slot
    }
}
