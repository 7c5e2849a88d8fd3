//! The report for programs: JSON, written as it is read, described in `docs/report_json.md`.

use core::fmt::{self, Write};
use core::time::Duration;
use std::io;
use std::time::UNIX_EPOCH;

use super::model::{Advice, Age, Blame, Holder, PinReport, PinnedSlab, PinnedSlice};
use super::sizing::SlabSizeMove;
use super::stream::stream;
use crate::config::Setting;
use crate::raw::{Backing, SliceKind};
use crate::track::{ScopeName, Site, Trace};

impl PinReport {
    /// The whole report as JSON: every slab, every slice, sizes in bytes, times in milliseconds.
    ///
    /// The form is versioned ([`SCHEMA_VERSION`](PinReport::SCHEMA_VERSION)) and its keys have a fixed order. It needs
    /// no feature and no serialisation library. It is one JSON value, broken into lines so that two reports can be
    /// compared by eye or `diff`: each slab and each group has a line of its own.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        // A `String` never refuses.
        let _ = document(self, None, &mut text);
        text
    }

    /// Writes what [`to_json`](PinReport::to_json) returns, piece by piece, so that a large report is never in memory
    /// twice.
    ///
    /// The pieces are small: give it a [`BufWriter`](io::BufWriter) if `out` is a file or a socket.
    ///
    /// # Errors
    /// The first error of `out`, after which nothing more is written.
    pub fn write_json(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        stream(out, |out| document(self, None, out))
    }

    /// As [`write_json`](PinReport::write_json), with the ID that a console knows the report by.
    #[cfg(feature = "admin")]
    pub(crate) fn write_json_served(&self, id: &str, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        stream(out, |out| document(self, Some(id), out))
    }
}

fn document(report: &PinReport, served_as: Option<&str>, out: &mut impl Write) -> fmt::Result {
    out.write_str("{")?;
    member(out, "\n", "schema", Value::Text("bufslab.pin_report"))?;
    member(out, ",\n", "version", u64::from(PinReport::SCHEMA_VERSION))?;
    pool(report, out)?;
    list(out, "config", &report.config, setting)?;
    list(out, "config_warnings", &report.config_warnings, |text, out| string(text, out))?;
    list(out, "slab_size_moves", &report.slab_size_moves, slab_size_move)?;
    member(out, ",\n", "taken_unix_ms", report.taken_at.duration_since(UNIX_EPOCH).map_or(0, millis))?;
    member(out, ",\n", "uptime_ms", millis(report.uptime))?;
    if let Some(id) = served_as {
        member(out, ",\n", "report_id", Value::Text(id))?;
    }
    totals(report, out)?;
    list(out, "advice", &report.advice, advice)?;
    match &report.advice_together {
        Some(together) => {
            out.write_str(",\n\"advice_together\":")?;
            advice(together, out)?;
        }
        None => out.write_str(",\n\"advice_together\":null")?,
    }
    list(out, "by_tag", &report.by_tag, blame)?;
    list(out, "by_site", &report.by_site, blame)?;
    list(out, "by_scope", &report.by_scope, blame)?;
    list(out, "by_scope_kind", &report.by_scope_kind, blame)?;
    list(out, "by_thread", &report.by_thread, blame)?;
    list(out, "slabs", &report.slabs, slab)?;
    list(out, "traces", &report.traces, trace)?;
    out.write_str("\n}\n")
}

fn pool(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    out.write_str(",\n\"pool\":{")?;
    member(out, "", "name", Value::Text(&report.pool))?;
    member(out, ",", "slab_size", report.slab_size)?;
    member(out, ",", "level", Value::Text(&report.level.to_string()))?;
    out.write_str(",\"retain_policy\":{")?;
    member(out, "", "copybreak", report.retain_policy.copybreak())?;
    member(out, ",", "ratio", report.retain_policy.ratio())?;
    out.write_str("},\"backing\":{")?;
    let Backing { kind, page_size, note } = &report.backing;
    member(out, "", "kind", Value::Text(kind))?;
    member(out, ",", "page_size", *page_size)?;
    member(out, ",", "note", note.as_deref().map_or(Value::Null, Value::Text))?;
    out.write_str("}}")
}

fn slab_size_move<W: Write>(made: &SlabSizeMove, out: &mut W) -> fmt::Result {
    out.write_str("{")?;
    member(out, "", "from", made.from)?;
    member(out, ",", "to", made.to)?;
    member(out, ",", "age_ms", millis(made.age))?;
    member(out, ",", "reason", Value::Text(&made.reason))?;
    out.write_str("}")
}

fn setting<W: Write>(setting: &Setting, out: &mut W) -> fmt::Result {
    let set_by = setting.set_by();
    out.write_str("{")?;
    member(out, "", "name", Value::Text(setting.name()))?;
    member(out, ",", "value", Value::Text(setting.value()))?;
    member(out, ",", "set_by", Value::Text(set_by.as_str()))?;
    member(out, ",", "variable", set_by.variable().map_or(Value::Null, Value::Text))?;
    out.write_str("}")
}

