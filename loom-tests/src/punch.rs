//! Punching: dead pages are given back while others attach the slab again, clone, slice and drop.
//!
//! A page is 8 bytes here. Giving it back overwrites it, so that a slice that loses its bytes notices; and each page has a cell
//! that loom watches, which whoever reads, fills or gives back the page touches: accesses that nothing orders are found even
//! where the bytes come out right.

use crate::Model;
use crate::harness::{exactly_one, reach};
use bufslab::model::{Attached, Idle, Ledger, Shared};
use bufslab::{HeapSource, Punched, SlabSource};
use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;
use loom::cell::UnsafeCell;
use loom::thread;
use std::io;
use std::sync::Arc;

/// The models of this file.
pub const MODELS: &[Model] = &[
    Model {
        name: "punch_against_attaching_around",
        preemptions: Some(4),
        floor: 1_000,
        outcomes: &["punched and attached", "punched alone", "attached alone"],
        body: punch_against_attaching_around,
    },
    Model {
        name: "punch_against_a_clone_that_moves",
        preemptions: Some(4),
        floor: 1_000,
        outcomes: &["punched", "moving"],
        body: punch_against_a_clone_that_moves,
    },
    Model {
        name: "punch_against_slice_and_split_to",
        preemptions: Some(3),
        floor: 1_000,
        outcomes: &["punched", "moving"],
        body: punch_against_slice_and_split_to,
    },
    Model {
        name: "punch_against_a_drop",
        preemptions: None,
        floor: 100,
        outcomes: &["its page too", "its page not", "moving"],
        body: punch_against_a_drop,
    },
    Model {
        name: "punch_against_the_last_drop",
        preemptions: None,
        floor: 100,
        outcomes: &["the guest empties it", "the look empties it", "punched"],
        body: punch_against_the_last_drop,
    },
    Model {
        name: "two_threads_punch",
        preemptions: Some(4),
        floor: 500,
        outcomes: &["none", "one", "both"],
        body: two_threads_punch,
    },
];

const SIZE: usize = 64;
const PAGE: usize = 8;

/// One slab in pages.
#[derive(Clone)]
struct Pages(Arc<[Page; SIZE / PAGE]>);

struct Page(UnsafeCell<()>);

// SAFETY: there is nothing in the cell, and loom watches who touches it.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Pages {
    fn new() -> Pages {
        Pages(Arc::new(core::array::from_fn(|_| Page(UnsafeCell::new(())))))
    }

    fn touched(&self, bytes: Range<usize>) -> impl Iterator<Item = &Page> {
        self.0[bytes.start / PAGE..bytes.end.div_ceil(PAGE)].iter()
    }

    /// Reads the bytes of a slice.
    fn read(&self, slice: &Shared) {
        for page in self.touched(slice.listed().expect("a listed slice")) {
            page.0.with(|_| ());
        }
        slice.read();
    }

    /// Notes that these bytes, of whole pages, were filled just now.
    fn filled(&self, bytes: Range<usize>) {
        for page in self.touched(bytes) {
            page.0.with_mut(|_| ());
        }
    }
}

// SAFETY: memory is the heap's; `punch` overwrites the ranges it is given, and nothing else.
unsafe impl SlabSource for Pages {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        HeapSource.allocate(layout)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { HeapSource.deallocate(memory, layout) }
    }

    fn page_size(&self, _: NonNull<u8>, _: Layout) -> Option<usize> {
        Some(PAGE)
    }

    unsafe fn punch(&self, memory: NonNull<u8>, _: Layout, dead: &[Range<usize>]) -> io::Result<usize> {
        // The kernel takes its time: others may run between the look and this.
        thread::yield_now();
        for range in dead {
            self.filled(range.clone());
            // SAFETY: the range lies in the slab, and nobody else uses it.
            unsafe { memory.as_ptr().add(range.start).write_bytes(0, range.len()) };
        }
        Ok(dead.iter().map(Range::len).sum())
    }
}

/// A slab with slices of these lengths, detached.
fn slab(lengths: &[usize]) -> (Pages, Ledger, Vec<Shared>) {
    let pages = Pages::new();
    let ledger = Ledger::new(pages.clone());
    let attached = ledger.slab(SIZE).attach();
    let slices = lengths.iter().map(|&len| attached.alloc(len, 1).unwrap()).collect();
    assert!(attached.detach().is_none());
    (pages, ledger, slices)
}

fn is_punched((outcome, _): &(Punched, Vec<Idle>)) -> bool {
    assert!(outcome.punched + outcome.moving + outcome.attached == outcome.pinned_slabs && outcome.pinned_slabs <= 1);
    outcome.punched == 1
}

fn release_all(slices: impl IntoIterator<Item = Shared>) {
    drop(exactly_one(slices.into_iter().map(Shared::release)));
}

