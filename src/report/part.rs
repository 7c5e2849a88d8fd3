//! One part of a report, for somebody who asks about it: the top of all groups, a tag, a scope, or a slab.

use core::fmt;
use core::hash::Hash;
use std::collections::HashMap;

use super::model::{Age, Blame, Holder, PinReport, PinnedSlab, PinnedSlice};
use super::names::{keep_end, name, scope, site};
use super::table::Column::{Elastic, Left, Right};
use super::table::{Lines, Table};
use super::text::{Limits, SHORT, advice_line, and_more, blame_tables, slab_table};
use super::units::{age, bytes, count};
use crate::track::{Frame, ScopeName, Tag, TraceId};

/// For the top of all groups.
const TOP: Limits = Limits { groups: 12, ..SHORT };
/// For what was asked for by name.
const PART: Limits = Limits { slabs: 8, ..SHORT };
/// For one slab.
const SLAB: Limits = Limits { slices: 200, ..SHORT };
/// Names that are proposed where there is none such, stacks under a slab, and calls of a stack.
const PROPOSED: usize = 12;
const STACKS: usize = 4;
const FRAMES: usize = 24;

/// A part of a report as text, in lines of at most 80 columns.
pub(crate) struct Part<'a> {
    pub(crate) report: &'a PinReport,
    pub(crate) what: What<'a>,
}

/// What is asked for. A name may be given as reports show it, quoted or not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What<'a> {
    Top,
    Tag(&'a str),
    Scope(&'a str, Option<u64>),
    Slab(u64),
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = &mut Lines::new(f, SHORT.width);
        match self.what {
            What::Top => self.top(lines),
            What::Tag(wanted) => self.tag(lines, wanted),
            What::Scope(kind, id) => self.scope(lines, kind, id),
            What::Slab(id) => self.slab(lines, id),
        }
    }
}

/// How the slices of a group look together.
#[derive(Default)]
struct Sum {
    slices: usize,
    bytes: usize,
    oldest: Age,
}

impl Sum {
    fn add(&mut self, slice: &PinnedSlice) {
        self.slices += 1;
        self.bytes += slice.len;
        if slice.age.max() > self.oldest.max() {
            self.oldest = slice.age;
        }
    }
}

