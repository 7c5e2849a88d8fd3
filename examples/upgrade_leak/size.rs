//! Sizes as people write them.

use anyhow::{Context, Result};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Reads the size that `option` was given: in bytes, or with a unit.
pub fn parse(option: &str, value: &str) -> Result<usize> {
    let (digits, unit) = match value {
        _ if value.ends_with("KiB") => (value.trim_end_matches("KiB"), KIB),
        _ if value.ends_with("MiB") => (value.trim_end_matches("MiB"), MIB),
        _ => (value, 1),
    };
    let number: usize =
        digits.trim().parse().with_context(|| format!("{option} {value}: must be a size such as 102400 or 100KiB"))?;
    number.checked_mul(unit).with_context(|| format!("{option} {value}: is too large"))
}

/// A size in the largest binary unit that divides it.
pub fn size_name(bytes: usize) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        _ if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        _ if bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} B"),
    }
}
