//! The report for people: the verdict first, then what to do, then whom to ask, then the evidence.

use core::fmt;

use super::escape::harmless;
use super::model::{Advice, Blame, Holder, PinReport, PinnedSlab, PinnedSlice};
use super::names::{keep_end, name, scope, site};
use super::table::Column::{Elastic, Left, Right};
use super::table::{Lines, Table};
use super::units::{age, bytes, count, percent, span};
use crate::raw::{Backing, SliceKind};

/// How wide and how long a report may get.
pub(super) struct Limits {
    pub(super) width: usize,
    pub(super) tag_width: usize,
    pub(super) advice: usize,
    pub(super) groups: usize,
    pub(super) slabs: usize,
    pub(super) slices: usize,
}

/// Fits a terminal of 80 columns and two dozen lines or so.
pub(super) const SHORT: Limits = Limits { width: 80, tag_width: 24, advice: 5, groups: 6, slabs: 5, slices: 3 };
/// Leaves nothing out, and gives names more room.
const FULL: Limits =
    Limits { width: 100, tag_width: 32, advice: usize::MAX, groups: usize::MAX, slabs: usize::MAX, slices: usize::MAX };

/// `{}` shows the worst of everything and says how much more there is, in lines of at most 80 columns; `{:#}` shows all
/// of it, in lines of at most 100 columns.
impl fmt::Display for PinReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = if f.alternate() { &FULL } else { &SHORT };
        let lines = &mut Lines::new(f, limits.width);
        lines.prose(&self.verdict())?;
        self.facts(lines, limits)?;
        if self.is_empty() {
            return Ok(());
        }
        lines.line("")?;
        self.advice(lines, limits)?;
        lines.line("")?;
        self.blame(lines, limits)?;
        lines.line("")?;
        self.slabs(lines, limits)
    }
}

impl PinReport {
    /// What is kept alive by how little: one sentence.
    pub(super) fn verdict(&self) -> String {
        let t = &self.totals;
        if self.is_empty() {
            return "no slab is pinned: no live slice keeps memory of this pool".to_owned();
        }
        let slabs = count(t.slabs, "slab");
        let pinned = bytes(t.pinned_bytes);
        // Handles without a slice to show: the live bytes are then a lower bound, and it says so.
        let unlisted = match (t.untracked, t.in_motion) {
            (0, moving) => (moving > 0 && t.slices == 0).then(|| count(moving, "handle in motion")),
            (untracked, _) => Some(count(untracked, "untracked handle")),
        };
        let waste = percent(t.waste_bytes, t.pinned_bytes);
        let uses = if t.slices == 1 { "uses" } else { "use" };
        match (t.slices, unlisted) {
            (0, Some(handles)) => format!("{slabs} pinned: {pinned} kept alive by {handles} (waste unknown)"),
            (n, Some(handles)) => format!(
                "{slabs} pinned: {pinned} kept alive by {} that {uses} {}, and {handles} (waste at most {waste})",
                count(n, "slice"),
                bytes(t.live_bytes),
            ),
            (n, None) => format!(
                "{slabs} pinned: {pinned} kept alive by {} that {uses} {} (waste {waste})",
                count(n, "slice"),
                bytes(t.live_bytes),
            ),
        }
    }

    fn facts(&self, lines: &mut Lines<'_, '_>, limits: &Limits) -> fmt::Result {
        let t = &self.totals;
        let pool = format!(
            "pool {}: new slabs of {}, tracking {}, up {}",
            name(&self.pool, limits.tag_width),
            bytes(self.slab_size),
            self.level,
            span(self.uptime),
        );
        lines.prose(&pool)?;
        let memory = format!(
            "memory {}, of which pinned {}, idle {}; the ledger itself {}",
            bytes(t.memory_bytes),
            bytes(t.pinned_bytes.saturating_sub(t.foreign_bytes)),
            bytes(t.idle_bytes),
            bytes(t.ledger_bytes),
        );
        lines.prose(&memory)?;
        self.settings_text(lines, limits.slabs == usize::MAX)?;
        self.sizing_text(lines, limits.slabs == usize::MAX)?;
        if limits.slabs == usize::MAX || t.resident_bytes.is_some() || self.backing != Backing::new("heap") {
            lines.prose(&self.resident())?;
        }
        if t.foreign_bytes > 0 {
            let slabs = self.slabs.iter().filter(|slab| slab.foreign).count();
            let text =
                format!("pinned besides: {} of {} that others allocated", bytes(t.foreign_bytes), count(slabs, "slab"));
            lines.prose(&text)?;
        }
        if t.in_motion > 0 {
            let text = format!("{} being made or dropped while this was taken", count(t.in_motion, "handle"));
            lines.prose(&text)?;
        }
        if t.clipped > 0 {
            let text = format!("{} seemed to pass the end of their slab: a bug in bufslab", count(t.clipped, "slice"));
            lines.prose(&text)?;
        }
        Ok(())
    }

