//! Iterators out of buffers and into them.

use super::{SlabBytes, SlabBytesMut};
use bytes::BufMut;
use bytes::buf::IntoIter;

macro_rules! iterate {
    ($($ours:ty),+) => {$(
        impl IntoIterator for $ours {
            type Item = u8;
            type IntoIter = IntoIter<$ours>;

            fn into_iter(self) -> IntoIter<$ours> {
                IntoIter::new(self)
            }
        }

        impl<'a> IntoIterator for &'a $ours {
            type Item = &'a u8;
            type IntoIter = core::slice::Iter<'a, u8>;

            fn into_iter(self) -> core::slice::Iter<'a, u8> {
                self.iter()
            }
        }
    )+};
}

iterate!(SlabBytes, SlabBytesMut);

/// A detached slice: its length is not known before the end, so no slab could be cut to size.
impl FromIterator<u8> for SlabBytes {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> SlabBytes {
        SlabBytes::from_vec(Vec::from_iter(bytes))
    }
}

impl FromIterator<u8> for SlabBytesMut {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> SlabBytesMut {
        let mut buffer = SlabBytesMut::new();
        buffer.extend(bytes);
        buffer
    }
}

impl<'a> FromIterator<&'a u8> for SlabBytesMut {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = &'a u8>>(bytes: I) -> SlabBytesMut {
        SlabBytesMut::from_iter(bytes.into_iter().copied())
    }
}

/// Appends up to the iterator's first `None`.
impl Extend<u8> for SlabBytesMut {
    #[track_caller]
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        let bytes = bytes.into_iter();
        self.reserve(bytes.size_hint().0);
        for byte in bytes {
            self.put_u8(byte);
        }
    }
}

impl<'a> Extend<&'a u8> for SlabBytesMut {
    #[track_caller]
    fn extend<I: IntoIterator<Item = &'a u8>>(&mut self, bytes: I) {
        self.extend(bytes.into_iter().copied());
    }
}

/// Appends a copy of each piece. Once one is [`zero_on_drop`](SlabBytes::zero_on_drop), the buffer is.
impl Extend<SlabBytes> for SlabBytesMut {
    #[track_caller]
    fn extend<I: IntoIterator<Item = SlabBytes>>(&mut self, pieces: I) {
        for piece in pieces {
            self.inherit_secrecy(piece.is_zeroed_on_drop());
            self.extend_from_slice(&piece);
        }
    }
}

/// Appends a copy of each piece.
impl Extend<bytes::Bytes> for SlabBytesMut {
    #[track_caller]
    fn extend<I: IntoIterator<Item = bytes::Bytes>>(&mut self, pieces: I) {
        for piece in pieces {
            self.extend_from_slice(&piece);
        }
    }
}
