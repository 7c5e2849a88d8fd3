//! `bufslab trace`.

use super::command::{folder, run, run_with_input};
use bufslab::trace::{AllocTrace, Op, Step};
use std::fs;

fn one_read() -> AllocTrace {
    let mut trace = AllocTrace::default();
    (trace.pool.name, trace.threads, trace.allocations) = (String::from("http\u{1b}[31m"), 1, 1);
    let op = Op::Alloc { len: 1500, site: 0, tag: 0 };
    trace.steps = vec![Step { millis: 0, position: 0, thread: 0, op }];
    trace
}

#[test]
fn a_file_or_standard_input_is_summed_up() {
    let path = folder("one_trace").join("one.slabtrace");
    fs::write(&path, one_read().to_bytes().unwrap()).unwrap();
    let out = run(["trace", path.to_str().unwrap()]).good().out;
    assert!(out.starts_with("pool http\\u{1b}[31m: 1 allocation in 0.0 s on 1 thread\n"), "{out}");
    assert_eq!(run_with_input(&["trace", "-"], &one_read().to_bytes().unwrap()).good().out, out);
}

#[test]
fn what_is_no_trace_is_refused_with_its_place() {
    let path = folder("cut_trace").join("cut.slabtrace");
    let bytes = one_read().to_bytes().unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    run(["trace", path.to_str().unwrap()]).refused("cut.slabtrace: byte ");
    run(["trace", "/no/such/file"]).refused("/no/such/file: ");
    run(["trace", "Cargo.toml"]).refused("Cargo.toml: byte 0: not a trace: it does not begin with SLABTRCE");
}
