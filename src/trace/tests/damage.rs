//! Files that are no traces, and traces that no program leaves.

use super::random::{Random, trace};
use crate::trace::varint::{crc32, put};
use crate::trace::{AllocTrace, Op, Step};

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let sum = crc32(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    body
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let bytes = trace(1, 60).to_bytes().unwrap();
    for end in 0..bytes.len() {
        let error = AllocTrace::from_bytes(&bytes[..end]).unwrap_err();
        assert!(error.offset().is_some_and(|at| at <= bytes.len() as u64), "{end}: {error}");
    }
}

#[test]
fn a_bit_that_has_changed_is_noticed() {
    let bytes = trace(2, 40).to_bytes().unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        AllocTrace::from_bytes(&changed).unwrap_err();
    }
}

/// With a checksum that is right, so that the reader itself has to look.
#[test]
fn sealed_nonsense_is_an_error_or_a_sound_trace() {
    let bytes = trace(3, 60).to_bytes().unwrap();
    let mut random = Random(7);
    let (mut sound, mut refused) = (0, 0);
    for _ in 0..if cfg!(miri) { 30 } else { 20_000 } {
        let mut body = bytes[..bytes.len() - 4].to_vec();
        for _ in 0..1 + random.below(3) {
            let at = 9 + random.below(body.len() as u64 - 9) as usize;
            match random.below(3) {
                0 => drop(body.remove(at)),
                1 => body.insert(at, random.below(256) as u8),
                _ => body[at] = random.below(256) as u8,
            }
        }
        match AllocTrace::from_bytes(&sealed(body)) {
            Ok(trace) => {
                trace.check().unwrap();
                sound += 1;
            }
            Err(error) => {
                assert!(error.to_string().starts_with("byte "), "{error}");
                refused += 1;
            }
        }
    }
    assert!(sound > 0 && refused > 0, "{sound} sound, {refused} refused");
}

#[test]
fn counts_that_are_only_claimed_take_no_memory() {
    for claimed in [u64::from(u32::MAX), u64::MAX] {
        // One in 1, no allocations, no time, no threads, no slab size, no name; then so many sites.
        let mut body = [b"SLABTRCE".as_slice(), &[1, 0, 1, 0, 0, 0, 0, 0]].concat();
        put(&mut body, claimed);
        let error = AllocTrace::from_bytes(&sealed(body)).unwrap_err();
        assert_eq!(error.to_string(), format!("byte 16: the number of sites is {claimed}, and 0 bytes follow"));
    }
}

#[test]
fn errors_name_the_place_and_what_is_wrong() {
    let of = |bytes: &[u8]| AllocTrace::from_bytes(bytes).unwrap_err().to_string();
    assert_eq!(of(b""), "byte 0: not a trace: it does not begin with SLABTRCE");
    assert_eq!(of(b"SLABTRCE"), "byte 8: the file ends before its version");
    assert_eq!(of(b"SLABTRCE\x02more"), "byte 8: a trace of version 2; this reads version 1");
    let mut longer = trace(4, 10).to_bytes().unwrap();
    longer.truncate(longer.len() - 4);
    let end = longer.len();
    longer.push(0);
    assert_eq!(of(&sealed(longer)), format!("byte {end}: more bytes than the trace has"));
}

#[test]
fn steps_that_cannot_be() {
    let alloc = Op::Alloc { len: 100, site: 0, tag: 0 };
    let free = Op::Free { handle: 0 };
    let frozen = Op::Freeze { handle: 0, offset: 0, len: 50 };
    let derive = |offset, len| Op::Derive { parent: 0, offset, len, shared: true, site: 0, tag: 0 };
    let cases: [(&[Op], &str); 11] = [
        (&[free], "step 0: it names a handle that is not made yet"),
        (&[alloc, free, free], "step 2: it names a handle that was dropped"),
        (&[alloc, frozen, frozen], "step 2: it freezes a handle that is read-only already"),
        (
            &[alloc, Op::Freeze { handle: 0, offset: 51, len: 50 }],
            "step 1: it freezes bytes that the handle does not cover",
        ),
        (&[alloc, derive(51, 50)], "step 1: it makes a handle of bytes that the one it is made from does not cover"),
        (
            &[alloc, derive(u64::MAX, 2)],
            "step 1: it makes a handle of bytes that the one it is made from does not cover",
        ),
        (&[alloc, derive(0, 0)], "step 1: it makes a handle of no bytes, or of more than can be"),
        (
            &[Op::Alloc { len: u64::MAX, site: 0, tag: 0 }],
            "step 0: it makes a handle of no bytes, or of more than can be",
        ),
        (&[Op::Alloc { len: 1, site: 1, tag: 0 }], "step 0: it names a site or a tag that the trace does not have"),
        (&[alloc, Op::Tag { handle: 0, tag: 9 }], "step 1: it names a tag that the trace does not have"),
        (&[alloc, Op::Resize { handle: 0, offset: u64::MAX, len: 1 }], "step 1: it names more bytes than can be"),
    ];
    for (ops, message) in cases {
        let mut trace = AllocTrace { threads: 1, allocations: 9, ..AllocTrace::default() };
        let position = |at: usize| u64::from(at > 0);
        trace.steps =
            ops.iter().enumerate().map(|(at, &op)| Step { millis: 0, position: position(at), thread: 0, op }).collect();
        assert_eq!(trace.check().unwrap_err().to_string(), message);
        assert_eq!(trace.to_bytes().unwrap_err().to_string(), message);
    }
    let mut trace = AllocTrace { threads: 1, allocations: 1, ..AllocTrace::default() };
    trace.steps = vec![Step { millis: 0, position: 0, thread: 1, op: alloc }];
    assert_eq!(trace.check().unwrap_err().to_string(), "step 0: it names a thread that the trace does not have");
    trace.steps = vec![Step { millis: 0, position: 5, thread: 0, op: alloc }];
    assert_eq!(trace.check().unwrap_err().to_string(), "step 1: the steps have more allocations than the trace says");
    trace.tags.clear();
    assert_eq!(
        trace.check().unwrap_err().to_string(),
        "step 0: the lists of sites and tags begin with an empty name, for none"
    );
}
