//! The one table of metrics: what each is called, means and is read from.
//!
//! The text exposition, the `metrics` facade and the collector for `prometheus-client` are all written from it, and the
//! dashboards are tested against it, so that no two of them differ. Names follow
//! <https://prometheus.io/docs/practices/naming/>: base units, the unit last, `_total` behind counters.

use super::model::{Blame, PinReport};
use super::pool_metrics::{Distribution, occupancies, oldest_pin, pin_ages};
use super::settings::{INFO_LABELS, info};
use crate::pool::PoolStats;

/// What a metric is, for those who store it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// A figure that rises and falls.
    Gauge,
    /// A count of events since the pool was made.
    Counter,
    /// A distribution over what is pinned **now**, in cumulative buckets. It falls as well as rises: read it as it is
    /// (`histogram_quantile(0.9, …_bucket)`), without `rate`.
    Histogram,
}

impl MetricKind {
    /// `"gauge"`, `"counter"` or `"histogram"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            MetricKind::Gauge => "gauge",
            MetricKind::Counter => "counter",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// The unit of a metric, which its name ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricUnit {
    /// A plain count, without a unit in its name.
    Count,
    /// `_bytes`.
    Bytes,
    /// `_seconds`.
    Seconds,
    /// `_ratio`, from 0 to 1.
    Ratio,
}

impl MetricUnit {
    /// As it stands in names: `"bytes"`, `"seconds"`, `"ratio"`; nothing for a plain count.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            MetricUnit::Count => "",
            MetricUnit::Bytes => "bytes",
            MetricUnit::Seconds => "seconds",
            MetricUnit::Ratio => "ratio",
        }
    }
}

/// One metric: a row of [`METRICS`].
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    name: &'static str,
    help: &'static str,
    kind: MetricKind,
    unit: MetricUnit,
    labels: &'static [&'static str],
    pub(crate) source: Source,
}

/// Where the figure of a metric comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A report.
    Report(fn(&PinReport) -> f64),
    /// A report, where it knows.
    Known(fn(&PinReport) -> Option<f64>),
    /// A report; the same for all pools of the process.
    Process(fn(&PinReport) -> f64),
    /// The pool's own counts, where they are given.
    Stats(fn(&PoolStats) -> Option<f64>),
    /// A report's slabs or slices, one observation each.
    Distribution(fn(&PinReport) -> Distribution),
    /// 1, with what a report says in its labels, where it does.
    Info(fn(&PinReport) -> Option<Vec<String>>),
    /// One figure of each group in a table of blame.
    Groups(fn(&PinReport) -> &[Blame], fn(&Blame) -> usize),
}

impl Metric {
    /// Its full name, with unit and `_total`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it means, in a sentence on one line.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> MetricKind {
        self.kind
    }

    /// Its unit.
    #[must_use]
    pub const fn unit(&self) -> MetricUnit {
        self.unit
    }

    /// The labels of its series: `pool`, and `tag` or `scope_kind`, or all settings; none, if it is one of the whole process.
    #[must_use]
    pub const fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// The name without `_total` and without the unit, which OpenMetrics libraries append themselves.
    #[cfg(feature = "prometheus-client")]
    pub(crate) fn stem(&self) -> &'static str {
        let counted = self.name.strip_suffix("_total").unwrap_or(self.name);
        let bare = counted.strip_suffix(self.unit.as_str()).and_then(|name| name.strip_suffix('_'));
        bare.unwrap_or(counted)
    }

    const fn gauge(name: &'static str, unit: MetricUnit, source: Source, help: &'static str) -> Metric {
        Metric { name, help, kind: MetricKind::Gauge, unit, labels: POOL, source }
    }

    const fn bytes(name: &'static str, figure: fn(&PinReport) -> f64, help: &'static str) -> Metric {
        Metric::gauge(name, MetricUnit::Bytes, Source::Report(figure), help)
    }

    const fn count(name: &'static str, figure: fn(&PinReport) -> f64, help: &'static str) -> Metric {
        Metric::gauge(name, MetricUnit::Count, Source::Report(figure), help)
    }

    const fn counter(name: &'static str, figure: fn(&PoolStats) -> Option<f64>, help: &'static str) -> Metric {
        let source = Source::Stats(figure);
        Metric { name, help, kind: MetricKind::Counter, unit: MetricUnit::Count, labels: POOL, source }
    }

    const fn distribution(
        name: &'static str,
        unit: MetricUnit,
        observe: fn(&PinReport) -> Distribution,
        help: &'static str,
    ) -> Metric {
        let source = Source::Distribution(observe);
        Metric { name, help, kind: MetricKind::Histogram, unit, labels: POOL, source }
    }

    const fn by_tag(name: &'static str, unit: MetricUnit, figure: fn(&Blame) -> usize, help: &'static str) -> Metric {
        let source = Source::Groups(|report| &report.by_tag, figure);
        Metric { name, help, kind: MetricKind::Gauge, unit, labels: &["pool", "tag"], source }
    }

    const fn by_kind(name: &'static str, unit: MetricUnit, figure: fn(&Blame) -> usize, help: &'static str) -> Metric {
        let source = Source::Groups(|report| &report.by_scope_kind, figure);
        Metric { name, help, kind: MetricKind::Gauge, unit, labels: &["pool", "scope_kind"], source }
    }
}

