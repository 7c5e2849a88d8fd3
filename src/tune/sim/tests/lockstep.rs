//! The same random program on a real pool and in the simulation, step by step.

use super::Random;
use super::stage::{Hand, Stage};
use crate::config::{Level, Reuse};
use crate::pool::SlabPool;
use crate::trace::{AllocTrace, Op, Step};
use crate::tune::sim::run::Run;
use crate::tune::{Setup, Simulated, simulate};
use crate::{RetainPolicy, SlabBytes, Tag};
use core::time::Duration;

const TAGS: [&str; 4] = ["", "sim.read", "sim.head", "sim.kept"];

/// A pool and its twin.
pub(super) struct Pair {
    pub(super) pool: SlabPool,
    stage: Stage,
    run: Run,
    setup: Setup,
    random: Random,
    threads: u32,
    /// Handles that are there.
    alive: Vec<u32>,
    /// Of each handle there ever was: its tag, and whether it is a buffer that was never split.
    tags: Vec<u32>,
    is_whole: Vec<bool>,
    /// By which requests are large or small.
    pub(super) slab_size: u64,
    /// Whether that was another one before.
    is_changed: bool,
    /// Steps so far.
    trace: Vec<Step>,
}

impl Pair {
    pub(super) fn new(setup: Setup, threads: u32, seed: u64) -> Pair {
        let slab_size = setup.slab_size.first(4096);
        let pool = SlabPool::builder()
            .slab_size(setup.slab_size)
            .reuse(setup.reuse)
            .idle_bytes(setup.idle_bytes)
            .idle_decay(setup.idle_decay)
            .retain_policy(setup.retain.unwrap_or(RetainPolicy::new(0, usize::MAX)))
            .tracking(Level::Counters)
            .build()
            .unwrap();
        let trace = trace(threads, Vec::new());
        Pair {
            stage: Stage::new(&pool, threads as usize),
            pool,
            run: Run::new(&trace, &setup).unwrap(),
            setup,
            random: Random::new(seed),
            threads,
            alive: Vec::new(),
            tags: Vec::new(),
            is_whole: Vec::new(),
            slab_size: slab_size as u64,
            is_changed: false,
            trace: Vec::new(),
        }
    }

    fn step(&mut self, thread: u32, op: Op) {
        match op {
            Op::Alloc { tag, .. } | Op::Derive { tag, .. } => {
                self.alive.push(self.tags.len() as u32);
                self.tags.push(tag);
                self.is_whole.push(matches!(op, Op::Alloc { .. }));
                if let Op::Derive { parent, .. } = op {
                    self.is_whole[parent as usize] = false;
                }
            }
            Op::Free { handle } => self.alive.retain(|&alive| alive != handle),
            _ => {}
        }
        let step = Step { millis: 0, position: 0, thread, op };
        self.trace.push(step);
        self.run.step(&step).unwrap();
    }

    fn below(&mut self, below: u64) -> u64 {
        self.random.below(below)
    }

    /// One random thing that a program may do.
    pub(super) fn act(&mut self, most_alive: usize) {
        let thread = self.below(u64::from(self.threads)) as u32;
        let allocate = self.alive.is_empty() || (self.alive.len() < most_alive && self.below(3) == 0);
        if allocate {
            return self.alloc(thread);
        }
        let at = self.below(self.alive.len() as u64) as usize;
        let handle = self.alive[at];
        if self.alive.len() >= most_alive {
            return self.free(thread, handle);
        }
        match &self.stage.hands[handle as usize] {
            Some(Hand::Write(buffer, offset)) => {
                let (filled, capacity, offset) = (buffer.len() as u64, buffer.capacity() as u64, *offset);
                self.write(thread, handle, filled, capacity, offset);
            }
            Some(Hand::Read(slice, offset)) => {
                let (len, offset) = (slice.len() as u64, *offset);
                self.read(thread, handle, len, offset);
            }
            None => unreachable!("alive"),
        }
    }

    fn alloc(&mut self, thread: u32) {
        let size = self.slab_size;
        let len = match self.below(20) {
            0 => 0,
            1 => size + self.below(size),
            2..5 => self.below(size) + 1,
            5..10 => self.below(size / 4 + 1) + 1,
            _ => self.below(size / 16 + 1) + 1,
        };
        let filled = self.below(len.min(5000) + 1) as usize;
        self.stage.on(thread, move |pool, hands| {
            let mut buffer = pool.alloc(len as usize);
            buffer.extend_from_slice(&vec![1; filled]);
            hands.push(Some(Hand::Write(buffer, 0)));
        });
        self.step(thread, Op::Alloc { len, site: 0, tag: 0 });
    }

    fn free(&mut self, thread: u32, handle: u32) {
        self.stage.on(thread, move |_, hands| drop(hands[handle as usize].take()));
        self.step(thread, Op::Free { handle });
    }

