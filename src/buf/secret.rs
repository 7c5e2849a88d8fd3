//! Buffers whose bytes are overwritten when they go away.

use super::{SlabBytes, SlabBytesMut};

impl SlabBytesMut {
    /// Has the bytes overwritten with zeros when the last handle that covers them goes away: before that memory is handed to
    /// anybody again, and before it goes back to where it came from. Everything made from this buffer inherits it.
    ///
    /// The whole room of the buffer is overwritten, filled or not, and the old place as well when it grows elsewhere. A buffer
    /// without room remembers it until it has some. What is and what is not overwritten is listed in
    /// [`docs::secrecy`](crate::docs::secrecy).
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(4096).zero_on_drop();
    /// read.extend_from_slice(b"user=me&password=hunter2");
    /// let form = read.freeze();
    /// let password = form.slice(17..);
    /// assert!(form.is_zeroed_on_drop() && password.is_zeroed_on_drop());
    /// ```
    #[must_use]
    pub fn zero_on_drop(mut self) -> SlabBytesMut {
        self.raw_mut().mark_secret();
        self
    }

    /// Whether the bytes are overwritten when they go away; see [`zero_on_drop`](SlabBytesMut::zero_on_drop).
    #[must_use]
    #[inline]
    pub fn is_zeroed_on_drop(&self) -> bool {
        self.raw().is_secret()
    }

    /// Takes the mark over from another handle, whose bytes this one gets.
    pub(super) fn inherit_secrecy(&mut self, secret: bool) {
        if secret {
            self.raw_mut().mark_secret();
        }
    }
}

impl SlabBytes {
    /// Has the bytes overwritten with zeros when the last handle that covers them goes away: before that memory is handed to
    /// anybody again, and before it goes back to where it came from. Everything made from this slice inherits it, a
    /// [`compact`](SlabBytes::compact) copy too.
    ///
    /// Handles that exist already stay as they are. If one of them outlives the marked ones, the bytes are overwritten when
    /// their slab is next used or given back, and not before. So mark early: best the buffer that is read into,
    /// [`SlabBytesMut::zero_on_drop`].
    ///
    /// Nothing happens to static memory, to memory that somebody else counts (from `bytes::Bytes` or
    /// [`from_owner`](SlabBytes::from_owner)), and to no bytes. What is and what is not overwritten is listed in
    /// [`docs::secrecy`](crate::docs::secrecy).
    ///
    /// ```
    /// use bufslab::SlabBytes;
    ///
    /// let key = SlabBytes::copy_from_slice(&[7; 32]).zero_on_drop();
    /// assert!(key.is_zeroed_on_drop() && key.clone().is_zeroed_on_drop());
    /// assert!(!SlabBytes::from_static(b"no secret").zero_on_drop().is_zeroed_on_drop());
    /// ```
    #[must_use]
    pub fn zero_on_drop(mut self) -> SlabBytes {
        self.raw_mut().mark_secret();
        self
    }

    /// Whether the bytes are overwritten when they go away; see [`zero_on_drop`](SlabBytes::zero_on_drop).
    #[must_use]
    #[inline]
    pub fn is_zeroed_on_drop(&self) -> bool {
        self.raw().is_secret()
    }
}
