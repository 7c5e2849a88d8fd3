//! Floor 3: the names that a program gives to what it holds.

mod tag;

pub use tag::Tag;
