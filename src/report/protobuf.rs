//! The part of protocol buffers' wire format that a profile needs: <https://protobuf.dev/programming-guides/encoding/>.

/// A message that is being written. What is 0 or empty is left out, as the default that it is.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;

impl Message {
    pub(super) fn uint(&mut self, field: u32, value: u64) -> &mut Self {
        if value != 0 {
            self.key(field, VARINT);
            varint(value, &mut self.0);
        }
        self
    }

    /// A figure that the format has as `int64`. What is past its range stays at its end.
    pub(super) fn int(&mut self, field: u32, value: usize) -> &mut Self {
        self.uint(field, int64(value))
    }

    pub(super) fn flag(&mut self, field: u32, value: bool) -> &mut Self {
        self.uint(field, u64::from(value))
    }

    /// A text, a nested message, or packed figures. Written even if it is empty, as an element of a list counts then.
    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) -> &mut Self {
        self.key(field, LENGTH_DELIMITED);
        varint(value.len() as u64, &mut self.0);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) -> &mut Self {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0)
    }

    pub(super) fn packed(&mut self, field: u32, values: impl IntoIterator<Item = u64>) -> &mut Self {
        let mut inner = Vec::new();
        values.into_iter().for_each(|value| varint(value, &mut inner));
        self.bytes(field, &inner)
    }

    /// Adds all fields of `other`.
    pub(super) fn append(&mut self, other: &Message) -> &mut Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        varint(u64::from(field << 3 | wire_type), &mut self.0);
    }
}

/// `value` as the format carries an `int64`.
pub(super) fn int64(value: usize) -> u64 {
    (value as u64).min(i64::MAX as u64)
}

/// Seven bits a byte, the low ones first; all but the last byte have the eighth bit set.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the page above.
    #[test]
    fn the_documented_examples() {
        let written = |write: &dyn Fn(&mut Message)| {
            let mut message = Message::default();
            write(&mut message);
            message.0
        };
        assert_eq!(written(&|m| _ = m.uint(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(written(&|m| _ = m.bytes(2, b"testing")), *b"\x12\x07testing");
        assert_eq!(written(&|m| _ = m.message(3, |m| _ = m.uint(1, 150))), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let packed = written(&|m| _ = m.packed(6, [3, 270, 86_942]));
        assert_eq!(packed, [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]);
        assert_eq!(written(&|m| _ = m.uint(1, u64::MAX)), [&[0x08][..], &[0xff; 9], &[0x01]].concat());
        assert!(written(&|m| _ = m.uint(1, 0)).is_empty());
        assert_eq!(written(&|m| _ = m.bytes(6, b"")), [0x32, 0x00]);
    }

    #[test]
    fn figures_past_an_int64_stay_at_its_end() {
        assert_eq!(int64(usize::MAX), i64::MAX as u64);
        assert_eq!(int64(7), 7);
    }
}
