//! How much a pool knows of its slices.

use super::text::{Text, read};
use crate::error::BuildError;
use core::cmp::Reverse;
use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;

/// How much a pool knows of its slices. Switchable at run time for slabs taken from then on.
///
/// Ordered by how much: `Off < Counters < Sites < Backtraces`, and of two of the last kind the denser one is more.
///
/// ```
/// use bufslab::Level;
///
/// assert!(Level::Sites < Level::backtraces(100) && Level::backtraces(100) < Level::backtraces(1));
/// assert_eq!("backtraces/100".parse(), Ok(Level::backtraces(100)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// Reference counts alone: a report says which slabs are pinned and by how many handles, not by which.
    Off,
    /// Every slice's place: a report knows live bytes and waste, and not who holds them.
    Counters,
    /// Every slice's place, site, tag, scope and age.
    #[default]
    Sites,
    /// As `Sites`, and the stack of every n-th handle that a thread makes. Taking one costs many times what the handle does. Needs the
    /// feature `backtraces`; without it no stack is taken.
    Backtraces {
        /// Every how many handles; the first is one of them.
        one_in: NonZeroU32,
    },
}

impl Level {
    /// [`Backtraces`](Level::Backtraces) for one in `n` handles; 0 means every one.
    #[must_use]
    pub const fn backtraces(n: u32) -> Level {
        let one_in = match NonZeroU32::new(n) {
            Some(n) => n,
            None => NonZeroU32::MIN,
        };
        Level::Backtraces { one_in }
    }

    /// The level as one number that keeps its order up to `SITES`: 0, 1, 2, and 2 + n from there on.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Level::Off => 0,
            Level::Counters => Level::COUNTERS,
            Level::Sites => Level::SITES,
            Level::Backtraces { one_in } => one_in.get().saturating_add(Level::SITES),
        }
    }

    pub(crate) const COUNTERS: u32 = 1;
    pub(crate) const SITES: u32 = 2;

    pub(crate) const fn from_code(code: u32) -> Level {
        match code {
            0 => Level::Off,
            Level::COUNTERS => Level::Counters,
            Level::SITES => Level::Sites,
            more => Level::backtraces(more - Level::SITES),
        }
    }

    /// `"off"`, `"counters"`, `"sites"` or `"backtraces"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Counters => "counters",
            Level::Sites => "sites",
            Level::Backtraces { .. } => "backtraces",
        }
    }

    fn rank(self) -> (u32, Reverse<u32>) {
        match self {
            Level::Backtraces { one_in } => (3, Reverse(one_in.get())),
            other => (other.code(), Reverse(0)),
        }
    }
}

impl PartialOrd for Level {
    fn partial_cmp(&self, other: &Level) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Level {
    fn cmp(&self, other: &Level) -> core::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// As [`FromStr`] reads it: `sites`, `backtraces/100`.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Backtraces { one_in } => f.pad(&format!("backtraces/{one_in}")),
            other => f.pad(other.as_str()),
        }
    }
}

impl FromStr for Level {
    type Err = BuildError;

    /// Reads `off`, `counters`, `sites`, `backtraces` or `backtraces/100`, in letters of any case.
    ///
    /// # Errors
    ///
    /// Says what was given and what is allowed.
    fn from_str(text: &str) -> Result<Level, BuildError> {
        read("level", text)
    }
}

impl Text for Level {
    fn allowed() -> String {
        String::from("off, counters, sites, backtraces or backtraces/N")
    }

    fn parse(text: &str) -> Option<Level> {
        let word = text.to_ascii_lowercase();
        match word.split_once('/') {
            None => match &*word {
                "off" => Some(Level::Off),
                "counters" => Some(Level::Counters),
                "sites" => Some(Level::Sites),
                "backtraces" => Some(Level::backtraces(1)),
                _ => None,
            },
            Some(("backtraces", n)) => n.parse().ok().map(|one_in| Level::Backtraces { one_in }),
            Some(_) => None,
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_as_operators_write_them() {
        for level in [Level::Off, Level::Counters, Level::Sites, Level::backtraces(1), Level::backtraces(u32::MAX - 2)]
        {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(Level::from_code(level.code()), level);
        }
        assert_eq!(" Backtraces ".parse(), Ok(Level::backtraces(1)));
        for text in ["", "all", "sites/", "sites/2", "backtraces/", "backtraces/0", "backtraces/-1", "backtraces/x"] {
            let error = read::<Level>("SLAB_TRACKING", text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("SLAB_TRACKING is {text:?}: ")), "{error}");
        }
        assert!(Level::Off < Level::Counters && Level::Counters < Level::Sites && Level::Sites < Level::backtraces(9));
    }
}
