//! Rounds of which only one part is counted.

use std::hint::black_box;

/// Operations of a round, where they are single ones.
pub(crate) const BATCH: usize = 64;

/// Rounds before callgrind counts.
pub(crate) const WARM: usize = 8;

/// Callgrind counts inside of this, and of all that it calls (`--toggle-collect`, for each thread by itself).
#[inline(never)]
pub(crate) fn callgrind_counts<R>(f: impl FnOnce() -> R) -> R {
    black_box(f())
}

/// Runs so many rounds of the three, of which the second is counted. Returns how many operations that were, of `each` a round.
pub(crate) fn rounds<S>(
    rounds: usize,
    each: usize,
    state: &mut S,
    mut prepare: impl FnMut(&mut S),
    mut counted: impl FnMut(&mut S),
    mut clear: impl FnMut(&mut S),
) -> usize {
    for round in 0..WARM + rounds {
        prepare(state);
        if round < WARM {
            counted(state);
        } else {
            callgrind_counts(|| counted(state));
        }
        clear(state);
    }
    rounds * each
}
