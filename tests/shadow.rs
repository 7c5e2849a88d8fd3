//! Random actions on a pool and its handles, each done to a naive twin as well (`shadow/twin.rs`).
//!
//! After every few steps, for every handle and every slab:
//! * the handle shows the bytes that its twin has, lies inside its slab, and says what it retains and how it is named;
//! * nothing that one writable handle writes (room included) changes what another handle shows, and no two slices of a
//!   report overlap if one of them is writable;
//! * the report lists exactly the live handles, with place, kind and tag, and nothing else; handles without a slot are on
//!   slabs taken at `Level::Off`;
//! * live bytes are the union of the handles' bytes, pinned bytes the sizes of the slabs they lie in, `stats` agrees with
//!   the report, and memory is what the source has handed out and not got back;
//! * no live byte is handed out again, also of slabs that are cut from around their slices, nor given back when slabs are
//!   punched, both of which some cases must have done;
//! * `is_unique` is never said of bytes that another handle reaches.
//!
//! At the end nothing is pinned; memory is idle slabs and at most two attached ones a thread, and none of the latter once
//! the threads are gone; and the source has everything back when the pool is dropped.
//!
//! Each action is done by one of three threads, one after the other, so that handles meet their slab's owner, guests of it,
//! dead owners, and a pool that is gone. `SHADOW_CASES` sets the number of cases, `SHADOW_SEED` runs one case again.

#![allow(missing_docs)]

#[path = "shadow/actions.rs"]
mod actions;
#[path = "shadow/shared.rs"]
mod shared;
#[path = "shadow/source.rs"]
mod source;
#[path = "shadow/twin.rs"]
mod twin;

use actions::Action;
use bufslab::{Level, RetainPolicy};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use twin::{Config, World};

const CASES: u64 = if cfg!(miri) { 8 } else { 2_000 };
const STEPS: usize = if cfg!(miri) { 50 } else { 100 };
const THREADS: usize = 3;

/// Replaces the thread that would do it by a new one.
const REBIRTH: u8 = 255;

/// `xorshift64*`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn config(random: &mut Random) -> Config {
    let slab_size = random.one_of(&[1, 7, 16, 64, 64, 100, 100, 4096]);
    let switches_level = random.below(4) == 0;
    Config {
        slab_size,
        max_bytes: (random.below(4) == 0).then(|| slab_size * random.one_of(&[1, 3, 8])),
        idle_bytes: random.one_of(&[0, slab_size, 3 * slab_size, 1 << 20]),
        zero: random.below(4) == 0,
        level: random.one_of(if switches_level {
            &[Level::Off, Level::Sites]
        } else {
            &[Level::Counters, Level::Sites]
        }),
        switches_level,
        tells: false,
        policy: RetainPolicy::new(random.one_of(&[0, 0, 4, 16]), random.one_of(&[1, 4, 16])),
    }
}

fn actions(random: &mut Random) -> Vec<Action> {
    let mut thread = 0;
    let mut next = || {
        if random.below(6) == 0 {
            thread = random.below(THREADS) as u8;
        }
        let what = if random.below(60) == 0 { REBIRTH } else { random.below(180) as u8 };
        Action { thread, what, which: random.next() as u32, a: random.next() as u32 >> 1, b: random.next() as u32 >> 1 }
    };
    (0..STEPS).map(|_| next()).collect()
}

/// Times that a slab was cut from again around its slices, in all cases.
static AROUND: AtomicU64 = AtomicU64::new(0);

/// Bytes that were given back under slices, in all cases.
static PUNCHED: AtomicUsize = AtomicUsize::new(0);

/// Everything a case has, on its way between threads; nothing of it stays behind.
type Job = (Box<World>, Vec<Action>);

struct Worker {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(results: Sender<Result<Box<World>, usize>>) -> Worker {
        let (jobs, inbox): (_, Receiver<Job>) = channel();
        let thread = std::thread::spawn(move || {
            for (mut world, actions) in inbox {
                let mut done = 0;
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    for &action in &actions {
                        world.act(action);
                        done += 1;
                    }
                }));
                // What is left of a case that failed is not to be trusted, not even to be dropped.
                let result = if outcome.is_ok() {
                    Ok(world)
                } else {
                    std::mem::forget(world);
                    Err(done)
                };
                if results.send(result).is_err() {
                    return;
                }
            }
        });
        Worker { jobs, thread }
    }

    /// Waits until the thread is gone, its thread-locals included.
    fn end(self) {
        drop(self.jobs);
        self.thread.join().unwrap();
    }
}

