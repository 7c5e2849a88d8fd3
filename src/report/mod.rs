//! Floor 6: what pins what, in words and figures.
//!
//! | file | part |
//! |---|---|
//! | `model` | the report as plain public values, with the meaning of each figure |
//! | `build` | from raw views of slabs to a report |
//! | `blame` | groups by tag and site, their shares, and what compacting them frees |
//! | `dominators` | who keeps what alone: each slab under the one holder of all its handles |
//! | `plan` | what compacting by a policy would do |
//! | `diff`, `diff_text`, `diff_json` | what changed between two reports |
//! | `series` | what changed over many, and what only ever grew |
//! | `text`, `table`, `units`, `names` | the report for people: layout, figures, and hostile names made harmless |
//! | `part` | one tag, scope or slab of it, for the console |
//! | `json` | the report for programs |
//! | `read` | a report read back from that |
//! | `format` | every form it can be written in |
//! | `shares`, `tally`, `escape` | for those with a line for each slice: its share, equal lines added up, names kept close to what they are |
//! | `metric`, `pool_metrics` | the table of metrics, and their figures for one pool |
//! | `settings` | what the pool was told, and by whom |
//! | `sizing` | what it made of its slab size by itself |
//! | `csv`, `heapsnapshot`, `pprof`, `folded`, `prometheus`, `html` | one each |

mod blame;
mod build;
mod csv;
mod diff;
mod diff_json;
mod diff_text;
mod dominators;
mod escape;
mod folded;
mod format;
mod heapsnapshot;
mod html;
mod json;
mod metric;
mod model;
mod names;
mod parked_plan;
#[cfg(feature = "admin")]
mod part;
mod plan;
mod pool_metrics;
#[cfg(feature = "pprof")]
mod pprof;
mod prometheus;
#[cfg(feature = "pprof")]
mod protobuf;
mod punched;
#[cfg(feature = "json")]
mod read;
mod series;
mod settings;
mod shares;
mod sizing;
mod stream;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod units;

use std::time::SystemTime;

use model::ReportMeta;

use crate::policy::SuspectPolicy;
use crate::pool::SlabPool;
use crate::sync::clock;
use crate::track::{self, TraceId};
use core::time::Duration;

pub use diff::{Change, GroupDiff, Origin, ReportDiff, SlabsDiff, TotalsDiff, Verdict, diff};
pub use dominators::Retained;
pub(crate) use names::plain as name;
pub(crate) use names::{scope, site};
pub(crate) use units::{bytes, count, span};

pub use format::{Format, UnknownFormat};
#[cfg(any(feature = "admin", feature = "tune"))]
pub(crate) use html::in_markup;
pub use metric::{METRICS, Metric, MetricKind, MetricUnit};
pub use model::{Advice, Age, Blame, Holder, PinReport, PinnedSlab, PinnedSlice, Totals};
#[cfg(feature = "admin")]
pub(crate) use part::{Part, What};
pub use plan::{CompactPlan, InVain, PlanGroup, VainReason};
#[cfg(feature = "metrics")]
pub(crate) use pool_metrics::OTHER;
#[cfg(any(feature = "metrics", feature = "prometheus-client"))]
pub(crate) use pool_metrics::Point;
pub use pool_metrics::PoolMetrics;
#[cfg(feature = "prometheus-client")]
pub(crate) use prometheus::escaped;
pub use prometheus::write_prometheus_all;
#[cfg(feature = "json")]
pub use read::ReadError;
pub use series::{Series, Trend};
#[cfg(feature = "admin")]
pub(crate) use settings::AllSettings;
pub use sizing::SlabSizeMove;

impl SlabPool {
    /// The last moves of the slab size, as a report has them that was begun at this tick.
    fn slab_size_moves(&self, now_tick: u32) -> Vec<SlabSizeMove> {
        let moves = self.core().moves().into_iter();
        let shown = moves.map(|moved| SlabSizeMove {
            from: moved.made.from,
            to: moved.made.to,
            age: Duration::from_millis(u64::from(now_tick.saturating_sub(moved.tick)) * Age::TICK_MS),
            reason: moved.made.to_string(),
        });
        shown.collect()
    }

    /// Which slices keep which slabs alive, what that costs, and what would free it. Stops nobody.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).build()?;
    /// let kept: Vec<_> = (0..3).map(|_| {
    ///     let mut read = pool.alloc(4096);
    ///     read.extend_from_slice(&[0; 4096]);
    ///     read.freeze().slice(..20).tag("req.head")
    /// }).collect();
    /// let report = pool.report();
    /// assert_eq!(report.totals.pinned_bytes, 3 * 4096);
    /// assert_eq!(report.totals.live_bytes, 3 * 20);
    /// assert_eq!(report.blame_of_tag("req.head").map(|blame| blame.exclusive_bytes), Some(3 * 4096));
    /// println!("{report}");
    /// # drop(kept);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[must_use]
    pub fn report(&self) -> PinReport {
        // The clock first: what is made after this reading has age 0.
        let now_tick = clock::read();
        let taken_at = SystemTime::now();
        let stats = self.stats();
        let meta = ReportMeta {
            pool: self.name().to_owned(),
            slab_size: stats.slab_size,
            level: self.tracking(),
            retain_policy: self.retain_policy(),
            backing: self.core().ledger().backing(),
            taken_at,
            config: self.settings(),
            config_warnings: self.config_warnings().to_vec(),
            slab_size_moves: self.slab_size_moves(now_tick),
            now_tick,
            memory_bytes: stats.memory_bytes,
            idle_bytes: stats.idle_bytes,
            ledger_bytes: stats.ledger_bytes,
            names_bytes: track::bytes(),
        };
        let mut report = PinReport::build(meta, self.core().ledger().views());
        report.traces = track::resolve_stacks(&report.trace_ids());
        if let Some(policy) = self.core().config.suspects {
            report.mark_suspects(policy);
            self.core().ledger().suspect(&report.suspects());
        }
        report
    }
}

impl PinReport {
    /// Numbers of the stacks that slices refer to, in ascending order.
    fn trace_ids(&self) -> Vec<TraceId> {
        let slices = self.slabs.iter().flat_map(|slab| &slab.slices);
        let mut ids: Vec<TraceId> = slices.filter_map(|slice| slice.trace).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn mark_suspects(&mut self, policy: SuspectPolicy) {
        for slab in self.slabs.iter_mut().filter(|slab| !slab.attached) {
            slab.suspect |= policy.suspects(slab.age.max(), slab.live_bytes, slab.size);
        }
    }

    /// Id and generation of every suspect, in ascending order.
    fn suspects(&self) -> Vec<(u64, u64)> {
        let mut ids: Vec<_> =
            self.slabs.iter().filter(|slab| slab.suspect).map(|slab| (slab.id, slab.generation)).collect();
        ids.sort_unstable();
        ids
    }
}
