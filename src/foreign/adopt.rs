//! A foreign allocation as a slab of our reports.

use crate::buf::SlabBytes;
use crate::error::AllocError;
use crate::pool::SlabPool;
use crate::raw::{Adopted, Label, Remembered};
use crate::sync::Mutex;
use crate::track::Tag;
use bytes::Bytes;
use core::fmt;
use core::panic::Location;

impl SlabPool {
    /// Lists a `Bytes` that somebody else made in this pool's reports, as what it is: one slice of an allocation of
    /// `allocation_size` bytes that it keeps alive.
    ///
    /// Nothing is copied. What is returned is the same bytes, and everything works on it that works on a slice of the pool's
    /// own: it is cloned, sliced, tagged and charged to scopes, [`retain`](SlabBytes::retain) asks the pool's policy whether
    /// it is worth its allocation, and [`compact`](SlabBytes::compact) lets that go. The `Bytes` is dropped with the last
    /// slice, on whatever thread that is.
    ///
    /// **The size is what you say.** A `Bytes` does not know what it keeps alive; whoever read it knows the size of the
    /// buffer. If `bytes` is longer, its own length counts; more than
    /// 1 TiB counts as that.
    ///
    /// **It is not the pool's memory**, and so neither in its `memory_bytes` nor held to `max_bytes`; it is never written
    /// ([`try_into_mut`](SlabBytes::try_into_mut) says no, for whoever gave it may see it too) and never used again. In
    /// reports its slab is [`foreign`](crate::report::PinnedSlab::foreign).
    ///
    /// **Several of one allocation** would count it several times; [`foreign`](SlabPool::foreign) counts it once.
    ///
    /// An empty `Bytes` is dropped and pins nothing. If the pool is [closed](SlabPool::close) or there is no memory to list
    /// it, what is returned works the same but is in no report; [`try_adopt`](SlabPool::try_adopt) says so instead. Past the
    /// ledger's budget it counts as an untracked handle, as any other.
    ///
    /// ```
    /// use bytes::Bytes;
    ///
    /// let pool = bufslab::SlabPool::new();
    /// let read = Bytes::from(vec![b'.'; 400 * 1024]); // somebody's read buffer
    /// let value = pool.adopt(read.slice(..20), read.len(), "header.value");
    /// drop(read);
    ///
    /// let report = pool.report();
    /// assert_eq!((report.totals.live_bytes, report.totals.foreign_bytes), (20, 400 * 1024));
    /// assert!(report.slabs[0].foreign);
    /// assert_eq!(report.advice_for_tag("header.value").unwrap().freed_bytes, 400 * 1024);
    ///
    /// let value = value.retain(); // 20 bytes are not worth 400 KiB
    /// assert_eq!(pool.stats().foreign_bytes, 0);
    /// # drop(value);
    /// ```
    #[track_caller]
    pub fn adopt(&self, bytes: Bytes, allocation_size: usize, tag: impl Into<Tag>) -> SlabBytes {
        self.try_adopt(bytes, allocation_size, tag).unwrap_or_else(|(_, bytes)| SlabBytes::from(bytes))
    }

    /// As [`adopt`](SlabPool::adopt).
    ///
    /// # Errors
    ///
    /// The bytes as they were, with the reason, if the pool is closed or there is no memory to list them.
    #[track_caller]
    pub fn try_adopt(
        &self,
        bytes: Bytes,
        allocation_size: usize,
        tag: impl Into<Tag>,
    ) -> Result<SlabBytes, (AllocError, Bytes)> {
        let label = Label { site: Location::caller(), tag: tag.into().number() };
        adopt(self, None, bytes, allocation_size, label)
    }

