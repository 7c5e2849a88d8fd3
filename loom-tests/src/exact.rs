//! What an exact snapshot may conclude: whatever it does not show is dead for good. And its sibling, the question whether a
//! slice is the only one on its bytes.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bufslab::model::{Shared, Slab, Snapshot};
use core::ops::Range;
use loom::thread;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "snapshot_against_a_clone_that_moves",
        preemptions: None,
        floor: 8_000,
        outcomes: &["accepted", "refused"],
        body: snapshot_against_a_clone_that_moves,
    },
    Model {
        name: "snapshot_against_slots_changing_hands",
        preemptions: Some(3),
        floor: 1_000,
        outcomes: &["accepted", "refused"],
        body: snapshot_against_slots_changing_hands,
    },
    Model {
        name: "snapshot_against_split_to",
        preemptions: None,
        floor: 4_000,
        outcomes: &["accepted", "refused"],
        body: snapshot_against_split_to,
    },
    Model {
        name: "snapshot_against_a_clone_and_a_split",
        preemptions: Some(2),
        floor: 1_000,
        outcomes: &["accepted", "refused"],
        body: snapshot_against_a_clone_and_a_split,
    },
    Model {
        name: "snapshot_against_the_last_drop",
        preemptions: None,
        floor: 100,
        outcomes: &["the snapshot empties it", "the guest empties it"],
        body: snapshot_against_the_last_drop,
    },
    Model {
        name: "exclusive_against_a_clone_that_moves",
        preemptions: None,
        floor: 200,
        outcomes: &[],
        body: exclusive_against_a_clone_that_moves,
    },
    Model {
        name: "exclusive_against_slots_changing_hands",
        preemptions: None,
        floor: 3_000,
        outcomes: &[],
        body: exclusive_against_slots_changing_hands,
    },
    Model {
        name: "exclusive_after_the_last_remote_drop",
        preemptions: None,
        floor: 20,
        outcomes: &["exclusive", "shared"],
        body: exclusive_after_the_last_remote_drop,
    },
];

/// Checks that each slice that is alive after the snapshot lies inside what it showed, if it was accepted.
fn covered(live: Option<&[Range<usize>]>, handles: &[&Shared]) {
    let Some(live) = live else {
        reach("refused");
        return;
    };
    reach("accepted");
    for handle in handles {
        let range = handle.listed().expect("a listed slice");
        let all = range.clone().all(|byte| live.iter().any(|shown| shown.contains(&byte)));
        assert!(all, "{range:?} is alive and was shown dead: {live:?}");
    }
}

/// Takes an exact snapshot of a slab that somebody else holds for sure.
fn look(slab: Slab) -> Option<Vec<Range<usize>>> {
    let (live, emptied): Snapshot = slab.exact();
    assert!(emptied.is_none(), "a slice is left");
    live
}

fn release_all<const N: usize>(handles: [Shared; N]) {
    let emptied: Vec<_> = handles.into_iter().map(Shared::release).collect();
    drop(exactly_one(emptied));
}

/// A guest clones its only slice and drops the original, so that the slice moves to another slot. Catches a snapshot that
/// believes an unchanged number of claims: the clone's claim is older than the snapshot, its slot younger than the look at it.
fn snapshot_against_a_clone_that_moves() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(8, 1).unwrap();
    let slab = a.slab();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let b = a.clone();
        (a.release(), b)
    });
    let (live, mine) = slab.exact();
    let (theirs, b) = guest.join().unwrap();
    assert!(mine.is_none() && theirs.is_none(), "a slice is left");
    covered(live.as_deref(), &[&b]);
    release_all([b]);
}

/// Slices move between slots while a snapshot walks them: one of them is seen twice and another never, so that the number
/// is right. Catches a snapshot that does not read the state again. At most three preemptions; the race takes one.
fn snapshot_against_slots_changing_hands() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    // Two to a segment; the younger segment is looked at first.
    let (b, filler, a) = (attached.alloc(8, 1).unwrap(), attached.alloc(8, 1).unwrap(), attached.alloc(8, 1).unwrap());
    let slab = a.slab();
    assert!(attached.detach().is_none());
    let looker = thread::spawn(move || look(slab));
    let c = a.clone();
    assert!(a.release().is_none());
    let d = b.clone();
    assert!(b.release().is_none());
    let live = looker.join().unwrap();
    covered(live.as_deref(), &[&c, &d, &filler]);
    release_all([c, d, filler]);
}

