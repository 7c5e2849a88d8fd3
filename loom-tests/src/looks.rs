//! What a report may see. It stops nobody and may miss what is in motion; it never shows what was not there.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bufslab::model::{Ledger, View};
use loom::thread;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "report_against_recycling",
        preemptions: Some(2),
        floor: 15_000,
        outcomes: &["first life", "second life"],
        body: report_against_recycling,
    },
    Model {
        name: "report_against_reuse_in_place",
        preemptions: Some(3),
        floor: 8_000,
        outcomes: &["first life", "second life"],
        body: report_against_reuse_in_place,
    },
    Model {
        name: "report_against_segments_moving_on",
        preemptions: Some(2),
        floor: 3_000,
        outcomes: &["listed by the second slab"],
        body: report_against_segments_moving_on,
    },
    Model {
        name: "report_against_slots_changing_hands",
        preemptions: None,
        floor: 9_000,
        outcomes: &["first slice", "second slice"],
        body: report_against_slots_changing_hands,
    },
    Model {
        name: "counts_against_recycling",
        preemptions: None,
        floor: 150,
        outcomes: &["pinned", "not pinned"],
        body: counts_against_recycling,
    },
    Model {
        name: "counts_against_detaching",
        preemptions: None,
        floor: 50,
        outcomes: &["attached", "detached"],
        body: counts_against_detaching,
    },
    Model {
        name: "drops_are_over_before_the_next_life",
        preemptions: None,
        floor: 3,
        outcomes: &[],
        body: drops_are_over_before_the_next_life,
    },
];

/// What one life of a slab may show: its slices are all tagged with its number.
type Life = (u32, &'static [(usize, usize)]);

/// Checks a view of a slab in its first or second life; `first` is the generation of the first.
fn check(view: &View, first: u64, lives: [Life; 2], most: u64) {
    let (tag, ranges) = &lives[usize::from(view.generation != first)];
    for (range, seen) in &view.slices {
        assert!(range.end <= view.size, "a slice beyond the slab: {view:?}");
        assert_eq!(seen, tag, "a slice of the slab's other life: {view:?}");
        assert!(ranges.contains(&(range.start, range.end)), "a slice that never was: {view:?}");
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
/// in one view. At most two preemptions; one is what it takes: a look in two halves.
fn report_against_recycling() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(4, 1).unwrap();
    assert!(attached.detach().is_none());
    let first = generation(&ledger);
    let guest = thread::spawn(move || {
        let attached = exactly_one([a.release()]).attach();
        let b = attached.alloc(8, 2).unwrap();
        assert!(attached.detach().is_none());
        b
    });
    for view in ledger.views() {
        check(&view, first, [(1, &[(0, 4)]), (2, &[(0, 8)])], 1);
    }
    let b = guest.join().unwrap();
    drop(exactly_one([b.release()]));
}

/// A report walks the slots while the owner starts over in the drained slab. Catches slices of two lives in one view, and a
/// generation that is seen before the end of the one before. At most three preemptions: all of them take too long.
fn report_against_reuse_in_place() {
    let ledger = ledger();
    let mut attached = ledger.slab(64).attach();
    let a = attached.alloc(4, 1).unwrap();
    let first = generation(&ledger);
    let reporter = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            for view in ledger.views() {
                check(&view, first, [(1, &[(0, 4)]), (2, &[(0, 8)])], 1);
            }
        })
    };
    assert!(a.release().is_none());
    attached.reset();
    let b = attached.alloc(8, 2).unwrap();
    reporter.join().unwrap();
    assert!(b.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

/// A report walks the segments of one slab while that is emptied and one of them becomes another slab's. Catches a slice that
/// is reported under the wrong slab. At most two preemptions; one is what it takes: a look in two halves.
fn report_against_segments_moving_on() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    // Two to a segment, so two segments; the slab will keep one.
    let (a, b, c) = (attached.alloc(4, 1).unwrap(), attached.alloc(4, 1).unwrap(), attached.alloc(4, 1).unwrap());
    assert!(attached.detach().is_none() && b.release().is_none() && c.release().is_none());
    let first = ledger.views()[0].id;
    let attached = ledger.slab(64).attach();
    let (d, e) = (attached.alloc(8, 2).unwrap(), attached.alloc(8, 2).unwrap());
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let slab = exactly_one([a.release()]);
        (slab, d.slice(1..3), d)
    });
    for view in ledger.views() {
        let own: &[(usize, usize)] = if view.id == first { &[(0, 4)] } else { &[(0, 8), (8, 16), (1, 3)] };
        for range in view.slices.iter().map(|(range, _)| (range.start, range.end)) {
            assert!(own.contains(&range), "another slab's slice: {view:?}");
            if range == (1, 3) {
                reach("listed by the second slab");
            }
        }
    }
    let (slab, f, d) = guest.join().unwrap();
    drop((slab, exactly_one([d.release(), e.release(), f.release()])));
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
                    match (range.start, range.end, tag) {
                        (0, 4, 1) => reach("first slice"),
                        (4, 12, 2) => reach("second slice"),
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

/// A report adds up the counts while a guest empties the slab and attaches it, whose owner had counted two slices before.
/// Catches the count of one life with the tally of the other. At most three preemptions: all of them take too long.
fn counts_against_recycling() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(4, 1).unwrap(), attached.alloc(4, 1).unwrap());
    thread::spawn(move || assert!(b.release().is_none())).join().unwrap();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let attached = exactly_one([a.release()]).attach();
        let b = attached.alloc(8, 2).unwrap();
        assert!(attached.detach().is_none());
        b
    });
    let (slabs, handles) = ledger.pinned();
    assert!(handles <= 1, "more handles than there ever were: {handles}");
    reach(if slabs == 1 { "pinned" } else { "not pinned" });
    drop(exactly_one([guest.join().unwrap().release()]));
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
