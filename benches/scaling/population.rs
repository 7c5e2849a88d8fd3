//! What the measurements on populations have in common: how many, at random, and how often.

use std::thread;

use bufslab::{SlabBytes, SlabPool};

use crate::clock::timed;

/// Memory that a measurement may take.
const MOST: usize = 6 << 30;

/// `xorshift64*`.
pub struct Random(u64);

impl Random {
    pub fn new() -> Random {
        Random(0x9E37_79B9_7F4A_7C15)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }

    pub fn many(&mut self, count: usize, below: usize) -> Vec<usize> {
        (0..count).map(|_| self.below(below)).collect()
    }
}

/// Bytes that may be used: two thirds of what the system has left, and never more than 6 GiB.
fn room() -> usize {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse::<usize>().ok());
    kib.map_or(2 << 30, |kib| (kib * 1024 / 3 * 2).min(MOST))
}

/// From `first` to `last` by halves of a decade; fewer if each takes `bytes` of memory and there is not enough.
pub fn steps(first: usize, last: usize, bytes: usize) -> Vec<usize> {
    let room = room();
    let half = |step: u32| (first as f64 * 10_f64.powf(f64::from(step) / 2.0)).round() as usize;
    let wanted: Vec<usize> = (0..).map(half).take_while(|&n| n <= last + last / 100).collect();
    let steps: Vec<usize> = wanted.iter().copied().filter(|&n| n.saturating_mul(bytes) <= room).collect();
    if steps.len() < wanted.len() {
        eprintln!("left out, for they would take more than {} MiB: {:?}", room >> 20, &wanted[steps.len()..]);
    }
    steps
}

/// Has a thread fill `slices` up to `count` with the first `keep` bytes of reads of `read` bytes. The thread is gone afterwards, and
/// no slab that pins them has an owner.
pub fn fill(pool: &SlabPool, slices: &mut Vec<SlabBytes>, count: usize, read: usize, keep: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            slices.reserve_exact(count.saturating_sub(slices.len()));
            while slices.len() < count {
                let mut buffer = pool.alloc(read);
                buffer.extend_from_slice(&[7; 16][..keep.min(16)]);
                buffer.resize(read, 7);
                let whole = buffer.freeze();
                slices.push(if keep < read { whole.slice(..keep) } else { whole });
            }
        });
    });
}

/// Nanoseconds that are timed at once, at least: less the clock cannot tell well.
const AT_ONCE: f64 = 20e3;

/// Times a call again and again until the times add up to `enough` nanoseconds: at least three times, and at most 200. What the
/// call returns is dropped outside of the time.
pub fn calls<R>(enough: f64, mut call: impl FnMut() -> R) -> Vec<f64> {
    let (first, result) = timed(&mut call);
    drop(result);
    let some = (AT_ONCE / first.max(1.0)).ceil().clamp(1.0, 1000.0) as usize;
    let (mut times, mut sum) = (Vec::new(), 0.0);
    let mut results = Vec::with_capacity(some);
    while times.len() < 3 || (sum < enough && times.len() < 200) {
        let (ns, ()) = timed(|| results.extend((0..some).map(|_| call())));
        results.clear();
        sum += ns;
        times.push(ns.max(1.0) / some as f64);
    }
    times
}
