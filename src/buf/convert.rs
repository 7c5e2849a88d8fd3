//! Views as slices, and conversions from and to everything that holds bytes.
//!
//! Which conversions copy:
//!
//! | from | to | copies |
//! |---|---|---|
//! | `&'static [u8]`, `&'static str` | `SlabBytes` | no |
//! | `Vec<u8>`, `String`, `Box<[u8]>` | `SlabBytes` | no: a detached slice around the same memory |
//! | `bytes::Bytes` | `SlabBytes` | no |
//! | `SlabBytesMut` | `SlabBytes` | no: it is `freeze` |
//! | `&[u8]`, `&str` | `SlabBytesMut` | yes, into the global pool |
//! | `SlabBytes`, `bytes::Bytes` | `SlabBytesMut` | only if somebody else can still read those bytes |
//! | `SlabBytes`, `SlabBytesMut` | `Vec<u8>` | what lies in a slab, yes: a `Vec` must own its memory |

use super::{SlabBytes, SlabBytesMut};
use core::borrow::{Borrow, BorrowMut};

macro_rules! view_as_slice {
    ($ours:ty) => {
        impl AsRef<[u8]> for $ours {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self
            }
        }

        impl Borrow<[u8]> for $ours {
            #[inline]
            fn borrow(&self) -> &[u8] {
                self
            }
        }

        /// The empty buffer, which pins nothing.
        impl Default for $ours {
            #[inline]
            fn default() -> $ours {
                <$ours>::new()
            }
        }

        impl From<$ours> for Vec<u8> {
            fn from(buffer: $ours) -> Vec<u8> {
                buffer.into_vec()
            }
        }
    };
}

view_as_slice!(SlabBytes);
view_as_slice!(SlabBytesMut);

impl AsMut<[u8]> for SlabBytesMut {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl BorrowMut<[u8]> for SlabBytesMut {
    #[inline]
    fn borrow_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// Each line: `SlabBytes` from a type, by one expression.
macro_rules! slab_bytes_from {
    ($($other:ty: |$value:ident| $made:expr;)+) => {$(
        impl From<$other> for SlabBytes {
            #[track_caller]
            fn from($value: $other) -> SlabBytes {
                $made
            }
        }
    )+};
}

slab_bytes_from! {
    &'static [u8]: |slice| SlabBytes::from_static(slice);
    &'static str: |text| SlabBytes::from_static(text.as_bytes());
    Vec<u8>: |vec| SlabBytes::from_vec(vec);
    String: |text| SlabBytes::from_vec(text.into_bytes());
    Box<[u8]>: |boxed| SlabBytes::from_vec(boxed.into_vec());
    bytes::Bytes: |foreign| SlabBytes::from_foreign(foreign);
    SlabBytesMut: |buffer| buffer.freeze();
}

impl From<&[u8]> for SlabBytesMut {
    #[track_caller]
    fn from(slice: &[u8]) -> SlabBytesMut {
        let mut buffer = SlabBytesMut::with_capacity(slice.len());
        buffer.extend_from_slice(slice);
        buffer
    }
}

impl From<&str> for SlabBytesMut {
    #[track_caller]
    fn from(text: &str) -> SlabBytesMut {
        SlabBytesMut::from(text.as_bytes())
    }
}

/// Without a copy if this handle is the only one that can read its bytes, as [`SlabBytes::try_into_mut`] finds;
/// otherwise a copy in a buffer of the global pool.
impl From<SlabBytes> for SlabBytesMut {
    #[track_caller]
    fn from(bytes: SlabBytes) -> SlabBytesMut {
        match bytes.try_into_mut() {
            Ok(buffer) => buffer,
            Err(shared) => {
                let mut copy = SlabBytesMut::with_capacity(shared.len());
                copy.inherit_secrecy(shared.is_zeroed_on_drop());
                copy.extend_from_slice(&shared);
                copy
            }
        }
    }
}

/// As for `SlabBytes`: without a copy if `foreign` is the only handle on a vector, which the buffer then goes on with.
impl From<bytes::Bytes> for SlabBytesMut {
    #[track_caller]
    fn from(foreign: bytes::Bytes) -> SlabBytesMut {
        match foreign.try_into_mut() {
            Ok(alone) => SlabBytesMut::from(SlabBytes::from_vec(alone.into())),
            Err(shared) => SlabBytesMut::from(&shared[..]),
        }
    }
}
