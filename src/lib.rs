//! bufslab
#![deny(unsafe_code)]
mod buf;
mod config;
mod error;
mod policy;
mod pool;
mod report;
mod retain;
#[allow(unsafe_code, reason = "the only floor that may; see its front page")]
mod raw;
mod sync;
mod track;

pub use buf::{SlabBytes, SlabBytesMut};
pub use bytes::{Buf, BufMut};
pub use config::Level;
pub use error::{AllocError, BuildError};
pub use policy::{RetainDecision, RetainPolicy, RetainReason};
pub use pool::{PoolStats, SlabPool, SlabPoolBuilder};
pub use raw::{HeapSource, SliceKind, SlabSource};
pub use report::PinReport;
pub use track::Tag;

/// Docs
pub mod docs {
    /// d
    pub mod differences {}
}
