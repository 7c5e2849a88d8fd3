//! What a writer reserved and did not fill goes back to the slab.
#![allow(missing_docs)]

use bufslab::{BufMut, Level, SlabPool};

fn pool() -> SlabPool {
    pool_at(Level::Sites)
}

fn pool_at(level: Level) -> SlabPool {
    SlabPool::builder().slab_size(1024).tracking(level).build().unwrap()
}

/// With a red zone behind each slice, where it ends is known by its slot alone.
const LEVELS: &[Level] = if cfg!(bufslab_asan) { &[Level::Sites] } else { &[Level::Sites, Level::Off] };

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn an_over_reserved_read_gives_its_tail_back() {
    for pool in LEVELS.iter().map(|level| pool_at(*level)) {
        let mut slices = Vec::new();
        for i in 0..64 {
            let mut read = pool.alloc(900 - i * 14);
            read.put_slice(&[i as u8; 10]);
            slices.push(read.freeze());
        }
        // With a red zone behind each, they need more.
        let slabs = if cfg!(bufslab_asan) { 3 } else { 1 };
        assert_eq!(pool.stats().pinned_slabs, slabs, "64 × 10 bytes fit in one slab of 1024");
        assert!(slices.iter().enumerate().all(|(i, slice)| slice[..] == [i as u8; 10]));
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn a_read_that_found_nothing_takes_nothing() {
    for pool in LEVELS.iter().map(|level| pool_at(*level)) {
        let pin = pool.alloc(1);
        for _ in 0..100 {
            drop(pool.alloc(1000));
            assert!(pool.alloc(1000).freeze().is_empty());
        }
        assert_eq!(pool.stats().slabs_taken, 1);
        drop(pin);
    }
}

#[test]
fn what_others_hold_is_not_given_back() {
    let pool = pool();
    let mut first = pool.alloc(100);
    first.put_slice(&[1; 50]);
    let tail = first.split_off(50);
    let mut joined = first;
    joined.unsplit(tail);
    assert_eq!(joined.capacity(), 100);
    let mut next = pool.alloc(100);
    next.put_slice(&[2; 100]);
    joined.put_slice(&[3; 50]);
    assert_eq!(next[..], [2; 100]);
    let second = next.freeze();
    let clone = second.clone();
    drop(second);
    let mut third = pool.alloc(100);
    third.put_slice(&[4; 100]);
    assert_eq!((&clone[..], &joined[50..]), (&[2; 100][..], &[3; 50][..]));
}

#[test]
fn another_thread_gives_nothing_back() {
    for pool in LEVELS.iter().map(|level| pool_at(*level)) {
        let mut read = pool.alloc(900);
        read.put_slice(b"short");
        let short = std::thread::spawn(move || read.freeze()).join().unwrap();
        let next = pool.alloc(900);
        assert_eq!(pool.stats().pinned_slabs, 2, "only the owner moves the cursor");
        assert_eq!(short, "short");
        drop(next);
    }
}

/// The parts of a split end at different places, and only the one that ends where the slab is cut moves that.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn parts_give_back_what_they_hold_and_no_more() {
    for pool in LEVELS.iter().map(|level| pool_at(*level)) {
        let mut head = pool.alloc(600);
        head.put_slice(&[1; 300]);
        let mut tail = head.split_off(300);
        drop(head.split_to(100));
        tail.put_slice(&[2; 10]);
        let tail = tail.freeze();
        let next = {
            let mut next = pool.alloc(600);
            next.put_slice(&[3; 600]);
            next.freeze()
        };
        assert_eq!(pool.stats().pinned_slabs, 1, "310 bytes are held, and room for 290 came back");
        assert_eq!((&head[..], &tail[..], &next[..]), (&[1; 200][..], &[2; 10][..], &[3; 600][..]));
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab has an owner who takes room back")]
fn a_split_takes_back_what_its_other_parts_gave_up() {
    let pool = pool();
    let mut buffer = pool.alloc(64);
    buffer.put_slice(b"abcd");
    let mut split = buffer.split();
    assert!(!split.try_reclaim(64) && !split.try_reclaim(4), "the rest is still out");
    assert!(buffer.try_reclaim(60));
    drop(buffer);
    assert!(!split.try_reclaim(64), "four bytes are in the way");
    split.clear();
    assert_eq!(split.capacity(), 4);
    assert!(split.try_reclaim(64));
    assert_eq!(split.capacity(), 64);
    let mut next = pool.alloc(64);
    next.put_slice(&[1; 64]);
    split.put_slice(&[2; 64]);
    assert_eq!((&next[..], &split[..]), (&[1; 64][..], &[2; 64][..]));
}
