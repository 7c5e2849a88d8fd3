//! Floor 1: when a slice that is kept for long is worth a copy.

use core::fmt;
use core::time::Duration;

/// Decides whether keeping a slice is worth its slab, or whether a copy is cheaper.
///
/// A slice is copied when it is short (`copybreak`, the term of network drivers for "copy small packets, hand over large
/// ones") or when the slab it would keep alive is more than `ratio` times its own length.
///
/// ```
/// use bufslab::{RetainPolicy, RetainReason};
///
/// let policy = RetainPolicy::default();
/// assert_eq!(policy.decide(20, 65_536).reason(), RetainReason::Copybreak);
/// assert_eq!(policy.decide(3_000, 65_536).reason(), RetainReason::Ratio);
/// assert!(!policy.decide(60_000, 65_536).is_copy());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainPolicy {
    copybreak: usize,
    ratio: usize,
}

impl RetainPolicy {
    /// Copies slices of at most `copybreak` bytes, and longer ones when slab size ÷ length exceeds `ratio`.
    ///
    /// `RetainPolicy::new(0, usize::MAX)` never copies; `RetainPolicy::new(usize::MAX, 0)` always does.
    #[must_use]
    pub const fn new(copybreak: usize, ratio: usize) -> Self {
        RetainPolicy { copybreak, ratio }
    }

    /// The longest slice, in bytes, that is always copied.
    #[must_use]
    pub const fn copybreak(&self) -> usize {
        self.copybreak
    }

    /// How many times its own length a slice may keep alive.
    #[must_use]
    pub const fn ratio(&self) -> usize {
        self.ratio
    }

    /// The decision for a slice of `len` bytes that keeps `slab_size` bytes alive. Depends on nothing else.
    #[must_use]
    pub const fn decide(&self, len: usize, slab_size: usize) -> RetainDecision {
        let reason = if len <= self.copybreak {
            RetainReason::Copybreak
        } else if slab_size / len > self.ratio || (slab_size / len == self.ratio && slab_size % len != 0) {
            RetainReason::Ratio
        } else {
            RetainReason::WorthItsSlab
        };
        RetainDecision { len, slab_size, reason }
    }
}

impl Default for RetainPolicy {
    /// A copybreak of 1 KiB, below which the copy costs no more than handing over a reference does, and a ratio of 3: at the
    /// default slab size of 64 KiB a slice shorter than 21.3 KiB is copied. So what is kept takes at most three times its size. What that
    /// comes to in a server that keeps values of 16 KiB is in [`docs::servers`](crate::docs::servers).
    fn default() -> Self {
        RetainPolicy::new(1024, 3)
    }
}

/// What [`RetainPolicy::decide`] decided, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainDecision {
    len: usize,
    slab_size: usize,
    reason: RetainReason,
}

impl RetainDecision {
    /// Whether the slice is to be copied.
    #[must_use]
    pub const fn is_copy(&self) -> bool {
        !matches!(self.reason, RetainReason::WorthItsSlab)
    }

    /// Which rule decided.
    #[must_use]
    pub const fn reason(&self) -> RetainReason {
        self.reason
    }
}

impl fmt::Display for RetainDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RetainDecision { len, slab_size, reason } = self;
        match reason {
            RetainReason::Copybreak => write!(f, "copy: {len} bytes are at or below the copybreak"),
            RetainReason::Ratio => write!(f, "copy: {len} bytes would keep a slab of {slab_size} bytes"),
            RetainReason::WorthItsSlab => write!(f, "keep: {len} bytes are worth a slab of {slab_size} bytes"),
        }
    }
}

/// The rule behind a [`RetainDecision`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetainReason {
    /// Copied: the slice is no longer than the copybreak.
    Copybreak,
    /// Copied: the slab is more than `ratio` times as large as the slice.
    Ratio,
    /// Kept: the slice covers enough of its slab.
    WorthItsSlab,
}

/// Which slabs are *suspects*: pinned for long, and for little. Whatever makes a handle on one of them from then on, or
/// touches one, leaves its stack, whatever the pool's [`Level`](crate::Level).
///
/// A slab that a thread still allocates from is never one.
///
/// ```
/// use bufslab::{SlabPool, SuspectPolicy};
/// use std::time::Duration;
///
/// let suspects = SuspectPolicy::new(Duration::from_secs(600), 5);
/// let pool = SlabPool::builder().suspects(suspects).build()?;
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuspectPolicy {
    older_than: Duration,
    below_percent: u8,
}

impl SuspectPolicy {
    /// Slabs at least this old of which live slices cover less than `below_percent` of 100.
    #[must_use]
    pub const fn new(older_than: Duration, below_percent: u8) -> Self {
        SuspectPolicy { older_than, below_percent }
    }

    /// From which age on.
    #[must_use]
    pub const fn older_than(&self) -> Duration {
        self.older_than
    }

    /// Below which occupancy, in per cent.
    #[must_use]
    pub const fn below_percent(&self) -> u8 {
        self.below_percent
    }

    /// Whether a slab of `size` bytes, `live` of them in use, that was taken `age` ago is one.
    #[must_use]
    pub fn suspects(&self, age: Duration, live: usize, size: usize) -> bool {
        age >= self.older_than && (live as u128) * 100 < (size as u128) * u128::from(self.below_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_exceeded_not_met() {
        let policy = RetainPolicy::new(0, 4);
        assert!(!policy.decide(25, 100).is_copy(), "100 / 25 is the ratio itself");
        assert!(policy.decide(24, 100).is_copy(), "100 / 24 exceeds it by a fraction");
        assert!(policy.decide(1, usize::MAX).is_copy());
        assert!(!policy.decide(usize::MAX, usize::MAX).is_copy());
    }

    #[test]
    fn never_and_always() {
        assert!(!RetainPolicy::new(0, usize::MAX).decide(1, usize::MAX).is_copy());
        assert!(RetainPolicy::new(usize::MAX, 0).decide(usize::MAX, 1).is_copy());
        assert!(RetainPolicy::new(0, 0).decide(1, 1).is_copy());
        assert_eq!(RetainPolicy::new(0, 0).decide(0, 0).reason(), RetainReason::Copybreak, "nothing to divide by");
    }
}
