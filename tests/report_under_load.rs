//! Reports taken while other threads allocate, clone, send and drop: each is consistent in itself, and nobody is stopped.
#![allow(missing_docs)]

use bufslab::{PinReport, SlabBytes, SlabPool};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

#[path = "common/stop.rs"]
mod stop;
use stop::Stop;

const SLAB: usize = 4096;
const ROUNDS: u64 = if cfg!(miri) { 50 } else { 60_000 };
const REPORTS: usize = if cfg!(miri) { 3 } else { 50 };

/// Sums that hold in every report, whatever moves meanwhile.
fn check(report: &PinReport) {
    let totals = &report.totals;
    assert_eq!(totals.pinned_bytes, totals.live_bytes + totals.waste_bytes);
    assert_eq!(totals.slabs, report.slabs.len());
    assert_eq!(totals.pinned_bytes, report.slabs.iter().map(|slab| slab.size).sum::<usize>());
    let tables = [&report.by_tag, &report.by_site, &report.by_scope, &report.by_scope_kind, &report.by_thread];
    for groups in tables {
        assert_eq!(groups.iter().map(|group| group.amortised_bytes).sum::<usize>(), totals.pinned_bytes);
    }
    let ids: BTreeSet<u64> = report.slabs.iter().map(|slab| slab.id).collect();
    assert_eq!(ids.len(), report.slabs.len(), "a slab is listed twice");
    for slab in &report.slabs {
        // A slice that was listed twice would be one more than there are handles.
        assert_eq!(slab.handles.abs_diff(slab.slices.len() + slab.untracked), slab.in_motion);
        assert!(slab.live_bytes <= slab.size, "{slab:?}");
        assert_eq!(slab.live_bytes + slab.waste_bytes, slab.size);
        for slice in &slab.slices {
            assert!(slice.len > 0 && slice.offset + slice.len <= slab.size, "{slice:?} in {} bytes", slab.size);
            let tag = slice.tag.map(|tag| tag.name());
            assert!(matches!(tag, None | Some("kept" | "sent")), "a tag from nowhere: {tag:?}");
            let scope = slice.scope.map(|scope| (scope.kind().name(), scope.id()));
            assert!(matches!(scope, None | Some(("session", 0..8))), "a scope from nowhere: {scope:?}");
            let hint = slice.last_hint.map(|hint| hint.name());
            assert!(matches!(hint, None | Some("queued")), "a hint from nowhere: {hint:?}");
        }
    }
    assert_eq!(totals.clipped, 0, "a slice beyond its slab");
}

fn one_thread(pool: &SlabPool, done: &AtomicU64, out: &mpsc::SyncSender<SlabBytes>) {
    let mut kept: Vec<SlabBytes> = Vec::new();
    for round in 0..ROUNDS {
        let size = 1 + (round as usize * 37) % 700;
        let _session = (round % 3 == 0).then(|| pool.scope("session", round % 8));
        let mut buffer = pool.alloc(size);
        buffer.resize(size, round as u8);
        let whole = buffer.freeze();
        if round % 7 == 0 {
            kept.push(whole.slice(size / 2..).tag("kept"));
        }
        if round % 11 == 0 {
            let sent = whole.clone().tag("sent");
            sent.touch("queued");
            let _ = out.send(sent);
        }
        if kept.len() > 40 {
            kept.swap_remove(round as usize % 40);
        }
    }
    done.fetch_add(1, Ordering::Release);
}

#[test]
fn every_report_is_consistent_while_slices_come_and_go() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let done = AtomicU64::new(0);
    let (out, inbox) = mpsc::sync_channel(64);
    let mut reports = 0;
    thread::scope(|scope| {
        for _ in 0..2 {
            let (pool, done, out) = (pool.clone(), &done, out.clone());
            scope.spawn(move || one_thread(&pool, done, &out));
        }
        drop(out);
        scope.spawn(move || inbox.into_iter().for_each(drop));
        while done.load(Ordering::Acquire) < 2 || reports < REPORTS {
            check(&pool.report());
            reports += 1;
        }
    });
    println!("{reports} reports, {:?}", pool.stats());
    let last = pool.report();
    check(&last);
    assert_eq!((last.totals.slabs, last.totals.slices), (0, 0), "everything was dropped:\n{last}");
}

#[test]
fn a_quiet_pool_is_reported_to_the_byte() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let stop = AtomicBool::new(false);
    // Another thread is busy with slabs of its own; what this one holds still does not move.
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                drop(pool.alloc(100));
            }
        });
        let mut buffer = pool.alloc(1000);
        buffer.resize(1000, 1);
        let whole = buffer.freeze().tag("whole");
        let parts = [whole.slice(..600).tag("part"), whole.slice(400..).tag("part")];
        drop(whole);
        let size = if cfg!(bufslab_one_each) { 1000 } else { SLAB };
        for _ in 0..REPORTS {
            let report = pool.report();
            let mine: Vec<_> =
                report.slabs.iter().flat_map(|slab| &slab.slices).filter(|slice| slice.tag.is_some()).collect();
            assert_eq!(mine.len(), 2, "{report}");
            let slab = report.slabs.iter().find(|slab| slab.slices.iter().any(|slice| slice.tag.is_some())).unwrap();
            assert_eq!((slab.live_bytes, slab.waste_bytes), (1000, size - 1000), "overlaps are counted once");
        }
        drop(parts);
    });
}
