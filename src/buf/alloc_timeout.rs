//! Waiting for memory for so long and no longer, by tokio's clock.

use super::SlabBytesMut;
use crate::error::AllocError;
use crate::pool::SlabPool;
use core::future::Future;
use core::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often whoever is the first in line looks for room in slabs that are pinned.
const LOOK: Duration = Duration::from_millis(20);

impl SlabPool {
    /// As [`alloc_async`](SlabPool::alloc_async), but waits for at most this long. While it is the first of those who wait it also
    /// looks for room in [pinned slabs](SlabPool::serve_waiting), 50 times a second.
    ///
    /// # Errors
    ///
    /// As `alloc_async`, and when the time is over the error of [`try_alloc`](SlabPool::try_alloc), which says who holds the memory.
    ///
    /// # Panics
    ///
    /// When it has to wait outside of a tokio runtime with a timer.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    /// # runtime.block_on(async {
    /// use std::time::Duration;
    ///
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).max_bytes(4096).build()?;
    /// let mut all = pool.alloc(4096);
    /// all.extend_from_slice(&[0; 4096]);
    /// let all = all.freeze().tag("cache.value");
    /// let error = pool.alloc_timeout(1, Duration::from_millis(1)).await.unwrap_err();
    /// assert!(error.is_limit());
    /// assert_eq!(error.holders()[0].tag(), Some("cache.value"));
    /// # drop(all);
    /// # Ok::<(), bufslab::BuildError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn alloc_timeout(
        &self,
        n: usize,
        time: Duration,
    ) -> impl Future<Output = Result<SlabBytesMut, AllocError>> + Send + 'static + use<> {
        let mut request = self.alloc_async(n);
        async move {
            let now = Instant::now();
            // Past the end of the clock there is no end.
            let end = now.checked_add(time);
            loop {
                let look = Instant::now() + LOOK;
                let until = end.map_or(look, |end| end.min(look));
                if let Ok(outcome) = timeout_at(until, &mut request).await {
                    return outcome;
                }
                if end.is_some_and(|end| until >= end) {
                    return request.give_up();
                }
            }
        }
    }
}
