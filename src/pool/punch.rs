//! Dead pages go back to the system.

use super::{SlabPool, recycle};
use crate::raw::Punched;

impl SlabPool {
    /// Gives the memory of dead pages back to the operating system, under the live slices of every slab that some slice still
    /// pins: a pin then costs the pages it lies on, and not its slab. Nothing is copied, nobody is stopped, and no slice changes.
    ///
    /// It works on slabs that no thread allocates from any more, whose slices are all tracked ([`Level::Counters`] or more), and
    /// whose memory comes by the page: from a `MmapSource` (feature `mmap`) on Linux, a `RegionSource` that was made for it, or
    /// another [source](crate::SlabSource) that can. For all others nothing happens, and the outcome says so, as
    /// [reports](SlabPool::report) do of what stays resident.
    ///
    /// The pages come back by themselves when the slab is used again, each at the cost of a page fault; so an emptied slab that was
    /// punched is used again last. It takes a look at each pinned slab, one after the other, and a system call or two for each
    /// run of dead pages: call it from a timer, or when memory gets short, not for each request. A slab that is punched
    /// costs nothing more while it stays pinned. Slabs that nobody pins are not looked at.
    ///
    /// ```
    /// use bufslab::SlabPool;
    ///
    /// let pool = SlabPool::new(); // from the heap, which gives no pages back
    /// let slices: Vec<_> = (0..3).map(|_| pool.alloc(40_000)).collect();
    /// let outcome = pool.punch();
    /// assert_eq!((outcome.pinned_slabs, outcome.punched, outcome.attached), (3, 0, 2));
    /// assert_eq!(outcome.not_page_backed, 1);
    /// assert_eq!(
    ///     outcome.to_string(),
    ///     "punched 0 of 3 pinned slabs: 0 B given back; 0 slabs moving, 1 not page-backed, 2 attached",
    /// );
    /// # drop(slices);
    /// ```
    ///
    /// [`Level::Counters`]: crate::Level::Counters
    pub fn punch(&self) -> Punched {
        let mut emptied = Vec::new();
        let outcome = self.core().ledger().punch(&mut emptied);
        emptied.into_iter().for_each(recycle);
        outcome
    }
}
