//! `SlabBytesMut`.

use super::range::{out_of_bounds, start_and_len};
use super::{SlabBytes, settle};
use crate::pool;
use crate::raw::{Label, Unique};
use crate::track::{Scope, Tag};
use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut, Bytes};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut, RangeBounds};
use core::panic::Location;

/// A unique, writable, growing buffer in a slab: `bytes::BytesMut`, which in addition knows the slab it keeps alive.
///
/// It has the methods, the semantics and the panics of [`bytes::BytesMut`]; what differs is listed in
/// [`docs::differences`](crate::docs::differences). It grows in the pool it came from; one made without a pool uses
/// [`SlabPool::global`](crate::SlabPool::global).
///
/// ```
/// use bufslab::{BufMut, SlabPool};
///
/// let pool = SlabPool::new();
/// let mut buffer = pool.alloc(8);
/// buffer.put_slice(b"hello ");
/// buffer.put_slice(b"world");
/// let hello = buffer.split_to(5).freeze();
/// assert_eq!((&hello[..], &buffer[..]), (&b"hello"[..], &b" world"[..]));
/// ```
pub struct SlabBytesMut {
    raw: Unique,
}

impl SlabBytesMut {
    #[inline]
    pub(crate) fn from_raw(raw: Unique) -> SlabBytesMut {
        SlabBytesMut { raw }
    }

    #[inline]
    pub(crate) fn raw(&self) -> &Unique {
        &self.raw
    }

    #[inline]
    pub(super) fn raw_mut(&mut self) -> &mut Unique {
        &mut self.raw
    }

    #[inline]
    pub(super) fn into_raw(self) -> Unique {
        let mut this = ManuallyDrop::new(self);
        core::mem::replace(&mut this.raw, Unique::nothing())
    }

    /// No bytes and no room. Takes no memory until something is written.
    #[must_use]
    #[inline]
    pub fn new() -> SlabBytesMut {
        SlabBytesMut { raw: Unique::nothing() }
    }

    /// Room for exactly `capacity` bytes, from the [global pool](crate::SlabPool::global).
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn with_capacity(capacity: usize) -> SlabBytesMut {
        crate::SlabPool::global().alloc(capacity)
    }

    /// `len` zeros, from the [global pool](crate::SlabPool::global).
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[must_use]
    #[track_caller]
    pub fn zeroed(len: usize) -> SlabBytesMut {
        let mut buffer = SlabBytesMut::with_capacity(len);
        buffer.raw.fill_with(0, len);
        buffer
    }

    /// Number of bytes that are filled.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether no byte is filled.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of bytes that can be filled without growing, those that are included.
    #[must_use]
    #[inline]
    pub fn capacity(&self) -> usize {
        self.raw.capacity()
    }

    /// The filled bytes, read-only from now on. Copies nothing. Room that was cut last on this thread goes back to the
    /// slab.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(16 * 1024);
    /// read.extend_from_slice(b"far less");
    /// let line = read.freeze();
    /// assert_eq!(line, "far less");
    /// ```
    #[must_use]
    #[inline]
    pub fn freeze(self) -> SlabBytes {
        let mut this = ManuallyDrop::new(self);
        match this.raw.freeze_quick() {
            Some(raw) => SlabBytes::from_raw(raw),
            None => ManuallyDrop::into_inner(this).freeze_slow(),
        }
    }

    /// Cuts off everything from `at` on, filled or not.
    ///
    /// # Panics
    ///
    /// If `at > capacity`.
    #[must_use = "consider `truncate` if you don't need the other half"]
    #[inline]
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> SlabBytesMut {
        if at > self.capacity() {
            out_of_bounds("split_off", at, self.capacity());
        }
        SlabBytesMut { raw: self.raw.split_off(at, label()) }
    }

    /// Cuts off all filled bytes, and leaves the room.
    #[must_use = "consider `clear` if you don't need the other half"]
    #[inline]
    #[track_caller]
    pub fn split(&mut self) -> SlabBytesMut {
        self.split_to(self.len())
    }

