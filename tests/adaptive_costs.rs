//! What a slab size that the pool finds costs, against every fixed one, on loads of different kinds: simulated, with the pool's own decisions.
//!
//! `cargo test --features tune --test adaptive_costs -- --nocapture` prints the table.
#![cfg(feature = "tune")]
#![allow(missing_docs)]

use bufslab::trace::{AllocTrace, Op, Step};
use bufslab::tune::{Setup, Simulated, simulate};
use bufslab::{Auto, Reuse};
use std::collections::VecDeque;
use std::path::Path;

const KIB: usize = 1024;
/// The bounds of `Auto` if nothing else is said, and what is between.
const SIZES: [usize; 7] = [16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, 1024 * KIB];

/// Numbers that are the same each time (xorshift*, Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % n
    }
}

/// A trace in the making.
struct Load {
    trace: AllocTrace,
    handles: u32,
    random: Random,
}

impl Load {
    fn new() -> Load {
        let mut trace = AllocTrace::default();
        (trace.one_in, trace.threads) = (1, 2);
        (trace.sites, trace.tags) = (vec![String::new()], vec![String::new()]);
        Load { trace, handles: 0, random: Random(0x9E37_79B9_7F4A_7C15) }
    }

    fn step(&mut self, thread: u32, op: Op) {
        let position = self.trace.allocations;
        self.trace.steps.push(Step { millis: position / 100, position, thread, op });
    }

    /// A read of `filled` bytes into a buffer of `len`.
    fn read(&mut self, len: u64, filled: u64) -> u32 {
        let handle = self.handles;
        self.step(0, Op::Alloc { len, site: 0, tag: 0 });
        self.trace.allocations += 1;
        self.step(0, Op::Freeze { handle, offset: 0, len: filled });
        self.handles += 1;
        handle
    }

    fn slice(&mut self, parent: u32, len: u64) -> u32 {
        self.step(0, Op::Derive { parent, offset: 0, len, shared: true, site: 0, tag: 0 });
        self.handles += 1;
        self.handles - 1
    }

    fn free(&mut self, thread: u32, handle: u32) {
        self.step(thread, Op::Free { handle });
    }

    /// `reads` reads of `least` to `most` bytes of which `window` are kept.
    fn stream(mut self, reads: u64, (least, most): (u64, u64), window: usize) -> Load {
        let mut kept = VecDeque::new();
        for _ in 0..reads {
            let len = least + self.random.below(most - least + 1);
            kept.push_back(self.read(len, len));
            if kept.len() > window {
                let oldest = kept.pop_front().unwrap();
                self.free(0, oldest);
            }
        }
        kept.into_iter().for_each(|handle| self.free(0, handle));
        self
    }

    /// Reads of which 20 bytes of one in `one_in` are kept for the time of `pins` others.
    fn pinned(mut self, reads: u64, (least, most): (u64, u64), one_in: u64, pins: usize) -> Load {
        let mut kept = VecDeque::new();
        for i in 0..reads {
            let len = least + self.random.below(most - least + 1);
            let read = self.read(len, len);
            if i % one_in == 0 {
                let head = self.slice(read, 20);
                kept.push_back(head);
            }
            self.free(0, read);
            if kept.len() > pins {
                let oldest = kept.pop_front().unwrap();
                self.free(0, oldest);
            }
        }
        self
    }
}

/// Loads as servers have them, and the name of each.
fn loads() -> Vec<(&'static str, Reuse, AllocTrace)> {
    let (around, whole) = (Reuse::AroundThePin, Reuse::WholeSlab);
    let load = Load::new;
    let mut filled_a_little = load();
    for _ in 0..20_000 {
        let read = filled_a_little.read(16_384, 1_500);
        filled_a_little.free(0, read);
    }
    let mut dropped_elsewhere = load();
    let mut sent = VecDeque::new();
    for _ in 0..20_000 {
        let len = 200 + dropped_elsewhere.random.below(4_000);
        sent.push_back(dropped_elsewhere.read(len, len));
        if sent.len() > 8 {
            let oldest = sent.pop_front().unwrap();
            dropped_elsewhere.free(1, oldest);
        }
    }
    let mut random_lifetimes = load();
    let mut table = vec![None; 500];
    for _ in 0..20_000 {
        let len = 100 + random_lifetimes.random.below(1_400);
        let place = random_lifetimes.random.below(500) as usize;
        if let Some(old) = table[place].take() {
            random_lifetimes.free(0, old);
        }
        table[place] = Some(random_lifetimes.read(len, len));
    }
    let mut some_large = load();
    for i in 0..20_000 {
        let len = if i % 20 == 0 { 200_000 } else { 4_096 };
        let read = some_large.read(len, len);
        some_large.free(0, read);
    }
    let mut alternating = load();
    for _ in 0..5 {
        alternating = alternating.stream(4_000, (1_000, 2_000), 0).stream(1_000, (60_000, 120_000), 0);
    }
    let mut all: Vec<(&'static str, Reuse, Load)> = vec![
        ("reads of 1.5 kB, dropped at once", around, load().stream(20_000, (1_500, 1_500), 0)),
        ("messages of 64 to 512 B, dropped at once", around, load().stream(40_000, (64, 512), 0)),
        ("reads of 1.5 kB into 16 KiB", around, filled_a_little),
        ("uploads in pieces of 16 KiB, 8 kept", around, load().stream(10_000, (16_384, 16_384), 8)),
        ("reads of 48 to 100 KiB", around, load().stream(5_000, (48_000, 100_000), 0)),
        ("reads of 100 to 900 KiB, 2 kept", around, load().stream(2_000, (100_000, 900_000), 2)),
        ("reads of 4 KiB, 1 in 20 of 200 kB", around, some_large),
        ("reads of 1 to 3 kB, 100 kept", around, load().stream(20_000, (1_000, 3_000), 100)),
        ("reads of 1 to 3 kB, 2,000 kept", around, load().stream(20_000, (1_000, 3_000), 2_000)),
        ("dropped on another thread", around, dropped_elsewhere),
        ("dropped at random", around, random_lifetimes),
    ];
    for reuse in [around, whole] {
        all.push(("20 B of 1 read in 40 pinned", reuse, load().pinned(20_000, (1_000, 2_000), 40, 400)));
        all.push(("20 B of 1 read in 5 pinned", reuse, load().pinned(10_000, (4_000, 16_000), 5, 2_000)));
        all.push(("20 B of 1 upload in 40 pinned", reuse, load().pinned(10_000, (8_000, 16_000), 40, 10_000)));
    }
    all.push(("small and large in turns", around, alternating));
    all.into_iter().map(|(name, reuse, load)| (name, reuse, load.trace)).collect()
}

