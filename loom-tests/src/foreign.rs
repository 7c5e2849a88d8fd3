//! Foreign slabs: their owners get their memory back exactly once, and after the last look at it.

use crate::Model;
use crate::harness::{exactly_one, ledger, reach};
use bytes::Bytes;
use core::cell::Cell;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "foreign_dropped_after_the_last_read",
        preemptions: None,
        floor: 8_000,
        outcomes: &["the guest empties it", "the adopter empties it"],
        body: foreign_dropped_after_the_last_read,
    },
    Model {
        name: "joining_against_the_last_drop",
        preemptions: None,
        floor: 20,
        outcomes: &["joined", "too late"],
        body: joining_against_the_last_drop,
    },
    Model {
        name: "joining_against_the_next_life",
        preemptions: Some(3),
        floor: 20,
        outcomes: &["joined", "too late"],
        body: joining_against_the_next_life,
    },
    Model {
        name: "report_against_a_foreign_slab_that_ends",
        preemptions: Some(1),
        floor: 20,
        outcomes: &["foreign", "ours", "nothing"],
        body: report_against_a_foreign_slab_that_ends,
    },
];

/// What all owners here own: addresses of which it is known how far apart they are.
static MEMORY: [u8; 64] = [7; 64];

/// What is known of an owner: how often it was dropped, and a cell that loom watches.
#[derive(Clone)]
struct Watched {
    drops: Arc<AtomicUsize>,
    witness: Arc<UnsafeCell<()>>,
}

struct Owner {
    part: &'static [u8],
    watched: Watched,
}

// SAFETY: the cell is what loom checks: an access that is not ordered fails the model.
unsafe impl Send for Owner {}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.part
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.watched.witness.with_mut(|_| ());
        self.watched.drops.fetch_add(1, Ordering::Relaxed);
    }
}

impl Watched {
    fn new() -> Watched {
        Watched { drops: Arc::new(AtomicUsize::new(0)), witness: Arc::new(UnsafeCell::new(())) }
    }

    /// `Bytes` of 16 bytes at `at`.
    fn bytes(&self, at: usize) -> Bytes {
        Bytes::from_owner(Owner { part: &MEMORY[at..at + 16], watched: self.clone() })
    }

    /// A holder of a slice looks at the memory.
    fn read(&self) {
        self.witness.with(|_| ());
    }

    fn is_dropped(&self) -> bool {
        let drops = self.drops.load(Ordering::Relaxed);
        assert!(drops <= 1, "an owner is dropped once");
        drops == 1
    }
}

/// For the thread of a model: what loom watches may go there.
struct Sent<T>(T);

// SAFETY: as for `Owner`.
unsafe impl<T> Send for Sent<T> {}

impl<T> Sent<T> {
    fn get(self) -> T {
        self.0
    }
}

/// Two threads clone, slice and drop a foreign slice. Catches an owner that is dropped twice, never, or before the other
/// thread's last look at its memory.
fn foreign_dropped_after_the_last_read() {
    let ledger = ledger();
    let owner = Watched::new();
    let (a, _) = ledger.adopt(owner.bytes(0), 64, 1);
    let b = a.slice(4..12);
    let sent = Sent((b, owner.clone()));
    let guest = thread::spawn(move || {
        let (b, owner) = sent.get();
        let c = b.clone();
        let first = b.release();
        c.read();
        owner.read();
        first.or(c.release())
    });
    let d = a.clone();
    let first = a.release();
    assert!(first.is_none(), "one's own clone still holds the slab");
    d.read();
    owner.read();
    let mine = d.release();
    let theirs = guest.join().unwrap();
    reach(if mine.is_some() { "the adopter empties it" } else { "the guest empties it" });
    assert!(!owner.is_dropped(), "before its slab was given back");
    drop(exactly_one([mine, theirs]));
    assert!(owner.is_dropped());
    assert!(ledger.views().is_empty());
}

/// One thread joins a foreign slab while another drops its last slice. Catches a slice of a slab that is gone, and one whose
/// own memory nobody keeps.
fn joining_against_the_last_drop() {
    let ledger = ledger();
    let owners = [Watched::new(), Watched::new()];
    let (a, slab) = ledger.adopt(owners[0].bytes(0), 64, 1);
    let sent = Sent((a, owners[0].clone()));
    let guest = thread::spawn(move || {
        let (a, owner) = sent.get();
        a.read();
        owner.read();
        a.release().is_some()
    });
    let joined = ledger.adopt_beside(slab, owners[1].bytes(16), 2);
    let mut emptied_here = false;
    if let Some(b) = joined {
        reach("joined");
        assert!(!owners[1].is_dropped(), "nobody keeps what is read");
        b.read();
        owners[1].read();
        assert_eq!(b.listed(), Some(16..32));
        emptied_here = b.release().is_some();
    } else {
        reach("too late");
        assert!(owners[1].is_dropped(), "it was handed back, and dropped by the model");
    }
    let emptied_there = guest.join().unwrap();
    assert!(emptied_here != emptied_there, "the slab is emptied exactly once");
    assert!(owners.iter().all(Watched::is_dropped));
    assert!(ledger.views().is_empty());
}

/// One thread joins a foreign slab while another ends it and begins another one, whose header is the same. Catches who joins
/// the wrong one.
fn joining_against_the_next_life() {
    let ledger = ledger();
    let owners = [Watched::new(), Watched::new(), Watched::new()];
    let (a, slab) = ledger.adopt(owners[0].bytes(0), 64, 1);
    let sent = Sent((a, owners[2].clone()));
    let guest = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            let (a, owner) = sent.get();
            drop(a.release());
            let (c, _) = ledger.adopt(owner.bytes(32), 48, 3);
            c.read();
            drop(c.release());
        })
    };
    match ledger.adopt_beside(slab, owners[1].bytes(16), 2) {
        Some(b) => {
            reach("joined");
            assert_eq!(b.slab_size(), 64, "another slab");
            b.read();
            drop(b.release());
        }
        None => reach("too late"),
    }
    guest.join().unwrap();
    assert!(owners.iter().all(Watched::is_dropped));
    assert!(ledger.views().is_empty());
}

/// A report is taken while a foreign slab ends and its header becomes that of one of ours. Catches a view that mixes both.
fn report_against_a_foreign_slab_that_ends() {
    let ledger = ledger();
    let owner = Watched::new();
    let (a, _) = ledger.adopt(owner.bytes(0), 64, 1);
    let sent = Sent(a);
    let guest = {
        let ledger = ledger.clone();
        thread::spawn(move || {
            drop(sent.get().release());
            let ours = ledger.slab(32).single(2);
            drop(ours.release());
        })
    };
    let seen = Cell::new("nothing");
    for view in ledger.views() {
        seen.set(if view.foreign { "foreign" } else { "ours" });
        assert_eq!(view.size, if view.foreign { 64 } else { 32 }, "a view of two lives");
        assert!(view.slices.iter().all(|(_, tag)| *tag == if view.foreign { 1 } else { 2 }), "a slice of another life");
    }
    reach(seen.get());
    guest.join().unwrap();
    assert!(owner.is_dropped());
}
