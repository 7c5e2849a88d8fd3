//! How often whole scenarios call the allocator, each number with its reason: by a global allocator that counts the calls of each thread.
//!
//! `no_alloc` has what allocates nothing, handle by handle. Here are the scenarios of a program: the first use, the steady state, what is
//! kept, copied, exported and reported. A number that is exact (`==`) is part of what the crate promises; one that is bounded (`<=`) is what
//! the ledger takes for itself, and may become smaller.
#![cfg(not(any(miri, bufslab_one_each)))]
#![allow(missing_docs)]

use bufslab::{BufMut, CompactPolicy, Parked, Scope, SlabBytes, SlabPool, Tag};
use bytes::Bytes;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

struct Counting;

thread_local! {
    // No destructor, so that they can be read at any time.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    static RETURNED: Cell<usize> = const { Cell::new(0) };
}

fn one_more(count: &'static thread::LocalKey<Cell<usize>>) {
    count.with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed on unchanged; `alloc_zeroed` is the provided one, which comes here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        one_more(&TAKEN);
        // SAFETY: as the caller promises, here and below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        one_more(&TAKEN);
        one_more(&RETURNED);
        // SAFETY: see above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        one_more(&RETURNED);
        // SAFETY: see above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Pieces of memory that `f` takes on this thread, and that it returns; and what `f` returns. One that grows is taken and returned.
fn counted<R>(f: impl FnOnce() -> R) -> ((usize, usize), R) {
    let before = (TAKEN.get(), RETURNED.get());
    let result = f();
    ((TAKEN.get() - before.0, RETURNED.get() - before.1), result)
}

const SLAB: usize = 4096;
const ROUNDS: usize = 10_000;

/// Without decay, which comes when the clock says so.
fn pool() -> SlabPool {
    SlabPool::builder().slab_size(SLAB).idle_decay(Duration::ZERO).build().unwrap()
}

fn read(pool: &SlabPool, len: usize) -> SlabBytes {
    let mut buffer = pool.alloc(len);
    buffer.put_bytes(b'.', len);
    buffer.freeze()
}

/// Full slabs, one handle each, that no thread is attached to: the one that filled them has ended.
fn full_slabs(pool: &SlabPool, slabs: usize) -> Vec<SlabBytes> {
    let fill = || (0..slabs).map(|_| read(pool, SLAB)).collect();
    thread::scope(|scope| scope.spawn(fill).join().unwrap())
}

/// As often as a list is taken that grows to so many entries one by one, by doubling.
fn lists_of(entries: usize) -> usize {
    entries.max(1).ilog2() as usize + 1
}

/// A request: a read, eight slices that are passed around, and all of it dropped.
fn request(pool: &SlabPool) {
    let whole = read(pool, 640);
    let parts: [SlabBytes; 8] = std::array::from_fn(|n| whole.slice(n * 80..n * 80 + 60));
    drop(black_box((whole, parts)));
}

/// A buffer's way: filled, frozen, cloned, cut and dropped.
fn chain(pool: &SlabPool) {
    let whole = read(pool, 1500);
    let clone = whole.clone();
    let part = clone.slice(1..21);
    drop(black_box((whole, clone, part)));
}

/// Keeps the last `keep` slices of `len` bytes.
fn window(pool: &SlabPool, kept: &mut VecDeque<SlabBytes>, keep: usize, len: usize, rounds: usize) {
    for _ in 0..rounds {
        kept.push_back(read(pool, len));
        if kept.len() > keep {
            kept.pop_front();
        }
    }
}

// ---- The steady state: nothing.

#[test]
fn a_warm_pool_takes_nothing() {
    let pool = pool();
    for scenario in [request, chain] {
        let run = |rounds| (0..rounds).for_each(|_| scenario(&pool));
        run(100);
        assert_eq!(counted(|| run(ROUNDS)).0, (0, 0), "a slab and its slots are there, and are used again");
    }
}

#[test]
fn a_warm_window_takes_nothing() {
    // As many slices as a slab holds, and more than a thread has at hand.
    for (keep, len) in [(60, 64), (100, 1000)] {
        let pool = pool();
        let mut kept = VecDeque::with_capacity(keep + 1);
        window(&pool, &mut kept, keep, len, 20 * keep);
        let calls = counted(|| window(&pool, &mut kept, keep, len, ROUNDS)).0;
        assert_eq!(calls, (0, 0), "what the oldest slices leave is what the newest need, {keep} of {len} bytes");
    }
}

#[test]
fn slabs_that_go_round_take_nothing() {
    // Through the magazine, which holds four; and through the depot, for which these are too many.
    for keep in [4, 64] {
        let pool = pool();
        let mut kept = VecDeque::with_capacity(keep + 1);
        let mut all_at_once = |rounds| {
            for _ in 0..rounds {
                window(&pool, &mut kept, keep, SLAB, 2 * keep);
                kept.clear();
            }
        };
        all_at_once(4);
        let reused = pool.stats().slabs_reused;
        assert_eq!(counted(|| all_at_once(50)).0, (0, 0), "the stores have room for all slabs they ever held");
        assert!(pool.stats().slabs_reused - reused >= 50 * keep as u64, "{:?}", pool.stats());
    }
}

#[test]
fn threads_that_hand_over_take_nothing() {
    let pool = pool();
    let owned = read(&pool, 1000);
    let (first, more) = thread::scope(|scope| {
        let guest = || {
            let first = counted(|| drop(black_box(owned.clone()))).0;
            let use_it = || (0..ROUNDS).for_each(|_| drop(black_box((owned.clone(), owned.slice(3..50)))));
            (first, counted(use_it).0)
        };
        scope.spawn(guest).join().unwrap()
    });
    assert!(first.0 <= 2 && first.1 == 0, "{first:?}: a segment of slots for the guest, which the slab keeps");
    assert_eq!(more, (0, 0), "the guest's own slots are used again");
}

// ---- First uses.

#[test]
fn a_pool_and_its_first_slab() {
    let (made, pool) = counted(pool);
    // What the clones share, the ledger, and what each of these leads to. Some of it is put together from pieces.
    assert!(made.0 <= 6, "{made:?}");
    let (first, slice) = counted(|| read(&pool, 100));
    // The slab's memory, its header and its slots, and the lists of slabs; and what each thread has once: its list of pools, and its
    // number among the living. Nothing of that goes before the thread or the pool does.
    assert!(first.0 <= 7 && first.1 == 0, "{first:?}");
    assert_eq!(counted(|| read(&pool, 100)).0, (0, 0), "the slab is there");
    assert_eq!(counted(|| drop(slice)).0, (0, 0), "and stays");
}

#[test]
fn a_slab_is_three_pieces() {
    for slabs in [10, 100, 1000] {
        let pool = pool();
        read(&pool, 1);
        let mut kept = Vec::with_capacity(slabs);
        let (fresh, ()) = counted(|| kept.extend((0..slabs).map(|_| read(&pool, SLAB))));
        // Memory, header, slots; and the ledger's lists of slabs grow, by doubling.
        assert!(fresh.0 <= 3 * slabs + 2 * lists_of(slabs) + 4, "{slabs} slabs: {fresh:?}");
        let (dropped, ()) = counted(|| kept.clear());
        // Slabs stay with the pool, which notes them down in the magazine and in the depot.
        assert!(dropped.0 <= 2 + lists_of(slabs), "{slabs} slabs: {dropped:?}");
        let (again, ()) = counted(|| kept.extend((0..slabs).map(|_| read(&pool, SLAB))));
        assert_eq!(again, (0, 0), "the same {slabs} slabs with the headers and slots they had");
    }
}

#[test]
fn a_slice_beyond_the_slots_takes_a_thirtieth() {
    let pool = pool();
    let slice = read(&pool, 100);
    for clones in [1_000, 10_000] {
        let mut kept = Vec::with_capacity(clones);
        let (first, ()) = counted(|| kept.extend((0..clones).map(|_| slice.clone())));
        // Slots come by the segment, of thirty each.
        assert!(first.0 <= clones.div_ceil(30), "{clones} clones: {first:?}");
        assert_eq!(counted(|| kept.clear()).0, (0, 0), "slots are kept for the next");
    }
}

#[test]
fn a_buffer_larger_than_a_slab() {
    let pool = pool();
    drop(pool.alloc(10 * SLAB));
    for _ in 0..10 {
        let (taken, buffer) = counted(|| pool.alloc(10 * SLAB));
        assert_eq!(taken, (1, 0), "its memory; header and slots are those of the one before");
        assert_eq!(counted(|| drop(buffer)).0, (0, 1), "which goes back at once");
    }
}

// ---- Copies.

#[test]
fn a_copy_is_one_piece() {
    let pool = pool();
    let whole = read(&pool, SLAB);
    for len in [1, 20, 1024, SLAB] {
        let part = whole.slice(..len);
        let (compacted, copy) = counted(|| part.compact());
        assert_eq!(compacted, (1, 0), "count and bytes in one piece, {len} of them");
        assert_eq!(counted(|| drop(black_box((copy.clone(), copy.slice(..1))))).0, (0, 0), "which handles share");
        let (again, copy) = counted(|| copy.compact());
        assert_eq!(again, (0, 0), "it is compact");
        assert_eq!(counted(|| drop(copy)).0, (0, 1), "{len} bytes");
    }
    let (retained, kept) = counted(|| (whole.slice(..20).retain(), whole.clone().retain()));
    assert_eq!(retained, (1, 0), "20 bytes are copied, and a whole slab is worth it");
    drop(kept);
    assert_eq!(counted(|| SlabBytes::from_static(b"static").compact()).0, (0, 0));
}

#[test]
fn an_export_is_one_piece() {
    let pool = pool();
    let whole = read(&pool, SLAB);
    for len in [1, 1024] {
        let part = whole.slice(..len);
        let (exported, bytes) = counted(|| Bytes::from(part));
        assert_eq!(exported, (1, 0), "up to the copybreak: the copy, as a vector");
        let (cloned, clones) = counted(|| (bytes.clone(), bytes.clone()));
        assert_eq!(cloned, (1, 0), "`Bytes` makes its count when such a vector is cloned first");
        assert_eq!(counted(|| drop((bytes, clones))).0, (0, 2), "both go with the last one");
    }
    for len in [1025, SLAB] {
        let part = whole.slice(..len);
        let (exported, bytes) = counted(|| Bytes::from(part));
        assert_eq!(exported, (1, 0), "above it: count and owner, which is the slice");
        let (cloned, clone) = counted(|| bytes.clone());
        assert_eq!(cloned, (0, 0), "the count is there");
        assert_eq!(counted(|| drop((bytes, clone))).0, (0, 1), "{len} bytes");
    }
    assert_eq!(counted(|| drop(Bytes::from(SlabBytes::from_static(b"static")))).0, (0, 0), "static memory stays");
    assert_eq!(counted(|| drop(Bytes::from(whole.slice(..0)))).0, (0, 0), "no bytes, no memory");
}

#[test]
fn parked_slices_are_copied_once_each_or_once_a_slab() {
    for (pack, copies) in [(false, 2), (true, 1)] {
        for slabs in [10, 1000] {
            let pool = pool();
            let whole = full_slabs(&pool, slabs);
            let mut parked: Vec<Parked> = Vec::with_capacity(2 * slabs);
            let park = |whole: SlabBytes| [0, 20].map(|at| whole.slice(at..at + 20).park_untagged());
            let (made, ()) = counted(|| parked.extend(whole.into_iter().flat_map(park)));
            // Room for readers and the new place, by the segment: once a slab. The list of whole slabs goes.
            assert_eq!(made, (slabs, 1), "{slabs} slabs");
            let policy = CompactPolicy::new().older_than(Duration::ZERO).pack(pack);
            let (moved, did) = counted(|| pool.compact(&policy));
            assert_eq!((did.slices, did.freed_slabs), (2 * slabs, slabs), "{did}");
            // The copies, the list of slabs, the list of one slab's slices, and where the freed slabs are noted down.
            assert!(moved.0 <= copies * slabs + 4 + lists_of(slabs), "{slabs} slabs, packed: {pack}: {moved:?}");
            assert_eq!(counted(|| pool.compact(&policy)).0, (1, 1), "nothing is left but the list of slabs");
            let (dropped, ()) = counted(|| parked.clear());
            assert_eq!(dropped, (0, copies * slabs), "{slabs} slabs, packed: {pack}");
        }
    }
}

// ---- Names and reports.

#[test]
fn names_are_taken_once() {
    let pool = pool();
    let whole = read(&pool, 100);
    let tag = Tag::new("req.head");
    drop(whole.clone().tag(tag));
    assert_eq!(counted(|| drop(whole.clone().tag("req.head"))).0, (0, 0), "the name is known");
    let owner: Scope = pool.scope("conn", 1).into();
    let inside = || {
        let _inside = owner.enter();
        request(&pool);
    };
    // On both slabs that the thread has.
    (0..100).for_each(|_| inside());
    assert_eq!(
        counted(|| (0..ROUNDS).for_each(|_| inside())).0,
        (0, 0),
        "slots have room for the owner from the first one on"
    );
}

#[test]
fn the_sums_are_one_list() {
    let pool = pool();
    let _kept = full_slabs(&pool, 100);
    assert_eq!(counted(|| pool.stats()).0, (1, 1), "the list of slabs, which nobody may hold up meanwhile");
}

#[test]
fn a_report_takes_by_the_slab_and_not_by_the_slice() {
    // As many slices a slab as have one segment of slots.
    for (slabs, slices) in [(10, 1), (10, 30), (1000, 1), (1000, 30)] {
        let pool = pool();
        let mut kept: Vec<SlabBytes> = Vec::with_capacity(slabs * slices);
        for whole in full_slabs(&pool, slabs) {
            kept.extend((0..slices).map(|at| whole.slice(at..at + 1)));
        }
        let (taken, report) = counted(|| pool.report());
        assert_eq!((report.totals.slabs, report.totals.slices), (slabs, slabs * slices));
        // A slab's list of slices grows by doubling, and is then taken at its length; the rest is names, settings and tables.
        let a_slab = 1 + lists_of(slices);
        assert!(taken.0 <= a_slab * slabs + 100, "{slabs} slabs with {slices} slices each: {taken:?}");
        let (dropped, ()) = counted(|| drop(report));
        assert_eq!(taken.0, taken.1 + dropped.1, "all of it goes with the report");
    }
}

#[test]
fn all_goes_with_the_pool() {
    // What each thread has once, and the process, is there already.
    drop(read(&pool(), 100));
    let ((taken, returned), ()) = counted(|| {
        let pool = pool();
        let kept: Vec<SlabBytes> = (0..100).map(|_| read(&pool, SLAB)).collect();
        drop(pool.report());
        drop(pool);
        drop(kept);
    });
    assert_eq!(taken, returned, "slices outlive their pool, and the last one ends the ledger");
}
