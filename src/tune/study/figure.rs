//! Sizes and times as people read them, and as configuration has them.

/// `64KiB`, `10MiB`, `100000`: exactly, in the largest unit that divides it.
pub(super) fn setting(bytes: usize) -> String {
    match bytes {
        0 => "0".to_owned(),
        n if n % (1 << 30) == 0 => format!("{}GiB", n >> 30),
        n if n % (1 << 20) == 0 => format!("{}MiB", n >> 20),
        n if n % (1 << 10) == 0 => format!("{}KiB", n >> 10),
        n => n.to_string(),
    }
}

/// `64 << 10`, `10 << 20`, `100_000`.
pub(super) fn code(bytes: usize) -> String {
    match bytes {
        n if n > 0 && n % (1 << 20) == 0 => format!("{} << 20", n >> 20),
        n if n > 0 && n % (1 << 10) == 0 => format!("{} << 10", n >> 10),
        n => grouped(n as u64, '_'),
    }
}

/// `64 KiB`, `1.5 MiB`, `100000 B`: with as many digits as say something.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut unit, mut value) = (0, bytes as f64 / 1024.0);
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    // To one decimal, and none where it says nothing.
    let tenths = (value * 10.0).round();
    let is_round = tenths % 10.0 == 0.0 || value >= 99.95;
    if is_round { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `9.3`, `31`, `1,234`.
pub(super) fn ns(ns: f64) -> String {
    if ns < 99.95 { format!("{ns:.1}") } else { grouped(ns.round() as u64, ',') }
}

/// `12,345`
pub(super) fn count(n: u64) -> String {
    grouped(n, ',')
}

fn grouped(n: u64, separator: char) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([65_536, 10 << 20, 1 << 30, 100_000, 1].map(setting), ["64KiB", "10MiB", "1GiB", "100000", "1"]);
        assert_eq!([65_536, 10 << 20, 100_000, 1].map(code), ["64 << 10", "10 << 20", "100_000", "1"]);
        let sizes = [5, 65_536, 1_572_864, 100_000, 3 << 30, u64::MAX].map(size);
        assert_eq!(sizes, ["5 B", "64 KiB", "1.5 MiB", "97.7 KiB", "3 GiB", "16384 PiB"]);
        assert_eq!([9.26, 99.96, 1234.4].map(ns), ["9.3", "100", "1,234"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
