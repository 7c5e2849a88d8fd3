//! Slices that are moved while others drop, read and clone them, and while others attach their slab.

use crate::Model;
use crate::harness::{Counting, exactly_one, ledger, reach};
use bufslab::model::{Idle, Ledger, Parked};
use loom::sync::Arc;
use loom::thread;
use std::sync::atomic::Ordering;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "moving_against_a_drop",
        preemptions: Some(3),
        floor: 1_000,
        outcomes: &["moved", "not moved"],
        body: moving_against_a_drop,
    },
    Model {
        name: "moving_two_against_a_drop",
        preemptions: Some(2),
        floor: 1_000,
        outcomes: &["moved", "not moved"],
        body: moving_two_against_a_drop,
    },
    Model {
        name: "moving_against_a_reader",
        preemptions: None,
        floor: 800,
        outcomes: &["the mover empties it", "the reader empties it"],
        body: moving_against_a_reader,
    },
    Model {
        name: "moving_against_a_reader_that_leaves",
        preemptions: None,
        floor: 6,
        outcomes: &["moved", "left for the reader"],
        body: moving_against_a_reader_that_leaves,
    },
    Model {
        name: "moving_against_a_reader_that_is_forgotten",
        preemptions: None,
        floor: 10,
        outcomes: &["moved under the reader", "left for the reader"],
        body: moving_against_a_reader_that_is_forgotten,
    },
    Model {
        name: "moving_against_two_readers",
        preemptions: Some(2),
        floor: 15_000,
        outcomes: &["the mover empties it", "the reader empties it"],
        body: moving_against_two_readers,
    },
    Model {
        name: "moving_against_a_reader_that_owned_the_slab",
        preemptions: None,
        floor: 15,
        outcomes: &["moved", "left for the reader"],
        body: moving_against_a_reader_that_owned_the_slab,
    },
    Model {
        name: "moving_against_a_clone",
        preemptions: Some(3),
        floor: 15_000,
        outcomes: &["cloned from the slab", "cloned from the copy"],
        body: moving_against_a_clone,
    },
    Model {
        name: "moving_against_attaching_around",
        preemptions: Some(3),
        floor: 1_500,
        outcomes: &["moved", "attached"],
        body: moving_against_attaching_around,
    },
    Model {
        name: "a_late_drop_against_the_slabs_next_life",
        preemptions: Some(2),
        floor: 1_000,
        outcomes: &["moved"],
        body: a_late_drop_against_the_slabs_next_life,
    },
    Model {
        name: "two_threads_park_in_one_segment",
        preemptions: None,
        floor: 10,
        outcomes: &[],
        body: two_threads_park_in_one_segment,
    },
    Model {
        name: "the_last_drops_against_the_end_of_the_ledger",
        preemptions: None,
        floor: 25,
        outcomes: &[],
        body: the_last_drops_against_the_end_of_the_ledger,
    },
];

/// A detached slab of 64 bytes with `N` parked slices, of 4 bytes each, and nothing else.
fn parked<const N: usize>(ledger: &Ledger) -> [Parked; N] {
    let attached = ledger.slab(64).attach();
    let parked = core::array::from_fn(|_| attached.alloc(4, 1).unwrap().park());
    assert!(attached.detach().is_none(), "slices are left");
    parked
}

/// Moves what can be moved. Returns the slab if that emptied it, and how many slices were moved.
fn compact(ledger: &Ledger) -> (Option<Idle>, usize) {
    let (did, mut emptied) = ledger.compact();
    assert!(emptied.len() < 2, "there is one slab");
    (emptied.pop(), did.slices)
}

