//! What is recorded is what the program did: step by step, whatever the thread, sampled or in full.
#![allow(missing_docs)]

#[path = "record/random.rs"]
mod random;

use bufslab::trace::{AllocTrace, Op, Step};
use bufslab::{BufMut, Level, RecordOptions, SlabBytes, SlabBytesMut, SlabPool};
use std::sync::mpsc;
use std::thread;

fn pool() -> SlabPool {
    SlabPool::builder().name("recorded").slab_size(4096).build().unwrap()
}

fn ops(trace: &AllocTrace) -> Vec<Op> {
    trace.steps.iter().map(|step| step.op).collect()
}

/// The same without what is named by number.
fn unnamed(trace: &AllocTrace) -> Vec<Op> {
    let file = trace.to_bytes().expect("it does not contradict itself");
    assert_eq!(AllocTrace::from_bytes(&file).as_ref().ok(), Some(trace));
    unnamed_of(&trace.steps)
}

fn unnamed_of(steps: &[Step]) -> Vec<Op> {
    let unnamed = |op| match op {
        Op::Alloc { len, .. } => Op::Alloc { len, site: 0, tag: 0 },
        Op::Derive { parent, offset, len, shared, .. } => Op::Derive { parent, offset, len, shared, site: 0, tag: 0 },
        other => other,
    };
    steps.iter().map(|step| unnamed(step.op)).collect()
}

fn alloc(len: u64) -> Op {
    Op::Alloc { len, site: 0, tag: 0 }
}

fn derive(parent: u32, offset: u64, len: u64, shared: bool) -> Op {
    Op::Derive { parent, offset, len, shared, site: 0, tag: 0 }
}

fn free(handle: u32) -> Op {
    Op::Free { handle }
}

fn resize(handle: u32, offset: u64, len: u64) -> Op {
    Op::Resize { handle, offset, len }
}

fn freeze(handle: u32, offset: u64, len: u64) -> Op {
    Op::Freeze { handle, offset, len }
}

fn filled(pool: &SlabPool, room: usize, len: usize) -> SlabBytesMut {
    let mut buffer = pool.alloc(room);
    buffer.put_bytes(7, len);
    buffer
}

#[test]
fn a_request_from_the_read_to_the_last_drop() {
    let pool = pool();
    drop(pool.alloc(10));
    let recording = pool.record(RecordOptions::new()).unwrap();
    let read = filled(&pool, 1000, 300);
    let mut request = read.freeze();
    let head = request.slice(10..30);
    let again = head.clone();
    let mut body = request.split_off(100);
    drop(request);
    body.truncate(150);
    let first = body.split_to(50);
    drop((first, again, body));
    let trace = recording.stop();
    drop(head);
    assert_eq!(
        unnamed(&trace),
        [
            alloc(1000),
            freeze(0, 0, 300),
            derive(0, 10, 20, true),
            derive(1, 10, 20, true),
            derive(0, 100, 200, true),
            resize(0, 0, 100),
            free(0),
            resize(3, 100, 150),
            derive(3, 100, 50, true),
            resize(3, 150, 100),
            free(4),
            free(2),
            free(3),
        ]
    );
    assert_eq!((trace.pool.name.as_str(), trace.pool.slab_size), ("recorded", 4096));
    assert_eq!((trace.one_in, trace.allocations, trace.threads, trace.is_cut_short), (1, 1, 1, false));
    let positions: Vec<u64> = trace.steps.iter().map(|step| step.position).collect();
    assert_eq!((positions[0], positions[1], positions[12]), (0, 1, 1));
}

#[test]
fn writable_handles_cover_their_room() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let mut buffer = filled(&pool, 1000, 600);
    let tail = buffer.split_off(800);
    let head = buffer.split_to(100);
    let mut tail = tail;
    tail.put_bytes(1, 200);
    drop(tail);
    let mut head = head;
    buffer.truncate(700);
    head.unsplit(buffer);
    let frozen = head.freeze();
    let Ok(writable) = frozen.try_into_mut() else { panic!("it is the only handle") };
    // It has been read-only before, as far as the trace says.
    let mut again = writable.freeze();
    again.truncate(10);
    drop(again);
    let trace = recording.stop();
    assert_eq!(
        unnamed(&trace),
        [
            alloc(1000),
            derive(0, 800, 200, false),
            resize(0, 0, 800),
            derive(0, 0, 100, false),
            resize(0, 100, 700),
            free(1),
            resize(2, 0, 800),
            free(0),
            freeze(2, 0, 600),
            resize(2, 0, 600),
            resize(2, 0, 10),
            free(2),
        ]
    );
}

