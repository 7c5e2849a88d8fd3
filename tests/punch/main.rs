//! Dead pages go back to the system under live slices: on Linux, from memory that comes by the page.
#![allow(missing_docs)]
#![allow(clippy::single_range_in_vec_init, reason = "lists of slices, some of which have one")]
#![cfg(all(target_os = "linux", feature = "mmap", not(miri)))]

mod edges;
mod failing;
mod forty;
mod huge;
mod recycled;
mod reports;
#[path = "../common/stop.rs"]
mod stop;
mod stress;
mod support;
