//! Buffers as text, and text (or any bytes) into buffers.

use super::{SlabBytes, SlabBytesMut};
use bytes::BufMut;
use core::fmt::{self, Debug, Formatter, LowerHex, UpperHex, Write};
use std::io;

/// Writes the byte string literal for `bytes`: `b"GET / HTTP/1.1\r\n"`.
pub(crate) fn write_literal(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("b\"")?;
    for &byte in bytes {
        match byte {
            b'\0' => f.write_str("\\0")?,
            b'\t' => f.write_str("\\t")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            b' '..=b'~' => f.write_char(char::from(byte))?,
            _ => write!(f, "\\x{byte:02x}")?,
        }
    }
    f.write_char('"')
}

macro_rules! show_bytes {
    ($($ours:ty),+) => {$(
        /// The bytes as a byte string literal of the language.
        impl Debug for $ours {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                write_literal(self, f)
            }
        }

        /// Two digits for each byte, nothing between them.
        impl LowerHex for $ours {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        /// Two digits for each byte, nothing between them.
        impl UpperHex for $ours {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                self.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
            }
        }
    )+};
}

show_bytes!(SlabBytes, SlabBytesMut);

/// Appends the text, growing the buffer; an error only if the length would pass `isize::MAX`.
impl fmt::Write for SlabBytesMut {
    #[inline]
    #[track_caller]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.remaining_mut() {
            return Err(fmt::Error);
        }
        self.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Appends, growing the buffer; takes everything it is given unless the length would pass `isize::MAX`.
impl io::Write for SlabBytesMut {
    #[inline]
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.remaining_mut());
        self.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
