//! How operations get on beside each other: own buffers, one shared slice, and buffers that change threads.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bufslab::{SlabBytes, SlabPool};
use bytes::{Bytes, BytesMut};
use crossbeam_utils::CachePadded;

use crate::clock::{Progress, cpu_ns};
use crate::options::Options;
use crate::point::{Point, Spread};
use crate::population::Random;

/// Bytes of one read.
const READ: usize = 1024;
/// Bytes that `BytesMut` is given at a time when reads are split from it: as many as a slab has.
const SLAB: usize = 64 << 10;
/// Operations between two looks at whether it is time to stop.
const BATCH: usize = 64;
/// Batches before it is measured.
const WARM: usize = 50;
/// Reads that a thread keeps in the load with random lifetimes.
const WINDOW: usize = 1024;
/// Batches that may lie between a producer and its consumer.
const BETWEEN: usize = 8;

/// Does a batch, and says how many operations that was. `None` when there is nothing more to do.
type Work<'a> = Box<dyn FnMut() -> Option<usize> + 'a>;

/// What all threads together did.
#[derive(Clone, Copy, Default)]
struct Sample {
    operations: usize,
    cpu_ns: u64,
    seconds: f64,
}

/// Runs what `make` makes for each thread for so long.
fn run<'a>(threads: usize, length: Duration, make: &(dyn Fn(usize) -> Work<'a> + Sync)) -> Sample {
    let stop = CachePadded::new(AtomicBool::new(false));
    let barrier = Barrier::new(threads + 1);
    let one = |index: usize| {
        let mut work = make(index);
        let warm = (0..WARM).all(|_| work().is_some());
        barrier.wait();
        let (cpu, start) = (cpu_ns(), Instant::now());
        let mut operations = 0;
        // Relaxed: whoever joins this thread sees what it did.
        while warm && !stop.load(Ordering::Relaxed) {
            let Some(done) = work() else { break };
            operations += done;
        }
        Sample { operations, cpu_ns: cpu_ns() - cpu, seconds: start.elapsed().as_secs_f64() }
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|index| scope.spawn(move || one(index))).collect();
        barrier.wait();
        thread::sleep(length);
        stop.store(true, Ordering::Relaxed);
        running.into_iter().fold(Sample::default(), |sum, thread| {
            let sample = thread.join().expect("a measured thread ends by itself");
            Sample {
                operations: sum.operations + sample.operations,
                cpu_ns: sum.cpu_ns + sample.cpu_ns,
                seconds: sum.seconds.max(sample.seconds),
            }
        })
    })
}

fn repeated(mut operation: impl FnMut()) -> impl FnMut() -> Option<usize> {
    move || {
        (0..BATCH).for_each(|_| operation());
        Some(BATCH)
    }
}

fn read(pool: &SlabPool) -> SlabBytes {
    let mut buffer = pool.alloc(READ);
    buffer.extend_from_slice(black_box(&[7; READ]));
    buffer.freeze()
}

/// A `Vec` for each read, in effect.
fn read_each() -> Bytes {
    let mut buffer = BytesMut::with_capacity(READ);
    buffer.extend_from_slice(black_box(&[7; READ]));
    buffer.freeze()
}

/// From a large buffer, which takes its memory back when nothing of it is left.
fn read_split(from: &mut BytesMut) -> Bytes {
    if from.capacity() < READ {
        from.reserve(SLAB);
    }
    from.extend_from_slice(black_box(&[7; READ]));
    from.split().freeze()
}

fn own(name: &str, threads: usize, length: Duration) -> Sample {
    let shared = SlabPool::new();
    let pooled = |pool: SlabPool| -> Work<'static> {
        Box::new(repeated(move || {
            let whole = read(&pool);
            let again = whole.clone();
            let part = again.slice(4..24);
            drop((whole, again));
            drop(black_box(part));
        }))
    };
    let after = |whole: Bytes| {
        let again = whole.clone();
        let part = again.slice(4..24);
        drop((whole, again));
        drop(black_box(part));
    };
    match name {
        "one pool" => run(threads, length, &|_| pooled(shared.clone())),
        "pool each" => run(threads, length, &|_| pooled(SlabPool::new())),
        "bytes" => run(threads, length, &|_| Box::new(repeated(move || after(read_each())))),
        _ => run(threads, length, &|_| {
            let mut from = BytesMut::new();
            Box::new(repeated(move || after(read_split(&mut from))))
        }),
    }
}

