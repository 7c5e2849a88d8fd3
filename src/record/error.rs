//! Why nothing is recorded.

use super::RecordingState;
use core::fmt;

/// Why [`SlabPool::record`](crate::SlabPool::record) does not begin.
#[derive(Clone, Debug)]
pub struct RecordError {
    pool: String,
    under_way: Option<RecordingState>,
}

impl RecordError {
    pub(super) fn busy(pool: &str, state: RecordingState) -> RecordError {
        RecordError { pool: pool.to_owned(), under_way: Some(state) }
    }

    pub(super) fn untracked(pool: &str) -> RecordError {
        RecordError { pool: pool.to_owned(), under_way: None }
    }

    /// The recording that is under way, or has ended and was not taken; `None` if that is not the reason.
    #[must_use]
    pub fn under_way(&self) -> Option<RecordingState> {
        self.under_way
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot record the pool {:?}: ", self.pool)?;
        match &self.under_way {
            Some(state) if state.is_running => {
                write!(f, "a recording has been under way for {:.1} s", state.duration.as_secs_f64())
            }
            Some(_) => f.write_str("a recording has ended and was not taken: stop_recording takes it"),
            None => f.write_str("its tracking level is off, at which nothing is known of slices; counters is enough"),
        }
    }
}

impl core::error::Error for RecordError {}
