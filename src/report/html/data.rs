//! The report as JSON for the page's script: rows of numbers, and each name once.
//!
//! This is no format for others ([`PinReport::write_json`] is): it goes with the script of the same version. The rows
//! come first, so that the names they refer to are known when these are written; nothing is gathered twice.
//!
//! ```text
//! slab   id, generation, size, used, state (1 attached, 2 suspect, 4 foreign), level, handles, untracked, in motion, age min, age max,
//!        slices in all, tags in all, [the first tags], [slices]
//! slice  offset, length, kind, tag, scope, site, thread, age min, age max, first hint, last hint, stack; all in one array
//! group  name, number, slices, used, slabs, alone, shared, amortised
//! ```
//!
//! Names are numbered from 1; 0 is none. A group's number is −1 if its handles are not listed. Ages are milliseconds.

use core::fmt::{self, Write};
use core::hash::Hash;
use std::collections::{HashMap, HashSet};

use super::tables::{Holders, frame_words, groupings};
use super::{Limits, NAME};
use crate::config::Level;
use crate::raw::SliceKind;
use crate::report::json::{list, string};
use crate::report::model::{Blame, Holder, PinReport, PinnedSlab, PinnedSlice};
use crate::report::names;
use crate::report::text::holder_name;
use crate::track::{Frame, ScopeName, Site, Tag, TraceId};

/// How many slices the page lists.
pub(super) fn slices_shown(report: &PinReport, limits: &Limits) -> usize {
    let slabs = report.slabs.iter().take(limits.slabs);
    slabs.fold(0, |sum, slab| sum + slab.slices.len().min(limits.slices_of_one).min(limits.slices - sum))
}

