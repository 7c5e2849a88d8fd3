//! Every way for a marked handle to go away, on the thread that made it.

use crate::allocator::freed_secrets;
use crate::{SECRET, SLAB, assert_handed_out_clean, pool, secret, shows_secret};
use bufslab::{Buf, BufMut, CompactPolicy, Level, SlabBytes, SlabBytesMut, SlabPool};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// One way: it leaves no handle behind.
type Way = (&'static str, fn(&SlabPool));

/// Ways in which it is always known that nobody else holds the bytes: they are overwritten at once.
const AT_ONCE: &[Way] = &[
    ("a writer", |pool| drop(secret(pool, 100, 60))),
    ("a writer that skipped and cut off", |pool| {
        let mut writer = secret(pool, 100, 60);
        writer.advance(20);
        writer.truncate(10);
    }),
    ("a writer that was cleared and frozen", |pool| {
        let mut writer = secret(pool, 100, 60);
        writer.clear();
        assert!(writer.freeze().is_empty());
    }),
    ("what freezing leaves over, in front and behind", |pool| {
        let mut writer = secret(pool, 100, 60);
        writer.advance(20);
        writer.truncate(10);
        let behind = pool.alloc(10);
        let frozen = writer.freeze();
        assert_eq!(frozen[..], [SECRET; 10]);
        drop((behind, frozen));
    }),
    ("parts of a writer", |pool| {
        for order in 0..6 {
            let mut b = secret(pool, 90, 90);
            let a = b.split_to(30);
            let c = b.split_off(30);
            drop_in_order([a, b, c], order);
        }
    }),
    ("parts of a writer, joined", |pool| {
        let mut a = secret(pool, 90, 90);
        let b = a.split_off(40);
        a.unsplit(b);
        assert_eq!((a.len(), a.is_zeroed_on_drop()), (90, true));
    }),
    ("a writer that grows elsewhere", |pool| {
        let mut a = secret(pool, 50, 50);
        let between = pool.alloc(1);
        a.reserve(200);
        assert!(a.is_zeroed_on_drop());
        a.put_bytes(SECRET, 100);
        drop(between);
    }),
    ("a writer that grows in place", |pool| {
        let mut a = secret(pool, 50, 50);
        a.put_bytes(SECRET, 100);
    }),
    ("a writer that grows into a slab of its own", |pool| {
        let mut a = secret(pool, 50, 50);
        a.put_bytes(SECRET, 3 * SLAB);
        drop(a.freeze());
    }),
    ("a writer that slides to its front", |pool| {
        let mut a = secret(pool, 60, 60);
        a.advance(50);
        a.reserve(40);
    }),
    ("a copy of a writer", |pool| {
        let a = secret(pool, 60, 60);
        assert!(a.clone().is_zeroed_on_drop());
    }),
    ("a writer that was empty when it was marked", |pool| {
        let mut a = pool.alloc(0).zero_on_drop();
        assert!(a.is_zeroed_on_drop());
        a.put_bytes(SECRET, 100);
        let mut b = a.split();
        assert!(a.is_zeroed_on_drop() && b.is_zeroed_on_drop());
        a.put_bytes(SECRET, 50);
        b.unsplit(a);
    }),
    ("a slice that was never shared", |pool| {
        let mut a = secret(pool, 60, 60).freeze();
        a.advance(10);
        a.truncate(40);
        let mut b = a.split_to(10);
        let c = a.split_off(10);
        b.clear();
        drop((c, a));
    }),
    ("a slice that is written to again", |pool| {
        // A copy, where there are no slots to tell that it is the only one.
        let mut a = SlabBytesMut::from(secret(pool, 60, 60).freeze());
        assert!(a.is_zeroed_on_drop());
        a.put_bytes(SECRET, 100);
    }),
    ("a detached copy", |pool| {
        let kept = secret(pool, 60, 60).freeze().compact();
        assert!(kept.is_zeroed_on_drop() && kept.is_compact());
        let (a, b) = (kept.clone(), kept.slice(3..20));
        assert!(a.is_zeroed_on_drop() && b.is_zeroed_on_drop());
        drop((kept, b));
        let mut writable = a.try_into_mut().unwrap();
        assert!(writable.is_zeroed_on_drop());
        writable.put_bytes(SECRET, 60);
    }),
    ("a retained copy", |pool| drop(secret(pool, 20, 20).freeze().retain_as("kept"))),
    ("a parked slice", |pool| {
        let parked = secret(pool, 60, 60).freeze().park("kept");
        let policy = CompactPolicy::new().older_than(Duration::ZERO);
        assert_eq!(pool.compact(&policy).slices, 0, "a copy of a secret");
        assert_eq!(parked.get()[..], [SECRET; 60]);
        assert!(parked.unpark().is_zeroed_on_drop());
        drop(secret(pool, 60, 60).freeze().park("kept"));
    }),
    ("a vector that was taken over", |_| {
        let slice = SlabBytes::from(vec![SECRET; 100]).zero_on_drop();
        drop(slice.slice(10..20));
    }),
    ("a vector that comes out again", |pool| {
        let mut slice = SlabBytes::from(vec![SECRET; 100]).zero_on_drop();
        slice.advance(60);
        let mut vec = Vec::from(slice);
        assert_eq!(vec, [SECRET; 40]);
        // From here on it is the program's. What is behind the bytes is not: the allocator would see it.
        vec.fill(0);
        let mut vec = Vec::from(secret(pool, 50, 50));
        vec.fill(0);
    }),
    ("`Bytes` of any size", |pool| {
        for n in [1, 100, SLAB, 3000] {
            let exported = Bytes::from(secret(pool, n, n));
            let parts = (exported.slice(..n / 2), exported.clone());
            drop(exported);
            drop(parts);
            drop(Bytes::from(secret(pool, n, n).freeze().compact()));
            drop(Bytes::from(SlabBytes::from(vec![SECRET; n]).zero_on_drop()));
        }
    }),
    ("`Bytes` that come back", |pool| {
        let back = SlabBytes::from(Bytes::from(secret(pool, 100, 100)));
        assert_eq!(back[..], [SECRET; 100]);
    }),
    ("`copy_to_bytes`", |pool| drop(secret(pool, 100, 100).freeze().copy_to_bytes(50))),
    ("a writer that takes a secret in", |pool| {
        let mut a = pool.alloc(200);
        a.put_bytes(1, 10);
        a.unsplit(secret(pool, 60, 60));
        assert!(a.is_zeroed_on_drop());
        let mut b = pool.alloc(200);
        b.put_bytes(1, 10);
        b.extend([secret(pool, 60, 60).freeze()]);
        assert!(b.is_zeroed_on_drop());
        let mut c = pool.alloc(200);
        c.unsplit(secret(pool, 60, 60));
        assert!(c.is_zeroed_on_drop());
        let mut d = pool.alloc(100).zero_on_drop();
        d.unsplit(pool.alloc(10));
        assert!(d.is_zeroed_on_drop());
    }),
    ("the other half of an unmarked writer", |pool| {
        let mut a = pool.alloc(100);
        a.put_bytes(1, 50);
        let mut b = a.split_off(50).zero_on_drop();
        b.put_bytes(SECRET, 50);
        assert!(!a.is_zeroed_on_drop());
        a.unsplit(b);
        assert!(a.is_zeroed_on_drop());
        let b = a.split_off(50);
        drop(a);
        drop(b);
    }),
    ("a panic", |pool| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let writer = secret(pool, 60, 60);
            let _slice = secret(pool, 60, 60).freeze();
            std::panic::resume_unwind(Box::new(writer.len()));
        }));
        assert!(panicked.is_err());
    }),
    ("an iterator", |pool| {
        let mut bytes = secret(pool, 60, 60).into_iter();
        assert_eq!(bytes.next(), Some(SECRET));
    }),
];

