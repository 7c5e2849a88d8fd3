//! What hyper had read ahead when a connection was upgraded.

use super::compact::{CompactBytes, Compacted};
use hyper::upgrade::Parts;

/// The bytes that came behind the request's head, in the buffer that the head was read into. (This was the slice of Node's
/// TLS slabs that a session kept.) hyper's `Parts` of a connection, with and without an upgrade, all have such a `read_buf`:
/// where it is another type, call it on that field.
impl<T> CompactBytes for Parts<T> {
    fn compact_in_place(&mut self) -> Compacted {
        self.read_buf.compact_in_place()
    }
}
