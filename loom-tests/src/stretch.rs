//! Stretches: an owner that goes back to the start of a slab which has drained, or on in one which has not.

use crate::Model;
use crate::harness::{ledger, reach};
use bufslab::model::{Attached, Ledger, Shared};
use loom::thread;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "going_back_against_the_last_remote_drop",
        preemptions: None,
        floor: 4,
        outcomes: &["back", "on"],
        body: going_back_against_the_last_remote_drop,
    },
    Model {
        name: "going_back_against_a_clone_that_moves",
        preemptions: None,
        floor: 10,
        outcomes: &["back", "on"],
        body: going_back_against_a_clone_that_moves,
    },
    Model {
        name: "closing_against_the_next_stretch",
        preemptions: None,
        floor: 4,
        outcomes: &["on", "stopped"],
        body: closing_against_the_next_stretch,
    },
    Model {
        name: "closing_against_going_back",
        preemptions: None,
        floor: 4,
        outcomes: &["back", "stopped"],
        body: closing_against_going_back,
    },
    Model {
        name: "beginning_anew_against_the_last_remote_drop",
        preemptions: None,
        floor: 4,
        outcomes: &["anew", "left"],
        body: beginning_anew_against_the_last_remote_drop,
    },
    Model {
        name: "closing_against_beginning_anew",
        preemptions: None,
        floor: 100,
        outcomes: &["anew", "stopped"],
        body: closing_against_beginning_anew,
    },
    Model {
        name: "beginning_anew_against_a_view",
        preemptions: None,
        floor: 2000,
        outcomes: &["before", "after"],
        body: beginning_anew_against_a_view,
    },
];

/// Bytes of a stretch, and of each slice.
const STRETCH: usize = 16;
const SLAB: usize = 4 * STRETCH;

fn attached(ledger: &Ledger) -> Attached {
    ledger.set_stretch(STRETCH);
    ledger.slab(SLAB).attach()
}

/// The owner comes to the end of its stretch while a guest does this with the only slice, and drops it. Catches payload that is
/// overwritten while the guest still looks at it, and an owner that goes back over a slice.
fn going_back_against(guest: fn(Shared)) {
    let ledger = ledger();
    let attached = attached(&ledger);
    let a = attached.alloc(STRETCH, 1).unwrap();
    let guest = thread::spawn(move || guest(a));
    let b = attached.alloc(STRETCH, 2).expect("the slab has room for four");
    reach(if b.listed() == Some(0..STRETCH) { "back" } else { "on" });
    b.read();
    guest.join().unwrap();
    assert!(b.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

fn read_and_release(slice: Shared) {
    slice.read();
    assert!(slice.release().is_none(), "an attached slab is not emptied by guests");
}

fn going_back_against_the_last_remote_drop() {
    going_back_against(read_and_release);
}

/// A clone takes over from the slice it was made of: the slab never drains before both are gone.
fn going_back_against_a_clone_that_moves() {
    going_back_against(|slice| {
        let clone = slice.clone();
        assert!(slice.release().is_none());
        read_and_release(clone);
    });
}

/// The owner goes on to the next stretch while another thread closes the ledger. Catches a limit of 0 that is overwritten: it would
/// cut from a closed ledger.
fn closing_against_the_next_stretch() {
    let ledger = ledger();
    let attached = attached(&ledger);
    let a = attached.alloc(STRETCH, 1).unwrap();
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.close())
    };
    let b = attached.alloc(STRETCH, 2);
    reach(if b.is_some() { "on" } else { "stopped" });
    other.join().unwrap();
    assert!(attached.alloc(8, 3).is_none(), "cut from a closed ledger");
    assert!(a.release().is_none());
    assert!(b.is_none_or(|b| b.release().is_none()));
    drop(attached.detach().expect("nobody else holds it"));
}

/// The same where the slab has drained.
fn closing_against_going_back() {
    let ledger = ledger();
    let attached = attached(&ledger);
    assert!(attached.alloc(STRETCH, 1).unwrap().release().is_none());
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.close())
    };
    // Longer than the first, so that the limit has to move.
    let a = attached.alloc(2 * STRETCH, 2);
    if let Some(a) = &a {
        assert_eq!(a.listed(), Some(0..2 * STRETCH));
    }
    reach(if a.is_some() { "back" } else { "stopped" });
    other.join().unwrap();
    assert!(attached.alloc(8, 3).is_none(), "cut from a closed ledger");
    assert!(a.is_none_or(|a| a.release().is_none()));
    drop(attached.detach().expect("nobody else holds it"));
}

/// A slab that the first slice fills.
fn cut_through(ledger: &Ledger) -> (Attached, Shared) {
    let attached = attached(ledger);
    let slice = attached.alloc(SLAB, 1).unwrap();
    (attached, slice)
}

/// The owner comes to the end of its slab while a guest drops the only slice. Catches payload that is overwritten while the guest still
/// looks at it, and a slab that begins anew under a slice.
fn beginning_anew_against_the_last_remote_drop() {
    let ledger = ledger();
    let (attached, a) = cut_through(&ledger);
    let guest = thread::spawn(move || read_and_release(a));
    let b = attached.alloc(STRETCH, 2);
    reach(if b.is_some() { "anew" } else { "left" });
    if let Some(b) = &b {
        assert_eq!(b.listed(), Some(0..STRETCH));
        b.read();
    }
    guest.join().unwrap();
    assert!(b.is_none_or(|b| b.release().is_none()));
    drop(attached.detach().expect("nobody else holds it"));
}

/// The owner begins anew while another thread closes the ledger. Catches a limit of 0 that is overwritten.
fn closing_against_beginning_anew() {
    let ledger = ledger();
    let (attached, a) = cut_through(&ledger);
    assert!(a.release().is_none());
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.close())
    };
    let b = attached.alloc(STRETCH, 2);
    reach(if b.is_some() { "anew" } else { "stopped" });
    other.join().unwrap();
    assert!(b.is_none_or(|b| b.release().is_none()));
    assert!(attached.alloc(8, 3).is_none(), "cut from a closed ledger");
    drop(attached.detach().expect("nobody else holds it"));
}

/// The owner begins anew while another thread looks. Catches a view that shows a slice in a life of the slab that it was not in.
fn beginning_anew_against_a_view() {
    let ledger = ledger();
    let (attached, a) = cut_through(&ledger);
    let first = ledger.views()[0].generation;
    assert!(a.release().is_none());
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.views())
    };
    let b = attached.alloc(STRETCH, 2).expect("the slab has drained");
    for view in other.join().unwrap() {
        reach(if view.generation == first { "before" } else { "after" });
        let expected = if view.generation == first { (0..SLAB, 1) } else { (0..STRETCH, 2) };
        assert!(view.slices.iter().all(|slice| *slice == expected), "{view:?}");
    }
    assert!(b.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}
