//! The tables as they stand without a script, the worst rows of each. With one they are the places where it puts its own.

use core::fmt::{self, Write};
use std::collections::HashMap;

use super::markup::{Text, age_cell, bytes_cell, count, count_cell, grouped, permille, share_cell};
use super::{Limits, NAME};
use crate::report::model::{Blame, Holder, PinReport, PinnedSlab};
use crate::report::text::{holder_name, remarks};
use crate::report::{names, units};
use crate::track::{Frame, Tag, Trace};

/// Each way to group slices: what the page calls it, how its column is headed, its groups.
pub(super) fn groupings(report: &PinReport) -> [(&'static str, &'static str, &[Blame]); 5] {
    [
        ("tag", "tag", &report.by_tag),
        ("site", "site", &report.by_site),
        ("kind", "kind of scope", &report.by_scope_kind),
        ("scope", "scope", &report.by_scope),
        ("thread", "thread", &report.by_thread),
    ]
}

fn begin_table(out: &mut impl Write, caption: &str, columns: &[&str], text_columns: &[usize]) -> fmt::Result {
    write!(out, "<div class=\"scroll\"><table><caption>{caption}</caption>\n<thead><tr>")?;
    for (at, column) in columns.iter().enumerate() {
        let class = if text_columns.contains(&at) { "" } else { " class=\"n\"" };
        write!(out, "<th scope=\"col\"{class}>{column}</th>")?;
    }
    out.write_str("</tr></thead>\n<tbody>\n")
}

fn end_table(out: &mut impl Write, shown: usize, all: usize, noun: &str) -> fmt::Result {
    out.write_str("</tbody></table></div>\n")?;
    if shown < all {
        writeln!(out, "<p class=\"rest\">The first {} of {}.</p>", grouped(shown), count(all, noun))?;
    }
    Ok(())
}

pub(super) fn blame(report: &PinReport, limits: &Limits, out: &mut impl Write) -> fmt::Result {
    if report.is_empty() {
        return Ok(());
    }
    out.write_str(
        "<section id=\"blame\" aria-labelledby=\"blame-h\">\n<h2 id=\"blame-h\">Who keeps it alive</h2>\n\
         <p class=\"note\"><b>Alone</b>: slabs that only this group pins; dropping or compacting its slices empties them. \
         <b>Shared</b>: slabs it pins together with others. <b>Amortised</b>: its part of the bill; the column adds up to \
         all pinned bytes.</p>\n",
    )?;
    for (name, title, groups) in groupings(report) {
        write!(out, "<div class=\"panel\" data-table=\"{name}\">\n<h3>By {title}</h3>\n")?;
        if name == "tag" && !groups.iter().any(|blame| matches!(blame.holder, Holder::Tag(_))) {
            out.write_str(
                "<p class=\"note\">No slice has a tag: <code>tag</code> and <code>retain_as</code> would name their \
                 holders here.</p>\n",
            )?;
        }
        let columns = [title, "slices", "used", "slabs", "alone", "shared", "amortised", "of pinned"];
        begin_table(out, &format!("Blame by {title}"), &columns, &[0])?;
        for blame in groups.iter().take(limits.rows) {
            blame_row(blame, report.totals.pinned_bytes, out)?;
        }
        end_table(out, groups.len().min(limits.rows), groups.len(), "group")?;
        out.write_str("</div>\n")?;
    }
    out.write_str("</section>\n")
}

fn blame_row(blame: &Blame, pinned: usize, out: &mut impl Write) -> fmt::Result {
    write!(out, "<tr><th scope=\"row\">{}</th>", Text(holder_name(&blame.holder, NAME)))?;
    count_cell(out, "slices", blame.slices)?;
    match blame.holder {
        Holder::Untracked | Holder::InMotion => out.write_str("<td class=\"n\" data-label=\"used\">unknown</td>")?,
        _ => bytes_cell(out, "used", blame.live_bytes)?,
    }
    count_cell(out, "slabs", blame.slabs)?;
    bytes_cell(out, "alone", blame.exclusive_bytes)?;
    bytes_cell(out, "shared", blame.shared_bytes)?;
    bytes_cell(out, "amortised", blame.amortised_bytes)?;
    share_cell(out, "of pinned", blame.amortised_bytes, pinned)?;
    out.write_str("</tr>\n")
}

/// The place of the slab map, which needs the script.
pub(super) fn map(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    if report.is_empty() {
        return Ok(());
    }
    out.write_str(
        "<section id=\"map\" aria-labelledby=\"map-h\">\n<h2 id=\"map-h\">Where the live slices lie</h2>\n\
         <noscript><p class=\"note\">The map of slabs needs the page's own script, which is off.</p></noscript>\n\
         <div id=\"map-view\"></div>\n</section>\n",
    )
}