/// Another thread attaches the slab around its slice and fills what it cuts, while this one gives dead pages back. Catches pages
/// that are given back after somebody else was allowed to cut from them, and the page on which the slice ends. At most four
/// preemptions.
fn punch_against_attaching_around() {
    let (pages, ledger, slices) = slab(&[12]);
    let other = {
        let (pages, ledger) = (pages.clone(), ledger.clone());
        thread::spawn(move || {
            let (attached, emptied) = ledger.attach_around(SIZE, 20);
            assert!(emptied.is_none(), "a slice is left");
            attached.map(|attached: Attached| {
                let slice = attached.alloc(20, 2).expect("it has a hole");
                assert_eq!(slice.listed(), Some(12..32));
                pages.filled(16..32);
                assert!(attached.detach().is_none(), "a slice is left");
                slice
            })
        })
    };
    let outcome = ledger.punch();
    assert!(outcome.1.is_empty(), "a slice is left");
    let theirs = other.join().unwrap();
    match (is_punched(&outcome), theirs.is_some()) {
        (true, true) => reach("punched and attached"),
        (true, false) => reach("punched alone"),
        (false, true) => reach("attached alone"),
        (false, false) => {}
    }
    slices.iter().chain(&theirs).for_each(|slice| pages.read(slice));
    release_all(slices.into_iter().chain(theirs));
}

/// A guest's only slice moves to another slot meanwhile. Catches the page on which the slice ends, and a slot that the look cannot
/// see made. At most four preemptions.
fn punch_against_a_clone_that_moves() {
    let (pages, ledger, mut slices) = slab(&[12]);
    let a = slices.remove(0);
    let guest = {
        let pages = pages.clone();
        thread::spawn(move || {
            let b = a.clone();
            assert!(a.release().is_none());
            pages.read(&b);
            b
        })
    };
    let outcome = ledger.punch();
    reach(if is_punched(&outcome) { "punched" } else { "moving" });
    let b = guest.join().unwrap();
    assert!(outcome.1.is_empty(), "a slice is left");
    pages.read(&b);
    release_all([b]);
}

/// A guest slices and splits meanwhile. Catches bytes that are unlisted for a moment. At most three preemptions.
fn punch_against_slice_and_split_to() {
    let (pages, ledger, mut slices) = slab(&[24]);
    let mut a = slices.remove(0);
    let guest = thread::spawn(move || {
        let head = a.split_to(8);
        let part = a.slice(9..15);
        (head, part, a.release())
    });
    let outcome = ledger.punch();
    reach(if is_punched(&outcome) { "punched" } else { "moving" });
    let (head, part, emptied) = guest.join().unwrap();
    assert!(emptied.is_none() && outcome.1.is_empty(), "a slice is left");
    pages.read(&head);
    pages.read(&part);
    release_all([head, part]);
}

/// A guest reads and drops one of two slices meanwhile. Catches a page that is given back while its last reader is at it.
fn punch_against_a_drop() {
    let (pages, ledger, mut slices) = slab(&[8, 8]);
    let (b, a) = (slices.remove(1), slices.remove(0));
    let guest = {
        let pages = pages.clone();
        thread::spawn(move || {
            pages.read(&b);
            assert!(b.release().is_none(), "a slice is left");
        })
    };
    let outcome = ledger.punch();
    match (is_punched(&outcome), outcome.0.given_back_bytes) {
        (true, 56) => reach("its page too"),
        (true, 48) => reach("its page not"),
        (true, bytes) => panic!("{bytes} bytes were given back"),
        (false, _) => reach("moving"),
    }
    guest.join().unwrap();
    pages.read(&a);
    release_all([a]);
}

/// A guest drops the only slice meanwhile. Catches a slab that is lost or emptied twice.
fn punch_against_the_last_drop() {
    let (pages, ledger, mut slices) = slab(&[8]);
    let a = slices.remove(0);
    let guest = {
        let pages = pages.clone();
        thread::spawn(move || {
            pages.read(&a);
            a.release()
        })
    };
    let outcome = ledger.punch();
    if is_punched(&outcome) {
        reach("punched");
    }
    let theirs = guest.join().unwrap();
    if theirs.is_some() {
        reach("the guest empties it");
    }
    if !outcome.1.is_empty() {
        reach("the look empties it");
    }
    drop(exactly_one(outcome.1.into_iter().map(Some).chain([theirs])));
}

/// Two threads punch the same slab. Catches looks that go on beside each other. At most four preemptions.
fn two_threads_punch() {
    let (pages, ledger, slices) = slab(&[8]);
    let other = {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.punch())
    };
    let mine = ledger.punch();
    let theirs = other.join().unwrap();
    reach(["none", "one", "both"][usize::from(is_punched(&mine)) + usize::from(is_punched(&theirs))]);
    assert!(mine.1.is_empty() && theirs.1.is_empty(), "a slice is left");
    slices.iter().for_each(|slice| pages.read(slice));
    release_all(slices);
}
