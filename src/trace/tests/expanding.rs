use super::random::trace;
use crate::trace::{AllocTrace, LifetimeClass, Op, Step};

#[test]
fn a_sampled_trace_becomes_a_sound_full_one() {
    for seed in 0..if cfg!(miri) { 2 } else { 100 } {
        let sampled = trace(seed, 150);
        let full = sampled.expand().unwrap();
        full.check().unwrap();
        assert_eq!(full.one_in, 1);
        assert_eq!(full.steps.len(), sampled.steps.len() * sampled.one_in as usize);
        if sampled.one_in == 1 {
            assert_eq!(full, sampled);
        }
    }
}

/// A program that keeps the last 12 of its allocations: of every third of them, recorded alone, the same is alive at any time.
#[test]
fn as_much_is_alive_as_was() {
    let alive_at_most = |trace: &AllocTrace| {
        let (mut alive, mut most) = (0i64, 0);
        for step in &trace.steps {
            alive += match step.op {
                Op::Alloc { .. } => 1,
                Op::Free { .. } => -1,
                _ => 0,
            };
            most = most.max(alive);
        }
        most
    };
    let mut full = AllocTrace { threads: 1, allocations: 300, ..AllocTrace::default() };
    for n in 0..300u32 {
        full.steps.push(Step { millis: 0, position: n.into(), thread: 0, op: Op::Alloc { len: 100, site: 0, tag: 0 } });
        if n >= 12 {
            full.steps.push(Step { millis: 0, position: u64::from(n) + 1, thread: 0, op: Op::Free { handle: n - 12 } });
        }
    }
    let mut sampled = AllocTrace { one_in: 3, steps: Vec::new(), ..full.clone() };
    for step in &full.steps {
        match step.op {
            Op::Alloc { .. } if step.position % 3 == 0 => sampled.steps.push(*step),
            Op::Free { handle } if handle % 3 == 0 => {
                sampled.steps.push(Step { op: Op::Free { handle: handle / 3 }, ..*step });
            }
            _ => {}
        }
    }
    assert_eq!(alive_at_most(&sampled), 5);
    assert_eq!((alive_at_most(&full), alive_at_most(&sampled.expand().unwrap())), (13, 13));
    assert_eq!(
        full.summary().lifetimes.keys().collect::<Vec<_>>(),
        [&LifetimeClass::Within(2048), &LifetimeClass::ToTheEnd]
    );
}

#[test]
fn more_steps_than_can_be_are_refused() {
    let mut trace = trace(1, 20);
    trace.one_in = u32::MAX;
    let error = trace.expand().unwrap_err().to_string();
    assert_eq!(error, "step 20: 4294967295 times the steps of the trace are more than 67108864");
}
