//! Floor 4: who owns slabs, hands out buffers and answers questions about both.

mod adapt;
mod around;
mod builder;
mod core;
mod depot;
mod holders;
mod local;
mod magazine;
mod pressure;
mod punch;
mod quota;
mod registry;
mod scope;
mod settings;
mod stack;
mod waiters;

use crate::compaction::CompactPolicy;
use crate::config::Level;
use crate::error::{AllocError, BuildError};
use crate::policy::RetainPolicy;
use crate::raw::{self, Label, Unique};
use crate::slab_size::SlabSize;
use ::core::fmt;
pub use builder::SlabPoolBuilder;
pub(crate) use core::{Core, recycle};
pub(crate) use depot::Given;
pub use pressure::Pressure;
pub use quota::{OverQuota, Quota, QuotaAction, QuotaOutcome};
pub(crate) use registry::alloc_in;
pub use scope::{InScope, Scoped};
use std::sync::{Arc, OnceLock, Weak};
#[cfg(feature = "tune")]
pub(crate) use twin::*;
pub(crate) use waiters::Ticket;

/// What the simulation has in common with a pool.
#[cfg(feature = "tune")]
mod twin {
    pub(crate) use super::around::{FREE_PART, UNSEARCHED, UNSEARCHED_PART};
    pub(crate) use super::depot::{IN_PASSING, ticks};
    pub(crate) use super::magazine::MAGAZINE;
    pub(crate) use super::stack::Stack;
}

/// A pool of slabs: hands out buffers, and knows who keeps each slab alive. A cheap clone of one `Arc`.
///
/// Each thread that allocates cuts from a slab of its own, and from the one before while that is still in use. Slices may
/// be sent to and dropped on any thread, and may outlive the pool.
///
/// ```
/// use bufslab::{BufMut, SlabPool};
///
/// let pool = SlabPool::builder().slab_size(64 * 1024).build()?;
/// let mut buffer = pool.alloc(4096);
/// buffer.put_slice(b"GET / HTTP/1.1\r\n");
/// let request = buffer.freeze();
/// let path = request.slice(4..5);
/// drop(request);
/// assert_eq!(path, "/");
/// assert_eq!(path.retained_size(), 64 * 1024, "one byte keeps the whole slab");
/// assert_eq!(pool.stats().pinned_bytes, 64 * 1024);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone)]
pub struct SlabPool(Arc<Core>);

impl SlabPool {
    /// A pool with the default configuration: slabs of 64 KiB from the heap, every slice tracked, no limit.
    #[must_use]
    pub fn new() -> SlabPool {
        SlabPoolBuilder::default().build().expect("the default configuration is valid")
    }

    /// Starts from the default configuration.
    pub fn builder() -> SlabPoolBuilder {
        SlabPoolBuilder::default()
    }

