//! Random scripts against a naive twin, and many threads at once.

use super::{alloc, derive, filled, free, freeze, pool, resize, unnamed_of};
use bufslab::trace::{AllocTrace, Op, Step};
use bufslab::{RecordOptions, SlabBytes, Tag};
use std::sync::mpsc;
use std::thread;

/// What a trace has to keep to, whatever happened: handles begin before they are named and end once, ranges lie in their
/// allocation, and clocks do not run backwards.
fn check(trace: &AllocTrace) -> (usize, usize) {
    trace.check().unwrap();
    let mut alive: Vec<Option<(u64, u64, u64)>> = Vec::new();
    let (mut millis, mut position) = (0, 0);
    for Step { millis: at, position: before, thread, op } in &trace.steps {
        assert!(*at >= millis && *before >= position && *thread < trace.threads);
        (millis, position) = (*at, *before);
        match *op {
            Op::Alloc { len, site, tag } => {
                assert!((site as usize) < trace.sites.len() && (tag as usize) < trace.tags.len());
                alive.push(Some((len, 0, len)));
            }
            Op::Derive { parent, offset, len, .. } => {
                let (whole, from, covered) = alive[parent as usize].expect("a parent is alive");
                assert!(offset >= from && offset + len <= from + covered, "{op:?} of {from}+{covered}");
                alive.push(Some((whole, offset, len)));
            }
            Op::Freeze { handle, offset, len } | Op::Resize { handle, offset, len } => {
                let (whole, ..) = alive[handle as usize].expect("it is alive");
                assert!(offset + len <= whole, "{op:?} of {whole}");
                alive[handle as usize] = Some((whole, offset, len));
            }
            Op::Tag { handle, .. } | Op::Retain { handle, .. } => assert!(alive[handle as usize].is_some()),
            Op::Free { handle } => assert!(alive[handle as usize].take().is_some(), "it ends once"),
            other => panic!("{other:?}"),
        }
    }
    assert!(trace.millis >= millis);
    (alive.len(), alive.iter().flatten().count())
}

/// A generator of numbers that look random: xorshift (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// One handle of a random script, as the naive twin sees it.
struct Twin {
    bytes: SlabBytes,
    number: u32,
    offset: u64,
    len: u64,
}

