//! Where and when it was measured.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// The processor's name, and how many of them this process may use.
pub fn name() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(':'));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = if count == 1 { "core" } else { "cores" };
    format!("{}, {count} {cores}, {}", name.map_or("unknown processor", str::trim), std::env::consts::OS)
}

/// Today in UTC, as `2026-01-31`.
pub fn date() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut days = seconds / 86_400;
    let mut year = 1970;
    loop {
        let long = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let length = 365 + u64::from(long);
        if days >= length {
            (days, year) = (days - length, year + 1);
            continue;
        }
        let mut month = 1;
        for length in [31, 28 + u64::from(long), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if days < length {
                break;
            }
            (days, month) = (days - length, month + 1);
        }
        return format!("{year}-{month:02}-{:02}", days + 1);
    }
}
