//! Names that strangers chose, made safe to show.

use bufslab::report::Holder;

/// `text` with everything escaped that could move a cursor, reorder a line or be invisible.
pub fn harmless(text: &str) -> String {
    text.chars().flat_map(escaped).collect()
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    // Quotes and backslashes do nothing.
    let is_plain = matches!(c, '\'' | '"' | '\\');
    let plain = is_plain.then_some(c).into_iter();
    let special = (!is_plain).then(|| c.escape_debug()).into_iter().flatten();
    plain.chain(special)
}

/// The first `most` characters of the first line of `text`, harmless.
pub fn first_line(text: &str, most: usize) -> String {
    let line = text.trim().lines().next().unwrap_or("");
    let short: String = line.chars().take(most).collect();
    let more = if short.len() < line.len() { "…" } else { "" };
    format!("{}{more}", harmless(&short))
}

/// Who a group of slices is.
pub fn holder(holder: &Holder) -> String {
    match holder {
        // An empty tag is a name too, and one may be called like one of ours.
        Holder::Tag(tag) => named(tag.name()),
        Holder::Site(site) => harmless(&site.to_string()),
        Holder::Scope(scope) => format!("{} {}", named(scope.kind().name()), scope.id()),
        Holder::ScopeKind(kind) => format!("all {}", named(kind.name())),
        Holder::Thread(thread) => format!("thread {thread}"),
        Holder::Untagged => "(untagged)".to_owned(),
        Holder::Unscoped => "(no scope)".to_owned(),
        Holder::NoSite => "(no site)".to_owned(),
        Holder::Untracked => "(untracked)".to_owned(),
        Holder::InMotion => "(in motion)".to_owned(),
        Holder::Everyone => "all slices".to_owned(),
        _ => "(unknown)".to_owned(),
    }
}

fn named(name: &str) -> String {
    if name.trim().is_empty() || name.starts_with('(') { format!("{name:?}") } else { harmless(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bufslab::Tag;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(harmless("a\"b\u{1b}[2J\u{202e}\n日本"), "a\"b\\u{1b}[2J\\u{202e}\\n日本");
        assert_eq!(first_line("  <html>\r\n<body>", 4), "<htm…");
        assert_eq!(holder(&Holder::Tag(Tag::new("(untagged)"))), "\"(untagged)\"");
        assert_eq!(holder(&Holder::Tag(Tag::new(""))), "\"\"");
    }
}