#[test]
fn what_is_skipped_before_freezing_is_given_up() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let mut buffer = filled(&pool, 100, 80);
    bytes::Buf::advance(&mut buffer, 30);
    let mut frozen = buffer.freeze();
    bytes::Buf::advance(&mut frozen, 10);
    let empty = frozen.split_to(0);
    drop(empty);
    frozen.clear();
    let trace = recording.stop();
    assert_eq!(unnamed(&trace), [alloc(100), freeze(0, 30, 50), resize(0, 40, 40), free(0)]);
}

#[test]
fn growing_in_place_and_elsewhere() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let mut buffer = filled(&pool, 100, 100);
    buffer.reserve(50);
    let room = buffer.capacity() as u64;
    let other = pool.alloc(10);
    buffer.put_bytes(0, buffer.capacity() - buffer.len());
    buffer.reserve(1);
    let elsewhere = buffer.capacity() as u64;
    drop(other);
    drop(buffer);
    let trace = recording.stop();
    let mut expected = vec![alloc(100), resize(0, 0, room), alloc(10), alloc(elsewhere), free(0), free(1), free(2)];
    if cfg!(bufslab_one_each) {
        // Nothing grows in place.
        expected = vec![alloc(100), alloc(room), free(0), alloc(10), alloc(elsewhere), free(1), free(2), free(3)];
    }
    assert_eq!(unnamed(&trace), expected);
}

#[test]
fn sites_and_tags_are_numbered() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let (line, buffer) = (line!(), filled(&pool, 100, 100));
    let head = buffer.freeze().tag("record.head");
    let part = head.slice(..10);
    let part = part.tag("record.part");
    drop((part, head));
    let trace = recording.stop();
    assert_eq!(trace.tags, ["", "record.head", "record.part"]);
    let here = format!("tests/record.rs:{line}:");
    assert!(!trace.sites[1].starts_with(&here), "the buffer was made in `filled`: {}", trace.sites[1]);
    assert!(trace.sites[1..].iter().all(|site| site.contains("record.rs:")), "{:?}", trace.sites);
    assert_eq!(
        ops(&trace),
        [
            Op::Alloc { len: 100, site: 1, tag: 0 },
            freeze(0, 0, 100),
            Op::Tag { handle: 0, tag: 1 },
            Op::Derive { parent: 0, offset: 0, len: 10, shared: true, site: 2, tag: 1 },
            Op::Tag { handle: 1, tag: 2 },
            free(1),
            free(0),
        ]
    );
}

#[test]
fn what_is_kept_is_told_with_what_became_of_it() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let read = filled(&pool, 4000, 4000).freeze();
    let head = read.slice(..20).retain_as("record.kept");
    assert!(head.is_compact());
    let read = read.retain();
    let copy = head.clone();
    drop(head);
    drop(copy);
    drop(read);
    let trace = recording.stop();
    let copied = |handle, copied| Op::Retain { handle, copied };
    assert_eq!(
        unnamed(&trace),
        [
            alloc(4000),
            freeze(0, 0, 4000),
            derive(0, 0, 20, true),
            Op::Tag { handle: 1, tag: 1 },
            copied(1, true),
            // 4,000 bytes of 4,096 are not worth a copy.
            copied(0, false),
            free(1),
            free(0),
        ]
    );
}

#[test]
fn a_copy_that_is_kept_outlives_the_recording_and_the_pool() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let kept = filled(&pool, 4000, 4000).freeze().slice(..20).retain();
    drop(recording);
    drop(pool);
    assert_eq!(kept, [7; 20][..]);
    let clone = kept.clone();
    drop(kept);
    assert_eq!(clone, [7; 20][..]);
}

#[test]
fn parked_slices_are_kept_ones() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let read = filled(&pool, 1000, 1000).freeze();
    let parked = read.slice(100..200).park("record.parked");
    drop(read);
    let another = parked.get().to_slab_bytes();
    let part = another.slice(10..20);
    drop(parked);
    drop(part);
    drop(another);
    let trace = recording.stop();
    assert_eq!(
        unnamed(&trace),
        [
            alloc(1000),
            freeze(0, 0, 1000),
            derive(0, 100, 100, true),
            Op::Tag { handle: 1, tag: 1 },
            Op::Retain { handle: 1, copied: false },
            free(0),
            derive(1, 100, 100, true),
            derive(2, 110, 10, true),
            free(1),
            free(3),
            free(2),
        ]
    );
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: nothing is moved out of a slab that it has to itself")]
fn a_parked_slice_that_was_moved_ends_in_the_trace() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let reader = {
        let pool = pool.clone();
        thread::spawn(move || filled(&pool, 4000, 4000).freeze().slice(..20).park("record.moved"))
    };
    // A thread that ends leaves its slab.
    let parked = reader.join().unwrap();
    let policy = bufslab::CompactPolicy::new().older_than(std::time::Duration::ZERO);
    let did = pool.compact(&policy);
    assert_eq!(did.slices, 1, "{did:?}");
    drop(parked);
    let trace = recording.stop();
    let ops = unnamed(&trace);
    assert!(ops.contains(&Op::Retain { handle: 1, copied: false }) && ops.contains(&free(1)), "{ops:?}");
}