/// Things, each with a number from 1 on, in the order in which they came up.
struct Numbers<K> {
    numbers: HashMap<K, usize>,
    things: Vec<K>,
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Numbers { numbers: HashMap::new(), things: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash> Numbers<K> {
    fn of(&mut self, thing: Option<K>) -> usize {
        let Some(thing) = thing else {
            return 0;
        };
        *self.numbers.entry(thing).or_insert_with(|| {
            self.things.push(thing);
            self.things.len()
        })
    }
}

/// Every name that a row has referred to.
#[derive(Default)]
struct Names<'a> {
    tags: Numbers<Tag>,
    sites: Numbers<Site>,
    kinds: Numbers<Tag>,
    scopes: Numbers<ScopeName>,
    levels: Numbers<Level>,
    frames: Numbers<&'a Frame>,
    traces: HashSet<TraceId>,
}

pub(super) fn data(report: &PinReport, limits: &Limits, out: &mut impl Write) -> fmt::Result {
    let mut names = Names::default();
    let t = &report.totals;
    write!(out, "{{\"totals\":{{\"slabs\":{},\"slices\":{},\"pinned\":{}}}", t.slabs, t.slices, t.pinned_bytes)?;
    blame(report, limits, &mut names, out)?;
    slabs(report, limits, &mut names, out)?;
    stacks(report, limits, &mut names, out)?;

    list(out, "tags", &names.tags.things, |tag, out| string(&names::name(tag.name(), NAME), out))?;
    list(out, "sites", &names.sites.things, |site, out| string(&names::site(site), out))?;
    // A scope brings its kind along, so kinds come last.
    let Names { kinds, scopes, .. } = &mut names;
    list(out, "scopes", &scopes.things, |scope, out| {
        out.write_char('[')?;
        string(&names::scope(*scope, NAME), out)?;
        write!(out, ",{}]", kinds.of(Some(scope.kind())))
    })?;
    list(out, "kinds", &kinds.things, |kind, out| string(&names::name(kind.name(), NAME), out))?;
    list(out, "levels", &names.levels.things, |level, out| string(&level.to_string(), out))?;
    list(out, "frames", &names.frames.things, |frame, out| {
        let (function, place) = frame_words(frame);
        out.write_char('[')?;
        string(&function, out)?;
        out.write_char(',')?;
        string(&place, out)?;
        out.write_char(']')
    })?;
    out.write_str("}\n")
}

fn blame(report: &PinReport, limits: &Limits, names: &mut Names<'_>, out: &mut impl Write) -> fmt::Result {
    out.write_str(",\n\"blame\":{")?;
    let mut comma = "";
    for (name, _, groups) in groupings(report) {
        write!(out, "{comma}\n\"{name}\":{{\"groups\":{}", groups.len())?;
        comma = ",";
        list(out, "rows", &groups[..groups.len().min(limits.groups)], |blame, out| group(blame, names, out))?;
        out.write_char('}')?;
    }
    out.write_char('}')
}

fn group(blame: &Blame, names: &mut Names<'_>, out: &mut impl Write) -> fmt::Result {
    out.write_char('[')?;
    string(&holder_name(&blame.holder, NAME), out)?;
    match blame.holder {
        Holder::Tag(tag) => write!(out, ",{}", names.tags.of(Some(tag)))?,
        Holder::Site(site) => write!(out, ",{}", names.sites.of(Some(site)))?,
        Holder::Scope(scope) => write!(out, ",{}", names.scopes.of(Some(scope)))?,
        Holder::ScopeKind(kind) => write!(out, ",{}", names.kinds.of(Some(kind)))?,
        Holder::Thread(thread) => write!(out, ",{thread}")?,
        Holder::Untagged | Holder::Unscoped | Holder::NoSite => out.write_str(",0")?,
        Holder::Untracked | Holder::InMotion | Holder::Everyone => out.write_str(",-1")?,
    }
    let b = blame;
    write!(out, ",{},{},{}", b.slices, b.live_bytes, b.slabs)?;
    write!(out, ",{},{},{}]", b.exclusive_bytes, b.shared_bytes, b.amortised_bytes)
}

fn slabs(report: &PinReport, limits: &Limits, names: &mut Names<'_>, out: &mut impl Write) -> fmt::Result {
    let mut left = limits.slices;
    let mut holders = Holders::default();
    list(out, "slabs", &report.slabs[..report.slabs.len().min(limits.slabs)], |slab, out| {
        let shown = slab.slices.len().min(limits.slices_of_one).min(left);
        left -= shown;
        slab_row(slab, shown, names, &mut holders, out)
    })
}

fn slab_row(
    slab: &PinnedSlab,
    shown: usize,
    names: &mut Names<'_>,
    holders: &mut Holders,
    out: &mut impl Write,
) -> fmt::Result {
    let state = u32::from(slab.attached) | u32::from(slab.suspect) << 1 | u32::from(slab.foreign) << 2;
    write!(out, "[{},{},{},{}", slab.id, slab.generation, slab.size, slab.live_bytes)?;
    write!(out, ",{state},{}", names.levels.of(Some(slab.level)))?;
    write!(out, ",{},{},{}", slab.handles, slab.untracked, slab.in_motion)?;
    write!(out, ",{},{}", slab.age.min().as_millis(), slab.age.max().as_millis())?;
    let (tags, all_tags) = holders.of(slab);
    write!(out, ",{},{all_tags},[", slab.slices.len())?;
    for (at, tag) in tags.iter().enumerate() {
        write!(out, "{}{}", if at > 0 { "," } else { "" }, names.tags.of(*tag))?;
    }
    out.write_str("],[")?;
    for (at, each) in slab.slices[..shown].iter().enumerate() {
        out.write_str(if at > 0 { "," } else { "" })?;
        slice(each, names, out)?;
    }
    out.write_str("]]")
}

fn slice(slice: &PinnedSlice, names: &mut Names<'_>, out: &mut impl Write) -> fmt::Result {
    let kind = match slice.kind {
        SliceKind::Mut => 0,
        SliceKind::Shared => 1,
        SliceKind::Exported => 2,
        SliceKind::Parked => 3,
    };
    write!(out, "{},{},{kind}", slice.offset, slice.len)?;
    write!(out, ",{},{}", names.tags.of(slice.tag), names.scopes.of(slice.scope))?;
    write!(out, ",{},{}", names.sites.of(slice.site), slice.thread)?;
    write!(out, ",{},{}", slice.age.min().as_millis(), slice.age.max().as_millis())?;
    write!(out, ",{},{}", names.tags.of(slice.first_hint), names.tags.of(slice.last_hint))?;
    names.traces.extend(slice.trace);
    write!(out, ",{}", slice.trace.map_or(0, TraceId::get))
}

/// The stacks that listed slices refer to; the calls of each as numbers.
fn stacks<'a>(report: &'a PinReport, limits: &Limits, names: &mut Names<'a>, out: &mut impl Write) -> fmt::Result {
    let wanted: Vec<_> =
        report.traces.iter().filter(|trace| names.traces.contains(&trace.id)).take(limits.traces).collect();
    list(out, "traces", &wanted, |trace, out| {
        write!(out, "[{},[", trace.id)?;
        for (at, frame) in trace.frames.iter().take(limits.frames).enumerate() {
            write!(out, "{}{}", if at > 0 { "," } else { "" }, names.frames.of(Some(frame)))?;
        }
        out.write_str("]]")
    })
}
