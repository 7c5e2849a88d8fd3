//! Properties, checked on random slabs against a naive twin that counts single bytes:
//!
//! * live bytes are the bytes at least one slice covers; pinned = live + waste = reclaimable + attached + unlisted +
//!   writable;
//! * each group's used, exclusive and shared bytes are what a byte map says;
//! * amortised bytes sum to pinned bytes exactly, by tag, site, scope, kind of scope and thread, and each group gets its part of the waste on
//!   every slab;
//! * an advice frees exactly the slabs the twin finds when it takes the group's slices away;
//! * the order of the input does not matter;
//! * the text stays within its width, and the JSON can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::OnceLock;

use super::fixtures::{NOW, build};
use super::json::parse;
use super::server;
use super::shown::assert_fits;
use crate::config::Level;
use crate::raw::{SlabView, SliceKind, SlotView};
use crate::report::{Blame, Holder, PinReport};
use crate::track::{Scope, ScopeName, Tag, open_scope};

/// Xorshift: enough for tests, and the same everywhere.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const TAGS: [&str; 5] = ["req.head", "body", "a \"quoted\" one", "\u{1b}[31mred\u{202e}", ""];

/// Two scopes of each of three kinds, open as long as the process lives, so that their numbers stay.
fn scopes() -> &'static [Scope] {
    static SCOPES: OnceLock<Vec<Scope>> = OnceLock::new();
    SCOPES.get_or_init(|| {
        let kinds = ["ws_session", "", "\u{1b}[2J\n"].into_iter().flat_map(|kind| [(kind, 1), (kind, u64::MAX)]);
        kinds.map(|(kind, id)| open_scope(ScopeName::new(Tag::new(kind), id)).unwrap()).collect()
    })
}

fn random_slot(random: &mut Random, slab_size: usize) -> SlotView {
    let sites: [fn() -> &'static Location<'static>; 3] = [server::read_head, server::read_body, server::write_frame];
    let offset = random.below(slab_size + 1);
    let mut len = random.below(slab_size - offset + 1);
    if random.one_in(2) {
        len = len.min(5);
    }
    if random.one_in(60) {
        // Torn: the slot was seen in the middle of a change.
        len = [usize::MAX, slab_size + 1][random.below(2)];
    }
    let site = random.below(4);
    SlotView {
        offset: if random.one_in(80) { usize::MAX - 3 } else { offset },
        len,
        site: sites.get(site).map(|site| site()),
        tag: TAGS.get(random.below(7)).map_or(0, |name| Tag::new(name).number()),
        kind: [SliceKind::Shared, SliceKind::Shared, SliceKind::Exported, SliceKind::Mut][random.below(4)],
        thread: random.below(3) as u32,
        tick: if random.one_in(3) { NOW - random.below(500) as u32 } else { 0 },
        scope: scopes().get(random.below(8)).map_or(0, Scope::number),
        first_hint: 0,
        last_hint: 0,
        trace: 0,
    }
}

pub(super) fn random_views(random: &mut Random) -> Vec<SlabView> {
    (0..random.below(12))
        .map(|id| {
            let size = random.below(200);
            let slots: Vec<_> = (0..random.below(6)).map(|_| random_slot(random, size)).collect();
            let untracked = if random.one_in(5) { random.below(4) as u64 } else { 0 };
            let mut handles = slots.len() as u64 + untracked;
            if random.one_in(6) {
                handles = (handles + 1).saturating_sub(random.below(3) as u64);
            }
            SlabView {
                id: id as u64,
                generation: 1 + random.below(9) as u64,
                size,
                foreign: id % 4 == 3,
                suspect: false,
                attached: random.one_in(5),
                handles,
                untracked,
                level: Level::Sites,
                attached_tick: NOW - 1_000,
                retired_tick: random.one_in(2).then_some(NOW - 500),
                resident: random.one_in(2).then(|| random.below(size + 1)),
                slots,
            }
        })
        .collect()
}

/// The name of a group: what [`Holder`] is to the report.
type Group = String;

fn tag_of(slot: &SlotView) -> Group {
    Tag::from_number(slot.tag).map_or("-".to_owned(), |tag| format!("tag {}", tag.name()))
}

fn site_of(slot: &SlotView) -> Group {
    slot.site.map_or("-".to_owned(), |site| format!("site {site}"))
}

