//! Names that strangers chose, made harmless where they have to stay as close to themselves as can be.

use core::fmt::{self, Write};

/// Writes `text` with everything escaped that could end a line, move a terminal's cursor or turn the order of letters
/// (`\n`, `\u{1b}`, `\u{202e}`), and every character that `also` names. A backslash stays one, as paths of Windows are
/// full of them: it is for the eye, not for a decoder. Who needs a name to the byte takes it from the JSON.
pub(super) fn harmless(text: &str, also: impl Fn(char) -> bool, out: &mut impl Write) -> fmt::Result {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let by_us = also(c);
        let keep = matches!(c, ' '..='~') || c.escape_debug().len() == 1;
        if keep && !by_us {
            continue;
        }
        out.write_str(&text[plain..at])?;
        plain = at + c.len_utf8();
        if by_us {
            write!(out, "{}", c.escape_unicode())?;
        } else {
            write!(out, "{}", c.escape_debug())?;
        }
    }
    out.write_str(&text[plain..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let mut out = String::new();
        harmless(text, |c| c == ';', &mut out).unwrap();
        out
    }

    #[test]
    fn what_moves_or_hides_is_escaped_and_the_rest_stays() {
        assert_eq!(of("req.head"), "req.head");
        assert_eq!(of("größe 日本語 \"quoted\" 'it' C:\\src"), "größe 日本語 \"quoted\" 'it' C:\\src");
        assert_eq!(of("a\nb\r\tc\0"), "a\\nb\\r\\tc\\0");
        assert_eq!(of("\u{1b}[31m\u{202e}\u{2028}\u{200b}\u{feff}"), "\\u{1b}[31m\\u{202e}\\u{2028}\\u{200b}\\u{feff}");
        assert_eq!(of("a;b"), "a\\u{3b}b");
        assert_eq!(of(""), "");
    }
}
