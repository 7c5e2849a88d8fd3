//! What changed between two reports, for programs: described in `docs/diff_json.md`.

use core::fmt::{self, Write};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use super::diff::{Change, GroupDiff, ReportDiff};
use super::json::{Value, holder, list, member, millis};
use super::stream::stream;

impl ReportDiff {
    /// All of it as JSON: every group, sizes in bytes, times in milliseconds.
    ///
    /// The form is versioned ([`SCHEMA_VERSION`](ReportDiff::SCHEMA_VERSION)), its keys have a fixed order, and each
    /// group has a line of its own.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        // A `String` never refuses.
        let _ = document(self, &mut text);
        text
    }

    /// Writes what [`to_json`](ReportDiff::to_json) returns, piece by piece.
    ///
    /// The pieces are small: give it a [`BufWriter`](io::BufWriter) if `out` is a file or a socket.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_json(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        stream(out, |out| document(self, out))
    }
}

fn document(diff: &ReportDiff, out: &mut impl Write) -> fmt::Result {
    out.write_str("{")?;
    member(out, "\n", "schema", Value::Text("bufslab.pin_diff"))?;
    member(out, ",\n", "version", u64::from(ReportDiff::SCHEMA_VERSION))?;
    side(out, "before", &diff.pool_before, diff.taken_before)?;
    side(out, "after", &diff.pool_after, diff.taken_after)?;
    member(out, ",\n", "origin", Value::Text(diff.origin.as_str()))?;
    member(out, ",\n", "elapsed_ms", diff.elapsed.map_or(Value::Null, |elapsed| Value::Number(millis(elapsed))))?;
    totals(diff, out)?;
    slabs(diff, out)?;
    list(out, "by_tag", &diff.by_tag, group)?;
    list(out, "by_site", &diff.by_site, group)?;
    list(out, "by_scope", &diff.by_scope, group)?;
    list(out, "by_scope_kind", &diff.by_scope_kind, group)?;
    out.write_str("\n}\n")
}

fn side(out: &mut impl Write, key: &str, pool: &str, taken: SystemTime) -> fmt::Result {
    write!(out, ",\n\"{key}\":{{")?;
    member(out, "", "pool", Value::Text(pool))?;
    member(out, ",", "taken_unix_ms", taken.duration_since(UNIX_EPOCH).map_or(0, millis))?;
    out.write_str("}")
}

fn totals(diff: &ReportDiff, out: &mut impl Write) -> fmt::Result {
    let t = &diff.totals;
    out.write_str(",\n\"totals\":{")?;
    change(out, "", "slabs", t.slabs)?;
    change(out, ",", "slices", t.slices)?;
    change(out, ",", "untracked", t.untracked)?;
    change(out, ",", "pinned_bytes", t.pinned_bytes)?;
    change(out, ",", "live_bytes", t.live_bytes)?;
    change(out, ",", "waste_bytes", t.waste_bytes)?;
    change(out, ",", "reclaimable_bytes", t.reclaimable_bytes)?;
    change(out, ",", "memory_bytes", t.memory_bytes)?;
    member(out, ",", "bytes_per_second", t.bytes_per_second.map_or(Value::Null, Value::Signed))?;
    out.write_str("}")
}

fn slabs(diff: &ReportDiff, out: &mut impl Write) -> fmt::Result {
    let s = &diff.slabs;
    out.write_str(",\n\"slabs\":{")?;
    member(out, "", "new", s.new)?;
    member(out, ",", "new_bytes", s.new_bytes)?;
    member(out, ",", "gone", s.gone)?;
    member(out, ",", "gone_bytes", s.gone_bytes)?;
    member(out, ",", "kept", s.kept)?;
    member(out, ",", "kept_bytes", s.kept_bytes)?;
    out.write_str("}")
}

fn group<W: Write>(row: &GroupDiff, out: &mut W) -> fmt::Result {
    out.write_str("{")?;
    holder(&row.holder, out)?;
    member(out, ",", "verdict", Value::Text(row.verdict.as_str()))?;
    change(out, ",", "slices", row.slices)?;
    change(out, ",", "slabs", row.slabs)?;
    change(out, ",", "live_bytes", row.live_bytes)?;
    change(out, ",", "exclusive_bytes", row.exclusive_bytes)?;
    change(out, ",", "shared_bytes", row.shared_bytes)?;
    change(out, ",", "amortised_bytes", row.amortised_bytes)?;
    member(out, ",", "bytes_per_second", row.bytes_per_second.map_or(Value::Null, Value::Signed))?;
    out.write_str("}")
}

fn change(out: &mut impl Write, before: &str, key: &str, change: Change) -> fmt::Result {
    write!(out, "{before}\"{key}\":{{")?;
    member(out, "", "before", change.before)?;
    member(out, ",", "after", change.after)?;
    member(out, ",", "delta", change.delta())?;
    out.write_str("}")
}