/// A guest splits its slice after it has dropped another. Catches bytes that are unlisted for a moment while a slice is
/// split, and a snapshot that sees the drop in the count and not in the slot, or the other way round.
fn snapshot_against_split_to() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, mut b) = (attached.alloc(8, 1).unwrap(), attached.alloc(8, 1).unwrap());
    let slab = a.slab();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        assert!(a.release().is_none(), "a slice is left");
        let head = b.split_to(4);
        (head, b)
    });
    let live = look(slab);
    let (head, tail) = guest.join().unwrap();
    assert_eq!((head.listed(), tail.listed()), (Some(8..12), Some(12..16)));
    covered(live.as_deref(), &[&head, &tail]);
    release_all([head, tail]);
}

/// One thread clones while another splits and a third looks. Catches a clone that is listed before it is counted: it stands
/// in for the half of the split that is counted and not yet seen. At most two preemptions: that race needs one.
fn snapshot_against_a_clone_and_a_split() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, mut b) = (attached.alloc(8, 1).unwrap(), attached.alloc(8, 1).unwrap());
    let slab = a.slab();
    // A slot of its own that the former owner can take without a look at the list.
    let warm = a.clone();
    assert!(attached.detach().is_none());
    assert!(warm.release().is_none());
    let splitter = thread::spawn(move || {
        let head = b.split_to(4);
        (head, b)
    });
    let looker = thread::spawn(move || look(slab));
    let c = a.clone();
    let (head, tail) = splitter.join().unwrap();
    let live = looker.join().unwrap();
    covered(live.as_deref(), &[&a, &c, &head, &tail]);
    release_all([a, c, head, tail]);
}

/// A guest drops the last slice while a snapshot holds its pin. Catches a slab that is lost between them.
fn snapshot_against_the_last_drop() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(8, 1).unwrap();
    let slab = a.slab();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || a.release());
    let (_, mine) = slab.exact();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "the snapshot empties it" } else { "the guest empties it" });
    drop(exactly_one([mine, theirs]));
}

/// A guest clones its slice and drops the original while the owner of another handle on the same bytes asks whether it is
/// alone. Catches a yes, which would let it write to what the guest reads.
fn exclusive_against_a_clone_that_moves() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(8, 1).unwrap();
    let b = a.clone();
    let guest = thread::spawn(move || {
        let c = b.clone();
        (b.release(), c)
    });
    let a = a.try_into_unique().err().expect("the guest always has a handle");
    let (theirs, c) = guest.join().unwrap();
    assert!(theirs.is_none());
    assert!(a.release().is_none() && c.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

/// As with the snapshot, a handle is seen twice and another never while the question is asked on a detached slab. Catches an
/// answer that does not read the state again.
fn exclusive_against_slots_changing_hands() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    // The two handles on the same bytes are `a` and `b`; `c` is elsewhere, in the younger segment, which is looked at first.
    let a = attached.alloc(8, 1).unwrap();
    let b = a.clone();
    let c = attached.alloc(8, 1).unwrap();
    assert!(attached.detach().is_none());
    let asker = thread::spawn(move || a.try_into_unique().err().expect("the other thread always has a handle"));
    let d = c.clone();
    assert!(c.release().is_none());
    let e = b.clone();
    assert!(b.release().is_none());
    let a = asker.join().unwrap();
    release_all([a, d, e]);
}

/// A guest drops the only other handle while the question is asked. Catches a yes that comes before the guest's last look.
fn exclusive_after_the_last_remote_drop() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(8, 1).unwrap();
    let b = a.clone();
    let guest = thread::spawn(move || {
        b.read();
        assert!(b.release().is_none());
    });
    let emptied = match a.try_into_unique() {
        Ok(mut unique) => {
            reach("exclusive");
            unique.overwrite();
            unique.release()
        }
        Err(shared) => {
            reach("shared");
            shared.release()
        }
    };
    assert!(emptied.is_none(), "the slab is attached");
    guest.join().unwrap();
    drop(attached.detach().expect("nobody else holds it"));
}
