//! What is measured: the pool's bytes, the process's resident memory, and slopes.

use bufslab::SlabPool;

/// What a pool says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolBytes {
    /// Bytes of all slabs that some slice keeps alive.
    pub pinned: usize,
    /// Bytes that live slices cover.
    pub live: usize,
    /// Bytes of those slabs that take real memory, where that is known.
    pub resident: Option<usize>,
}

/// One virtual second's figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Virtual seconds since the start of the run.
    pub t: f64,
    pub pool: PoolBytes,
    /// Resident memory of the whole process, clients included; 0 where it cannot be read.
    pub rss: u64,
}

impl PoolBytes {
    pub fn of(pool: &SlabPool) -> PoolBytes {
        let totals = pool.report().totals;
        PoolBytes { pinned: totals.pinned_bytes, live: totals.live_bytes, resident: totals.resident_bytes }
    }
}

/// Resident memory of this process as Linux tells it; 0 elsewhere.
pub fn resident_bytes() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// The least-squares slope over the last 80 % of a run of `length` seconds, in bytes a second.
pub fn slope(points: &[(f64, f64)], length: f64) -> f64 {
    let late: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.0 > 0.2 * length).collect();
    let count = late.len() as f64;
    let mean_t = late.iter().map(|p| p.0).sum::<f64>() / count;
    let mean_y = late.iter().map(|p| p.1).sum::<f64>() / count;
    let spread: f64 = late.iter().map(|p| (p.0 - mean_t).powi(2)).sum();
    let together: f64 = late.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_y)).sum();
    if spread > 0.0 { together / spread } else { 0.0 }
}
