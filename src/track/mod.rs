//! Floor 3: the names that a program gives to what it holds.

mod scope;
mod site;
mod tag;
mod trace;

pub use scope::ScopeName;
pub use site::Site;
pub use tag::Tag;
pub use trace::{Frame, Trace, TraceId};
