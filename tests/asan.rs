//! Under `--cfg bufslab_asan` and AddressSanitizer each of these faults ends its process with a report; `.ci/asan` runs them.
//!
//! Each fault is committed in a process of its own, which this test starts and reads the report of.
#![allow(missing_docs)]
#![cfg(bufslab_asan)]

use bufslab::{Buf, BufMut, Level, SlabBytes, SlabBytesMut, SlabPool};
use std::hint::black_box;
use std::process::Command;
use std::thread;

const FAULT: &str = "BUFSLAB_FAULT";
const SLAB: usize = 4096;

fn pool() -> SlabPool {
    SlabPool::builder().slab_size(SLAB).build().unwrap()
}

fn filled(pool: &SlabPool, n: usize) -> SlabBytesMut {
    let mut buffer = pool.alloc(n);
    buffer.put_bytes(7, n);
    buffer
}

fn frozen(pool: &SlabPool, n: usize) -> SlabBytes {
    filled(pool, n).freeze()
}

/// Reads through a pointer that nothing allows to be read through.
fn read(address: *const u8) {
    // SAFETY: none: that is the fault. The sanitizer ends the process before the read.
    black_box(unsafe { black_box(address).read_volatile() });
}

fn write(address: *const u8) {
    // SAFETY: none, as above.
    unsafe { black_box(address.cast_mut()).write_volatile(1) };
}

