//! The thread that takes a step from time to time.

use crate::pool::SlabPool;
use crate::sync::{AtomicU64, Ordering, Rounds};
use core::fmt;
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What one round may copy, in bytes.
const ROUND_BYTES: usize = 16 << 20;
/// How long one round may take.
const ROUND_TIME: Duration = Duration::from_millis(100);

impl SlabPool {
    /// Calls [`maintain`](SlabPool::maintain) from time to time, on a thread of its own, so that idle memory goes back also
    /// while nobody uses the pool at all.
    ///
    /// As long as the guard lives, or until the pool is gone: the thread does not keep it. A round copies 16 MiB at most and
    /// takes about 100 ms at most. The source of the pool's memory is called on this thread; if it panics, that is
    /// [counted](Maintenance::panics) and the thread goes on.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = bufslab::SlabPool::new();
    /// let maintenance = pool.maintain_every(Duration::from_secs(1))?;
    /// // As long as `maintenance` lives.
    /// # drop(maintenance);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system starts no thread.
    pub fn maintain_every(&self, interval: Duration) -> io::Result<Maintenance> {
        let (pool, given_back) = (self.downgrade(), Arc::<AtomicU64>::default());
        let sum = Arc::clone(&given_back);
        let round = move || {
            let pool = pool.upgrade()?;
            // With the pool inside: if this is its last holder by now, its end calls the source as well.
            let done = catch_unwind(AssertUnwindSafe(|| {
                let done = pool.maintain(ROUND_BYTES, ROUND_TIME);
                drop(pool);
                done
            }));
            sum.fetch_add(done.as_ref().map_or(0, |done| done.given_back.bytes as u64), Ordering::Relaxed);
            Some(u64::from(done.is_err()))
        };
        let name = format!("bufslab maintenance {}", self.name());
        let rounds = Rounds::start(&name, interval.max(Duration::from_millis(1)), round)?;
        Ok(Maintenance { rounds, given_back })
    }
}

/// A thread that maintains a pool. Dropping it stops the thread and waits for its round to end; so does the end of the pool.
#[must_use = "the thread ends when this is dropped"]
pub struct Maintenance {
    rounds: Rounds,
    given_back: Arc<AtomicU64>,
}

impl Maintenance {
    /// Rounds so far.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.count()
    }

    /// Rounds that ended in a panic of the memory's source.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.rounds.panics()
    }

    /// Bytes of idle slabs that went back to the source in all rounds together.
    #[must_use]
    pub fn given_back_bytes(&self) -> u64 {
        // Relaxed: a figure for people.
        self.given_back.load(Ordering::Relaxed)
    }

    /// Whether it does nothing more, because the pool is gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.rounds.is_finished()
    }
}

impl fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maintenance")
            .field("rounds", &self.rounds())
            .field("panics", &self.panics())
            .finish_non_exhaustive()
    }
}