    /// The default pool, which everything uses that is not told another one. Made at its first use, from the environment
    /// as [`SlabPool::from_env`] reads it; a variable that cannot be used is reported on standard error and ignored.
    #[must_use]
    pub fn global() -> &'static SlabPool {
        static GLOBAL: OnceLock<SlabPool> = OnceLock::new();
        GLOBAL.get_or_init(|| {
            let named = || SlabPool::builder().name("global");
            let from_env = named().env("SLAB").and_then(SlabPoolBuilder::build);
            let pool = from_env.unwrap_or_else(|error| {
                let warning = format!("{error}; the global pool uses the defaults");
                named().warn(warning).build().expect("the default configuration is valid")
            });
            pool.config_warnings().iter().for_each(|warning| eprintln!("bufslab: {warning}"));
            pool
        })
    }

    /// A pool configured by the environment:
    ///
    /// | variable | meaning | example |
    /// |---|---|---|
    /// | `SLAB_BUFFER_SIZE` | [`slab_size`](SlabPoolBuilder::slab_size) | `100KiB`, `auto`, `auto:16KiB..1MiB` |
    /// | `SLAB_MAX_BYTES` | [`max_bytes`](SlabPoolBuilder::max_bytes) | `2GiB` |
    /// | `SLAB_IDLE_BYTES` | [`idle_bytes`](SlabPoolBuilder::idle_bytes) | `64MiB` |
    /// | `SLAB_TRACKING` | [`tracking`](SlabPoolBuilder::tracking) | `off`, `counters`, `sites`, `backtraces/100` |
    ///
    /// and the rest, which [`docs::configuration`](crate::docs::configuration) lists. [`SlabPoolBuilder::env`] does the same on top of
    /// what a program and a file say, and under another prefix than `SLAB`.
    ///
    /// # Errors
    ///
    /// Names the variable, its value and what is allowed.
    pub fn from_env() -> Result<SlabPool, BuildError> {
        SlabPool::builder().env("SLAB")?.build()
    }

    pub(crate) fn alloc_raw(&self, n: usize, label: Label) -> Result<Unique, AllocError> {
        match raw::alloc_current(self.0.id, n, self.0.slab_size(), label) {
            Some(raw) => Ok(raw),
            None => self.alloc_slow(n, label),
        }
    }

    /// The same, if the current slab has no room as it is.
    pub(crate) fn alloc_slow(&self, n: usize, label: Label) -> Result<Unique, AllocError> {
        self.0.alloc_slow(n, label)
    }

    /// Size of the slabs taken from now on, in bytes.
    #[must_use]
    pub fn slab_size(&self) -> usize {
        self.0.slab_size()
    }

    /// How the pool comes by the size of its slabs: it was told, or finds it between two bounds.
    ///
    /// ```
    /// use bufslab::{Auto, SlabPool, SlabSize};
    ///
    /// let pool = SlabPool::builder().slab_size(Auto.between(16 << 10, 256 << 10)).build()?;
    /// assert_eq!(pool.slab_sizing(), SlabSize::Auto { min: 16 << 10, max: 256 << 10 });
    /// pool.set_slab_size(100_000)?; // from now on it is this and stays this
    /// assert_eq!(pool.slab_sizing(), SlabSize::Fixed(100_000));
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[must_use]
    pub fn slab_sizing(&self) -> SlabSize {
        self.0.sizing()
    }

    /// Changes the size of the slabs taken from now on; those in use stay as they are. A number ends [`Auto`](crate::Auto), and
    /// `Auto` begins it: see [`docs::adaptive`](crate::docs::adaptive).
    ///
    /// # Errors
    ///
    /// If the size is 0, above 1 GiB, or above the pool's `max_bytes`; of `Auto`, if the lower bound is. It says which.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().max_bytes(1 << 20).build()?;
    /// let error = pool.set_slab_size(2 << 20).unwrap_err();
    /// assert_eq!(error.to_string(), "slab_size is 2MiB: it must be from 1 B to 1 MiB, the pool's max_bytes");
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    pub fn set_slab_size(&self, size: impl Into<SlabSize>) -> Result<(), BuildError> {
        self.0.set_slab_size(size.into())
    }

    /// How much is known of the slices of slabs taken from now on.
    #[must_use]
    pub fn tracking(&self) -> Level {
        self.0.level()
    }

    /// Changes how much is known of the slices of slabs taken from now on; a slab in use keeps its level until it is
    /// empty.
    pub fn set_tracking(&self, level: Level) {
        self.0.set_level(level);
    }

    /// What [`SlabBytes::retain`](crate::SlabBytes::retain) asks.
    #[must_use]
    pub fn retain_policy(&self) -> RetainPolicy {
        self.0.config.retain_policy
    }

    /// When [`maintain`](SlabPool::maintain) moves [`Parked`](crate::Parked) slices.
    #[must_use]
    pub fn compact_policy(&self) -> CompactPolicy {
        self.0.config.compact_policy
    }

    /// The name reports call it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// Sums over all slabs, without a look at single slices. Stops nobody.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.stats()
    }

    #[inline]
    pub(crate) fn id(&self) -> usize {
        self.0.id
    }

    /// Every pool of the process, the oldest first.
    #[must_use]
    pub fn all() -> Vec<SlabPool> {
        registry::all().into_iter().map(SlabPool).collect()
    }

    pub(crate) fn downgrade(&self) -> WeakPool {
        WeakPool(Arc::downgrade(&self.0))
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0
    }
}

/// A pool, if it is there still.
pub(crate) struct WeakPool(Weak<Core>);

impl WeakPool {
    pub(crate) fn upgrade(&self) -> Option<SlabPool> {
        self.0.upgrade().map(SlabPool)
    }
}

impl Default for SlabPool {
    fn default() -> Self {
        SlabPool::new()
    }
}

impl fmt::Debug for SlabPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlabPool").field("name", &self.name()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cold]
#[track_caller]
pub(crate) fn no_memory(error: &AllocError) -> ! {
    panic!("{error}")
}

/// What [`SlabPool::stats`] counts. All sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Size of the slabs taken from now on.
    pub slab_size: usize,
    /// The limit on `memory_bytes`, if there is one.
    pub max_bytes: Option<usize>,
    /// Memory taken from the source and not given back: pinned, idle, and attached slabs.
    pub memory_bytes: usize,
    /// Sizes of the slabs that some slice keeps alive.
    pub pinned_bytes: usize,
    /// Those of `pinned_bytes` that are somebody else's memory, [adopted](SlabPool::adopt) to be listed here. They are no
    /// part of `memory_bytes`.
    pub foreign_bytes: usize,
    /// How many slabs those are.
    pub pinned_slabs: usize,
    /// Live handles on slabs.
    pub handles: u64,
    /// Memory of empty slabs that are kept for their next use.
    pub idle_bytes: usize,
    /// Memory of headers and slots: what the diagnostics themselves use.
    pub ledger_bytes: usize,
    /// Slabs that were made from fresh memory.
    pub slabs_taken: u64,
    /// Times an idle slab was taken again.
    pub slabs_reused: u64,
    /// Times a drained slab was reused by its owner where it was, its memory still hot in the cache.
    pub slabs_reused_in_place: u64,
    /// Times a slab that some slice pinned was cut from again, around its pins.
    pub slabs_reused_around: u64,
    /// Times a slab came back empty after its owner had left it to its slices.
    pub slabs_recycled: u64,
    /// Times the pool moved its slab size by itself; see [`Auto`](crate::Auto).
    pub slab_size_moves: u64,
}
