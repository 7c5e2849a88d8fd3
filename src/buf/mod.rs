//! Floor 5: what a user holds.

mod bytes;
mod bytes_mut;
mod collect;
mod compare;
mod convert;
mod format;
mod grow;
mod letting_go;
mod range;
#[cfg(feature = "serde")]
mod serde_impl;

pub use bytes::SlabBytes;
pub use bytes_mut::SlabBytesMut;

use crate::raw::Idle;

/// Hands on the slab that a released handle may have emptied.
#[inline]
fn settle(emptied: Option<Idle>) {
    if let Some(idle) = emptied {
        crate::pool::recycle(idle);
    }
}