    /// Cuts off the first `at` filled bytes.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    #[must_use = "consider `advance` if you don't need the other half"]
    #[inline]
    #[track_caller]
    pub fn split_to(&mut self, at: usize) -> SlabBytesMut {
        if at > self.len() {
            out_of_bounds("split_to", at, self.len());
        }
        SlabBytesMut { raw: self.raw.split_to(at, label()) }
    }

    /// Keeps the first `len` bytes; nothing happens if there are fewer. The capacity stays.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.raw.truncate(len);
        }
    }

    /// Keeps no byte. The capacity stays.
    #[inline]
    pub fn clear(&mut self) {
        self.raw.truncate(0);
    }

    /// Makes the length `new_len`, filled up with `value` where it grows.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[track_caller]
    pub fn resize(&mut self, new_len: usize, value: u8) {
        match new_len.checked_sub(self.len()) {
            None => self.truncate(new_len),
            Some(more) => self.put_bytes(value, more),
        }
    }

    /// Says how many bytes are filled.
    ///
    /// # Safety
    ///
    /// `len` is at most the capacity, and the first `len` bytes are initialised.
    #[allow(unsafe_code, reason = "`bytes::BytesMut` has this method, and its contract is the caller's to keep")]
    #[inline]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity(), "set_len out of bounds");
        // SAFETY: the caller's promise.
        unsafe { self.raw.set_len(len) }
    }

    /// Appends `extend`, and grows if need be.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[inline]
    #[track_caller]
    pub fn extend_from_slice(&mut self, extend: &[u8]) {
        self.reserve(extend.len());
        self.raw.fill(extend);
    }

    /// Appends a copy of the bytes in `range`.
    ///
    /// # Panics
    ///
    /// If the range is out of bounds, or there is no memory.
    #[track_caller]
    pub fn extend_from_within(&mut self, range: impl RangeBounds<usize>) {
        let (start, len) = start_and_len(range, self.len());
        self.reserve(len);
        let old = self.len();
        self.raw.fill_with(0, len);
        self.raw.as_mut_slice().copy_within(start..start + len, old);
    }

    /// Takes `other` back in: without copying if it was split off from here and nothing moved since, by appending its
    /// bytes otherwise. If one of them is [`zero_on_drop`](SlabBytesMut::zero_on_drop), the whole is.
    #[track_caller]
    pub fn unsplit(&mut self, other: SlabBytesMut) {
        if self.is_empty() {
            let secret = self.is_zeroed_on_drop();
            *self = other;
            self.inherit_secrecy(secret);
        } else if let Err(other) = self.try_unsplit(other) {
            // Before its bytes come in: the place they grow to is to be marked.
            self.inherit_secrecy(other.is_zeroed_on_drop());
            self.extend_from_slice(&other);
        }
    }

    /// Takes `other` back in without copying, if it was split off from here and nothing moved since.
    ///
    /// # Errors
    ///
    /// `other` as it was, if it does not follow on this one.
    pub fn try_unsplit(&mut self, other: SlabBytesMut) -> Result<(), SlabBytesMut> {
        match self.raw.try_unsplit(other.into_raw()) {
            Ok(emptied) => {
                settle(emptied);
                Ok(())
            }
            Err(raw) => Err(SlabBytesMut { raw }),
        }
    }

    /// The room that is not filled. Fill it and call [`set_len`](SlabBytesMut::set_len).
    #[inline]
    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.raw.spare_mut()
    }

    /// Names this buffer in reports. What is split from it and frozen takes the name along.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Tag>) -> SlabBytesMut {
        self.raw.set_tag(tag.into().number());
        self
    }

    /// As [`SlabBytes::retag`].
    pub fn retag(&mut self, tag: impl Into<Tag>) {
        self.raw.set_tag(tag.into().number());
    }

    /// As [`SlabBytes::charge_to`].
    pub fn charge_to(&self, scope: &Scope) {
        self.raw.charge(scope.number());
    }

    /// As [`SlabBytes::touch`].
    pub fn touch(&self, hint: impl Into<Tag>) {
        self.raw.touch(hint.into().number());
    }

    /// The name this buffer has in reports.
    #[must_use]
    pub fn tag_name(&self) -> Option<Tag> {
        Tag::from_number(self.raw.tag())
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.freeze().into_vec()
    }
}

