//! The traces in `traces/`, or in the folder that `BUFSLAB_TRACES` names, are what their servers do.
#![allow(missing_docs)]
#![cfg(not(miri))]

use bufslab::trace::{AllocTrace, LifetimeClass, Op, TraceSummary};
use std::path::PathBuf;

/// Larger files do not belong into a repository.
const MOST_BYTES: usize = 150_000;

fn shipped(name: &str) -> (AllocTrace, TraceSummary) {
    let folder = std::env::var_os("BUFSLAB_TRACES").map_or_else(|| PathBuf::from("traces"), PathBuf::from);
    let bytes = std::fs::read(folder.join(name).with_extension("slabtrace")).unwrap();
    assert!(bytes.len() < MOST_BYTES, "{name}: {} bytes", bytes.len());
    let trace = AllocTrace::from_bytes(&bytes).unwrap();
    assert_eq!((trace.one_in, trace.is_cut_short), (1, false), "{name}");
    let text = String::from_utf8_lossy(&bytes);
    let sent = ["HTTP/1.1", "hello from", "files-0.example", "0-0000000000000000", "application/octet-stream"];
    assert!(!sent.iter().any(|sent| text.contains(sent)), "{name} holds what was sent");
    let summary = trace.summary();
    (trace, summary)
}

/// The thread that each handle was made on and the one that it was dropped on.
fn moved(trace: &AllocTrace) -> (usize, usize) {
    let (mut made, mut elsewhere, mut dropped) = (Vec::new(), 0, 0);
    for step in &trace.steps {
        match step.op {
            Op::Alloc { .. } | Op::Derive { .. } => made.push(step.thread),
            Op::Free { handle } => {
                dropped += 1;
                elsewhere += usize::from(made[handle as usize] != step.thread);
            }
            _ => {}
        }
    }
    (elsewhere, dropped)
}

#[test]
fn the_upgrade_leak_keeps_every_head() {
    let (trace, summary) = shipped("node_upgrade");
    assert_eq!(trace.pool.slab_size, 10 << 20);
    let heads = summary.by_tag["req.head"];
    assert!(heads.count >= 10 && heads.kept == heads.count, "{heads:?}");
    assert!(heads.bytes <= 21 * heads.count, "{heads:?}");
    // What the uploads filled goes at once, nearly all of it.
    let kept = summary.lifetimes[&LifetimeClass::ToTheEnd];
    assert!(kept.bytes < summary.recorded.bytes / 100, "{summary}");
    assert!(summary.recorded.bytes > 10 << 20, "no slab of Node's turned over: {summary}");
}

#[test]
fn the_echo_server_splits_and_keeps_some() {
    let (_, summary) = shipped("echo");
    let handles: u64 = summary.by_tag.values().map(|share| share.count).sum();
    let reads = summary.recorded.count;
    assert!(reads > 100 && handles > 2 * reads, "messages are split off: {summary}");
    let history = summary.by_tag["echo.history"];
    assert!(history.count > 20 && history.count < handles / 10, "{summary}");
}

#[test]
fn the_upload_server_retains_sessions_and_drops_bodies() {
    let (trace, summary) = shipped("upload");
    let sessions = summary.by_tag["upload.session"].count;
    let retained = trace.steps.iter().filter(|step| matches!(step.op, Op::Retain { .. })).count() as u64;
    assert_eq!((summary.by_tag["upload.host"].count, retained), (sessions, sessions));
    assert!(sessions > 50 && summary.recorded.count > 5 * sessions, "{summary}");
    // Several uploads at a time: what one allocates the other sees as time.
    let soon = |class: &LifetimeClass| *class <= LifetimeClass::Within(256 << 10);
    let short: u64 = summary.lifetimes.iter().filter(|(class, _)| soon(class)).map(|(_, share)| share.count).sum();
    assert!(short > summary.recorded.count / 2, "{summary}");
}

#[test]
fn the_proxy_drops_on_other_threads() {
    let (trace, summary) = shipped("proxy");
    let (elsewhere, dropped) = moved(&trace);
    assert!(elsewhere * 10 > dropped * 9, "{elsewhere} of {dropped}");
    assert!(summary.by_tag["proxy.queued"].count > summary.recorded.count * 9 / 10, "{summary}");
    assert!(trace.threads >= 4, "{summary}");
}
