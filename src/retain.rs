//! Floor 6: what a slice pins, and how it lets go.

use crate::buf::{SlabBytes, SlabBytesMut, out_of_memory};
use crate::error::AllocError;
use crate::policy::RetainDecision;
use crate::track::Tag;

impl SlabBytes {
    /// Bytes of memory that this handle keeps alive: the size of its slab, or of its own allocation if it is detached.
    /// 0 for static memory and for no bytes.
    ///
    /// For memory that somebody else counts (from `Bytes` or [`from_owner`](SlabBytes::from_owner)) it is the length that
    /// was handed in, for more cannot be known.
    #[must_use]
    pub fn retained_size(&self) -> usize {
        self.raw().retained_size()
    }

    /// Whether it keeps nothing alive but its own bytes.
    #[must_use]
    pub fn is_compact(&self) -> bool {
        self.raw().is_compact()
    }

    /// Lets the slab go: the same bytes as an exact-size copy in an allocation of their own. No copy is made if it
    /// [`is_compact`](SlabBytes::is_compact) already.
    ///
    /// The copy never lands in a slab that others share. (Node's fix of 2013 copied the head of an upgrade request into
    /// its pool for small buffers, and pinned that instead.)
    ///
    /// If there is no memory this ends the program as `Vec` does; [`try_compact`](SlabBytes::try_compact) returns it as an
    /// error.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(8192);
    /// read.extend_from_slice(b"a head that somebody keeps");
    /// let head = read.freeze().compact();
    /// assert_eq!((head.retained_size(), pool.stats().pinned_bytes), (26, 0));
    /// ```
    #[must_use]
    pub fn compact(self) -> SlabBytes {
        let len = self.len();
        self.try_compact().unwrap_or_else(|_| out_of_memory(len))
    }

    /// As [`compact`](SlabBytes::compact).
    ///
    /// # Errors
    ///
    /// The slice as it was, with the reason, if there is no memory for the copy.
    pub fn try_compact(self) -> Result<SlabBytes, (AllocError, SlabBytes)> {
        if self.is_compact() {
            return Ok(self);
        }
        match self.raw().detached() {
            Some(raw) => Ok(SlabBytes::from_raw(raw)),
            None => Err((AllocError::source(self.len(), self.len()), self)),
        }
    }

    /// What the pool's [`RetainPolicy`](crate::RetainPolicy) says of keeping this slice, and why.
    #[must_use]
    pub fn retain_decision(&self) -> RetainDecision {
        self.raw().policy().decide(self.len(), self.retained_size())
    }

    /// "I will keep this for long": compacts if the pool's [`RetainPolicy`](crate::RetainPolicy) says so.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(60_000);
    /// read.extend_from_slice(&[7; 60_000]);
    /// let body = read.freeze();
    /// let head = body.slice(..20).retain();
    /// let body = body.retain();
    /// assert!(head.is_compact(), "20 bytes are not worth 64 KiB");
    /// assert!(!body.is_compact(), "60,000 bytes are");
    /// ```
    #[must_use]
    pub fn retain(mut self) -> SlabBytes {
        if self.is_compact() || !self.retain_decision().is_copy() {
            self.raw().log_kept();
            return self;
        }
        let copy = self.raw_mut().detached_to_keep();
        copy.map_or_else(|| out_of_memory(self.len()), SlabBytes::from_raw)
    }

    /// As [`tag`](SlabBytes::tag) and then [`retain`](SlabBytes::retain): if the slice stays in its slab, reports call it
    /// by this name.
    #[must_use]
    pub fn retain_as(self, tag: impl Into<Tag>) -> SlabBytes {
        self.tag(tag).retain()
    }
}

impl SlabBytesMut {
    /// Bytes of memory that this handle keeps alive: the size of its slab. 0 without capacity.
    #[must_use]
    pub fn retained_size(&self) -> usize {
        self.raw().retained_size()
    }
}
