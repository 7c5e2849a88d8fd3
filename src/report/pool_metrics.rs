//! A report boiled down to its metrics: a bounded number of figures, whatever the number of slabs and tags.

use core::time::Duration;
use std::collections::HashSet;

use super::metric::{METRICS, Metric, Source};
use super::model::{Blame, Holder, PinReport};
use crate::pool::{PoolStats, SlabPool};

/// Groups of one table that get a series of their own.
const TOP: usize = 20;
/// What the rest is called.
pub(crate) const OTHER: &str = "(other)";
/// Observations of a distribution that are kept one by one.
const SAMPLE: usize = 256;

/// Upper bounds of buckets, in seconds.
const AGES: &[f64] = &[0.1, 1.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0, 86_400.0, 604_800.0];
/// Upper bounds of buckets, as a part of 1.
const OCCUPANCIES: &[f64] = &[0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

/// The metrics of one pool at one moment: the figures of [`METRICS`], boiled down from a report.
///
/// A report of a million slices becomes some hundred numbers: of tags and kinds of scopes, the 20 with the largest
/// amortised share have series of their own, and all others are added up as `(other)`, so that the series of a pool
/// still sum to its pinned bytes.
///
/// ```
/// use bufslab::report::{self, PoolMetrics};
///
/// let pools = [("tls", 100 << 10), ("http", 64 << 10)].map(|(name, size)| {
///     bufslab::SlabPool::builder().name(name).slab_size(size).build().expect("valid")
/// });
/// let metrics: Vec<PoolMetrics> = pools.iter().map(PoolMetrics::of).collect();
/// let mut page = Vec::new();
/// report::write_prometheus_all(&metrics, &mut page)?;
/// let page = String::from_utf8(page)?;
/// assert!(page.contains("bufslab_slab_size_bytes{pool=\"tls\"} 102400\n"));
/// assert_eq!(page.matches("# TYPE bufslab_slab_size_bytes gauge").count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Labels
///
/// A label is the name that the program gave, with these exceptions. An empty name, one that begins with `(` or `"`,
/// and one with control characters stand in double quotes with escapes as in Rust, so that no name can be taken for one
/// of the groups `(untagged)`, `(no scope)`, `(untracked)`, `(in motion)` and `(other)`, or upset a reader. A tag called
/// `(other)` counts among those. Of several pools with one name the second is called `name#2`, and so on.
#[derive(Clone, Debug)]
pub struct PoolMetrics {
    pub(crate) pool: String,
    /// One for each of `METRICS`.
    values: Vec<Value>,
}

/// What one metric has to say about a pool.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Absent,
    Number(f64),
    Distribution(Distribution),
    /// A 1 with these labels, behind the pool's.
    Info(Vec<String>),
    /// Label and figure; the largest share first, and the rest last.
    Groups(Vec<(String, f64)>),
}

impl PoolMetrics {
    /// Takes a report of `pool`, and its counts. The report is given up again before this returns.
    #[must_use]
    pub fn of(pool: &SlabPool) -> PoolMetrics {
        PoolMetrics::build(&pool.report(), Some(&pool.stats()))
    }

    /// What `report` alone says: all but the counters and the pool's limit.
    #[must_use]
    pub fn from_report(report: &PinReport) -> PoolMetrics {
        PoolMetrics::build(report, None)
    }

    /// What `report` says, with the counters and the limit from `stats`.
    #[must_use]
    pub fn with_stats(report: &PinReport, stats: &PoolStats) -> PoolMetrics {
        PoolMetrics::build(report, Some(stats))
    }

    fn build(report: &PinReport, stats: Option<&PoolStats>) -> PoolMetrics {
        let value = |metric: &Metric| match metric.source {
            Source::Report(figure) | Source::Process(figure) => Value::Number(figure(report)),
            Source::Known(figure) => figure(report).map_or(Value::Absent, Value::Number),
            Source::Stats(figure) => stats.and_then(figure).map_or(Value::Absent, Value::Number),
            Source::Info(info) => info(report).map_or(Value::Absent, Value::Info),
            Source::Distribution(observe) => Value::Distribution(observe(report)),
            Source::Groups(table, figure) => Value::Groups(top(table(report), figure)),
        };
        PoolMetrics { pool: report.pool.clone(), values: METRICS.iter().map(value).collect() }
    }

    /// Each metric with what all `pools` have to say about it; those nobody has anything to say about are left out.
    pub(crate) fn families(pools: &[PoolMetrics]) -> impl Iterator<Item = Family<'_>> {
        let labels = pool_labels(pools);
        METRICS.iter().enumerate().filter_map(move |(at, metric)| {
            let values = pools.iter().map(|pool| &pool.values[at]);
            let present = values.zip(&labels).filter(|(value, _)| !matches!(value, Value::Absent));
            let series: Vec<(String, &Value)> = present.map(|(value, label)| (label.clone(), value)).collect();
            (!series.is_empty()).then_some(Family { metric, series })
        })
    }
}

/// One metric of several pools.
pub(crate) struct Family<'a> {
    pub(crate) metric: &'static Metric,
    /// By the pool's label.
    series: Vec<(String, &'a Value)>,
}

/// One series of a family.
pub(crate) struct Series<'a> {
    /// Names and values.
    pub(crate) labels: Vec<(&'static str, &'a str)>,
    pub(crate) point: Point<'a>,
}

/// What a series says.
pub(crate) enum Point<'a> {
    Number(f64),
    Distribution(&'a Distribution),
}

