//! What is shown on standard error while the runs go on.

use std::io::{self, IsTerminal, Write};

use crate::measure::Sample;
use crate::plan::Case;

/// On a terminal one line that changes; elsewhere a line now and then.
pub struct Progress {
    terminal: bool,
    runs: usize,
}

/// Elsewhere than on a terminal, a line is written every so many virtual seconds.
const LINE_EVERY: u32 = 60;

impl Progress {
    pub fn new(runs: usize) -> Progress {
        Progress { terminal: io::stderr().is_terminal(), runs }
    }

    /// Shows how far a run is.
    pub fn sample(&self, run: usize, case: &Case, second: u32, length: u32, sample: &Sample) {
        if !self.terminal && second % LINE_EVERY != 0 && second != length {
            return;
        }
        let pinned = sample.pool.pinned as f64 / 1e6;
        self.show(&format!("run {run} of {}, {case}: {second:3} of {length} s, {pinned:.1} MB pinned", self.runs));
    }

    /// Shows that the flat-out uploads have begun.
    pub fn flat_out(&self, run: usize, case: &Case) {
        if self.terminal {
            self.show(&format!("run {run} of {}, {case}: uploading flat out", self.runs));
        }
    }

    /// Clears the line that changes.
    pub fn done(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }

    fn show(&self, text: &str) {
        if self.terminal {
            eprint!("\r\x1b[K{text}");
            let _ = io::stderr().flush();
        } else {
            eprintln!("{text}");
        }
    }
}