/// A pin and what it holds on to, for faults in a slab that is in use.
type Fault = (&'static str, fn(&SlabPool));

const FAULTS: &[Fault] = &[
    ("read of a dropped slice", |pool| {
        let (slice, _pin) = (frozen(pool, 100), frozen(pool, 8));
        let stale = slice.as_ptr();
        drop(slice);
        read(stale.wrapping_add(50));
    }),
    ("write into a dropped writer", |pool| {
        let (writer, _pin) = (filled(pool, 100), frozen(pool, 8));
        let stale = writer.as_ptr();
        drop(writer);
        write(stale);
    }),
    ("read one byte behind a slice, with a neighbour", |pool| {
        let (a, _b) = (frozen(pool, 96), frozen(pool, 96));
        read(a.as_ptr().wrapping_add(96));
    }),
    ("write one byte behind a writer of an odd length", |pool| {
        let (a, _b) = (filled(pool, 13), filled(pool, 13));
        write(a.as_ptr().wrapping_add(13));
    }),
    ("write into an idle slab", |pool| {
        let slices: Vec<SlabBytes> = (0..3).map(|_| frozen(pool, SLAB)).collect();
        let stale = slices[0].as_ptr();
        drop(slices);
        assert!(pool.stats().idle_bytes > 0);
        write(stale.wrapping_add(2000));
    }),
    ("read of a tail that was given back", |pool| {
        let mut writer = pool.alloc(1000);
        writer.put_bytes(7, 500);
        let slice = writer.freeze();
        read(slice.as_ptr().wrapping_add(500));
    }),
    ("read of a tail that could not be given back", |pool| {
        let mut writer = pool.alloc(1000);
        let _behind = frozen(pool, 8);
        writer.put_bytes(7, 500);
        let slice = writer.freeze();
        read(slice.as_ptr().wrapping_add(700));
    }),
    ("read of what is not cut yet", |pool| {
        let slice = frozen(pool, 100);
        read(slice.as_ptr().wrapping_add(SLAB - 1));
    }),
    ("read of a dropped request around a slice that is left", |pool| {
        let request = frozen(pool, 1000);
        let head = request.slice(200..220);
        let stale = request.as_ptr();
        drop(request);
        assert_eq!(head[..], [7; 20]);
        read(stale.wrapping_add(600));
    }),
    ("read of what a slice has advanced over", |pool| {
        let mut slice = frozen(pool, 100);
        let stale = slice.as_ptr();
        slice.advance(40);
        read(stale.wrapping_add(10));
    }),
    ("read of what a slice was truncated by", |pool| {
        let mut slice = frozen(pool, 100);
        slice.truncate(40);
        read(slice.as_ptr().wrapping_add(60));
    }),
    ("read of a dropped half", |pool| {
        let mut writer = filled(pool, 200);
        let half = writer.split_to(100);
        let stale = half.as_ptr();
        drop(half);
        read(stale.wrapping_add(50));
    }),
    ("read of the old place of a writer that grew", |pool| {
        let mut writer = filled(pool, 100);
        let (stale, _pin) = (writer.as_ptr(), frozen(pool, 8));
        writer.reserve(1000);
        read(stale);
    }),
    ("read of what another thread dropped", |pool| {
        let (writer, _pin) = (filled(pool, 100), frozen(pool, 8));
        let stale = writer.as_ptr();
        thread::spawn(move || drop(writer)).join().unwrap();
        read(stale);
    }),
    ("read of what was dropped in a slab that its owner left", |pool| {
        let giver = pool.clone();
        let (a, pin) = thread::spawn(move || (frozen(&giver, 100), frozen(&giver, 8))).join().unwrap();
        let (b, stale) = (a.clone(), a.as_ptr());
        drop(a);
        assert_eq!(b[..], [7; 100]);
        drop(b);
        assert_eq!(pin[..], [7; 8]);
        read(stale);
    }),
    ("read of a slab's life before", |pool| {
        let slice = frozen(pool, SLAB);
        let stale = slice.as_ptr();
        drop(slice);
        let next = frozen(pool, 100);
        assert_eq!(next.as_ptr(), stale, "reused in place");
        read(stale.wrapping_add(2000));
    }),
    ("read of an unlisted writer that was dropped", |_| {
        let pool = SlabPool::builder().slab_size(SLAB).tracking(Level::Off).build().unwrap();
        let (writer, _pin) = (filled(&pool, 100), frozen(&pool, 8));
        let stale = writer.as_ptr();
        drop(writer);
        read(stale);
    }),
];

/// Everything that is allowed: the sanitizer has nothing to say.
fn no_fault(pool: &SlabPool) {
    let mut kept = Vec::new();
    for n in 1..200 {
        let mut writer = pool.alloc(n);
        assert_eq!(writer.capacity(), n, "no red zone is shown");
        writer.put_bytes(7, n);
        let (half, rest) = (writer.split_to(n / 2), writer.freeze());
        kept.push(half.freeze());
        kept.push(rest.slice(rest.len() / 3..));
        if n % 3 == 0 {
            kept.swap_remove(n / 7);
        }
        assert!(kept.iter().all(|slice| slice.iter().all(|&byte| byte == 7)));
    }
    thread::spawn(move || drop(kept)).join().unwrap();
    assert_eq!(frozen(pool, SLAB)[..], [7; SLAB]);
}

/// Not a test of its own: what the processes below run.
#[test]
#[ignore = "run by the other with a fault named in the environment"]
fn fault() {
    let name = std::env::var(FAULT).expect("a fault");
    match FAULTS.iter().find(|fault| fault.0 == name) {
        Some((_, commit)) => commit(&pool()),
        None => no_fault(&pool()),
    }
}

/// Whether the process that commits a fault ended well, and what it said.
fn outcome(fault: &str) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fault", "--ignored", "--nocapture"])
        .env(FAULT, fault)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn each_fault_is_reported() {
    for (fault, _) in FAULTS {
        let (well, said) = outcome(fault);
        let reported = said.contains("ERROR: AddressSanitizer: use-after-poison");
        assert!(!well && reported, "{fault}: ended well: {well}\n{said}");
        println!("{fault}: use-after-poison");
    }
}

#[test]
fn what_is_allowed_is_not() {
    let (well, said) = outcome("none");
    assert!(well && !said.contains("AddressSanitizer"), "{said}");
}
