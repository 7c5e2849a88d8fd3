use super::traces::{Script, hand_over, mixed, upgrades};
use bufslab::trace::Op;
use bufslab::tune::{ReplayError, Setup, lockstep, lockstep_with};
use bufslab::{RetainPolicy, Reuse};

/// 43 reads fill a slab of 64 KiB; one slice of each 43 pins it.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn a_trap_in_figures() {
    let trace = upgrades(43 * 10, 43);
    let whole = {
        let mut setup = Setup::new(65_536);
        setup.reuse = Reuse::WholeSlab;
        setup
    };
    let ran = lockstep(&trace, &whole).unwrap();
    assert_eq!((ran.steps, ran.allocations, ran.approximated_steps), (trace.steps.len() as u64, 430, 0));
    assert!(ran.end_pinned_bytes >= 9 * 65_536, "{ran:?}");
    assert_eq!(ran.end_live_bytes, 200);
    assert!(ran.mean_pinned_bytes < ran.peak_pinned_bytes && ran.peak_memory_bytes >= ran.peak_pinned_bytes);

    // Around the pin, the same slabs are cut from again.
    let around = lockstep(&trace, &Setup::new(65_536)).unwrap();
    assert!(around.end_pinned_bytes <= 3 * 65_536, "{around:?}");

    // The same again, step by step.
    let (mut one, mut two) = (Vec::new(), Vec::new());
    lockstep_with(&trace, &whole, |at, stats| one.push((at, *stats))).unwrap();
    lockstep_with(&trace, &whole, |at, stats| two.push((at, *stats))).unwrap();
    assert_eq!(one.len() as u64, ran.steps);
    assert!(one.iter().zip(&two).all(|(a, b)| (a.0, a.1.pinned_bytes) == (b.0, b.1.pinned_bytes)));
    assert_eq!(one.iter().map(|(_, stats)| stats.pinned_bytes as u64).max(), Some(ran.peak_pinned_bytes));
}

/// What the setup retains by its tag is copied, and pins nothing.
#[test]
fn tags_that_are_retained_pin_nothing() {
    let mut setup = Setup::new(65_536);
    setup.retain_tags = vec!["req.head".to_owned()];
    let ran = lockstep(&upgrades(430, 43), &setup).unwrap();
    assert_eq!((ran.end_pinned_bytes, ran.end_live_bytes), (0, 0), "{ran:?}");

    setup.retain = None;
    assert!(lockstep(&upgrades(430, 43), &setup).unwrap().end_pinned_bytes > 0);
    setup.retain = Some(RetainPolicy::new(0, usize::MAX));
    assert!(lockstep(&upgrades(430, 43), &setup).unwrap().end_pinned_bytes > 0);
}

/// Steps on other threads than the one that made the handle; everything is dropped at the end of a trace that drops it.
#[test]
fn threads_take_turns() {
    for trace in [hand_over(500), mixed(4, 2000)] {
        for size in [8192, 65_536, 1 << 20] {
            let ran = lockstep(&trace, &Setup::new(size)).unwrap();
            let again = lockstep(&trace, &Setup::new(size)).unwrap();
            assert_eq!(ran.approximated_steps, 0);
            assert_eq!(ran.steps, trace.steps.len() as u64);
            assert_eq!(ran.peak_pinned_bytes, again.peak_pinned_bytes);
            assert_eq!(ran.mean_pinned_bytes, again.mean_pinned_bytes);
        }
    }
    let mut script = Script::new(2, &[]);
    for _ in 0..100 {
        let read = script.read(0, 4000, 3000);
        script.free(1, read);
    }
    let ran = lockstep(&script.end(), &Setup::new(16_384)).unwrap();
    assert_eq!((ran.end_pinned_bytes, ran.end_live_bytes), (0, 0));
    assert!(ran.peak_pinned_bytes > 0);
}

