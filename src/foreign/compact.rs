//! Exact copies of what others made, in place.

use crate::buf::SlabBytes;
use bytes::Bytes;
use core::fmt;
use core::iter::Sum;
use core::ops::{Add, AddAssign};

/// The same bytes as an exact copy in an allocation of their own: it keeps nothing else alive.
///
/// A `Bytes` does not say what it pins, nor whether it is static, so each one that is not empty is copied; one without bytes
/// comes back as one that holds nothing.
///
/// ```
/// use bytes::Bytes;
///
/// let read = Bytes::from(vec![b'.'; 1 << 20]);
/// let key = bufslab::compact_bytes(&read.slice(..20));
/// drop(read); // a MiB goes
/// assert_eq!(key, [b'.'; 20][..]);
/// ```
#[must_use]
pub fn compact_bytes(bytes: &Bytes) -> Bytes {
    if bytes.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(bytes) }
}

/// What holds `Bytes` inside, which may keep much larger buffers alive than they show, and can be made to hold copies of
/// their own instead.
///
/// | feature | types |
/// |---|---|
/// | | `bytes::Bytes`, [`SlabBytes`] |
/// | `http` | `http`'s `HeaderMap`, `HeaderName`, `HeaderValue`, `Uri`, `Request` and `Response`, and the `Parts` of both |
/// | `hyper` | `hyper::upgrade::Parts`, and the reason phrase in a response's extensions |
/// | `tungstenite` | `tungstenite::Message`, `Utf8Bytes`, `CloseFrame` |
///
/// After the call the value equals what it was before. What is copied once is copied again by a second call, for nobody can
/// tell: call it where something is *kept*, once.
///
/// ```
/// use bufslab::CompactBytes;
/// use bytes::Bytes;
///
/// let mut packet = Bytes::from(vec![b'.'; 1 << 20]).slice(..20);
/// let compacted = packet.compact_in_place();
/// assert_eq!(compacted.to_string(), "copied 1 value of 20 bytes");
/// ```
pub trait CompactBytes {
    /// Copies every `Bytes` inside that could keep something else alive.
    fn compact_in_place(&mut self) -> Compacted;

    /// The same for a value that is on its way.
    #[must_use]
    fn into_compact(mut self) -> Self
    where
        Self: Sized,
    {
        self.compact_in_place();
        self
    }
}

/// What [`CompactBytes::compact_in_place`] did. Several add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Compacted {
    /// Values that were copied.
    pub values: usize,
    /// Their lengths, in bytes: what the copies take.
    pub bytes: usize,
    /// Values that stayed as they were because their own type would not take the copy, and may still keep a buffer alive:
    /// header values that were made `unchecked` and are not valid, and URIs that were put together longer than one may be
    /// that is parsed.
    pub left: usize,
}

impl Compacted {
    pub(super) fn one(len: usize) -> Compacted {
        Compacted { values: usize::from(len > 0), bytes: len, left: 0 }
    }

    #[cfg(feature = "http")]
    pub(super) fn left() -> Compacted {
        Compacted { left: 1, ..Compacted::default() }
    }

    /// Whether nothing was copied.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.values == 0
    }
}

impl Add for Compacted {
    type Output = Compacted;

    fn add(self, other: Compacted) -> Compacted {
        Compacted { values: self.values + other.values, bytes: self.bytes + other.bytes, left: self.left + other.left }
    }
}

impl AddAssign for Compacted {
    fn add_assign(&mut self, other: Compacted) {
        *self = *self + other;
    }
}

impl Sum for Compacted {
    fn sum<I: Iterator<Item = Compacted>>(all: I) -> Compacted {
        all.fold(Compacted::default(), Add::add)
    }
}

/// `copied 3 values of 61 bytes`, and `, left 1` if that is so.
impl fmt::Display for Compacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        match self.values {
            0 => f.write_str("copied nothing")?,
            n => write!(f, "copied {} of {}", count(n, "value"), count(self.bytes, "byte"))?,
        }
        if self.left > 0 { write!(f, ", left {}", self.left) } else { Ok(()) }
    }
}

impl CompactBytes for Bytes {
    fn compact_in_place(&mut self) -> Compacted {
        *self = compact_bytes(self);
        Compacted::one(self.len())
    }
}

/// As [`compact`](SlabBytes::compact): no copy if it is compact already.
impl CompactBytes for SlabBytes {
    fn compact_in_place(&mut self) -> Compacted {
        if self.is_compact() {
            return Compacted::default();
        }
        *self = core::mem::take(self).compact();
        Compacted::one(self.len())
    }
}
