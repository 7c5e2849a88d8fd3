//! The thread that takes a step from time to time.

use crate::pool::{SlabPool, WeakPool};
use crate::sync::{AtomicU64, Ordering};
use core::fmt;
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

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
        let shared = Arc::<Shared>::default();
        let every = interval.max(Duration::from_millis(1));
        // Names of threads may not hold a NUL.
        let name = format!("bufslab maintenance {}", self.name()).replace('\0', " ");
        let (pool, told) = (self.downgrade(), Arc::clone(&shared));
        let thread = thread::Builder::new().name(name).spawn(move || run(&pool, &told, every))?;
        Ok(Maintenance { shared, thread: Some(thread) })
    }
}

#[derive(Default)]
struct Shared {
    stopped: AtomicU64,
    rounds: AtomicU64,
    panics: AtomicU64,
    given_back: AtomicU64,
}

fn run(pool: &WeakPool, shared: &Shared, every: Duration) {
    // Acquire: pairs with the Release of whoever stops it.
    while shared.stopped.load(Ordering::Acquire) == 0 {
        let Some(pool) = pool.upgrade() else { return };
        // With the pool inside: if this is its last holder by now, its end calls the source as well.
        let round = catch_unwind(AssertUnwindSafe(|| {
            let done = pool.maintain(ROUND_BYTES, ROUND_TIME);
            drop(pool);
            done
        }));
        match round {
            Ok(done) => shared.given_back.fetch_add(done.given_back.bytes as u64, Ordering::Relaxed),
            Err(_) => shared.panics.fetch_add(1, Ordering::Relaxed),
        };
        shared.rounds.fetch_add(1, Ordering::Relaxed);
        thread::park_timeout(every);
    }
}

/// A thread that maintains a pool. Dropping it stops the thread and waits for its round to end; so does the end of the pool.
#[must_use = "the thread ends when this is dropped"]
pub struct Maintenance {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Maintenance {
    /// Rounds so far.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        // Relaxed, here and below: figures for people.
        self.shared.rounds.load(Ordering::Relaxed)
    }

    /// Rounds that ended in a panic of the memory's source.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// Bytes of idle slabs that went back to the source in all rounds together.
    #[must_use]
    pub fn given_back_bytes(&self) -> u64 {
        self.shared.given_back.load(Ordering::Relaxed)
    }

    /// Whether it does nothing more, because the pool is gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `run`. Unparking comes after.
        self.shared.stopped.store(1, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Dropped by the memory's source, on that very thread, it ends by itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
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
