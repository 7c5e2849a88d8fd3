//! The end of a pool.

use super::StillPinned;
use crate::pool::SlabPool;
use core::time::Duration;
use std::time::Instant;

impl SlabPool {
    /// Closes the pool: hands out nothing more, gives idle memory back, and waits until no slice is left, for at most
    /// `timeout`.
    ///
    /// From now on [`try_alloc`](SlabPool::try_alloc) fails with an error that [says so](crate::AllocError::is_closed), on every
    /// thread (an allocation that runs at this very moment may still succeed), and so does every
    /// [`alloc_async`](SlabPool::alloc_async) that waits. Slices that exist stay what they are, and may
    /// be cloned, sliced and read. Closing again waits again. All idle slabs go back at once, those included that other threads
    /// have at hand. What stays are the two slabs at most that each allocating thread is attached to: they go back, if they
    /// are empty, when that thread ends or after the last clone of the pool was dropped.
    ///
    /// # Errors
    ///
    /// Who still holds slices when the time is over. The pool stays closed.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = bufslab::SlabPool::new();
    /// let mut read = pool.alloc(100);
    /// read.extend_from_slice(&[0; 100]);
    /// let kept = read.freeze().tag("cache.value");
    ///
    /// let still = pool.close(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(still.report().blame_of_tag("cache.value").unwrap().slices, 1);
    /// assert!(pool.try_alloc(1).unwrap_err().is_closed());
    ///
    /// drop(kept);
    /// assert!(pool.close(Duration::from_secs(1)).is_ok());
    /// ```
    pub fn close(&self, timeout: Duration) -> Result<(), StillPinned> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        let mut looks = 0;
        loop {
            self.core().close();
            looks = if self.stats().handles == 0 { looks + 1 } else { 0 };
            // Twice, with a pause between: a thread that was allocating when the pool was closed is done by then.
            if looks == 2 {
                return Ok(());
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() && looks == 0 {
                let report = self.report();
                if !report.is_empty() {
                    return Err(StillPinned::new(report));
                }
            }
            std::thread::sleep(pause.min(left.max(Duration::from_millis(1))));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}
