//! Single cases that random input meets too rarely.

use std::time::Duration;

use super::fixtures::{MIB, NOW, build, meta, slab, slot};
use super::server;
use super::twin::Random;
use crate::raw::SliceKind;
use crate::report::model::ReportMeta;
use crate::report::{Holder, PinReport};
use crate::track::Tag;

#[test]
fn a_byte_under_two_slices_counts_once() {
    let clones = vec![slot(0, 100, Some("a"), None), slot(0, 100, Some("a"), None), slot(50, 100, Some("b"), None)];
    let report = build(vec![slab(0, 1_000, clones)]);
    assert_eq!(report.totals.live_bytes, 150);
    assert_eq!(report.totals.waste_bytes, 850);
    let figures =
        |name| report.blame_of_tag(name).map(|b| (b.slices, b.live_bytes, b.exclusive_bytes, b.amortised_bytes));
    // 150 live bytes in the proportion 100 : 100, and half of the waste each.
    assert_eq!(figures("a"), Some((2, 100, 0, 500)));
    assert_eq!(figures("b"), Some((1, 100, 0, 500)));
    assert_eq!(report.blame_of_tag("c").map(|b| b.slices), None);
    // Each handle gets a copy of its own.
    assert_eq!(report.advice_together.map(|advice| advice.copied_bytes), Some(300));
}

#[test]
fn a_group_pays_what_it_uses_and_its_part_of_the_waste() {
    let report = build(vec![slab(0, 1_001, vec![slot(0, 20, Some("head"), None), slot(100, 700, Some("body"), None)])]);
    let share = |name| report.blame_of_tag(name).map(|blame| blame.amortised_bytes);
    // 281 bytes of waste: 141 to the group first by name.
    assert_eq!((share("body"), share("head")), (Some(841), Some(160)));
}

#[test]
fn attached_slabs_are_pinned_but_not_freed_by_compacting() {
    let mut attached = slab(0, MIB, vec![slot(0, 20, Some("head"), None)]);
    attached.attached = true;
    attached.retired_tick = None;
    let retired = slab(1, MIB, vec![slot(0, 20, Some("head"), None)]);
    let report = build(vec![attached, retired]);
    let advice = report.advice_for_tag("head").unwrap();
    assert_eq!((advice.slices, advice.slices_in_group, advice.freed_bytes), (1, 2, MIB));
    assert!(report.to_string().contains("compacting 1 of 2 slices of head copies 20 B and frees 1.0 MiB"));
    assert_eq!((report.totals.reclaimable_bytes, report.totals.attached_bytes), (MIB, MIB));
}

#[test]
fn an_untagged_slice_is_advised_on_by_its_site() {
    let views = vec![
        slab(0, MIB, vec![slot(0, 20, None, Some(server::read_head()))]),
        slab(1, MIB, vec![slot(0, 20, Some("named"), Some(server::read_head()))]),
        slab(2, MIB, vec![slot(0, 20, None, None)]),
    ];
    let report = build(views);
    let holders: Vec<_> = report.advice.iter().map(|advice| (advice.holder, advice.slices_in_group)).collect();
    assert!(matches!(holders[..], [(Holder::Tag(_), 1), (Holder::Site(_), 1), (Holder::NoSite, 1)]), "{holders:?}");
    assert_eq!(report.by_site[0].slices, 2, "as blame, a site has its tagged slices too");
}

#[test]
fn a_slice_past_the_end_is_clipped_and_counted() {
    let slots = vec![slot(90, 20, None, None), slot(200, 5, None, None), slot(usize::MAX, usize::MAX, None, None)];
    let report = build(vec![slab(0, 100, slots)]);
    assert_eq!((report.totals.clipped, report.totals.live_bytes), (3, 10));
    assert!(report.to_string().contains("3 slices seemed to pass the end"));
}

