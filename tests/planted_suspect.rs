//! Two reports, and a series of them, of a pool under noisy traffic put what nobody lets go of first.
#![allow(missing_docs)]
#![cfg(not(miri))]

use bufslab::report::{GroupDiff, Holder, Origin, Series, Trend, Verdict, diff};
use bufslab::{PinReport, Reuse, Site, SlabBytes, SlabPool};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[path = "common/stop.rs"]
mod stop;
use stop::Stop;

const SLAB: usize = 16 << 10;
/// Where the suspect's slices are cut: the line that a report has to name.
const PLANTED_LINE: u32 = line!() + 3;

fn head_of(read: &SlabBytes) -> SlabBytes {
    read.slice(..20).tag("req.head")
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn read(pool: &SlabPool, len: usize) -> SlabBytes {
    let mut buffer = pool.alloc(len);
    buffer.resize(len, b'.');
    buffer.freeze()
}

/// Bodies that live shortly, some of them on another thread, and a cache that fills and is emptied, again and again.
fn traffic(pool: &SlabPool, seed: u64, stop: &AtomicBool, out: &mpsc::SyncSender<SlabBytes>) {
    let mut random = Random(seed);
    let (mut bodies, mut cache) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let request = pool.scope("http_request", random.below(50) as u64);
        let body = read(pool, 1 + random.below(8_000)).tag("body");
        match random.below(20) {
            0 => cache.push(body.slice(..body.len().min(64)).tag("cache.key")),
            1 => drop(out.try_send(body.clone())),
            _ => bodies.push(body),
        }
        if bodies.len() > random.below(40) {
            bodies.clear();
        }
        if cache.len() > 60 {
            cache.truncate(random.below(10));
        }
        drop(request);
        if random.below(50) == 0 {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Runs traffic on three threads while `observe` looks; it is handed what plants so many slices that are kept for ever.
fn under_traffic(pool: &SlabPool, observe: impl FnOnce(&mut dyn FnMut(usize))) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let (out, inbox) = mpsc::sync_channel::<SlabBytes>(32);
        for seed in [3, 5, 7] {
            let (out, stop) = (out.clone(), &stop);
            scope.spawn(move || traffic(pool, seed, stop, &out));
        }
        drop(out);
        scope.spawn(move || {
            for body in inbox {
                thread::yield_now();
                drop(body);
            }
        });
        let mut kept = Vec::new();
        let mut session = 0;
        let mut plant = |slices: usize| {
            for _ in 0..slices {
                session += 1;
                let _session = pool.scope("ws_session", session % 4);
                kept.push(head_of(&read(pool, SLAB / 2)));
                // Ordinary traffic of the same thread.
                drop(read(pool, 3_000).tag("body"));
            }
        };
        plant(20);
        thread::sleep(Duration::from_millis(30));
        observe(&mut plant);
    });
}

fn is_planted(holder: &Holder) -> bool {
    match holder {
        Holder::Tag(tag) => tag.name() == "req.head",
        Holder::Site(site) => (site.file(), site.line()) == (Site::caller().file(), PLANTED_LINE),
        Holder::Scope(scope) => scope.kind().name() == "ws_session",
        Holder::ScopeKind(kind) => kind.name() == "ws_session",
        _ => false,
    }
}

#[test]
fn two_snapshots_put_it_first() {
    let pool = SlabPool::builder().name("edge").slab_size(SLAB).reuse(Reuse::WholeSlab).build().unwrap();
    under_traffic(&pool, |plant| {
        let before = pool.report();
        plant(600);
        thread::sleep(Duration::from_millis(30));
        let after = pool.report();
        for (before, after) in [(&before, &after), (&before.clone().without_slices(), &after.clone().without_slices())]
        {
            let diff = diff(before, after);
            assert_eq!(diff.origin, Origin::SameRun);
            let first = |rows: &[GroupDiff]| {
                let row = rows[0];
                assert!(is_planted(&row.holder), "{diff:#}");
                assert!(row.amortised_bytes.delta() > 0 && row.bytes_per_second > Some(0), "{diff:#}");
                row
            };
            let tag = first(&diff.by_tag);
            assert_eq!((tag.verdict, tag.slices.delta()), (Verdict::Grown, 600), "{diff}");
            assert!(tag.exclusive_bytes.delta() >= 300 * (SLAB as i64 / 2), "{diff}");
            first(&diff.by_site);
            first(&diff.by_scope_kind);
            first(&diff.by_scope);
            assert!(diff.slabs.new >= 150 && diff.slabs.kept >= 5, "{diff}");
            let text = diff.to_string();
            let table = text.lines().skip_while(|line| !line.starts_with("by tag")).nth(1);
            assert!(table.is_some_and(|row| row.starts_with("  req.head")), "{text}");
        }
    });
}

#[test]
fn a_series_says_that_it_only_ever_grows() {
    let pool = SlabPool::builder().name("edge").slab_size(SLAB).reuse(Reuse::WholeSlab).build().unwrap();
    under_traffic(&pool, |plant| {
        let mut series = Series::new(20);
        for _ in 0..20 {
            plant(25);
            thread::sleep(Duration::from_millis(15));
            series.push(&pool.report());
        }
        for trends in [series.by_tag(), series.by_site(), series.by_scope_kind()] {
            let Trend { holder, only_grows, bytes_per_second, .. } = trends[0];
            assert!(is_planted(&holder), "{series:#}");
            assert!(only_grows && bytes_per_second > Some(0.0), "{series:#}");
            // A queue that fills up may grow through the whole window too, by little.
            assert!(trends[1..].iter().all(|trend| trend.bytes_per_second < bytes_per_second), "{series:#}");
        }
        assert!(series.pinned().is_some_and(|pinned| pinned.last_bytes > pinned.first_bytes));
        let text = series.to_string();
        assert!(text.contains("only grows"), "{text}");
    });
}

#[test]
fn a_quiet_pool_has_no_suspect() {
    let pool = SlabPool::builder().slab_size(SLAB).reuse(Reuse::WholeSlab).build().unwrap();
    let kept = head_of(&read(&pool, SLAB));
    let mut series = Series::new(10);
    let mut reports: Vec<PinReport> = Vec::new();
    for _ in 0..10 {
        reports.push(pool.report());
        series.push(&pool.report());
    }
    assert!(series.by_tag().iter().all(|trend| !trend.only_grows));
    let diff = reports[0].diff(&reports[9]);
    assert!(diff.by_tag.iter().all(|row| row.verdict == Verdict::Same), "{diff}");
    assert_eq!((diff.slabs.new, diff.slabs.gone, diff.slabs.kept), (0, 0, 1));
    drop(kept);
}