/// Ways in which handles overlap while they go: at the latest when the slab is handed on, nothing is left.
const AT_THE_LATEST: &[Way] = &[
    ("clones and slices, in any order", |pool| {
        for order in 0..6 {
            let a = secret(pool, 90, 90).freeze();
            let (b, c) = (a.clone(), a.slice(20..70));
            drop_in_order([a, b, c], order);
        }
    }),
    ("a clone that gives up parts", |pool| {
        let mut a = secret(pool, 90, 90).freeze();
        let mut b = a.slice(20..70);
        a.advance(40);
        b.truncate(10);
        a.truncate(5);
        drop(a.split_to(2));
    }),
    ("a slice that was marked too late", |pool| {
        let mut writer = pool.alloc(60);
        writer.put_bytes(SECRET, 60);
        let unmarked = writer.freeze();
        drop(unmarked.clone().zero_on_drop());
        assert!(!unmarked.is_zeroed_on_drop());
        // Nor is the slab asked when a writer gives its room back.
        if let Ok(writer) = unmarked.try_into_mut() {
            assert!(writer.is_zeroed_on_drop(), "its memory is marked");
        }
        assert!(!shows_secret(&mut pool.alloc(60)), "room that was given back");
    }),
    ("an unmarked clone that lives longer", |pool| {
        let mut writer = pool.alloc(60);
        writer.put_bytes(SECRET, 60);
        let unmarked = writer.freeze();
        drop(unmarked.clone().zero_on_drop());
        drop(unmarked);
    }),
    ("a copy that was marked too late", |_| {
        let unmarked = SlabBytes::copy_from_slice(&[SECRET; 60]);
        drop(unmarked.clone().zero_on_drop());
        drop(unmarked);
    }),
    ("a half that its sibling takes back", |pool| {
        let mut a = pool.alloc(100);
        a.put_bytes(1, 20);
        let mut b = a.split_off(20).zero_on_drop();
        b.put_bytes(SECRET, 80);
        let b = b.freeze();
        drop((b.slice(1..), b));
        // Room that `b` left, whether it overwrote it or its slab is flagged.
        a.reserve(80);
        assert!(!shows_secret(&mut a), "room that was taken back");
    }),
];

