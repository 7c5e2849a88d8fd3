//! A future and a value beside it, for adapters: the one pin projection of the crate.

use core::pin::Pin;

/// A future that is pinned with this, and a value that is not.
pub(crate) struct Beside<F, T> {
    future: F,
    value: T,
}

impl<F, T> Beside<F, T> {
    pub(crate) fn new(future: F, value: T) -> Beside<F, T> {
        Beside { future, value }
    }

    /// Both parts of the one field of `outer`, which has no `Drop` and no `Unpin` of its own, and never moves the field.
    pub(crate) fn project_within<O>(outer: Pin<&mut O>, field: fn(&mut O) -> &mut Self) -> (Pin<&mut F>, &mut T) {
        // SAFETY: the field is pinned whenever `outer` is, by what is asked for above.
        unsafe { outer.map_unchecked_mut(field) }.project()
    }

    /// Both parts.
    fn project(self: Pin<&mut Self>) -> (Pin<&mut F>, &mut T) {
        // SAFETY: `future` is pinned whenever `self` is: it is never moved out, there is no `Drop` that could, `Unpin` is only
        // automatic (so it asks for `F: Unpin`), and the struct is not packed. `value` is never pinned.
        unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.value)
        }
    }
}
