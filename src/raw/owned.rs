//! Detached memory: what a handle holds that pins no slab.

use super::ledger::Ledger;
use super::secret;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};
use bytes::Bytes;
use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::sync::Arc;

/// A reference-counted piece of memory outside every slab. Aligned so that its address has four bits to spare.
#[repr(align(16))]
pub(super) struct Owned {
    refs: AtomicUsize,
    /// Not 0: to be overwritten before it is freed.
    secret: AtomicU32,
    backing: Backing,
}

enum Backing {
    /// An exact-size copy, in the same allocation right behind this header.
    Exact { len: usize, recorded_in: Option<Arc<Ledger>> },
    /// A vector that was handed in whole, in parts: no `Vec` may claim uniqueness while slices of it are out.
    Vec { start: NonNull<u8>, capacity: usize },
    /// Memory that somebody else counts.
    Foreign(Bytes),
}

impl Owned {
    fn exact_layout(len: usize) -> Option<(Layout, usize)> {
        Layout::new::<Owned>().extend(Layout::array::<u8>(len).ok()?).ok()
    }

    /// One allocation that holds a copy of `data` and nothing else. `None` when there is no memory.
    pub(super) fn copy_of(data: &[u8]) -> Option<(NonNull<Owned>, NonNull<u8>)> {
        Owned::copy_recorded_in(data, None)
    }

    /// The same for a copy whose end is logged in a ledger.
    pub(super) fn copy_recorded_in(data: &[u8], ledger: Option<Arc<Ledger>>) -> Option<(NonNull<Owned>, NonNull<u8>)> {
        let (owned, start) = Owned::room_recorded_in(data.len(), 1, ledger)?;
        // SAFETY: there is room for `data.len()` bytes, which nobody else knows.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(data).cast(), data.len()) };
        Some((owned, start))
    }

    /// Room for `len` bytes, more than none, with one reference for each of `refs` handles. `None` when there is no memory.
    ///
    /// Its bytes are not initialised: no handle may show any before they are.
    pub(super) fn room(len: usize, refs: usize) -> Option<(NonNull<Owned>, NonNull<u8>)> {
        Owned::room_recorded_in(len, refs, None)
    }

    fn room_recorded_in(
        len: usize,
        refs: usize,
        recorded_in: Option<Arc<Ledger>>,
    ) -> Option<(NonNull<Owned>, NonNull<u8>)> {
        let (layout, offset) = Owned::exact_layout(len)?;
        // SAFETY: the layout holds at least the header, so its size is not 0.
        let memory = NonNull::new(unsafe { std::alloc::alloc(layout) })?;
        let owned = memory.cast::<Owned>();
        // SAFETY: fresh memory of the right layout; the bytes start at `offset`.
        unsafe {
            owned.write(Owned { refs: AtomicUsize::new(refs), ..Owned::new(Backing::Exact { len, recorded_in }) });
            Some((owned, memory.add(offset)))
        }
    }

    /// Takes a vector over as it is.
    pub(super) fn from_vec(vec: Vec<u8>) -> (NonNull<Owned>, NonNull<u8>) {
        let mut vec = ManuallyDrop::new(vec);
        let capacity = vec.capacity();
        // SAFETY: a vector's pointer is never null.
        let start = unsafe { NonNull::new_unchecked(vec.as_mut_ptr()) };
        (Owned::boxed(Backing::Vec { start, capacity }), start)
    }

    /// Takes over a handle on memory that somebody else counts.
    pub(super) fn from_foreign(bytes: Bytes) -> (NonNull<Owned>, NonNull<u8>) {
        let start = NonNull::from(&bytes[..]).cast();
        (Owned::boxed(Backing::Foreign(bytes)), start)
    }

    fn new(backing: Backing) -> Owned {
        Owned { refs: AtomicUsize::new(1), secret: AtomicU32::new(0), backing }
    }

    fn boxed(backing: Backing) -> NonNull<Owned> {
        NonNull::from(Box::leak(Box::new(Owned::new(backing))))
    }

    /// Has the memory overwritten before it is freed. Says whether that can be: not if somebody else counts it.
    pub(super) fn set_secret(&self) -> bool {
        let ours = !matches!(self.backing, Backing::Foreign(_));
        if ours {
            // Relaxed: the caller holds a reference; whoever drops the last one acquires its return.
            self.secret.store(1, Ordering::Relaxed);
        }
        ours
    }

    pub(super) fn is_secret(&self) -> bool {
        self.secret.load(Ordering::Relaxed) != 0
    }