/// Runs one case. The error is the number of actions before the one that failed.
fn run(config: &Config, actions: &[Action]) -> Result<(), usize> {
    let (results, inbox) = channel();
    let mut workers: Vec<Worker> = (0..THREADS).map(|_| Worker::start(results.clone())).collect();
    let mut world = Box::new(World::new(config.clone()));
    let (mut done, mut looked_at) = (0, 0);
    while done < actions.len() {
        let first = actions[done];
        let slot = first.thread as usize;
        if first.what == REBIRTH {
            std::mem::replace(&mut workers[slot], Worker::start(results.clone())).end();
            done += 1;
            continue;
        }
        let same = |action: &&Action| action.thread == first.thread && action.what != REBIRTH;
        let batch: Vec<Action> = actions[done..].iter().take_while(same).take(7).copied().collect();
        let count = batch.len();
        workers[slot].jobs.send((world, batch)).unwrap();
        world = inbox.recv().unwrap().map_err(|within| done + within)?;
        done += count;
        let whole = done >= looked_at + 8 || done == actions.len();
        if whole {
            looked_at = done;
        }
        let checked = catch_unwind(AssertUnwindSafe(|| world.check(whole)));
        if checked.is_err() {
            std::mem::forget(world);
            return Err(done - 1);
        }
    }
    let ended = catch_unwind(AssertUnwindSafe(|| end(*world, workers)));
    ended.map_err(|_| actions.len())
}

/// Drops everything; the handles first, then the threads, then the pool.
fn end(mut world: World, workers: Vec<Worker>) {
    // Not the owner of any slab: this thread never allocates.
    world.twins.clear();
    world.check(true);
    if let Some(pool) = &world.pool {
        let (stats, report) = (pool.stats(), pool.report());
        assert!(report.is_empty() && stats.pinned_bytes == 0 && stats.handles == 0, "{stats:?}");
        let attached = stats.memory_bytes - stats.idle_bytes;
        assert!(attached <= 2 * THREADS * world.largest_slab, "{attached} bytes are neither idle nor pinned");
    }
    workers.into_iter().for_each(Worker::end);
    if let Some(pool) = world.pool.take() {
        let stats = pool.stats();
        AROUND.fetch_add(stats.slabs_reused_around, Ordering::Relaxed);
        PUNCHED.fetch_add(world.source.punched(), Ordering::Relaxed);
        assert_eq!(stats.memory_bytes, stats.idle_bytes, "nothing but idle slabs once the threads are gone");
    }
    assert_eq!(world.source.out().0, 0, "slabs that the source never got back");
}

/// The shortest list of actions that was found to fail.
fn shrunk(config: &Config, mut actions: Vec<Action>) -> Vec<Action> {
    let mut step = (actions.len() / 2).max(1);
    loop {
        let mut at = 0;
        while at < actions.len() {
            let mut fewer = actions.clone();
            fewer.drain(at..(at + step).min(actions.len()));
            match run(config, &fewer) {
                Err(done) => {
                    fewer.truncate(done + 1);
                    actions = fewer;
                }
                Ok(()) => at += step,
            }
        }
        if step == 1 {
            return actions;
        }
        step /= 2;
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}")))
}

#[test]
fn a_pool_does_what_its_naive_twin_does() {
    let seeds = match number("SHADOW_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("SHADOW_CASES").unwrap_or(CASES) + 1,
    };
    let said = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&said);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| *heard.lock().unwrap() = info.to_string()));
    let mut failure = None;
    for seed in seeds {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (config, mut actions) = (config(&mut random), actions(&mut random));
        if let Err(done) = run(&config, &actions) {
            let first = said.lock().unwrap().clone();
            actions.truncate(done + 1);
            let actions = shrunk(&config, actions);
            failure = Some((seed, first, config, actions));
            break;
        }
    }
    std::panic::set_hook(usual);
    let around = AROUND.load(Ordering::Relaxed);
    println!("slabs were cut from around their slices {around} times");
    assert!(
        around > 0 || failure.is_some() || number("SHADOW_SEED").is_some() || cfg!(bufslab_one_each),
        "no slab was cut from around its slices"
    );
    let punched = PUNCHED.load(Ordering::Relaxed);
    println!("{punched} bytes were given back under slices");
    assert!(
        punched > 0 || failure.is_some() || number("SHADOW_SEED").is_some() || cfg!(miri),
        "no page was given back"
    );
    if let Some((seed, first, config, actions)) = failure {
        // Once more, with a line for each action.
        let _ = catch_unwind(|| run(&Config { tells: true, ..config.clone() }, &actions));
        let last = said.lock().unwrap();
        panic!(
            "case SHADOW_SEED={seed} fails: {first}\nshrunk to the {} actions above, on {config:?}, which fail: {last}",
            actions.len()
        );
    }
}
