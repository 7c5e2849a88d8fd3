//! Around the pin: who attaches a slab again that has slices, and what may be cut from it.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bufslab::model::{Attached, Idle, Ledger, Shared};
use loom::thread;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "around_against_a_clone_that_moves",
        preemptions: Some(3),
        floor: 1_000,
        outcomes: &["attached", "left alone"],
        body: around_against_a_clone_that_moves,
    },
    Model {
        name: "around_against_slice_and_split_to",
        preemptions: Some(2),
        floor: 500,
        outcomes: &["attached", "left alone"],
        body: around_against_slice_and_split_to,
    },
    Model {
        name: "around_against_slots_changing_hands",
        preemptions: Some(2),
        floor: 500,
        outcomes: &["attached", "left alone"],
        body: around_against_slots_changing_hands,
    },
    Model {
        name: "around_against_the_last_drop",
        preemptions: None,
        floor: 100,
        outcomes: &["attached", "the guest empties it", "the look empties it"],
        body: around_against_the_last_drop,
    },
    Model {
        name: "two_threads_attach_around",
        preemptions: Some(3),
        floor: 1_000,
        outcomes: &["one", "both", "none"],
        body: two_threads_attach_around,
    },
    Model {
        name: "report_against_attaching_around",
        preemptions: Some(3),
        floor: 700,
        outcomes: &["before", "after"],
        body: report_against_attaching_around,
    },
    Model {
        name: "guest_and_new_owner_take_slots",
        preemptions: Some(3),
        floor: 100,
        outcomes: &[],
        body: guest_and_new_owner_take_slots,
    },
    Model {
        name: "closing_against_attaching_around",
        preemptions: None,
        floor: 20,
        outcomes: &["closed"],
        body: closing_against_attaching_around,
    },
    Model {
        name: "closing_against_the_next_hole",
        preemptions: None,
        floor: 3,
        outcomes: &["stepped", "stopped"],
        body: closing_against_the_next_hole,
    },
    Model {
        name: "holes_are_not_reclaimed",
        preemptions: None,
        floor: 1,
        outcomes: &[],
        body: holes_are_not_reclaimed,
    },
];

const SIZE: usize = 64;

/// Checks that no two of these slices share a byte.
fn disjoint<'a>(slices: impl IntoIterator<Item = &'a Shared>) {
    let mut ranges: Vec<_> = slices.into_iter().map(|slice| slice.listed().expect("a listed slice")).collect();
    ranges.sort_by_key(|range| range.start);
    for pair in ranges.windows(2) {
        assert!(pair[0].end <= pair[1].start, "a live byte was handed out again: {ranges:?}");
    }
}

/// Attaches the slab, which others hold for sure, around its slices, and cuts all that its first hole of 16 bytes has.
fn attach_and_cut(ledger: &Ledger) -> (Option<Shared>, Option<Idle>) {
    let (attached, emptied) = ledger.attach_around(SIZE, 16);
    assert!(emptied.is_none(), "a slice is left");
    let Some(attached) = attached else {
        reach("left alone");
        return (None, None);
    };
    reach("attached");
    let slice = attached.alloc(16, 2).expect("it has a hole");
    (Some(slice), attached.detach())
}

fn release_all(slices: impl IntoIterator<Item = Shared>) {
    drop(exactly_one(slices.into_iter().map(Shared::release)));
}

/// A guest's only slice moves to another slot while the slab is attached around it. Catches a look that believes an unchanged
/// number of claims, and a cursor that does not start at the hole. At most three preemptions.
fn around_against_a_clone_that_moves() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let a = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let b = a.clone();
        (a.release(), b)
    });
    let (mine, emptied) = attach_and_cut(&ledger);
    let (theirs, b) = guest.join().unwrap();
    assert!(theirs.is_none() && emptied.is_none(), "a slice is left");
    disjoint(mine.iter().chain([&b]));
    release_all(mine.into_iter().chain([b]));
}

