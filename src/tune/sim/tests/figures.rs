//! Small programs whose figures can be told by hand.

use crate::config::Reuse;
use crate::trace::{AllocTrace, Op, Step};
use crate::tune::{Setup, SimulateError, Simulated, simulate};
use crate::{Auto, RetainPolicy};
use core::time::Duration;

/// Writes a trace down.
#[derive(Default)]
pub(super) struct Script {
    pub(super) trace: AllocTrace,
    millis: u64,
    thread: u32,
    handles: u32,
}

impl Script {
    pub(super) fn new(threads: u32) -> Script {
        let tags = ["", "kept"].map(String::from).to_vec();
        Script { trace: AllocTrace { threads, tags, ..AllocTrace::default() }, ..Script::default() }
    }

    fn at(&mut self, millis: u64) -> &mut Script {
        self.millis = millis;
        self
    }

    fn on(&mut self, thread: u32) -> &mut Script {
        self.thread = thread;
        self
    }

    fn step(&mut self, op: Op) -> &mut Script {
        self.trace.steps.push(Step { millis: self.millis, position: 0, thread: self.thread, op });
        self
    }

    fn made(&mut self, op: Op) -> u32 {
        self.step(op);
        self.handles += 1;
        self.handles - 1
    }

    /// A buffer.
    fn alloc(&mut self, len: u64) -> u32 {
        self.made(Op::Alloc { len, site: 0, tag: 0 })
    }

    /// A read of so many bytes into a buffer of as many.
    fn read(&mut self, len: u64) -> u32 {
        let handle = self.alloc(len);
        self.step(Op::Freeze { handle, offset: 0, len });
        handle
    }

    fn slice(&mut self, parent: u32, offset: u64, len: u64, tag: u32) -> u32 {
        self.made(Op::Derive { parent, offset, len, shared: true, site: 0, tag })
    }

    fn free(&mut self, handle: u32) -> &mut Script {
        self.step(Op::Free { handle })
    }

    fn simulate(&self, setup: &Setup) -> Simulated {
        simulate(&self.trace, setup).unwrap()
    }
}

fn whole(slab_size: usize) -> Setup {
    Setup { reuse: Reuse::WholeSlab, idle_decay: Duration::ZERO, ..Setup::new(slab_size) }
}

/// Requests of which one small head in a hundred is kept: the trap this crate is about.
fn heads(reads: u32) -> Script {
    let mut script = Script::new(1);
    for read in 0..reads {
        let handle = script.read(1000);
        let head = script.slice(handle, 10, 20, 0);
        script.free(handle);
        if read % 100 == 0 {
            script.step(Op::Retain { handle: head, copied: false });
        } else {
            script.free(head);
        }
    }
    script
}

#[test]
fn one_head_in_a_hundred_pins_what_it_lies_in_unless_it_is_copied() {
    let script = heads(10_000);
    let never = Setup { retain: None, ..whole(10_000) };
    let pinned = script.simulate(&never);
    assert_eq!((pinned.allocations, pinned.steps), (10_000, 50_000));
    assert_eq!((pinned.end_pinned_bytes, pinned.end_live_bytes, pinned.copies), (100 * 10_000, 100 * 20, 0));
    let large = script.simulate(&Setup { retain: None, ..whole(1_000_000) });
    assert_eq!(large.end_pinned_bytes, 10_000_000, "every slab has one");
    let copied = script.simulate(&whole(10_000));
    assert_eq!((copied.end_pinned_bytes, copied.copies, copied.copied_bytes), (0, 100, 2000));
    assert_eq!((copied.peak_copy_bytes, copied.slabs_taken), (2000, 1), "the one slab drains again and again");
    assert_eq!(copied.peak_held_bytes, 10_000 + 100 * 20);
    let around = script.simulate(&Setup { reuse: Reuse::AroundThePin, ..never });
    assert!(around.slabs_reused_around > 10 && around.end_pinned_bytes <= 100_000, "{around:?}");
}

