//! Who empties a slab: exactly one party, and only after everybody else's last look at it.

use crate::Model;
use crate::harness::{Counting, exactly_one, ledger, reach};
use bufslab::Level;
use bufslab::model::{Ledger, die};
use loom::thread;
use std::sync::atomic::Ordering;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "clone_and_drop_on_two_threads",
        preemptions: None,
        floor: 13_000,
        outcomes: &["the guest empties it", "the former owner empties it"],
        body: clone_and_drop_on_two_threads,
    },
    Model { name: "owner_and_guest", preemptions: None, floor: 10, outcomes: &[], body: owner_and_guest },
    Model {
        name: "owner_settles_what_guests_drop",
        preemptions: None,
        floor: 10,
        outcomes: &[],
        body: owner_settles_what_guests_drop,
    },
    Model {
        name: "owner_settles_what_guests_made",
        preemptions: None,
        floor: 50,
        outcomes: &[],
        body: owner_settles_what_guests_made,
    },
    Model {
        name: "detach_against_the_last_remote_drop",
        preemptions: None,
        floor: 10,
        outcomes: &["the guest empties it", "detaching empties it"],
        body: detach_against_the_last_remote_drop,
    },
    Model {
        name: "detach_with_a_slice_in_hand",
        preemptions: None,
        floor: 20,
        outcomes: &["the guest empties it", "the former owner empties it"],
        body: detach_with_a_slice_in_hand,
    },
    Model {
        name: "reuse_in_place_against_the_last_remote_drop",
        preemptions: None,
        floor: 4,
        outcomes: &["drained", "not drained"],
        body: reuse_in_place_against_the_last_remote_drop,
    },
    Model {
        name: "untracked_handles",
        preemptions: None,
        floor: 100,
        outcomes: &["the guest empties it", "the former owner empties it"],
        body: untracked_handles,
    },
    Model {
        name: "owner_dies_with_a_slab_in_hand",
        preemptions: None,
        floor: 200,
        outcomes: &["the guest empties it", "the owner's death empties it"],
        body: owner_dies_with_a_slab_in_hand,
    },
    Model {
        name: "a_slice_outlives_the_pool",
        preemptions: None,
        floor: 10,
        outcomes: &["the guest empties it", "detaching empties it"],
        body: a_slice_outlives_the_pool,
    },
];

/// Two threads clone and drop on a detached slab. Catches a slab that is emptied twice or never, and memory that is taken
/// back before the other thread's last look at it: a missing Release in a drop, or a missing Acquire in the last one.
fn clone_and_drop_on_two_threads() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let c = a.clone();
        let first = a.release();
        c.read();
        first.or(c.release())
    });
    b.read();
    let d = b.clone();
    let first = b.release();
    assert!(first.is_none(), "one's own clone still holds the slab");
    let mine = d.release();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "the former owner empties it" } else { "the guest empties it" });
    drop(exactly_one([mine, theirs]));
}

/// The owner counts in its tally while a guest counts in the state. Catches a count that one side changes and the other does
/// not see, and a slot that both of them take.
fn owner_and_guest() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(16, 1).unwrap();
    let b = a.clone();
    let guest = thread::spawn(move || {
        let c = b.clone();
        c.read();
        assert!(b.release().is_none() && c.release().is_none(), "an attached slab is not emptied by guests");
    });
    let d = a.clone();
    assert_ne!(a.slot(), d.slot(), "two handles with one slot");
    d.read();
    assert!(a.release().is_none());
    assert!(!attached.is_drained());
    assert_eq!(d.listed(), Some(0..16));
    assert!(d.release().is_none());
    guest.join().unwrap();
    assert!(attached.is_drained());
    drop(attached.detach().expect("nobody else holds it"));
}

/// The owner has made so many slices that its tally is settled while a guest drops them. Catches a tally that is lost or
/// counted twice.
fn owner_settles_what_guests_drop() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(16, 1).unwrap();
    let (b, c, d) = (a.clone(), a.clone(), a.clone());
    let guest = thread::spawn(move || {
        assert!(b.release().is_none() && c.release().is_none(), "an attached slab is not emptied by guests");
    });
    // The tally holds more than three, and both segments are used up: settled here.
    let e = a.clone();
    assert!(!attached.is_drained());
    assert!(a.release().is_none() && d.release().is_none() && e.release().is_none());
    guest.join().unwrap();
    assert!(attached.is_drained());
    drop(attached.detach().expect("nobody else holds it"));
}

