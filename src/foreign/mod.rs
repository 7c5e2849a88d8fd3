//! Floor 6: what others made: their bytes listed in our reports, and copied out of the buffers that they pin.
//!
//! | file | part |
//! |---|---|
//! | `adopt` | `SlabPool::adopt` and `Foreign`: a foreign allocation as a slab of a report |
//! | `compact` | `compact_bytes` and `CompactBytes`: exact copies, in place |
//! | `heads` | the same for the heads of requests and responses (feature `http`) |
//! | `upgrade` | for what hyper read ahead (feature `hyper`) |
//! | `message` | for WebSocket messages (feature `tungstenite`) |

mod adopt;
mod compact;
#[cfg(feature = "http")]
mod heads;
#[cfg(feature = "tungstenite")]
mod message;
#[cfg(feature = "hyper")]
mod upgrade;

pub use adopt::Foreign;
pub use compact::{CompactBytes, Compacted, compact_bytes};
