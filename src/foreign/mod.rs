//! Floor 6: what others made: their bytes listed in our reports, and copied out of the buffers that they pin.
//!
//! | file | part |
//! |---|---|
//! | `adopt` | `SlabPool::adopt` and `Foreign`: a foreign allocation as a slab of a report |
//! | `compact` | `compact_bytes` and `CompactBytes`: exact copies in place |
//! | `http`, `hyper`, `tungstenite` | the same for what holds `Bytes` inside, one feature each |

mod adopt;

pub use adopt::Foreign;
