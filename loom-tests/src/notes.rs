//! Notes: what a handle is charged to is its own, and nobody else's before or after it.

use crate::Model;
use crate::harness::{ledger, reach};
use bufslab::model::enter;
use loom::thread;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "report_against_notes_changing_hands",
        preemptions: Some(3),
        floor: 12_000,
        outcomes: &["in the scope", "in none"],
        body: report_against_notes_changing_hands,
    },
    Model {
        name: "two_threads_note_in_one_segment",
        preemptions: Some(3),
        floor: 180,
        outcomes: &["both are charged"],
        body: two_threads_note_in_one_segment,
    },
    Model {
        name: "guest_takes_over_a_noted_slot",
        preemptions: Some(3),
        floor: 8_000,
        outcomes: &["charged to nobody"],
        body: guest_takes_over_a_noted_slot,
    },
];

/// A report reads a slot and its note while that goes from a slice in a scope to one in none. Catches the range of one with
/// the scope of the other, and a scope that stays behind. At most three preemptions: all of them take too long.
fn report_against_notes_changing_hands() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    enter(1);
    let a = attached.alloc(4, 1).unwrap();
    enter(0);
    let reporter = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            for view in ledger.views() {
                for ((range, _), note) in view.slices.iter().zip(&view.notes) {
                    match (range.start, range.end, note.0) {
                        (0, 4, 1) => reach("in the scope"),
                        (4, 12, 0) => reach("in none"),
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

/// Two threads are the first to note something, each of a slice of its own, in one segment. Catches notes that replace
/// others, and notes that are found before they are made.
fn two_threads_note_in_one_segment() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(4, 1).unwrap(), attached.alloc(8, 2).unwrap());
    let guest = thread::spawn(move || {
        b.charge(2);
        b.touch(4);
        b
    });
    a.charge(1);
    let b = guest.join().unwrap();
    let view = &ledger.views()[0];
    let mut notes: Vec<_> =
        view.slices.iter().zip(&view.notes).map(|((range, _), note)| (range.start, *note)).collect();
    notes.sort_unstable();
    assert_eq!(notes, [(0, (1, 0)), (4, (2, 4))]);
    reach("both are charged");
    assert!(a.release().is_none() && b.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

/// A guest gives up a slice in a scope, and the owner, which is in none, takes its slot. Catches a scope that stays behind
/// because whether the slab has notes was not seen in time.
fn guest_takes_over_a_noted_slot() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    // Both slots of the owner's only segment.
    let (a, b) = (attached.alloc(4, 1).unwrap(), attached.alloc(8, 2).unwrap());
    let guest = thread::spawn(move || {
        b.charge(2);
        assert!(b.release().is_none());
    });
    let c = attached.alloc(16, 3).unwrap();
    let view = &ledger.views()[0];
    let at = view.slices.iter().position(|(range, _)| range.start == 12).expect("it is listed");
    assert_eq!(view.notes[at], (0, 0), "another slice's scope");
    reach("charged to nobody");
    guest.join().unwrap();
    assert!(a.release().is_none() && c.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}