    /// What the memory is, and how much of it is there.
    fn resident(&self) -> String {
        let resident = match (self.totals.resident_bytes, self.backing.page_size) {
            (Some(resident), _) => bytes(resident),
            (None, Some(_)) => "not known".to_owned(),
            (None, None) => "not known: memory is not page-backed".to_owned(),
        };
        // It may have come out of a file.
        let mut backing = String::new();
        let _ = harmless(&self.backing.to_string(), |_| false, &mut backing);
        format!("memory: {backing}; resident of the pinned slabs: {resident}")
    }

    fn advice(&self, lines: &mut Lines<'_, '_>, limits: &Limits) -> fmt::Result {
        for advice in self.advice.iter().take(limits.advice) {
            lines.prose(&advice_line(advice, limits))?;
        }
        and_more(lines, 0, self.advice.len(), limits.advice, "group to compact", "groups to compact")?;
        if let Some(together) = &self.advice_together {
            lines.prose(&advice_line(together, limits))?;
        }
        if self.advice.is_empty() && self.advice_together.is_none() {
            lines.line("nothing to compact: it would free no memory now")?;
        }
        let mut lead = "not freed by compacting: ";
        for (kept, reason) in self.not_freed() {
            lines.prose(&format!("{lead}{} {reason}", bytes(kept)))?;
            lead = "                         ";
        }
        Ok(())
    }

    /// Bytes that compacting does not free, and why.
    pub(super) fn not_freed(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let t = &self.totals;
        let (freed, rest) = match &self.advice_together {
            Some(together) => (together.freed_bytes, "in slabs well used"),
            None => (
                self.advice.iter().fold(0, |sum: usize, advice| sum.saturating_add(advice.freed_bytes)),
                "in slabs well used or held by several groups",
            ),
        };
        let reasons = [
            (t.attached_bytes, "in attached slabs (their threads reuse them)"),
            (t.writable_bytes, "under writable buffers (freeze them first)"),
            (t.unlisted_bytes, "under handles that are not listed (untracked or in motion)"),
            (t.reclaimable_bytes.saturating_sub(freed), rest),
        ];
        reasons.into_iter().filter(|(kept, _)| *kept > 0)
    }

    fn blame(&self, lines: &mut Lines<'_, '_>, limits: &Limits) -> fmt::Result {
        let tagged = self.by_tag.iter().any(|blame| matches!(blame.holder, Holder::Tag(_)));
        let sited = self.by_site.iter().any(|blame| matches!(blame.holder, Holder::Site(_)));
        let mut tables = Vec::new();
        if tagged || !sited {
            tables.push(("by tag", &self.by_tag));
        } else {
            lines.line("no slice has a tag: `tag` and `retain_as` would name their holders here")?;
        }
        if sited {
            tables.push(("by site", &self.by_site));
        }
        if self.by_scope.iter().any(|blame| matches!(blame.holder, Holder::Scope(_))) {
            // Few kinds of many scopes: the sum says more than the first of them.
            tables.push(("by kind of scope", &self.by_scope_kind));
            tables.push(("by scope", &self.by_scope));
        }

        blame_tables(lines, &tables, limits)?;
        lines.prose("alone = slabs only it pins; shared = with others too; amortised sums to pinned")?;
        match self.alone(limits) {
            Some(sentence) => lines.prose(&sentence),
            None => Ok(()),
        }
    }

