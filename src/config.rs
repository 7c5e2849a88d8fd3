//! Floor 1: what a pool can be told, and what is allowed.

use crate::error::BuildError;
use crate::policy::RetainPolicy;

/// How much a pool knows of its slices. Switchable at run time for slabs taken from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Reference counts alone: a report says which slabs are pinned and by how many handles, not by which.
    Off = 0,
    /// Every slice's place: a report knows live bytes and waste, and not who holds them.
    Counters = 1,
    /// Every slice's place, site, tag and age.
    #[default]
    Sites = 2,
}

impl Level {
    pub(crate) const fn from_u8(value: u8) -> Level {
        match value {
            0 => Level::Off,
            1 => Level::Counters,
            _ => Level::Sites,
        }
    }

    /// `"off"`, `"counters"` or `"sites"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Counters => "counters",
            Level::Sites => "sites",
        }
    }
}

impl core::fmt::Display for Level {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
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
    pub(crate) slab_size: usize,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) idle_bytes: usize,
    pub(crate) ledger_bytes: Option<usize>,
    pub(crate) zero_on_recycle: bool,
    pub(crate) level: Level,
    pub(crate) retain_policy: RetainPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: String::from("unnamed"),
            slab_size: DEFAULT_SLAB_SIZE,
            max_bytes: None,
            idle_bytes: 16 << 20,
            ledger_bytes: None,
            zero_on_recycle: false,
            level: Level::default(),
            retain_policy: RetainPolicy::default(),
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), BuildError> {
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
    fn a_cap_below_one_slab_is_refused() {
        let config = Config { max_bytes: Some(100), ..Config::default() };
        assert_eq!(config.check().unwrap_err().field(), "max_bytes");
    }
}
