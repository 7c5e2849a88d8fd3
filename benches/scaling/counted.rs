//! Events of a few loads, counted while they run: by the pool itself, and by the addresses that it hands out. No times.

use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::thread;

use bufslab::{PoolStats, SlabBytes, SlabBytesMut, SlabPool};

use crate::model::READS;
use crate::population::Random;

/// Bytes of a read.
const READ: usize = 4096;
/// Reads that are kept in the load with random lifetimes.
const WINDOW: usize = 1024;

/// What was counted of loads whose events depend on chance, for each request.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Slabs that were begun: fresh, idle, in place, or around their slices.
    pub openings: f64,
    /// Reads that do not lie behind the one before: in another hole or slab.
    pub jumps: f64,
}

/// One count and the bounds that it has to be in.
pub struct Check {
    pub load: String,
    pub what: &'static str,
    pub least: f64,
    pub counted: f64,
    pub most: f64,
}

impl Check {
    pub fn holds(&self) -> bool {
        // What was divided is not exact in the last digit.
        (self.least - 1e-9..=self.most + 1e-9).contains(&self.counted)
    }
}

/// Not written to: what is counted is the pool's doing.
pub fn read(pool: &SlabPool) -> SlabBytesMut {
    pool.alloc(READ)
}

pub fn openings(stats: &PoolStats) -> u64 {
    stats.slabs_taken + stats.slabs_reused + stats.slabs_reused_in_place + stats.slabs_reused_around
}

pub struct Counted {
    pub checks: Vec<Check>,
    pub rates: Rates,
}

/// Runs the loads, `requests` each.
pub fn count(requests: usize) -> Counted {
    let mut checks = Vec::new();
    hot(requests, &mut checks);
    broadcast(requests, &mut checks);
    handed_over(requests, &mut checks);
    let rates = random(requests, &mut checks);
    Counted { checks, rates }
}

fn exactly(load: &str, what: &'static str, counted: u64, expected: f64) -> Check {
    Check { load: load.to_owned(), what, least: expected, counted: counted as f64, most: expected }
}

fn hot(requests: usize, checks: &mut Vec<Check>) {
    let pool = SlabPool::new();
    let mut last = read(&pool);
    (1..requests).for_each(|_| last = black_box(read(&pool)));
    let stats = pool.stats();
    let slabs = (requests as f64 / READS).ceil();
    checks.extend([
        // The last read of one slab is there still when the first one of the next is made.
        exactly("hot", "slabs taken", stats.slabs_taken, 2.0),
        exactly("hot", "resets in place", stats.slabs_reused_in_place, slabs - 2.0),
        exactly(
            "hot",
            "slabs that changed hands",
            stats.slabs_reused + stats.slabs_recycled + stats.slabs_reused_around,
            0.0,
        ),
    ]);
}

fn broadcast(requests: usize, checks: &mut Vec<Check>) {
    let pool = SlabPool::new();
    let slice = short(&pool);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..requests).for_each(|_| drop(black_box(slice.clone()))));
        }
    });
    let stats = pool.stats();
    checks.extend([
        exactly("broadcast", "slabs begun", openings(&stats), 1.0),
        exactly("broadcast", "handles left", stats.handles, 1.0),
    ]);
}

fn handed_over(requests: usize, checks: &mut Vec<Check>) {
    let pool = SlabPool::new();
    let (sender, receiver) = sync_channel(64);
    thread::scope(|scope| {
        scope.spawn(|| {
            let sender = sender;
            (0..requests).for_each(|_| sender.send(read(&pool)).expect("the other one waits for all of them"));
        });
        scope.spawn(|| receiver.into_iter().for_each(drop));
    });
    let stats = pool.stats();
    let (begun, requests) = (openings(&stats) as f64, requests as f64);
    checks.extend([
        Check {
            load: "handed over".to_owned(),
            what: "slabs begun",
            // Where the others are quick the slab drains, and its owner goes back in it; over as much as the slab has, at most.
            least: (requests / READS / 2.0).ceil(),
            counted: begun,
            // Around its slices a slab is begun only with half of it free.
            most: (requests / READS * 2.0).ceil(),
        },
        Check {
            load: "handed over".to_owned(),
            what: "slabs emptied elsewhere",
            least: stats.slabs_reused as f64,
            counted: stats.slabs_recycled as f64,
            most: begun,
        },
    ]);
}

/// A short slice.
pub fn short(pool: &SlabPool) -> SlabBytes {
    let mut buffer = pool.alloc(64);
    buffer.extend_from_slice(&[7; 64]);
    buffer.freeze()
}

/// Adds the reads that do not lie behind the one before to `jumps`.
pub struct Window {
    reads: Vec<SlabBytesMut>,
    random: Random,
    expected: usize,
    pub jumps: usize,
}

impl Window {
    pub fn new(pool: &SlabPool) -> Window {
        let reads = (0..WINDOW).map(|_| read(pool)).collect();
        Window { reads, random: Random::new(), expected: 0, jumps: 0 }
    }

    /// A read takes the place of one at random.
    pub fn replace(&mut self, pool: &SlabPool) {
        let at = self.random.below(WINDOW);
        let new = read(pool);
        let address = new.as_ptr() as usize;
        self.jumps += usize::from(address != self.expected);
        self.expected = address + READ;
        self.reads[at] = new;
    }
}

fn random(requests: usize, checks: &mut Vec<Check>) -> Rates {
    let pool = SlabPool::new();
    let mut window = Window::new(&pool);
    // Until lifetimes are mixed.
    (0..20 * WINDOW).for_each(|_| window.replace(&pool));
    let before = (openings(&pool.stats()), window.jumps);
    (0..requests).for_each(|_| window.replace(&pool));
    let after = (openings(&pool.stats()), window.jumps);
    let per = |before: f64, after: f64| (after - before) / requests as f64;
    let openings = per(before.0 as f64, after.0 as f64);
    let jumps = per(before.1 as f64, after.1 as f64);
    let check = |what, least, counted, most| Check { load: "random".to_owned(), what, least, counted, most };
    checks.extend([
        check(
            "slabs begun, a request",
            1.0 / READS - 1.0 / requests as f64,
            openings,
            2.0 / READS + 1.0 / requests as f64,
        ),
        check("holes begun, a request", openings, jumps, 1.0),
    ]);
    Rates { openings, jumps }
}
