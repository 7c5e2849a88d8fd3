//! How things are called in a heap snapshot.
//!
//! DevTools shows a retainer as *edge* **in** *node*, which is why an edge is called by what it leads to: `pin in slice
//! 20 B at 15400`, `made at src/main.rs:80:21 in tag req.head`.

use core::fmt::Write as _;

use super::graph::{Culprit, Extent};
use crate::report::model::PinnedSlab;
use crate::report::{names, units};
use crate::track::{ScopeName, Site, Tag};

/// Columns for a name. A tag is cut by none of this even if every character of it is escaped.
const ROOM: usize = 1400;
/// Columns for a path.
const PATH: usize = 400;
/// What a slice is called by its kind: shared, exported, writable, parked.
pub(super) const NOUNS: [&str; 4] = ["slice", "exported slice", "writable slice", "parked slice"];

pub(super) fn pool(name: &str) -> String {
    format!("pool {}", names::name(name, ROOM))
}

pub(super) fn scope(scope: ScopeName) -> String {
    format!("scope {}", names::scope(scope, ROOM))
}

pub(super) fn tag(tag: Tag) -> String {
    names::name(tag.name(), ROOM)
}

pub(super) fn site(site: Site) -> String {
    names::keep_end(&names::site(&site), PATH)
}

/// The name of a node that holds slices.
pub(super) fn group(culprit: Culprit) -> String {
    match culprit {
        Culprit::Tag(name) => format!("tag {}", tag(name)),
        Culprit::Site(at) => format!("site {}", site(at)),
        Culprit::Unknown => "(no tag, no site)".to_owned(),
    }
}

/// How an edge to such a node is called.
pub(super) fn group_edge(culprit: Culprit) -> &'static str {
    match culprit {
        Culprit::Tag(_) => "tag",
        Culprit::Site(_) => "site",
        Culprit::Unknown => "slices",
    }
}

/// The same in the middle of a sentence.
pub(super) fn culprit(culprit: Culprit) -> String {
    match culprit {
        Culprit::Tag(name) => tag(name),
        Culprit::Site(at) => site(at),
        Culprit::Unknown => "(unknown)".to_owned(),
    }
}

/// How an edge to a slice is called: where it was made, unless that is the node's own name, and what was said of it.
pub(super) fn slice_edge(made_at: Option<Site>, first_hint: Option<Tag>, last_hint: Option<Tag>) -> String {
    let mut text = made_at.map_or_else(|| "slice".to_owned(), |at| format!("made at {}", site(at)));
    match (first_hint, last_hint) {
        (Some(first), Some(last)) if first != last => {
            let _ = write!(text, ", touched at {} and last at {}", tag(first), tag(last));
        }
        (Some(hint), _) | (None, Some(hint)) => {
            let _ = write!(text, ", touched at {}", tag(hint));
        }
        (None, None) => {}
    }
    text
}

/// With its exact length: no two extents are called the same.
pub(super) fn slice(extent: Extent, out: &mut String) {
    let noun = NOUNS[usize::from(extent.noun)];
    let _ = write!(out, "{noun} {} B at {}", extent.len, extent.offset);
}

pub(super) fn slab(slab: &PinnedSlab, out: &mut String) {
    let _ = write!(out, "slab {} gen {} ({}", slab.id, slab.generation, units::bytes(slab.size));
    let _ = write!(out, ", {} used, {} old", units::bytes(slab.live_bytes), units::age(slab.age));
    out.push_str(if slab.attached { ", attached" } else { "" });
    out.push_str(if slab.foreign { ", foreign" } else { "" });
    out.push_str(if slab.suspect { ", suspect" } else { "" });
    out.push(')');
}

/// A string of JSON (RFC 8259) in ASCII alone: readers that cut a file into pieces of bytes cut no character in two.
pub(super) fn json_ascii(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