#[test]
fn who_has_a_tag_is_retained() {
    let mut script = Script::new(1);
    let read = script.read(1000);
    let kept = script.slice(read, 0, 20, 1);
    let twin = script.slice(kept, 5, 10, 1);
    script.free(read);
    let by_tag = Setup { retain_tags: vec!["kept".into()], ..whole(10_000) };
    let result = script.simulate(&by_tag);
    assert_eq!(
        (result.copies, result.copied_bytes, result.end_pinned_bytes),
        (2, 30, 0),
        "a part of a copy is copied as well"
    );
    assert_eq!(script.simulate(&whole(10_000)).end_pinned_bytes, 10_000, "nobody said that these are kept");
    let never = Setup { retain: Some(RetainPolicy::new(0, usize::MAX)), ..by_tag };
    assert_eq!(script.simulate(&never).copies, 0);
    script.free(kept).free(twin);
    assert_eq!(script.simulate(&whole(10_000)).end_pinned_bytes, 0);
}

/// What was copied when the trace was recorded is not where another policy keeps the slice: that goes on pinning.
#[test]
fn a_copy_that_this_setup_would_not_make_pins() {
    let mut script = Script::new(1);
    let read = script.read(1000);
    let kept = script.slice(read, 500, 300, 0);
    script.free(read);
    script.step(Op::Retain { handle: kept, copied: true });
    let part = script.slice(kept, 600, 100, 0);
    script.free(kept);
    let keeps = Setup { retain: Some(RetainPolicy::new(0, 100)), ..whole(10_000) };
    let result = script.simulate(&keeps);
    assert_eq!((result.copies, result.end_pinned_bytes, result.end_live_bytes), (0, 10_000, 100));
    let result = script.simulate(&whole(10_000));
    assert_eq!((result.copies, result.copied_bytes, result.end_pinned_bytes), (1, 300, 0));
    script.free(part);
    assert_eq!(script.simulate(&keeps).end_pinned_bytes, 0);
}

/// A hundred slabs at once, and then nothing but the time.
#[test]
fn what_nobody_needs_is_given_back_by_the_traces_clock() {
    let mut script = Script::new(1);
    let burst: Vec<u32> = (0..100).map(|_| script.read(1000)).collect();
    burst.into_iter().for_each(|read| _ = script.free(read));
    let most = 100_000;
    for tenth in 1..60 {
        script.at(100 * tenth);
        // Needs three slabs more than the thread has: two that drain, and then idle ones.
        let reads: Vec<u32> = (0..5).map(|_| script.read(1000)).collect();
        reads.into_iter().for_each(|read| _ = script.free(read));
    }
    let setup = |decay| Setup { idle_decay: Duration::from_millis(decay), ..whole(1000) };
    let memory_at = |result: &Simulated, millis| {
        let moment = result.series.iter().rfind(|moment| moment.millis <= millis).unwrap();
        moment.memory_bytes
    };
    let kept = script.simulate(&setup(0));
    assert_eq!((kept.peak_memory_bytes, memory_at(&kept, 5900)), (most, most));
    let given = script.simulate(&setup(1000));
    assert_eq!(
        (given.peak_memory_bytes, memory_at(&given, 1500)),
        (most, most),
        "not in the interval in which they came"
    );
    assert_eq!(memory_at(&given, 2500), 5000, "what is used stays: {given:?}");
    assert_eq!(given.slabs_taken, 100);
    let none = script.simulate(&Setup { idle_bytes: 0, ..setup(1000) });
    assert_eq!(memory_at(&none, 5900), 2000 + 3000 * u64::from(none.series.last().unwrap().pinned_bytes > 2000));
}