/// From which age on a bin counts, in milliseconds, and what it is called.
const BINS: [(u128, &str); 9] = [
    (0, "under 100 ms"),
    (100, "100 ms to 1 s"),
    (1_000, "1 to 10 s"),
    (10_000, "10 s to 1 min"),
    (60_000, "1 to 10 min"),
    (600_000, "10 min to 1 h"),
    (3_600_000, "1 to 6 h"),
    (21_600_000, "6 h to 1 d"),
    (86_400_000, "a day or more"),
];

#[derive(Clone, Copy, Default)]
struct Bin {
    slices: usize,
    slabs: usize,
    pinned: usize,
}

pub(super) fn ages(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    if report.is_empty() {
        return Ok(());
    }
    let mut bins = [Bin::default(); BINS.len()];
    let bin_of = |ms: u128| BINS.iter().rposition(|(from, _)| ms >= *from).unwrap_or(0);
    for slab in &report.slabs {
        let bin = &mut bins[bin_of(slab.age.min().as_millis())];
        bin.slabs += 1;
        bin.pinned = bin.pinned.saturating_add(slab.size);
        for slice in &slab.slices {
            bins[bin_of(slice.age.min().as_millis())].slices += 1;
        }
    }
    out.write_str(
        "<section id=\"ages\" aria-labelledby=\"ages-h\">\n<h2 id=\"ages-h\">Ages</h2>\n\
         <p class=\"note\">By the least age that is certain: a slab since its thread left it (an attached one is young), a \
         slice with its slab, unless it was made later.</p>\n",
    )?;
    begin_table(out, "Slabs and slices by age", &["age", "pinned", "of pinned", "slabs", "slices"], &[0, 2])?;
    let most = bins.iter().map(|bin| bin.pinned).max().unwrap_or(0);
    let used = |at: &usize| bins[*at].slabs > 0 || bins[*at].slices > 0;
    let last = (0..bins.len()).rfind(used).unwrap_or(0);
    for (bin, (_, name)) in bins.iter().zip(BINS).take(last + 1) {
        write!(out, "<tr><th scope=\"row\">{name}</th>")?;
        bytes_cell(out, "pinned", bin.pinned)?;
        let width = permille(bin.pinned, most);
        write!(
            out,
            "<td class=\"histogram\" data-label=\"of pinned\"><svg aria-hidden=\"true\"><rect width=\"{}.{}%\" \
             height=\"100%\"/></svg> {}</td>",
            width / 10,
            width % 10,
            units::percent(bin.pinned, report.totals.pinned_bytes),
        )?;
        count_cell(out, "slabs", bin.slabs)?;
        count_cell(out, "slices", bin.slices)?;
        out.write_str("</tr>\n")?;
    }
    end_table(out, 0, 0, "")?;
    out.write_str("</section>\n")
}

pub(super) fn slabs(report: &PinReport, limits: &Limits, out: &mut impl Write) -> fmt::Result {
    if report.is_empty() {
        return Ok(());
    }
    out.write_str("<section id=\"slabs\" aria-labelledby=\"slabs-h\">\n<h2 id=\"slabs-h\">Every pinned slab</h2>\n")?;
    out.write_str("<div class=\"panel\" data-table=\"slabs\">\n")?;
    let columns = ["slab", "size", "used", "waste", "wasted", "slices", "age", "pinned by", "state"];
    begin_table(out, "Pinned slabs, the most waste first", &columns, &[0, 7, 8])?;
    let mut holders = Holders::default();
    for slab in report.slabs.iter().take(limits.rows) {
        slab_row(slab, &mut holders, out)?;
    }
    end_table(out, report.slabs.len().min(limits.rows), report.slabs.len(), "slab")?;
    out.write_str("</div>\n</section>\n")
}

fn slab_row(slab: &PinnedSlab, holders: &mut Holders, out: &mut impl Write) -> fmt::Result {
    write!(out, "<tr><th scope=\"row\">slab {} gen {}</th>", slab.id, slab.generation)?;
    bytes_cell(out, "size", slab.size)?;
    if slab.slices.is_empty() {
        for label in ["used", "waste", "wasted"] {
            write!(out, "<td class=\"n\" data-label=\"{label}\">unknown</td>")?;
        }
    } else {
        bytes_cell(out, "used", slab.live_bytes)?;
        bytes_cell(out, "waste", slab.waste_bytes)?;
        share_cell(out, "wasted", slab.waste_bytes, slab.size)?;
    }
    count_cell(out, "slices", slab.slices.len())?;
    age_cell(out, "age", slab.age)?;
    let pinned_by = pinned_by(slab, holders);
    write!(out, "<td data-label=\"pinned by\">{}</td>", Text(pinned_by))?;
    writeln!(out, "<td data-label=\"state\">{}</td></tr>", remarks(slab))
}

