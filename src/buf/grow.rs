//! How a buffer gets more room: first what it already has, then in place, then elsewhere.
//!
//! The sizes are those of `bytes::BytesMut`: a buffer that is not part of a split doubles; one whose other parts are still
//! out starts over with what it needs, or with the size it was once made with if that is more.

use super::{SlabBytesMut, settle};
use crate::error::AllocError;
use crate::pool;
use crate::raw::{Label, Reclaim};
use core::panic::Location;

/// Fewest bytes worth growing to, as for `Vec<u8>`.
const MIN_CAPACITY: usize = 8;

/// Why there is no more room.
enum NoRoom {
    /// Not without allocating, and that was not allowed.
    NotInPlace,
    NoMemory(AllocError),
}

impl SlabBytesMut {
    /// Room for at least `additional` more bytes.
    ///
    /// # Panics
    ///
    /// If the new capacity overflows `usize`, or there is no memory;
    /// [`try_reserve`](SlabBytesMut::try_reserve) returns that as an error.
    #[inline]
    #[track_caller]
    pub fn reserve(&mut self, additional: usize) {
        if additional > self.capacity() - self.len() {
            self.reserve_slow(additional, Location::caller());
        }
    }

    #[cold]
    #[track_caller]
    fn reserve_slow(&mut self, additional: usize, site: &'static Location<'static>) {
        assert!(self.len().checked_add(additional).is_some(), "capacity overflow");
        if let Err(NoRoom::NoMemory(error)) = self.make_room(additional, Some(site)) {
            pool::no_memory(&error);
        }
    }

    /// As [`reserve`](SlabBytesMut::reserve).
    ///
    /// # Errors
    ///
    /// Tells the request and the limit that stood in the way. The buffer is as it was.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).max_bytes(4096).build()?;
    /// let mut buffer = pool.alloc(100);
    /// assert!(buffer.try_reserve(1_000_000).unwrap_err().is_limit());
    /// assert!(buffer.try_reserve(usize::MAX).unwrap_err().is_too_large());
    /// assert_eq!(buffer.capacity(), 100);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[track_caller]
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), AllocError> {
        match self.make_room(additional, Some(Location::caller())) {
            Err(NoRoom::NoMemory(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Room for at least `additional` more bytes, if that can be had without allocating: by sliding back over bytes that
    /// were read, or by taking back what was split off and dropped since. Whether it could.
    ///
    /// What was split off is only taken back on the thread that owns the slab.
    #[must_use = "consider `reserve` if you need an infallible reservation"]
    pub fn try_reclaim(&mut self, additional: usize) -> bool {
        self.make_room(additional, None).is_ok()
    }

    /// Room for `additional` more bytes; allocates only if a site to charge is given.
    fn make_room(&mut self, additional: usize, site: Option<&'static Location<'static>>) -> Result<(), NoRoom> {
        let len = self.len();
        if additional <= self.capacity() - len || self.slide(additional) {
            return Ok(());
        }
        let too_large = || NoRoom::NoMemory(AllocError::too_large(additional));
        let Some(wanted) = len.checked_add(additional) else {
            return Err(if site.is_some() { too_large() } else { NoRoom::NotInPlace });
        };
        let reclaim = match self.raw().is_part() {
            true => self.raw_mut().reclaim_root(wanted),
            false => Reclaim::TooSmall { front: self.front(), size: self.front() + self.capacity() },
        };
        if let Reclaim::Taken = reclaim {
            // Its room is behind the start, or before it.
            if self.capacity() < wanted {
                self.raw_mut().slide_to_front();
            }
            return Ok(());
        }
        let Some(site) = site else { return Err(NoRoom::NotInPlace) };
        let capacity = match reclaim {
            Reclaim::TooSmall { front, size } => {
                let needed = wanted.checked_add(front).ok_or_else(too_large)?;
                size.saturating_mul(2).max(needed).max(MIN_CAPACITY) - front
            }
            _ => wanted.max(original_capacity(self.raw().root_len().unwrap_or(0))),
        };
        let more = capacity - self.capacity();
        if self.raw_mut().extend_in_place(more) {
            return Ok(());
        }
        self.move_to(capacity, wanted, Label { site, tag: 0 }).map_err(NoRoom::NoMemory)
    }

    /// Bytes of the region before the start.
    fn front(&self) -> usize {
        self.raw().region().map_or(0, |region| region - self.capacity())
    }

    /// Slides back over bytes that were read, if that gives the room and there are at least as many of them as are moved,
    /// so that the cost stays amortised.
    fn slide(&mut self, additional: usize) -> bool {
        let front = self.front();
        let room = self.capacity() - self.len() + front;
        if front < self.len() || room < additional {
            return false;
        }
        self.raw_mut().slide_to_front();
        true
    }

    /// Room for exactly `capacity` bytes if that is more than there is: in place, by what was split off and dropped since, or elsewhere. For
    /// programs that are run again, where what was asked for is known no more, and what came of it is.
    ///
    /// # Errors
    ///
    /// If there is no memory. The buffer is as it was.
    #[cfg(feature = "tune")]
    #[track_caller]
    pub(crate) fn grow_to(&mut self, capacity: usize) -> Result<(), AllocError> {
        let more = capacity.saturating_sub(self.capacity());
        if more == 0 || self.raw_mut().extend_in_place(more) {
            return Ok(());
        }
        if self.raw().is_part() && matches!(self.raw_mut().reclaim_root(capacity), Reclaim::Taken) {
            if self.capacity() < capacity {
                self.raw_mut().slide_to_front();
            }
            return Ok(());
        }
        self.move_to(capacity, capacity, Label { site: Location::caller(), tag: 0 })
    }

    /// Moves the bytes to another place with room for `capacity`, or at least `wanted`.
    fn move_to(&mut self, capacity: usize, wanted: usize, label: Label) -> Result<(), AllocError> {
        let pool = self.raw().pool_id();
        let label = Label { tag: self.raw().tag(), ..label };
        let mut raw = match pool::alloc_in(pool, capacity, label) {
            Err(_) if wanted < capacity => pool::alloc_in(pool, wanted, label)?,
            result => result?,
        };
        if self.is_zeroed_on_drop() {
            raw.mark_secret();
        }
        raw.fill(self);
        settle(core::mem::replace(self.raw_mut(), raw).release());
        Ok(())
    }
}

/// What `bytes` remembers of the capacity a buffer was made with: a power of two from 1 to 64 KiB, or nothing.
fn original_capacity(root_len: usize) -> usize {
    let kib = (root_len >> 10).min(64);
    if kib == 0 { 0 } else { 1024 << kib.ilog2() }
}

#[cfg(test)]
mod tests {
    use super::original_capacity;

    #[test]
    fn what_is_remembered_of_the_original_capacity() {
        let pairs = [(0, 0), (1000, 0), (1024, 1024), (2047, 1024), (4096, 4096), (65_536, 65_536), (1 << 20, 65_536)];
        for (made_with, remembered) in pairs {
            assert_eq!(original_capacity(made_with), remembered, "made with {made_with}");
        }
    }
}
