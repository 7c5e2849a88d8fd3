//! `SlabBytes`.

use super::range::{out_of_bounds, start_and_len};
use super::{SlabBytesMut, settle};
use crate::raw::{Emptied, Held, Label, Shared};
use crate::sync::thread::{self, Identity};
use crate::track::{Scope, Tag};
use bytes::{Buf, Bytes};
use core::mem::ManuallyDrop;
use core::ops::{Deref, RangeBounds};
use core::panic::Location;

/// A cheaply cloneable, read-only slice: `bytes::Bytes`, which in addition knows the slab it keeps alive.
///
/// It has the methods, the semantics and the panics of [`bytes::Bytes`]; what differs is listed in
/// [`docs::differences`](crate::docs::differences). On top there is the question what it pins
/// ([`retained_size`](SlabBytes::retained_size)) and the ways to let go ([`compact`](SlabBytes::compact),
/// [`retain`](SlabBytes::retain)).
///
/// It is 24 bytes, `Bytes` is 32. On the thread that owns its slab, clone, slice and drop use no atomic
/// read-modify-write; anywhere else they use one.
///
/// ```
/// use bufslab::SlabPool;
///
/// let pool = SlabPool::new();
/// let mut read = pool.alloc(1024);
/// read.extend_from_slice(b"key: value");
/// let line = read.freeze();
/// let (key, value) = (line.slice(..3), line.slice(5..));
/// assert_eq!((key, value), (line.slice(0..3), "value".into()));
/// ```
pub struct SlabBytes {
    raw: Shared,
}

impl SlabBytes {
    #[inline]
    pub(crate) fn from_raw(raw: Shared) -> SlabBytes {
        SlabBytes { raw }
    }

    pub(crate) fn raw(&self) -> &Shared {
        &self.raw
    }

    pub(crate) fn raw_mut(&mut self) -> &mut Shared {
        &mut self.raw
    }

    #[inline]
    pub(crate) fn into_raw(self) -> Shared {
        let mut this = ManuallyDrop::new(self);
        core::mem::replace(&mut this.raw, Shared::empty())
    }

    /// No bytes. Allocates nothing.
    #[must_use]
    #[inline]
    pub const fn new() -> SlabBytes {
        SlabBytes { raw: Shared::empty() }
    }

    /// Static memory, as it is.
    ///
    /// ```
    /// let greeting = bufslab::SlabBytes::from_static(b"hello");
    /// assert_eq!(greeting.retained_size(), 0);
    /// ```
    #[must_use]
    #[inline]
    pub const fn from_static(bytes: &'static [u8]) -> SlabBytes {
        SlabBytes { raw: Shared::from_static(bytes) }
    }

