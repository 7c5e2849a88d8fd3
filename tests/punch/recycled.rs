//! A slab that was punched is used again like any other, and last.

use super::support::{PAGE, alone, builder, check, pages_of, pinned};
use bufslab::{Reuse, SlabBytes};

const SIZE: usize = 8 * PAGE;

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn a_punched_slab_is_used_again_last() {
    let _alone = alone();
    let pool = builder(SIZE).build().unwrap();
    let first = &[0..1];
    let punched = pinned(&pool, 1, first);
    assert_eq!(pool.punch().punched, 1);
    let whole = pinned(&pool, 2, first);
    let (punched_at, whole_at) = (punched[0].as_ptr().addr(), whole[0].as_ptr().addr());
    // Emptied last, it would be the hottest one.
    drop(whole);
    drop(punched);
    assert_eq!(pool.stats().idle_bytes, 2 * SIZE);
    let again = pinned(&pool, 3, first);
    assert_eq!(again[0].as_ptr().addr(), whole_at);
    let and_again = pinned(&pool, 4, first);
    assert_eq!(and_again[0].as_ptr().addr(), punched_at);
    assert_eq!(pool.stats().slabs_taken, 2);
    // In its new life it is a slab like any other.
    drop(and_again);
    drop(again);
    let third = pinned(&pool, 5, first);
    assert_eq!(third[0].as_ptr().addr(), whole_at, "the one emptied last");
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn a_punched_slab_stays_out_of_magazines() {
    let _alone = alone();
    let pool = builder(SIZE).build().unwrap();
    let mine = pool.alloc(10); // This thread has a magazine now.
    let punched = pinned(&pool, 1, &[0..1]);
    let whole = pinned(&pool, 2, &[0..1]);
    assert_eq!(pool.punch().punched, 2);
    let punched_at = punched[0].as_ptr().addr();
    drop(punched);
    // In a magazine of this thread, another one would not find it.
    let found = pinned(&pool, 3, &[0..1]);
    assert_eq!(found[0].as_ptr().addr(), punched_at);
    drop((mine, whole));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn it_is_filled_again_around_its_pins() {
    let _alone = alone();
    let pool = builder(SIZE).reuse(Reuse::AroundThePin).build().unwrap();
    let ranges = [0..1, 3 * PAGE..3 * PAGE + 9, SIZE - 1..SIZE];
    let kept = pinned(&pool, 1, &ranges);
    let outcome = pool.punch();
    assert_eq!((outcome.punched, outcome.given_back_bytes), (1, 5 * PAGE));
    // A pool does not look for room between slices each time.
    let mut more: Vec<SlabBytes> = Vec::new();
    while pool.stats().slabs_reused_around == 0 || more.len() < 20 {
        let mut read = pool.alloc(PAGE);
        read.resize(PAGE, more.len() as u8 + 1);
        more.push(read.freeze());
        assert!(more.len() < 200, "there is room between the slices");
    }
    for (i, slice) in more.iter().enumerate() {
        assert!(slice.iter().all(|&byte| usize::from(byte) == i + 1));
    }
    check(1, &ranges, &kept);
    assert!(pages_of(&kept[0], 0, SIZE).into_iter().filter(|&page| page).count() > 3);
}

#[test]
fn zero_on_recycle_holds_for_punched_slabs() {
    let _alone = alone();
    let pool = builder(SIZE).zero_on_recycle(true).build().unwrap();
    drop({
        let slices = pinned(&pool, 1, &[5..9]);
        assert_eq!(pool.punch().punched, 1);
        slices
    });
    let mut buffer = pool.alloc(SIZE);
    let spare = buffer.spare_capacity_mut();
    assert_eq!(spare.len(), SIZE);
    // SAFETY: the slab was overwritten with zeros, all of which are initialised.
    assert!(spare.iter().all(|byte| unsafe { byte.assume_init() } == 0));
}