fn drop_in_order<T>(handles: [T; 3], order: usize) {
    let mut handles: Vec<T> = handles.into();
    drop(handles.swap_remove(order % 3));
    drop(handles.swap_remove(order / 3));
}

#[test]
fn every_way_to_go() {
    for level in [Level::Sites, Level::Counters, Level::Off] {
        for (at_once, ways) in [(true, AT_ONCE), (false, AT_THE_LATEST)] {
            for (name, way) in ways {
                let (pool, arena) = pool(level);
                // Something that keeps the slab from being handed on, and the drops from being the last.
                let mut pin = pool.alloc(8);
                pin.put_bytes(1, 8);
                way(&pool);
                if at_once && level != Level::Off {
                    assert_eq!(arena.secrets(), 0, "{name} at {level}: not at once");
                }
                assert_eq!(pin[..], [1; 8], "{name}: somebody else's bytes");
                drop(pin);
                assert_handed_out_clean(&pool);
                drop(pool);
                assert_eq!((arena.out(), arena.secrets()), (0, 0), "{name} at {level}: given back with a secret");
                assert_eq!(freed_secrets(), 0, "{name} at {level}: freed with a secret");
            }
        }
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn the_arena_sees_what_is_not_marked() {
    let (pool, arena) = pool(Level::Sites);
    let mut writer = pool.alloc(60);
    writer.put_bytes(SECRET, 60);
    drop(writer);
    assert_eq!(arena.secrets(), if cfg!(bufslab_asan) { 0 } else { 60 });
    assert!(shows_secret(&mut pool.alloc(60)), "and so does who is handed it");
    drop(pool);
    assert_eq!((arena.out(), arena.secrets()), (0, 60));
}

/// What nobody reads again in one life of a slab is left as it was by `zero_on_recycle`, and is overwritten by the mark.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no memory is used again")]
fn together_with_zero_on_recycle() {
    for marked in [false, true] {
        let arena = crate::Arena::default();
        let builder = SlabPool::builder().slab_size(SLAB).zero_on_recycle(true).source(arena.clone());
        let pool = builder.build().unwrap();
        let pin = pool.alloc(8);
        let fill = || {
            let mut writer = if marked { pool.alloc(60).zero_on_drop() } else { pool.alloc(60) };
            writer.put_bytes(SECRET, 60);
            writer
        };
        drop(fill());
        assert_eq!(shows_secret(&mut pool.alloc(60)), !marked, "room that was given back within one life");
        let kept = fill().freeze();
        drop((kept, pin));
        assert_handed_out_clean(&pool);
        drop(pool);
        assert_eq!(arena.secrets(), 0);
    }
}

#[test]
fn what_cannot_be_overwritten_is_not_marked() {
    assert!(!SlabBytes::new().zero_on_drop().is_zeroed_on_drop());
    assert!(!SlabBytes::from_static(b"for ever").zero_on_drop().is_zeroed_on_drop());
    assert!(!SlabBytes::from_owner([7; 20]).zero_on_drop().is_zeroed_on_drop());
    assert!(!SlabBytes::from(Bytes::from_static(b"counted elsewhere")).zero_on_drop().is_zeroed_on_drop());
    assert!(SlabBytesMut::new().zero_on_drop().is_zeroed_on_drop(), "it remembers");
    let theirs = Bytes::from(vec![7; 100]);
    let adopted = SlabPool::new().adopt(theirs.clone(), 100, "theirs").zero_on_drop();
    assert!(!adopted.is_zeroed_on_drop(), "listed, and somebody else's");
    drop(adopted);
    assert_eq!(theirs[..], [7; 100]);
    assert!(SlabBytes::from(vec![1]).zero_on_drop().is_zeroed_on_drop());
}
