//! What a program asked of a pool, as a list of steps: [`AllocTrace`], and the file it is kept in.

mod check;
mod error;
mod expand;
mod read;
mod summary;
mod varint;
mod write;

#[cfg(test)]
mod tests;

pub use error::TraceError;
pub use summary::{LifetimeClass, Share, TraceSummary};

/// What a program asked of a pool, in order, without a byte of what it held: each allocation with its size, site, tag and
/// thread, what was cut from it, and when each handle was dropped.
///
/// Handles are numbered in the order in which steps make them ([`Op::Alloc`] and [`Op::Derive`]), from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllocTrace {
    /// The pool that was recorded.
    pub pool: TracedPool,
    /// Of how many allocations one was recorded: 1 is all.
    pub one_in: u32,
    /// Allocations of the pool while it was recorded, whether they are in the trace or not.
    pub allocations: u64,
    /// How long was recorded, in milliseconds.
    pub millis: u64,
    /// Whether recording ended because the trace was as large as it might be.
    pub is_cut_short: bool,
    /// Sites that steps name by their number in this list, as `file:line:column`. The first is empty: no site.
    pub sites: Vec<String>,
    /// Tags that steps name by their number in this list. The first is empty: no tag.
    pub tags: Vec<String>,
    /// Threads that steps name by a number below this.
    pub threads: u32,
    /// What happened, the earliest first.
    pub steps: Vec<Step>,
}

impl Default for AllocTrace {
    /// A trace of nothing.
    fn default() -> AllocTrace {
        let none = || vec![String::new()];
        AllocTrace {
            pool: TracedPool::default(),
            one_in: 1,
            allocations: 0,
            millis: 0,
            is_cut_short: false,
            sites: none(),
            tags: none(),
            threads: 0,
            steps: Vec::new(),
        }
    }
}

/// What a trace says of the pool it was recorded from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracedPool {
    /// Its name.
    pub name: String,
    /// Its slab size in bytes when recording began.
    pub slab_size: u64,
}

/// One step of an [`AllocTrace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds since recording began, by a clock that moves in steps of 10.
    pub millis: u64,
    /// Allocations of the pool before this step since recording began: more than the trace has if only some were recorded.
    pub position: u64,
    /// The thread that it happened on.
    pub thread: u32,
    /// What happened.
    pub op: Op,
}

/// What happened to a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// A buffer was cut from a slab, or got one of its own. Makes the next handle, which covers all of it.
    Alloc {
        /// Bytes that were asked for.
        len: u64,
        /// Number of the site.
        site: u32,
        /// Number of the tag.
        tag: u32,
    },
    /// A handle was cloned, sliced or split. Makes the next handle.
    Derive {
        /// The handle that it was made from.
        parent: u32,
        /// Where the new handle begins, in bytes from the start of the allocation.
        offset: u64,
        /// Bytes that the new handle covers.
        len: u64,
        /// Whether it is read-only.
        shared: bool,
        /// Number of the site.
        site: u32,
        /// Number of the tag.
        tag: u32,
    },
    /// A writable handle became a read-only one and gave back what was not filled.
    Freeze {
        /// The handle.
        handle: u32,
        /// Where it begins from now on, in bytes from the start of the allocation.
        offset: u64,
        /// Bytes that it covers from now on.
        len: u64,
    },
    /// A handle covers another range of its allocation from now on.
    Resize {
        /// The handle.
        handle: u32,
        /// Where it begins from now on, in bytes from the start of the allocation.
        offset: u64,
        /// Bytes that it covers from now on.
        len: u64,
    },
    /// A handle got another tag.
    Tag {
        /// The handle.
        handle: u32,
        /// Number of the tag.
        tag: u32,
    },
    /// The program said that it keeps this handle for long ([`retain`](crate::SlabBytes::retain)). If a copy was made of it then,
    /// the handle stands for the copy from now on, and its drop is that of the copy.
    Retain {
        /// The handle.
        handle: u32,
        /// Whether it was copied out of its slab.
        copied: bool,
    },
    /// A handle was dropped.
    Free {
        /// The handle.
        handle: u32,
    },
}
