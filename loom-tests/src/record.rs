//! What is recorded: every allocation that begins when recording is known to have begun, and in an order that holds.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bufslab::model::alloc_current;
use loom::thread;
use std::collections::BTreeSet;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "recording_against_attaching",
        preemptions: None,
        floor: 50,
        outcomes: &["cut before", "refused"],
        body: recording_against_attaching,
    },
    Model {
        name: "recording_against_slots_changing_hands",
        preemptions: None,
        floor: 10,
        outcomes: &["same slot", "another slot"],
        body: recording_against_slots_changing_hands,
    },
    Model {
        name: "ending_against_a_drop",
        preemptions: None,
        floor: 10,
        outcomes: &["its end is in", "its end is not in"],
        body: ending_against_a_drop,
    },
];

/// A thread attaches a slab and makes it its current one while another begins to record. Catches a thread that goes on cutting
/// without asking when it is known that recording has begun.
fn recording_against_attaching() {
    let ledger = ledger();
    let idle = ledger.slab(64);
    let recorder = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.record())
    };
    let attached = idle.attach();
    attached.make_current();
    let before = alloc_current(4);
    reach(if before.is_some() { "cut before" } else { "refused" });
    recorder.join().unwrap();
    let after = alloc_current(4);
    let unseen = after.is_some();
    for slice in [before, after].into_iter().flatten() {
        assert!(slice.release().is_none());
    }
    drop(attached.detach());
    assert!(!unseen, "an allocation that nobody records");
}

/// A guest drops a recorded slice while the owner makes another one, which may get the slot. Catches an end that is logged after
/// the slot's next beginning.
fn recording_against_slots_changing_hands() {
    let ledger = ledger();
    ledger.record();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc_recorded(&ledger, 4).unwrap();
    let b = attached.alloc_recorded(&ledger, 4).unwrap();
    let slot = b.slot();
    let guest = thread::spawn(move || assert!(b.release().is_none()));
    // A lock stands between the guest and its slot: without this loom never lets the guest go first.
    thread::yield_now();
    // There are two slots in a segment.
    let c = attached.alloc_recorded(&ledger, 4).unwrap();
    reach(if c.slot() == slot { "same slot" } else { "another slot" });
    guest.join().unwrap();
    for slice in [a, c] {
        assert!(slice.release().is_none());
    }
    drop(attached.detach());
    let (mut alive, recorded) = (BTreeSet::new(), ledger.recorded());
    assert_eq!(recorded.len(), 6, "three beginnings and three ends");
    for (begins, slot) in recorded {
        assert!(if begins { alive.insert(slot) } else { alive.remove(&slot) }, "out of turn");
    }
    assert!(alive.is_empty());
}

/// Recording ends while a guest drops a recorded slice. Either its end is in or it is not, and the slab comes back all the same.
fn ending_against_a_drop() {
    let ledger = ledger();
    ledger.record();
    let attached = ledger.slab(64).attach();
    let slice = attached.alloc_recorded(&ledger, 4).unwrap();
    let guest = thread::spawn(move || slice.release());
    let recorded = ledger.recorded();
    reach(if recorded.len() == 2 { "its end is in" } else { "its end is not in" });
    let emptied = attached.detach();
    exactly_one([emptied, guest.join().unwrap()]);
}