#[test]
fn memory_that_is_new_cold_or_hot() {
    let mut script = Script::new(1);
    // Always in the same slab.
    for _ in 0..10 {
        let read = script.read(600);
        script.free(read);
    }
    let hot = script.simulate(&whole(1000));
    assert_eq!(
        (hot.fresh_bytes, hot.cold_bytes, hot.slabs_taken, hot.slab_changes, hot.slabs_reused_in_place),
        (600, 0, 1, 1, 9)
    );
    assert_eq!((hot.hot_bytes, hot.guest_ops, hot.detaches), (9 * 600, 0, 0));
    // Four at a time, so that two of four come from the depot.
    let mut script = Script::new(1);
    for _ in 0..10 {
        let reads: Vec<u32> = (0..4).map(|_| script.read(600)).collect();
        reads.into_iter().for_each(|read| _ = script.free(read));
    }
    let near = script.simulate(&whole(1000));
    assert_eq!((near.fresh_bytes, near.slabs_taken, near.cold_bytes), (4 * 600, 4, 0));
    assert_eq!(near.hot_bytes, 600 * (near.slabs_reused + near.slabs_reused_in_place));
    assert_eq!(near.slab_changes, near.slabs_taken + near.slabs_reused);
    assert!(near.slabs_reused >= 18, "{near:?}");
    // The same with so much between two uses of a slab that it has left the caches.
    let mut script = Script::new(1);
    for _ in 0..10 {
        let reads: Vec<u32> = (0..10).map(|_| script.read(600_000)).collect();
        reads.into_iter().for_each(|read| _ = script.free(read));
    }
    let far = script.simulate(&whole(1_000_000));
    assert_eq!((far.fresh_bytes, far.slabs_taken), (10 * 600_000, 10));
    assert!(far.cold_bytes > 60 * 600_000 && far.cold_bytes + far.hot_bytes == 90 * 600_000, "{far:?}");
    // What went back to the source and is taken again is not fresh: the heap has it at hand.
    let again = script.simulate(&Setup { idle_bytes: 0, ..whole(1_000_000) });
    assert!(again.slabs_taken > 80 && again.fresh_bytes == 10 * 600_000, "{again:?}");
    // Dropped by another thread: an atomic operation each.
    let mut script = Script::new(2);
    for _ in 0..10 {
        let read = script.on(0).read(600);
        script.on(1).free(read);
    }
    assert_eq!(script.simulate(&whole(1000)).guest_ops, 10);
}

#[test]
fn a_buffer_grows_in_its_place_or_moves() {
    let mut script = Script::new(1);
    let handle = script.alloc(100);
    script.step(Op::Resize { handle, offset: 0, len: 300 });
    let second = script.alloc(100);
    script.step(Op::Resize { handle, offset: 0, len: 400 });
    let result = script.simulate(&whole(1000));
    assert_eq!((result.moves, result.end_live_bytes, result.slabs_taken, result.allocations), (1, 500, 1, 2));
    let result = script.simulate(&whole(250));
    assert_eq!((result.moves, result.end_live_bytes, result.oversize), (2, 500, 2));
    script.free(handle).free(second);
    assert_eq!(script.simulate(&whole(250)).end_pinned_bytes, 0);
}

#[test]
fn the_series_is_bounded_and_loses_no_peak() {
    let script = heads(10_000);
    let result = script.simulate(&Setup { retain: None, ..whole(10_000) });
    assert!((400..=501).contains(&result.series.len()), "{}", result.series.len());
    let peak = result.series.iter().map(|moment| moment.pinned_bytes).max();
    assert_eq!(peak, Some(result.peak_pinned_bytes));
    assert!(result.series.windows(2).all(|pair| pair[0].step < pair[1].step));
    assert!(result.series.iter().all(|moment| moment.live_bytes <= moment.pinned_bytes));
    let short = Script::new(1);
    assert_eq!(short.simulate(&whole(1000)), Simulated { end_slab_size: 1000, ..Simulated::default() });
}

