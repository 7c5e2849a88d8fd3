//! Time of the calling thread on a processor, and what asking for it costs.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

/// Nanoseconds that this thread has had a processor for.
#[cfg(unix)]
pub fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the write.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "the system has a clock for each thread");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Where there is no such clock the one on the wall stands for it.
#[cfg(not(unix))]
pub fn cpu_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Processor time of `work` in nanoseconds, without that of asking for it, and what it returns.
pub fn timed<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let asking = asking();
    let before = cpu_ns();
    let result = black_box(work());
    let spent = cpu_ns() - before;
    ((spent as f64 - asking).max(0.0), result)
}

/// What the two readings of an empty measurement differ by.
fn asking() -> f64 {
    static ASKING: OnceLock<f64> = OnceLock::new();
    *ASKING.get_or_init(|| {
        let mut readings: Vec<u64> = (0..1001)
            .map(|_| {
                let before = cpu_ns();
                cpu_ns() - before
            })
            .collect();
        readings.sort_unstable();
        readings[500] as f64
    })
}

/// Says on standard error what is being done, and since when.
pub struct Progress(Instant);

impl Progress {
    pub fn start() -> Progress {
        Progress(Instant::now())
    }

    pub fn say(&self, what: &str) {
        eprintln!("[{:>5.1} s] {what}", self.0.elapsed().as_secs_f64());
    }
}