/// The slab is whole: each of its slots is there once.
fn use_again(slab: Idle, ledger: &Ledger) {
    let attached = slab.attach();
    let before = ledger.bytes();
    let (a, b) = (attached.alloc(4, 2).unwrap(), attached.alloc(4, 2).unwrap());
    assert_ne!(a.slot(), b.slot());
    assert_eq!(ledger.bytes(), before, "a slot is lost");
    let views = ledger.views();
    assert_eq!((views.len(), views[0].handles, views[0].slices.len()), (1, 2, 2), "{views:?}");
    assert!(a.release().is_none() && b.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

/// A guest drops the slice while a mover moves it. Catches a reference that is given back twice or never.
fn moving_against_a_drop() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let guest = thread::spawn(move || a.release());
    let (mine, moved) = compact(&ledger);
    let theirs = guest.join().unwrap();
    reach(if moved == 1 { "moved" } else { "not moved" });
    use_again(exactly_one([mine, theirs]), &ledger);
}

/// A guest drops one of two slices while a mover moves both. Catches a mover that takes one handle's drop for the other's.
fn moving_two_against_a_drop() {
    let ledger = ledger();
    let [a, b] = parked(&ledger);
    let guest = thread::spawn(move || a.release());
    let (mine, moved) = compact(&ledger);
    let theirs = guest.join().unwrap();
    reach(if moved > 0 { "moved" } else { "not moved" });
    assert!(b.check().is_none());
    assert_eq!(b.is_moved(), moved > 0);
    use_again(exactly_one([mine, theirs, b.release()]), &ledger);
}

/// A guest reads the slice while a mover moves it. Catches a slab that is given back under a reader, a copy that is shown before it
/// is made, and a slab that neither of them empties.
fn moving_against_a_reader() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let a = Arc::new(a);
    let theirs = Arc::clone(&a);
    let guest = thread::spawn(move || theirs.check());
    let (mine, moved) = compact(&ledger);
    let theirs = guest.join().unwrap();
    let a = Arc::try_unwrap(a).ok().expect("the guest is gone");
    assert_eq!(a.is_moved(), moved == 1);
    match (&mine, &theirs) {
        (Some(_), _) => reach("the mover empties it"),
        (_, Some(_)) => reach("the reader empties it"),
        _ => {}
    }
    assert!(a.check().is_none());
    use_again(exactly_one([mine, theirs, a.release()]), &ledger);
}

/// A reader was there before the mover came, and leaves. Catches a slab that is given back before that. (Loom compares an access with
/// the last one only, and so it does not find a reader that comes just before the mover looks.)
fn moving_against_a_reader_that_leaves() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let mut reading = a.read();
    let mover = {
        let ledger = ledger.clone();
        thread::spawn(move || compact(&ledger))
    };
    reading.check();
    assert!(reading.leave().is_none(), "the slab is the handle's or the mover's");
    let (theirs, moved) = mover.join().unwrap();
    reach(if moved == 1 { "moved" } else { "left for the reader" });
    assert!(a.check().is_none());
    use_again(exactly_one([theirs, a.release()]), &ledger);
}

/// A reader never says that it is done. Catches a slab that is lost with it: the handle gives it back.
fn moving_against_a_reader_that_is_forgotten() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let mover = {
        let ledger = ledger.clone();
        thread::spawn(move || compact(&ledger))
    };
    let reading = a.read();
    reading.check();
    core::mem::forget(reading);
    let (theirs, moved) = mover.join().unwrap();
    reach(match (moved, &theirs) {
        (0, _) => "left for the reader",
        (_, None) => "moved under the reader",
        _ => "moved before",
    });
    use_again(exactly_one([theirs, a.release()]), &ledger);
}

/// Two guests read the slice while a mover moves it. Catches a slab that each of them leaves to the other, or that both give back.
fn moving_against_two_readers() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let a = Arc::new(a);
    let guests = [(); 2].map(|()| {
        let theirs = Arc::clone(&a);
        thread::spawn(move || theirs.check())
    });
    let (mine, moved) = compact(&ledger);
    let [b, c] = guests.map(|guest| guest.join().unwrap());
    let a = Arc::try_unwrap(a).ok().expect("the guests are gone");
    assert_eq!(a.is_moved(), moved == 1);
    reach(if mine.is_some() { "the mover empties it" } else { "the reader empties it" });
    drop(exactly_one([mine, b, c, a.release()]));
}

