//! The top of the page: the verdict, what to do about it, and where the memory is. And its foot.

use core::fmt::{self, Write};

use super::markup::{Bytes, Text, count, grouped, permille, utc};
use super::{Limits, NAME};
use crate::report::model::{Advice, Holder, PinReport};
use crate::report::{names, units};

/// Advice that is shown at once; the rest can be unfolded.
const FIRST: usize = 6;
/// Advice that can be unfolded.
const MORE: usize = 200;

/// What a tab of the browser is called: the figure first, as tabs are narrow.
pub(super) fn title(report: &PinReport) -> String {
    let pool = names::name(&report.pool, 40);
    match report.is_empty() {
        true => format!("nothing pinned in pool {pool} · bufslab"),
        false => format!("{} pinned in pool {pool} · bufslab", units::bytes(report.totals.pinned_bytes)),
    }
}

pub(super) fn top(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    let t = &report.totals;
    out.write_str("<header>\n<div class=\"bar-line\"><p class=\"where\">bufslab · pool ")?;
    writeln!(out, "<code>{}</code></p>", Text(names::name(&report.pool, NAME)))?;
    out.write_str("<button id=\"theme\" type=\"button\" hidden></button></div>\n")?;
    writeln!(
        out,
        "<h1 title=\"{} pinned, {} used, {} wasted\">{}</h1>",
        count(t.pinned_bytes, "byte"),
        grouped(t.live_bytes),
        grouped(t.waste_bytes),
        Text(headline(&report.verdict())),
    )?;
    facts(report, out)?;
    if !report.is_empty() {
        advice(report, out)?;
    }
    memory(report, out)?;
    sections(report, out)?;
    out.write_str("</header>\n")
}

/// A sentence of the text form as a heading: it begins with a capital letter, and long figures are grouped.
pub(super) fn headline(sentence: &str) -> String {
    let mut words = sentence.split(' ').map(|word| match word.parse() {
        Ok(figure) => grouped(figure),
        Err(_) => word.to_owned(),
    });
    let mut out = words.next().unwrap_or_default();
    if let Some(first) = out.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    for word in words {
        out.extend([" ", &word]);
    }
    out
}

fn facts(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    let t = &report.totals;
    writeln!(
        out,
        "<p class=\"facts\">Taken <time>{}</time>, {} after the pool's clock began. New slabs have \
         {}, tracking is at <code>{}</code>.</p>",
        utc(report.taken_at),
        Text(units::span(report.uptime)),
        Bytes(report.slab_size),
        report.level,
    )?;
    let suspects = report.slabs.iter().filter(|slab| slab.suspect).count();
    if suspects > 0 {
        let what = count(suspects, "slab");
        let (are, their) = if suspects == 1 { ("is", "its") } else { ("are", "their") };
        let text = format!("{what} {are} old and sparse (suspect): what touches {their} slices leaves a stack.");
        writeln!(out, "<p class=\"facts\">{text}</p>")?;
    }
    if t.in_motion > 0 {
        let text = count(t.in_motion, "handle");
        writeln!(out, "<p class=\"facts\">{text} being made or dropped while this was taken.</p>")?;
    }
    if t.clipped > 0 {
        let text = count(t.clipped, "slice");
        writeln!(out, "<p class=\"facts warn\">{text} seemed to pass the end of their slab: a bug in bufslab.</p>")?;
    }
    Ok(())
}

fn advice(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    out.write_str("<section id=\"advice\" aria-labelledby=\"advice-h\">\n<h2 id=\"advice-h\">What to do</h2>\n")?;
    let all: Vec<&Advice> = report.advice.iter().chain(&report.advice_together).collect();
    // What all of them free together is one of the first to say.
    let together = usize::from(report.advice_together.is_some());
    let first = report.advice.len().min(FIRST);
    if all.is_empty() {
        out.write_str("<p>Nothing to compact: it would free no memory now.</p>\n")?;
    } else {
        out.write_str("<ul class=\"advice\">\n")?;
        all[..first].iter().chain(&all[all.len() - together..]).try_for_each(|each| advice_line(each, out))?;
        out.write_str("</ul>\n")?;
        let rest = &report.advice[first..];
        if !rest.is_empty() {
            write!(
                out,
                "<details><summary>{} to compact</summary>\n<ul class=\"advice\">\n",
                more(rest.len(), "group")
            )?;
            rest.iter().take(MORE).try_for_each(|each| advice_line(each, out))?;
            out.write_str("</ul>\n")?;
            if rest.len() > MORE {
                writeln!(out, "<p>and {}, which free less.</p>", more(rest.len() - MORE, "group"))?;
            }
            out.write_str("</details>\n")?;
        }
        out.write_str(
            "<p class=\"note\">A slice is compacted by <code>compact()</code>, which copies it out of its slab, where the \
             program keeps it; <code>retain_as(tag)</code> does so when the pool's policy calls it small, and names its \
             holder.</p>\n",
        )?;
    }
    let mut kept = report.not_freed().peekable();
    if kept.peek().is_some() {
        out.write_str("<p class=\"note\">Not freed by compacting: ")?;
        let mut comma = "";
        for (bytes, reason) in kept {
            write!(out, "{comma}{} {reason}", Bytes(bytes))?;
            comma = "; ";
        }
        out.write_str(".</p>\n")?;
    }
    out.write_str("</section>\n")
}

