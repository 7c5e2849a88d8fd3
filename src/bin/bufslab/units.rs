//! Figures that people write, and figures as people read them.

use std::time::Duration;

/// Reads a size as pools read theirs: `65536`, `64KiB`, `100 kB`, `1.5GiB`. Units of 1024 are `KiB MiB GiB TiB` (or `K M G
/// T`), units of 1000 `kB MB GB TB`.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let allowed = "a number of bytes with an optional unit (KiB, MiB, GiB, TiB, kB, MB, GB, TB), below 8 EiB";
    let refuse = || format!("it must be {allowed}");
    let (number, unit) = split(text).ok_or_else(refuse)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1_u64 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(refuse()),
    };
    let bytes = number.times(scale).filter(|&bytes| bytes <= i64::MAX as u64).ok_or_else(refuse)?;
    usize::try_from(bytes).map_err(|_| refuse())
}

/// Reads a span of time: `250ms`, `1s`, `10min`, `1.5h`, `2d`. At most a hundred days.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let refuse = || "it must be a time with its unit (ms, s, min, h, d), at most 100d".to_owned();
    let (number, unit) = split(text).ok_or_else(refuse)?;
    let ms = match unit {
        "ms" => 1,
        "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        // Nothing lasts no time in any unit.
        "" if number.thousandths == 0 => 1,
        _ => return Err(refuse()),
    };
    let span = number.times(ms).ok_or_else(refuse)?;
    if span > 100 * 86_400_000 { Err(refuse()) } else { Ok(Duration::from_millis(span)) }
}

/// Reads a share: `90%`, `99.5 %`, `90`. As a fraction of 1.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    let refuse = || "it must be from 0% to 100%".to_owned();
    let (number, unit) = split(text).ok_or_else(refuse)?;
    if !matches!(unit, "" | "%") || number.thousandths > 100_000 {
        return Err(refuse());
    }
    Ok(number.thousandths as f64 / 100_000.0)
}

/// A number with up to three decimals.
#[derive(Clone, Copy)]
struct Number {
    thousandths: u64,
}

impl Number {
    /// Times `unit`, rounded down.
    fn times(self, unit: u64) -> Option<u64> {
        u64::try_from(u128::from(self.thousandths) * u128::from(unit) / 1000).ok()
    }
}

/// A number and the word behind it.
fn split(text: &str) -> Option<(Number, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse::<u64>().ok()?;
    let thousandths = whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(thousandths)?;
    Some((Number { thousandths }, unit.trim()))
}

/// `n` bytes in binary units, with one decimal where it matters, as reports show them.
pub fn bytes(n: usize) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let (mut unit, mut value) = (0, n as f64 / 1024.0);
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let is_exact = value.fract() == 0.0 && value >= 10.0;
    if is_exact { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Growth: `+2.1 MiB/s`, `-20 B/s`, `0`. What is less than a byte is nothing.
pub fn rate(bytes_per_second: f64) -> String {
    let size = bytes_per_second.abs().round();
    if size < 1.0 {
        return "0".to_owned();
    }
    let sign = if bytes_per_second < 0.0 { '-' } else { '+' };
    format!("{sign}{}/s", bytes(size as usize))
}

/// `part` of `whole` in per cent, rounded down so that `100 %` is all of it.
pub fn percent(part: usize, whole: usize) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    match part as u128 * 1000 / whole as u128 {
        1000.. => "100 %".to_owned(),
        permille => format!("{}.{} %", permille / 10, permille % 10),
    }
}

/// A span of time in its largest fitting unit.
pub fn span(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0..10 => "<10 ms".to_owned(),
        10..1_000 => format!("{ms} ms"),
        1_000..10_000 if ms % 1_000 >= 100 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        1_000..10_000 => format!("{} s", ms / 1_000),
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, size) in [
            ("65536", 65_536),
            ("64KiB", 65_536),
            (" 64 kib ", 65_536),
            ("100kB", 100_000),
            ("2M", 2 << 20),
            ("1.5GiB", 3 << 29),
            ("0.001kB", 1),
            ("4TiB", 4 << 40),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.2345MiB",
            "1e9",
            "1..2",
            ".5K",
            "5.K",
            "64 potatoes",
            "9999999TiB",
            "99999999999999999999",
        ] {
            assert!(parse_size(text).unwrap_err().contains("below 8 EiB"), "{text}");
        }
    }

    #[test]
    fn times_and_shares() {
        for (text, ms) in
            [("250ms", 250), ("1s", 1_000), ("1.5 min", 90_000), ("2h", 7_200_000), ("1d", 86_400_000), ("0", 0)]
        {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "1 week", "101d", "-1s", "99999999999999999999s"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        assert_eq!((parse_percent("90%"), parse_percent("99.5 %"), parse_percent("0")), (Ok(0.9), Ok(0.995), Ok(0.0)));
        assert!(parse_percent("101%").is_err() && parse_percent("-1%").is_err() && parse_percent("0.9x").is_err());
    }

    #[test]
    fn figures_read_well() {
        let shown = [0, 1023, 1024, 65_536, 1_048_575, 10 << 20, 118 << 20, 5 << 30, usize::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "64 KiB", "1.0 MiB", "10 MiB", "118 MiB", "5.0 GiB", "16 EiB"]);
        assert_eq!([0.4, 1024.0, -20.0].map(rate), ["0", "+1.0 KiB/s", "-20 B/s"]);
        assert_eq!(
            [(999, 1000), (1, 1), (0, 0), (1, 3)].map(|(a, b)| percent(a, b)),
            ["99.9 %", "100 %", "0 %", "33.3 %"]
        );
        assert_eq!(
            [5, 250, 1_000, 1_590, 61_000, 600_000].map(|ms| span(Duration::from_millis(ms))),
            ["<10 ms", "250 ms", "1 s", "1.5 s", "61 s", "10 min"]
        );
    }
}
