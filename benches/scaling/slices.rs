//! How costs grow with live slices, and with parked ones.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use bufslab::{CompactPolicy, Parked, SlabBytes, SlabBytesMut, SlabPool, Tag};
use bytes::Bytes;

use crate::clock::{Progress, timed};
use crate::options::Options;
use crate::point::Point;
use crate::population::{Random, calls, fill, steps};

/// Bytes of a live slice.
const LEN: usize = 16;
/// Bytes of a read of which a parked slice keeps the first [`LEN`]: an eighth, which is worth moving.
const PARKED_READ: usize = 8 * LEN;
/// Memory for each live slice: its bytes, its slot, its handle, and its lines in a report and in the view that it is made from.
const MEMORY: usize = 16 + 35 + 24 + 80 + 56 + 100;
/// Memory for each parked slice: its share of the slab and its copy.
const PARKED_MEMORY: usize = PARKED_READ + 35 + 32 + 24 + 80;
/// Operations in a row: so many, or a tenth of the live slices.
const BATCH: usize = 100;

/// Operations that a time is taken of, at least: fewer take too little.
const TIMED: usize = 2_000;

/// Nanoseconds for each of an operation, from those of so many batches of `size` each.
fn each(batches: &[f64], size: usize) -> Vec<f64> {
    let some = TIMED.div_ceil(size);
    let sums = batches.chunks_exact(some).map(|chunk| chunk.iter().sum::<f64>() / (some * size) as f64);
    // What is faster than the clock can tell took no less than that.
    sums.map(|ns| ns.max(0.01)).collect()
}

/// Times of each batch of an operation, in nanoseconds.
#[derive(Default)]
struct Times {
    read: Vec<f64>,
    alloc: Vec<f64>,
    freeze: Vec<f64>,
    free: Vec<f64>,
    clone: Vec<f64>,
    slice: Vec<f64>,
    drop: Vec<f64>,
}

/// Does each operation as often as `batch` says, on live slices at random. Returns each to where it was.
fn batch(pool: &SlabPool, live: &[SlabBytes], batch: usize, random: &mut Random, times: &mut Times) {
    let mut made: Vec<SlabBytesMut> = Vec::with_capacity(batch);
    let mut frozen: Vec<SlabBytes> = Vec::with_capacity(batch);
    let mut more: Vec<SlabBytes> = Vec::with_capacity(2 * batch);

    let at = random.many(batch, live.len());
    let (ns, _) = timed(|| at.iter().fold(0_u64, |sum, &at| sum + u64::from(live[at][0])));
    times.read.push(ns);

    let (ns, ()) = timed(|| (0..batch).for_each(|_| made.push(pool.alloc(LEN))));
    times.alloc.push(ns);
    made.iter_mut().for_each(|buffer| buffer.extend_from_slice(&[7; LEN]));
    let (ns, ()) = timed(|| frozen.extend(made.drain(..).map(SlabBytesMut::freeze)));
    times.freeze.push(ns);
    let (ns, ()) = timed(|| frozen.clear());
    times.free.push(ns);

    let at = random.many(batch, live.len());
    let (ns, ()) = timed(|| at.iter().for_each(|&at| more.push(live[at].clone())));
    times.clone.push(ns);
    let at = random.many(batch, live.len());
    let (ns, ()) = timed(|| at.iter().for_each(|&at| more.push(live[at].slice(4..8))));
    times.slice.push(ns);
    let (ns, ()) = timed(|| more.clear());
    times.drop.push(ns / 2.0);
}

pub fn measure(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let (enough, operations) = if options.quick { (5e6, 10_000) } else { (100e6, 300_000) };
    let pool = SlabPool::new();
    let mut live = Vec::new();
    let mut random = Random::new();
    let day = Duration::from_secs(24 * 3600);
    for count in steps(100, options.max, MEMORY) {
        progress.say(&format!("slices: {count} live slices"));
        fill(&pool, &mut live, count, LEN, LEN);
        let mut times = Times::default();
        let size = BATCH.max(count / 10);
        let batches = (operations / size).max(3 * TIMED.div_ceil(size));
        // The first one makes the slots.
        batch(&pool, &live, size, &mut random, &mut Times::default());
        (0..batches).for_each(|_| batch(&pool, &live, size, &mut random, &mut times));
        let mut add = |name: &str, times: Vec<f64>| {
            points.extend(Point::new(name, count, each(&times, size)).filter(|_| options.wants(name)));
        };
        add("slices/read", times.read);
        add("slices/alloc", times.alloc);
        add("slices/freeze", times.freeze);
        add("slices/free", times.free);
        add("slices/clone", times.clone);
        add("slices/slice", times.slice);
        add("slices/drop", times.drop);
        let mut ask = |name: &str, times: &dyn Fn() -> Vec<f64>| {
            if options.wants(name) {
                points.extend(Point::new(name, count, times()));
            }
        };
        ask("slices/stats", &|| calls(enough / 10.0, || pool.stats()));
        ask("slices/report", &|| calls(enough, || pool.report()));
        ask("slices/maintain", &|| calls(enough / 10.0, || pool.maintain(usize::MAX, day)));
    }
    black_box(live);
}