fn scope_of(slot: &SlotView) -> Group {
    scope_name(slot).map_or("-".to_owned(), |scope| format!("scope {scope}"))
}

fn kind_of(slot: &SlotView) -> Group {
    scope_name(slot).map_or("-".to_owned(), |scope| format!("kind {}", scope.kind()))
}

pub(super) fn scope_name(slot: &SlotView) -> Option<ScopeName> {
    scopes().iter().find(|scope| scope.number() == slot.scope).map(Scope::name)
}

fn thread_of(slot: &SlotView) -> Group {
    format!("thread {}", slot.thread)
}

fn group_of(holder: &Holder) -> Group {
    match holder {
        Holder::Tag(tag) => format!("tag {}", tag.name()),
        Holder::Site(site) => format!("site {site}"),
        Holder::Scope(scope) => format!("scope {scope}"),
        Holder::ScopeKind(kind) => format!("kind {kind}"),
        Holder::Thread(thread) => format!("thread {thread}"),
        Holder::Untagged | Holder::NoSite | Holder::Unscoped => "-".to_owned(),
        Holder::Untracked => "untracked".to_owned(),
        Holder::InMotion => "in motion".to_owned(),
        Holder::Everyone => "everyone".to_owned(),
    }
}

fn bytes_of<'a>(size: usize, slots: impl Iterator<Item = &'a SlotView>) -> BTreeSet<usize> {
    slots.flat_map(|slot| slot.offset.min(size)..slot.offset.saturating_add(slot.len).min(size)).collect()
}

fn holders(view: &SlabView, group: fn(&SlotView) -> Group) -> BTreeSet<Group> {
    let mut holders: BTreeSet<_> = view.slots.iter().map(group).collect();
    if view.untracked > 0 {
        holders.insert("untracked".to_owned());
    }
    if view.handles > view.slots.len() as u64 + view.untracked {
        holders.insert("in motion".to_owned());
    }
    holders
}

pub(super) fn is_pinned(view: &SlabView) -> bool {
    view.handles > 0 || view.untracked > 0 || !view.slots.is_empty()
}

fn check_blame(views: &[SlabView], table: &[Blame], group: fn(&SlotView) -> Group) {
    let mut seen = BTreeSet::new();
    for blame in table {
        let name = group_of(&blame.holder);
        assert!(seen.insert(name.clone()), "{name} is listed twice");
        let (mut used, mut alone, mut shared, mut slabs, mut least, mut most) = (0, 0, 0, 0, 0, 0);
        for view in views {
            let holders = holders(view, group);
            if !holders.contains(&name) {
                continue;
            }
            let covered = bytes_of(view.size, view.slots.iter().filter(|slot| group(slot) == name)).len();
            let waste = view.size - bytes_of(view.size, view.slots.iter()).len();
            used += covered;
            slabs += 1;
            *(if holders.len() == 1 { &mut alone } else { &mut shared }) += view.size;
            least += waste / holders.len();
            most += waste / holders.len() + 1 + covered;
        }
        assert_eq!(
            (used, alone, shared, slabs),
            (blame.live_bytes, blame.exclusive_bytes, blame.shared_bytes, blame.slabs)
        );
        assert!(
            (least..=most).contains(&blame.amortised_bytes),
            "{name}: {least} <= {} <= {most}",
            blame.amortised_bytes
        );
    }
    let expected: BTreeSet<_> = views.iter().flat_map(|view| holders(view, group)).collect();
    assert_eq!(seen, expected);
    assert!(table.is_sorted_by_key(|blame| std::cmp::Reverse(blame.amortised_bytes)));
}

