//! Floor 6: being told when a pool pins too much, off every hot path.
//!
//! | file | part |
//! |---|---|
//! | `rules` | what is too much, and when it is over: pure values, told the time |
//! | `event` | what is said |
//! | `thread` | the thread that looks |

mod event;
mod rules;
mod thread;

pub use event::{WatchEvent, WatchEventKind};
pub use rules::Condition;
pub use thread::{Watch, WatchBuilder};
