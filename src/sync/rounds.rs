//! A thread that does something in rounds, until it is told to stop.

use super::{AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// A running thread. Dropping this stops it, and waits for its round to end.
pub(crate) struct Rounds {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicU64,
    rounds: AtomicU64,
    panics: AtomicU64,
}

impl Rounds {
    /// Starts a thread of this name that calls `round`, and again after each `every`, until that says `None`. Else it says how often
    /// something of the user's panicked.
    pub(crate) fn start(
        name: &str,
        every: Duration,
        mut round: impl FnMut() -> Option<u64> + Send + 'static,
    ) -> io::Result<Rounds> {
        let shared = Arc::<Shared>::default();
        let told = Arc::clone(&shared);
        let run = move || {
            // Acquire: pairs with the Release of whoever stops it.
            while told.stopped.load(Ordering::Acquire) == 0 {
                let Some(panics) = round() else { return };
                told.panics.fetch_add(panics, Ordering::Relaxed);
                told.rounds.fetch_add(1, Ordering::Relaxed);
                thread::park_timeout(every);
            }
        };
        // Names of threads may not hold a NUL.
        let thread = thread::Builder::new().name(name.replace('\0', " ")).spawn(run)?;
        Ok(Rounds { shared, thread: Some(thread) })
    }

    /// Rounds so far.
    pub(crate) fn count(&self) -> u64 {
        // Relaxed, here and below: figures for people.
        self.shared.rounds.load(Ordering::Relaxed)
    }

    pub(crate) fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// Whether there will be no more rounds.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `start`. Unparking comes after.
        self.shared.stopped.store(1, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Dropped from within its own round it ends by itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