/// `req.head, body and 3 more`.
fn pinned_by(slab: &PinnedSlab, holders: &mut Holders) -> String {
    let (first, all) = holders.of(slab);
    if all == 0 {
        return "unknown".to_owned();
    }
    let name = |tag: &Option<Tag>| tag.map_or("(untagged)".to_owned(), |tag| names::name(tag.name(), NAME));
    let named = first.iter().map(name).collect::<Vec<_>>().join(", ");
    match all - first.len() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Whose slices a slab has: scratch space for one slab after the other.
#[derive(Default)]
pub(super) struct Holders {
    bytes: HashMap<Option<Tag>, usize>,
    tags: Vec<Option<Tag>>,
}

impl Holders {
    /// Tags that are named; the rest is counted.
    const NAMED: usize = 3;

    /// The tags on `slab` that have the longest slices, and the number of all.
    pub(super) fn of(&mut self, slab: &PinnedSlab) -> (&[Option<Tag>], usize) {
        self.bytes.clear();
        self.tags.clear();
        for slice in &slab.slices {
            let bytes = self.bytes.entry(slice.tag).or_insert_with(|| {
                self.tags.push(slice.tag);
                0
            });
            *bytes = bytes.saturating_add(slice.len);
        }
        self.tags.sort_by_key(|tag| (core::cmp::Reverse(self.bytes[tag]), tag.map(Tag::name)));
        let all = self.tags.len();
        (&self.tags[..all.min(Self::NAMED)], all)
    }
}

/// Stacks that are shown on their own.
const STACKS: usize = 50;

pub(super) fn stacks(report: &PinReport, limits: &Limits, out: &mut impl Write) -> fmt::Result {
    if report.traces.is_empty() {
        return Ok(());
    }
    let mut by_trace = HashMap::new();
    for slab in &report.slabs {
        for slice in &slab.slices {
            if let Some(trace) = slice.trace {
                let sums: &mut (usize, usize) = by_trace.entry(trace).or_default();
                sums.0 += 1;
                sums.1 = sums.1.saturating_add(slice.len);
            }
        }
    }
    let mut traces: Vec<(&Trace, (usize, usize))> =
        report.traces.iter().map(|trace| (trace, by_trace.get(&trace.id).copied().unwrap_or_default())).collect();
    traces.sort_by_key(|(trace, (slices, _))| (core::cmp::Reverse(*slices), trace.id));

    out.write_str("<section id=\"stacks\" aria-labelledby=\"stacks-h\">\n<h2 id=\"stacks-h\">Stacks</h2>\n")?;
    out.write_str("<p class=\"note\">Of the making of slices, or of what touched them last on a suspect slab.</p>\n")?;
    for (trace, (slices, bytes)) in traces.iter().take(STACKS) {
        let place = trace.frames.iter().find_map(|frame| frame.function.as_deref()).unwrap_or("");
        write!(
            out,
            "<details id=\"stack-{}\"><summary>stack {}: {} of {} <code>{}</code></summary>\n<ol>\n",
            trace.id,
            trace.id,
            count(*slices, "slice"),
            units::bytes(*bytes),
            Text(names::squeeze(place, NAME)),
        )?;
        for frame in trace.frames.iter().take(limits.frames) {
            let (function, place) = frame_words(frame);
            writeln!(out, "<li><code>{}</code> <span>{}</span></li>", Text(function), Text(place))?;
        }
        out.write_str("</ol></details>\n")?;
    }
    if traces.len() > STACKS {
        writeln!(out, "<p class=\"rest\">The first {STACKS} of {}.</p>", count(traces.len(), "stack"))?;
    }
    out.write_str("</section>\n")
}

/// A call as the page shows it: the function, and where it is.
pub(super) fn frame_words(frame: &Frame) -> (String, String) {
    let function = frame.function.as_deref().map_or("(no name)".to_owned(), |name| names::squeeze(name, NAME));
    let place = match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{}:{line}", names::squeeze(file, NAME)),
        (Some(file), None) => names::squeeze(file, NAME),
        (None, _) => String::new(),
    };
    (function, place)
}
