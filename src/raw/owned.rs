//! Detached memory: what a handle holds that pins no slab.

use super::ledger::Ledger;
use super::secret;
use crate::sync::{AtomicU32, Ordering};
use bytes::Bytes;
use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::sync::Arc;

/// A reference-counted piece of memory outside every slab: what all kinds begin with. Sixteen bytes, for most are short copies that are
/// kept for long. Aligned so that its address has four bits to spare.
#[repr(C, align(16))]
pub(super) struct Owned {
    refs: AtomicU32,
    /// What it is, and [`SECRET`].
    kind: AtomicU32,
    /// Bytes of memory.
    size: usize,
}

const _: () = assert!(size_of::<Owned>() == 16 || cfg!(bufslab_loom));

/// An exact copy, in the same allocation right behind the header.
const EXACT: u32 = 0;
/// The same, behind [`Recorded`].
const RECORDED: u32 = 1;
/// [`OfVec`].
const VEC: u32 = 2;
/// [`Foreign`].
const FOREIGN: u32 = 3;
const KIND: u32 = 3;
/// It is to be overwritten before it is freed.
const SECRET: u32 = 4;

/// The header of an exact copy whose end is logged.
#[repr(C)]
struct Recorded {
    owned: Owned,
    ledger: Arc<Ledger>,
}

/// A vector that was handed in whole, in parts: no `Vec` may claim uniqueness while slices of it are out.
#[repr(C)]
struct OfVec {
    owned: Owned,
    start: NonNull<u8>,
}

/// Memory that somebody else counts.
#[repr(C)]
struct Foreign {
    owned: Owned,
    bytes: Bytes,
}

impl Owned {
    fn new(kind: u32, refs: u32, size: usize) -> Owned {
        Owned { refs: AtomicU32::new(refs), kind: AtomicU32::new(kind), size }
    }

    fn kind(&self) -> u32 {
        // Relaxed: but for the flag it never changes.
        self.kind.load(Ordering::Relaxed) & KIND
    }