    /// `ws_session alone keeps 4.2 GiB in 431 slabs; ws_session 42 alone keeps 10 MiB`, where scopes are used: the top of
    /// [`retained_tree`](PinReport::retained_tree), without the rest of it.
    fn alone(&self, limits: &Limits) -> Option<String> {
        let worst = |table: &[Blame], counts: &dyn Fn(&Holder) -> bool| {
            let keeps = table.iter().filter(|blame| blame.exclusive_bytes > 0 && counts(&blame.holder));
            // The first of equals.
            keeps.copied().reduce(|most, blame| if blame.exclusive_bytes > most.exclusive_bytes { blame } else { most })
        };
        let all = worst(&self.by_scope_kind, &|holder| matches!(holder, Holder::ScopeKind(_)))?;
        let Holder::ScopeKind(kind) = all.holder else { return None };
        let of_kind = |slice: &PinnedSlice| slice.scope.is_some_and(|scope| scope.kind() == kind);
        let alone = |slab: &&PinnedSlab| slab.untracked == 0 && slab.unseen() == 0 && slab.slices.iter().all(of_kind);
        let slabs = self.slabs.iter().filter(alone).count();
        let mut sentence =
            format!("{} alone keeps {}", name(kind.name(), limits.tag_width), bytes(all.exclusive_bytes));
        if slabs > 0 {
            sentence.push_str(&format!(" in {}", count(slabs, "slab")));
        }
        if let Some(one) = worst(&self.by_scope, &|holder| matches!(holder, Holder::Scope(of) if of.kind() == kind)) {
            let who = holder_name(&one.holder, limits.tag_width);
            sentence.push_str(&format!("; {who} alone keeps {}", bytes(one.exclusive_bytes)));
        }
        Some(sentence)
    }

    fn slabs(&self, lines: &mut Lines<'_, '_>, limits: &Limits) -> fmt::Result {
        let shown = &self.slabs[..self.slabs.len().min(limits.slabs)];
        slab_table(lines, shown, limits)?;
        and_more(lines, 0, self.slabs.len(), limits.slabs, "slab", "slabs")
    }
}

/// Tables of one layout, so that figures stand under each other.
pub(super) fn blame_tables(lines: &mut Lines<'_, '_>, tables: &[(&str, &Vec<Blame>)], limits: &Limits) -> fmt::Result {
    let mut layout = Table::new(0, [Elastic, Right, Right, Right, Right, Right]);
    for (title, groups) in tables {
        layout.measure(&blame_header(title));
        groups.iter().take(limits.groups).for_each(|blame| layout.measure(&blame_row(blame, limits)));
    }
    layout.fit(limits.width);
    for (title, groups) in tables {
        layout.write(lines, &blame_header(title))?;
        for blame in groups.iter().take(limits.groups) {
            layout.write(lines, &blame_row(blame, limits))?;
        }
        and_more(lines, 2, groups.len(), limits.groups, "group", "groups")?;
    }
    Ok(())
}

/// Slabs, and under each the slices that it lists.
pub(super) fn slab_table(lines: &mut Lines<'_, '_>, shown: &[PinnedSlab], limits: &Limits) -> fmt::Result {
    let header = ["most waste", "size", "used", "waste", "slices", "age", ""].map(str::to_owned);
    let mut slabs = Table::new(0, [Left, Right, Right, Right, Right, Left, Left]);
    slabs.measure(&header);
    let mut slices = Table::new(2, [Right, Left, Left, Elastic, Left, Left]);
    for slab in shown {
        slabs.measure(&slab_row(slab));
        for slice in slab.slices.iter().take(limits.slices) {
            slices.measure(&slice_row(slab, slice, limits));
        }
    }
    slabs.fit(limits.width);
    slices.fit(limits.width);

    slabs.write(lines, &header)?;
    for slab in shown {
        slabs.write(lines, &slab_row(slab))?;
        for slice in slab.slices.iter().take(limits.slices) {
            slices.write(lines, &slice_row(slab, slice, limits))?;
        }
        and_more(lines, 4, slab.slices.len(), limits.slices, "slice", "slices")?;
    }
    Ok(())
}

/// `compacting 512 slices of req.head copies 10 KiB and frees 5.0 GiB`
pub(super) fn advice_line(advice: &Advice, limits: &Limits) -> String {
    let number = if advice.slices < advice.slices_in_group {
        format!("{} of {}", advice.slices, count(advice.slices_in_group, "slice"))
    } else {
        count(advice.slices, "slice")
    };
    let whose = match &advice.holder {
        Holder::Tag(tag) => format!("of {}", name(tag.name(), limits.tag_width)),
        Holder::Site(at) => format!("from {}", keep_end(&site(at), limits.width / 2)),
        Holder::Everyone => "of all groups together".to_owned(),
        // Advice is about tags and sites.
        _ => "with no name".to_owned(),
    };
    let exported = match advice.exported {
        0 => String::new(),
        n => format!(" ({n} exported: copy those by hand)"),
    };
    let (copied, freed) = (bytes(advice.copied_bytes), bytes(advice.freed_bytes));
    format!("compacting {number} {whose}{exported} copies {copied} and frees {freed}")
}

