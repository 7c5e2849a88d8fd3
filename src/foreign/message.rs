//! WebSocket messages: their payload is a slice of what was read at once.

use super::compact::{CompactBytes, Compacted};
use bytes::Bytes;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::{Message, Utf8Bytes};

/// ```
/// use bufslab::CompactBytes;
/// use tungstenite::Message;
///
/// let read = bytes::Bytes::from(vec![b'.'; 1 << 20]); // many messages in one read
/// let mut kept = Message::Binary(read.slice(..20));
/// drop(read);
/// assert_eq!(kept.compact_in_place().bytes, 20); // a MiB goes
/// assert_eq!(kept.len(), 20);
/// ```
impl CompactBytes for Message {
    fn compact_in_place(&mut self) -> Compacted {
        match self {
            Message::Text(text) => text.compact_in_place(),
            Message::Binary(payload) | Message::Ping(payload) | Message::Pong(payload) => payload.compact_in_place(),
            Message::Close(Some(frame)) => frame.compact_in_place(),
            Message::Close(None) => Compacted::default(),
            Message::Frame(frame) => {
                let payload = Bytes::copy_from_slice(frame.payload());
                *frame = Frame::from_payload(frame.header().clone(), payload);
                Compacted::one(frame.payload().len())
            }
        }
    }
}

impl CompactBytes for Utf8Bytes {
    fn compact_in_place(&mut self) -> Compacted {
        *self = if self.is_empty() { Utf8Bytes::default() } else { Utf8Bytes::from(self.as_str()) };
        Compacted::one(self.len())
    }
}

impl CompactBytes for CloseFrame {
    fn compact_in_place(&mut self) -> Compacted {
        self.reason.compact_in_place()
    }
}
