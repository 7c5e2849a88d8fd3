//! Who takes which slot: a slot has one handle, and a segment one allocator.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bufslab::model::{Shared, die};
use loom::thread;
use std::collections::BTreeSet;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "guests_take_distinct_slots",
        preemptions: None,
        floor: 1_000,
        outcomes: &[],
        body: guests_take_distinct_slots,
    },
    Model {
        name: "owner_sweeps_what_guests_free",
        preemptions: None,
        floor: 10,
        outcomes: &["swept", "grown"],
        body: owner_sweeps_what_guests_free,
    },
    Model {
        name: "guest_takes_over_from_the_dead",
        preemptions: None,
        floor: 6_500,
        outcomes: &["taken over", "not taken over"],
        body: guest_takes_over_from_the_dead,
    },
    Model {
        name: "dying_threads_share_a_segment",
        preemptions: Some(3),
        floor: 200,
        outcomes: &[],
        body: dying_threads_share_a_segment,
    },
    Model {
        name: "segments_that_moved_on_are_forgotten",
        preemptions: None,
        floor: 1,
        outcomes: &[],
        body: segments_that_moved_on_are_forgotten,
    },
    Model {
        name: "closing_against_attaching",
        preemptions: None,
        floor: 50,
        outcomes: &["closed before", "closed after"],
        body: closing_against_attaching,
    },
    Model {
        name: "waiting_against_attaching",
        preemptions: None,
        floor: 50,
        outcomes: &["recalled", "seen", "in between"],
        body: waiting_against_attaching,
    },
    Model {
        name: "waiting_against_giving_back",
        preemptions: None,
        floor: 10,
        outcomes: &["found", "was found"],
        body: waiting_against_giving_back,
    },
];

fn distinct(handles: &[&Shared]) -> bool {
    handles.iter().filter_map(|handle| handle.slot()).collect::<BTreeSet<_>>().len() == handles.len()
}

/// Two guests clone at once. Catches a slot that both of them take, and one that is not on the slab's list.
fn guests_take_distinct_slots() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let c = a.clone();
        (a, c)
    });
    let d = b.clone();
    let (a, c) = guest.join().unwrap();
    assert!(distinct(&[&a, &b, &c, &d]), "two handles with one slot");
    let views = ledger.views();
    assert_eq!((views.len(), views[0].handles, views[0].slices.len()), (1, 4, 4), "a slice that no slot lists");
    let emptied: Vec<_> = [a, b, c, d].into_iter().map(Shared::release).collect();
    drop(exactly_one(emptied));
}

/// The owner runs out of slots and sweeps its segment while a guest frees one of them. Catches a live slot that is taken
/// again, and a freed one that is taken before its last user is done with it.
fn owner_sweeps_what_guests_free() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    let freed = b.slot();
    let guest = thread::spawn(move || assert!(b.release().is_none(), "an attached slab is not emptied by guests"));
    let c = attached.alloc(16, 2).unwrap();
    reach(if c.slot() == freed { "swept" } else { "grown" });
    assert!(distinct(&[&a, &c]), "two handles with one slot");
    assert_eq!((a.listed(), c.listed()), (Some(0..16), Some(32..48)));
    guest.join().unwrap();
    assert!(a.release().is_none() && c.release().is_none());
    assert!(attached.is_drained());
    drop(attached.detach().expect("nobody else holds it"));
}

/// A guest that has a segment of its own dies, and another looks for one. Catches a segment that is taken from a thread that
/// still lives, or before the dead one's last use of it is over.
fn guest_takes_over_from_the_dead() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    // All slots of the owner's segment.
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        let c = a.clone();
        let slot = c.slot();
        assert!(a.release().is_none() && c.release().is_none(), "the other slice holds the slab");
        die();
        slot
    });
    let c = b.clone();
    let d = b.clone();
    assert!(distinct(&[&b, &c, &d]), "two handles with one slot");
    let slot = guest.join().unwrap();
    reach(if c.slot() == slot || d.slot() == slot { "taken over" } else { "not taken over" });
    assert!(b.release().is_none() && c.release().is_none());
    drop(exactly_one([d.release()]));
}