const POOL: &[&str] = &["pool"];

/// Every metric of this crate.
///
/// ```
/// let pinned = bufslab::report::METRICS.iter().find(|metric| metric.name() == "bufslab_pinned_bytes");
/// assert_eq!(pinned.map(|metric| metric.help()), Some("Sizes of the slabs that some slice keeps alive."));
/// ```
pub const METRICS: &[Metric] = &[
    // Memory.
    Metric::bytes(
        "bufslab_memory_bytes",
        |report| report.totals.memory_bytes as f64,
        "Memory of the pool's slabs, pinned or not.",
    ),
    Metric::bytes(
        "bufslab_pinned_bytes",
        |report| report.totals.pinned_bytes as f64,
        "Sizes of the slabs that some slice keeps alive.",
    ),
    Metric::bytes(
        "bufslab_live_bytes",
        |report| report.totals.live_bytes as f64,
        "Bytes of pinned slabs that at least one listed slice covers, overlaps once.",
    ),
    Metric::bytes(
        "bufslab_waste_bytes",
        |report| report.totals.waste_bytes as f64,
        "Bytes of pinned slabs that no listed slice covers.",
    ),
    Metric::bytes(
        "bufslab_reclaimable_bytes",
        |report| report.totals.reclaimable_bytes as f64,
        "Pinned slabs that compacting every slice would free.",
    ),
    Metric::bytes(
        "bufslab_attached_bytes",
        |report| report.totals.attached_bytes as f64,
        "Pinned slabs that a thread still allocates from.",
    ),
    Metric::bytes(
        "bufslab_unlisted_bytes",
        |report| report.totals.unlisted_bytes as f64,
        "Pinned slabs with handles that are not listed, so that nobody knows what would free them.",
    ),
    Metric::bytes(
        "bufslab_writable_bytes",
        |report| report.totals.writable_bytes as f64,
        "Pinned slabs that a writable buffer keeps, which cannot be compacted before it is frozen.",
    ),
    Metric::gauge(
        "bufslab_resident_bytes",
        MetricUnit::Bytes,
        Source::Known(|report| report.totals.resident_bytes.map(|bytes| bytes as f64)),
        "Bytes of pinned slabs that take real memory; only there if memory comes by the page.",
    ),
    Metric::bytes(
        "bufslab_foreign_bytes",
        |report| report.totals.foreign_bytes as f64,
        "Pinned slabs that are memory of others, adopted to be listed; no part of bufslab_memory_bytes.",
    ),
    Metric::bytes(
        "bufslab_idle_bytes",
        |report| report.totals.idle_bytes as f64,
        "Memory of empty slabs that the pool keeps ready for use.",
    ),
    Metric::bytes(
        "bufslab_slab_size_bytes",
        |report| report.slab_size as f64,
        "Size of the slabs that the pool takes at present.",
    ),
    Metric::gauge(
        "bufslab_max_bytes",
        MetricUnit::Bytes,
        Source::Stats(|stats| stats.max_bytes.map(|max| max as f64)),
        "The pool's limit on its memory; only there if it has one.",
    ),
    Metric::bytes(
        "bufslab_ledger_bytes",
        |report| report.totals.ledger_bytes as f64,
        "Memory of slab headers and slots: what tracking itself uses.",
    ),
    Metric {
        name: "bufslab_config_info",
        help: "Always 1; the labels are the settings that are in effect.",
        kind: MetricKind::Gauge,
        unit: MetricUnit::Count,
        labels: INFO_LABELS,
        source: Source::Info(info),
    },
    Metric {
        name: "bufslab_names_bytes",
        help: "Memory of names, scopes and stacks, which all pools of the process share.",
        kind: MetricKind::Gauge,
        unit: MetricUnit::Bytes,
        labels: &[],
        source: Source::Process(|report| report.totals.names_bytes as f64),
    },
    // What pins.
    Metric::count("bufslab_pinned_slabs", |report| report.totals.slabs as f64, "Slabs that some slice keeps alive."),
    Metric::count(
        "bufslab_suspect_slabs",
        |report| report.slabs.iter().filter(|slab| slab.suspect).count() as f64,
        "Pinned slabs that were found old and sparse.",
    ),
    Metric::count("bufslab_slices", |report| report.totals.slices as f64, "Listed slices that pin a slab."),
    Metric::count(
        "bufslab_exported_slices",
        |report| report.totals.exported as f64,
        "Listed slices that live on as a bytes::Bytes.",
    ),
    Metric::count(
        "bufslab_untracked_handles",
        |report| report.totals.untracked as f64,
        "Handles that pin a slab without being listed.",
    ),
    Metric::count(
        "bufslab_in_motion_handles",
        |report| report.totals.in_motion as f64,
        "Handles that were being made or dropped when their slab was looked at.",
    ),
    Metric::gauge(
        "bufslab_oldest_pin_seconds",
        MetricUnit::Seconds,
        Source::Report(oldest_pin),
        "Age of the oldest pin, as the upper bound that its slab gives; 0 if nothing is pinned.",
    ),
    Metric::distribution(
        "bufslab_pin_age_seconds",
        MetricUnit::Seconds,
        pin_ages,
        "Ages of the slices listed now, each as its upper bound. Falls as slices go: do not take its rate.",
    ),
    Metric::distribution(
        "bufslab_slab_occupancy_ratio",
        MetricUnit::Ratio,
        occupancies,
        "Live part of each slab pinned now. Falls as slabs are freed: do not take its rate.",
    ),
    // Who pins.
    Metric::by_tag(
        "bufslab_tag_pinned_bytes",
        MetricUnit::Bytes,
        |blame| blame.amortised_bytes,
        "Amortised share of the pinned bytes by tag; a pool's series add up to bufslab_pinned_bytes.",
    ),
    Metric::by_tag(
        "bufslab_tag_exclusive_bytes",
        MetricUnit::Bytes,
        |blame| blame.exclusive_bytes,
        "Sizes of the slabs that slices of this tag alone pin.",
    ),
    Metric::by_tag("bufslab_tag_slices", MetricUnit::Count, |blame| blame.slices, "Slices that pin a slab, by tag."),
    Metric::by_kind(
        "bufslab_scope_kind_pinned_bytes",
        MetricUnit::Bytes,
        |blame| blame.amortised_bytes,
        "Amortised share of the pinned bytes by kind of scope; a pool's series add up to bufslab_pinned_bytes.",
    ),
    Metric::by_kind(
        "bufslab_scope_kind_exclusive_bytes",
        MetricUnit::Bytes,
        |blame| blame.exclusive_bytes,
        "Sizes of the slabs that slices of this kind of scope alone pin.",
    ),
    Metric::by_kind(
        "bufslab_scope_kind_slices",
        MetricUnit::Count,
        |blame| blame.slices,
        "Slices that pin a slab, by kind of scope.",
    ),
    // Events.
    Metric::counter(
        "bufslab_slabs_taken_total",
        |stats| Some(stats.slabs_taken as f64),
        "Slabs that were made from fresh memory.",
    ),
    Metric::counter(
        "bufslab_slabs_reused_total",
        |stats| Some(stats.slabs_reused as f64),
        "Times that an idle slab was taken again.",
    ),
    Metric::counter(
        "bufslab_slabs_reused_in_place_total",
        |stats| Some(stats.slabs_reused_in_place as f64),
        "Times that a drained slab was reused by its owner where it was.",
    ),
    Metric::counter(
        "bufslab_slabs_reused_around_total",
        |stats| Some(stats.slabs_reused_around as f64),
        "Times that a pinned slab was cut from again, around its pins.",
    ),
    Metric::counter(
        "bufslab_slabs_recycled_total",
        |stats| Some(stats.slabs_recycled as f64),
        "Times that a slab came back empty after its owner had left it to its slices.",
    ),
    Metric::counter(
        "bufslab_slab_size_moves_total",
        |stats| Some(stats.slab_size_moves as f64),
        "Times that the pool moved its slab size by itself.",
    ),
];