/// A guest slices and splits while the slab is attached around what it holds. Catches bytes that are unlisted for a moment. At
/// most two preemptions.
fn around_against_slice_and_split_to() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let mut a = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let head = a.split_to(4);
        let part = head.slice(1..3);
        (head.release(), part, a)
    });
    let (mine, emptied) = attach_and_cut(&ledger);
    let (theirs, part, tail) = guest.join().unwrap();
    assert!(theirs.is_none() && emptied.is_none(), "a slice is left");
    disjoint(mine.iter().chain([&part, &tail]));
    release_all(mine.into_iter().chain([part, tail]));
}

/// Slices move between slots while the slab is attached: one of them is seen twice and another never, so that the number is right.
/// Catches a look that does not read the state again. At most two preemptions.
fn around_against_slots_changing_hands() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    // Two to a segment; the younger segment is looked at first. What is live and unseen would be a hole of 16 bytes.
    let (b, filler, a) = (attached.alloc(16, 1).unwrap(), attached.alloc(8, 1).unwrap(), attached.alloc(8, 1).unwrap());
    assert!(attached.detach().is_none());
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || attach_and_cut(&ledger))
    };
    let c = a.clone();
    assert!(a.release().is_none());
    let d = b.clone();
    assert!(b.release().is_none());
    let (mine, emptied) = other.join().unwrap();
    assert!(emptied.is_none());
    disjoint(mine.iter().chain([&c, &d, &filler]));
    release_all(mine.into_iter().chain([c, d, filler]));
}

/// A guest drops the only slice while the slab is attached around it. Catches a slab that is lost or emptied twice, and one that
/// nobody can empty because the look's reference is kept.
fn around_against_the_last_drop() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let a = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        a.read();
        a.release()
    });
    let (attached, emptied) = ledger.attach_around(SIZE, 16);
    let attached = attached.inspect(|_| reach("attached"));
    let detached = attached.and_then(|attached| {
        let slice = attached.alloc(16, 2).unwrap();
        assert!(slice.release().is_none());
        attached.detach()
    });
    let theirs = guest.join().unwrap();
    if theirs.is_some() {
        reach("the guest empties it");
    }
    if emptied.is_some() {
        reach("the look empties it");
    }
    drop(exactly_one([theirs, emptied, detached]));
}

/// Two threads attach the same slab around the same slice, at once or one after the other. Catches a hole that both of them cut
/// from: a look that does not keep others away, or that is older than what the last owner cut. At most three preemptions.
fn two_threads_attach_around() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let a = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let cut = |attached: Attached| {
        let slice = attached.alloc(16, 2).expect("it has a hole");
        assert!(attached.detach().is_none(), "a slice is left");
        slice
    };
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            let (attached, emptied) = ledger.attach_around(SIZE, 16);
            assert!(emptied.is_none(), "a slice is left");
            attached.map(cut)
        })
    };
    let (attached, emptied) = ledger.attach_around(SIZE, 16);
    assert!(emptied.is_none(), "a slice is left");
    let mine = attached.map(cut);
    let theirs = other.join().unwrap();
    reach(["none", "one", "both"][usize::from(mine.is_some()) + usize::from(theirs.is_some())]);
    disjoint(mine.iter().chain(&theirs).chain([&a]));
    release_all(mine.into_iter().chain(theirs).chain([a]));
}

/// A report walks the slab while it is attached around its slice and cut from. Catches a slab that is left out for the moment it
/// changes hands, and a slice that never was. At most two preemptions.
fn report_against_attaching_around() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let a = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let reporter = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            let (slabs, handles) = ledger.pinned();
            assert!(slabs == 1 && (1..=3).contains(&handles), "{slabs} slabs, {handles} handles");
            let views = ledger.views();
            assert_eq!(views.len(), 1, "a pinned slab was left out");
            for (range, tag) in &views[0].slices {
                assert!([(0..8, 1), (8..24, 2)].contains(&(range.clone(), *tag)), "a slice that never was: {views:?}");
            }
            reach(if views[0].slices.len() == 2 { "after" } else { "before" });
        })
    };
    let (attached, emptied) = ledger.attach_around(SIZE, 16);
    assert!(emptied.is_none());
    let attached = attached.expect("nobody else moves");
    let b = attached.alloc(16, 2).unwrap();
    reporter.join().unwrap();
    assert!(attached.detach().is_none());
    release_all([a, b]);
}