fn totals(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    let t = &report.totals;
    out.write_str(",\n\"totals\":{")?;
    member(out, "", "slabs", t.slabs)?;
    member(out, ",", "slices", t.slices)?;
    member(out, ",", "exported", t.exported)?;
    member(out, ",", "untracked", t.untracked)?;
    member(out, ",", "in_motion", t.in_motion)?;
    member(out, ",", "clipped", t.clipped)?;
    member(out, ",", "pinned_bytes", t.pinned_bytes)?;
    member(out, ",", "live_bytes", t.live_bytes)?;
    member(out, ",", "waste_bytes", t.waste_bytes)?;
    member(out, ",", "reclaimable_bytes", t.reclaimable_bytes)?;
    member(out, ",", "attached_bytes", t.attached_bytes)?;
    member(out, ",", "unlisted_bytes", t.unlisted_bytes)?;
    member(out, ",", "writable_bytes", t.writable_bytes)?;
    member(out, ",", "resident_bytes", t.resident_bytes)?;
    member(out, ",", "foreign_bytes", t.foreign_bytes)?;
    member(out, ",", "memory_bytes", t.memory_bytes)?;
    member(out, ",", "idle_bytes", t.idle_bytes)?;
    member(out, ",", "ledger_bytes", t.ledger_bytes)?;
    member(out, ",", "names_bytes", t.names_bytes)?;
    out.write_str("}")
}

fn advice<W: Write>(advice: &Advice, out: &mut W) -> fmt::Result {
    out.write_str("{")?;
    holder(&advice.holder, out)?;
    member(out, ",", "slices", advice.slices)?;
    member(out, ",", "slices_in_group", advice.slices_in_group)?;
    member(out, ",", "exported", advice.exported)?;
    member(out, ",", "copied_bytes", advice.copied_bytes)?;
    member(out, ",", "freed_slabs", advice.freed_slabs)?;
    member(out, ",", "freed_bytes", advice.freed_bytes)?;
    out.write_str("}")
}

fn blame<W: Write>(blame: &Blame, out: &mut W) -> fmt::Result {
    out.write_str("{")?;
    holder(&blame.holder, out)?;
    member(out, ",", "slices", blame.slices)?;
    member(out, ",", "live_bytes", blame.live_bytes)?;
    member(out, ",", "slabs", blame.slabs)?;
    member(out, ",", "exclusive_bytes", blame.exclusive_bytes)?;
    member(out, ",", "shared_bytes", blame.shared_bytes)?;
    member(out, ",", "amortised_bytes", blame.amortised_bytes)?;
    out.write_str("}")
}

pub(super) fn holder(holder: &Holder, out: &mut impl Write) -> fmt::Result {
    let kind = match holder {
        Holder::Tag(_) => "tag",
        Holder::Site(_) => "site",
        Holder::Scope(_) => "scope",
        Holder::ScopeKind(_) => "scope_kind",
        Holder::Thread(_) => "thread",
        Holder::Untagged => "untagged",
        Holder::Unscoped => "unscoped",
        Holder::NoSite => "no_site",
        Holder::Untracked => "untracked",
        Holder::InMotion => "in_motion",
        Holder::Everyone => "everyone",
    };
    out.write_str("\"holder\":{")?;
    member(out, "", "kind", Value::Text(kind))?;
    match holder {
        Holder::Tag(tag) => member(out, ",", "tag", Value::Text(tag.name()))?,
        Holder::Site(at) => site(Some(*at), out)?,
        Holder::Scope(name) => scope(Some(*name), out)?,
        Holder::ScopeKind(kind) => member(out, ",", "scope_kind", Value::Text(kind.name()))?,
        Holder::Thread(thread) => member(out, ",", "thread", u64::from(*thread))?,
        _ => {}
    }
    out.write_str("}")
}

fn slab<W: Write>(slab: &PinnedSlab, out: &mut W) -> fmt::Result {
    out.write_str("{")?;
    member(out, "", "id", slab.id)?;
    member(out, ",", "generation", slab.generation)?;
    member(out, ",", "size", slab.size)?;
    member(out, ",", "attached", Value::Flag(slab.attached))?;
    member(out, ",", "foreign", Value::Flag(slab.foreign))?;
    member(out, ",", "suspect", Value::Flag(slab.suspect))?;
    member(out, ",", "level", Value::Text(&slab.level.to_string()))?;
    member(out, ",", "handles", slab.handles)?;
    member(out, ",", "untracked", slab.untracked)?;
    member(out, ",", "in_motion", slab.in_motion)?;
    member(out, ",", "live_bytes", slab.live_bytes)?;
    member(out, ",", "waste_bytes", slab.waste_bytes)?;
    member(out, ",", "resident_bytes", slab.resident_bytes)?;
    age(slab.age, out)?;
    out.write_str(",\"slices\":[")?;
    let mut comma = "";
    for each in &slab.slices {
        out.write_str(comma)?;
        comma = ",";
        slice(each, out)?;
    }
    out.write_str("]}")
}