    /// Bytes that this keeps allocated.
    pub(super) fn size(&self) -> usize {
        match &self.backing {
            Backing::Exact { len, .. } => *len,
            Backing::Vec { capacity, .. } => *capacity,
            Backing::Foreign(bytes) => bytes.len(),
        }
    }

    /// Where its end is logged, if it is.
    pub(super) fn recorded_in(&self) -> Option<&Ledger> {
        match &self.backing {
            Backing::Exact { recorded_in, .. } => recorded_in.as_deref(),
            _ => None,
        }
    }

    /// Whether `len` bytes of it are all there is, as far as can be known.
    pub(super) fn is_exactly(&self, len: usize) -> bool {
        !matches!(self.backing, Backing::Foreign(_)) && self.size() == len
    }

    /// Whether the caller's handle is the only one and may write.
    pub(super) fn is_unique(&self) -> bool {
        // Acquire: pairs with the Release in `release`; the others' reads are over before the caller writes.
        !matches!(self.backing, Backing::Foreign(_)) && self.refs.load(Ordering::Acquire) == 1
    }

    /// Start and size of the whole, if it is a vector or an exact copy.
    pub(super) fn region(this: NonNull<Owned>) -> Option<(NonNull<u8>, usize)> {
        // SAFETY: the caller holds a reference.
        match unsafe { &this.as_ref().backing } {
            Backing::Vec { start, capacity } => Some((*start, *capacity)),
            Backing::Exact { len, .. } => {
                let (_, offset) = Owned::exact_layout(*len)?;
                // SAFETY: the copy lies `offset` bytes into the allocation; `this` has the provenance of all of it.
                Some((unsafe { this.cast::<u8>().add(offset) }, *len))
            }
            Backing::Foreign(_) => None,
        }
    }

    pub(super) fn retain(&self) {
        // Relaxed: made from a reference that the caller holds.
        if self.refs.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            std::process::abort();
        }
    }

    /// Gives one reference back.
    ///
    /// # Safety
    ///
    /// The caller holds the reference and does not use it afterwards.
    pub(super) unsafe fn release(this: NonNull<Owned>) {
        // SAFETY: the caller's reference keeps it alive here.
        let owned = unsafe { this.as_ref() };
        // Acquire: as below. Nobody can make a reference from the only one but its holder, who gives it up here.
        let only = owned.refs.load(Ordering::Acquire) == 1;
        // Release: pairs with the Acquire below, above and in `is_unique`.
        if !only && owned.refs.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Acquire: pairs with the Release of the other handles' drops.
        owned.refs.load(Ordering::Acquire);
        // SAFETY: that was the last reference; each kind is freed as it was allocated.
        unsafe {
            secret::wipe_owned(this);
            match owned.backing {
                Backing::Exact { len, .. } => {
                    this.as_ptr().drop_in_place();
                    if let Some((layout, _)) = Owned::exact_layout(len) {
                        std::alloc::dealloc(this.as_ptr().cast(), layout);
                    }
                }
                Backing::Vec { start, capacity } => {
                    drop(Box::from_raw(this.as_ptr()));
                    drop(Vec::from_raw_parts(start.as_ptr(), 0, capacity));
                }
                Backing::Foreign(_) => drop(Box::from_raw(this.as_ptr())),
            }
        }
    }

    /// The vector behind the only handle, holding the `len` bytes at `data`, moved to its front. Keeps its capacity.
    ///
    /// # Safety
    ///
    /// The caller holds the reference, `data` is valid for `len` bytes inside it, and on `Ok` uses neither afterwards.
    pub(super) unsafe fn into_vec(this: NonNull<Owned>, data: NonNull<u8>, len: usize) -> Option<Vec<u8>> {
        // SAFETY: the caller's reference keeps it alive.
        let owned = unsafe { this.as_ref() };
        let Backing::Vec { start, capacity } = owned.backing else { return None };
        if !owned.is_unique() {
            return None;
        }
        let secret = owned.is_secret();
        // SAFETY: the only handle is the caller's; the parts are those of the vector that came in, and `len` bytes are
        // initialised after the move.
        unsafe {
            drop(Box::from_raw(this.as_ptr()));
            core::ptr::copy(data.as_ptr(), start.as_ptr(), len);
            if secret {
                // What is behind the bytes is not the vector's to show.
                secret::wipe(start.add(len), capacity - len);
            }
            Some(Vec::from_raw_parts(start.as_ptr(), len, capacity))
        }
    }
}