/// The slab's owner reads, detaches the slab, and leaves while a mover comes. Catches a reader that is not counted being overlooked.
fn moving_against_a_reader_that_owned_the_slab() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let a = attached.alloc(4, 1).unwrap().park();
    let mut reading = a.read();
    let mover = {
        let ledger = ledger.clone();
        thread::spawn(move || compact(&ledger))
    };
    assert!(attached.detach().is_none(), "a slice is left");
    reading.check();
    assert!(reading.leave().is_none(), "the slab is the handle's or the mover's");
    let (theirs, moved) = mover.join().unwrap();
    reach(if moved == 1 { "moved" } else { "left for the reader" });
    assert!(a.check().is_none());
    drop(exactly_one([theirs, a.release()]));
}

/// A guest makes an ordinary handle while a mover moves the slice. Catches a handle on a slab that is given back.
fn moving_against_a_clone() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let guest = thread::spawn(move || {
        let mut reading = a.read();
        let clone = reading.another();
        let emptied = [reading.leave(), a.release()];
        clone.read();
        (clone, emptied)
    });
    let (mine, _) = compact(&ledger);
    let (clone, [b, c]) = guest.join().unwrap();
    clone.read();
    reach(if clone.listed().is_some() { "cloned from the slab" } else { "cloned from the copy" });
    drop(exactly_one([mine, b, c, clone.release()]));
}

/// A guest attaches the slab around the slice and cuts from it while a mover moves it. Catches a mover that goes on where its look
/// was refused, and leaves the slab to nobody.
fn moving_against_attaching_around() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let guest = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            let (attached, emptied) = ledger.attach_around(64, 8);
            let Some(attached) = attached else { return [None, emptied] };
            reach("attached");
            let b = attached.alloc(8, 2).expect("its owner cuts");
            b.read();
            assert!(b.release().is_none());
            [attached.detach(), emptied]
        })
    };
    let (mine, moved) = compact(&ledger);
    let [b, c] = guest.join().unwrap();
    if moved == 1 {
        reach("moved");
    }
    assert!(a.check().is_none());
    drop(exactly_one([mine, b, c, a.release()]));
}

/// A mover moves the slice, empties the slab, and uses it again, while a guest drops the slice it was told nothing of. Catches a
/// drop that touches a slot, or a count, that is somebody else's by then.
fn a_late_drop_against_the_slabs_next_life() {
    let ledger = ledger();
    let [a] = parked(&ledger);
    let guest = thread::spawn(move || a.release());
    let (mine, moved) = compact(&ledger);
    let (theirs, mine) = match mine {
        None => (guest.join().unwrap(), None),
        Some(slab) => {
            let attached = slab.attach();
            // Two to a segment: they would take the slice's slot as well.
            let (b, c) = (attached.alloc(4, 2).unwrap(), attached.alloc(8, 2).unwrap());
            let theirs = guest.join().unwrap();
            assert_eq!((b.listed(), c.listed()), (Some(0..4), Some(4..12)), "a slot is somebody else's");
            assert!(b.release().is_none() && c.release().is_none());
            (theirs, attached.detach())
        }
    };
    if moved == 1 {
        reach("moved");
    }
    drop(exactly_one([mine, theirs]));
}

/// Two threads park the first slices of one segment. Catches berths that are not there yet.
fn two_threads_park_in_one_segment() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(4, 1).unwrap(), attached.alloc(4, 1).unwrap());
    assert!(attached.detach().is_none(), "slices are left");
    let guest = thread::spawn(move || {
        let a = a.park();
        assert!(a.check().is_none());
        a.release()
    });
    let b = b.park();
    assert!(b.check().is_none());
    let mine = b.release();
    use_again(exactly_one([mine, guest.join().unwrap()]), &ledger);
}

/// Two guests drop the last slices of a ledger that nobody else holds. Catches one that comes to its slot after the other has freed
/// all memory.
fn the_last_drops_against_the_end_of_the_ledger() {
    let source = Counting::default();
    let ledger = Ledger::new(source.clone());
    let [a, b] = parked(&ledger);
    drop(ledger);
    let guest = thread::spawn(move || drop(a.release()));
    drop(b.release());
    guest.join().unwrap();
    assert_eq!(source.0.load(Ordering::Relaxed), 0, "memory is lost");
}
