//! What allocates nothing, by a global allocator that counts the calls of each thread.

#![allow(missing_docs)]

use bufslab::{Buf, BufMut, Level, SlabBytes, SlabBytesMut, SlabPool};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::mpsc::sync_channel;

struct Counting;

thread_local! {
    // No destructor, so that it can be read at any time.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call is handed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises, here and below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: see above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: see above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: see above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator, returns of memory included, that `f` makes on this thread.
fn calls_in(f: impl FnOnce()) -> u64 {
    let before = CALLS.with(Cell::get);
    f();
    CALLS.with(Cell::get) - before
}

const SLAB: usize = 4096;
const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };

#[test]
fn a_slice_is_three_words_and_a_writer_four() {
    let words = |size: usize| size / size_of::<usize>();
    assert_eq!((words(size_of::<SlabBytes>()), words(size_of::<Option<SlabBytes>>())), (3, 3));
    assert_eq!(words(size_of::<SlabBytesMut>()), 4);
}

#[test]
fn the_allocator_counts() {
    let calls = calls_in(|| drop(black_box(vec![0_u8; 100])));
    assert_eq!(calls, 2, "one to get it and one to give it back");
}

/// One request as a server has it: read, frozen, cut into pieces that are passed around, and dropped.
fn request(pool: &SlabPool, n: usize) {
    let mut read = pool.alloc(n);
    read.put_bytes(b'.', n - n / 8);
    let rest = read.split_off(n - n / 8);
    let head = read.split_to(n / 4).freeze();
    let mut body = read.freeze();
    let clone = head.clone();
    let name = head.slice(1..n / 8);
    let by_ref = head.slice_ref(&head[2..5]);
    let first = body.split_to(10);
    let last = body.split_off(body.len() - 10);
    body.advance(1);
    body.truncate(body.len() - 1);
    let all = (rest, head, clone, name, by_ref, first, last, body);
    assert_eq!(all.1.len() + all.5.len() + all.6.len() + all.7.len() + 2, n - n / 8);
    drop(black_box(all));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is an allocation")]
fn the_owner_allocates_nothing() {
    for level in [Level::Off, Level::Counters, Level::Sites] {
        let pool = SlabPool::builder().slab_size(SLAB).tracking(level).build().unwrap();
        // Each slab is filled and dropped before the next is needed: the thread goes on in place.
        let all = |rounds| (0..rounds).for_each(|round| request(&pool, 100 + round * 7 % 900));
        all(50);
        let before = pool.stats();
        assert_eq!(calls_in(|| all(ROUNDS)), 0, "at {level}");
        let after = pool.stats();
        assert!(after.slabs_reused_in_place > before.slabs_reused_in_place, "no slab was filled: {after:?}");
        assert_eq!(after.slabs_taken, before.slabs_taken);
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is an allocation")]
#[cfg_attr(miri, ignore = "the warm-up alone would take minutes")]
fn a_writer_that_grows_within_its_slab_allocates_nothing() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let grow = |rounds| {
        for _ in 0..rounds {
            let mut buffer = pool.alloc(16);
            for byte in 0..200 {
                buffer.put_u8(byte);
            }
            buffer.advance(150);
            assert!(buffer.try_reclaim(100));
            let end = buffer.split_off(40);
            buffer.unsplit(end);
            assert_eq!(black_box(buffer.freeze()).len(), 50);
        }
    };
    // A buffer that meets the end of its slab moves on to the next with the old one still in hand: the first such rounds
    // bring the thread to the number of slabs it goes on with.
    grow(2_000);
    assert_eq!(calls_in(|| grow(ROUNDS)), 0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is an allocation")]
fn rotation_over_pinned_slabs_allocates_only_for_new_slabs() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    // A window of slices that are dropped four slabs later: slabs go round through the thread's magazine.
    let mut window: std::collections::VecDeque<SlabBytes> = std::collections::VecDeque::with_capacity(20);
    let mut turn = |rounds: usize| {
        for round in 0..rounds {
            let mut buffer = pool.alloc(1000);
            buffer.put_bytes(round as u8, 1000);
            if window.len() == 16 {
                window.pop_front();
            }
            window.push_back(buffer.freeze());
        }
    };
    turn(100);
    let before = pool.stats();
    let calls = calls_in(|| turn(ROUNDS));
    let after = pool.stats();
    assert!(after.slabs_recycled - before.slabs_recycled >= ROUNDS as u64 / 4 - 1, "{after:?}");
    assert_eq!((calls, after.slabs_taken), (0, before.slabs_taken), "{after:?}");
}

#[test]
fn a_guest_allocates_nothing_once_it_has_a_segment() {
    for level in [Level::Off, Level::Counters, Level::Sites] {
        let pool = SlabPool::builder().slab_size(SLAB).tracking(level).build().unwrap();
        let mut buffer = pool.alloc(100);
        buffer.put_bytes(3, 100);
        let owned = buffer.freeze();
        let sent = owned.clone();
        // A slab that is attached to this thread, and one that nobody has any more.
        let made = pool.clone();
        let orphan = std::thread::spawn(move || {
            let mut buffer = made.alloc(100);
            buffer.put_bytes(4, 100);
            buffer.freeze()
        });
        let orphan = orphan.join().unwrap();
        let guest = std::thread::spawn(move || {
            for slice in [sent, orphan] {
                let use_it = |rounds| {
                    for _ in 0..rounds {
                        let clone = slice.clone();
                        let part = clone.slice(10..20);
                        let mut left = slice.clone();
                        let right = left.split_off(50);
                        drop(black_box((clone, part, left, right)));
                    }
                };
                use_it(5);
                assert_eq!(calls_in(|| use_it(ROUNDS)), 0, "at {level}");
            }
        });
        guest.join().unwrap();
        assert_eq!(pool.stats().handles, 1);
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice is an allocation")]
fn a_stream_of_slices_between_two_threads_allocates_nothing() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    // The channel's memory is made once; each slice comes back as an answer, so that both sides keep step.
    let (to, from) = sync_channel::<SlabBytes>(1);
    let (answer, answered) = sync_channel::<usize>(1);
    let consumer = std::thread::spawn(move || {
        let mut counted = 0;
        for (round, slice) in from.into_iter().enumerate() {
            let calls = calls_in(|| drop(black_box((slice.clone(), slice))));
            counted += if round >= 50 { calls } else { 0 };
            answer.send(round).unwrap();
        }
        counted
    });
    let mut counted = 0;
    for round in 0..ROUNDS.min(2_000) {
        let mut sent = None;
        let calls = calls_in(|| {
            let mut buffer = pool.alloc(500);
            buffer.put_bytes(1, 500);
            sent = Some(buffer.freeze());
        });
        counted += if round >= 50 { calls } else { 0 };
        to.send(sent.unwrap()).unwrap();
        assert_eq!(answered.recv().unwrap(), round);
    }
    drop(to);
    assert_eq!((counted, consumer.join().unwrap()), (0, 0), "producer and consumer");
    assert!(pool.stats().slabs_reused_in_place > 0 || cfg!(miri), "{:?}", pool.stats());
}
