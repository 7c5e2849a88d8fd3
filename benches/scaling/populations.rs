//! How costs grow with pinned slabs, threads that own slabs, tags and scopes.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;

use bufslab::{RetainPolicy, Scope, SlabBytes, SlabBytesMut, SlabPool, Tag};

use crate::clock::{Progress, timed};
use crate::options::Options;
use crate::point::Point;
use crate::population::{Random, calls, fill, steps};

/// Bytes of an ordinary read.
const READ: usize = 4096;
/// The slab size that a pool has by default.
const SLAB: usize = 64 << 10;
/// Memory that a slab takes of which only the first page is used, with header, segment, and its part of a report.
const SLAB_MEMORY: usize = 4096 + 384 + 1024 + 512;
/// Bytes of the slices that have tags and scopes.
const LEN: usize = 16;

/// What of the options matters here.
struct Effort {
    /// Nanoseconds to spend on a question.
    enough: f64,
    rounds: usize,
    /// Slices that tags and scopes share.
    slices: usize,
}

impl Effort {
    fn of(options: &Options) -> Effort {
        match options.quick {
            true => Effort { enough: 3e6, rounds: 3, slices: 10_000 },
            false => Effort { enough: 50e6, rounds: 15, slices: 100_000 },
        }
    }

    /// Nanoseconds for each of `count` operations, a few times.
    fn each(&self, count: usize, mut operations: impl FnMut()) -> Vec<f64> {
        operations();
        (0..self.rounds).map(|_| (timed(&mut operations).0 / count as f64).max(0.1)).collect()
    }
}

/// Measures those series that are wanted.
struct Series<'a> {
    options: &'a Options,
    x: usize,
    points: &'a mut Vec<Point>,
}

impl Series<'_> {
    fn add(&mut self, name: &str, times: impl FnOnce() -> Vec<f64>) {
        if self.options.wants(name) {
            self.points.extend(Point::new(name, self.x, times()));
        }
    }
}

pub fn measure_slabs(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let effort = Effort::of(options);
    let last = if options.quick { 3_200 } else { 100_000 };
    let pool = SlabPool::new();
    let mut pins = Vec::new();
    let mut kept: Vec<SlabBytesMut> = Vec::with_capacity(64);
    for count in steps(1, last, SLAB_MEMORY) {
        progress.say(&format!("slabs: {count} pinned slabs"));
        pin_slabs(&pool, &mut pins, count);
        let mut series = Series { options, x: count, points: &mut *points };
        let mut some = |count: usize, len: usize| {
            kept.extend((0..count).map(|_| pool.alloc(len)));
            kept.clear();
        };
        series.add("slabs/alloc", || effort.each(64, || some(64, READ)));
        series.add("slabs/take", || effort.each(32, || some(32, SLAB)));
        series.add("slabs/stats", || calls(effort.enough / 10.0, || pool.stats()));
        series.add("slabs/report", || calls(effort.enough, || pool.report()));
    }
    black_box(pins);
}

/// Has a thread pin slabs by their first 20 bytes until there are so many. It asks for as much as a slab has, so that each has a slab
/// of its own, and writes only the first page.
fn pin_slabs(pool: &SlabPool, pins: &mut Vec<SlabBytes>, count: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            while pins.len() < count {
                let mut buffer = pool.alloc(SLAB);
                buffer.extend_from_slice(&[7; 20]);
                pins.push(buffer.freeze());
            }
        });
    });
}

pub fn measure_owners(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let effort = Effort::of(options);
    let all: &[usize] = if options.quick { &[1, 4, 16] } else { &[1, 2, 4, 8, 16, 32, 64] };
    for &count in all {
        progress.say(&format!("owners: {count} threads with a slab each"));
        let pool = SlabPool::new();
        let (ready, over) = (Barrier::new(count + 1), Barrier::new(count + 1));
        thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    let kept = pool.alloc(64);
                    ready.wait();
                    over.wait();
                    drop(kept);
                });
            }
            ready.wait();
            let mut series = Series { options, x: count, points: &mut *points };
            series.add("owners/alloc", || effort.each(1024, || (0..1024).for_each(|_| drop(pool.alloc(READ)))));
            series.add("owners/first", || {
                let first = || timed(|| drop(pool.alloc(READ))).0.max(1.0);
                let once = |_| scope.spawn(first).join().expect("it only allocates");
                (0..4 * effort.rounds).map(once).collect()
            });
            series.add("owners/stats", || calls(effort.enough / 10.0, || pool.stats()));
            series.add("owners/report", || calls(effort.enough, || pool.report()));
            over.wait();
        });
    }
}

pub fn measure_tags(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let effort = Effort::of(options);
    let last = if options.quick { 1_000 } else { 10_000 };
    let pool = SlabPool::new();
    let mut slices = Vec::new();
    fill(&pool, &mut slices, effort.slices, LEN, LEN);
    let mut random = Random::new();
    for count in steps(1, last, 1) {
        progress.say(&format!("tags: {count} tags on {} slices", slices.len()));
        let names: Vec<String> = (0..count).map(|number| format!("scaling.{number}")).collect();
        let tags: Vec<Tag> = names.iter().map(|name| Tag::new(name)).collect();
        let tagged = |(at, slice): (usize, SlabBytes)| slice.tag(tags[at % count]);
        slices = slices.into_iter().enumerate().map(tagged).collect();
        let at = random.many(1000, count);
        let mut series = Series { options, x: count, points: &mut *points };
        series.add("tags/look up", || {
            effort.each(at.len(), || at.iter().for_each(|&at| _ = black_box(Tag::new(&names[at]))))
        });
        series.add("tags/report", || calls(effort.enough, || pool.report()));
        let report = pool.report();
        assert_eq!(report.by_tag.len(), count, "a line of blame for each tag");
        series.add("tags/text", || calls(effort.enough, || report.to_string()));
        series.add("tags/plan", || calls(effort.enough, || report.compact_plan(&RetainPolicy::new(usize::MAX, 0))));
    }
}

pub fn measure_scopes(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let effort = Effort::of(options);
    let last = if options.quick { 3_200 } else { 100_000 };
    let pool = SlabPool::new();
    let mut slices: Vec<SlabBytes> = Vec::new();
    fill(&pool, &mut slices, effort.slices, LEN, LEN);
    let mut random = Random::new();
    let mut held: Vec<Scope> = Vec::new();
    // Never the same twice: what was opened once may be known for a while.
    let mut fresh = 0;
    for count in steps(1, last.min(effort.slices), 1) {
        progress.say(&format!("scopes: {count} scopes on {} slices", slices.len()));
        held.extend((held.len()..count).map(|id| pool.scope("scaling", id as u64).into()));
        for (at, slice) in slices.iter().enumerate() {
            slice.charge_to(&held[at % count]);
        }
        let at = random.many(1000, count);
        let mut series = Series { options, x: count, points: &mut *points };
        series.add("scopes/open", || {
            effort.each(1000, || {
                for _ in 0..1000 {
                    fresh += 1;
                    drop(pool.scope("scaling once", fresh));
                }
            })
        });
        let again = || at.iter().for_each(|&at| drop(pool.scope("scaling", at as u64)));
        series.add("scopes/again", || effort.each(at.len(), again));
        series.add("scopes/held", || effort.each(at.len(), || at.iter().for_each(|&at| drop(held[at].enter()))));
        series.add("scopes/report", || calls(effort.enough, || pool.report()));
        assert_eq!(pool.report().by_scope.len(), count, "a line of blame for each scope");
    }
}
