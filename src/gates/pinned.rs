//! The answer when something is pinned that should not be.

use crate::report::{PinReport, PinnedSlice};
use core::fmt;

/// Slices pin slabs where none should. Says who holds them; the whole report is in it.
///
/// ```
/// let pool = bufslab::SlabPool::builder().name("http").build()?;
/// let mut read = pool.alloc(100);
/// read.extend_from_slice(&[0; 100]);
/// let kept = read.freeze().slice(..20).tag("req.head");
/// let still = pool.close(std::time::Duration::ZERO).unwrap_err();
/// assert!(still.to_string().starts_with("1 handle still pins 1 slab (64 KiB) of pool http:\n  20 B  req.head  "));
/// # drop(kept);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone)]
pub struct StillPinned {
    /// Boxed: errors are returned in registers.
    report: Box<PinReport>,
}

/// Lines of holders that are shown.
const SHOWN: usize = 8;

impl StillPinned {
    pub(super) fn new(report: PinReport) -> StillPinned {
        StillPinned { report: Box::new(report) }
    }

    /// What was pinned, and by whom. For a [`PinGate`](crate::PinGate): only what was made under it.
    #[must_use]
    pub fn report(&self) -> &PinReport {
        &self.report
    }

    /// The report by itself.
    #[must_use]
    pub fn into_report(self) -> PinReport {
        *self.report
    }
}

/// One line for each kind of holder, the one that holds most handles first.
impl fmt::Display for StillPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PinReport { pool, totals, slabs, .. } = &*self.report;
        let handles = totals.slices + totals.untracked;
        let pin = if handles == 1 { "pins" } else { "pin" };
        let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        write!(
            f,
            "{} still {pin} {} ({}) of pool {}:",
            count(handles, "handle"),
            count(totals.slabs, "slab"),
            crate::report::bytes(totals.pinned_bytes),
            crate::report::name(pool)
        )?;
        let mut lines: Vec<(usize, String)> = Vec::new();
        for line in slabs.iter().flat_map(|slab| &slab.slices).map(line) {
            match lines.iter().position(|(_, known)| *known == line) {
                Some(at) => lines[at].0 += 1,
                // Past this many kinds, what is new is only counted.
                None if lines.len() < 4 * SHOWN => lines.push((1, line)),
                None => {}
            }
        }
        lines.sort_by_key(|(times, _)| core::cmp::Reverse(*times));
        let mut shown = 0;
        for (times, line) in lines.iter().take(SHOWN) {
            shown += times;
            let times = if *times == 1 { String::new() } else { format!("  ({times} times)") };
            write!(f, "\n  {line}{times}")?;
        }
        match handles.saturating_sub(shown) {
            0 => Ok(()),
            rest => write!(f, "\n  and {}", count(rest, "handle")),
        }
    }
}

fn line(slice: &PinnedSlice) -> String {
    let mut line = crate::report::bytes(slice.len);
    line += "  ";
    line += &slice.tag.map_or("(untagged)".to_owned(), |tag| crate::report::name(tag.name()));
    if let Some(scope) = slice.scope {
        line += &format!(" of {} {}", crate::report::name(scope.kind().name()), scope.id());
    }
    if let Some(site) = slice.site {
        line += &format!("  made at {}", crate::report::site(&site));
    }
    if let Some(hint) = slice.last_hint {
        line += &format!("  last touched: {}", crate::report::name(hint.name()));
    }
    line
}

impl fmt::Debug for StillPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StillPinned({self})")
    }
}

impl core::error::Error for StillPinned {}
