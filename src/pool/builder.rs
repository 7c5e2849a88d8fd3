//! How a pool is told what to be.

use super::pressure::{Mark, Pressure};
use super::{Core, SlabPool};
use crate::compaction::CompactPolicy;
use crate::config::{Config, Environment, Key, Level, PoolConfig, Reuse, SetBy};
use crate::error::BuildError;
use crate::policy::{RetainPolicy, SuspectPolicy};
use crate::raw::{HeapSource, SlabSource};
use crate::slab_size::SlabSize;
use core::fmt;
use core::time::Duration;

/// Configures a [`SlabPool`]. Everything has a default.
///
/// ```
/// use bufslab::{Level, RetainPolicy, SlabPool};
///
/// let pool = SlabPool::builder()
///     .name("http")
///     .slab_size(128 * 1024)
///     .max_bytes(64 << 20)
///     .retain_policy(RetainPolicy::new(256, 8))
///     .tracking(Level::Sites)
///     .build()?;
/// assert_eq!(pool.slab_size(), 131_072);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct SlabPoolBuilder {
    config: Config,
    source: Box<dyn SlabSource>,
    marks: Vec<Mark>,
}

impl Default for SlabPoolBuilder {
    fn default() -> Self {
        SlabPoolBuilder { config: Config::default(), source: Box::new(HeapSource), marks: Vec::new() }
    }
}

impl SlabPoolBuilder {
    /// What reports call the pool. Default: `unnamed`.
    pub fn name(self, name: &str) -> Self {
        self.put(Key::Name, |config| config.name = name.to_owned())
    }

    /// Size of a slab in bytes, from 1 to 1 GiB, which need not be a multiple of anything, or [`Auto`](crate::Auto). Default: 64 KiB.
    pub fn slab_size(self, size: impl Into<SlabSize>) -> Self {
        self.put(Key::SlabSize, |config| config.set_slab_size(size.into()))
    }

