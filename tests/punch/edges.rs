//! Which pages go and which stay, to the page.

use super::support::{PAGE, alone, builder, check, conserved, pages_of, pinned, pool};
use bufslab::Level;
use std::ops::Range;

/// Punches a slab with these slices and checks that exactly the pages that they touch are left.
fn punched(size: usize, ranges: &[Range<usize>]) {
    let pool = pool(size);
    let slices = pinned(&pool, 3, ranges);
    let at = ranges[0].start;
    assert!(pages_of(&slices[0], at, size).into_iter().all(|page| page));
    let outcome = pool.punch();
    conserved(&outcome);
    let touched = |page: usize| ranges.iter().any(|range| range.start < (page + 1) * PAGE && range.end > page * PAGE);
    // The last page may not be the slab's alone, if it is not full.
    let expected: Vec<bool> = (0..size.div_ceil(PAGE)).map(|page| touched(page) || (page + 1) * PAGE > size).collect();
    assert_eq!(pages_of(&slices[0], at, size), expected, "slices {ranges:?} of {size} bytes");
    let dead = expected.iter().filter(|stays| !**stays).count();
    assert_eq!(outcome.given_back_bytes, dead * PAGE, "{outcome}");
    assert_eq!((outcome.punched, outcome.dense), if dead > 0 { (1, 0) } else { (0, 1) }, "{outcome}");
    check(3, ranges, &slices);
    // Again: there is nothing left to give.
    assert_eq!(pool.punch().given_back_bytes, 0);
    check(3, ranges, &slices);
}

#[test]
fn exactly_the_dead_pages_go() {
    let _alone = alone();
    let size = 16 * PAGE;
    punched(size, &[0..1]);
    punched(size, &[size - 1..size]);
    punched(size, &[PAGE - 1..PAGE, PAGE..PAGE + 1]);
    punched(size, &[PAGE - 1..PAGE + 1]);
    punched(size, &[PAGE..2 * PAGE]);
    punched(size, &[3 * PAGE - 1..3 * PAGE, 5 * PAGE..5 * PAGE + 1]);
    punched(size, &[5 * PAGE..5 * PAGE + 20, 5 * PAGE + 7..9 * PAGE + 1, 8 * PAGE..8 * PAGE + 1]);
    punched(size, &[0..size]);
    punched(size, &[0..8 * PAGE, 8 * PAGE..size]);
    let one_on_each: Vec<Range<usize>> = (0..16).map(|page| page * PAGE + page..page * PAGE + page + 1).collect();
    punched(size, &one_on_each);
    let every_other: Vec<Range<usize>> = (0..16).step_by(2).map(|page| page * PAGE..page * PAGE + 1).collect();
    punched(size, &every_other);
}

#[test]
fn slabs_of_odd_sizes() {
    let _alone = alone();
    for size in [100, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 1, 2 * PAGE, 10_000, 100_001] {
        punched(size, &[0..1]);
        punched(size, &[size - 1..size]);
        punched(size, &[size / 2..size / 2 + 1]);
        punched(size, &[0..size]);
    }
}

#[test]
fn writable_room_is_live() {
    let _alone = alone();
    let pool = pool(16 * PAGE);
    let mut buffer = std::thread::scope(|scope| {
        let make = || {
            let mut buffer = pool.alloc(16 * PAGE);
            buffer.extend_from_slice(&[7; 16 * PAGE]);
            let mut rest = buffer.split_off(2 * PAGE);
            drop(buffer);
            let tail = rest.split_off(6 * PAGE);
            drop(tail);
            rest.truncate(1);
            rest
        };
        scope.spawn(make).join().unwrap()
    });
    // Bytes 2 to 8 pages into the slab are its room, of which one byte is filled.
    let outcome = pool.punch();
    assert_eq!((outcome.punched, outcome.given_back_bytes), (1, 10 * PAGE), "{outcome}");
    assert_eq!((buffer.len(), buffer.capacity()), (1, 6 * PAGE));
    buffer.resize(6 * PAGE, 9);
    assert!(buffer[0] == 7 && buffer[1..].iter().all(|&byte| byte == 9));
}

#[test]
fn what_is_not_known_is_not_punched() {
    let _alone = alone();
    let size = 4 * PAGE;
    let untracked = builder(size).tracking(Level::Off).build().unwrap();
    let slices = pinned(&untracked, 1, &[0..1]);
    let outcome = untracked.punch();
    assert_eq!((outcome.pinned_slabs, outcome.untracked, outcome.given_back_bytes), (1, 1, 0));
    check(1, &[0..1], &slices);

    // No slot for any handle: the ledger may not grow.
    let unlisted = builder(size).max_ledger_bytes(1).build().unwrap();
    let slices = pinned(&unlisted, 1, &[0..1]);
    let outcome = unlisted.punch();
    assert_eq!((outcome.pinned_slabs, outcome.untracked, outcome.given_back_bytes), (1, 1, 0), "{outcome}");
    check(1, &[0..1], &slices);

    let counted = builder(size).tracking(Level::Counters).build().unwrap();
    let slices = pinned(&counted, 1, &[0..1]);
    assert_eq!(counted.punch().given_back_bytes, 3 * PAGE, "which bytes are live is enough");
    drop(slices);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no thread is attached to a slab")]
fn an_attached_slab_is_left_alone() {
    let _alone = alone();
    let pool = pool(16 * PAGE);
    let slice = {
        let mut read = pool.alloc(16 * PAGE);
        read.resize(16 * PAGE, 3);
        read.freeze().slice(..1)
    };
    let outcome = pool.punch();
    assert_eq!((outcome.pinned_slabs, outcome.attached, outcome.punched), (1, 1, 0), "{outcome}");
    assert_eq!(slice, [3]);
}