#[test]
fn random_scripts_are_recorded_as_they_were_written() {
    let pool = pool();
    let rounds = if cfg!(miri) { 3 } else { 60 };
    let tags: Vec<Tag> = ["record.a", "record.b"].into_iter().map(Tag::new).collect();
    for seed in 1..=rounds {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let recording = pool.record(RecordOptions::new()).unwrap();
        let (mut expected, mut handles, mut next) = (Vec::new(), Vec::<Twin>::new(), 0);
        for _ in 0..if cfg!(miri) { 40 } else { 300 } {
            if handles.is_empty() || random.below(5) == 0 {
                let room = 1 + random.below(6000);
                let len = 1 + random.below(room);
                let bytes = filled(&pool, room as usize, len as usize).freeze();
                expected.extend([alloc(room), freeze(next, 0, len)]);
                handles.push(Twin { bytes, number: next, offset: 0, len });
                next += 1;
                continue;
            }
            let at = random.below(handles.len() as u64) as usize;
            let twin = &mut handles[at];
            let cut = random.below(twin.len);
            let (number, offset, len) = (twin.number, twin.offset, twin.len);
            let made = match random.below(8) {
                0 => {
                    expected.push(derive(number, offset, len, true));
                    Some((twin.bytes.clone(), offset, len))
                }
                1 => {
                    expected.push(derive(number, offset + cut, len - cut, true));
                    Some((twin.bytes.slice(cut as usize..), offset + cut, len - cut))
                }
                2 if cut > 0 => {
                    let head = twin.bytes.split_to(cut as usize);
                    expected.extend([derive(number, offset, cut, true), resize(number, offset + cut, len - cut)]);
                    (twin.offset, twin.len) = (offset + cut, len - cut);
                    Some((head, offset, cut))
                }
                3 if cut > 0 => {
                    let tail = twin.bytes.split_off(cut as usize);
                    expected.extend([derive(number, offset + cut, len - cut, true), resize(number, offset, cut)]);
                    twin.len = cut;
                    Some((tail, offset + cut, len - cut))
                }
                4 if cut > 0 => {
                    twin.bytes.truncate(cut as usize);
                    expected.push(resize(number, offset, cut));
                    twin.len = cut;
                    None
                }
                5 => {
                    let which = random.below(2) as usize;
                    let twin = handles.swap_remove(at);
                    expected.push(Op::Tag { handle: number, tag: which as u32 });
                    handles.push(Twin { bytes: twin.bytes.tag(tags[which]), ..twin });
                    None
                }
                6 => {
                    let bytes = handles.swap_remove(at).bytes;
                    thread::scope(|scope| drop(scope.spawn(move || drop(bytes))));
                    expected.push(free(number));
                    None
                }
                _ => {
                    drop(handles.swap_remove(at));
                    expected.push(free(number));
                    None
                }
            };
            if let Some((bytes, offset, len)) = made {
                handles.push(Twin { bytes, number: next, offset, len });
                next += 1;
            }
        }
        let mut trace = recording.stop();
        trace.check().unwrap();
        let names = core::mem::take(&mut trace.tags);
        for step in &mut trace.steps {
            if let Op::Tag { tag, .. } = &mut step.op {
                *tag = u32::from(names[*tag as usize] == "record.b");
            }
        }
        let got = unnamed_of(&trace.steps);
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert_eq!(got, expected, "step {i} of script {seed}");
        }
        assert_eq!(got.len(), expected.len());
        trace.tags = names;
        assert_eq!(check(&trace), (next as usize, handles.len()));
    }
}

#[test]
fn many_threads_begin_and_end_and_hand_on() {
    let pool = pool();
    let rounds = if cfg!(miri) { 2 } else { 20 };
    for one_in in [1, 3] {
        for _ in 0..rounds {
            let recording = pool.record(RecordOptions::new().one_in(one_in)).unwrap();
            let (send, receive) = mpsc::channel::<SlabBytes>();
            thread::scope(|scope| {
                for t in 0..3_u64 {
                    let (pool, send) = (pool.clone(), send.clone());
                    scope.spawn(move || {
                        let mut random = Random(t + 1);
                        let mut kept = Vec::new();
                        for _ in 0..if cfg!(miri) { 10 } else { 200 } {
                            let mut read = filled(&pool, 500, 400).freeze();
                            kept.push(read.split_to(1 + random.below(300) as usize));
                            send.send(read.clone()).unwrap();
                            kept.truncate(random.below(10) as usize);
                        }
                    });
                }
                drop(send);
                for slice in receive {
                    drop(slice.slice(..1));
                }
            });
            let trace = recording.stop();
            let (made, alive) = check(&trace);
            assert_eq!(alive, 0, "all were dropped");
            assert!(made > 0 && trace.allocations == if cfg!(miri) { 30 } else { 600 });
            if one_in == 1 {
                let allocations = trace.steps.iter().filter(|step| matches!(step.op, Op::Alloc { .. })).count();
                assert_eq!(allocations as u64, trace.allocations);
            }
        }
    }
}

#[test]
fn recording_begins_and_ends_while_others_work() {
    let pool = pool();
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let read = filled(&pool, 500, 400).freeze();
                    let head = read.slice(..20);
                    drop(read);
                    drop(head);
                }
            });
        }
        struct Stop<'a>(&'a std::sync::atomic::AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        for i in 0..if cfg!(miri) { 3 } else { 200 } {
            let options = RecordOptions::new().one_in(1 + i % 3).max_bytes(64 * 500);
            let recording = pool.record(options).unwrap();
            while recording.state().unwrap().steps < 10 {
                thread::yield_now();
            }
            check(&recording.stop());
        }
    });
}
