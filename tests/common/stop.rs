//! Included by tests that start threads which run until they are told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Tells the threads to stop when it is dropped, so that a test which fails does not wait for them without end.
pub(crate) struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