#[test]
fn handles_in_motion_promise_nothing() {
    let mut more = slab(0, MIB, vec![slot(0, 20, Some("head"), None)]);
    more.handles = 3;
    let mut fewer = slab(1, MIB, vec![slot(0, 20, Some("head"), None)]);
    fewer.handles = 0;
    let report = build(vec![more, fewer, slab(2, MIB, Vec::new())]);
    assert_eq!((report.totals.slabs, report.totals.in_motion), (2, 3));
    assert_eq!(report.totals.unlisted_bytes, 2 * MIB);
    assert!(report.advice.is_empty());
    let head = report.blame_of_tag("head").unwrap();
    assert_eq!((head.exclusive_bytes, head.shared_bytes), (MIB, MIB), "what is not seen may pin the first slab too");
    assert!(report.by_tag.iter().any(|b| matches!(b.holder, Holder::InMotion) && b.slices == 2));
}

#[test]
fn a_slab_seen_twice_counts_once() {
    let first = slab(7, MIB, vec![slot(0, 20, None, None)]);
    let mut later = slab(7, MIB, vec![slot(0, 30, None, None)]);
    later.generation += 1;
    let report = build(vec![first.clone(), later, first]);
    assert_eq!((report.totals.slabs, report.totals.live_bytes, report.slabs[0].generation), (1, 30, 2));
}

#[test]
fn ages_come_from_the_slab_or_from_the_slice() {
    let ms = Duration::from_millis;
    let mut view = slab(0, MIB, vec![slot(0, 20, None, None), slot(20, 20, None, None), slot(40, 20, None, None)]);
    view.slots[1].tick = NOW - 7;
    view.slots[2].tick = NOW + 3;
    let report = build(vec![view.clone()]);
    let ages: Vec<_> = report.slabs[0].slices.iter().map(|slice| (slice.age.min(), slice.age.max())).collect();
    assert_eq!(ages, [(ms(1_000), ms(2_000)), (ms(70), ms(70)), (ms(0), ms(0))], "made after the clock was read: 0");

    // An attached slab may have cut a slice just now.
    view.attached = true;
    view.retired_tick = None;
    let report = build(vec![view.clone()]);
    assert_eq!((report.slabs[0].age.min(), report.slabs[0].age.max()), (ms(0), ms(2_000)));

    // Attached before the clock wrapped.
    view.attached_tick = u32::MAX - 99;
    let report = PinReport::build(ReportMeta { now_tick: 100, ..meta() }, vec![view]);
    assert_eq!(report.slabs[0].age.max(), ms(2_000));
}

#[test]
fn writable_buffers_keep_a_slab_from_being_reclaimable() {
    let mut view = slab(0, MIB, vec![slot(0, 20, Some("head"), None), slot(20, 4096, Some("head"), None)]);
    view.slots[1].kind = SliceKind::Mut;
    let report = build(vec![view]);
    assert_eq!((report.totals.writable_bytes, report.totals.reclaimable_bytes), (MIB, 0));
    assert!(report.advice.is_empty() && report.advice_together.is_none());
}

#[test]
fn ten_thousand_slabs_with_a_hundred_slices_each() {
    let mut random = Random(42);
    let tags: Vec<Tag> = (0..100).map(|n| Tag::new(&format!("tag {n}"))).collect();
    let views = (0..if cfg!(miri) { 20 } else { 10_000 })
        .map(|id| {
            let slots = (0..100).map(|_| {
                let mut slot = slot(random.below(60_000), random.below(2_000), None, Some(server::read_body()));
                slot.tag = tags[random.below(tags.len())].number();
                slot
            });
            slab(id, 64 << 10, slots.collect())
        })
        .collect();
    let report = build(views);
    assert_eq!(report.totals.slices, if cfg!(miri) { 2_000 } else { 1_000_000 });
    assert_eq!(report.by_tag.iter().map(|blame| blame.amortised_bytes).sum::<usize>(), report.totals.pinned_bytes);
    assert!(report.to_string().len() < 10_000);
}
