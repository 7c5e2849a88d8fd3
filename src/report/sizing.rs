//! The moves of a slab size that the pool finds by itself.

use core::fmt;
use core::time::Duration;

use super::model::PinReport;
use super::settings::warning;
use super::table::Lines;
use super::units::{bytes, count, span};
use crate::config::Key;

/// One change that a pool with [`Auto`](crate::Auto) made of its slab size, and why. `Display` gives the reason as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlabSizeMove {
    /// The size before, in bytes.
    pub from: usize,
    /// The size since, in bytes.
    pub to: usize,
    /// How long ago, in steps of 10 ms.
    pub age: Duration,
    /// What was done and why, as one sentence with the figures that decided.
    pub reason: String,
}

/// `grew from 64 KiB to 128 KiB: …`
impl fmt::Display for SlabSizeMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Moves that the short text form shows.
const SHOWN: usize = 3;

impl PinReport {
    /// How the pool's slab size came about, if it was moved: what it may be, what it is, and how often it was moved lately.
    pub(super) fn sizing_line(&self) -> Option<String> {
        let moves = self.slab_size_moves.len();
        if moves == 0 {
            return None;
        }
        let asked = self.config.iter().find(|setting| setting.name() == Key::SlabSize.name());
        let asked = asked.map_or(String::from("found"), |setting| setting.value().to_owned());
        Some(format!("slab size: {asked}, now {}, {} lately", bytes(self.slab_size), count(moves, "move")))
    }

    /// As lines of the text form, the latest move first; if `all`, with every one that is known.
    pub(super) fn sizing_text(&self, lines: &mut Lines<'_, '_>, all: bool) -> fmt::Result {
        let Some(line) = self.sizing_line() else { return Ok(()) };
        lines.prose(&line)?;
        let shown = if all { usize::MAX } else { SHOWN };
        for made in self.slab_size_moves.iter().rev().take(shown) {
            lines.prose(&format!("  {} ago it {}", span(made.age), warning(&made.reason)))?;
        }
        Ok(())
    }
}
