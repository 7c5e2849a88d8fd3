use super::random::trace;
use crate::trace::{AllocTrace, Op, Step};

const TRACES: u64 = if cfg!(miri) { 3 } else { 300 };

#[test]
fn what_was_written_is_read() {
    for seed in 0..TRACES {
        let trace = trace(seed, 200);
        trace.check().unwrap();
        let bytes = trace.to_bytes().unwrap();
        assert_eq!(AllocTrace::from_bytes(&bytes).unwrap(), trace, "seed {seed}");
        assert_eq!(AllocTrace::read_from(&bytes[..]).unwrap(), trace);
        let mut written = Vec::new();
        trace.write_to(&mut written).unwrap();
        assert_eq!(written, bytes);
    }
}

/// A read that is sliced once: what most of a server's steps are.
#[test]
fn a_read_takes_a_few_bytes_a_step() {
    let mut trace = AllocTrace { threads: 1, ..AllocTrace::default() };
    for read in 0..1000u32 {
        let made = [
            Op::Alloc { len: 4096, site: 0, tag: 0 },
            Op::Freeze { handle: 2 * read, offset: 0, len: 1500 },
            Op::Derive { parent: 2 * read, offset: 20, len: 100, shared: true, site: 0, tag: 0 },
            Op::Free { handle: 2 * read },
            Op::Free { handle: 2 * read + 1 },
        ];
        for op in made {
            let position = u64::from(read) + u64::from(!matches!(op, Op::Alloc { .. }));
            trace.steps.push(Step { millis: 0, position, thread: 0, op });
        }
    }
    trace.allocations = 1000;
    let bytes = trace.to_bytes().unwrap();
    assert_eq!(AllocTrace::from_bytes(&bytes).unwrap(), trace);
    // 3 + 4 + 4 + 1 + 1 bytes for five steps.
    assert!(bytes.len() < 13 * 1000 + 100, "{} bytes", bytes.len());
}

/// The example of `docs::traces`.
#[test]
fn the_documented_bytes_are_those() {
    let chapter = include_str!("../../docs/traces.md");
    let dump = chapter.split("```hex\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a dump");
    let hex = dump.lines().flat_map(|line| line.split("  ").next().unwrap_or("").split_whitespace());
    let bytes: Vec<u8> = hex.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let mut trace = AllocTrace { threads: 1, allocations: 1, millis: 10, ..AllocTrace::default() };
    trace.pool.name = String::from("http");
    trace.pool.slab_size = 65_536;
    trace.sites.push(String::from("a.rs:1:1"));
    trace.tags.push(String::from("head"));
    let step = |millis, position, op| Step { millis, position, thread: 0, op };
    trace.steps = vec![
        step(0, 0, Op::Alloc { len: 4096, site: 1, tag: 0 }),
        step(0, 1, Op::Freeze { handle: 0, offset: 0, len: 1500 }),
        step(0, 1, Op::Derive { parent: 0, offset: 4, len: 20, shared: true, site: 1, tag: 1 }),
        step(10, 1, Op::Free { handle: 0 }),
    ];
    let written = trace.to_bytes().unwrap();
    let written_hex: Vec<String> = written.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bytes, written, "{}", written_hex.join(" "));
    assert_eq!(AllocTrace::from_bytes(&bytes).unwrap(), trace);
}
