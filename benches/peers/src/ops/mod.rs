//! The operations, each written once for whoever can do it. A function makes what the operation needs, and returns who runs it.

mod alloc;
mod cross;
mod share;
mod threads;
mod window;

pub(crate) use alloc::{alloc, chain, request};
pub(crate) use cross::{cross, pointer};
pub(crate) use share::{clone, clone_elsewhere, clone_old, slice, split_to};
pub(crate) use threads::chain_on_two;
pub(crate) use window::{fifo, random};

use crate::machine::bytes;
