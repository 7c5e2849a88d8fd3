//! Floor 6: recording what a program asks of a pool: [`SlabPool::record`].

mod error;
mod options;
mod pairing;

use crate::pool::{SlabPool, WeakPool};
use crate::raw::LogState;
use crate::trace::AllocTrace;
use core::fmt;
use core::time::Duration;
pub use error::RecordError;
pub use options::RecordOptions;

impl SlabPool {
    /// Begins to record what the program asks of this pool: an [`AllocTrace`], which has sizes, sites, tags, threads and lifetimes
    /// and not a byte of what the buffers hold. One recording of a pool can be under way at a time.
    ///
    /// ```
    /// use bufslab::{BufMut, RecordOptions, SlabPool};
    ///
    /// let pool = SlabPool::new();
    /// let recording = pool.record(RecordOptions::new())?;
    /// let mut read = pool.alloc(4096);
    /// read.put_slice(b"GET / HTTP/1.1\r\n");
    /// let request = read.freeze();
    /// let path = request.slice(4..5);
    /// drop(request);
    /// drop(path);
    /// let trace = recording.stop();
    /// assert_eq!((trace.allocations, trace.steps.len()), (1, 5), "alloc, freeze, slice and two drops");
    /// # Ok::<(), bufslab::RecordError>(())
    /// ```
    ///
    /// # What is in the trace
    ///
    /// All allocations that begin when it is known that recording has begun, on any thread: from this pool's slabs, larger than a
    /// slab, and by [`alloc_async`](SlabPool::alloc_async); or [one in so many](RecordOptions::one_in) of them. And all that happens
    /// to handles made of them, until [`stop`](Recording::stop): of an allocation all is in the trace, or nothing. What was allocated
    /// before is not. A writable handle covers its whole room, so that filling, truncating or advancing it is no step; nor is
    /// making a read-only handle writable again.
    ///
    /// A slice that is [parked](crate::SlabBytes::park) is one that is kept ([`Op::Retain`](crate::trace::Op::Retain)), and stays in
    /// its slab as far as the trace says, though it may be moved. A copy that `retain` made has its drop in the trace, and not what
    /// is made from it. Slices that got no slot (see [`max_ledger_bytes`](crate::SlabPoolBuilder::max_ledger_bytes)) are not in it, and sites
    /// only where the [level](SlabPool::tracking) knows them. The trace's clock is read at each step, in steps of 10 ms.
    ///
    /// # What it costs
    ///
    /// Nothing while nothing is recorded: not an instruction on the paths that need no read-modify-write. While something is, each
    /// allocation of the pool takes the longer path through its thread's state and one count that all threads share, whether its
    /// turn has come or not; and each step of what is recorded reads the clock and takes one lock of the pool for the time of
    /// writing 64 bytes. Handles that were recorded keep to the longer path until they are dropped. So a full recording makes threads wait
    /// for each other; [`one_in`](RecordOptions::one_in) 100 is for production.
    ///
    /// `cargo bench --bench record` measures an allocation of 1,500 bytes, a freeze, a slice and two drops on one thread; on a virtual
    /// machine with two cores they took 13 ns while nothing was recorded, 294 ns recorded in full, 82 ns with one in 10 and 56 ns with
    /// one in 100.
    ///
    /// Recording begins with each thread's leaving the slabs that it cuts from at its next allocation, as if they were full.
    ///
    /// # Errors
    ///
    /// If one is under way, or has ended by itself and was not taken; and if the pool is at [`Level::Off`](crate::Level::Off), which
    /// knows nothing of slices.
    pub fn record(&self, options: RecordOptions) -> Result<Recording, RecordError> {
        if self.tracking() == crate::config::Level::Off {
            return Err(RecordError::untracked(self.name()));
        }
        let begun = self.core().ledger().begin_log(options.limits(self.slab_size()));
        let begun = begun.map_err(|state| RecordError::busy(self.name(), RecordingState::of(state)))?;
        Ok(Recording { pool: self.downgrade(), number: begun.number, ends: true })
    }

    /// The recording of this pool that is under way, or has ended and was not taken yet.
    #[must_use]
    pub fn recording(&self) -> Option<RecordingState> {
        self.core().ledger().log_state().map(RecordingState::of)
    }