/// Writable buffers are split, front and back, and cover what the trace says.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn buffers_are_split_as_they_were() {
    let mut script = Script::new(1, &[]);
    let buffer = script.alloc(0, 1000);
    script.step(0, Op::Derive { parent: buffer, offset: 0, len: 100, shared: false, site: 1, tag: 0 });
    let front = 1;
    script.step(0, Op::Resize { handle: buffer, offset: 100, len: 900 });
    script.step(0, Op::Derive { parent: buffer, offset: 600, len: 400, shared: false, site: 1, tag: 0 });
    let back = 2;
    script.step(0, Op::Resize { handle: buffer, offset: 100, len: 500 });
    script.step(0, Op::Freeze { handle: front, offset: 0, len: 100 });
    script.step(0, Op::Freeze { handle: back, offset: 600, len: 300 });
    script.step(0, Op::Freeze { handle: buffer, offset: 110, len: 20 });
    script.step(0, Op::Resize { handle: front, offset: 90, len: 5 });
    let ran = lockstep(&script.end(), &Setup::new(4096)).unwrap();
    assert_eq!((ran.approximated_steps, ran.end_live_bytes), (0, 5 + 300 + 20), "{ran:?}");
}

/// A buffer gets more room, first where it lies, then elsewhere because another one was cut behind it.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn buffers_grow_as_they_did() {
    let mut script = Script::new(1, &[]);
    let buffer = script.alloc(0, 1000);
    script.step(0, Op::Derive { parent: buffer, offset: 0, len: 900, shared: false, site: 1, tag: 0 });
    script.step(0, Op::Resize { handle: buffer, offset: 900, len: 100 });
    script.step(0, Op::Resize { handle: buffer, offset: 900, len: 1000 });
    script.alloc(0, 100);
    script.step(0, Op::Resize { handle: buffer, offset: 900, len: 2000 });
    script.step(0, Op::Freeze { handle: buffer, offset: 1000, len: 1900 });
    let mut live = Vec::new();
    let ran = lockstep_with(&script.end(), &Setup::new(65_536), |_, stats| live.push(stats.handles)).unwrap();
    assert_eq!((ran.approximated_steps, ran.end_live_bytes), (0, 900 + 100 + 1900), "{ran:?}");
    assert_eq!(live, [1, 2, 2, 2, 3, 3, 3]);
}

#[test]
fn a_trace_that_contradicts_itself_is_refused() {
    let wrong = |op: Op| {
        let mut script = Script::new(1, &[]);
        let gone = script.read(0, 100, 50);
        script.free(0, gone);
        script.read(0, 100, 50);
        script.step(0, op);
        lockstep(&script.end(), &Setup::new(4096)).unwrap_err()
    };
    for (op, what) in [
        (Op::Free { handle: 0 }, "names a handle that was dropped"),
        (Op::Tag { handle: 2, tag: 0 }, "names a handle that nothing made"),
        (
            Op::Derive { parent: 1, offset: 40, len: 11, shared: true, site: 0, tag: 0 },
            "makes a handle of more than its parent covers",
        ),
    ] {
        assert_eq!(wrong(op), ReplayError::Trace { step: 5, what });
    }
    let mut elsewhere = Script::new(1, &[]);
    elsewhere.alloc(1, 10);
    let error = lockstep(&elsewhere.end(), &Setup::new(4096)).unwrap_err();
    assert_eq!(error.to_string(), "step 0 of the trace is on a thread that the trace does not have");

    let error = lockstep(&upgrades(1, 1), &Setup::new(0)).unwrap_err();
    assert!(matches!(error, ReplayError::Setup(_)) && error.to_string().contains("slab_size"), "{error}");
}

/// More memory than there is: an error on every path, and all threads have ended.
#[test]
fn no_memory_is_an_error() {
    let mut script = Script::new(3, &[]);
    for _ in 0..100 {
        let read = script.read(0, 4000, 3000);
        script.free(1, read);
    }
    script.alloc(2, u64::MAX);
    let error = lockstep(&script.end(), &Setup::new(16_384)).unwrap_err();
    assert!(matches!(error, ReplayError::Alloc(_)), "{error}");
}

#[test]
fn a_panic_goes_on_when_all_threads_have_ended() {
    let panic = std::panic::catch_unwind(|| {
        lockstep_with(&hand_over(100), &Setup::new(16_384), |at, _| assert!(at < 77, "seventy-seven"))
    })
    .unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"seventy-seven"));
}
