//! Floor 6: giving memory back that nobody needs: when told to, step by step, and on a thread of its own.
//!
//! | file | part |
//! |---|---|
//! | `trim` | all of it, now: [`SlabPool::trim`](crate::SlabPool::trim) |
//! | `step` | what is due, within limits: [`SlabPool::maintain`](crate::SlabPool::maintain) |
//! | `thread` | a step from time to time: [`SlabPool::maintain_every`](crate::SlabPool::maintain_every) |

mod step;
mod thread;
mod trim;

pub use step::Maintained;
pub use thread::Maintenance;
pub use trim::Trimmed;