fn more(n: usize, noun: &str) -> String {
    let counted = count(n, noun);
    match counted.split_once(' ') {
        Some((figure, noun)) => format!("{figure} more {noun}"),
        None => counted,
    }
}

/// `120 MiB`, and how to have it.
fn advice_line(advice: &Advice, out: &mut impl Write) -> fmt::Result {
    write!(out, "<li><strong>{}</strong> <span>", Bytes(advice.freed_bytes))?;
    out.write_str("compacting ")?;
    match advice.slices < advice.slices_in_group {
        true => write!(out, "{} of {}", grouped(advice.slices), count(advice.slices_in_group, "slice"))?,
        false => out.write_str(&count(advice.slices, "slice"))?,
    }
    match &advice.holder {
        Holder::Tag(tag) => write!(out, " of <code>{}</code>", Text(names::name(tag.name(), NAME)))?,
        Holder::Site(site) => write!(out, " from <code>{}</code>", Text(names::site(site)))?,
        Holder::Everyone => out.write_str(" of all groups together")?,
        // Advice is about tags and sites.
        _ => out.write_str(" with no name")?,
    }
    if advice.exported > 0 {
        write!(out, " ({} exported: copy those by hand)", grouped(advice.exported))?;
    }
    let (copied, freed) = (Bytes(advice.copied_bytes), Bytes(advice.freed_bytes));
    writeln!(out, " copies {copied} and frees {freed} ({})</span></li>", count(advice.freed_slabs, "slab"))
}

/// The pool's memory as one bar.
fn memory(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    let t = &report.totals;
    // Slabs move while a report is taken, so the parts may pass the whole.
    let known = t.live_bytes.saturating_add(t.waste_bytes).saturating_add(t.idle_bytes);
    let all = t.memory_bytes.saturating_add(t.foreign_bytes).max(known);
    let parts = [
        ("live", "used by live slices", t.live_bytes),
        ("waste", "waste: pinned, not used", t.waste_bytes),
        ("idle", "idle: ready for use", t.idle_bytes),
        ("rest", "attached and empty", all - known),
    ];
    out.write_str("<section id=\"memory\" aria-label=\"Memory\">\n")?;
    if all == 0 {
        return out.write_str("<p class=\"note\">The pool has no slab memory.</p>\n</section>\n");
    }
    out.write_str("<svg class=\"bar\" role=\"img\" aria-label=\"")?;
    write!(out, "{} of slab memory\">", units::bytes(all))?;
    let mut from = 0;
    for (class, _, bytes) in parts {
        let width = permille(bytes, all);
        let (x, w) = ((from / 10, from % 10), (width / 10, width % 10));
        write!(out, "<rect class=\"{class}\" x=\"{}.{}%\" width=\"{}.{}%\" height=\"100%\"/>", x.0, x.1, w.0, w.1)?;
        from += width;
    }
    out.write_str("</svg>\n<ul class=\"key\">\n")?;
    for (class, what, bytes) in parts.iter().filter(|(class, _, bytes)| *bytes > 0 || *class != "rest") {
        writeln!(out, "<li><i class=\"{class}\"></i><b>{}</b> {what}</li>", Bytes(*bytes))?;
    }
    write!(out, "</ul>\n<p class=\"note\">{} of slab memory", Bytes(all))?;
    if t.foreign_bytes > 0 {
        write!(out, ", of which {} are others' that were adopted", Bytes(t.foreign_bytes))?;
    }
    write!(out, "; besides it {} for the ledger that tells who pins what", Bytes(t.ledger_bytes))?;
    if t.names_bytes > 0 {
        write!(out, " and {} for names, scopes and stacks", Bytes(t.names_bytes))?;
    }
    if let Some(resident) = t.resident_bytes {
        write!(out, ". Of the pinned slabs {} is resident", Bytes(resident))?;
    }
    out.write_str(".</p>\n</section>\n")
}

fn sections(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    if report.is_empty() {
        return Ok(());
    }
    out.write_str("<nav aria-label=\"Sections\"><a href=\"#blame\">Who keeps it</a> <a href=\"#map\">Slab map</a> ")?;
    out.write_str("<a href=\"#ages\">Ages</a> <a href=\"#slabs\">Slabs</a>")?;
    if !report.traces.is_empty() {
        out.write_str(" <a href=\"#stacks\">Stacks</a>")?;
    }
    out.write_str("</nav>\n")
}

pub(super) fn footer(report: &PinReport, limits: &Limits, out: &mut impl Write) -> fmt::Result {
    let t = &report.totals;
    out.write_str("<footer>\n")?;
    let slices = super::data::slices_shown(report, limits);
    let slabs = t.slabs.min(limits.slabs);
    if slabs < t.slabs || slices < t.slices {
        writeln!(
            out,
            "<p>This page lists {} of {} and {} of {}, those with the most waste; every sum is over all of them. The \
             report as JSON or CSV leaves nothing out.</p>",
            grouped(slabs),
            count(t.slabs, "slab"),
            grouped(slices),
            count(t.slices, "slice"),
        )?;
    }
    writeln!(
        out,
        "<p>Written by bufslab {}. It holds sizes, places and names, and not one byte of what the slices hold; it loads \
         nothing and works offline.</p>\n</footer>",
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_becomes_a_heading() {
        assert_eq!(headline("100500 slabs pinned: 24.5 MiB"), "100,500 slabs pinned: 24.5 MiB");
        assert_eq!(headline("no slab is pinned"), "No slab is pinned");
        assert_eq!(headline(""), "");
    }
}