    fn write(&mut self, thread: u32, handle: u32, filled: u64, capacity: u64, offset: u64) {
        let number = handle as usize;
        match self.below(12) {
            0 => self.free(thread, handle),
            1 if filled > 0 => {
                // The front goes.
                let at = self.below(filled + 1);
                self.stage.on(thread, move |_, hands| {
                    let Some(Hand::Write(buffer, start)) = &mut hands[number] else { unreachable!() };
                    let front = buffer.split_to(at as usize);
                    *start += at;
                    hands.push(Some(Hand::Write(front, offset)));
                });
                self.step(thread, Op::Derive { parent: handle, offset, len: at, shared: false, site: 0, tag: 0 });
                self.step(thread, Op::Resize { handle, offset: offset + at, len: capacity - at });
                if at > 0 && at < capacity && self.below(3) == 0 {
                    // It comes back.
                    self.stage.on(thread, move |_, hands| {
                        let Some(Hand::Write(rest, _)) = hands[number].take() else { unreachable!() };
                        let Some(Some(Hand::Write(front, _))) = hands.last_mut() else { unreachable!() };
                        front.unsplit(rest);
                    });
                    let front = self.tags.len() as u32 - 1;
                    self.step(thread, Op::Resize { handle: front, offset, len: capacity });
                    self.step(thread, Op::Free { handle });
                }
            }
            2 if capacity > 0 => {
                let at = self.below(capacity + 1);
                self.stage.on(thread, move |_, hands| {
                    let Some(Hand::Write(buffer, start)) = &mut hands[number] else { unreachable!() };
                    let back = buffer.split_off(at as usize);
                    let start = *start + at;
                    hands.push(Some(Hand::Write(back, start)));
                });
                let back = Op::Derive {
                    parent: handle,
                    offset: offset + at,
                    len: capacity - at,
                    shared: false,
                    site: 0,
                    tag: 0,
                };
                self.step(thread, back);
                self.step(thread, Op::Resize { handle, offset, len: at });
            }
            // One that was split may grow by ways that a trace tells by their result only.
            3 if capacity > 0 && self.is_whole[number] => {
                let more = capacity - filled + 1 + self.below(capacity);
                self.stage.on(thread, move |_, hands| {
                    let Some(Hand::Write(buffer, _)) = &mut hands[number] else { unreachable!() };
                    buffer.reserve(more as usize);
                });
                let Some(Hand::Write(buffer, _)) = &self.stage.hands[number] else { unreachable!() };
                let len = buffer.capacity() as u64;
                self.step(thread, Op::Resize { handle, offset, len });
            }
            _ => {
                let skip = self.below(4) * self.below(filled + 1) / 4;
                self.stage.on(thread, move |_, hands| {
                    let Some(Hand::Write(mut buffer, start)) = hands[number].take() else { unreachable!() };
                    bytes::Buf::advance(&mut buffer, skip as usize);
                    hands[number] = Some(Hand::Read(buffer.freeze(), start + skip));
                });
                self.step(thread, Op::Freeze { handle, offset: offset + skip, len: filled - skip });
            }
        }
    }

    fn is_retained(&self, tag: u32) -> bool {
        self.setup.retain.is_some() && self.setup.retain_tags.iter().any(|name| name == TAGS[tag as usize])
    }

    fn read(&mut self, thread: u32, handle: u32, len: u64, offset: u64) {
        let number = handle as usize;
        let slice_of = |hand: &mut Option<Hand>| -> SlabBytes {
            let Some(Hand::Read(slice, _)) = hand.take() else { unreachable!() };
            slice
        };
        let start = self.below(len + 1);
        let part = self.below(len - start + 1);
        match self.below(12) {
            0..4 => self.free(thread, handle),
            4..7 => {
                let tag = self.tags[number];
                let keep = self.is_retained(tag);
                self.stage.on(thread, move |_, hands| {
                    let Some(Hand::Read(slice, _)) = &hands[number] else { unreachable!() };
                    let part = slice.slice(start as usize..(start + part) as usize);
                    hands.push(Some(Hand::Read(if keep { part.retain() } else { part }, offset + start)));
                });
                let made = Op::Derive { parent: handle, offset: offset + start, len: part, shared: true, site: 0, tag };
                self.step(thread, made);
            }
            7 => {
                self.stage.on(thread, move |_, hands| {
                    let Some(Hand::Read(slice, start)) = &mut hands[number] else { unreachable!() };
                    let front = slice.split_to(part as usize);
                    *start += part;
                    hands.push(Some(Hand::Read(front, offset)));
                });
                self.step(thread, Op::Derive { parent: handle, offset, len: part, shared: true, site: 0, tag: 0 });
                self.step(thread, Op::Resize { handle, offset: offset + part, len: len - part });
            }
            8 => {
                self.stage.on(thread, move |_, hands| {
                    let mut slice = slice_of(&mut hands[number]);
                    bytes::Buf::advance(&mut slice, start as usize);
                    slice.truncate(part as usize);
                    hands[number] = Some(Hand::Read(slice, offset + start));
                });
                self.step(thread, Op::Resize { handle, offset: offset + start, len: part });
            }
            9 => {
                let tag = self.below(TAGS.len() as u64 - 1) as u32 + 1;
                let keep = self.is_retained(tag) && !self.is_retained(self.tags[number]);
                self.tags[number] = tag;
                self.stage.on(thread, move |_, hands| {
                    let slice = slice_of(&mut hands[number]).tag(Tag::new(TAGS[tag as usize]));
                    hands[number] = Some(Hand::Read(if keep { slice.retain() } else { slice }, offset));
                });
                self.step(thread, Op::Tag { handle, tag });
            }
            _ => {
                let retains = self.setup.retain.is_some();
                self.stage.on(thread, move |_, hands| {
                    let slice = slice_of(&mut hands[number]);
                    hands[number] = Some(Hand::Read(if retains { slice.retain() } else { slice }, offset));
                });
                self.step(thread, Op::Retain { handle, copied: false });
            }
        }
    }