fn slice(slice: &PinnedSlice, out: &mut impl Write) -> fmt::Result {
    let kind = match slice.kind {
        SliceKind::Mut => "mut",
        SliceKind::Shared => "shared",
        SliceKind::Exported => "exported",
        SliceKind::Parked => "parked",
    };
    out.write_str("{")?;
    member(out, "", "offset", slice.offset)?;
    member(out, ",", "len", slice.len)?;
    member(out, ",", "kind", Value::Text(kind))?;
    member(out, ",", "tag", slice.tag.map_or(Value::Null, |tag| Value::Text(tag.name())))?;
    site(slice.site, out)?;
    scope(slice.scope, out)?;
    member(out, ",", "thread", u64::from(slice.thread))?;
    age(slice.age, out)?;
    member(out, ",", "first_hint", slice.first_hint.map_or(Value::Null, |hint| Value::Text(hint.name())))?;
    member(out, ",", "last_hint", slice.last_hint.map_or(Value::Null, |hint| Value::Text(hint.name())))?;
    member(out, ",", "trace", slice.trace.map_or(Value::Null, |trace| Value::Number(u64::from(trace.get()))))?;
    out.write_str("}")
}

fn trace<W: Write>(trace: &Trace, out: &mut W) -> fmt::Result {
    out.write_str("{")?;
    member(out, "", "id", u64::from(trace.id.get()))?;
    out.write_str(",\"frames\":[")?;
    let mut comma = "";
    for frame in &trace.frames {
        out.write_str(comma)?;
        comma = ",";
        out.write_str("{")?;
        member(out, "", "function", frame.function.as_deref().map_or(Value::Null, Value::Text))?;
        member(out, ",", "file", frame.file.as_deref().map_or(Value::Null, Value::Text))?;
        member(out, ",", "line", frame.line.map_or(Value::Null, |line| Value::Number(u64::from(line))))?;
        out.write_str("}")?;
    }
    out.write_str("]}")
}

fn scope(scope: Option<ScopeName>, out: &mut impl Write) -> fmt::Result {
    let Some(scope) = scope else {
        return member(out, ",", "scope", Value::Null);
    };
    out.write_str(",\"scope\":{")?;
    member(out, "", "kind", Value::Text(scope.kind().name()))?;
    member(out, ",", "id", scope.id())?;
    out.write_str("}")
}

fn site(site: Option<Site>, out: &mut impl Write) -> fmt::Result {
    let Some(site) = site else {
        return member(out, ",", "site", Value::Null);
    };
    out.write_str(",\"site\":{")?;
    member(out, "", "file", Value::Text(site.file()))?;
    member(out, ",", "line", u64::from(site.line()))?;
    member(out, ",", "column", u64::from(site.column()))?;
    out.write_str("}")
}

fn age(age: Age, out: &mut impl Write) -> fmt::Result {
    out.write_str(",\"age_ms\":{")?;
    member(out, "", "min", millis(age.min()))?;
    member(out, ",", "max", millis(age.max()))?;
    out.write_str("}")
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What a key of this schema may hold, besides objects and arrays.
pub(super) enum Value<'a> {
    Null,
    Flag(bool),
    Number(u64),
    Signed(i64),
    Text(&'a str),
}

impl From<usize> for Value<'_> {
    fn from(n: usize) -> Self {
        Value::Number(n as u64)
    }
}

impl From<Option<usize>> for Value<'_> {
    fn from(n: Option<usize>) -> Self {
        n.map_or(Value::Null, Value::from)
    }
}

impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        Value::Signed(n)
    }
}

impl From<u64> for Value<'_> {
    fn from(n: u64) -> Self {
        Value::Number(n)
    }
}

pub(super) fn member<'a>(out: &mut impl Write, before: &str, key: &str, value: impl Into<Value<'a>>) -> fmt::Result {
    write!(out, "{before}\"{key}\":")?;
    match value.into() {
        Value::Null => out.write_str("null"),
        Value::Flag(flag) => write!(out, "{flag}"),
        Value::Number(n) => write!(out, "{n}"),
        Value::Signed(n) => write!(out, "{n}"),
        Value::Text(text) => string(text, out),
    }
}

/// `key` with an array of which each element has a line of its own.
pub(super) fn list<T, W: Write>(
    out: &mut W,
    key: &str,
    items: &[T],
    mut item: impl FnMut(&T, &mut W) -> fmt::Result,
) -> fmt::Result {
    write!(out, ",\n\"{key}\":[")?;
    let mut comma = "\n";
    for each in items {
        out.write_str(comma)?;
        comma = ",\n";
        item(each, out)?;
    }
    out.write_str("]")
}

/// A string by the rules of RFC 8259. Beyond what those demand, every control character is escaped, and the two line
/// separators that JavaScript once refused; nothing in a report moves the cursor of a terminal it is printed to.
pub(super) fn string(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let special = c.is_control() || matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}');
        if !special {
            continue;
        }
        out.write_str(&text[plain..at])?;
        plain = at + c.len_utf8();
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            // All of them lie below U+10000: one unit of UTF-16.
            _ => write!(out, "\\u{:04x}", c as u32)?,
        }
    }
    out.write_str(&text[plain..])?;
    out.write_char('"')
}