#[test]
fn secrets_are_recorded_and_overwritten_all_the_same() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let mut buffer = filled(&pool, 200, 100).zero_on_drop();
    let tail = buffer.split_off(50);
    let mut secret = buffer.freeze();
    assert!(secret.is_zeroed_on_drop() && tail.is_zeroed_on_drop());
    let part = secret.slice(..5);
    secret.truncate(40);
    drop((part, secret, tail));
    let trace = recording.stop();
    assert_eq!(
        unnamed(&trace),
        [
            alloc(200),
            derive(0, 50, 150, false),
            resize(0, 0, 50),
            freeze(0, 0, 50),
            derive(0, 0, 5, true),
            resize(0, 0, 40),
            free(2),
            free(0),
            free(1),
        ]
    );
}

#[test]
fn larger_than_a_slab() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let large = filled(&pool, 100_000, 60_000).freeze();
    drop(large.slice(50_000..));
    drop(large);
    let trace = recording.stop();
    assert_eq!(
        unnamed(&trace),
        [alloc(100_000), freeze(0, 0, 60_000), derive(0, 50_000, 10_000, true), free(1), free(0)]
    );
}

#[test]
fn memory_that_was_waited_for() {
    let pool = SlabPool::builder().slab_size(4096).max_bytes(4096).build().unwrap();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let first = pool.alloc(4096);
    let mut waiting = Box::pin(pool.alloc_async(1000));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    drop(first);
    let std::task::Poll::Ready(Ok(second)) = waiting.as_mut().poll(&mut context) else { panic!("there is room") };
    drop(second);
    let trace = recording.stop();
    assert_eq!(unnamed(&trace), [alloc(4096), free(0), alloc(1000), free(1)]);
    assert_eq!(trace.allocations, 2);
}

#[test]
fn handles_that_are_older_than_the_recording_are_not_in_it() {
    let pool = pool();
    let old = filled(&pool, 100, 100).freeze();
    let first = pool.record(RecordOptions::new()).unwrap();
    let older = filled(&pool, 100, 100).freeze();
    drop(old.slice(..10));
    assert_eq!(unnamed(&first.stop()), [alloc(100), freeze(0, 0, 100)]);
    drop(filled(&pool, 1, 1));

    let second = pool.record(RecordOptions::new()).unwrap();
    let new = filled(&pool, 50, 50).freeze();
    // Recorded once, and not in this recording; what is made of it is not either.
    let of_older = older.slice(..10);
    drop(older);
    drop(of_older);
    // May get a slot that one of them had.
    let slices: Vec<SlabBytes> = (0..3).map(|i| new.slice(i..i + 1)).collect();
    drop(old);
    drop(slices);
    let expected = [
        alloc(50),
        freeze(0, 0, 50),
        derive(0, 0, 1, true),
        derive(0, 1, 1, true),
        derive(0, 2, 1, true),
        free(1),
        free(2),
        free(3),
    ];
    let trace = second.stop();
    assert_eq!(unnamed(&trace), expected);
    assert_eq!(trace.allocations, 1);
}

#[test]
fn one_recording_at_a_time() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new().one_in(7)).unwrap();
    let error = pool.record(RecordOptions::new()).unwrap_err();
    assert_eq!(error.under_way().map(|state| (state.one_in, state.is_running)), Some((7, true)));
    assert!(
        error.to_string().starts_with("cannot record the pool \"recorded\": a recording has been under way"),
        "{error}"
    );
    drop(recording);
    assert!(pool.recording().is_none());

    pool.record(RecordOptions::new()).unwrap().leave_running();
    drop(pool.alloc(1));
    let ended = pool.end_recording().unwrap();
    assert_eq!((ended.is_running, ended.steps, ended.allocations), (false, 2, 1));
    drop(pool.alloc(1));
    let error = pool.record(RecordOptions::new()).unwrap_err();
    assert!(error.to_string().ends_with("was not taken: stop_recording takes it"), "{error}");
    assert_eq!(pool.stop_recording().unwrap().steps.len(), 2);
    assert!(pool.stop_recording().is_none());

    // A value of a recording that was taken ends no other one.
    let taken = pool.record(RecordOptions::new()).unwrap();
    assert!(pool.stop_recording().is_some());
    let other = pool.record(RecordOptions::new()).unwrap();
    assert!(taken.state().is_none());
    drop(taken);
    assert!(other.state().is_some_and(|state| state.is_running));
}

