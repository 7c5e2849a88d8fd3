//! Floor 1: what a pool can be told, and what is allowed.

use crate::compaction::CompactPolicy;
use crate::error::BuildError;
use crate::policy::{RetainPolicy, SuspectPolicy};
use crate::slab_size::SlabSize;
use core::cmp::Reverse;
use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;
use core::time::Duration;

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
        parse_level("level", text)
    }
}

pub(crate) fn parse_level(field: &'static str, text: &str) -> Result<Level, BuildError> {
    let word = text.trim().to_ascii_lowercase();
    match word.split_once('/').unwrap_or((&word, "")) {
        ("off", "") => Ok(Level::Off),
        ("counters", "") => Ok(Level::Counters),
        ("sites", "") => Ok(Level::Sites),
        ("backtraces", "") if !word.ends_with('/') => Ok(Level::backtraces(1)),
        ("backtraces", n) if n.parse().is_ok_and(|n: u32| n > 0) => Ok(Level::backtraces(n.parse().unwrap_or(1))),
        _ => Err(BuildError::new(field, format!("{text:?}"), "off, counters, sites, backtraces or backtraces/N")),
    }
}

/// What becomes of a slab that some slice still pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reuse {
    /// It is cut from again, around its pins: a pin costs its own bytes and not its slab. Needs slices to be listed, so a
    /// level above [`Level::Off`].
    #[default]
    AroundThePin,
    /// It is used again when its last slice is gone and not before: how Node and most pools do it.
    WholeSlab,
}

impl Reuse {
    /// `"around_the_pin"` or `"whole_slab"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reuse::AroundThePin => "around_the_pin",
            Reuse::WholeSlab => "whole_slab",
        }
    }
}

/// 64 KiB: with reads of 1,500 bytes that are dropped at once, reused hot in the cache.
pub(crate) const DEFAULT_SLAB_SIZE: usize = 64 * 1024;
/// 1 GiB: offsets in a shared slab are 32 bits wide with room to spare. One request may be larger; it gets a slab of
/// its own.
pub(crate) const MAX_SLAB_SIZE: usize = 1 << 30;

/// Everything a pool is told when it is built.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    /// What new slabs are large at first.
    pub(crate) slab_size: usize,
    /// What was asked for.
    pub(crate) sizing: SlabSize,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) idle_bytes: usize,
    pub(crate) idle_decay: Duration,
    pub(crate) ledger_bytes: Option<usize>,
    pub(crate) reuse: Reuse,
    pub(crate) zero_on_recycle: bool,
    pub(crate) level: Level,
    pub(crate) retain_policy: RetainPolicy,
    pub(crate) compact_policy: CompactPolicy,
    pub(crate) suspects: Option<SuspectPolicy>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: String::from("unnamed"),
            slab_size: DEFAULT_SLAB_SIZE,
            sizing: SlabSize::Fixed(DEFAULT_SLAB_SIZE),
            max_bytes: None,
            idle_bytes: 16 << 20,
            idle_decay: Duration::from_secs(1),
            ledger_bytes: None,
            reuse: Reuse::default(),
            zero_on_recycle: false,
            level: Level::default(),
            retain_policy: RetainPolicy::default(),
            compact_policy: CompactPolicy::new(),
            suspects: None,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if let SlabSize::Auto { min, max } = self.sizing {
            check_slab_size("slab_size (the smallest)", min)?;
            check_slab_size("slab_size (the largest)", max)?;
            if min > max {
                return Err(BuildError::new("slab_size", self.sizing.to_string(), "the smallest at most the largest"));
            }
        }
        check_slab_size("slab_size", self.slab_size)?;
        if let Some(max) = self.max_bytes.filter(|&max| max < self.slab_size) {
            let allowed = format!("at least the slab_size of {} bytes, or not be set", self.slab_size);
            return Err(BuildError::new("max_bytes", max.to_string(), allowed));
        }
        Ok(())
    }
}

pub(crate) fn check_slab_size(field: &'static str, size: usize) -> Result<(), BuildError> {
    if (1..=MAX_SLAB_SIZE).contains(&size) {
        return Ok(());
    }
    Err(BuildError::new(field, size.to_string(), format!("from 1 to {MAX_SLAB_SIZE} bytes")))
}

/// Reads a size as operators write it: `65536`, `64KiB`, `100 kB`, `1GiB`. Units of 1024 are `KiB MiB GiB` (or `K M G`),
/// units of 1000 `kB MB GB`.
pub(crate) fn parse_size(field: &'static str, text: &str) -> Result<usize, BuildError> {
    let allowed = "a whole number of bytes with an optional unit (KiB, MiB, GiB, kB, MB, GB)";
    let refuse = || BuildError::new(field, format!("{text:?}"), allowed);
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = trimmed.split_at(digits);
    let number: usize = number.parse().map_err(|_| refuse())?;
    let scale: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(refuse()),
    };
    number.checked_mul(scale).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_operators_write_them() {
        for (text, bytes) in [
            ("65536", 65_536),
            ("64KiB", 65_536),
            (" 64 kib ", 65_536),
            ("100kB", 100_000),
            ("2M", 2 << 20),
            ("1GiB", 1 << 30),
            ("0", 0),
        ] {
            assert_eq!(parse_size("SLAB_BUFFER_SIZE", text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5MiB", "64 potatoes", "99999999999999999999", "18446744073709551615GiB"] {
            let error = parse_size("SLAB_BUFFER_SIZE", text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("SLAB_BUFFER_SIZE is {text:?}: ")), "{error}");
        }
    }

    #[test]
    fn levels_as_operators_write_them() {
        for level in [Level::Off, Level::Counters, Level::Sites, Level::backtraces(1), Level::backtraces(u32::MAX - 2)]
        {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert_eq!(Level::from_code(level.code()), level);
        }
        assert_eq!(" Backtraces ".parse(), Ok(Level::backtraces(1)));
        for text in ["", "all", "sites/2", "backtraces/", "backtraces/0", "backtraces/-1", "backtraces/x"] {
            let error = parse_level("SLAB_TRACKING", text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("SLAB_TRACKING is {text:?}: ")), "{error}");
        }
        assert!(Level::Off < Level::Counters && Level::Counters < Level::Sites && Level::Sites < Level::backtraces(9));
    }

    #[test]
    fn a_cap_below_one_slab_is_refused() {
        let config = Config { max_bytes: Some(100), ..Config::default() };
        assert_eq!(config.check().unwrap_err().field(), "max_bytes");
    }
}
