//! Values as operators write them, in a variable or a configuration file.

use super::{MAX_SLAB_SIZE, Reuse};
use crate::compaction::CompactPolicy;
use crate::error::BuildError;
use crate::policy::{RetainPolicy, SuspectPolicy};
use crate::slab_size::{Auto, SlabSize};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// A value that has a form for people.
pub(crate) trait Text: Sized {
    /// What may be written, as it stands behind "it must be".
    fn allowed() -> String;

    /// Reads what stands between blanks.
    fn parse(text: &str) -> Option<Self>;

    /// A bare number, as a configuration file may have it.
    fn number(_: u64) -> Option<Self> {
        None
    }

    /// What [`parse`](Text::parse) reads as the same value.
    fn text(&self) -> String;
}

/// Reads a value that was given under the name of `field`.
pub(crate) fn read<T: Text>(field: &str, text: &str) -> Result<T, BuildError> {
    T::parse(text.trim()).ok_or_else(|| BuildError::new(field.to_owned(), quoted(text), T::allowed()))
}

/// As it was given; the middle of what is long is left out.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?} and {} bytes more", &text[..end], text.len() - end),
        None => format!("{text:?}"),
    }
}

const UNITS: [(u32, &str); 5] = [(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];

/// The whole number of the largest unit that says it exactly.
fn in_units(bytes: usize, blank: &str, single: &str) -> String {
    let bytes = bytes as u64;
    match UNITS.iter().find(|(bits, _)| bytes != 0 && bytes % (1 << bits) == 0) {
        Some((bits, unit)) => format!("{}{blank}{unit}", bytes >> bits),
        None => format!("{bytes}{single}"),
    }
}

/// Exactly: `64 KiB`, `100001 B`.
pub(super) fn size_in_prose(bytes: usize) -> String {
    in_units(bytes, " ", " B")
}

/// A size as operators write it: `65536`, `64KiB`, `100 kB`, `1GiB`. Units of 1024 are `KiB MiB GiB TiB PiB` (or `K M G T P`), units of
/// 1000 `kB MB GB TB PB`.
impl Text for usize {
    fn allowed() -> String {
        let end = if usize::BITS < 64 { "2 GiB" } else { "8 EiB" };
        format!(
            "a whole number of bytes below {end}, with or without a unit (KiB, MiB, GiB, kB, MB, GB), such as 64MiB"
        )
    }

    fn parse(text: &str) -> Option<usize> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim().to_ascii_lowercase();
        let scale: u64 = match &*unit {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "pb" => 1_000_000_000_000_000,
            other => {
                let same = |name: &str| name.eq_ignore_ascii_case(other) || name[..1].eq_ignore_ascii_case(other);
                1 << UNITS.iter().find(|(_, name)| same(name))?.0
            }
        };
        usize::number(number.parse::<u64>().ok()?.checked_mul(scale)?)
    }

    fn number(n: u64) -> Option<usize> {
        usize::try_from(n).ok().filter(|&n| n <= isize::MAX as usize)
    }

    fn text(&self) -> String {
        in_units(*self, "", "")
    }
}

/// `65536`, `64KiB`, `auto`, `auto:16KiB..1MiB`.
impl Text for SlabSize {
    fn allowed() -> String {
        let most = size_in_prose(MAX_SLAB_SIZE);
        format!("from 1 B to {most}, such as 64KiB, or auto, or auto:SMALLEST..LARGEST, such as auto:16KiB..1MiB")
    }

    fn parse(text: &str) -> Option<SlabSize> {
        let word = text.to_ascii_lowercase();
        let size = match word.strip_prefix("auto") {
            None => SlabSize::Fixed(usize::parse(&word)?),
            Some("") => Auto.into(),
            Some(bounds) => {
                let (min, max) = bounds.trim_start().strip_prefix(':')?.split_once("..")?;
                Auto.between(usize::parse(min.trim())?, usize::parse(max.trim())?)
            }
        };
        size.check(String::new()).is_ok().then_some(size)
    }

    fn number(n: u64) -> Option<SlabSize> {
        let size = SlabSize::Fixed(usize::number(n)?);
        size.check(String::new()).is_ok().then_some(size)
    }

