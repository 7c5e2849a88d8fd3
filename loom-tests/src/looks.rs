//! What a report may see. It stops nobody and may miss what is in motion; it never shows what was not there.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bufslab::model::{Ledger, View};
use core::ops::Range;
use loom::thread;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "report_against_recycling",
        preemptions: None,
        floor: 10,
        outcomes: &["first life", "second life"],
        body: report_against_recycling,
    },
    Model {
        name: "report_against_reuse_in_place",
        preemptions: None,
        floor: 10,
        outcomes: &["first life", "second life"],
        body: report_against_reuse_in_place,
    },
    Model {
        name: "report_against_slots_changing_hands",
        preemptions: None,
        floor: 10,
        outcomes: &["first slice", "second slice"],
        body: report_against_slots_changing_hands,
    },
    Model {
        name: "counts_against_detaching",
        preemptions: None,
        floor: 2,
        outcomes: &["attached", "detached"],
        body: counts_against_detaching,
    },
    Model {
        name: "drops_are_over_before_the_next_life",
        preemptions: None,
        floor: 2,
        outcomes: &[],
        body: drops_are_over_before_the_next_life,
    },
];

/// What one life of a slab may show: its slices are all tagged with its number.
type Life = (u32, &'static [Range<usize>]);

/// Checks a view of a slab in its first or second life; `first` is the generation of the first.
fn check(view: &View, first: u64, lives: [Life; 2], most: u64) {
    let (tag, ranges) = &lives[usize::from(view.generation != first)];
    for (range, seen) in &view.slices {
        assert!(range.end <= view.size, "a slice beyond the slab: {view:?}");
        assert_eq!(seen, tag, "a slice of the slab's other life: {view:?}");
        assert!(ranges.contains(range), "a slice that never was: {view:?}");
    }
    assert!(view.handles <= most, "more handles than there ever were: {view:?}");
    assert_eq!(view.untracked, 0, "every handle has a slot: {view:?}");
    if !view.slices.is_empty() {
        reach(if *tag == 1 { "first life" } else { "second life" });
    }
}

fn generation(ledger: &Ledger) -> u64 {
    ledger.views()[0].generation
}

/// A report walks the slots while a guest empties the slab, attaches it and cuts from it again. Catches slices of two lives
/// in one view.
fn report_against_recycling() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(4, 1).unwrap();
    assert!(attached.detach().is_none());
    let first = generation(&ledger);
    let guest = thread::spawn(move || {
        let attached = exactly_one([a.release()]).attach();
        let slices = (attached.alloc(8, 2).unwrap(), attached.alloc(8, 2).unwrap());
        assert!(attached.detach().is_none());
        slices
    });
    for view in ledger.views() {
        check(&view, first, [(1, &[0..4]), (2, &[0..8, 8..16])], 2);
    }
    let (a, b) = guest.join().unwrap();
    drop(exactly_one([a.release(), b.release()]));
}

/// A report walks the slots while the owner starts over in the drained slab. Catches slices of two lives in one view.
fn report_against_reuse_in_place() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(4, 1).unwrap();
    let first = generation(&ledger);
    let reporter = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            for view in ledger.views() {
                check(&view, first, [(1, &[0..4]), (2, &[0..8, 8..16])], 2);
            }
        })
    };
    assert!(a.release().is_none());
    attached.reset();
    let (a, b) = (attached.alloc(8, 2).unwrap(), attached.alloc(8, 2).unwrap());
    reporter.join().unwrap();
    assert!(a.release().is_none() && b.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

/// A report reads a slot while that goes from one slice to another, in one life of the slab. Catches the range of one with
/// the tag of the other.
fn report_against_slots_changing_hands() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(4, 1).unwrap();
    let reporter = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            for view in ledger.views() {
                for (range, tag) in view.slices {
                    match (range, tag) {
                        (range, 1) if range == (0..4) => reach("first slice"),
                        (range, 2) if range == (4..12) => reach("second slice"),
                        torn => panic!("a slice that never was: {torn:?}"),
                    }
                }
            }
        })
    };
    assert!(a.release().is_none());
    let b = attached.alloc(8, 2).unwrap();
    reporter.join().unwrap();
    assert!(b.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

/// A report adds up the counts while the owner detaches, after a guest has dropped two slices that the owner had made.
/// Catches a bias that is taken for references.
fn counts_against_detaching() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b, c) = (attached.alloc(4, 1).unwrap(), attached.alloc(4, 1).unwrap(), attached.alloc(4, 1).unwrap());
    thread::spawn(move || assert!(a.release().is_none() && b.release().is_none())).join().unwrap();
    let reporter = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            for view in ledger.views() {
                assert!(view.handles <= 1, "more handles than there are: {view:?}");
                reach(if view.attached { "attached" } else { "detached" });
            }
            let (slabs, handles) = ledger.pinned();
            assert!(slabs <= 1 && handles <= 1, "more handles than there are: {handles}");
        })
    };
    assert!(attached.detach().is_none(), "a slice is left");
    reporter.join().unwrap();
    drop(exactly_one([c.release()]));
}

/// Two threads drop the last slices, and whoever empties the slab uses it again and reports. Catches a slot of the first
/// life that is still live in the second.
fn drops_are_over_before_the_next_life() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(4, 1).unwrap(), attached.alloc(4, 1).unwrap());
    assert!(attached.detach().is_none());
    let next_life = |slab: bufslab::model::Idle, ledger: Ledger| {
        let attached = slab.attach();
        let c = attached.alloc(8, 2).unwrap();
        let views = ledger.views();
        assert_eq!((views.len(), views[0].handles), (1, 1));
        assert_eq!(views[0].slices, [(0..8, 2)], "a slice of the life before");
        assert!(c.release().is_none());
        attached.detach()
    };
    let guest = {
        let ledger = ledger.clone();
        thread::spawn(move || b.release().and_then(|slab| next_life(slab, ledger)))
    };
    let mine = a.release().and_then(|slab| next_life(slab, ledger.clone()));
    drop(exactly_one([mine, guest.join().unwrap()]));
}
