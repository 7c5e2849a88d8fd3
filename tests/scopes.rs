//! Owner scopes, hints, levels and suspects, through the public API alone.
#![allow(missing_docs)]

use bufslab::{InScope, Level, PinReport, Scope, SlabBytes, SlabPool};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

fn pool() -> SlabPool {
    SlabPool::builder().slab_size(4096).build().unwrap()
}

fn slice_of(pool: &SlabPool, len: usize) -> SlabBytes {
    let mut read = pool.alloc(len);
    read.extend_from_slice(&vec![b'.'; len]);
    read.freeze()
}

/// Offset, length and scope of every listed slice, in order.
fn charged(report: &PinReport) -> Vec<(usize, usize, String)> {
    let mut slabs: Vec<_> = report.slabs.iter().collect();
    slabs.sort_by_key(|slab| slab.id);
    let scope = |scope: Option<bufslab::ScopeName>| scope.map_or("-".to_owned(), |scope| scope.to_string());
    slabs
        .iter()
        .flat_map(|slab| slab.slices.iter().map(|slice| (slice.offset, slice.len, scope(slice.scope))))
        .collect()
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn what_is_made_inside_is_charged() {
    let pool = pool();
    let before = slice_of(&pool, 10);
    let (inside, cut, cloned) = {
        let _session = pool.scope("ws_session", 42);
        let inside = slice_of(&pool, 20);
        (inside, before.slice(2..5), before.clone())
    };
    let after = slice_of(&pool, 30);
    let expected =
        [(0, 10, "-"), (0, 10, "ws_session 42"), (2, 3, "ws_session 42"), (10, 20, "ws_session 42"), (30, 30, "-")];
    let expected: Vec<_> = expected.map(|(at, len, scope)| (at, len, scope.to_owned())).into();
    assert_eq!(charged(&pool.report()), expected);
    drop((inside, cut, cloned, after));
}

#[test]
fn a_slot_that_is_used_again_forgets_its_scope_and_hints() {
    let pool = pool();
    let keep = slice_of(&pool, 8);
    for round in 0..100 {
        let session = pool.scope("ws_session", round);
        let inside = keep.clone();
        inside.touch("seen");
        drop(session);
        drop(inside);
        let outside = keep.clone();
        let report = pool.report();
        assert!(report.slabs[0].slices.iter().all(|slice| slice.scope.is_none() && slice.last_hint.is_none()));
        drop(outside);
    }
}

#[test]
fn outside_of_any_scope_the_parent_decides() {
    let pool = pool();
    let kept = {
        let _session = pool.scope("ws_session", 7);
        slice_of(&pool, 100)
    };
    let part = kept.slice(10..20);
    let other = {
        let _other = pool.scope("cache", 1);
        kept.slice(20..30)
    };
    drop(kept);
    let expected = [(10, 10, "ws_session 7".to_owned()), (20, 10, "cache 1".to_owned())];
    assert_eq!(charged(&pool.report()), expected);
    part.charge_to(pool.scope("cache", 2).scope());
    assert_eq!(charged(&pool.report())[0].2, "cache 2");
    drop(other);
}

#[test]
fn scopes_nest_and_are_left_one_by_one() {
    let pool = pool();
    let outer = pool.scope("outer", 1);
    let inner = pool.scope("inner", 2);
    let a = slice_of(&pool, 1);
    drop(inner);
    let b = slice_of(&pool, 2);
    drop(outer);
    let c = slice_of(&pool, 3);
    let scopes: Vec<_> = charged(&pool.report()).into_iter().map(|(_, _, scope)| scope).collect();
    assert_eq!(scopes, ["inner 2", "outer 1", "-"]);
    drop((a, b, c));
}

/// Pending once, so that a future has more than one step.
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            false => Poll::Pending,
            true => Poll::Ready(()),
        }
    }
}

