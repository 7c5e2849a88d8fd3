//! Floor 6: slices that the pool may move, and moving them.

use crate::buf::{SlabBytes, write_literal};
use crate::compaction::{CompactPolicy, Compaction};
use crate::pool::{SlabPool, recycle};
use crate::raw::{self, Label};
use crate::report;
use crate::track::Tag;
use core::fmt;
use core::ops::Deref;
use core::panic::Location;
use core::time::Duration;
use std::time::Instant;

/// A read-only slice that the pool may move out of its slab: made by [`SlabBytes::park`], without copying.
///
/// "I will keep this, for how long I do not know." A copy made now would be in vain for all that is dropped soon; no copy at all
/// keeps a slab for what is not. A parked slice stays in its slab, and [`SlabPool::compact`] moves it out if it is *still* alive
/// when that frees the slab, as [`CompactPolicy`] says. Each slice is copied at most once.
///
/// Where it is now shows only while it is read: by [`get`](Parked::get), which holds it in its place as long as its value lives, or
/// by [`read`](Parked::read). Readers never wait for a mover, and a mover never for readers.
///
/// ```
/// use bufslab::{CompactPolicy, SlabPool};
/// use std::time::Duration;
///
/// let pool = SlabPool::builder().slab_size(4096).build()?;
/// let mut heads = Vec::new();
/// for i in 0..40_u8 {
///     let mut request = pool.alloc(4096);
///     request.resize(4096, i);
///     heads.push(request.freeze().slice(..20).park("req.head"));
///     // Most are dropped soon.
///     if i % 4 != 0 {
///         heads.pop();
///     }
/// }
/// let policy = CompactPolicy::new().older_than(Duration::ZERO);
/// let planned = pool.report().parked_plan(&policy);
/// let before = pool.stats().pinned_bytes;
/// let did = pool.compact(&policy);
/// assert_eq!(did, planned);
/// assert_eq!(before - pool.stats().pinned_bytes, did.freed_bytes);
/// assert!(did.copied_bytes <= 10 * 20, "only what outlived its slab");
/// assert!(heads.iter().enumerate().all(|(i, head)| head.get()[..] == [4 * i as u8; 20]));
/// # Ok::<(), bufslab::BuildError>(())
/// ```
///
/// On the thread that owns the slab, parking, reading and dropping use no atomic read-modify-write; elsewhere parking uses none,
/// reading two, and dropping one. A slice that was moved is read without any. How this works is told in
/// [`docs::late_compaction`](crate::docs::late_compaction).
///
/// It is 24 bytes and has no `Clone`, for it is one place: share it by `Arc`, or take an ordinary handle by
/// [`ParkedRef::to_slab_bytes`].
pub struct Parked {
    raw: raw::Parked,
}

impl SlabBytes {
    /// "I will keep this, for how long I do not know": lets the pool move the slice, and calls it by this name in reports. Nothing
    /// is copied now. See [`Parked`].
    ///
    /// What pins no slab (static memory, a copy) is parked as it is, and never moved. Neither is a slice without a slot: at
    /// [`Level::Off`](crate::Level::Off), or past the pool's budget for slots; nor one that is
    /// [`zero_on_drop`](SlabBytes::zero_on_drop).
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(64);
    /// read.extend_from_slice(b"a head");
    /// let head = read.freeze().park("req.head");
    /// assert_eq!(head.get(), b"a head"[..]);
    /// assert_eq!(head.tag_name().unwrap().name(), "req.head");
    /// ```
    #[must_use]
    pub fn park(self, tag: impl Into<Tag>) -> Parked {
        self.tag(tag).park_untagged()
    }

    /// As [`park`](SlabBytes::park), with the name it has.
    #[must_use]
    pub fn park_untagged(self) -> Parked {
        Parked { raw: self.into_raw().park() }
    }
}

impl Parked {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether the length is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes. They stay where they are as long as what is returned lives: a slab that is not moved just then, and not freed.
    #[must_use]
    #[inline]
    pub fn get(&self) -> ParkedRef<'_> {
        ParkedRef { raw: self.raw.read() }
    }

    /// Hands the bytes to `f`.
    ///
    /// ```
    /// let head = bufslab::SlabBytes::from_static(b"a head").park("req.head");
    /// assert_eq!(head.read(|bytes| bytes.len()), 6);
    /// ```
    #[inline]
    pub fn read<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.get())
    }

    /// Whether it was moved: it pins no slab any more.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        self.raw.is_moved()
    }

    /// An ordinary slice again, which stays where it is.
    #[must_use]
    #[track_caller]
    pub fn unpark(self) -> SlabBytes {
        self.get().to_slab_bytes()
    }

    /// Bytes of memory that this handle keeps alive: the size of its slab, or of the copy. A packed copy counts in full for each of
    /// its slices.
    #[must_use]
    pub fn retained_size(&self) -> usize {
        self.raw.retained_size()
    }

    /// Whether it keeps nothing alive but its own bytes.
    #[must_use]
    pub fn is_compact(&self) -> bool {
        self.raw.is_compact()
    }

    /// The name it has in reports while it is in a slab. It keeps it when it is moved.
    #[must_use]
    pub fn tag_name(&self) -> Option<Tag> {
        Tag::from_number(self.raw.tag())
    }
}

impl Drop for Parked {
    #[inline]
    fn drop(&mut self) {
        settle(core::mem::replace(&mut self.raw, raw::Parked::empty()).release());
    }
}