/// The former owner makes a handle on the slab that another thread has attached around it, whose segments are the former owner's
/// still. Catches a slot that both of them take. At most three preemptions.
fn guest_and_new_owner_take_slots() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let a = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let new_owner = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            let (attached, emptied) = ledger.attach_around(SIZE, 16);
            assert!(emptied.is_none(), "a slice is left");
            attached.map(|attached| {
                let slice = attached.alloc(16, 2).expect("it has a hole");
                assert!(attached.detach().is_none(), "a slice is left");
                slice
            })
        })
    };
    let b = a.clone();
    let theirs = new_owner.join().unwrap();
    if let Some(theirs) = &theirs {
        assert!(theirs.slot() != a.slot() && theirs.slot() != b.slot(), "two handles with one slot");
        assert_eq!(theirs.listed(), Some(8..24));
    }
    assert_eq!((a.listed(), b.listed()), (Some(0..8), Some(0..8)));
    release_all(theirs.into_iter().chain([a, b]));
}

/// The ledger is closed while a slab is attached around its slice. Catches a hole that is cut from after that.
fn closing_against_attaching_around() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let a = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            let (attached, emptied) = ledger.attach_around(SIZE, 16);
            assert!(emptied.is_none(), "a slice is left");
            attached
        })
    };
    ledger.close();
    let attached = other.join().unwrap().expect("closing moves nothing");
    reach("closed");
    assert!(attached.alloc(16, 2).is_none(), "cut from a closed ledger");
    assert!(attached.detach().is_none());
    release_all([a]);
}

/// The owner goes on to the next hole while another thread closes the ledger. Catches a limit of 0 that is overwritten: it would cut
/// from a closed ledger.
fn closing_against_the_next_hole() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let lead = attached.cut(16).unwrap();
    let a = attached.alloc(8, 1).unwrap();
    assert!(lead.release().is_none());
    assert!(attached.detach().is_none());
    // Holes: 0..16 and 24..64.
    let (attached, emptied) = ledger.attach_around(SIZE, 16);
    assert!(emptied.is_none());
    let mut attached = attached.expect("nobody else moves");
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.close())
    };
    reach(if attached.next_hole(16) { "stepped" } else { "stopped" });
    other.join().unwrap();
    assert!(attached.alloc(8, 2).is_none() && !attached.next_hole(8), "cut from a closed ledger");
    assert!(attached.detach().is_none());
    release_all([a]);
}

/// A buffer asks for the bytes back that were split from it and dropped, which are a hole now that will be cut from. Catches a hole
/// that is handed out twice. One thread: the order alone matters.
fn holes_are_not_reclaimed() {
    let ledger = ledger();
    let attached = ledger.slab(SIZE).attach();
    let lead = attached.cut(8).unwrap();
    let mut a = attached.cut(32).unwrap();
    let tail = a.split_off(8);
    let behind = attached.alloc(8, 1).unwrap();
    assert!(lead.release().is_none() && tail.release().is_none());
    assert!(attached.detach().is_none());
    // Holes: 0..8, 16..40 and 48..64.
    let (attached, emptied) = ledger.attach_around(SIZE, 8);
    assert!(emptied.is_none());
    let mut attached = attached.expect("nobody else moves");
    a.reclaim(32);
    assert!(attached.next_hole(24));
    let b = attached.alloc(24, 2).unwrap();
    let a = a.fill_and_freeze();
    disjoint([&a, &b, &behind]);
    assert!(attached.detach().is_none());
    release_all([a, b, behind]);
}