/// Each thread keeps some reads, and each new one takes the place of one of them at random.
fn random(name: &str, threads: usize, length: Duration) -> Sample {
    fn replacing<'a, T: 'a>(mut read: impl FnMut() -> T + 'a) -> Work<'a> {
        let mut random = Random::new();
        let mut kept: Vec<T> = (0..WINDOW).map(|_| read()).collect();
        (0..10 * WINDOW).for_each(|_| kept[random.below(WINDOW)] = read());
        Box::new(repeated(move || kept[random.below(WINDOW)] = read()))
    }
    let shared = SlabPool::new();
    match name {
        "one pool" => run(threads, length, &|_| replacing(|| read(&shared))),
        "pool each" => run(threads, length, &|_| {
            let pool = SlabPool::new();
            replacing(move || read(&pool))
        }),
        _ => run(threads, length, &|_| replacing(read_each)),
    }
}

fn share(name: &str, threads: usize, length: Duration) -> Sample {
    match name {
        "bufslab" => {
            // Made by a thread that is gone: to each of those that are measured it is the same.
            let slice = thread::spawn(|| read(&SlabPool::new())).join().expect("it only allocates");
            run(threads, length, &|_| Box::new(repeated(|| drop(black_box(slice.clone())))))
        }
        _ => {
            let slice = read_each();
            // The first clone makes the count.
            let _second = slice.clone();
            run(threads, length, &|_| Box::new(repeated(|| drop(black_box(slice.clone())))))
        }
    }
}

/// Two ends for each pair of threads.
fn passed<'a, T: Send + 'a>(
    threads: usize,
    length: Duration,
    maker: &(dyn Fn() -> Box<dyn FnMut() -> T + 'a> + Sync),
) -> Sample {
    type Ends<T> = Mutex<(Option<SyncSender<Vec<T>>>, Option<Receiver<Vec<T>>>)>;
    let pairs: Vec<Ends<T>> = (0..threads / 2)
        .map(|_| {
            let (sender, receiver) = sync_channel(BETWEEN);
            Mutex::new((Some(sender), Some(receiver)))
        })
        .collect();
    run(threads, length, &|index| {
        let mut ends = pairs[index / 2].lock().expect("nobody panics with it");
        if index % 2 == 0 {
            let (sender, mut make) = (ends.0.take().expect("taken once"), maker());
            Box::new(move || {
                let batch: Vec<T> = (0..BATCH).map(|_| make()).collect();
                sender.send(batch).ok().map(|()| BATCH)
            })
        } else {
            let receiver = ends.1.take().expect("taken once");
            // Counted by the one that makes them.
            Box::new(move || receiver.recv().ok().map(|batch| drop(black_box(batch))).map(|()| 0))
        }
    })
}

fn pairs(name: &str, threads: usize, length: Duration) -> Sample {
    let shared = SlabPool::new();
    match name {
        "one pool" => passed(threads, length, &|| {
            let pool = shared.clone();
            Box::new(move || read(&pool))
        }),
        "pool each" => passed(threads, length, &|| {
            let pool = SlabPool::new();
            Box::new(move || read(&pool))
        }),
        "bytes" => passed(threads, length, &|| Box::new(read_each)),
        _ => passed(threads, length, &|| {
            let mut from = BytesMut::new();
            Box::new(move || read_split(&mut from))
        }),
    }
}

/// Powers of two up to `cores`, `cores` itself, and then twice and four times as many. All of them up to eight.
fn counts(cores: usize, least: usize) -> Vec<usize> {
    let usual = |&threads: &usize| threads <= 8 || threads.is_power_of_two() || threads == cores;
    let mut counts: Vec<usize> = (1..=cores).filter(usual).collect();
    counts.extend([2 * cores, 4 * cores]);
    counts.retain(|threads| threads % least == 0);
    counts
}

/// One thread count of one load: all its series, round by round in turn.
fn point(
    options: &Options,
    names: &[&'static str],
    threads: usize,
    cores: usize,
    load: fn(&str, usize, Duration) -> Sample,
) -> Vec<Point> {
    let mut samples = vec![Vec::new(); names.len()];
    for round in 0..options.rounds {
        for turn in 0..names.len() {
            let at = (turn + round) % names.len();
            let last = names[at].rsplit('/').next().unwrap_or_default();
            samples[at].push(load(last, threads, options.seconds));
        }
    }
    let of = |(name, samples): (&&str, Vec<Sample>)| {
        let figure = |of: fn(&Sample) -> f64| samples.iter().filter(|sample| sample.operations > 0).map(of).collect();
        let cpu: Vec<f64> = figure(|sample| sample.cpu_ns as f64 / sample.operations as f64);
        let wall = Spread::of(figure(|sample| sample.operations as f64 / sample.seconds))?;
        let point = Point::new(name, threads, cpu)?;
        Some(Point { per_second: Some(wall.median), oversubscribed: threads > cores, ..point })
    };
    names.iter().zip(samples).filter_map(of).collect()
}

pub fn measure(options: &Options, progress: &Progress, points: &mut Vec<Point>) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    type Load = fn(&str, usize, Duration) -> Sample;
    let loads: [(&str, usize, Load); 4] = [
        ("threads/own/", 1, own),
        ("threads/random/", 1, random),
        ("threads/share/", 1, share),
        ("threads/pairs/", 2, pairs),
    ];
    for (prefix, least, load) in loads {
        let all = crate::series::ALL.iter().map(|series| series.name);
        let names: Vec<&'static str> = all.filter(|name| name.starts_with(prefix) && options.wants(name)).collect();
        if names.is_empty() {
            continue;
        }
        for threads in counts(cores.max(least), least) {
            progress.say(&format!("{prefix}: {threads} threads on {cores} cores"));
            points.extend(point(options, &names, threads, cores, load));
        }
    }
}
