//! Dry runs, against doing it: on random slabs by taking slices away, and single cases. That the pool does the same is in
//! `tests/plan.rs` of the crate.

use super::fixtures::{MIB, build, slab, slot};
use super::shown::assert_fits;
use super::twin::{Random, is_pinned, random_views};
use crate::policy::RetainPolicy;
use crate::raw::SliceKind;
use crate::report::{CompactPlan, Holder, VainReason};

const ALWAYS: RetainPolicy = RetainPolicy::new(usize::MAX, 0);
const NEVER: RetainPolicy = RetainPolicy::new(0, usize::MAX);

#[test]
fn random_slabs_with_their_slices_taken_away() {
    let mut random = Random(0xc0_ffee);
    for _ in 0..if cfg!(miri) { 5 } else { 500 } {
        let mut views = random_views(&mut random);
        let policies = [ALWAYS, NEVER, RetainPolicy::new(random.below(20), random.below(30)), RetainPolicy::default()];
        let report = build(views.clone());
        views.retain(is_pinned);
        for policy in policies {
            let plan = report.compact_plan(&policy);
            let (mut copies, mut copied, mut freed, mut emptied, mut in_vain) = (0, 0, 0, 0, 0);
            for slab in &report.slabs {
                let goes = |kind, len| kind == SliceKind::Shared && policy.decide(len, slab.size).is_copy();
                let gone: Vec<_> = slab.slices.iter().filter(|slice| goes(slice.kind, slice.len)).collect();
                let stays = slab.slices.len() > gone.len() || slab.untracked > 0 || slab.in_motion > 0;
                copies += gone.len();
                copied += gone.iter().map(|slice| slice.len).sum::<usize>();
                match (gone.is_empty(), stays) {
                    (true, _) => {}
                    (false, true) => in_vain += gone.len(),
                    (false, false) if slab.attached => emptied += slab.size,
                    (false, false) => freed += slab.size,
                }
            }
            assert_eq!((plan.slices, plan.copied_bytes), (copies, copied));
            assert_eq!((plan.freed_bytes, plan.emptied_bytes, plan.slices_in_vain()), (freed, emptied, in_vain));
            check_sums(&plan);
            assert_fits(&plan);
        }
    }
}

fn check_sums(plan: &CompactPlan) {
    assert_eq!(plan.pinned_bytes, plan.freed_bytes + plan.emptied_bytes + plan.left_bytes());
    assert_eq!(plan.by_tag.iter().map(|group| group.slices).sum::<usize>(), plan.slices);
    assert_eq!(plan.by_tag.iter().map(|group| group.copied_bytes).sum::<usize>(), plan.copied_bytes);
    assert_eq!(plan.by_tag.iter().map(|group| group.slices_in_vain).sum::<usize>(), plan.slices_in_vain());
    let alone: usize = plan.by_tag.iter().map(|group| group.unpinned_alone_bytes).sum();
    let together = plan.by_tag.iter().map(|group| group.unpinned_together_bytes).max().unwrap_or(0);
    assert!(alone + together <= plan.unpinned_bytes());
    assert!(plan.in_vain.iter().all(|group| group.slabs > 0 && group.slices > 0));
}

#[test]
fn each_reason_why_a_copy_is_in_vain() {
    let head = || slot(0, 20, Some("head"), None);
    let body = |kind| {
        let mut body = slot(MIB / 2, MIB / 2, Some("body"), None);
        body.kind = kind;
        body
    };
    let mut untracked = slab(4, MIB, vec![head()]);
    untracked.untracked = 1;
    untracked.handles = 2;
    let mut attached = slab(5, MIB, vec![head()]);
    attached.attached = true;
    let views = vec![
        slab(0, MIB, vec![head()]),
        slab(1, MIB, vec![head(), body(SliceKind::Shared)]),
        slab(2, MIB, vec![head(), body(SliceKind::Exported), body(SliceKind::Shared)]),
        slab(3, MIB, vec![head(), body(SliceKind::Mut)]),
        untracked,
        attached,
    ];
    let report = build(views);
    let plan = report.compact_plan(&RetainPolicy::default());
    assert_eq!((plan.slices, plan.copied_bytes), (6, 120));
    assert_eq!((plan.freed_slabs, plan.freed_bytes, plan.emptied_slabs, plan.emptied_bytes), (1, MIB, 1, MIB));
    assert_eq!((plan.unpinned_bytes(), plan.left_bytes(), plan.pinned_bytes), (2 * MIB, 4 * MIB, 6 * MIB));
    let reasons: Vec<_> = plan.in_vain.iter().map(|group| (group.reason, group.slabs, group.slices)).collect();
    let all = [VainReason::Kept, VainReason::Exported, VainReason::Writable, VainReason::Unlisted];
    assert_eq!(reasons, all.map(|reason| (reason, 1, 1)));
    assert_eq!((plan.exported, plan.writable), (0, 0), "half a slab is worth it");

    let plan = report.compact_plan(&ALWAYS);
    assert_eq!((plan.exported, plan.exported_bytes, plan.writable, plan.writable_bytes), (1, MIB / 2, 1, MIB / 2));
    assert_eq!((plan.freed_slabs, plan.slices), (2, 8));
    let groups: Vec<_> = plan.by_tag.iter().map(|g| (g.unpinned_alone_bytes, g.unpinned_together_bytes)).collect();
    assert_eq!(groups, [(2 * MIB, MIB), (0, MIB)]);
    assert!(matches!(plan.by_tag[0].holder, Holder::Tag(tag) if tag.name() == "head"));

    let plan = report.compact_plan(&NEVER);
    assert_eq!((plan.slices, plan.unpinned_bytes(), plan.by_tag.len(), plan.in_vain.len()), (0, 0, 0, 0));
    assert_eq!(plan.to_string().lines().next(), Some("compacting copies nothing: 6.0 MiB stay pinned"));
}

#[test]
fn how_it_reads() {
    let head = |id| slab(id, MIB, vec![slot(0, 20, Some("req.head"), None)]);
    let mut views: Vec<_> = (0..30).map(head).collect();
    views[29].slots.push(slot(20, MIB / 2, Some("body"), None));
    views[29].handles += 1;
    let mut exported = slot(0, 30, None, None);
    exported.kind = SliceKind::Exported;
    views.push(slab(30, MIB, vec![exported]));
    let plan = build(views).compact_plan(&RetainPolicy::default());
    assert_fits(&plan);
    let expected = "\
compacting copies 30 slices of 600 B in all and frees 29 MiB of 31 MiB pinned,
    29 slabs
policy: copies slices of up to 1.0 KiB, longer ones if their slab is over 3
    times as long
in vain: 1 slice of 20 B on 1 slab: other slices, worth their slab, keep it
not copied: 1 exported slice of 30 B: copy those by hand

by tag      slices  copied  frees alone  with others  in vain
  req.head      30   600 B       29 MiB          0 B        1";
    assert_eq!(plan.to_string(), expected);
}

#[test]
fn without_slices_there_is_nothing_to_plan() {
    let report = build(vec![slab(0, MIB, vec![slot(0, 20, Some("req.head"), None)])]).without_slices();
    let plan = report.compact_plan(&ALWAYS);
    assert_eq!((plan.slices, plan.unpinned_bytes(), plan.left_bytes()), (0, 0, MIB));
}