/// Clones that are made one after the other, and all kept, until there are as many as each step says. Nanoseconds of each at every
/// step.
fn fan_out<T: Clone>(slice: &T, steps: &[usize], times: &mut [Vec<f64>]) {
    let mut clones: Vec<T> = Vec::with_capacity(steps.last().copied().unwrap_or(0));
    for (&step, times) in steps.iter().zip(times) {
        let more = step - clones.len();
        let (ns, ()) = timed(|| (0..more).for_each(|_| clones.push(slice.clone())));
        times.push((ns / more as f64).max(0.1));
    }
}

pub fn measure_fanout(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let steps = steps(10, options.max.min(if options.quick { 10_000 } else { 316_228 }), 100);
    for name in ["fanout/owner", "fanout/guest", "fanout/bytes"] {
        if !options.wants(name) {
            continue;
        }
        progress.say(&format!("{name}: up to {} clones", steps.last().copied().unwrap_or(0)));
        let mut times = vec![Vec::new(); steps.len()];
        for _ in 0..options.rounds.max(3) {
            let pool = SlabPool::new();
            let slice = || {
                let mut buffer = pool.alloc(64);
                buffer.extend_from_slice(&[7; 64]);
                buffer.freeze()
            };
            match name {
                "fanout/owner" => fan_out(&slice(), &steps, &mut times),
                // Its owner is gone.
                "fanout/guest" => {
                    let slice = thread::scope(|scope| scope.spawn(slice).join().expect("it only allocates"));
                    fan_out(&slice, &steps, &mut times);
                }
                _ => fan_out(&Bytes::copy_from_slice(&[7; 64]), &steps, &mut times),
            }
        }
        points.extend(steps.iter().zip(times).filter_map(|(&step, times)| Point::new(name, step, times)));
    }
}

/// A pool with so many parked slices, on slabs that nothing else keeps and no thread owns.
fn parked(count: usize) -> (SlabPool, Vec<Parked>) {
    let pool = SlabPool::new();
    let tag = Tag::new("scaling.parked");
    let parked = thread::scope(|scope| {
        let fill = || -> Vec<Parked> {
            let one = |_| {
                let mut buffer = pool.alloc(PARKED_READ);
                buffer.extend_from_slice(&[7; PARKED_READ]);
                buffer.freeze().slice(..LEN).park(tag)
            };
            (0..count).map(one).collect()
        };
        scope.spawn(fill).join().expect("it only allocates")
    });
    (pool, parked)
}

pub fn measure_compaction(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let enough = if options.quick { 5e6 } else { 50e6 };
    let at_once = CompactPolicy::new().older_than(Duration::ZERO);
    let looks = [
        ("compact/too young", CompactPolicy::new().older_than(Duration::from_secs(24 * 3600))),
        ("compact/worth it", at_once.below_percent(0)),
    ];
    let moves = [("compact/move", at_once), ("compact/pack", at_once.pack(true))];
    for count in steps(100, options.max, PARKED_MEMORY) {
        progress.say(&format!("compact: {count} parked slices"));
        if looks.iter().any(|(name, _)| options.wants(name)) {
            let (pool, slices) = parked(count);
            for (name, policy) in &looks {
                if options.wants(name) {
                    let times = calls(enough, || assert_eq!(pool.compact(policy).slices, 0, "{name}"));
                    points.extend(Point::new(name, count, times));
                }
            }
            drop(slices);
        }
        for (name, policy) in &moves {
            if !options.wants(name) {
                continue;
            }
            let mut times: Vec<f64> = Vec::new();
            while times.len() < 3 || (times.iter().sum::<f64>() < enough && times.len() < 50) {
                let (pool, slices) = parked(count);
                let (ns, did) = timed(|| pool.compact(policy));
                assert_eq!(did.slices, count, "{name}: {did:?}");
                times.push(ns);
                drop(slices);
            }
            points.extend(Point::new(name, count, times));
        }
    }
}
