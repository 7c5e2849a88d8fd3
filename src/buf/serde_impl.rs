//! Serde (feature `serde`): buffers travel as byte strings, and come back from byte strings, text or sequences of
//! numbers. A `SlabBytes` that arrives is detached, since nobody knows how long it will be held.

use super::{SlabBytes, SlabBytesMut};
use core::fmt;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// At most this much is allocated on the word of a sequence that has not delivered yet.
const TRUSTED_LEN: usize = 4096;

impl Serialize for SlabBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl Serialize for SlabBytesMut {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for SlabBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SlabBytes, D::Error> {
        deserializer
            .deserialize_byte_buf(BufferVisitor { from_slice: SlabBytes::copy_from_slice, from_vec: SlabBytes::from })
    }
}

impl<'de> Deserialize<'de> for SlabBytesMut {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SlabBytesMut, D::Error> {
        deserializer.deserialize_byte_buf(BufferVisitor {
            from_slice: |slice| SlabBytesMut::from(slice),
            from_vec: |vec| SlabBytesMut::from(&vec[..]),
        })
    }
}

/// Makes a `T` of whatever form the bytes arrive in.
struct BufferVisitor<T> {
    from_slice: fn(&[u8]) -> T,
    from_vec: fn(Vec<u8>) -> T,
}

impl<'de, T> Visitor<'de> for BufferVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("byte array")
    }

    fn visit_bytes<E: Error>(self, slice: &[u8]) -> Result<T, E> {
        Ok((self.from_slice)(slice))
    }

    fn visit_byte_buf<E: Error>(self, vec: Vec<u8>) -> Result<T, E> {
        Ok((self.from_vec)(vec))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.from_slice)(text.as_bytes()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<T, E> {
        Ok((self.from_vec)(text.into_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let mut bytes = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(TRUSTED_LEN));
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok((self.from_vec)(bytes))
    }
}