    fn exact_layout(kind: u32, len: usize) -> Option<(Layout, usize)> {
        let header = if kind == RECORDED { Layout::new::<Recorded>() } else { Layout::new::<Owned>() };
        header.extend(Layout::array::<u8>(len).ok()?).ok()
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
    pub(super) fn room(len: usize, refs: u32) -> Option<(NonNull<Owned>, NonNull<u8>)> {
        Owned::room_recorded_in(len, refs, None)
    }

    fn room_recorded_in(
        len: usize,
        refs: u32,
        recorded_in: Option<Arc<Ledger>>,
    ) -> Option<(NonNull<Owned>, NonNull<u8>)> {
        let kind = if recorded_in.is_some() { RECORDED } else { EXACT };
        let (layout, offset) = Owned::exact_layout(kind, len)?;
        // SAFETY: the layout holds at least the header, so its size is not 0.
        let memory = NonNull::new(unsafe { std::alloc::alloc(layout) })?;
        let owned = Owned::new(kind, refs, len);
        // SAFETY: fresh memory of the right layout; the bytes start at `offset`.
        unsafe {
            match recorded_in {
                Some(ledger) => memory.cast::<Recorded>().write(Recorded { owned, ledger }),
                None => memory.cast::<Owned>().write(owned),
            }
            Some((memory.cast(), memory.add(offset)))
        }
    }

    /// Takes a vector over as it is.
    pub(super) fn from_vec(vec: Vec<u8>) -> (NonNull<Owned>, NonNull<u8>) {
        let mut vec = ManuallyDrop::new(vec);
        // SAFETY: a vector's pointer is never null.
        let start = unsafe { NonNull::new_unchecked(vec.as_mut_ptr()) };
        let of_vec = Box::new(OfVec { owned: Owned::new(VEC, 1, vec.capacity()), start });
        (NonNull::from(Box::leak(of_vec)).cast(), start)
    }

    /// Takes over a handle on memory that somebody else counts.
    pub(super) fn from_foreign(bytes: Bytes) -> (NonNull<Owned>, NonNull<u8>) {
        let start = NonNull::from(&bytes[..]).cast();
        let foreign = Box::new(Foreign { owned: Owned::new(FOREIGN, 1, bytes.len()), bytes });
        (NonNull::from(Box::leak(foreign)).cast(), start)
    }

    /// Has the memory overwritten before it is freed. Says whether that can be: not if somebody else counts it.
    pub(super) fn set_secret(&self) -> bool {
        let ours = self.kind() != FOREIGN;
        if ours {
            // Relaxed: the caller holds a reference; whoever drops the last one acquires its return.
            self.kind.fetch_or(SECRET, Ordering::Relaxed);
        }
        ours
    }

    pub(super) fn is_secret(&self) -> bool {
        self.kind.load(Ordering::Relaxed) & SECRET != 0
    }

    /// Bytes that this keeps allocated.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Where its end is logged, if it is.
    ///
    /// # Safety
    ///
    /// The caller holds a reference as long as it uses what is returned.
    pub(super) unsafe fn recorded_in<'a>(this: NonNull<Owned>) -> Option<&'a Ledger> {
        // SAFETY: the caller's promise; the kind tells what it points to.
        unsafe { (this.as_ref().kind() == RECORDED).then(|| &*this.cast::<Recorded>().as_ref().ledger) }
    }

    /// Whether `len` bytes of it are all there is, as far as can be known.
    pub(super) fn is_exactly(&self, len: usize) -> bool {
        self.kind() != FOREIGN && self.size == len
    }

    /// Whether the caller's handle is the only one and may write.
    pub(super) fn is_unique(&self) -> bool {
        // Acquire: pairs with the Release in `release`; the others' reads are over before the caller writes.
        self.kind() != FOREIGN && self.refs.load(Ordering::Acquire) == 1
    }

    /// Start and size of the whole, if it is a vector or an exact copy.
    pub(super) fn region(this: NonNull<Owned>) -> Option<(NonNull<u8>, usize)> {
        // SAFETY: the caller holds a reference; the kind tells what it points to.
        let (kind, size) = unsafe { (this.as_ref().kind(), this.as_ref().size) };
        let start = match kind {
            FOREIGN => return None,
            // SAFETY: as above.
            VEC => unsafe { this.cast::<OfVec>().as_ref().start },
            _ => {
                let (_, offset) = Owned::exact_layout(kind, size)?;
                // SAFETY: the copy lies `offset` bytes into the allocation; `this` has the provenance of all of it.
                unsafe { this.cast::<u8>().add(offset) }
            }
        };
        Some((start, size))
    }

    pub(super) fn retain(&self) {
        // Relaxed: made from a reference that the caller holds.
        if self.refs.fetch_add(1, Ordering::Relaxed) > i32::MAX as u32 {
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
            let (kind, size) = (owned.kind(), owned.size);
            match kind {
                VEC => {
                    let of_vec = Box::from_raw(this.cast::<OfVec>().as_ptr());
                    drop(Vec::from_raw_parts(of_vec.start.as_ptr(), 0, size));
                }
                FOREIGN => drop(Box::from_raw(this.cast::<Foreign>().as_ptr())),
                _ => {
                    if kind == RECORDED {
                        this.cast::<Recorded>().as_ptr().drop_in_place();
                    } else {
                        this.as_ptr().drop_in_place();
                    }
                    if let Some((layout, _)) = Owned::exact_layout(kind, size) {
                        std::alloc::dealloc(this.as_ptr().cast(), layout);
                    }
                }
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
        if owned.kind() != VEC || !owned.is_unique() {
            return None;
        }
        let (secret, capacity) = (owned.is_secret(), owned.size);
        // SAFETY: the only handle is the caller's; the parts are those of the vector that came in, and `len` bytes are
        // initialised after the move.
        unsafe {
            let start = Box::from_raw(this.cast::<OfVec>().as_ptr()).start;
            core::ptr::copy(data.as_ptr(), start.as_ptr(), len);
            if secret {
                // What is behind the bytes is not the vector's to show.
                secret::wipe(start.add(len), capacity - len);
            }
            Some(Vec::from_raw_parts(start.as_ptr(), len, capacity))
        }
    }
}
