//! What the tests of `bytes` see as the crate `bytes`: all of the real one, but for the two buffer types.

pub use real_bytes::*;

pub use bufslab::{SlabBytes as Bytes, SlabBytesMut as BytesMut};