    fn text(&self) -> String {
        match self {
            SlabSize::Fixed(bytes) => bytes.text(),
            SlabSize::Auto { min, max } => format!("auto:{}..{}", min.text(), max.text()),
        }
    }
}

const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A span of time with its unit: `250ms`, `1s`, `10min`, `1h`, `7d`.
fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let nanos: u64 = match &*unit.trim().to_ascii_lowercase() {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" | "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    number.checked_mul(nanos).map(Duration::from_nanos).filter(|&time| time <= LONGEST)
}

/// The whole number of the largest unit that says it exactly.
fn span_text(time: Duration) -> String {
    let nanos = time.as_nanos();
    const UNITS: [(u128, &str); 6] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    match UNITS.iter().find(|(unit, _)| nanos != 0 && nanos % unit == 0) {
        Some((unit, name)) => format!("{}{name}", nanos / unit),
        None if nanos == 0 => String::from("0s"),
        None => format!("{nanos}ns"),
    }
}

/// An interval, or `off`.
impl Text for Duration {
    fn allowed() -> String {
        String::from("off, or a whole number with its unit (ms, s, min, h, d) up to 365d, such as 250ms")
    }

    fn parse(text: &str) -> Option<Duration> {
        if text.eq_ignore_ascii_case("off") { Some(Duration::ZERO) } else { span(text) }
    }

    fn text(&self) -> String {
        if self.is_zero() { String::from("off") } else { span_text(*self) }
    }
}

impl Text for Reuse {
    fn allowed() -> String {
        String::from("around (a pinned slab is cut from again, around its pins) or whole (once its last slice is gone)")
    }

    fn parse(text: &str) -> Option<Reuse> {
        match &*text.to_ascii_lowercase() {
            "around" | "around_the_pin" => Some(Reuse::AroundThePin),
            "whole" | "whole_slab" => Some(Reuse::WholeSlab),
            _ => None,
        }
    }

    fn text(&self) -> String {
        let word = match self {
            Reuse::AroundThePin => "around",
            Reuse::WholeSlab => "whole",
        };
        word.to_owned()
    }
}

impl Text for bool {
    fn allowed() -> String {
        String::from("true or false")
    }