#[inline]
#[track_caller]
fn label() -> Label {
    Label { site: Location::caller(), tag: 0 }
}

impl Drop for SlabBytesMut {
    #[inline]
    fn drop(&mut self) {
        if let Some(raw) = self.raw.release_quick() {
            drop_slow(raw);
        }
    }
}

#[inline(never)]
fn drop_slow(raw: Unique) {
    settle(raw.release());
}

impl SlabBytesMut {
    #[inline(never)]
    fn freeze_slow(self) -> SlabBytes {
        let (raw, emptied) = self.into_raw().freeze();
        settle(emptied);
        SlabBytes::from_raw(raw)
    }
}

impl Clone for SlabBytesMut {
    /// A copy of the filled bytes, in the same pool.
    #[track_caller]
    fn clone(&self) -> SlabBytesMut {
        let raw = pool::alloc_in(self.raw.pool_id(), self.len(), label());
        let mut copy = SlabBytesMut { raw: raw.unwrap_or_else(|error| pool::no_memory(&error)) };
        copy.inherit_secrecy(self.is_zeroed_on_drop());
        copy.raw.fill(self);
        copy.raw.set_tag(self.raw.tag());
        copy
    }
}

impl Deref for SlabBytesMut {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.raw.as_slice()
    }
}

impl DerefMut for SlabBytesMut {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.raw.as_mut_slice()
    }
}

impl Buf for SlabBytesMut {
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
        self.raw.skip(cnt);
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.split_to(len).into()
    }
}

#[allow(unsafe_code, reason = "the trait is unsafe; see the comment on each promise")]
// SAFETY: `chunk_mut` gives the same room until `advance_mut` fills it, which checks that there is as much.
unsafe impl BufMut for SlabBytesMut {
    #[inline]
    fn remaining_mut(&self) -> usize {
        // No allocation is larger than `isize::MAX`.
        isize::MAX as usize - self.len()
    }

    #[inline]
    #[track_caller]
    unsafe fn advance_mut(&mut self, cnt: usize) {
        let room = self.capacity() - self.len();
        assert!(cnt <= room, "advance out of bounds: the len is {room} but advancing by {cnt}");
        // SAFETY: `cnt` bytes of room, which the caller promises to have initialised.
        unsafe { self.raw.set_len(self.len() + cnt) }
    }

    #[inline]
    #[track_caller]
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        if self.capacity() == self.len() {
            self.reserve(64);
        }
        UninitSlice::uninit(self.spare_capacity_mut())
    }

    #[track_caller]
    fn put<T: Buf>(&mut self, mut src: T) {
        if !src.has_remaining() {
            return;
        }
        if self.capacity() == 0 && self.raw.pool_id() == 0 {
            // Of no pool and with nothing to grow: take over what `src` already holds, if nobody else does.
            let whole = src.copy_to_bytes(src.remaining());
            drop(src);
            return self.unsplit(whole.into());
        }
        if src.chunk().len() < src.remaining() {
            self.reserve(src.remaining());
        }
        while src.has_remaining() {
            let filled = src.chunk().len();
            self.extend_from_slice(src.chunk());
            src.advance(filled);
        }
    }

    #[inline]
    #[track_caller]
    fn put_slice(&mut self, src: &[u8]) {
        self.extend_from_slice(src);
    }

    #[inline]
    #[track_caller]
    fn put_u8(&mut self, n: u8) {
        self.extend_from_slice(&[n]);
    }

    #[inline]
    #[track_caller]
    fn put_bytes(&mut self, val: u8, cnt: usize) {
        self.reserve(cnt);
        self.raw.fill_with(val, cnt);
    }
}