/// The traces of real servers, as pools are by default and with whole slabs.
fn shipped() -> Vec<(&'static str, Reuse, AllocTrace)> {
    let mut all = Vec::new();
    for name in ["node_upgrade", "echo", "upload", "proxy"] {
        let path = Path::new("traces").join(name).with_extension("slabtrace");
        let trace = AllocTrace::from_bytes(&std::fs::read(path).unwrap()).unwrap();
        all.extend([Reuse::AroundThePin, Reuse::WholeSlab].map(|reuse| (name, reuse, trace.clone())));
    }
    all
}

struct Compared {
    name: String,
    fixed: Vec<Simulated>,
    auto: Simulated,
}

impl Compared {
    fn new(name: String, trace: &AllocTrace, reuse: Reuse) -> Compared {
        let run = |mut setup: Setup| {
            setup.reuse = reuse;
            simulate(trace, &setup).unwrap()
        };
        let fixed = SIZES.into_iter().map(|size| run(Setup::new(size))).collect();
        Compared { name, fixed, auto: run(Setup::new(Auto)) }
    }

    fn best(&self) -> usize {
        (0..SIZES.len()).min_by(|&a, &b| self.fixed[a].cost_ns().total_cmp(&self.fixed[b].cost_ns())).unwrap()
    }

    fn best_cost(&self) -> f64 {
        self.fixed[self.best()].cost_ns()
    }

    fn worst(&self) -> f64 {
        self.fixed.iter().map(Simulated::cost_ns).fold(0.0, f64::max)
    }

    fn print(&self) {
        let best = self.fixed[self.best()].cost_ns();
        print!("{:42}", self.name);
        for (i, fixed) in self.fixed.iter().enumerate() {
            print!("{:>8.1}{}", fixed.cost_ns(), if i == self.best() { '*' } else { ' ' });
        }
        let auto = &self.auto;
        let moves = auto.slab_size_moves.len();
        println!(
            "{:>8.1} {:>5.2} {:>6} KiB {moves:>3}",
            auto.cost_ns(),
            auto.cost_ns() / best,
            auto.end_slab_size / KIB
        );
        if std::env::var_os("MOVES").is_some() {
            auto.slab_size_moves.iter().for_each(|made| println!("    {made}"));
            let two = |of: fn(&Simulated) -> f64| format!("{:.1}", of(auto));
            println!("    time {} rent {}", two(Simulated::modelled_ns), two(Simulated::rent_ns));
            for (size, fixed) in SIZES.iter().zip(&self.fixed) {
                println!("    {size:>8} time {:.1} rent {:.1}", fixed.modelled_ns(), fixed.rent_ns());
            }
        }
    }
}

#[test]
fn it_costs_hardly_more_than_the_best_fixed_size() {
    print!("{:42}", "ns a request and its memory's rent");
    SIZES.iter().for_each(|size| print!("{:>5} KiB", size / KIB));
    println!("{:>8} {:>5} {:>10} {:>3}", "Auto", "/best", "at the end", "moves");
    for (name, reuse, trace) in shipped() {
        let compared = compare(name, reuse, &trace);
        let (best, worst, auto) = (compared.best_cost(), compared.worst(), compared.auto.cost_ns());
        // What real servers asked for.
        assert!(auto <= 1.16 * best, "{}: {auto} and not {best}", compared.name);
        assert!(worst < 1.5 * best || auto < 0.8 * worst, "{}: {auto} of {worst} at worst", compared.name);
        let memory = |of: fn(&Simulated) -> u64| (of(&compared.auto), compared.fixed.iter().map(of).max().unwrap());
        let (mean, most) = memory(|run| run.mean_pinned_bytes);
        assert!(mean * 2 <= most, "{}: {mean} bytes pinned, {most} at worst", compared.name);
    }
    let mut product = 1.0;
    let loads = loads();
    let count = loads.len();
    for (name, reuse, trace) in loads {
        let compared = compare(name, reuse, &trace);
        let (best, worst, auto) = (compared.best_cost(), compared.worst(), compared.auto.cost_ns());
        product *= auto / best;
        // Some of them are over before anything can be learnt.
        assert!(auto <= 2.5 * best && (worst < 2.0 * best || auto < 0.8 * worst), "{}: {auto}", compared.name);
    }
    let mean = product.powf(1.0 / count as f64);
    println!("made-up loads: {mean:.2} times the best fixed size on (geometric) average");
    assert!(mean <= 1.25, "{mean}");
}

fn compare(name: &str, reuse: Reuse, trace: &AllocTrace) -> Compared {
    let how = if reuse == Reuse::WholeSlab { ", whole slabs" } else { "" };
    let compared = Compared::new(format!("{name}{how}"), trace, reuse);
    compared.print();
    compared
}