fn check_totals(views: &[SlabView], report: &PinReport) {
    let t = &report.totals;
    let pinned: usize = views.iter().map(|view| view.size).sum();
    let live: usize = views.iter().map(|view| bytes_of(view.size, view.slots.iter()).len()).sum();
    assert_eq!((t.pinned_bytes, t.live_bytes, t.waste_bytes), (pinned, live, pinned - live));
    let foreign: usize = views.iter().filter(|view| view.foreign).map(|view| view.size).sum();
    assert_eq!(t.foreign_bytes, foreign);
    assert_eq!(pinned, t.reclaimable_bytes + t.attached_bytes + t.unlisted_bytes + t.writable_bytes);
    assert_eq!(t.slabs, report.slabs.len());
    assert_eq!(t.slices, report.slabs.iter().map(|slab| slab.slices.len()).sum::<usize>());
    assert_eq!(t.slices, views.iter().map(|view| view.slots.len()).sum::<usize>());
    for table in [&report.by_tag, &report.by_site, &report.by_scope, &report.by_scope_kind, &report.by_thread] {
        assert_eq!(table.iter().map(|blame| blame.amortised_bytes).sum::<usize>(), pinned);
        let listed = table.iter().filter(|blame| !matches!(blame.holder, Holder::Untracked | Holder::InMotion));
        assert_eq!(listed.map(|blame| blame.slices).sum::<usize>(), t.slices);
        let alone: usize = table.iter().map(|blame| blame.exclusive_bytes).sum();
        assert!(alone <= pinned && table.iter().all(|blame| blame.exclusive_bytes <= blame.amortised_bytes));
    }
    for slab in &report.slabs {
        assert_eq!(slab.live_bytes + slab.waste_bytes, slab.size);
        assert!(slab.slices.iter().all(|slice| slice.offset + slice.len <= slab.size));
        assert!(slab.slices.iter().all(|slice| slice.age.min() <= slice.age.max()));
        assert!(slab.slices.is_sorted_by_key(|slice| slice.offset));
    }
    assert!(report.slabs.is_sorted_by_key(|slab| std::cmp::Reverse(slab.waste_bytes)));
}

fn check_advice(views: &[SlabView], report: &PinReport) {
    let culprit: fn(&SlotView) -> Group = |slot| if slot.tag != 0 { tag_of(slot) } else { site_of(slot) };
    let mut expected = BTreeMap::new();
    for view in views {
        let copied: usize = view.slots.iter().map(|slot| bytes_of(view.size, [slot].into_iter()).len()).sum();
        let listed = view.untracked == 0 && view.handles == view.slots.len() as u64;
        let frozen = view.slots.iter().all(|slot| slot.kind != SliceKind::Mut);
        if view.attached || !listed || !frozen || copied >= view.size {
            continue;
        }
        let groups: Vec<_> = holders(view, culprit).into_iter().collect();
        if let [group] = &groups[..] {
            let entry: &mut (usize, usize, usize, usize) = expected.entry(group.clone()).or_default();
            *entry = (entry.0 + view.slots.len(), entry.1 + copied, entry.2 + 1, entry.3 + view.size);
        }
    }
    let given: BTreeMap<_, _> = report
        .advice
        .iter()
        .map(|a| (group_of(&a.holder), (a.slices, a.copied_bytes, a.freed_slabs, a.freed_bytes)))
        .collect();
    assert_eq!(given, expected);
    assert!(report.advice.iter().all(|advice| advice.slices <= advice.slices_in_group));
    assert!(report.advice.is_sorted_by_key(|a| std::cmp::Reverse(a.freed_bytes - a.copied_bytes)));
}

#[test]
fn random_slabs_against_a_map_of_bytes() {
    let mut random = Random(0x5eed_0bad_cafe_f00d);
    for _ in 0..if cfg!(miri) { 5 } else { 500 } {
        let mut views = random_views(&mut random);
        let report = build(views.clone());
        views.retain(is_pinned);
        check_totals(&views, &report);
        check_blame(&views, &report.by_tag, tag_of);
        check_blame(&views, &report.by_site, site_of);
        check_blame(&views, &report.by_scope, scope_of);
        check_blame(&views, &report.by_scope_kind, kind_of);
        check_blame(&views, &report.by_thread, thread_of);
        check_advice(&views, &report);
        assert_fits(&report);
        parse(&report);

        // The same slabs in another order, their slots too.
        views.reverse();
        views.iter_mut().for_each(|view| view.slots.reverse());
        assert_eq!(build(views).to_string().lines().next(), report.to_string().lines().next());
    }
}

#[test]
fn the_order_in_which_slabs_are_seen_changes_no_figure() {
    let mut random = Random(77);
    for _ in 0..200 {
        let mut views = random_views(&mut random);
        let first = build(views.clone()).to_json();
        views.reverse();
        views.iter_mut().for_each(|view| view.slots.sort_by_key(|slot| (slot.thread, slot.len)));
        assert_eq!(without_slices(&build(views).to_json()), without_slices(&first));
    }
}

/// A report's JSON but for the slices, whose order is free where they begin and end alike.
fn without_slices(json: &str) -> String {
    json.lines().map(|line| line.split("\"slices\":[").next().unwrap_or_default()).collect()
}
