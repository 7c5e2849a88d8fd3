//! What Linux says of this process; elsewhere nothing is known.

use std::fs;

/// What the server's process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Time on a processor of the thread that serves, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Page faults that needed no disk.
    pub faults: Option<u64>,
    /// Resident memory, in bytes.
    pub resident: Option<u64>,
    /// The most it ever was.
    pub resident_peak: Option<u64>,
}

impl Used {
    pub fn now() -> Used {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
        };
        Used { cpu_ns: cpu_ns(), faults: faults(), resident: kib("VmRSS:"), resident_peak: kib("VmHWM:") }
    }
}

/// The first field of `schedstat`: of the main thread, which is the one that serves.
fn cpu_ns() -> Option<u64> {
    fs::read_to_string("/proc/self/schedstat").ok()?.split_whitespace().next()?.parse().ok()
}

/// `minflt`, the tenth field of `stat`. The second may hold blanks, and ends with the last parenthesis.
fn faults() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(7)?.parse().ok()
}

/// The processor's name, and how many of them this process may use.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(':'));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = if count == 1 { "core" } else { "cores" };
    format!("{}, {count} {cores}, {}", name.map_or("unknown processor", str::trim), std::env::consts::OS)
}