    /// Memory that `owner` owns, as it is. The owner is dropped with the last slice of it; it pins no slab, and no report
    /// lists it.
    ///
    /// ```
    /// let owned = bufslab::SlabBytes::from_owner(vec![1, 2, 3]);
    /// assert_eq!(owned, [1, 2, 3][..]);
    /// ```
    #[must_use]
    pub fn from_owner<T>(owner: T) -> SlabBytes
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        SlabBytes::from_foreign(Bytes::from_owner(owner))
    }

    /// An exact-size copy in an allocation of its own: it pins no slab.
    ///
    /// ```
    /// let copy = bufslab::SlabBytes::copy_from_slice(b"kept for long");
    /// assert!(copy.is_compact());
    /// ```
    #[must_use]
    pub fn copy_from_slice(data: &[u8]) -> SlabBytes {
        SlabBytes { raw: Shared::copy_of(data).unwrap_or_else(|| out_of_memory(data.len())) }
    }

    pub(super) fn from_vec(vec: Vec<u8>) -> SlabBytes {
        SlabBytes { raw: Shared::from_vec(vec) }
    }

    pub(super) fn from_foreign(bytes: Bytes) -> SlabBytes {
        SlabBytes { raw: Shared::from_foreign(bytes) }
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.into_raw().try_into_vec().unwrap_or_else(|raw| SlabBytes { raw }.to_vec())
    }

    /// Length in bytes.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether the length is 0.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.raw.len() == 0
    }

    /// Whether no other handle can see these bytes.
    ///
    /// Never true for static memory and for memory of [`from_owner`](SlabBytes::from_owner). For a slice that was shared
    /// once, this looks through its slab's slots; while another thread cuts from that slab the answer is `false`.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.raw.is_unique()
    }

    /// The slice `range` of this one. No bytes are copied; it pins the same slab.
    ///
    /// # Panics
    ///
    /// If the range is out of bounds or starts behind its end.
    ///
    /// ```
    /// let line = bufslab::SlabBytes::from_static(b"key: value");
    /// assert_eq!(line.slice(5..), "value");
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> SlabBytes {
        let (start, len) = start_and_len(range, self.len());
        SlabBytes { raw: self.raw.slice(start, len, self.label()) }
    }

    /// The slice that `subset`, a part of this one, lies in: for parsers that return plain `&[u8]`.
    ///
    /// # Panics
    ///
    /// If `subset` is not empty and lies outside.
    ///
    /// ```
    /// let line = bufslab::SlabBytes::from_static(b"key: value");
    /// let value = &line[5..];
    /// assert_eq!(line.slice_ref(value), "value");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn slice_ref(&self, subset: &[u8]) -> SlabBytes {
        if subset.is_empty() {
            return SlabBytes::new();
        }
        let (start, begin) = (self.as_ptr().addr(), subset.as_ptr().addr());
        let inside = begin.checked_sub(start).filter(|&skip| skip <= self.len() && subset.len() <= self.len() - skip);
        match inside {
            Some(skip) => self.slice(skip..skip + subset.len()),
            None => panic!(
                "subset pointer ({:p}, {} bytes) lies outside of ({:p}, {} bytes)",
                subset.as_ptr(),
                subset.len(),
                self.as_ptr(),
                self.len()
            ),
        }
    }

    /// Cuts off the bytes from `at` on.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    #[must_use = "consider `truncate` if you don't need the other half"]
    #[inline]
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> SlabBytes {
        if at > self.len() {
            out_of_bounds("split_off", at, self.len());
        }
        let label = self.label();
        SlabBytes { raw: self.raw.split_off(at, label) }
    }

    /// Cuts off the first `at` bytes.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    #[must_use = "consider `advance` if you don't need the other half"]
    #[inline]
    #[track_caller]
    pub fn split_to(&mut self, at: usize) -> SlabBytes {
        if at > self.len() {
            out_of_bounds("split_to", at, self.len());
        }
        let label = self.label();
        SlabBytes { raw: self.raw.split_to(at, label) }
    }

    /// Keeps the first `len` bytes; nothing happens if there are fewer. Truncated to nothing, it pins nothing.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len == 0 {
            self.clear();
        } else if len < self.len() {
            self.raw.keep(len);
        }
    }

    /// Drops all bytes, and with them the hold on the slab.
    #[inline]
    pub fn clear(&mut self) {
        let end = self.raw.split_to(0, self.label());
        settle(core::mem::replace(&mut self.raw, end).release());
    }

    /// The same bytes, writable, if [`is_unique`](SlabBytes::is_unique).
    ///
    /// # Errors
    ///
    /// The handle itself, if another one can see the bytes.
    pub fn try_into_mut(self) -> Result<SlabBytesMut, SlabBytes> {
        match self.into_raw().try_into_unique() {
            Ok(raw) => Ok(SlabBytesMut::from_raw(raw)),
            Err(raw) => Err(SlabBytes { raw }),
        }
    }

    /// Names this slice in reports. Slices made from it later take the name along; those that exist keep theirs.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let head = pool.alloc(64).tag("req.head");
    /// assert_eq!(head.tag_name().unwrap().name(), "req.head");
    /// ```
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Tag>) -> SlabBytes {
        self.raw.set_tag(tag.into().number());
        self
    }

    /// Names this slice anew, as where it changes hands: from a parser to a cache.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(64).tag("req");
    /// read.extend_from_slice(b"value");
    /// let mut value = read.freeze();
    /// value.retag("cache.value");
    /// assert_eq!(value.tag_name().unwrap().name(), "cache.value");
    /// ```
    pub fn retag(&mut self, tag: impl Into<Tag>) {
        self.raw.set_tag(tag.into().number());
    }

    /// Charges this slice to another owner: who it is handed over to.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(64);
    /// read.extend_from_slice(b"value");
    /// let value = read.freeze();
    /// value.charge_to(pool.scope("cache", 1).scope());
    /// assert_eq!(pool.report().slabs[0].slices[0].scope.unwrap().to_string(), "cache 1");
    /// ```
    pub fn charge_to(&self, scope: &Scope) {
        self.raw.charge(scope.number());
    }

    /// Leaves a hint of what happens to this slice: reports show the first and the last one of each slice. Where stacks are
    /// recorded (at [`Level::Backtraces`](crate::Level::Backtraces), and on a suspect slab) this records one.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(64);
    /// read.extend_from_slice(b"value");
    /// let value = read.freeze();
    /// for hint in ["parsed", "queued", "in the cache"] {
    ///     value.touch(hint);
    /// }
    /// let slice = &pool.report().slabs[0].slices[0];
    /// assert_eq!(slice.first_hint.unwrap().name(), "parsed");
    /// assert_eq!(slice.last_hint.unwrap().name(), "in the cache");
    /// ```
    pub fn touch(&self, hint: impl Into<Tag>) {
        self.raw.touch(hint.into().number());
    }

    /// The name this slice has in reports. A slice that pins no slab is in no report and has none.
    #[must_use]
    pub fn tag_name(&self) -> Option<Tag> {
        Tag::from_number(self.raw.tag())
    }

    #[inline]
    #[track_caller]
    fn label(&self) -> Label {
        Label { site: Location::caller(), tag: 0 }
    }
}

