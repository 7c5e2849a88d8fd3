//! Names that strangers chose, made safe to print: tags, pool names, source paths.
//!
//! A tag may hold anything a `&str` can. Whatever could move the cursor, reorder the line or be taken for the report's
//! own words (a tag called `(untracked)`, an empty one, one with spaces) is escaped, quoted, or both.

use core::fmt::Write as _;

use crate::track::{ScopeName, Site};

/// The mark of something left out.
const ELLIPSIS: char = '…';

/// Columns a terminal gives to `c`: an upper bound that needs no tables (letters of the far planes and of East Asia
/// take two).
fn columns(c: char) -> usize {
    match c as u32 {
        0..0x1100 | 0x1e00..0x2e80 => 1,
        _ => 2,
    }
}

/// Columns that `text`, already escaped, takes at most.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Writes one character as it may stand in a line; quotes only need a mark inside a quoted name.
fn escape(c: char, out: &mut String) {
    match c {
        '\'' => out.push(c),
        _ => {
            let _ = write!(out, "{}", c.escape_debug());
        }
    }
}

/// Joins as many whole pieces of `pieces` as fit in `room` columns. The flag says whether all did.
fn take(pieces: impl Iterator<Item = char>, room: usize) -> (Vec<String>, bool) {
    let mut taken = Vec::new();
    let mut used = 0;
    for c in pieces {
        let mut piece = String::new();
        escape(c, &mut piece);
        used += width(&piece);
        if used > room {
            return (taken, false);
        }
        taken.push(piece);
    }
    (taken, true)
}

/// `text` escaped within `room` columns; where it is too long its middle gives way (`conn.upgr…d.first`), so that names
/// that share a beginning stay apart. Escapes are never cut in two, and no more of a huge name is looked at than is
/// shown.
pub(super) fn squeeze(text: &str, room: usize) -> String {
    let (all, whole) = take(text.chars(), room);
    if whole {
        return all.concat();
    }
    let room = room.saturating_sub(1);
    let tail_room = room / 3;
    let (head, _) = take(text.chars(), room - tail_room);
    let (mut tail, _) = take(text.chars().rev(), tail_room);
    tail.reverse();
    format!("{}{ELLIPSIS}{}", head.concat(), tail.concat())
}

/// A name a program gave, within `room` columns: bare if it is plain, quoted and escaped otherwise.
pub(super) fn name(text: &str, room: usize) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:/@#+=".contains(&b);
    if !text.is_empty() && text.len() <= room && text.bytes().all(plain) {
        return text.to_owned();
    }
    if text.len() > room && text.bytes().take(4096).all(plain) {
        return squeeze(text, room);
    }
    format!("\"{}\"", squeeze(text, room.saturating_sub(2)))
}

/// A name as it may stand in a sentence.
pub(crate) fn plain(text: &str) -> String {
    name(text, 64)
}

/// A site as `file:line:column`, escaped but not shortened: [`keep_end`] does that, once the room is known.
pub(crate) fn site(site: &Site) -> String {
    let mut out = String::new();
    for c in site.file().chars() {
        match c {
            // Paths of Windows are full of these; escaping them would only make them longer.
            '\\' => out.push(c),
            _ => escape(c, &mut out),
        }
    }
    let _ = write!(out, ":{}:{}", site.line(), site.column());
    out
}

/// A scope as `ws_session 42`, its name within `room` columns.
pub(crate) fn scope(scope: ScopeName, room: usize) -> String {
    format!("{} {}", name(scope.kind().name(), room), scope.id())
}

/// Cuts the front of `text` so that it fits in `room` columns: what tells two paths apart is at their end.
pub(super) fn keep_end(text: &str, room: usize) -> String {
    cut(text, room, true)
}

/// Cuts the end of `text` so that it fits in `room` columns.
pub(super) fn keep_start(text: &str, room: usize) -> String {
    cut(text, room, false)
}

fn cut(text: &str, room: usize, from_front: bool) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept = Vec::new();
    let mut used = 1;
    let mut keep = |c: char| {
        used += columns(c);
        let fits = used <= room;
        if fits {
            kept.push(c);
        }
        fits
    };
    if from_front {
        let _ = text.chars().rev().all(&mut keep);
        kept.push(ELLIPSIS);
        kept.reverse();
    } else {
        let _ = text.chars().all(&mut keep);
        kept.push(ELLIPSIS);
    }
    kept.into_iter().collect()
}
