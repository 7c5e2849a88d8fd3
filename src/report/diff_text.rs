//! What changed between two reports, for people.

use core::fmt;
use std::time::SystemTime;

use super::diff::{GroupDiff, Origin, ReportDiff, Verdict};
use super::model::Holder;
use super::names::name;
use super::table::Column::{Elastic, Left, Right};
use super::table::{Lines, Table};
use super::text::{and_more, holder_name};
use super::units::{bytes, count, rate, signed_bytes, signed_count, span};

struct Limits {
    width: usize,
    tag_width: usize,
    groups: usize,
    all: bool,
}

const SHORT: Limits = Limits { width: 80, tag_width: 24, groups: 6, all: false };
const FULL: Limits = Limits { width: 100, tag_width: 32, groups: usize::MAX, all: true };

/// `{}` shows what grew and shrank most and says how much more there is, in lines of at most 80 columns; `{:#}` shows
/// every group, also those that stayed as they were, in lines of at most 100 columns.
impl fmt::Display for ReportDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = if f.alternate() { &FULL } else { &SHORT };
        let lines = &mut Lines::new(f, limits.width);
        self.verdict(lines)?;
        self.facts(lines, limits)?;
        self.tables(lines, limits)
    }
}

impl ReportDiff {
    fn verdict(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        let pinned = &self.totals.pinned_bytes;
        let (before, after) = (bytes(pinned.before), bytes(pinned.after));
        let text = match (pinned.delta(), self.totals.bytes_per_second) {
            (0, _) => format!("as much is pinned as before: {after}"),
            (delta, None) => format!("pinned {before}, now {after}: {}", signed_bytes(delta)),
            (delta, Some(per_second)) => {
                format!("pinned {before}, now {after}: {}, {}", signed_bytes(delta), rate(per_second as f64))
            }
        };
        lines.prose(&text)
    }

    fn facts(&self, lines: &mut Lines<'_, '_>, limits: &Limits) -> fmt::Result {
        let pool = name(&self.pool_after, limits.tag_width);
        let whose = match self.origin {
            Origin::SameRun => format!("pool {pool}"),
            Origin::OtherRun => format!("pool {pool}, in two runs of the program (or its clock was set)"),
            Origin::OtherPool => format!("of two pools: {}, then {pool}", name(&self.pool_before, limits.tag_width)),
        };
        let when = match self.elapsed {
            Some(elapsed) => format!("taken {} apart", span(elapsed)),
            None if self.is_reversed() => "the second report is older than the first: no rates".to_owned(),
            None => "taken at one moment: no rates".to_owned(),
        };
        lines.prose(&format!("{whose}; {when}"))?;
        let s = &self.slabs;
        let some = |n: usize, what: &str, size: usize| format!("{} {what} ({})", count(n, "slab"), bytes(size));
        let slabs = match self.origin {
            Origin::SameRun => format!(
                "{}, {} gone ({}), {} pinned all the time ({})",
                some(s.new, "new", s.new_bytes),
                s.gone,
                bytes(s.gone_bytes),
                s.kept,
                bytes(s.kept_bytes)
            ),
            _ => format!("{}, then {}", count(s.gone, "slab"), count(s.new, "slab")),
        };
        lines.prose(&slabs)?;
        let (live, waste) = (&self.totals.live_bytes, &self.totals.waste_bytes);
        lines.prose(&format!(
            "used {} ({}), waste {} ({}), {} ({})",
            bytes(live.after),
            signed_bytes(live.delta()),
            bytes(waste.after),
            signed_bytes(waste.delta()),
            count(self.totals.slices.after, "slice"),
            signed_count(self.totals.slices.delta()),
        ))
    }

    fn is_reversed(&self) -> bool {
        // Within one run the clock of the pool decides, which is read together with the wall clock.
        let later = |time: SystemTime, than: SystemTime| time.duration_since(than).is_ok_and(|by| !by.is_zero());
        later(self.taken_before, self.taken_after)
    }

    fn tables(&self, lines: &mut Lines<'_, '_>, limits: &Limits) -> fmt::Result {
        let mut tables = vec![("by tag", &self.by_tag), ("by site", &self.by_site)];
        if self.by_scope.iter().any(|row| matches!(row.holder, Holder::Scope(_))) {
            tables.push(("by kind of scope", &self.by_scope_kind));
            tables.push(("by scope", &self.by_scope));
        }
        let tables: Vec<_> = tables.into_iter().map(|(title, rows)| (title, shown(rows, limits))).collect();

        let mut layout = Table::new(0, [Elastic, Left, Right, Right, Right, Right, Right]);
        for (title, (rows, _)) in &tables {
            layout.measure(&header(title));
            rows.iter().for_each(|row| layout.measure(&cells(row, limits)));
        }
        layout.fit(limits.width);
        for (title, (rows, left_out)) in &tables {
            if rows.is_empty() && !limits.all {
                continue;
            }
            lines.line("")?;
            layout.write(lines, &header(title))?;
            for row in rows {
                layout.write(lines, &cells(row, limits))?;
            }
            and_more(lines, 2, rows.len() + left_out, rows.len(), "group that changed", "groups that changed")?;
        }
        if tables.iter().all(|(_, (rows, _))| rows.is_empty()) {
            lines.line("no group changed")?;
        }
        Ok(())
    }
}

/// The rows to show: what grew most, then what shrank most; and how many more have changed.
fn shown<'a>(rows: &'a [GroupDiff], limits: &Limits) -> (Vec<&'a GroupDiff>, usize) {
    if limits.all {
        return (rows.iter().collect(), 0);
    }
    let changed = |row: &&GroupDiff| row.verdict != Verdict::Same || row.slices.delta() != 0;
    let up: Vec<_> = rows.iter().filter(changed).filter(|row| row.amortised_bytes.delta() >= 0).collect();
    let down: Vec<_> = rows.iter().rev().filter(changed).filter(|row| row.amortised_bytes.delta() < 0).collect();
    let all = up.len() + down.len();
    // A third of the room is for what shrank, and more if the growth leaves some.
    let room_up = up.len().min(limits.groups - down.len().min(limits.groups / 3));
    let room_down = down.len().min(limits.groups - room_up);
    let rows: Vec<_> = up[..room_up].iter().chain(&down[..room_down]).copied().collect();
    let left_out = all - rows.len();
    (rows, left_out)
}

fn header(title: &str) -> [String; 7] {
    [title, "", "slices", "slabs", "alone", "amortised", "a second"].map(str::to_owned)
}

fn cells(row: &GroupDiff, limits: &Limits) -> [String; 7] {
    [
        format!("  {}", holder_name(&row.holder, limits.tag_width)),
        row.verdict.as_str().to_owned(),
        signed_count(row.slices.delta()),
        signed_count(row.slabs.delta()),
        signed_bytes(row.exclusive_bytes.delta()),
        signed_bytes(row.amortised_bytes.delta()),
        row.bytes_per_second.map_or(String::new(), |per_second| rate(per_second as f64)),
    ]
}
