//! Operations on handles of one slab, by its owner.

use crate::common::placed::{Owner, Placed};
use crate::common::read;
use crate::count::{BATCH, WARM, callgrind_counts, rounds};
use crate::pools::pool;
use bufslab::{Parked, SlabBytes, Tag};
use bytes::Bytes;
use std::hint::black_box;
use std::sync::mpsc::channel;
use std::thread;

const LEN: usize = 4096;

/// Handles that were there before, and those that an operation makes.
#[derive(Default)]
struct Handles {
    old: Vec<SlabBytes>,
    new: Vec<SlabBytes>,
}

impl Handles {
    fn new() -> Handles {
        Handles { old: Vec::with_capacity(BATCH), new: Vec::with_capacity(BATCH) }
    }

    fn clear(&mut self) {
        self.old.clear();
        self.new.clear();
    }
}

/// Calls `f` with each of 64 clones of a slice of 4 KiB.
fn each(owner: Owner, count: usize, f: impl Fn(&mut SlabBytes)) -> usize {
    let placed = Placed::new(&pool(), owner, LEN);
    rounds(
        count,
        BATCH,
        &mut Handles::new(),
        |handles| handles.old.extend((0..BATCH).map(|_| placed.slice.clone())),
        |handles| handles.old.iter_mut().for_each(&f),
        Handles::clear,
    )
}

/// Keeps what `f` makes of each of 64 clones.
fn made(owner: Owner, count: usize, f: impl Fn(&mut SlabBytes) -> SlabBytes) -> usize {
    let placed = Placed::new(&pool(), owner, LEN);
    rounds(
        count,
        BATCH,
        &mut Handles::new(),
        |handles| handles.old.extend((0..BATCH).map(|_| placed.slice.clone())),
        |handles| handles.new.extend(handles.old.iter_mut().map(&f)),
        Handles::clear,
    )
}

pub(crate) fn clone(owner: Owner, count: usize) -> usize {
    let placed = Placed::new(&pool(), owner, LEN);
    let clone = |handles: &mut Handles| handles.new.extend((0..BATCH).map(|_| placed.slice.clone()));
    rounds(count, BATCH, &mut Handles::new(), |_| {}, clone, Handles::clear)
}

pub(crate) fn slice(owner: Owner, count: usize) -> usize {
    let placed = Placed::new(&pool(), owner, LEN);
    let slice = |handles: &mut Handles| handles.new.extend((0..BATCH).map(|n| placed.slice.slice(n..n + 20)));
    rounds(count, BATCH, &mut Handles::new(), |_| {}, slice, Handles::clear)
}

pub(crate) fn drop(owner: Owner, count: usize) -> usize {
    let placed = Placed::new(&pool(), owner, LEN);
    let clones = |handles: &mut Handles| handles.old.extend((0..BATCH).map(|_| placed.slice.clone()));
    rounds(count, BATCH, &mut Handles::new(), clones, Handles::clear, |_| {})
}

pub(crate) fn split_to(owner: Owner, count: usize) -> usize {
    made(owner, count, |slice| slice.split_to(20))
}

pub(crate) fn split_off(owner: Owner, count: usize) -> usize {
    made(owner, count, |slice| slice.split_off(20))
}

pub(crate) fn truncate(owner: Owner, count: usize) -> usize {
    each(owner, count, |slice| slice.truncate(20))
}

pub(crate) fn tag(count: usize) -> usize {
    let tag = Tag::new("req.head");
    each(Owner::ThisThread, count, |slice| slice.retag(tag))
}

/// Of 20 bytes.
pub(crate) fn compact(count: usize) -> usize {
    let placed = Placed::new(&pool(), Owner::ThisThread, LEN);
    rounds(
        count,
        BATCH,
        &mut Handles::new(),
        |handles| handles.old.extend((0..BATCH).map(|n| placed.slice.slice(n..n + 20))),
        |handles| handles.new.extend(handles.old.drain(..).map(SlabBytes::compact)),
        Handles::clear,
    )
}

/// To a `Bytes`.
pub(crate) fn export(len: usize, count: usize) -> usize {
    let placed = Placed::new(&pool(), Owner::ThisThread, LEN);
    rounds(
        count,
        BATCH,
        &mut (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH)),
        |(slices, _)| slices.extend((0..BATCH).map(|_| placed.slice.slice(..len))),
        |(slices, exported)| exported.extend(slices.drain(..).map(Bytes::from)),
        |(_, exported)| exported.clear(),
    )
}

pub(crate) fn read_parked(owner: Owner, count: usize) -> usize {
    let placed = Placed::new(&pool(), owner, LEN);
    let parked: Parked = placed.slice.slice(..20).park("req.head");
    let read = |seen: &mut u8| (0..BATCH).for_each(|_| *seen = parked.read(|bytes| black_box(bytes)[7]));
    rounds(count, BATCH, &mut 0, |_| {}, read, |_| {})
}

/// Another thread drops what this one allocates.
pub(crate) fn cross_thread_drop(count: usize) -> usize {
    let pool = pool();
    let (to, from) = channel::<Vec<SlabBytes>>();
    let (back, emptied) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for (round, mut slices) in from.into_iter().enumerate() {
                if round < WARM {
                    slices.clear();
                } else {
                    callgrind_counts(|| slices.clear());
                }
                back.send(slices).expect("the other thread waits for it");
            }
        });
        let mut slices = Vec::with_capacity(BATCH);
        for _ in 0..WARM + count {
            slices.extend((0..BATCH).map(|_| read(&pool, 1500, 64)));
            to.send(slices).expect("the other thread waits for it");
            slices = emptied.recv().expect("it comes back");
        }
        std::mem::drop(to);
    });
    count * BATCH
}