impl Part<'_> {
    fn top(&self, lines: &mut Lines<'_, '_>) -> fmt::Result {
        let report = self.report;
        lines.prose(&report.verdict())?;
        if report.is_empty() {
            return Ok(());
        }
        let mut tables = vec![("by tag", &report.by_tag), ("by site", &report.by_site)];
        if report.by_scope.iter().any(|blame| matches!(blame.holder, Holder::Scope(_))) {
            tables.push(("by kind of scope", &report.by_scope_kind));
            tables.push(("by scope", &report.by_scope));
        }
        if report.by_thread.len() > 1 {
            tables.push(("by thread", &report.by_thread));
        }
        blame_tables(lines, &tables, &TOP)
    }

    fn tag(&self, lines: &mut Lines<'_, '_>, wanted: &str) -> fmt::Result {
        let groups = &self.report.by_tag;
        let is_it = |tag: Tag| is_called(tag.name(), wanted);
        let Some(found) = groups.iter().find(|blame| matches!(blame.holder, Holder::Tag(tag) if is_it(tag))) else {
            let tags = groups.iter().filter_map(|blame| match blame.holder {
                Holder::Tag(tag) => Some(name(tag.name(), SHORT.tag_width)),
                _ => None,
            });
            return none_such(lines, "tag", wanted, tags);
        };
        blame_tables(lines, &[("tag", &vec![*found])], &PART)?;
        let mut advised = self.report.advice.iter();
        if let Some(advice) = advised.find(|advice| matches!(advice.holder, Holder::Tag(tag) if is_it(tag))) {
            lines.prose(&advice_line(advice, &PART))?;
        }
        let mine = |slice: &PinnedSlice| slice.tag.is_some_and(is_it);
        self.sums(lines, "made at", mine, |slice| slice.site, site)?;
        self.sums(lines, "charged to", mine, |slice| slice.scope, |of| scope(*of, PART.tag_width))?;
        self.slabs_with(lines, mine)
    }

    fn scope(&self, lines: &mut Lines<'_, '_>, kind: &str, id: Option<u64>) -> fmt::Result {
        let is_it = |of: ScopeName| is_called(of.kind().name(), kind) && id.is_none_or(|id| of.id() == id);
        let (all, title) = match id {
            Some(_) => (&self.report.by_scope, "scope"),
            None => (&self.report.by_scope_kind, "kind of scope"),
        };
        let found = all.iter().find(|blame| match blame.holder {
            Holder::Scope(of) => is_it(of),
            Holder::ScopeKind(of) => is_called(of.name(), kind),
            _ => false,
        });
        let Some(found) = found else {
            let wanted = id.map_or(kind.to_owned(), |id| format!("{kind} {id}"));
            let names = self.report.by_scope.iter().filter_map(|blame| match blame.holder {
                Holder::Scope(of) => Some(scope(of, SHORT.tag_width)),
                _ => None,
            });
            return none_such(lines, "scope", &wanted, names);
        };
        blame_tables(lines, &[(title, &vec![*found])], &PART)?;
        if id.is_none() {
            let members = |blame: &&Blame| matches!(blame.holder, Holder::Scope(of) if is_it(of));
            let members: Vec<Blame> = self.report.by_scope.iter().filter(members).copied().collect();
            blame_tables(lines, &[("scopes", &members)], &PART)?;
        }
        let mine = |slice: &PinnedSlice| slice.scope.is_some_and(is_it);
        self.sums(lines, "tags", mine, |slice| slice.tag, |tag| name(tag.name(), PART.tag_width))?;
        self.sums(lines, "made at", mine, |slice| slice.site, site)?;
        self.slabs_with(lines, mine)
    }

    fn slab(&self, lines: &mut Lines<'_, '_>, id: u64) -> fmt::Result {
        let Some(slab) = self.report.slabs.iter().find(|slab| slab.id == id) else {
            let ids = self.report.slabs.iter().map(|slab| slab.id.to_string());
            return none_such(lines, "pinned slab", &id.to_string(), ids);
        };
        slab_table(lines, core::slice::from_ref(slab), &SLAB)?;
        for slice in slab.slices.iter().take(SLAB.slices) {
            let hints = [slice.first_hint, slice.last_hint].map(|hint| hint.map(|hint| name(hint.name(), 32)));
            let told = match hints {
                [Some(first), Some(last)] if first != last => format!("first {first}, last {last}"),
                [Some(hint), _] | [None, Some(hint)] => hint,
                [None, None] => continue,
            };
            lines.prose(&format!("  touched at {}: {told}", slice.offset))?;
        }
        let mut stacks: Vec<TraceId> = slab.slices.iter().filter_map(|slice| slice.trace).collect();
        stacks.sort_unstable();
        stacks.dedup();
        for stack in stacks.iter().take(STACKS) {
            self.stack(lines, *stack, slab)?;
        }
        and_more(lines, 2, stacks.len(), STACKS, "stack", "stacks")
    }

    fn stack(&self, lines: &mut Lines<'_, '_>, id: TraceId, slab: &PinnedSlab) -> fmt::Result {
        let Some(trace) = self.report.traces.iter().find(|trace| trace.id == id) else { return Ok(()) };
        let mine = slab.slices.iter().filter(|slice| slice.trace == Some(id)).count();
        lines.line(&format!("  stack of {}:", count(mine, "slice")))?;
        for frame in trace.frames.iter().take(FRAMES) {
            lines.line(&format!("    {}", keep_end(&frame_line(frame), SHORT.width - 4)))?;
        }
        and_more(lines, 4, trace.frames.len(), FRAMES, "call", "calls")
    }

    /// The slices in question by what `key` says of them, most slices first. What it says nothing of is left out.
    fn sums<K: Hash + Eq>(
        &self,
        lines: &mut Lines<'_, '_>,
        title: &str,
        mine: impl Fn(&PinnedSlice) -> bool,
        key: impl Fn(&PinnedSlice) -> Option<K>,
        show: impl Fn(&K) -> String,
    ) -> fmt::Result {
        let mut sums: HashMap<K, Sum> = HashMap::new();
        for slice in self.report.slabs.iter().flat_map(|slab| &slab.slices).filter(|slice| mine(slice)) {
            if let Some(key) = key(slice) {
                sums.entry(key).or_default().add(slice);
            }
        }
        if sums.is_empty() {
            return Ok(());
        }
        let mut sums: Vec<(String, Sum)> = sums.into_iter().map(|(key, sum)| (show(&key), sum)).collect();
        sums.sort_by(|(a_key, a), (b_key, b)| b.slices.cmp(&a.slices).then_with(|| a_key.cmp(b_key)));
        let header = [title, "slices", "bytes", "oldest"].map(str::to_owned);
        let row = |(key, sum): &(String, Sum)| {
            [format!("  {key}"), sum.slices.to_string(), bytes(sum.bytes), age(sum.oldest)]
        };
        let mut table = Table::new(0, [Elastic, Right, Right, Left]);
        table.measure(&header);
        sums.iter().take(PART.groups).for_each(|sum| table.measure(&row(sum)));
        table.fit(PART.width);
        table.write(lines, &header)?;
        for sum in sums.iter().take(PART.groups) {
            table.write(lines, &row(sum))?;
        }
        and_more(lines, 2, sums.len(), PART.groups, "group", "groups")
    }

    /// The slabs in question, each with these of its slices alone.
    fn slabs_with(&self, lines: &mut Lines<'_, '_>, mine: impl Fn(&PinnedSlice) -> bool) -> fmt::Result {
        let slabs = || self.report.slabs.iter().filter(|slab| slab.slices.iter().any(&mine));
        let shown = slabs().take(PART.slabs).map(|slab| {
            let slices = slab.slices.iter().filter(|slice| mine(slice)).cloned().collect();
            PinnedSlab { slices, ..slab.clone() }
        });
        let shown: Vec<PinnedSlab> = shown.collect();
        slab_table(lines, &shown, &PART)?;
        and_more(lines, 0, slabs().count(), PART.slabs, "slab", "slabs")
    }
}

/// Whether somebody who types `wanted` means `real`: the name itself, bare or in quotes, or how reports show it.
fn is_called(real: &str, wanted: &str) -> bool {
    let bare = wanted.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    real == wanted || bare == Some(real) || name(real, SHORT.tag_width) == wanted || name(real, 32) == wanted
}

fn none_such(lines: &mut Lines<'_, '_>, noun: &str, wanted: &str, names: impl Iterator<Item = String>) -> fmt::Result {
    let mut names = names.peekable();
    let wanted = name(wanted, SHORT.tag_width);
    if names.peek().is_none() {
        return lines.prose(&format!("no {noun} {wanted}: there is none at all"));
    }
    let proposed: Vec<String> = names.by_ref().take(PROPOSED).collect();
    let more = if names.next().is_some() { ", ..." } else { "" };
    lines.prose(&format!("no {noun} {wanted}: there is {}{more}", proposed.join(", ")))
}

fn frame_line(frame: &Frame) -> String {
    let escaped = |text: &str| text.chars().flat_map(char::escape_debug).collect::<String>();
    let function = frame.function.as_deref().map_or("(unknown)".to_owned(), escaped);
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{function} at {}:{line}", escaped(file)),
        _ => function,
    }
}