impl<'a> Family<'a> {
    /// Its series, those of one pool together.
    pub(crate) fn series(&'a self) -> Vec<Series<'a>> {
        let names = self.metric.labels();
        let [pool_name, rest @ ..] = names else {
            // One for the process, which every pool knows: the latest.
            let numbers = self.series.iter().filter_map(|(_, value)| match value {
                Value::Number(figure) => Some(*figure),
                _ => None,
            });
            let point = Point::Number(numbers.fold(0.0, f64::max));
            return vec![Series { labels: Vec::new(), point }];
        };
        let mut all = Vec::new();
        for (pool, value) in &self.series {
            let labels = vec![(*pool_name, pool.as_str())];
            match value {
                Value::Absent => {}
                Value::Number(figure) => all.push(Series { labels, point: Point::Number(*figure) }),
                Value::Distribution(each) => all.push(Series { labels, point: Point::Distribution(each) }),
                Value::Info(values) => {
                    let values = rest.iter().copied().zip(values.iter().map(String::as_str));
                    all.push(Series { labels: labels.into_iter().chain(values).collect(), point: Point::Number(1.0) });
                }
                Value::Groups(groups) => all.extend(groups.iter().map(|(group, figure)| {
                    let group = rest.iter().map(|name| (*name, group.as_str()));
                    Series { labels: labels.iter().copied().chain(group).collect(), point: Point::Number(*figure) }
                })),
            }
        }
        all
    }
}

/// A distribution in buckets, with some of its observations.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    /// Upper bounds, inclusive; one more bucket takes what is above.
    bounds: &'static [f64],
    counts: Vec<u64>,
    pub(crate) sum: f64,
    /// Evenly spaced among the observations, in the order of slabs.
    #[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "for libraries that take single observations"))]
    pub(crate) sample: Vec<f64>,
}

impl Distribution {
    /// Of `total` observations.
    fn of(bounds: &'static [f64], total: usize, observations: impl Iterator<Item = f64>) -> Distribution {
        let mut counts = vec![0; bounds.len() + 1];
        let mut sum = 0.0;
        let mut sample = Vec::with_capacity(total.min(SAMPLE));
        let step = total.div_ceil(SAMPLE).max(1);
        for (at, observed) in observations.enumerate() {
            counts[bounds.partition_point(|&bound| bound < observed)] += 1;
            sum += observed;
            if at % step == 0 {
                sample.push(observed);
            }
        }
        Distribution { bounds, counts, sum, sample }
    }

    /// Upper bound (infinite for the last) and number of observations of each bucket, those of lower ones not counted.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.counts.iter().copied())
    }

    #[cfg(feature = "prometheus-client")]
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

pub(super) fn pin_ages(report: &PinReport) -> Distribution {
    let slices = report.slabs.iter().flat_map(|slab| &slab.slices);
    Distribution::of(AGES, report.totals.slices, slices.map(|slice| seconds(slice.age.max())))
}

pub(super) fn occupancies(report: &PinReport) -> Distribution {
    let ratios = report.slabs.iter().map(|slab| slab.live_bytes as f64 / slab.size.max(1) as f64);
    Distribution::of(OCCUPANCIES, report.slabs.len(), ratios)
}

pub(super) fn oldest_pin(report: &PinReport) -> f64 {
    let oldest = report.slabs.iter().map(|slab| {
        let listed = slab.slices.iter().map(|slice| slice.age.max()).max();
        listed.unwrap_or_else(|| slab.age.max())
    });
    seconds(oldest.max().unwrap_or_default())
}

/// Ages are whole milliseconds: 4.81 s, not the 4.8100000000000005 that seconds and nanoseconds add up to.
fn seconds(age: Duration) -> f64 {
    age.as_millis() as f64 / 1000.0
}

/// The first groups of a table, which is sorted by share, and the rest in one.
fn top(table: &[Blame], figure: fn(&Blame) -> usize) -> Vec<(String, f64)> {
    let mut groups = Vec::new();
    let mut rest = None;
    for blame in table {
        match label(&blame.holder) {
            Some(label) if groups.len() < TOP => groups.push((label, figure(blame) as f64)),
            _ => *rest.get_or_insert(0.0) += figure(blame) as f64,
        }
    }
    groups.extend(rest.map(|rest| (OTHER.to_owned(), rest)));
    groups
}

/// What a group is called; none, if it is of those that are lumped together already.
fn label(holder: &Holder) -> Option<String> {
    match holder {
        Holder::Tag(tag) | Holder::ScopeKind(tag) => Some(tag.name()).filter(|&name| name != OTHER).map(plain),
        Holder::Untagged => Some("(untagged)".to_owned()),
        Holder::Unscoped => Some("(no scope)".to_owned()),
        Holder::Untracked => Some("(untracked)".to_owned()),
        Holder::InMotion => Some("(in motion)".to_owned()),
        // Tables by tag and by kind of scope hold no others.
        _ => None,
    }
}

/// A name as the documentation of [`PoolMetrics`] says. No two names become one.
fn plain(name: &str) -> String {
    let odd = name.is_empty() || name.starts_with(['(', '"']) || name.contains(char::is_control);
    if odd { format!("{name:?}") } else { name.to_owned() }
}

/// A label for each pool, none twice.
pub(crate) fn pool_labels(pools: &[PoolMetrics]) -> Vec<String> {
    let mut taken = HashSet::new();
    let labels = pools.iter().map(|pool| {
        let first = plain(&pool.pool);
        let later = (2..).map(|n: usize| format!("{first}#{n}"));
        let free = core::iter::once(first.clone()).chain(later).find(|label| !taken.contains(label));
        let label = free.unwrap_or(first);
        taken.insert(label.clone());
        label
    });
    labels.collect()
}