    /// What becomes of a slab that some slice still pins. Default: [`Reuse::AroundThePin`].
    ///
    /// A thread that needs a slab, and finds no empty one, first looks at a few slabs that were left to their slices, and goes on
    /// in the one with the most room, if that is at least a third of it: new slices are cut from the holes between the live ones.
    /// Holes below 1/64 of the slab (at most 4 KiB) are left alone. Slabs of another size than
    /// [`slab_size`](SlabPool::slab_size) are not taken again, nor are those at [`Level::Off`], whose slices are not known.
    ///
    /// ```
    /// use bufslab::{Reuse, SlabPool};
    ///
    /// // Ten slabs full of reads; one byte of each is kept.
    /// let kept = |pool: &SlabPool| -> Vec<_> {
    ///     let read = |_| { let mut read = pool.alloc(4096); read.extend_from_slice(&[7; 4096]); read.freeze().slice(..1) };
    ///     (0..160).map(read).enumerate().filter(|(i, _)| i % 16 == 0).map(|(_, slice)| slice).collect()
    /// };
    /// let pool = SlabPool::builder().reuse(Reuse::WholeSlab).build()?;
    /// let slices = kept(&pool);
    /// assert_eq!(pool.stats().pinned_slabs, 10);
    ///
    /// let pool = SlabPool::new();
    /// let slices = kept(&pool);
    /// assert!(pool.stats().pinned_slabs <= 3);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    pub fn reuse(self, reuse: Reuse) -> Self {
        self.put(Key::Reuse, |config| config.reuse = reuse)
    }

    /// Hard limit on slab memory in bytes, idle slabs included. Default: none.
    ///
    /// A thread that runs into it takes the idle slabs that other threads have at hand. The two slabs that each allocating
    /// thread is attached to stay out of the others' reach, also while they are empty: allow for them.
    /// [`docs::limits`](crate::docs::limits) says what a pool does at its limit.
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.put(Key::MaxBytes, |config| config.max_bytes = Some(bytes))
    }

    /// Calls `f` when taking a slab brings the memory in use above `percent` of [`max_bytes`](SlabPoolBuilder::max_bytes), and
    /// before a request fails at the limit: to clear a cache, to shed load. What it lets go is there for the request, which is
    /// tried once more.
    ///
    /// It is called on the thread that allocates, while no lock of the pool is held, and may use the pool as it likes. It is never
    /// called again while it runs, by whatever thread: requests that fail meanwhile just fail. Above the mark it is not called for every
    /// slab, but again when the memory in use had fallen a tenth of `max_bytes` below the mark; at the limit, for each request that would fail,
    /// but not for 100 ms after a call that did not help. If it panics, that is counted
    /// ([`SlabPool::pressure_panics`]) and the request goes on. May be set more than once, as steps.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// let cache = Arc::new(Mutex::new(Vec::new()));
    /// let emptied = Arc::clone(&cache);
    /// let pool = bufslab::SlabPool::builder()
    ///     .slab_size(4096)
    ///     .max_bytes(16 * 4096)
    ///     .on_pressure(80, move |pressure| {
    ///         println!("{pressure}");
    ///         let old = std::mem::take(&mut *emptied.lock().unwrap());
    ///         drop(old); // not under the lock
    ///     })
    ///     .build()?;
    /// for _ in 0..100 {
    ///     let read = pool.alloc(4096); // would fail but for the callback
    ///     cache.lock().unwrap().push(read);
    /// }
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    pub fn on_pressure(mut self, percent: u8, f: impl Fn(&Pressure) + Send + Sync + 'static) -> Self {
        self.marks.push(Mark::new(percent, f));
        self
    }

    /// How much memory of empty slabs is kept for their next use at most, in bytes; more is given back to the source at once,
    /// and what nobody needs [after a while](SlabPoolBuilder::idle_decay). Default: 16 MiB.
    pub fn idle_bytes(self, bytes: usize) -> Self {
        self.put(Key::IdleBytes, |config| config.idle_bytes = bytes)
    }

    /// The interval after which idle slabs go back to the source if nobody needed them. Default: one second.
    ///
    /// What nobody took all through one interval goes back in the next, the coldest slabs first; what is taken and returned
    /// within an interval stays. So after a burst the pool is down to what its present load uses within two intervals, and
    /// at most `idle_bytes` are given back, and perhaps fetched again, in each. Longer than the usual time between two
    /// bursts, it keeps the memory from one to the next. Time is counted in steps of 10 ms.
    ///
    /// It happens in passing, when a thread of the pool changes or reuses slabs, and at most 1 MiB or one slab at a time;
    /// [`SlabPool::maintain_every`] does it also while nobody does. `Duration::ZERO` switches it off.
    /// [More on this](crate::docs::returning_memory).
    pub fn idle_decay(self, interval: Duration) -> Self {
        self.put(Key::IdleDecay, |config| config.idle_decay = interval)
    }

    /// How much memory headers and slots may use, in bytes. Past it handles are untracked, and reports say how many.
    /// Default: no limit.
    pub fn max_ledger_bytes(self, bytes: usize) -> Self {
        self.put(Key::MaxLedgerBytes, |config| config.ledger_bytes = Some(bytes))
    }

    /// Whether a slab is overwritten with zeros before it is used again. Default: no.
    ///
    /// Safe code cannot read what a slab held before in either case. What a writer gives back within one life of a slab (a
    /// buffer that is dropped unfrozen, the tail of one that is frozen) is handed out again as it was, and what goes back to the
    /// source too. [`zero_on_drop`](crate::SlabBytesMut::zero_on_drop) has no such gaps; see [`docs::secrecy`](crate::docs::secrecy).
    pub fn zero_on_recycle(self, zero: bool) -> Self {
        self.put(Key::ZeroOnRecycle, |config| config.zero_on_recycle = zero)
    }

    /// How much is known of each slice. Default: [`Level::Sites`].
    pub fn tracking(self, level: Level) -> Self {
        self.put(Key::Tracking, |config| config.level = level)
    }

    /// What [`SlabBytes::retain`](crate::SlabBytes::retain) asks. Default: [`RetainPolicy::default`].
    pub fn retain_policy(self, policy: RetainPolicy) -> Self {
        self.put(Key::RetainPolicy, |config| config.retain_policy = policy)
    }

    /// When [`SlabPool::maintain`] moves [`Parked`](crate::Parked) slices out of their slabs. Default: [`CompactPolicy::new`].
    pub fn compact_policy(self, policy: CompactPolicy) -> Self {
        self.put(Key::CompactPolicy, |config| config.compact_policy = policy)
    }

    /// Which slabs become suspects, whose slices leave the stack of whatever touches them. Looked for whenever a report is
    /// taken. Needs the feature `backtraces` to be of use. Default: none.
    pub fn suspects(self, policy: SuspectPolicy) -> Self {
        self.put(Key::Suspects, |config| config.suspects = Some(policy))
    }

    /// Where slab memory comes from. Default: [`HeapSource`].
    pub fn source(mut self, source: impl SlabSource) -> Self {
        self.source = Box::new(source);
        self
    }

    /// Takes over what a configuration file says; see [`PoolConfig`]. What it does not say stays as it is.
    ///
    /// A file counts for more than the program's own calls, and the environment for more than a file, in whatever order they come:
    /// see [`docs::configuration`](crate::docs::configuration).
    pub fn config(mut self, said: &PoolConfig) -> Self {
        self.config.take(said, |_| SetBy::File);
        self
    }

    /// Takes over what the environment says: the variables `PREFIX_BUFFER_SIZE`, `PREFIX_MAX_BYTES` and so on, as listed in
    /// [`docs::configuration`](crate::docs::configuration). A variable that is not there, or empty, changes nothing.
    ///
    /// They count for more than a file and than the program's own calls, whether those come before or after. Of two prefixes the later
    /// counts: first what all pools have in common, then what this one is told.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder()
    ///     .name("tls")
    ///     .slab_size(128 * 1024) // unless SLAB_BUFFER_SIZE or MYAPP_TLS_BUFFER_SIZE says otherwise
    ///     .env("SLAB")?
    ///     .env("MYAPP_TLS")?
    ///     .build()?;
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    ///
    /// A variable of the prefix that is none of a pool's, as `SLAB_BUFER_SIZE`, changes nothing and fails nothing: it may belong to
    /// somebody else. It is told in every report and by [`SlabPool::config_warnings`].
    ///
    /// # Errors
    ///
    /// Names the variable, its value and what is allowed: a size that is none or out of range, text that is not UTF-8. Or the prefix, if
    /// it is none: letters, digits and underscores.
    pub fn env(mut self, prefix: &str) -> Result<Self, BuildError> {
        let read = Environment::read(prefix, std::env::vars_os())?;
        self.config.take(&read.said, |key| read.set_by(key));
        self.config.warnings.extend(read.warnings);
        Ok(self)
    }

    /// Has every report of the pool say so.
    pub(super) fn warn(mut self, warning: String) -> Self {
        self.config.warnings.push(warning);
        self
    }

    fn put(mut self, key: Key, set: impl FnOnce(&mut Config)) -> Self {
        self.config.put(key, SetBy::Code, set);
        self
    }

    /// Makes the pool.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    pub fn build(self) -> Result<SlabPool, BuildError> {
        self.config.check()?;
        self.marks.iter().try_for_each(|mark| mark.check(self.config.max_bytes))?;
        Ok(SlabPool(Core::start(self.config, self.source, self.marks)))
    }
}

impl fmt::Debug for SlabPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SlabPoolBuilder").field(&self.config).finish()
    }
}