    fn parse(text: &str) -> Option<bool> {
        match &*text.to_ascii_lowercase() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Text for String {
    fn allowed() -> String {
        String::from("a name")
    }

    fn parse(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}

/// `never`, `always`, `1KiB/16`, `1KiB/none`.
impl Text for RetainPolicy {
    fn allowed() -> String {
        String::from(
            "never, always, or COPYBREAK/RATIO, such as 1KiB/16: the longest slice that is always copied, and how many \
             times its own length a slice may keep alive (or none)",
        )
    }

    fn parse(text: &str) -> Option<RetainPolicy> {
        match &*text.to_ascii_lowercase() {
            "never" => Some(RetainPolicy::new(0, usize::MAX)),
            "always" => Some(RetainPolicy::new(usize::MAX, 0)),
            other => {
                let (copybreak, ratio) = other.split_once('/')?;
                let ratio = match ratio.trim() {
                    "none" => usize::MAX,
                    digits if digits.bytes().all(|c| c.is_ascii_digit()) => digits.parse().ok()?,
                    _ => return None,
                };
                Some(RetainPolicy::new(usize::parse(copybreak.trim())?, ratio))
            }
        }
    }

    fn text(&self) -> String {
        match (self.copybreak(), self.ratio()) {
            (0, usize::MAX) => String::from("never"),
            (usize::MAX, _) => String::from("always"),
            (copybreak, usize::MAX) => format!("{}/none", copybreak.text()),
            (copybreak, ratio) => format!("{}/{ratio}", copybreak.text()),
        }
    }
}

/// `AGE/PERCENT`
fn age_and_percent(text: &str) -> Option<(Duration, u8)> {
    let (age, percent) = text.split_once('/')?;
    let percent = percent.trim();
    let percent = percent.strip_suffix('%').unwrap_or(percent).trim_end();
    let digits = percent.bytes().all(|c| c.is_ascii_digit());
    let percent = percent.parse().ok().filter(|&percent: &u8| digits && percent <= 100)?;
    Some((span(age.trim())?, percent))
}

/// `never`, `1s/25`, `1s/25/pack`.
impl Text for CompactPolicy {
    fn allowed() -> String {
        String::from(
            "never, AGE/PERCENT or AGE/PERCENT/pack, such as 1s/25: how long a slab is retired (up to 365d), and how much of \
             it its parked slices may add up to (from 0 to 100)",
        )
    }

    fn parse(text: &str) -> Option<CompactPolicy> {
        let word = text.to_ascii_lowercase();
        if word == "never" {
            return Some(CompactPolicy::new().below_percent(0));
        }
        let packed = word.strip_suffix("pack").map(str::trim_end).and_then(|word| word.strip_suffix('/'));
        let (age, percent) = age_and_percent(packed.unwrap_or(&word))?;
        Some(CompactPolicy::new().older_than(age).below_percent(percent).pack(packed.is_some()))
    }

    fn text(&self) -> String {
        let (age, percent) = self.bounds();
        match (percent, self.packs()) {
            (0, _) => String::from("never"),
            (percent, pack) => format!("{}/{}{}", span_text(age), percent.min(100), if pack { "/pack" } else { "" }),
        }
    }
}

/// `off`, `10min/5`.
impl Text for SuspectPolicy {
    fn allowed() -> String {
        String::from(
            "off, or AGE/PERCENT, such as 10min/5: slabs at least this old (up to 365d) of which less than so many per cent \
             (from 0 to 100) are live",
        )
    }

    fn parse(text: &str) -> Option<SuspectPolicy> {
        if text.eq_ignore_ascii_case("off") {
            return Some(SuspectPolicy::new(Duration::ZERO, 0));
        }
        age_and_percent(text).map(|(age, percent)| SuspectPolicy::new(age, percent))
    }

    fn text(&self) -> String {
        match self.below_percent() {
            0 => String::from("off"),
            percent => format!("{}/{percent}", span_text(self.older_than())),
        }
    }
}

macro_rules! as_operators_write {
    ($($type:ty, $field:literal, $doc:literal;)*) => {$(
        /// As a variable or a configuration file has it.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&Text::text(self))
            }
        }

        impl FromStr for $type {
            type Err = BuildError;

            #[doc = $doc]
            ///
            /// # Errors
            ///
            /// Says what was given and what is allowed.
            fn from_str(text: &str) -> Result<$type, BuildError> {
                read($field, text)
            }
        }
    )*};
}

as_operators_write! {
    SlabSize, "slab_size", "Reads `65536`, `64KiB`, `auto` or `auto:16KiB..1MiB`.";
    Reuse, "reuse", "Reads `around` or `whole`, or as [`as_str`](Reuse::as_str) has it.";
    RetainPolicy, "retain_policy", "Reads `never`, `always`, `1KiB/16` (copybreak and ratio) or `1KiB/none`.";
    CompactPolicy, "compact_policy", "Reads `never`, `1s/25` (age and per cent) or `1s/25/pack`.";
    SuspectPolicy, "suspects", "Reads `off` or `10min/5` (age and per cent).";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<T: Text + PartialEq + fmt::Debug>(good: &[(&str, T, &str)], bad: &[&str]) {
        for (text, value, canonical) in good {
            let got: T = read("SLAB_X", text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(&got, value, "{text}");
            assert_eq!(&got.text(), canonical);
            assert_eq!(read::<T>("SLAB_X", canonical).as_ref(), Ok(value), "{canonical}");
        }
        for text in bad {
            let error = read::<T>("SLAB_X", text).unwrap_err().to_string();
            assert_eq!(error, format!("SLAB_X is {text:?}: it must be {}", T::allowed()));
        }
    }

    #[test]
    fn sizes() {
        let good = [
            ("65536", 65_536, "64KiB"),
            ("64KiB", 65_536, "64KiB"),
            (" 64 kib ", 65_536, "64KiB"),
            ("100kB", 100_000, "100000"),
            ("2M", 2 << 20, "2MiB"),
            ("1GiB", 1 << 30, "1GiB"),
            ("1500 B", 1500, "1500"),
            ("0", 0, "0"),
            #[cfg(target_pointer_width = "64")]
            ("3T", 3 << 40, "3TiB"),
        ];
        let bad = [
            "",
            "KiB",
            "-1",
            "+1",
            "1.5MiB",
            "64 potatoes",
            "99999999999999999999",
            "18446744073709551615GiB",
            "8192PiB",
        ];
        all(&good, &bad);
        assert_eq!(<usize as Text>::number(u64::MAX), None);
    }

    #[test]
    fn slab_sizes() {
        let good = [
            ("100KiB", SlabSize::Fixed(102_400), "100KiB"),
            ("AUTO", Auto.into(), "auto:16KiB..1MiB"),
            ("auto: 32K .. 256K", Auto.between(32 << 10, 256 << 10), "auto:32KiB..256KiB"),
            ("auto:1..1GiB", Auto.between(1, 1 << 30), "auto:1..1GiB"),
        ];
        all(
            &good,
            &[
                "0",
                "1073741825",
                "2GiB",
                "auto:",
                "auto:16KiB",
                "auto:1MiB..16KiB",
                "auto:0..1",
                "auto 1..2",
                "auto:1..2GiB",
                "automatic",
            ],
        );
    }

    #[test]
    fn intervals() {
        let good = [
            ("1s", Duration::from_secs(1), "1s"),
            ("1000 ms", Duration::from_secs(1), "1s"),
            ("250MS", Duration::from_millis(250), "250ms"),
            ("90s", Duration::from_secs(90), "90s"),
            ("2m", Duration::from_secs(120), "2min"),
            ("365d", LONGEST, "365d"),
            ("1500us", Duration::from_micros(1500), "1500us"),
            ("7ns", Duration::from_nanos(7), "7ns"),
            ("off", Duration::ZERO, "off"),
            ("0s", Duration::ZERO, "off"),
        ];
        all(&good, &["", "1", "0", "-1s", "1.5s", "s", "366d", "18446744073709551615h", "1 fortnight", "on"]);
    }

    #[test]
    fn policies() {
        let policy = RetainPolicy::new;
        let good = [
            ("never", policy(0, usize::MAX), "never"),
            ("Always", policy(usize::MAX, 0), "always"),
            ("1KiB/16", policy(1024, 16), "1KiB/16"),
            ("256 / 8", policy(256, 8), "256/8"),
            ("4K/none", policy(4096, usize::MAX), "4KiB/none"),
            ("0/0", policy(0, 0), "0/0"),
        ];
        all(&good, &["", "/", "16", "1KiB/", "/16", "1KiB/-1", "1KiB/+1", "1KiB/1.5", "1/2/3", "sometimes"]);

        let policy = |age, percent| CompactPolicy::new().older_than(Duration::from_millis(age)).below_percent(percent);
        let good = [
            ("1s/25", policy(1000, 25), "1s/25"),
            ("0s/100%", policy(0, 100), "0s/100"),
            ("10min/5/pack", policy(600_000, 5).pack(true), "10min/5/pack"),
            ("never", policy(1000, 0), "never"),
        ];
        all(&good, &["", "1s", "1s/101", "1s/-1", "1s/+1", "1/25", "1s/25/", "pack", "/pack", "1s/pack", "1s/25%%"]);

        let policy = |age, percent| SuspectPolicy::new(Duration::from_secs(age), percent);
        all(
            &[("10min/5", policy(600, 5), "10min/5"), ("off", policy(0, 0), "off")],
            &["", "10min", "10/5", "10min/101"],
        );
    }

    #[test]
    fn words() {
        all(&[("around", Reuse::AroundThePin, "around"), ("Whole_Slab", Reuse::WholeSlab, "whole")], &["", "half"]);
        all(
            &[("yes", true, "true"), ("0", false, "false"), ("OFF", false, "false"), ("True", true, "true")],
            &["", "2", "y e s"],
        );
    }

    #[test]
    fn what_is_long_is_cut() {
        let error = read::<usize>("SLAB_MAX_BYTES", &"é".repeat(100_000)).unwrap_err().to_string();
        assert!(error.len() < 400 && error.contains("\" and 199840 bytes more: it must be"), "{error}");
    }
}
