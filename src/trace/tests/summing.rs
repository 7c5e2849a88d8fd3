use crate::trace::{AllocTrace, LifetimeClass, Op, Step};

fn three_reads() -> AllocTrace {
    let mut trace = AllocTrace { threads: 2, allocations: 3, millis: 1_500, ..AllocTrace::default() };
    trace.pool.name = String::from("http");
    trace.sites.push(String::from("src/read.rs:7:9"));
    trace.tags.push(String::from("req.head"));
    let alloc = |len| Op::Alloc { len, site: 1, tag: 0 };
    let ops = [
        (0, alloc(100)),
        (1, Op::Free { handle: 0 }),
        (1, alloc(4_000)),
        (2, Op::Derive { parent: 1, offset: 0, len: 20, shared: false, site: 0, tag: 0 }),
        (2, Op::Tag { handle: 2, tag: 1 }),
        (2, alloc(1_500)),
        (3, Op::Free { handle: 3 }),
        (3, Op::Free { handle: 1 }),
    ];
    trace.steps = ops.map(|(position, op)| Step { millis: 0, position, thread: 0, op }).into();
    trace
}

#[test]
fn what_a_trace_shows() {
    let summary = three_reads().summary();
    assert_eq!((summary.recorded.count, summary.recorded.bytes, summary.recorded.kept), (3, 5_600, 1));
    assert_eq!((summary.median, summary.p99, summary.largest), (1_500, 4_000, 4_000));
    let of = |class| summary.lifetimes.get(&class).map(|share| (share.count, share.bytes));
    assert_eq!(of(LifetimeClass::AtOnce), Some((2, 1_600)));
    assert_eq!(of(LifetimeClass::ToTheEnd), Some((1, 4_000)));
    let head = summary.by_tag["req.head"];
    assert_eq!((head.count, head.bytes, head.kept, head.kept_bytes), (1, 20, 1, 20));
    assert_eq!(summary.by_site["src/read.rs:7:9"].count, 3);
}

/// What was copied out, and what is cut from the copy, keeps nothing of the read; a slice that was retained and not copied does.
#[test]
fn a_copy_keeps_no_read_alive() {
    let of = |copied| {
        let mut trace = AllocTrace { threads: 1, allocations: 3, ..AllocTrace::default() };
        let alloc = Op::Alloc { len: 4_000, site: 0, tag: 0 };
        let derive = |parent| Op::Derive { parent, offset: 0, len: 20, shared: true, site: 0, tag: 0 };
        let ops = [
            (0, alloc),
            (1, derive(0)),
            (1, Op::Retain { handle: 1, copied }),
            (1, Op::Free { handle: 0 }),
            (1, derive(1)),
            (1, alloc),
            (2, alloc),
            (3, Op::Free { handle: 1 }),
            (3, Op::Free { handle: 2 }),
        ];
        trace.steps = ops.map(|(position, op)| Step { millis: 0, position, thread: 0, op }).into();
        trace.check().unwrap();
        trace.summary()
    };
    let shares = |copied| of(copied).lifetimes.iter().map(|(&class, share)| (class, share.count)).collect::<Vec<_>>();
    assert_eq!(shares(true), [(LifetimeClass::AtOnce, 1), (LifetimeClass::ToTheEnd, 2)]);
    assert_eq!(shares(false), [(LifetimeClass::Within(8_192), 1), (LifetimeClass::ToTheEnd, 2)]);
    assert_eq!(of(true).by_tag, of(false).by_tag, "the handles are there all the same");
}

#[test]
fn it_reads_well() {
    assert_eq!(
        three_reads().summary().to_string(),
        "\
pool http: 3 allocations in 1.5 s on 2 threads
recorded: all of them, 3 of 5.5 KiB together, 8 steps
requests: half of at most 1.5 KiB, 99 % of at most 3.9 KiB, the largest 3.9 KiB

kept alive, by bytes allocated since       count               bytes
  at once                                      2  66.7 %     1.6 KiB
  to the end                                   1  33.3 %     3.9 KiB

handles by tag             count       bytes        kept       bytes
  req.head                     1        20 B           1        20 B
  (no tag)                     3     5.5 KiB           0         0 B

handles by site            count       bytes        kept       bytes
  (no site)                    1        20 B           1        20 B
  src/read.rs:7:9              3     5.5 KiB           0         0 B

kept: alive when recording ended"
    );
}

#[test]
fn classes_are_powers_of_two() {
    let within = |bytes| LifetimeClass::of(1, bytes);
    assert_eq!([within(0), within(1024), within(1025)], [1024, 1024, 2048].map(LifetimeClass::Within));
    assert_eq!(LifetimeClass::of(0, 0).to_string(), "at once");
    assert_eq!(within(60_000).to_string(), "within 64 KiB");
    assert_eq!(within(u64::MAX), LifetimeClass::Within(u64::MAX));
}