#[test]
fn a_pool_without_tracking_is_refused() {
    let pool = SlabPool::builder().tracking(Level::Off).build().unwrap();
    let error = pool.record(RecordOptions::new()).unwrap_err();
    assert!(error.under_way().is_none() && error.to_string().contains("tracking level is off"), "{error}");
    let pool = SlabPool::builder().tracking(Level::Counters).build().unwrap();
    let recording = pool.record(RecordOptions::new()).unwrap();
    drop(pool.alloc(5));
    let trace = recording.stop();
    assert_eq!((ops(&trace), trace.sites.len()), (vec![alloc(5), free(0)], 1));
}

#[test]
fn a_full_recording_ends_by_itself() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new().max_bytes(64 * 5 + 63)).unwrap();
    for _ in 0..4 {
        drop(pool.alloc(8));
    }
    assert!(recording.is_full());
    let state = recording.state().unwrap();
    assert_eq!((state.is_running, state.steps, state.bytes), (false, 5, 64 * 5));
    let trace = recording.stop();
    assert!(trace.is_cut_short);
    assert_eq!(unnamed(&trace), [alloc(8), free(0), alloc(8), free(1), alloc(8)]);
    assert_eq!(trace.allocations, 3);

    let recording = pool.record(RecordOptions::new().max_bytes(0)).unwrap();
    drop(pool.alloc(8));
    let trace = recording.stop();
    assert!(trace.is_cut_short && trace.steps.is_empty());
}

#[test]
fn one_in_three_is_in_with_all_that_is_made_of_it() {
    const N: u64 = 300;
    let pool = pool();
    let recording = pool.record(RecordOptions::new().one_in(3)).unwrap();
    for i in 0..N {
        let read = filled(&pool, 10 + i as usize, 10).freeze();
        drop(read.slice(..5));
    }
    let trace = recording.stop();
    assert_eq!((trace.one_in, trace.allocations), (3, N));
    let mut seen = Vec::new();
    for (i, steps) in trace.steps.chunks(5).enumerate() {
        let handle = 2 * i as u32;
        let Op::Alloc { len, .. } = steps[0].op else { panic!("{steps:?}") };
        // Which one it was is known by its length.
        assert_eq!(steps[0].position, len - 10);
        assert!(steps[1..].iter().all(|step| step.position == len - 9));
        let expected = [freeze(handle, 0, 10), derive(handle, 0, 5, true), free(handle + 1), free(handle)];
        assert_eq!(unnamed_of(&steps[1..]), expected);
        seen.push(len - 10);
    }
    let one_of_each: Vec<u64> = seen.iter().map(|n| n / 3).collect();
    assert_eq!(one_of_each, (0..N / 3).collect::<Vec<_>>());
    let turns: std::collections::BTreeSet<u64> = seen.iter().map(|n| n % 3).collect();
    assert_eq!(turns.len(), 3, "not always the same turn");
}

#[test]
fn threads_that_allocated_before_are_recorded_when_they_know() {
    let pool = pool();
    let (tell, told) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let other = {
        let pool = pool.clone();
        thread::spawn(move || {
            let before = filled(&pool, 100, 100).freeze();
            ready.send(()).unwrap();
            told.recv().unwrap();
            let after = filled(&pool, 200, 200).freeze();
            drop(before);
            ready.send(()).unwrap();
            told.recv().unwrap();
            drop(pool.alloc(300));
            after
        })
    };
    is_ready.recv().unwrap();
    let recording = pool.record(RecordOptions::new()).unwrap();
    tell.send(()).unwrap();
    is_ready.recv().unwrap();
    let mine = pool.alloc(50);
    let trace = recording.stop();
    tell.send(()).unwrap();
    let theirs = other.join().unwrap();
    drop(mine);
    drop(theirs);
    assert_eq!(unnamed(&trace), [alloc(200), freeze(0, 0, 200), alloc(50)]);
    let threads: Vec<u32> = trace.steps.iter().map(|step| step.thread).collect();
    assert_eq!((threads, trace.threads), (vec![0, 0, 1], 2));
}

#[test]
fn a_slice_that_goes_to_another_thread() {
    let pool = pool();
    let recording = pool.record(RecordOptions::new()).unwrap();
    let read = filled(&pool, 100, 100).freeze();
    let head = read.slice(..10);
    thread::spawn(move || {
        let again = head.clone();
        drop(head);
        drop(again);
    })
    .join()
    .unwrap();
    drop(read);
    let trace = recording.stop();
    assert_eq!(
        unnamed(&trace),
        [alloc(100), freeze(0, 0, 100), derive(0, 0, 10, true), derive(1, 0, 10, true), free(1), free(2), free(0)]
    );
    let threads: Vec<u32> = trace.steps.iter().map(|step| step.thread).collect();
    assert_eq!(threads, [0, 0, 0, 1, 1, 1, 0]);
}
