//! Floor 1: how large the slabs of a pool are: a size that somebody chose, or one that the pool finds.

/// The size of a pool's slabs: a number of bytes, or [`Auto`].
///
/// ```
/// use bufslab::{Auto, SlabPool, SlabSize};
///
/// assert_eq!("auto:16KiB..1MiB".parse(), Ok(SlabSize::from(Auto)));
/// assert_eq!(SlabSize::from(102_400).to_string(), "100KiB");
/// let fixed = SlabPool::builder().slab_size(100 * 1024).build()?;
/// let found = SlabPool::builder().slab_size(Auto).build()?;
/// let within = SlabPool::builder().slab_size(Auto.between(32 * 1024, 256 * 1024)).build()?;
/// assert_eq!(fixed.slab_size(), 102_400);
/// # assert_eq!(found.slab_size(), 65_536);
/// # assert_eq!(within.slab_size(), 65_536);
/// # let _ = SlabSize::from(1);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlabSize {
    /// So many bytes, from 1 to 1 GiB. Need not be a multiple of anything.
    Fixed(usize),
    /// Found by the pool between these two, in bytes.
    Auto {
        /// The smallest size that the pool may choose.
        min: usize,
        /// The largest size that the pool may choose.
        max: usize,
    },
}

/// The slab size that a pool finds by itself; see [`SlabSize`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Auto;

/// Where [`Auto`] looks unless it is told: below, a slab is no larger than one large read; above, it does not fit into a core's own cache.
const AUTO_MIN: usize = 16 << 10;
const AUTO_MAX: usize = 1 << 20;

impl Auto {
    /// Auto within these bounds, in bytes.
    pub const fn between(self, min: usize, max: usize) -> SlabSize {
        SlabSize::Auto { min, max }
    }
}

impl SlabSize {
    /// The size that a pool begins with: if it is to find one, that which is nearest to `default` within the bounds.
    pub(crate) fn first(self, default: usize) -> usize {
        match self {
            SlabSize::Fixed(bytes) => bytes,
            // Not `clamp`, which panics where the bounds are the wrong way round: that is an error later.
            SlabSize::Auto { min, max } => default.min(max).max(min),
        }
    }

    /// What a pool with this limit makes of it, and the size that it begins with. A size that it finds is at most an eighth of the limit,
    /// but for the lower bound: each thread has two slabs.
    pub(crate) fn under(self, max_bytes: Option<usize>) -> (SlabSize, usize) {
        let sizing = match (self, max_bytes) {
            (SlabSize::Auto { min, max }, Some(limit)) => SlabSize::Auto { min, max: max.min(limit / 8).max(min) },
            _ => self,
        };
        (sizing, sizing.first(crate::config::DEFAULT_SLAB_SIZE))
    }

    /// The smallest size that a pool with it has.
    pub(crate) fn least(self) -> usize {
        match self {
            SlabSize::Fixed(bytes) => bytes,
            SlabSize::Auto { min, .. } => min,
        }
    }
}

impl From<usize> for SlabSize {
    fn from(bytes: usize) -> SlabSize {
        SlabSize::Fixed(bytes)
    }
}

impl From<Auto> for SlabSize {
    fn from(auto: Auto) -> SlabSize {
        auto.between(AUTO_MIN, AUTO_MAX)
    }
}