    /// For several `Bytes` of one allocation of `allocation_size` bytes, as three header values of one read buffer: what is
    /// adopted through it is listed as slices of one foreign slab.
    ///
    /// ```
    /// use bytes::Bytes;
    ///
    /// let pool = bufslab::SlabPool::new();
    /// let read = Bytes::from(vec![b'.'; 400 * 1024]);
    /// let buffer = pool.foreign(read.len());
    /// let kept = [90..130, 5_000..5_020, 100..120].map(|range| buffer.adopt(read.slice(range), "header.value"));
    ///
    /// let report = pool.report();
    /// assert_eq!((report.totals.slabs, report.totals.slices), (1, 3));
    /// assert_eq!((report.totals.live_bytes, report.totals.pinned_bytes), (60, 400 * 1024));
    /// # drop(kept);
    /// ```
    #[must_use]
    pub fn foreign(&self, allocation_size: usize) -> Foreign {
        Foreign { pool: self.clone(), allocation_size, slab: Mutex::new(None) }
    }
}

/// One foreign allocation after the other, for all that is adopted of each: made by [`SlabPool::foreign`].
///
/// What is adopted is listed on the same foreign slab as what came before, unless that cannot be: when all slices of that slab
/// are gone, or when its first slice and this one lie further apart than the allocation is long. Then a new foreign slab of
/// the same size begins. So one of these may follow a connection's read buffer, however often that is a new one.
///
/// **Offsets.** Where in its allocation a `Bytes` begins is not known. Offsets count from the first one that was adopted, and
/// one that lies before it is shown round at the slab's end.
///
/// **What is kept.** Each `Bytes` that is adopted is kept until the last slice of its slab is gone, but for one that lies in
/// one adopted shortly before. It keeps the pool too, but no slab.
pub struct Foreign {
    pool: SlabPool,
    allocation_size: usize,
    /// The slab that something was adopted for last.
    slab: Mutex<Option<Remembered>>,
}

impl Foreign {
    /// As [`SlabPool::adopt`], for one more slice of the allocation.
    #[track_caller]
    pub fn adopt(&self, bytes: Bytes, tag: impl Into<Tag>) -> SlabBytes {
        self.try_adopt(bytes, tag).unwrap_or_else(|(_, bytes)| SlabBytes::from(bytes))
    }

    /// As [`SlabPool::try_adopt`], for one more slice of the allocation.
    ///
    /// # Errors
    ///
    /// The bytes as they were, with the reason, if the pool is closed or there is no memory to list them.
    #[track_caller]
    pub fn try_adopt(&self, bytes: Bytes, tag: impl Into<Tag>) -> Result<SlabBytes, (AllocError, Bytes)> {
        let label = Label { site: Location::caller(), tag: tag.into().number() };
        adopt(&self.pool, Some(&self.slab), bytes, self.allocation_size, label)
    }

    /// The size of the allocation as it was given, in bytes.
    #[must_use]
    pub fn allocation_size(&self) -> usize {
        self.allocation_size
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = self.pool.name();
        f.debug_struct("Foreign").field("pool", &pool).field("allocation_size", &self.allocation_size).finish()
    }
}

/// Lists `bytes` on the slab remembered in `slab`, or on a new one, which is remembered there.
fn adopt(
    pool: &SlabPool,
    slab: Option<&Mutex<Option<Remembered>>>,
    bytes: Bytes,
    size: usize,
    label: Label,
) -> Result<SlabBytes, (AllocError, Bytes)> {
    let len = bytes.len();
    if len == 0 {
        return Ok(SlabBytes::new());
    }
    let ledger = pool.core().ledger();
    if ledger.is_closed() {
        return Err((AllocError::closed(len), bytes));
    }
    // Held throughout: of two that come first, one begins the slab and the other joins it.
    let mut slab = slab.map(Mutex::lock);
    let bytes = match slab.as_deref().copied().flatten() {
        Some(known) => match ledger.adopt_beside(known, bytes, label) {
            Adopted::Listed(raw) => return Ok(SlabBytes::from_raw(raw)),
            Adopted::Refused(bytes) => return Err((AllocError::unlisted(len), bytes)),
            Adopted::Elsewhere(bytes) => bytes,
        },
        None => bytes,
    };
    let (raw, made) = ledger.adopt(bytes, size, pool.tracking(), label)?;
    if let Some(slab) = &mut slab {
        **slab = Some(made);
    }
    Ok(SlabBytes::from_raw(raw))
}
