//! Every form of range, checked as `bytes` checks it.

use core::ops::{Bound, RangeBounds};

/// Start and length of `range` in something `len` long.
///
/// # Panics
///
/// If the range starts behind its end, ends out of bounds, or overflows.
#[inline]
#[track_caller]
pub(super) fn start_and_len(range: impl RangeBounds<usize>, len: usize) -> (usize, usize) {
    let start = match range.start_bound() {
        Bound::Included(&n) => n,
        Bound::Excluded(&n) => n.checked_add(1).expect("range start overflows"),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&n) => n.checked_add(1).expect("range end overflows"),
        Bound::Excluded(&n) => n,
        Bound::Unbounded => len,
    };
    if start > end {
        starts_behind(start, end);
    }
    if end > len {
        out_of_bounds("range end", end, len);
    }
    (start, end - start)
}

// By value: what a message borrows would have to be in memory where nothing is wrong.

#[cold]
#[inline(never)]
#[track_caller]
fn starts_behind(start: usize, end: usize) -> ! {
    panic!("range start must not be greater than end: {start:?} <= {end:?}")
}

#[cold]
#[inline(never)]
#[track_caller]
pub(super) fn out_of_bounds(what: &str, at: usize, len: usize) -> ! {
    panic!("{what} out of bounds: {at:?} <= {len:?}")
}