/// The same the other way round: the owner drops so many slices of a guest's making that its tally is settled, while another
/// guest drops one.
fn owner_settles_what_guests_made() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(16, 1).unwrap();
    // The tally comes from what is charged, which is one more: a slot at hand is free all the time.
    let maker = thread::spawn(move || [(); 8].map(|()| a.clone()).into_iter().chain([a]).collect::<Vec<_>>());
    let mut rest = maker.join().unwrap().into_iter();
    let b = rest.next().expect("some were made");
    let guest = thread::spawn(move || assert!(b.release().is_none(), "an attached slab is not emptied by guests"));
    for handle in rest {
        assert!(!attached.is_drained());
        assert!(handle.release().is_none());
    }
    guest.join().unwrap();
    assert!(attached.is_drained());
    drop(attached.detach().expect("nobody else holds it"));
}

/// The owner detaches while a guest drops the last slice. Catches a slab that both of them get, or neither; an owner whose
/// last look at the payload is not over; and an owner that says "not mine" only after the slab became somebody else's.
fn detach_against_the_last_remote_drop() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    assert!(b.release().is_none());
    let guest = thread::spawn(move || {
        let mine = a.release()?.attach();
        let c = mine.alloc(16, 2).expect("who attached the slab may cut from it");
        c.read();
        assert!(c.release().is_none(), "an owner's drop empties nothing");
        assert!(mine.is_drained());
        Some(mine.detach().expect("nobody else holds it"))
    });
    let mine = attached.detach();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "detaching empties it" } else { "the guest empties it" });
    drop(exactly_one([mine, theirs]));
}

/// The owner detaches a slab that it still holds a slice of, and drops that as a stranger, against a guest. Catches a surplus
/// that is refunded without the owner's own tally.
fn detach_with_a_slice_in_hand() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    let guest = thread::spawn(move || a.release());
    assert!(attached.detach().is_none(), "a slice is left");
    let mine = b.release();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "the former owner empties it" } else { "the guest empties it" });
    drop(exactly_one([mine, theirs]));
}

/// The owner looks whether its slab has drained, and starts over in it, while a guest drops the last slice. Catches payload
/// that is overwritten while the guest still looks at it.
fn reuse_in_place_against_the_last_remote_drop() {
    let ledger = ledger();
    let mut attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(32, 1).unwrap(), attached.alloc(32, 1).unwrap());
    let guest = thread::spawn(move || {
        a.read();
        assert!(a.release().is_none(), "an attached slab is not emptied by guests");
    });
    assert!(b.release().is_none());
    if attached.is_drained() {
        reach("drained");
        attached.reset();
        let c = attached.alloc(64, 2).expect("the slab is empty");
        assert_eq!(c.listed(), Some(0..64));
        c.read();
        assert!(c.release().is_none());
    } else {
        reach("not drained");
    }
    guest.join().unwrap();
    drop(attached.detach().expect("nobody else holds it"));
}

/// As the first model, on a slab whose handles have no slots. Catches a count that only tracked handles keep.
fn untracked_handles() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach_at(Level::Off);
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    let guest = thread::spawn(move || {
        let c = a.clone();
        let first = a.release();
        c.read();
        first.or(c.release())
    });
    assert!(attached.detach().is_none(), "a slice is left");
    b.read();
    let mine = b.release();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "the former owner empties it" } else { "the guest empties it" });
    drop(exactly_one([mine, theirs]));
}

/// A thread dies with a slab attached: it has lost its identity when the slab is detached, and a guest takes over its
/// segment meanwhile. Catches a dying thread that still acts as the owner, and a segment with two allocators.
fn owner_dies_with_a_slab_in_hand() {
    let slabs = Counting::default();
    let ledger = Ledger::new(slabs.clone());
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(16, 1).unwrap();
    let b = attached.alloc(16, 1).unwrap();
    let guest = thread::spawn(move || {
        let c = a.clone();
        assert_ne!(a.slot(), c.slot(), "two handles with one slot");
        let first = a.release();
        c.read();
        assert_eq!(c.listed(), Some(0..16));
        first.or(c.release())
    });
    assert!(b.release().is_none());
    die();
    let mine = attached.detach();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "the owner's death empties it" } else { "the guest empties it" });
    drop(exactly_one([mine, theirs]));
    assert_eq!(slabs.0.load(Ordering::Relaxed), 0, "the memory went back");
}

/// The pool's own hold on the ledger goes while a guest drops the last slice. Catches a ledger that is freed under it, and
/// memory that never goes back.
fn a_slice_outlives_the_pool() {
    let slabs = Counting::default();
    let ledger = Ledger::new(slabs.clone());
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(16, 1).unwrap();
    let guest = thread::spawn(move || {
        a.read();
        let emptied = a.release();
        emptied.is_some()
    });
    let mine = {
        let emptied = attached.detach();
        emptied.is_some()
    };
    drop(ledger);
    reach(if mine { "detaching empties it" } else { "the guest empties it" });
    let theirs = guest.join().unwrap();
    assert_ne!(mine, theirs, "the slab is emptied exactly once");
    assert_eq!(slabs.0.load(Ordering::Relaxed), 0, "the memory went back");
}