#[test]
fn a_future_takes_its_scope_along_to_other_threads() {
    let pool = pool();
    let inside = pool.clone();
    let task = async move {
        let first = slice_of(&inside, 10);
        Yield(false).await;
        let second = slice_of(&inside, 20);
        Yield(false).await;
        (first, second, slice_of(&inside, 30))
    };
    let mut task: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(task.in_scope(pool.scope("ws_session", 42)));
    let step = |task: &mut Pin<Box<dyn Future<Output = _> + Send>>| {
        task.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    assert!(step(&mut task).is_pending());
    let not_inside = slice_of(&pool, 40);
    std::thread::scope(|threads| {
        threads.spawn(|| assert!(step(&mut task).is_pending()));
    });
    let Poll::Ready(kept) = step(&mut task) else { panic!("three steps are all") };
    let report = pool.report();
    let of_session: usize = charged(&report).iter().filter(|(_, _, scope)| scope == "ws_session 42").count();
    assert_eq!((of_session, report.totals.slices), (3, 4));
    assert_eq!(report.by_thread.len(), 2, "two threads made them");
    drop((kept, not_inside));
}

#[test]
fn a_scope_is_kept_and_entered_elsewhere() {
    let pool = pool();
    let scope: Scope = pool.scope("conn", 1).into();
    assert_eq!(scope.name().to_string(), "conn 1");
    let outside = slice_of(&pool, 1);
    let kept = std::thread::scope(|threads| {
        threads
            .spawn(|| {
                let _inside = scope.enter();
                slice_of(&pool, 2)
            })
            .join()
            .unwrap()
    });
    let mut scopes: Vec<_> = charged(&pool.report()).into_iter().map(|(_, len, scope)| (len, scope)).collect();
    scopes.sort();
    assert_eq!(scopes, [(1, "-".to_owned()), (2, "conn 1".to_owned())]);
    drop((outside, kept));
}

#[test]
fn an_unfinished_future_leaves_the_thread_as_it_was() {
    let pool = pool();
    let mut task = pin!(Yield(false).in_scope(pool.scope("conn", 9)));
    assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let outside = slice_of(&pool, 1);
    assert_eq!(charged(&pool.report())[0].2, "-");
    drop(outside);
}

#[test]
fn scopes_by_the_ten_thousand_are_given_up_again() {
    let pool = pool();
    let rounds = if cfg!(miri) { 100 } else { 30_000 };
    let mut kept = Vec::new();
    for id in 0..rounds {
        let _session = pool.scope("short", id);
        let read = slice_of(&pool, 16);
        if id % 1000 == 0 {
            kept.push(read);
        }
    }
    let report = pool.report();
    let listed: Vec<u64> = report
        .by_scope
        .iter()
        .filter_map(|blame| match blame.holder {
            bufslab::report::Holder::Scope(scope) => Some(scope.id()),
            _ => None,
        })
        .collect();
    assert_eq!(listed.len(), kept.len());
    assert!(listed.iter().all(|id| id % 1000 == 0), "each one kept is still known by its name");
    // 30,000 names would take more than a megabyte.
    assert!(report.totals.names_bytes < 2 << 20, "{}", report.totals.names_bytes);
}

#[test]
fn hints_the_first_and_the_last() {
    let pool = pool();
    let slice = slice_of(&pool, 20);
    let other = slice.clone();
    for hint in ["parsed", "queued", "cached"] {
        slice.touch(hint);
    }
    let mut hints: Vec<_> = pool.report().slabs[0].slices.iter().map(|s| (s.first_hint, s.last_hint)).collect();
    hints.sort();
    let name = |tag: Option<bufslab::Tag>| tag.map(|tag| tag.name());
    assert_eq!((name(hints[1].0), name(hints[1].1)), (Some("parsed"), Some("cached")));
    assert_eq!(hints[0], (None, None));
    drop(other);
}

#[test]
fn levels_below_sites_charge_nothing() {
    for level in [Level::Off, Level::Counters] {
        let pool = SlabPool::builder().slab_size(4096).tracking(level).build().unwrap();
        let _inside = pool.scope("conn", 1);
        let slice = slice_of(&pool, 10);
        slice.touch("hint");
        let report = pool.report();
        let listed = &report.slabs[0].slices;
        assert_eq!(listed.len(), usize::from(level == Level::Counters));
        assert!(listed.iter().all(|slice| slice.scope.is_none() && slice.site.is_none() && slice.first_hint.is_none()));
    }
}

#[test]
fn the_level_changes_while_the_pool_runs() {
    let pool = pool();
    for (level, listed, sited) in
        [(Level::Off, 0, 0), (Level::Counters, 1, 0), (Level::Sites, 1, 1), (Level::backtraces(1), 1, 1)]
    {
        pool.set_tracking(level);
        // The slab in hand is empty, and taken anew.
        let slice = slice_of(&pool, 4096);
        let report = pool.report();
        assert_eq!(report.level, level);
        assert_eq!(report.totals.slices, listed, "{level}");
        assert_eq!(report.slabs[0].slices.iter().filter(|slice| slice.site.is_some()).count(), sited, "{level}");
        drop(slice);
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: each slice has a header of its own")]
fn a_scope_is_known_at_the_ledgers_limit_or_nothing_breaks() {
    let pool = SlabPool::builder().slab_size(4096).max_ledger_bytes(2000).build().unwrap();
    let _inside = pool.scope("conn", 1);
    let kept: Vec<_> = (0..200).map(|_| slice_of(&pool, 8)).collect();
    let report = pool.report();
    assert_eq!(report.totals.slices + report.totals.untracked, kept.len());
    assert!(report.totals.ledger_bytes <= 2000 + 4096, "{}", report.totals.ledger_bytes);
}

#[cfg(feature = "backtraces")]
mod backtraces {
    use super::*;
    use bufslab::SuspectPolicy;
    use std::time::Duration;

    #[inline(never)]
    fn the_culprit(pool: &SlabPool) -> SlabBytes {
        slice_of(pool, 64)
    }

    fn names(report: &PinReport, slice: &bufslab::report::PinnedSlice) -> Vec<String> {
        let trace = report.traces.iter().find(|trace| Some(trace.id) == slice.trace);
        trace.map_or(Vec::new(), |trace| trace.frames.iter().filter_map(|frame| frame.function.clone()).collect())
    }

    #[test]
    fn every_handle_has_its_stack() {
        let pool = SlabPool::builder().slab_size(4096).tracking(Level::backtraces(1)).build().unwrap();
        let kept = [the_culprit(&pool), the_culprit(&pool)];
        let report = pool.report();
        for slice in &report.slabs[0].slices {
            let names = names(&report, slice);
            assert!(names.iter().any(|name| name.contains("the_culprit")), "{names:?}");
            assert!(!names[0].contains("bufslab::"), "it begins at who called the crate: {names:?}");
        }
        assert!(report.totals.names_bytes > 0);
        drop(kept);
    }

    #[test]
    fn one_in_ten() {
        let pool = SlabPool::builder().slab_size(65_536).tracking(Level::backtraces(10)).build().unwrap();
        let kept = std::thread::scope(|threads| {
            threads.spawn(|| (0..100).map(|_| the_culprit(&pool)).collect::<Vec<_>>()).join().unwrap()
        });
        let report = pool.report();
        let with = report.slabs.iter().flat_map(|slab| &slab.slices).filter(|slice| slice.trace.is_some()).count();
        assert_eq!(with, 10);
        // The first one goes another way through the crate: it takes the slab.
        assert!(report.traces.len() <= 2, "equal stacks are one: {:?}", report.traces);
        drop(kept);
    }

    #[inline(never)]
    fn whoever_still_clones(slice: &SlabBytes) -> SlabBytes {
        slice.clone()
    }

    #[test]
    fn suspects_leave_stacks_at_any_level() {
        let policy = SuspectPolicy::new(Duration::ZERO, 50);
        let pool = SlabPool::builder().slab_size(4096).suspects(policy).build().unwrap();
        let kept: Vec<_> = (0..4).map(|_| slice_of(&pool, 4096).slice(..20)).collect();
        let before = whoever_still_clones(&kept[0]);
        let report = pool.report();
        let attached_not = if cfg!(bufslab_one_each) { 4 } else { 2 };
        assert_eq!(report.slabs.iter().filter(|slab| slab.suspect).count(), attached_not, "two are attached");
        assert!(report.traces.is_empty(), "nobody touched one since");

        let after = whoever_still_clones(&kept[0]);
        let report = pool.report();
        let slab = report.slabs.iter().find(|slab| slab.slices.len() == 3).unwrap();
        let traced: Vec<_> =
            slab.slices.iter().map(|slice| names(&report, slice)).filter(|names| !names.is_empty()).collect();
        assert_eq!(traced.len(), 2, "the new handle, and the one it was made from");
        assert!(
            traced.iter().all(|names| names.iter().any(|name| name.contains("whoever_still_clones"))),
            "{traced:?}"
        );

        kept[1].touch("still here");
        let report = pool.report();
        let touched =
            report.slabs.iter().flat_map(|slab| &slab.slices).find(|slice| slice.first_hint.is_some()).unwrap();
        assert!(touched.trace.is_some());
        drop((before, after));
    }

    #[test]
    fn a_full_slab_is_no_suspect() {
        let policy = SuspectPolicy::new(Duration::ZERO, 50);
        let pool = SlabPool::builder().slab_size(4096).suspects(policy).build().unwrap();
        let kept: Vec<_> = (0..4).map(|_| slice_of(&pool, 4096)).collect();
        assert!(pool.report().slabs.iter().all(|slab| !slab.suspect));
        drop(kept);
    }
}
