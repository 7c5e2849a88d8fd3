//! Floor 1: when parked slices are moved out of their slab, and what came of it.

use core::time::Duration;

/// When the pool moves [`Parked`](crate::Parked) slices out of their slab: late, so that only what lives long is copied.
///
/// A slab's parked slices are moved all together, and only if that frees the slab:
/// * no thread allocates from it any more, and that for at least [`older_than`](CompactPolicy::older_than). Most slices die
///   young; one that is alive a while after its slab was full is likely to stay;
/// * nothing but parked slices keeps it. As long as another handle does, a copy would be in vain;
/// * their lengths add up to less than [`below_percent`](CompactPolicy::below_percent) of it. Slices that are worth their slab
///   stay.
///
/// ```
/// use bufslab::CompactPolicy;
/// use std::time::Duration;
///
/// let policy = CompactPolicy::new().older_than(Duration::from_secs(10)).below_percent(5);
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactPolicy {
    older_than: Duration,
    below_percent: u8,
    pack: bool,
}

impl CompactPolicy {
    /// After one second, below 25 per cent, each slice by itself.
    ///
    /// A second is long for a request and short for a leak. Below a quarter, each byte that is copied frees four.
    #[must_use]
    pub const fn new() -> CompactPolicy {
        CompactPolicy { older_than: Duration::from_secs(1), below_percent: 25, pack: false }
    }

    /// How long a slab must have been retired, counted in ticks of 10 ms. Zero takes every slab that no thread allocates from.
    #[must_use]
    pub const fn older_than(self, age: Duration) -> CompactPolicy {
        CompactPolicy { older_than: age, ..self }
    }

    /// How much of a slab its parked slices may add up to and still be moved, in per cent. From 100 on they only have to take less
    /// than the slab does; 0 moves nothing.
    #[must_use]
    pub const fn below_percent(self, percent: u8) -> CompactPolicy {
        CompactPolicy { below_percent: percent, ..self }
    }

    /// Whether slices of one slab that have the same scope and the same tag are copied into one allocation.
    ///
    /// That is one allocation for many slices, and no header for each. But the last of them keeps it all, as it did the slab: pack
    /// what lives and dies together. Off unless asked for.
    #[must_use]
    pub const fn pack(self, pack: bool) -> CompactPolicy {
        CompactPolicy { pack, ..self }
    }

    /// From which age on, and below how many per cent.
    pub(crate) fn bounds(&self) -> (Duration, u8) {
        (self.older_than, self.below_percent)
    }

    pub(crate) fn packs(&self) -> bool {
        self.pack
    }

    /// Why parked slices of `bytes` in all stay in a slab of `size` bytes that was retired `age` ago, if they do.
    pub(crate) fn refuses(&self, age: Duration, bytes: usize, size: usize) -> Option<Left> {
        let percent = u128::from(self.below_percent.min(100));
        match () {
            () if age < self.older_than => Some(Left::Young),
            () if bytes as u128 * 100 >= size as u128 * percent => Some(Left::WorthIt),
            () => None,
        }
    }
}

impl Default for CompactPolicy {
    fn default() -> CompactPolicy {
        CompactPolicy::new()
    }
}

/// Why slices stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Attached,
    Held,
    Young,
    WorthIt,
    Read,
    Moving,
    NoMemory,
}

/// What moving parked slices did, or would do: from [`SlabPool::compact`](crate::SlabPool::compact) and
/// [`PinReport::parked_plan`](crate::PinReport::parked_plan), which agree to the byte if nothing else moves in between.
///
/// The fields whose names begin with `left` count the slices that were not moved, by the first reason that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compaction {
    /// Slices that were moved.
    pub slices: usize,
    /// Their lengths.
    pub copied_bytes: usize,
    /// Slabs that were freed: they went back to the pool.
    pub freed_slabs: usize,
    /// Their sizes: what is pinned no more.
    pub freed_bytes: usize,
    /// A thread still allocates from their slab.
    pub left_attached: usize,
    /// Something that is not parked keeps their slab too.
    pub left_held: usize,
    /// Their slab was retired too short a time ago.
    pub left_young: usize,
    /// They are worth their slab.
    pub left_worth_it: usize,
    /// One of the slices on their slab was being read.
    pub left_read: usize,
    /// Handles on their slab were made or dropped just then, or somebody else was at it.
    pub left_moving: usize,
    /// There was no memory for the copies.
    pub left_no_memory: usize,
    /// Whether all was done: `false` if a limit on bytes or time was in the way, or there was no
    /// memory to begin with.
    pub complete: bool,
}

impl Compaction {
    pub(crate) fn leave(&mut self, why: Left, slices: usize) {
        *match why {
            Left::Attached => &mut self.left_attached,
            Left::Held => &mut self.left_held,
            Left::Young => &mut self.left_young,
            Left::WorthIt => &mut self.left_worth_it,
            Left::Read => &mut self.left_read,
            Left::Moving => &mut self.left_moving,
            Left::NoMemory => &mut self.left_no_memory,
        } += slices;
    }

    pub(crate) fn reasons(&self) -> [(usize, &'static str); 7] {
        [
            (self.left_attached, "on attached slabs"),
            (self.left_held, "on slabs that others keep"),
            (self.left_young, "on young slabs"),
            (self.left_worth_it, "worth their slab"),
            (self.left_read, "being read"),
            (self.left_moving, "in motion"),
            (self.left_no_memory, "without memory for a copy"),
        ]
    }

    /// Slices that were not moved.
    #[must_use]
    pub fn left(&self) -> usize {
        self.reasons().iter().map(|(slices, _)| slices).sum()
    }
}

impl Default for Compaction {
    /// Nothing to do.
    fn default() -> Compaction {
        Compaction {
            slices: 0,
            copied_bytes: 0,
            freed_slabs: 0,
            freed_bytes: 0,
            left_attached: 0,
            left_held: 0,
            left_young: 0,
            left_worth_it: 0,
            left_read: 0,
            left_moving: 0,
            left_no_memory: 0,
            complete: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_and_the_sparsest_go() {
        let policy = CompactPolicy::new().older_than(Duration::from_secs(2)).below_percent(10);
        assert_eq!(policy.refuses(Duration::from_secs(1), 1, 1000), Some(Left::Young));
        assert_eq!(policy.refuses(Duration::from_secs(2), 99, 1000), None);
        assert_eq!(policy.refuses(Duration::from_secs(2), 100, 1000), Some(Left::WorthIt));
        let any = policy.below_percent(255);
        assert_eq!(any.refuses(Duration::MAX, 999, 1000), None);
        assert_eq!(any.refuses(Duration::MAX, 1000, 1000), Some(Left::WorthIt), "nothing is won");
        assert_eq!(policy.below_percent(0).refuses(Duration::MAX, 1, usize::MAX), Some(Left::WorthIt));
    }
}
