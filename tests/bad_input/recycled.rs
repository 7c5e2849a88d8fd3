//! What recycled memory held before cannot be read through safe code.

use bufslab::{BufMut, SlabBytes, SlabBytesMut, SlabPool};
use std::thread;

const SLAB: usize = 256;
const CANARY: u8 = 0xC5;

/// Fills slabs of the pool with the canary and drops them, so that all memory it has was written to. Here, so that they are
/// reused in place, and elsewhere, so that they come from the depot.
fn sow(pool: &SlabPool) {
    let fill = |pool: &SlabPool| -> Vec<SlabBytes> {
        let full = |_| {
            let mut buffer = pool.alloc(SLAB);
            buffer.put_bytes(CANARY, SLAB);
            buffer.freeze()
        };
        (0..4).map(full).collect()
    };
    drop(fill(pool));
    let pool = pool.clone();
    thread::spawn(move || drop(fill(&pool))).join().unwrap();
}

/// Uses every safe way to get at bytes, and sees only what was written.
fn reap(pool: &SlabPool) {
    let clean = |bytes: &[u8]| assert!(!bytes.contains(&CANARY), "old bytes: {bytes:x?}");
    let fresh = |n| {
        let buffer: SlabBytesMut = pool.alloc(n);
        assert_eq!((buffer.len(), &buffer[..]), (0, &[][..]));
        buffer
    };
    let mut buffer = fresh(SLAB);
    buffer.resize(SLAB, 1);
    assert_eq!(buffer[..], [1; SLAB]);

    let mut buffer = fresh(SLAB);
    buffer.put_u8(2);
    buffer.reserve(3 * SLAB);
    clean(&buffer);
    assert_eq!(buffer.split()[..], [2]);
    clean(&buffer);
    let mut tail = buffer.split_off(SLAB);
    clean(&tail);
    tail.extend_from_slice(&[3; 10]);
    assert_eq!(tail[..], [3; 10]);
    assert_eq!(buffer.freeze()[..], [0_u8; 0]);
    tail.truncate(4);
    tail.resize(9, 4);
    assert_eq!(tail[..], [3, 3, 3, 3, 4, 4, 4, 4, 4], "not even its own that were cut off");
    tail.clear();
    tail.resize(3, 0);
    assert_eq!(tail.freeze()[..], [0; 3]);

    let mut buffer = fresh(SLAB / 2);
    buffer.put_slice(b"abc");
    buffer.extend_from_within(1..);
    assert_eq!(buffer.clone()[..], *b"abcbc");
    let mut both = fresh(10);
    both.put_slice(b"x");
    both.unsplit(buffer);
    clean(&both);
    let mut bytes = both.freeze();
    assert_eq!(bytes, "xabcbc");
    clean(&bytes.split_off(2).try_into_mut().map(|m| m.to_vec()).unwrap());
    let mut again = bytes.try_into_mut().unwrap();
    again.resize(SLAB + 7, 5);
    clean(&again);
    let shown = [format!("{again:?}"), format!("{:?}", again.freeze())].concat();
    assert!(!shown.contains("\\xc5"), "{shown}");
}

#[test]
fn through_safe_code_only_what_was_written_is_seen() {
    for zero in [false, true] {
        let pool = SlabPool::builder().slab_size(SLAB).zero_on_recycle(zero).build().unwrap();
        for _ in 0..3 {
            sow(&pool);
            reap(&pool);
        }
        let stats = pool.stats();
        let reused = stats.slabs_reused_in_place > 0 && stats.slabs_reused > 0;
        assert!(reused != cfg!(bufslab_one_each), "memory was not used again: {stats:?}");
    }
    // And in the global pool, where the constructors without a pool are at home.
    sow(SlabPool::global());
    assert_eq!(SlabBytesMut::zeroed(1000)[..], [0; 1000]);
    assert_eq!(SlabBytesMut::with_capacity(1000).len(), 0);
}

#[test]
fn no_output_holds_a_byte_of_payload() {
    let pool = SlabPool::builder().name("quiet").slab_size(SLAB).build().unwrap();
    let mut buffer = pool.alloc(100).tag("named");
    buffer.put_slice(b"Authorization");
    let kept = buffer.split_to(6).freeze();
    let report = pool.report();
    for shown in
        [format!("{report}"), format!("{report:#}"), format!("{report:?}"), report.to_json(), format!("{pool:?}")]
    {
        assert!(shown.contains("quiet"), "it is about this pool: {shown}");
        assert!(!shown.contains("Author") && !shown.contains("ization"), "{shown}");
    }
    drop((kept, buffer));
}

/// The room of a buffer, which must have been written before.
///
/// # Safety
///
/// All of the room is initialised.
unsafe fn room(buffer: &mut SlabBytesMut) -> Vec<u8> {
    // SAFETY: the caller's promise.
    buffer.spare_capacity_mut().iter().map(|byte| unsafe { byte.assume_init() }).collect()
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn zero_on_recycle_zeroes_and_its_absence_does_not() {
    for zero in [true, false] {
        let pool = SlabPool::builder().slab_size(SLAB).zero_on_recycle(zero).build().unwrap();
        let expected = [if zero { 0 } else { CANARY }; SLAB];
        // In place.
        let frozen = filled(&pool).freeze();
        let before = frozen.as_ptr();
        drop(frozen);
        let mut again = pool.alloc(SLAB);
        assert_eq!((again.as_ptr(), pool.stats().slabs_reused_in_place), (before, 1), "the same memory");
        // SAFETY: it was filled by the buffer before.
        assert_eq!(unsafe { room(&mut again) }, expected, "in place, zero_on_recycle({zero})");
        again.put_bytes(CANARY, SLAB);

        // Through this thread's magazine: three full slabs, the first of which is detached by then.
        let first = again.freeze();
        let before = first.as_ptr();
        let _others: Vec<SlabBytes> = (0..2).map(|_| filled(&pool).freeze()).collect();
        drop(first);
        assert!(pool.stats().idle_bytes > 0);
        let mut again = pool.alloc(SLAB);
        assert_eq!((again.as_ptr(), pool.stats().slabs_reused), (before, 1), "the same memory");
        // SAFETY: as above.
        assert_eq!(unsafe { room(&mut again) }, expected, "idle, zero_on_recycle({zero})");

        // Through the depot, from a thread that died.
        let giver = pool.clone();
        let before = thread::spawn(move || filled(&giver).as_ptr().addr()).join().unwrap();
        let taker = pool.clone();
        let depot = thread::spawn(move || {
            let mut again = taker.alloc(SLAB);
            assert_eq!(again.as_ptr().addr(), before, "the same memory");
            // SAFETY: as above.
            unsafe { room(&mut again) }
        });
        assert_eq!(depot.join().unwrap(), expected, "from the depot, zero_on_recycle({zero})");
    }
}

fn filled(pool: &SlabPool) -> SlabBytesMut {
    let mut buffer = pool.alloc(SLAB);
    buffer.put_bytes(CANARY, SLAB);
    buffer
}