#[test]
fn a_trace_that_contradicts_itself_is_refused_with_the_step() {
    let refused = |ops: &[Op], thread: u32| {
        let mut script = Script::new(1);
        script.on(thread);
        ops.iter().for_each(|&op| _ = script.step(op));
        match simulate(&script.trace, &whole(1000)) {
            Err(SimulateError::Trace { step, what }) => (step, what),
            other => panic!("{other:?}"),
        }
    };
    let alloc = Op::Alloc { len: 10, site: 0, tag: 0 };
    let free = Op::Free { handle: 0 };
    assert_eq!(refused(&[free], 0), (0, "names a handle that nothing made"));
    assert_eq!(refused(&[alloc, free, free], 0), (2, "names a handle that was dropped"));
    assert_eq!(refused(&[alloc], 1), (0, "is on a thread that the trace does not have"));
    let huge = Op::Alloc { len: u64::MAX, site: 0, tag: 0 };
    assert_eq!(refused(&[alloc, huge], 0), (1, "asks for more memory than there can be"));
    let far = Op::Resize { handle: 0, offset: u64::MAX, len: u64::MAX };
    assert_eq!(refused(&[alloc, far], 0), (1, "covers bytes that no allocation has"));
    let of = |setup: Setup| simulate(&AllocTrace::default(), &setup).unwrap_err().to_string();
    assert_eq!(of(Setup::new(0)), "slab_size is 0: it must be from 1 B to 1 GiB");
    assert!(of(Setup::new(Auto.between(10, 5))).contains("auto:10..5"));
    let crowded = AllocTrace { threads: u32::MAX, ..AllocTrace::default() };
    assert!(simulate(&crowded, &whole(1000)).is_err());
}

/// One in ten of many like reads, of which some are kept, comes to about what all of them come to.
#[test]
fn a_sampled_trace_stands_for_all() {
    let mut all = Script::new(1);
    let mut sampled = Script::new(1);
    sampled.trace.one_in = 10;
    let step = |position, op| Step { millis: 0, position, thread: 0, op };
    let make = |script: &mut Script, read| {
        let handle = script.alloc(1000);
        script.trace.steps.last_mut().unwrap().position = read;
        script.trace.steps.push(step(read + 1, Op::Freeze { handle, offset: 0, len: 700 }));
        handle
    };
    let mut alive = std::collections::VecDeque::new();
    for read in 0..20_000_u64 {
        let handle = make(&mut all, read);
        let in_sampled = (read % 10 == 3).then(|| make(&mut sampled, read));
        alive.push_back((handle, in_sampled));
        // Each is there for 500 reads.
        if alive.len() > 500 {
            let (handle, in_sampled) = alive.pop_front().unwrap();
            let free = |handle| step(read + 1, Op::Free { handle });
            all.trace.steps.push(free(handle));
            sampled.trace.steps.extend(in_sampled.map(free));
        }
    }
    (all.trace.allocations, sampled.trace.allocations) = (20_000, 20_000);
    let setup = whole(10_000);
    let (all, sampled) = (all.simulate(&setup), sampled.simulate(&setup));
    assert_eq!((all.allocations, sampled.allocations), (20_000, 20_000));
    let figures = |of: &Simulated| [of.peak_pinned_bytes, of.mean_pinned_bytes, of.end_live_bytes];
    for (all, sampled) in figures(&all).into_iter().zip(figures(&sampled)) {
        assert!(sampled.abs_diff(all) <= all / 20, "{sampled} is not about {all}");
    }
    let cut = AllocTrace { one_in: 0, ..AllocTrace::default() };
    assert!(matches!(simulate(&cut, &setup), Err(SimulateError::Sampled { .. })));
}

/// Nonsense of all kinds, as a broken file may hold it, is refused or run; nothing panics.
#[test]
fn nonsense_does_not_panic() {
    let mut random = super::Random::new(3);
    for _ in 0..if cfg!(miri) { 5 } else { 500 } {
        let mut script = Script::new(2);
        for _ in 0..60 {
            let far = [0, 1, 100, 5000, u64::MAX];
            let mut some = || far[random.below(5) as usize];
            let (offset, len) = (some(), some());
            let (handle, tag) = (random.below(12) as u32, random.below(4) as u32);
            script.on(random.below(2) as u32).step(match random.below(9) {
                0 | 1 => Op::Alloc { len: len.min(5000), site: 7, tag },
                2 | 3 => Op::Derive { parent: handle, offset, len, shared: random.below(2) == 0, site: 7, tag },
                4 => Op::Freeze { handle, offset, len },
                5 => Op::Resize { handle, offset, len },
                6 => Op::Tag { handle, tag },
                7 => Op::Retain { handle, copied: random.below(2) == 0 },
                _ => Op::Free { handle },
            });
            // What was refused is left out, so that the rest is run.
            if simulate(&script.trace, &Setup::new(2000)).is_err() {
                script.trace.steps.pop();
            }
        }
    }
}
