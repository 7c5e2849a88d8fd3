//! Figures as a person reads them: bytes, shares, ages, and "1 slab" beside "2 slabs".

use core::time::Duration;

use super::model::Age;

/// `n` bytes in binary units, rounded to one decimal.
///
/// From ten units on, a figure without a decimal is exact: `64 KiB` is 65,536 bytes, `64.0 KiB` is close to it.
pub(crate) fn bytes(n: usize) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let n = n as u128;
    let mut exponent = 0;
    loop {
        let unit = 1u128 << (10 * (exponent + 1));
        let tenths = (n * 10 + unit / 2) / unit;
        // What rounds to 1024 of a unit is one of the next.
        if tenths >= 10_240 && exponent + 1 < UNITS.len() {
            exponent += 1;
            continue;
        }
        let name = UNITS[exponent];
        return if n % unit == 0 && tenths >= 100 {
            format!("{} {name}", tenths / 10)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        };
    }
}

/// A change of so many bytes: `+5.0 GiB`, `-20 B`, `0 B`.
pub(super) fn signed_bytes(n: i64) -> String {
    format!("{}{}", sign(n), bytes(usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX)))
}

/// A change of so many things: `+12`, `-3`, `0`.
pub(super) fn signed_count(n: i64) -> String {
    format!("{}{}", sign(n), n.unsigned_abs())
}

fn sign(n: i64) -> &'static str {
    match n {
        ..0 => "-",
        0 => "",
        1.. => "+",
    }
}

/// So many bytes a second: `+2.2 MiB/s`.
pub(super) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", signed_bytes(bytes_per_second.round() as i64))
}

/// `part` of `whole` in per cent, rounded down, so that `100 %` means all of it; with a decimal where it matters, near
/// both ends.
pub(super) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    match part as u128 * 1000 / whole as u128 {
        1000.. => "100 %".to_owned(),
        permille @ 10..990 => format!("{} %", permille / 10),
        permille => format!("{}.{} %", permille / 10, permille % 10),
    }
}

/// A span of time in its largest fitting unit: `30 ms`, `3.2 s`, `4 min`, `7.5 h`, `12 d`.
pub(crate) fn span(time: Duration) -> String {
    let ms = time.as_millis();
    let tenths = |unit: u128, name: &str| {
        let tenths = ms * 10 / unit;
        if tenths % 10 == 0 {
            format!("{} {name}", tenths / 10)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    };
    match ms {
        // A tick of the clock.
        0..10 => "<10 ms".to_owned(),
        10..1_000 => format!("{ms} ms"),
        1_000..60_000 => tenths(1_000, "s"),
        60_000..600_000 => tenths(60_000, "min"),
        600_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => tenths(3_600_000, "h"),
        _ => format!("{} d", ms / 86_400_000),
    }
}

/// An age: one figure where both bounds read alike, otherwise `3.2 s to 4 min`.
pub(super) fn age(age: Age) -> String {
    let (min, max) = (span(age.min()), span(age.max()));
    if min == max {
        return max;
    }
    match (min.split_once(' '), max.split_once(' ')) {
        (Some((figure, a)), Some((_, b))) if a == b => format!("{figure} to {max}"),
        _ => format!("{min} to {max}"),
    }
}

/// `1 slab`, `2 slabs`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
