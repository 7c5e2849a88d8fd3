//! What a contended line costs on this machine.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

/// Nanoseconds.
pub struct Costs {
    /// A read-modify-write of a line that nobody else has.
    pub alone: f64,
    /// One each of two threads with a line of its own.
    pub apart: f64,
    /// The same of one line, until any of the two is done: what the line takes for one of them.
    pub together: f64,
    /// From one thread's write until the other, which waits for it, has written.
    pub passed: f64,
}

/// `None` where there are not two cores.
pub fn measure(length: Duration) -> Option<Costs> {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return None;
    }
    let lines = [CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicU64::new(0))];
    Some(Costs {
        alone: adding(&[&lines[0]], length),
        apart: adding(&[&lines[0], &lines[1]], length) * 2.0,
        together: adding(&[&lines[0], &lines[0]], length),
        passed: passing(&lines[0], length),
    })
}

/// Each thread adds to its counter for so long. Nanoseconds of wall time for each addition.
fn adding(counters: &[&AtomicU64], length: Duration) -> f64 {
    let barrier = Barrier::new(counters.len());
    let done: Vec<f64> = thread::scope(|scope| {
        let one = |counter: &AtomicU64| {
            barrier.wait();
            let (start, mut done) = (Instant::now(), 0_u64);
            while start.elapsed() < length {
                (0..1000).for_each(|_| _ = counter.fetch_add(1, Ordering::Relaxed));
                done += 1000;
            }
            done as f64 / start.elapsed().as_nanos() as f64
        };
        let threads: Vec<_> = counters.iter().map(|counter| scope.spawn(move || one(counter))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it only counts")).collect()
    });
    1.0 / done.iter().sum::<f64>()
}

/// Two threads add in turn, each when it sees that the other has. Nanoseconds of wall time for each turn.
fn passing(line: &AtomicU64, length: Duration) -> f64 {
    let barrier = Barrier::new(2);
    line.store(0, Ordering::Relaxed);
    let over = u64::MAX / 2;
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            barrier.wait();
            loop {
                match line.load(Ordering::Relaxed) {
                    seen if seen >= over => return,
                    // It may have been told meanwhile that it is over.
                    seen if seen % 2 == 1 => {
                        _ = line.compare_exchange(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed)
                    }
                    _ => std::hint::spin_loop(),
                }
            }
        });
        barrier.wait();
        let (start, mut best) = (Instant::now(), f64::MAX);
        // The best of short stretches: in the others one of the two had to wait for a core.
        while start.elapsed() < length {
            let (begin, first) = (Instant::now(), line.load(Ordering::Relaxed));
            while begin.elapsed() < Duration::from_millis(1) {
                // Looking at the clock takes longer than a turn.
                for _ in 0..1000 {
                    if line.load(Ordering::Relaxed) % 2 == 0 {
                        line.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            let turns = line.load(Ordering::Relaxed) - first;
            best = best.min(begin.elapsed().as_nanos() as f64 / turns.max(1) as f64);
        }
        line.store(over, Ordering::Relaxed);
        other.join().expect("it only counts");
        best
    })
}