/// Two threads that have lost their identity clone at once, from the segment that all such threads share. Catches a slot that
/// both of them take. At most three preemptions; all of them take long, for what a lock orders anyway.
fn dying_threads_share_a_segment() {
    let ledger = ledger();
    let attached = ledger.slab(64).attach();
    // All slots of the owner's segment, which dies too.
    let (a, b) = (attached.alloc(16, 1).unwrap(), attached.alloc(16, 1).unwrap());
    assert!(attached.detach().is_none());
    let guest = thread::spawn(move || {
        die();
        let c = a.clone();
        (a, c)
    });
    die();
    let d = b.clone();
    assert!(b.release().is_none());
    let (a, c) = guest.join().unwrap();
    assert!(distinct(&[&a, &c, &d]), "two handles with one slot");
    assert_eq!(ledger.views()[0].slices.len(), 3, "a slice that no slot lists");
    let emptied: Vec<_> = [a, c, d].into_iter().map(Shared::release).collect();
    drop(exactly_one(emptied));
}

/// A slab is recycled and keeps one of its three segments. The thread that remembers one of the others is a guest of the
/// slab's next life. Catches a slot that is taken from a segment that is no longer the slab's. Only one execution: what
/// one thread remembers is no race.
fn segments_that_moved_on_are_forgotten() {
    let ledger = ledger();
    let slab = ledger.slab(64);
    let owner = thread::spawn(move || {
        let attached = slab.attach();
        let a = attached.alloc(16, 1).unwrap();
        assert!(attached.detach().is_none());
        a
    });
    let a = owner.join().unwrap();
    // This thread's segment, which it remembers, and a younger one of another thread.
    let b = a.clone();
    let guest = thread::spawn(move || {
        let c = a.clone();
        (a, c)
    });
    let (a, c) = guest.join().unwrap();
    let slab = exactly_one([a.release(), b.release(), c.release()]);
    let owner = thread::spawn(move || {
        let attached = slab.attach();
        let a = attached.alloc(16, 2).unwrap();
        assert!(attached.detach().is_none());
        a
    });
    let a = owner.join().unwrap();
    let b = a.clone();
    let views = ledger.views();
    assert_eq!((views.len(), views[0].handles, views[0].slices.len()), (1, 2, 2), "a slice that no slot lists");
    drop(exactly_one([a.release(), b.release()]));
}

/// A thread attaches a slab while another closes the ledger. Catches a slab that can still be cut from when both are done.
fn closing_against_attaching() {
    let ledger = ledger();
    let idle = ledger.slab(64);
    let closer = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.close())
    };
    let attached = idle.attach();
    let early = attached.alloc(4, 1);
    reach(if early.is_some() { "closed after" } else { "closed before" });
    closer.join().unwrap();
    assert!(attached.alloc(4, 1).is_none(), "cut from a closed ledger");
    assert!(early.is_none_or(|early| early.release().is_none()));
    drop(attached.detach());
}

/// A thread attaches a slab while another begins to wait for memory and asks for all slabs. Catches a slab that stays attached,
/// its owner not knowing that it is wanted.
fn waiting_against_attaching() {
    let ledger = ledger();
    let idle = ledger.slab(64);
    let waiter = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.want())
    };
    let attached = idle.attach();
    // Between attaching and asking it is cut from, as in a pool.
    let slice = attached.alloc(4, 1);
    let seen = ledger.is_wanted_now();
    reach(match (seen, slice.is_some()) {
        (true, true) => "seen",
        (false, _) => "recalled",
        (true, false) => "in between",
    });
    waiter.join().unwrap();
    assert!(seen || attached.is_recalled(), "nobody asks for the slab, and its owner does not know");
    assert!(slice.is_none_or(|slice| slice.release().is_none()));
    drop(attached.detach());
}

/// A thread gives a slab back while another begins to wait for memory. Catches a slab that lies there while somebody waits for
/// it: who waits has not found it, and who gave it back has not found the one who waits.
fn waiting_against_giving_back() {
    let ledger = ledger();
    let idle = ledger.slab(64);
    let giver = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            drop(idle);
            ledger.is_wanted_now()
        })
    };
    ledger.want();
    let found = ledger.memory_bytes() == 0;
    let was_found = giver.join().unwrap();
    reach(if found { "found" } else { "was found" });
    assert!(found || was_found, "a lost wake-up");
}