    /// Ends the recording of this pool, whoever began it, and returns what was recorded. `None` if there is none.
    ///
    /// ```
    /// use bufslab::{RecordOptions, SlabPool};
    ///
    /// let pool = SlabPool::new();
    /// pool.record(RecordOptions::new().one_in(100))?.leave_running();
    /// // ... and somewhere else:
    /// assert!(pool.stop_recording().is_some_and(|trace| trace.one_in == 100));
    /// assert!(pool.stop_recording().is_none());
    /// # Ok::<(), bufslab::RecordError>(())
    /// ```
    #[must_use = "it is the only copy"]
    pub fn stop_recording(&self) -> Option<AllocTrace> {
        take(self, None)
    }

    /// Ends the recording of this pool, whoever began it. What was recorded stays, and its memory is taken, until
    /// [`stop_recording`](SlabPool::stop_recording).
    pub fn end_recording(&self) -> Option<RecordingState> {
        self.core().ledger().end_log(None).map(RecordingState::of)
    }
}

fn take(pool: &SlabPool, number: Option<u64>) -> Option<AllocTrace> {
    let logged = pool.core().ledger().take_log(number)?;
    Some(pairing::trace(logged, pool.name()))
}

/// A recording that is under way: made by [`SlabPool::record`]. Dropping it ends it, and what was recorded is gone.
#[must_use = "recording ends when this is dropped"]
pub struct Recording {
    pool: WeakPool,
    number: u64,
    /// When this value is dropped.
    ends: bool,
}

impl Recording {
    /// Ends it and returns what was recorded: nothing, if [`stop_recording`](SlabPool::stop_recording) took it before, or if the pool
    /// is gone. A pool lives as long as one of its clones, and not for its slices.
    #[must_use = "it is the only copy"]
    pub fn stop(self) -> AllocTrace {
        let trace = self.pool.upgrade().and_then(|pool| take(&pool, Some(self.number)));
        trace.unwrap_or_default()
    }

    /// How it stands; `None` if it was taken or the pool is gone.
    #[must_use]
    pub fn state(&self) -> Option<RecordingState> {
        let state = self.pool.upgrade()?.core().ledger().log_state()?;
        (state.number == self.number).then(|| RecordingState::of(state))
    }

    /// Whether it has ended because it was as large as it might be.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state().is_some_and(|state| state.is_cut_short)
    }

    /// Lets it run on without this value, until [`SlabPool::stop_recording`].
    pub fn leave_running(mut self) {
        self.ends = false;
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade().filter(|_| self.ends) {
            drop(pool.core().ledger().take_log(Some(self.number)));
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("state", &self.state()).finish()
    }
}

/// How a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingState {
    /// Whether it goes on; otherwise it has ended and was not taken yet.
    pub is_running: bool,
    /// Whether it has ended because it was as large as it might be.
    pub is_cut_short: bool,
    /// Of how many allocations one is recorded.
    pub one_in: u32,
    /// Bytes of memory that it may take.
    pub max_bytes: usize,
    /// Bytes of memory that it takes.
    pub bytes: usize,
    /// Steps that were recorded.
    pub steps: usize,
    /// Allocations of the pool, recorded or not, since it began.
    pub allocations: u64,
    /// For how long it has been recording, or had.
    pub duration: Duration,
}

impl RecordingState {
    fn of(state: LogState) -> RecordingState {
        RecordingState {
            is_running: state.is_open,
            is_cut_short: state.is_cut_short,
            one_in: state.limits.one_in,
            max_bytes: state.limits.max_bytes,
            bytes: state.bytes,
            steps: state.events,
            allocations: state.allocations,
            duration: state.duration,
        }
    }
}

impl fmt::Display for RecordingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.is_running, self.is_cut_short) {
            (true, _) => "recording",
            (false, true) => "recorded, and cut short",
            (false, false) => "recorded",
        };
        write!(f, "{how} for {:.1} s, ", self.duration.as_secs_f64())?;
        match self.one_in {
            1 => f.write_str("every allocation")?,
            n => write!(f, "one allocation in {n}")?,
        }
        write!(f, ": {} steps, {} of {} bytes", self.steps, self.bytes, self.max_bytes)
    }
}
