//! Text and figures as HTML. Whatever a stranger may have chosen goes through [`Text`].

use core::fmt::{self, Write};
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::report::model::Age;
use crate::report::units;

/// Text as it may stand between two tags or in a quoted attribute.
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape(f), "{}", self.0)
    }
}

/// The same for text that may hold anything: what is no character to show is spelt out. For HTML and XML alike.
#[cfg(any(feature = "admin", feature = "tune"))]
pub(crate) fn escaped(text: &str) -> String {
    let is_shown = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_shown(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    Text(shown).to_string()
}

struct Escape<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, special) in text.match_indices(['&', '<', '>', '"', '\'']) {
            self.0.write_str(&text[plain..at])?;
            plain = at + 1;
            self.0.write_str(match special {
                "&" => "&amp;",
                "<" => "&lt;",
                ">" => "&gt;",
                "\"" => "&quot;",
                _ => "&#39;",
            })?;
        }
        self.0.write_str(&text[plain..])
    }
}

/// JSON as it may stand in a `<script>`, which ends at `</script` and has a state of its own after `<!--`:
/// <https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements>.
///
/// The three characters occur in strings alone, where JSON lets them be written by number.
pub(super) struct InScript<'a, W>(pub(super) &'a mut W);

impl<W: Write> Write for InScript<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, special) in text.match_indices(['<', '>', '&']) {
            self.0.write_str(&text[plain..at])?;
            plain = at + 1;
            self.0.write_str(match special {
                "<" => "\\u003c",
                ">" => "\\u003e",
                _ => "\\u0026",
            })?;
        }
        self.0.write_str(&text[plain..])
    }
}

/// `n` with a comma after each three digits.
pub(super) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12 slices` and `1 slab`, with the figure grouped.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Bytes for a reader, with the exact figure behind it.
pub(super) struct Bytes(pub(super) usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<span title=\"{}\">{}</span>", count(self.0, "byte"), units::bytes(self.0))
    }
}

/// A cell with bytes.
pub(super) fn bytes_cell(out: &mut impl Write, label: &str, bytes: usize) -> fmt::Result {
    let (exact, shown) = (count(bytes, "byte"), units::bytes(bytes));
    write!(out, "<td class=\"n\" data-label=\"{label}\" title=\"{exact}\">{shown}</td>")
}

/// A cell with a number of things.
pub(super) fn count_cell(out: &mut impl Write, label: &str, n: usize) -> fmt::Result {
    write!(out, "<td class=\"n\" data-label=\"{label}\">{}</td>", grouped(n))
}

/// A cell with a share: in words, and as a bar.
pub(super) fn share_cell(out: &mut impl Write, label: &str, part: usize, whole: usize) -> fmt::Result {
    let (shown, width) = (units::percent(part, whole), permille(part, whole));
    write!(
        out,
        "<td class=\"n share\" data-label=\"{label}\"><svg class=\"mini\" aria-hidden=\"true\">\
         <rect width=\"100%\" height=\"100%\"/><rect class=\"part\" width=\"{}.{}%\" height=\"100%\"/></svg> <span>{shown}</span></td>",
        width / 10,
        width % 10,
    )
}

/// Thousandths of `whole`, for the width of a bar.
pub(super) fn permille(part: usize, whole: usize) -> usize {
    match whole {
        0 => 0,
        whole => (part as u128 * 1000 / whole as u128).min(1000) as usize,
    }
}

/// A cell with an age.
pub(super) fn age_cell(out: &mut impl Write, label: &str, age: Age) -> fmt::Result {
    let (min, max) = (age.min().as_millis() as usize, age.max().as_millis() as usize);
    let exact = match min == max {
        true => format!("{} ms", grouped(min)),
        false => format!("{} to {} ms", grouped(min), grouped(max)),
    };
    // Escaped: it may be `<10 ms`.
    write!(out, "<td class=\"n\" data-label=\"{label}\" title=\"{exact}\">{}</td>", Text(units::age(age)))
}

/// `2023-11-14 22:13:20 UTC`, in the proleptic Gregorian calendar; what lies before 1970 is shown as 1970.
pub(super) fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since: Duration| since.as_secs());
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // Whole cycles of 400 years first, so that the loop is short for any clock.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_special_is_left() {
        let hostile = "<b title=\"x\" class='y'>&amp;</script><!--";
        let text = Text(hostile).to_string();
        assert!(!text.contains(['<', '>', '"', '\'']), "{text}");
        assert_eq!(text.matches('&').count(), hostile.matches(['&', '<', '>', '"', '\'']).count());

        let mut json = String::new();
        write!(InScript(&mut json), "[\"{hostile}\"]").unwrap();
        assert!(!json.contains(['<', '>', '&']), "{json}");
        assert!(json.starts_with("[\"\\u003cb title="));
    }

    #[test]
    fn figures_are_grouped() {
        let shown = [0, 7, 999, 1_000, 12_345, 999_999, 1_000_000].map(grouped);
        assert_eq!(shown, ["0", "7", "999", "1,000", "12,345", "999,999", "1,000,000"]);
        assert_eq!((count(1, "slab"), count(2_000, "slab")), ("1 slab".to_owned(), "2,000 slabs".to_owned()));
    }

    /// By `date -u -d @SECONDS`.
    #[test]
    fn dates() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_700_000_000, "2023-11-14 22:13:20 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_800, "10000-01-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
    }
}
