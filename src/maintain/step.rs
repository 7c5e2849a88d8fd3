//! One step of maintenance.

use super::Trimmed;
use crate::compaction::Compaction;
use crate::pool::SlabPool;
use crate::sync::clock;
use core::fmt;
use core::time::Duration;
use std::time::Instant;

impl SlabPool {
    /// Does what is due: moves [`Parked`](crate::Parked) slices out of their slabs as the pool's
    /// [`compact_policy`](crate::SlabPoolBuilder::compact_policy) says, gives idle slabs back that nobody needed for an
    /// [interval](crate::SlabPoolBuilder::idle_decay), [enforces quotas](SlabPool::enforce_quotas) if there are any, and looks for room
    /// for those [who wait](SlabPool::serve_waiting).
    ///
    /// For a timer that the program has anyway; [`maintain_every`](SlabPool::maintain_every) has its own thread. A pool that is
    /// in use does the same in passing, so this is for the time when it is not. Calling it more often than the interval asks
    /// for costs a look at the clock, and gives nothing back any sooner.
    ///
    /// Copies at most `max_bytes` bytes of payload, and begins nothing new once `max_time`
    /// is over, but for the look at all slices that quotas take. What is left over then is for the next call.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = bufslab::SlabPool::builder().idle_decay(Duration::from_millis(20)).build()?;
    /// drop((0..12).map(|_| pool.alloc(64 * 1024)).collect::<Vec<_>>());
    /// while pool.stats().idle_bytes > 0 {
    ///     std::thread::sleep(Duration::from_millis(20));
    ///     println!("{}", pool.maintain(1 << 20, Duration::from_millis(5)));
    /// }
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    pub fn maintain(&self, max_bytes: usize, max_time: Duration) -> Maintained {
        let start = Instant::now();
        // First: what it empties is idle then.
        let compacted = self.compact_within(&self.compact_policy(), max_bytes, max_time);
        let (given, is_all) = self.core().depot().decay(clock::read(), |_| start.elapsed() < max_time);
        let over_quota = if self.has_quotas() { self.enforce_quotas().over } else { 0 };
        // Also whoever waits for a slab that is pinned and has room.
        self.serve_waiting();
        Maintained { compacted, given_back: given.into(), over_quota, out_of_time: !is_all }
    }
}

/// What a step of [maintenance](SlabPool::maintain) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Parked slices that were moved, and why others were not.
    pub compacted: Compaction,
    /// Idle slabs that nobody needed.
    pub given_back: Trimmed,
    /// Scopes that have more than their quota.
    pub over_quota: usize,
    /// Whether the time was over before all was done.
    pub out_of_time: bool,
}

impl fmt::Display for Maintained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.compacted.slices, self.given_back.slabs) {
            (0, 0) => f.write_str("nothing was due")?,
            (0, _) => self.given_back.fmt(f)?,
            (_, 0) => self.compacted.fmt(f)?,
            _ => write!(f, "{}; {}", self.given_back, self.compacted)?,
        }
        match self.over_quota {
            0 => {}
            1 => f.write_str("; 1 scope is over its quota")?,
            over => write!(f, "; {over} scopes are over their quota")?,
        }
        f.write_str(if self.out_of_time { ", and was out of time" } else { "" })
    }
}
