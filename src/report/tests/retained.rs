//! Properties of the tree of holders, on random slabs against sets of paths:
//!
//! * a node retains exactly the slabs of which every handle's path leads through it, and the root retains all;
//! * what a node retains is what it owns and what its children retain;
//! * every slab is some node's own, once.

use std::collections::BTreeSet;

use super::fixtures::{MIB, build, slab, slot};
use super::server;
use super::twin::{Random, is_pinned, random_views, scope_name};
use crate::raw::{SlabView, SlotView};
use crate::report::{Holder, PinReport, Retained};
use crate::track::{ScopeName, Site, Tag};

/// The path of a slice, from below the root.
fn path(slot: &SlotView) -> Vec<Holder> {
    let mut path = match scope_name(slot) {
        Some(scope) => vec![Holder::ScopeKind(scope.kind()), Holder::Scope(scope)],
        None => vec![Holder::Unscoped],
    };
    let site = slot.site.map_or(Holder::NoSite, |site| Holder::Site(Site::from(site)));
    path.push(Tag::from_number(slot.tag).map_or(site, Holder::Tag));
    path
}

fn paths(view: &SlabView) -> Vec<Vec<Holder>> {
    let mut paths: Vec<_> = view.slots.iter().map(path).collect();
    if view.untracked > 0 {
        paths.push(vec![Holder::Untracked]);
    }
    if view.handles > view.slots.len() as u64 + view.untracked {
        paths.push(vec![Holder::InMotion]);
    }
    paths
}

fn check(node: &Retained, here: &mut Vec<Holder>, views: &[SlabView], owned: &mut Vec<usize>) {
    let below = |view: &&SlabView| paths(view).iter().all(|path| path.starts_with(here));
    let retained: Vec<_> = views.iter().filter(below).collect();
    assert_eq!(node.retained_bytes, retained.iter().map(|view| view.size).sum::<usize>(), "{here:?}");
    assert_eq!(node.retained_slabs, retained.len(), "{here:?}");
    let children: usize = node.children.iter().map(|child| child.retained_bytes).sum();
    assert_eq!(node.retained_bytes, node.own_bytes + children);
    assert!(node.children.is_sorted_by_key(|child| std::cmp::Reverse(child.retained_bytes)));
    let names: BTreeSet<String> = node.children.iter().map(|child| format!("{:?}", child.holder)).collect();
    assert_eq!(names.len(), node.children.len(), "each holder once");
    owned.extend(&node.own);
    for child in &node.children {
        assert!(child.handles > 0);
        here.push(child.holder);
        check(child, here, views, owned);
        here.pop();
    }
}

#[test]
fn random_slabs_against_sets_of_paths() {
    let mut random = Random(0x0dd_ba11);
    for _ in 0..if cfg!(miri) { 5 } else { 500 } {
        let mut views = random_views(&mut random);
        let report = build(views.clone());
        views.retain(is_pinned);
        let tree = report.retained_tree();
        assert_eq!(tree.retained_bytes, report.totals.pinned_bytes);
        let mut owned = Vec::new();
        check(&tree, &mut Vec::new(), &views, &mut owned);
        owned.sort_unstable();
        assert!(owned.into_iter().eq(0..report.slabs.len()), "every slab once");

        // What the tables call exclusive is what the tree says of the first two levels.
        for blame in report.by_scope_kind.iter().filter(|blame| matches!(blame.holder, Holder::ScopeKind(_))) {
            assert_eq!(tree.find(&[blame.holder]).unwrap().retained_bytes, blame.exclusive_bytes);
        }
        views.reverse();
        views.iter_mut().for_each(|view| view.slots.reverse());
        assert_eq!(figures(&build(views).retained_tree()), figures(&tree), "the order does not matter");
    }
}

/// The tree without the numbers of slabs, which depend on how ties are sorted.
fn figures(node: &Retained) -> String {
    let children: Vec<_> = node.children.iter().map(figures).collect();
    format!("{:?} {} {} {} {children:?}", node.holder, node.retained_bytes, node.own_bytes, node.handles)
}

/// Ten slabs of each of two sessions, one that both hold, and one that nobody in a scope holds.
fn two_sessions() -> PinReport {
    let mut views: Vec<_> =
        (0..21).map(|id| slab(id, MIB, vec![slot(0, 20, Some("req.head"), Some(server::read_head()))])).collect();
    views[20].slots.push(slot(20, 20, Some("body"), None));
    views.push(slab(21, MIB, vec![slot(0, 20, None, Some(server::read_body()))]));
    let mut report = build(views);
    let session = |id| Some(ScopeName::new(Tag::new("ws_session"), id));
    for slab in &mut report.slabs {
        match slab.id {
            0..10 => slab.slices[0].scope = session(1),
            10..20 => slab.slices[0].scope = session(42),
            20 => {
                slab.slices[0].scope = session(1);
                slab.slices[1].scope = session(42);
            }
            _ => {}
        }
    }
    let meta = super::fixtures::meta();
    PinReport::assemble(meta, report.slabs, 0)
}

#[test]
fn one_session_alone_and_all_of_them_together() {
    let report = two_sessions();
    let tree = report.retained_tree();
    let kind = Holder::ScopeKind(Tag::new("ws_session"));
    let sessions = tree.find(&[kind]).unwrap();
    assert_eq!((sessions.retained_bytes, sessions.own_bytes, sessions.handles), (21 * MIB, MIB, 22));
    let one = tree.find(&[kind, Holder::Scope(ScopeName::new(Tag::new("ws_session"), 42))]).unwrap();
    assert_eq!((one.retained_bytes, one.own_bytes), (10 * MIB, 0));
    assert_eq!(report.slabs[sessions.own[0]].id, 20);
    let rest = tree.find(&[Holder::Unscoped, Holder::Site(Site::from(server::read_body()))]).unwrap();
    assert_eq!((rest.retained_bytes, rest.own_bytes), (MIB, MIB));
}

#[test]
fn the_text_says_who_alone_keeps_what_where_scopes_are_used() {
    let text = two_sessions().to_string();
    let sentence = "\nws_session alone keeps 21 MiB in 21 slabs; ws_session 1 alone keeps 10 MiB\n";
    assert!(text.contains(sentence), "{text}");
    let stripped = two_sessions().without_slices().to_string();
    assert!(stripped.contains(&sentence.replace(" in 21 slabs", "")), "{stripped}");
    let without = build(vec![slab(0, MIB, vec![slot(0, 20, Some("req.head"), None)])]);
    assert!(!without.to_string().contains(" alone keeps "));
}