    fn check(&mut self, with_report: bool) {
        let stats = self.pool.stats();
        let sums = self.run.sums();
        let pool = self.run.pool();
        let (twin_events, events) = (
            [sums.taken, pool.reused, pool.in_place, pool.around, pool.recycled],
            [
                stats.slabs_taken,
                stats.slabs_reused,
                stats.slabs_reused_in_place,
                stats.slabs_reused_around,
                stats.slabs_recycled,
            ],
        );
        let at = self.trace.len();
        assert_eq!(pool.slab_size, stats.slab_size as u64, "slab size after step {at}");
        let last = &self.trace[at.saturating_sub(3)..];
        assert_eq!(twin_events, events, "taken, reused, in place, around, recycled after step {at}: {last:?}");
        assert_eq!(
            [sums.pinned_bytes, sums.pinned_slabs, sums.memory_bytes, pool.idle.bytes],
            [stats.pinned_bytes, stats.pinned_slabs, stats.memory_bytes, stats.idle_bytes].map(|n| n as u64),
            "pinned bytes, pinned slabs, memory, idle after step {at}: {last:?}"
        );
        if with_report {
            let live = self.pool.report().totals.live_bytes as u64;
            assert_eq!(sums.live_bytes, live, "live bytes after step {at}: {last:?}");
        }
    }

    /// So many things, with more and fewer handles alive in turn. What all of it came to.
    fn run(mut self, acts: usize) -> Simulated {
        for act in 0..acts {
            let most = [4, 40, 200, 10][act * 8 / acts % 4];
            self.act(most);
            self.check(act % 50 == 0);
        }
        self.end()
    }

    fn end(mut self) -> Simulated {
        while let Some(&handle) = self.alive.last() {
            let thread = self.below(u64::from(self.threads)) as u32;
            self.free(thread, handle);
            self.check(false);
        }
        self.check(true);
        assert_eq!((self.run.sums().pinned_bytes, self.run.sums().copy_bytes), (0, 0));
        let simulated = self.run.finish();
        if !self.is_changed {
            // As a whole it comes to the same, but for the moments, which are fewer.
            let again = Simulated {
                series: simulated.series.clone(),
                ..simulate(&trace(self.threads, self.trace), &self.setup).unwrap()
            };
            assert_eq!(again, simulated);
        }
        simulated
    }
}

fn trace(threads: u32, steps: Vec<Step>) -> AllocTrace {
    AllocTrace { threads, tags: TAGS.map(String::from).to_vec(), steps, ..AllocTrace::default() }
}

/// A setup in which nothing goes by the clock, which a test cannot hold still.
pub(super) fn setup(slab_size: usize, reuse: Reuse, idle_bytes: usize) -> Setup {
    Setup { reuse, idle_bytes, idle_decay: Duration::ZERO, ..Setup::new(slab_size) }
}

pub(super) const ACTS: usize = if cfg!(miri) { 60 } else { 4_000 };

/// Adds up what happened in all runs, so that a test can tell that it happened at all.
fn all(setups: impl IntoIterator<Item = (Setup, u32)>) -> Simulated {
    let mut sum = Simulated::default();
    for (seed, (setup, threads)) in setups.into_iter().enumerate() {
        let one = Pair::new(setup, threads, seed as u64 + 1).run(ACTS);
        sum.slabs_reused += one.slabs_reused;
        sum.slabs_reused_in_place += one.slabs_reused_in_place;
        sum.slabs_reused_around += one.slabs_reused_around;
        sum.slabs_recycled += one.slabs_recycled;
        sum.oversize += one.oversize;
        sum.copies += one.copies;
        sum.moves += one.moves;
    }
    sum
}