#[cold]
pub(crate) fn out_of_memory(len: usize) -> ! {
    let layout = core::alloc::Layout::array::<u8>(len).unwrap_or(core::alloc::Layout::new::<u8>());
    std::alloc::handle_alloc_error(layout)
}

impl Drop for SlabBytes {
    #[inline]
    fn drop(&mut self) {
        if let Some(held) = self.raw.release_quick() {
            thread::with_identity(|me| drop_slow(held, me));
        }
    }
}

#[inline(never)]
fn drop_slow(held: Held, me: &Identity) {
    match held.release_as_guest(me) {
        Ok(None) => {}
        Ok(Some(emptied)) => drop_last(emptied),
        Err(held) => drop_slower(held),
    }
}

#[inline(never)]
fn drop_last(emptied: Emptied) {
    settle(Some(emptied.idle()));
}

#[inline(never)]
fn drop_slower(held: Held) {
    settle(held.release());
}

impl Clone for SlabBytes {
    /// Another handle on the same bytes, listed with the caller's site.
    #[inline]
    #[track_caller]
    fn clone(&self) -> SlabBytes {
        SlabBytes { raw: self.raw.another(self.label()) }
    }
}

impl Deref for SlabBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.raw.as_slice()
    }
}

impl Buf for SlabBytes {
    #[inline]
    fn remaining(&self) -> usize {
        self.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self
    }

    #[inline]
    #[track_caller]
    fn advance(&mut self, cnt: usize) {
        assert!(cnt <= self.len(), "cannot advance past `remaining`: {cnt:?} <= {:?}", self.len());
        if cnt == self.len() {
            let rest = self.split_off(cnt);
            *self = rest;
        } else if cnt > 0 {
            self.raw.skip(cnt);
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.split_to(len).into()
    }
}
