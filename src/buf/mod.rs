//! Floor 5: what a user holds.

mod alloc;
mod alloc_async;
#[cfg(feature = "tokio")]
mod alloc_timeout;
mod bytes;
mod bytes_mut;
mod collect;
mod compare;
mod convert;
mod export;
mod format;
mod grow;
mod range;
mod secret;
#[cfg(feature = "serde")]
mod serde_impl;

pub use alloc_async::AllocAsync;
pub use bytes::SlabBytes;
pub(crate) use bytes::out_of_memory;
pub use bytes_mut::SlabBytesMut;
pub(crate) use format::write_literal;

use crate::raw::Idle;

/// Hands on the slab that a released handle may have emptied.
#[inline]
fn settle(emptied: Option<Idle>) {
    if let Some(idle) = emptied {
        crate::pool::recycle(idle);
    }
}