#[test]
#[cfg_attr(bufslab_asan, ignore = "asan: slabs are cut with gaps between slices")]
#[cfg_attr(bufslab_one_each, ignore = "one each: the simulation is of slabs that slices share")]
fn every_figure_is_the_pools_after_every_step() {
    let sizes = [256, 4096, 65_536];
    let idle = [0, 10_000, 16 << 20];
    let mut setups = Vec::new();
    for reuse in [Reuse::WholeSlab, Reuse::AroundThePin] {
        for (slab_size, idle_bytes) in sizes.into_iter().flat_map(|size| idle.map(|idle| (size, idle))) {
            for threads in [1, 3] {
                setups.push((setup(slab_size, reuse, idle_bytes), threads));
            }
        }
    }
    let sum = all(setups);
    if cfg!(miri) {
        return;
    }
    let happened =
        [sum.slabs_reused, sum.slabs_reused_in_place, sum.slabs_reused_around, sum.slabs_recycled, sum.oversize];
    assert!(
        happened.iter().chain(&[sum.copies, sum.moves]).all(|&times| times > 100),
        "too little to say anything: {sum:?}"
    );
}

#[test]
#[cfg_attr(bufslab_asan, ignore = "asan: slabs are cut with gaps between slices")]
#[cfg_attr(bufslab_one_each, ignore = "one each: the simulation is of slabs that slices share")]
fn copies_are_the_pools_whatever_the_policy() {
    let policies = [
        None,
        Some(RetainPolicy::new(0, 4)),
        Some(RetainPolicy::new(100, 1000)),
        Some(RetainPolicy::new(usize::MAX, 0)),
    ];
    let tags = [&TAGS[..0], &TAGS[1..2], &TAGS[1..]];
    let mut setups = Vec::new();
    for (retain, tags) in policies.into_iter().flat_map(|policy| tags.map(|tags| (policy, tags))) {
        let retain_tags = tags.iter().map(|&tag| tag.into()).collect();
        setups.push((Setup { retain, retain_tags, ..setup(4096, Reuse::default(), 1 << 20) }, 2));
    }
    let sum = all(setups);
    assert!(cfg!(miri) || sum.copies > 1000, "too little to say anything: {sum:?}");
}

#[test]
#[cfg_attr(bufslab_asan, ignore = "asan: slabs are cut with gaps between slices")]
#[cfg_attr(bufslab_one_each, ignore = "one each: the simulation is of slabs that slices share")]
fn a_slab_size_that_changes_leaves_the_same_slabs_behind() {
    for (seed, reuse) in [Reuse::WholeSlab, Reuse::AroundThePin].into_iter().enumerate() {
        let mut pair = Pair::new(setup(4096, reuse, 100_000), 3, seed as u64 + 77);
        for act in 0..ACTS {
            if act % 97 == 0 {
                let size = [1024, 4096, 16_384][pair.below(3) as usize];
                pair.pool.set_slab_size(size).unwrap();
                pair.run.pool().set_slab_size(size as u64);
                (pair.slab_size, pair.is_changed) = (size as u64, true);
            }
            pair.act([4, 150, 30][act * 6 / ACTS % 3]);
            pair.check(act % 50 == 0);
        }
        pair.end();
    }
}

#[test]
#[cfg_attr(bufslab_asan, ignore = "asan: slabs are cut with gaps between slices")]
#[cfg_attr(bufslab_one_each, ignore = "one each: the simulation is of slabs that slices share")]
fn a_slab_size_that_is_found_is_the_one_that_the_pool_finds() {
    let mut moves = 0;
    for (seed, reuse) in [Reuse::WholeSlab, Reuse::AroundThePin].into_iter().cycle().take(24).enumerate() {
        let auto = Setup { slab_size: crate::Auto.between(8192, 1 << 20), ..setup(4096, reuse, 2 << 20) };
        let mut pair = Pair::new(auto, 1 + seed as u32 % 3, seed as u64 + 500);
        pair.slab_size = [500, 50_000, 200_000][seed % 3];
        for act in 0..ACTS {
            if act % 1000 == 999 {
                pair.slab_size = [500, 50_000, 200_000][pair.below(3) as usize];
            }
            pair.act([4, 150, 30][act * 6 / ACTS % 3]);
            pair.check(act % 50 == 0);
        }
        moves += pair.pool.stats().slab_size_moves;
        pair.end();
    }
    assert!(cfg!(miri) || moves > 20, "{moves} moves are too few to say anything");
}
