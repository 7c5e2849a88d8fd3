//! What was seen before: the sums of each report, and what its groups were charged with.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bufslab::PinReport;
use bufslab::report::{Blame, Holder};

use crate::args::By;

/// Reports that are remembered, as wide as the widest chart.
const MOMENTS: usize = 400;
/// Groups that are remembered of each table, those with the largest shares.
const GROUPS: usize = 2_000;
/// Growth is that of so many seconds: a shorter time jumps about, a longer one lags behind.
const WINDOW: Duration = Duration::from_secs(10);

pub const TABLES: [By; 5] = [By::Tag, By::Scope, By::Kind, By::Site, By::Thread];

/// The rows of one table of a report.
pub fn table(report: &PinReport, by: By) -> &[Blame] {
    match by {
        By::Tag => &report.by_tag,
        By::Scope => &report.by_scope,
        By::Kind => &report.by_scope_kind,
        By::Site => &report.by_site,
        By::Thread => &report.by_thread,
    }
}

/// The sums of one report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub pinned: usize,
    pub live: usize,
    pub slabs: usize,
}

#[derive(Debug)]
struct Moment {
    /// By the pool's own clock.
    at: Duration,
    sums: Sums,
    tables: [Group; TABLES.len()],
}

#[derive(Debug)]
struct Group {
    bytes: HashMap<Holder, usize>,
    /// Whether some were left out.
    cut: bool,
}

impl Group {
    fn of(table: &[Blame]) -> Group {
        let bytes = table.iter().take(GROUPS).map(|blame| (blame.holder, blame.amortised_bytes)).collect();
        Group { bytes, cut: table.len() > GROUPS }
    }

    /// The share of `holder`; `None` if it was left out.
    fn of_holder(&self, holder: &Holder) -> Option<usize> {
        self.bytes.get(holder).copied().or((!self.cut).then_some(0))
    }
}

/// The reports of the last minutes.
#[derive(Debug, Default)]
pub struct History {
    moments: VecDeque<Moment>,
}

impl History {
    /// Adds a report. One of a clock that went back is of a program that was started anew: nothing before it counts.
    pub fn push(&mut self, report: &PinReport) {
        if self.moments.back().is_some_and(|last| report.uptime < last.at) {
            self.moments.clear();
        }
        if self.moments.len() == MOMENTS {
            self.moments.pop_front();
        }
        let t = &report.totals;
        self.moments.push_back(Moment {
            at: report.uptime,
            sums: Sums { pinned: t.pinned_bytes, live: t.live_bytes, slabs: t.slabs },
            tables: TABLES.map(|by| Group::of(table(report, by))),
        });
    }

    /// The sums of the last `n` reports, oldest first.
    pub fn sums(&self, n: usize) -> impl Iterator<Item = Sums> {
        self.moments.iter().skip(self.moments.len().saturating_sub(n)).map(|moment| moment.sums)
    }

    /// The last moment, and the one growth is measured from.
    fn ends(&self) -> Option<(&Moment, &Moment)> {
        let last = self.moments.back()?;
        let before = self.moments.len().checked_sub(2)?;
        let within = self.moments.iter().position(|moment| last.at - moment.at <= WINDOW).unwrap_or(before);
        let first = &self.moments[within.min(before)];
        (first.at < last.at).then_some((first, last))
    }

    /// Bytes a second by which all pinned bytes grow.
    pub fn growth(&self) -> Option<f64> {
        let (first, last) = self.ends()?;
        Some(per_second(first.sums.pinned, last.sums.pinned, last.at - first.at))
    }

    /// Bytes a second by which the share of `holder` grows.
    pub fn growth_of(&self, by: By, holder: &Holder) -> Option<f64> {
        let (first, last) = self.ends()?;
        let share = |moment: &Moment| moment.tables[by as usize].of_holder(holder);
        Some(per_second(share(first)?, share(last)?, last.at - first.at))
    }

    /// The share of `holder` in the last `n` reports, oldest first.
    pub fn trend(&self, by: By, holder: &Holder, n: usize) -> Vec<usize> {
        let recent = self.moments.iter().skip(self.moments.len().saturating_sub(n));
        recent.map(|moment| moment.tables[by as usize].of_holder(holder).unwrap_or(0)).collect()
    }
}

fn per_second(before: usize, after: usize, time: Duration) -> f64 {
    (after as f64 - before as f64) / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bufslab::{SlabBytes, SlabPool, Tag};
    use std::thread::sleep;

    /// Keeps 20 bytes of a new slab.
    fn pin(pool: &SlabPool, tag: &'static str) -> SlabBytes {
        let mut read = pool.alloc(4096);
        read.resize(4096, 0);
        read.freeze().slice(..20).tag(tag)
    }

    #[test]
    fn growth_is_by_the_pools_clock() {
        let pool = SlabPool::builder().slab_size(4096).build().unwrap();
        let mut history = History::default();
        history.push(&pool.report());
        assert_eq!(history.growth(), None, "one report has no growth");
        let _kept: Vec<_> = (0..3).map(|_| pin(&pool, "kept")).collect();
        sleep(Duration::from_millis(100));
        let report = pool.report();
        history.push(&report);
        let kept = Holder::Tag(Tag::new("kept"));
        let growth = history.growth_of(By::Tag, &kept).unwrap();
        assert!((1000.0..=3.0 * 4096.0 / 0.09).contains(&growth), "{growth}");
        assert_eq!(history.growth_of(By::Tag, &Holder::Tag(Tag::new("nobody"))), Some(0.0));
        assert_eq!(history.trend(By::Tag, &kept, 9), [0, 3 * 4096]);
        assert_eq!(history.sums(9).map(|sums| sums.slabs).collect::<Vec<_>>(), [0, 3]);
    }

    #[test]
    fn tables_are_where_their_name_says() {
        for (index, by) in TABLES.into_iter().enumerate() {
            assert_eq!(index, by as usize);
        }
    }
}
