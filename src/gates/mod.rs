//! Floor 6: places where nothing may be pinned any more: the end of a test, of a pool, of the process.
//!
//! | file | part |
//! |---|---|
//! | `pinned` | the answer when something is: [`StillPinned`] |
//! | `test` | [`assert_no_pins!`](crate::assert_no_pins) and [`PinGate`], for tests |
//! | `close` | [`SlabPool::close`](crate::SlabPool::close) |
//! | `exit` | [`SlabPool::report_at_exit`](crate::SlabPool::report_at_exit) |

mod close;
mod exit;
mod pinned;
mod test;

pub use exit::ExitReport;
pub use pinned::StillPinned;
pub use test::PinGate;
#[doc(hidden)]
pub use test::assert_no_pins;