fn blame_header(title: &str) -> [String; 6] {
    [title, "slices", "used", "alone", "shared", "amortised"].map(str::to_owned)
}

fn blame_row(blame: &Blame, limits: &Limits) -> [String; 6] {
    let listed = !matches!(blame.holder, Holder::Untracked | Holder::InMotion);
    [
        format!("  {}", holder_name(&blame.holder, limits.tag_width)),
        blame.slices.to_string(),
        if listed { bytes(blame.live_bytes) } else { "unknown".to_owned() },
        bytes(blame.exclusive_bytes),
        bytes(blame.shared_bytes),
        bytes(blame.amortised_bytes),
    ]
}

/// Who a group of slices is, its name within `room` columns.
pub(super) fn holder_name(holder: &Holder, room: usize) -> String {
    match holder {
        Holder::Tag(tag) => name(tag.name(), room),
        Holder::Site(at) => site(at),
        Holder::Scope(of) => scope(*of, room),
        Holder::ScopeKind(kind) => format!("all {}", name(kind.name(), room)),
        Holder::Thread(thread) => format!("thread {thread}"),
        Holder::Untagged => "(untagged)".to_owned(),
        Holder::Unscoped => "(no scope)".to_owned(),
        Holder::NoSite => "(no site)".to_owned(),
        Holder::Untracked => "(untracked)".to_owned(),
        Holder::InMotion => "(in motion)".to_owned(),
        Holder::Everyone => "(all)".to_owned(),
    }
}

/// What else is to be said of a slab: `attached, 3 untracked`.
pub(super) fn remarks(slab: &PinnedSlab) -> String {
    let mut remarks = Vec::new();
    if slab.attached {
        remarks.push("attached".to_owned());
    }
    if slab.foreign {
        remarks.push("foreign".to_owned());
    }
    if slab.suspect {
        remarks.push("suspect".to_owned());
    }
    if let Some(resident) = slab.resident_bytes {
        remarks.push(format!("{} resident", bytes(resident)));
    }
    if slab.untracked > 0 {
        remarks.push(format!("{} untracked", slab.untracked));
    }
    if slab.in_motion > 0 {
        remarks.push(format!("{} in motion", slab.in_motion));
    }
    remarks.join(", ")
}

fn slab_row(slab: &PinnedSlab) -> [String; 7] {
    let unknown = slab.slices.is_empty();
    [
        format!("slab {} gen {}", slab.id, slab.generation),
        bytes(slab.size),
        if unknown { "unknown".to_owned() } else { bytes(slab.live_bytes) },
        if unknown { String::new() } else { percent(slab.waste_bytes, slab.size) },
        slab.slices.len().to_string(),
        age(slab.age),
        remarks(slab),
    ]
}

fn slice_row(slab: &PinnedSlab, slice: &PinnedSlice, limits: &Limits) -> [String; 6] {
    let kind = match slice.kind {
        SliceKind::Mut => "writable",
        SliceKind::Shared => "shared",
        SliceKind::Exported => "exported",
        SliceKind::Parked => "parked",
    };
    let tag = slice.tag.map_or("(untagged)".to_owned(), |tag| name(tag.name(), limits.tag_width));
    let of = slice.scope.map_or(String::new(), |of| format!(" of {}", scope(of, limits.tag_width)));
    [
        bytes(slice.len),
        format!("at {}", slice.offset),
        tag + &of,
        slice.site.map_or(String::new(), |at| site(&at)),
        kind.to_owned(),
        // Without a tick of its own the slice's age is the slab's, one line above.
        if slice.age == slab.age { String::new() } else { age(slice.age) },
    ]
}

/// `and 3 more slabs`, if `all` passes `shown`.
pub(super) fn and_more(
    lines: &mut Lines<'_, '_>,
    indent: usize,
    all: usize,
    shown: usize,
    one: &str,
    many: &str,
) -> fmt::Result {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        1 => lines.line(&format!("{:indent$}and 1 more {one}", "")),
        more => lines.line(&format!("{:indent$}and {more} more {many}", "")),
    }
}
