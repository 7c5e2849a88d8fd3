//! stub
/// Report.
pub struct PinReport;

impl crate::pool::SlabPool {
    /// Which slices keep which slabs alive, what that costs, and what would free it. Stops nobody.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).build()?;
    /// let kept: Vec<_> = (0..3).map(|_| {
    ///     let mut read = pool.alloc(4096);
    ///     read.extend_from_slice(&[0; 4096]);
    ///     read.freeze().slice(..20).tag("req.head")
    /// }).collect();
    /// let report = pool.report();
    /// assert_eq!(report.totals.pinned_bytes, 3 * 4096);
    /// assert_eq!(report.totals.live_bytes, 3 * 20);
    /// println!("{report}");
    /// # drop(kept);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[must_use]
    pub fn report(&self) -> PinReport {
        PinReport
    }
}