/// Hands on the slab that was emptied.
#[inline]
fn settle(emptied: Option<raw::Idle>) {
    if let Some(idle) = emptied {
        recycle(idle);
    }
}

/// As [`SlabBytes`] shows itself.
impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl PartialEq<[u8]> for Parked {
    fn eq(&self, other: &[u8]) -> bool {
        self.get()[..] == *other
    }
}

impl PartialEq<&[u8]> for Parked {
    fn eq(&self, other: &&[u8]) -> bool {
        self.get()[..] == **other
    }
}

impl PartialEq<str> for Parked {
    fn eq(&self, other: &str) -> bool {
        self.get()[..] == *other.as_bytes()
    }
}

impl PartialEq<&str> for Parked {
    fn eq(&self, other: &&str) -> bool {
        self.get()[..] == *other.as_bytes()
    }
}

impl PartialEq for Parked {
    fn eq(&self, other: &Parked) -> bool {
        self.get()[..] == other.get()[..]
    }
}

impl Eq for Parked {}

impl From<Parked> for SlabBytes {
    #[track_caller]
    fn from(parked: Parked) -> SlabBytes {
        parked.unpark()
    }
}

/// The bytes of a [`Parked`] slice, which stay where they are as long as this lives. From [`Parked::get`].
pub struct ParkedRef<'a> {
    raw: raw::Reading<'a>,
}

impl ParkedRef<'_> {
    /// An ordinary handle on the same bytes, where they are now. It pins what they lie in.
    #[must_use]
    #[track_caller]
    pub fn to_slab_bytes(&self) -> SlabBytes {
        SlabBytes::from_raw(self.raw.another(Label { site: Location::caller(), tag: 0 }))
    }
}

impl Deref for ParkedRef<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.raw.as_slice()
    }
}

impl AsRef<[u8]> for ParkedRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq<[u8]> for ParkedRef<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for ParkedRef<'_> {
    fn eq(&self, other: &[u8; N]) -> bool {
        **self == *other
    }
}

/// As [`SlabBytes`] shows itself.
impl fmt::Debug for ParkedRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_literal(self, f)
    }
}

impl Drop for ParkedRef<'_> {
    #[inline]
    fn drop(&mut self) {
        settle(self.raw.leave());
    }
}

impl SlabPool {
    /// Moves [`Parked`] slices out of their slabs, where `policy` finds it worth while and that frees the slab. Stops nobody, and
    /// waits for nobody.
    ///
    /// Call it now and then; [`compact_within`](SlabPool::compact_within) does it in small steps.
    pub fn compact(&self, policy: &CompactPolicy) -> Compaction {
        self.core().ledger().compact(policy, usize::MAX, || true, recycle)
    }

    /// The same within limits: copies at most `max_bytes`, and begins nothing new once `max_time` is over. The next call begins with
    /// what this one had to leave. A slab whose slices are longer than `max_bytes` together is not compacted by this at all.
    ///
    /// [`maintain`](SlabPool::maintain) does it with the pool's [`compact_policy`](crate::SlabPoolBuilder::compact_policy).
    ///
    /// ```
    /// use bufslab::{CompactPolicy, SlabPool};
    /// use std::time::Duration;
    ///
    /// let pool = SlabPool::new();
    /// let did = pool.compact_within(&CompactPolicy::new(), 1 << 20, Duration::from_millis(1));
    /// assert!(did.complete, "there is nothing to do");
    /// ```
    pub fn compact_within(&self, policy: &CompactPolicy, max_bytes: usize, max_time: Duration) -> Compaction {
        let start = Instant::now();
        self.core().ledger().compact(policy, max_bytes, || start.elapsed() < max_time, recycle)
    }
}

/// ```text
/// moved 3 slices (60 B) and freed 2 slabs (128 KiB); left: 1 being read, 4 on attached slabs
/// ```
impl fmt::Display for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (slices, slabs) = (report::count(self.slices, "slice"), report::count(self.freed_slabs, "slab"));
        let (copied, freed) = (report::bytes(self.copied_bytes), report::bytes(self.freed_bytes));
        match (self.slices, self.freed_slabs) {
            (0, 0) => f.write_str("moved nothing")?,
            _ => write!(f, "moved {slices} ({copied}) and freed {slabs} ({freed})")?,
        }
        let reasons = self.reasons();
        let mut left = reasons.iter().filter(|(slices, _)| *slices > 0);
        if let Some((slices, why)) = left.next() {
            write!(f, "; left: {slices} {why}")?;
        }
        left.try_for_each(|(slices, why)| write!(f, ", {slices} {why}"))?;
        if self.complete { Ok(()) } else { f.write_str("; not all within the limits") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compaction::Left;

    #[test]
    fn what_was_done_reads_well() {
        let mut did =
            Compaction { slices: 3, copied_bytes: 60, freed_slabs: 1, freed_bytes: 65_536, ..Default::default() };
        assert_eq!(did.to_string(), "moved 3 slices (60 B) and freed 1 slab (64 KiB)");
        did.leave(Left::Attached, 4);
        did.leave(Left::Read, 1);
        did.complete = false;
        let text = "moved 3 slices (60 B) and freed 1 slab (64 KiB); left: 4 on attached slabs, 1 being read; not all within the limits";
        assert_eq!((did.to_string().as_str(), did.left()), (text, 5));
        assert_eq!(Compaction::default().to_string(), "moved nothing");
    }
}
