//! What becomes of marked handles: no byte that one of them covered is handed on as it was, and no byte that another handle
//! still shows is overwritten.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bufslab::model::{Idle, Shared};
use loom::thread;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "overlapping_secrets_dropped_on_two_threads",
        preemptions: None,
        floor: 100,
        outcomes: &["the first thread empties it", "the second thread empties it"],
        body: overlapping_secrets_dropped_on_two_threads,
    },
    Model {
        name: "owner_and_guest_drop_overlapping_secrets",
        preemptions: None,
        floor: 100,
        outcomes: &["drained", "in use"],
        body: owner_and_guest_drop_overlapping_secrets,
    },
    Model {
        name: "a_secret_is_overwritten_before_its_slab_is_reused",
        preemptions: None,
        floor: 4,
        outcomes: &["reused", "the guest empties it"],
        body: a_secret_is_overwritten_before_its_slab_is_reused,
    },
    Model {
        name: "a_secret_beside_a_slice_that_moves",
        preemptions: None,
        floor: 1_000,
        outcomes: &[],
        body: a_secret_beside_a_slice_that_moves,
    },
    Model {
        name: "a_secret_goes_while_its_slab_is_attached_around",
        preemptions: None,
        floor: 50,
        outcomes: &["attached", "refused"],
        body: a_secret_goes_while_its_slab_is_attached_around,
    },
];

fn assert_wiped(idle: &Idle, range: core::ops::Range<usize>) {
    assert!(idle.bytes()[range].iter().all(|&byte| byte == 0), "a secret is handed on");
}

/// Two handles on overlapping ranges of a detached slab are dropped at the same moment: each may see the other, and then nobody
/// is alone. Catches bytes that both leave to the other, and that no flag tells of.
fn overlapping_secrets_dropped_on_two_threads() {
    let ledger = ledger();
    let attached = ledger.slab(16).attach();
    let mut a = attached.alloc(16, 1).unwrap();
    a.zero_on_drop();
    let b = a.slice(4..12);
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || b.release());
    let mine = a.release();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "the first thread empties it" } else { "the second thread empties it" });
    assert_wiped(&exactly_one([mine, theirs]), 0..16);
}

/// The same on a slab that a thread owns, which cuts from it again if it finds it drained.
fn owner_and_guest_drop_overlapping_secrets() {
    let ledger = ledger();
    let mut attached = ledger.slab(16).attach();
    let mut a = attached.alloc(16, 1).unwrap();
    a.zero_on_drop();
    let b = a.slice(4..12);
    let guest = thread::spawn(move || assert!(b.release().is_none(), "the slab is attached"));
    assert!(a.release().is_none());
    if attached.is_drained() {
        reach("drained");
        attached.reset();
    } else {
        reach("in use");
    }
    guest.join().unwrap();
    assert_wiped(&attached.detach().expect("nobody else holds it"), 0..16);
}

/// A guest drops a secret while another thread drops the last slice beside it and uses the slab again. Catches zeros that are
/// written after the bytes were given up, into what was cut there meanwhile.
fn a_secret_is_overwritten_before_its_slab_is_reused() {
    let ledger = ledger();
    let attached = ledger.slab(16).attach();
    let (mut a, b) = (attached.alloc(8, 1).unwrap(), attached.alloc(8, 1).unwrap());
    a.zero_on_drop();
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || a.release());
    let Some(idle) = b.release() else {
        reach("the guest empties it");
        return assert_wiped(&exactly_one([guest.join().unwrap()]), 0..8);
    };
    reach("reused");
    assert_wiped(&idle, 0..8);
    let attached = idle.attach();
    let c = attached.alloc(16, 1).unwrap();
    assert!(guest.join().unwrap().is_none());
    c.read();
    assert!(c.release().is_none());
    drop(attached.detach().expect("nobody else holds it"));
}

/// A guest's unmarked slice moves from slot to slot while a marked one beside it goes away: their ranges touch and do not
/// overlap. Catches zeros in what the guest shows, and a secret that stays because the guest kept the look from being exact.
fn a_secret_beside_a_slice_that_moves() {
    let ledger = ledger();
    let attached = ledger.slab(16).attach();
    let (mut a, b) = (attached.alloc(8, 1).unwrap(), attached.alloc(8, 1).unwrap());
    a.zero_on_drop();
    let view = a.slice(2..6);
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let c = b.clone();
        assert!(b.release().is_none());
        c.read();
        c
    });
    let mine = [a.release(), view.release()];
    let c: Shared = guest.join().unwrap();
    c.read();
    assert!(mine.iter().all(Option::is_none), "the guest's slice is left");
    assert_wiped(&exactly_one([c.release()]), 0..8);
}

/// A slab is attached around its slices while a marked one goes away, which an older, unmarked handle overlaps: its bytes wait for
/// the end of the slab. Catches a flag that is taken down when a hole is overwritten: what set it may not be a hole yet.
fn a_secret_goes_while_its_slab_is_attached_around() {
    let ledger = ledger();
    let attached = ledger.slab(24).attach();
    let mut a = attached.alloc(8, 1).unwrap();
    let unmarked = a.clone();
    a.zero_on_drop();
    assert!(attached.alloc(16, 1).unwrap().release().is_none());
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || assert!(a.release().is_none(), "a slice is left"));
    let (again, emptied) = ledger.attach_around(24, 16);
    assert!(emptied.is_none(), "a slice is left");
    match again {
        Some(attached) => {
            reach("attached");
            assert!(attached.detach().is_none());
        }
        None => reach("refused"),
    }
    guest.join().unwrap();
    assert_wiped(&exactly_one([unmarked.release()]), 0..8);
}
