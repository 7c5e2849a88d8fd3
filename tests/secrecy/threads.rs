//! Marked handles that go away on other threads.

use crate::allocator::freed_secrets;
use crate::{SECRET, SLAB, assert_handed_out_clean, pool, secret, shows_secret};
use bufslab::{Level, SlabBytes};
use std::sync::Barrier;
use std::thread;

const LEVELS: [Level; 3] = [Level::Sites, Level::Counters, Level::Off];

#[test]
fn what_was_never_shared_is_overwritten_at_once_by_anybody() {
    let (pool, arena) = pool(Level::Sites);
    let pin = pool.alloc(8);
    let (writer, slice) = (secret(&pool, 60, 60), secret(&pool, 60, 60).freeze());
    thread::spawn(move || drop((writer, slice))).join().unwrap();
    assert_eq!(arena.secrets(), 0, "the slab is another thread's, and pinned");
    drop(pin);
}

#[test]
fn what_was_shared_is_overwritten_before_the_slab_is_used_again() {
    for level in LEVELS {
        let (pool, arena) = pool(level);
        let slice = secret(&pool, SLAB, SLAB).freeze();
        let (a, b) = (slice.clone(), slice.slice(100..200));
        let guests = [a, b].map(|slice| thread::spawn(move || drop(slice)));
        drop(slice);
        guests.into_iter().for_each(|guest| guest.join().unwrap());
        // Drained, and reused in place.
        assert_handed_out_clean(&pool);
        drop(pool);
        assert_eq!((arena.out(), arena.secrets()), (0, 0), "{level}");
    }
}

#[test]
fn a_slab_that_its_owner_left() {
    for level in LEVELS {
        let (pool, arena) = pool(level);
        let giver = pool.clone();
        let slice = thread::spawn(move || secret(&giver, 100, 100).freeze()).join().unwrap();
        let (a, b) = (slice.clone(), slice.slice(50..));
        drop(slice);
        let guest = thread::spawn(move || drop(a));
        drop(b);
        guest.join().unwrap();
        assert_handed_out_clean(&pool);
        drop(pool);
        assert_eq!((arena.out(), arena.secrets()), (0, 0), "{level}");
    }
}

/// The other half of a writer goes away on a thread that cannot tell whether it is alone, and the first takes its room back.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab has an owner who takes room back")]
fn room_that_is_taken_back_from_a_guest() {
    let (pool, _arena) = pool(Level::Sites);
    let mut a = pool.alloc(100);
    a.extend_from_slice(&[1; 20]);
    let mut b = a.split_off(20).zero_on_drop();
    b.extend_from_slice(&[SECRET; 80]);
    let b = b.freeze();
    let c = b.clone();
    thread::spawn(move || drop((b, c))).join().unwrap();
    assert!(a.try_reclaim(80));
    assert!(!shows_secret(&mut a));
    assert_eq!(a[..], [1; 20]);
}

/// A slab that is pinned by a part of what was dropped is flagged, and cut from again around the pin.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn holes_around_a_pin() {
    let (pool, arena) = pool(Level::Sites);
    let kept: Vec<SlabBytes> = (0..100)
        .map(|round| {
            let mut read = pool.alloc(SLAB / 3).zero_on_drop();
            assert!(!shows_secret(&mut read), "round {round} is handed a secret");
            read.extend_from_slice(&[7; SLAB / 3]);
            read.fill(SECRET);
            let read = read.freeze();
            read.slice(..1)
        })
        .collect();
    assert!(pool.stats().slabs_reused_around > 10, "{:?}", pool.stats());
    assert!(kept.iter().all(|pin| pin[..] == [SECRET]), "a live byte was overwritten");
    drop((kept, pool));
    assert_eq!((arena.out(), arena.secrets()), (0, 0));
}

/// A thread dies with secrets in its own storage, whose destructors run after the crate's or before.
#[test]
fn a_thread_that_dies_with_secrets() {
    thread_local! {
        static KEPT: std::cell::RefCell<Vec<SlabBytes>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    for first in [true, false] {
        let (pool, arena) = pool(Level::Sites);
        let user = pool.clone();
        thread::spawn(move || {
            if first {
                KEPT.with_borrow_mut(Vec::clear);
            }
            let slice = secret(&user, 100, 100).freeze();
            KEPT.with_borrow_mut(|kept| kept.extend([slice.slice(..60), slice.slice(40..), slice]));
        })
        .join()
        .unwrap();
        drop(pool);
        assert_eq!((arena.out(), arena.secrets()), (0, 0));
    }
}

/// Handles that overlap are dropped at one moment on several threads, over and over, while their owner goes on.
#[test]
fn many_threads_at_one_moment() {
    const THREADS: usize = 3;
    let rounds = if cfg!(miri) { 10 } else { 2_000 };
    for level in [Level::Sites, Level::Off] {
        let (pool, arena) = pool(level);
        let barrier = Barrier::new(THREADS + 1);
        let (senders, inboxes): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| std::sync::mpsc::channel()).unzip();
        thread::scope(|scope| {
            for inbox in inboxes {
                let barrier = &barrier;
                scope.spawn(move || {
                    for slice in inbox {
                        barrier.wait();
                        drop(slice);
                    }
                });
            }
            for round in 0..rounds {
                let size = 16 + round * 7 % (SLAB - 16);
                let mut buffer = pool.alloc(size).zero_on_drop();
                assert!(!shows_secret(&mut buffer), "round {round} is handed a secret");
                buffer.extend_from_slice(&vec![SECRET ^ 1; size]);
                buffer.fill(SECRET);
                let slice = buffer.freeze();
                for (i, sender) in senders.iter().enumerate() {
                    sender.send(slice.slice(i..size - i)).unwrap();
                }
                barrier.wait();
            }
            drop(senders);
        });
        drop(pool);
        assert_eq!((arena.out(), arena.secrets(), freed_secrets()), (0, 0, 0), "{level}");
    }
}
