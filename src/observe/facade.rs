//! The facade `metrics`: figures for whatever exporter the program has installed.

use std::collections::{BTreeMap, HashMap};

use ::metrics::{Label, Unit};

use crate::pool::SlabPool;
use crate::report::{METRICS, MetricKind, MetricUnit, OTHER, Point, PoolMetrics};

/// Groups of one pool and metric that are ever given a series.
const MAX_GROUPS: usize = 200;

/// Sets the metrics of pools through the facade `metrics`, for the exporter that the program has installed.
///
/// The facade is pushed to: call [`record`](SlabMetrics::record) as often as the exporter is asked or sends, in a timer
/// or just before the page is rendered.
///
/// ```
/// let pool = bufslab::SlabPool::builder().name("tls").build()?;
/// let mut metrics = bufslab::SlabMetrics::new(&pool);
/// metrics.record(); // and again every ten seconds
/// # Ok::<(), bufslab::BuildError>(())
/// ```
///
/// Names, helps and labels are those of [`METRICS`](crate::report::METRICS), as a pull by Prometheus shows them. Three
/// things are different, because of what the facade can say:
///
/// * A series cannot be withdrawn. A tag that no longer pins is set to 0, and its series stays until the exporter's own
///   timeout for idle metrics. A pool gets at most 200 of them for each metric; tags that come later count as `(other)`.
///   Settings that are no longer in effect are set to 0 in the same way.
/// * A distribution cannot be set. At each call the histograms take a sample of at most 256 observations, evenly spaced
///   over all slices or slabs. Quantiles over a stretch of time are right; sums and counts say nothing.
/// * The figure of the whole process, `bufslab_names_bytes`, is that of these pools' reports.
///
/// It keeps the pools alive.
#[derive(Debug)]
pub struct SlabMetrics {
    pools: Vec<SlabPool>,
    /// By metric and pool: what each group was last set to.
    groups: HashMap<(&'static str, String), BTreeMap<String, f64>>,
    /// By metric and pool: the labels that tell what is so at present.
    infos: HashMap<(&'static str, String), Vec<Label>>,
}

impl SlabMetrics {
    /// For one pool.
    #[must_use]
    pub fn new(pool: &SlabPool) -> SlabMetrics {
        SlabMetrics::of_pools([pool])
    }

    /// For several pools.
    #[must_use]
    pub fn of_pools<'a>(pools: impl IntoIterator<Item = &'a SlabPool>) -> SlabMetrics {
        SlabMetrics { pools: pools.into_iter().cloned().collect(), groups: HashMap::new(), infos: HashMap::new() }
    }

    /// Describes every metric to the installed recorder, and sets each to its present figure. Takes one report of each
    /// pool, on this thread.
    ///
    /// Without a recorder it does that for nothing.
    pub fn record(&mut self) {
        describe();
        let now: Vec<PoolMetrics> = self.pools.iter().map(PoolMetrics::of).collect();
        for family in PoolMetrics::families(&now) {
            let (name, kind) = (family.metric.name(), family.metric.kind());
            let mut grouped: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
            for series in family.series() {
                match (series.point, &series.labels[..]) {
                    (Point::Number(figure), &[(_, pool), (_, group)]) => {
                        grouped.entry(pool).or_default().push((group, figure));
                    }
                    (Point::Number(figure), labels) if kind == MetricKind::Counter => {
                        ::metrics::counter!(name, owned(labels)).absolute(figure as u64);
                    }
                    (Point::Number(figure), labels @ [(_, pool), ..]) if labels.len() > 2 => {
                        let known = self.infos.entry((name, (*pool).to_owned())).or_default();
                        let now = owned(labels);
                        if *known != now && !known.is_empty() {
                            // It was so.
                            ::metrics::gauge!(name, known.clone()).set(0.0);
                        }
                        ::metrics::gauge!(name, now.clone()).set(figure);
                        *known = now;
                    }
                    (Point::Number(figure), labels) => ::metrics::gauge!(name, owned(labels)).set(figure),
                    (Point::Distribution(each), labels) => {
                        let histogram = ::metrics::histogram!(name, owned(labels));
                        each.sample.iter().for_each(|&observed| histogram.record(observed));
                    }
                }
            }
            for (pool, figures) in grouped {
                let known = self.groups.entry((name, pool.to_owned())).or_default();
                settle(known, &figures);
                for (group, &figure) in &*known {
                    let names = family.metric.labels().iter().copied();
                    let labels: Vec<_> = names.zip([pool, group]).collect();
                    ::metrics::gauge!(name, owned(&labels)).set(figure);
                }
            }
        }
    }
}

/// Brings the groups that have a series up to date, and gives one to those that have none while there is room.
fn settle(known: &mut BTreeMap<String, f64>, figures: &[(&str, f64)]) {
    known.values_mut().for_each(|figure| *figure = 0.0);
    for &(group, figure) in figures {
        let has_room = known.contains_key(group) || known.len() < MAX_GROUPS;
        let label = if has_room { group } else { OTHER };
        *known.entry(label.to_owned()).or_insert(0.0) += figure;
    }
}

/// Says of every metric what it means. Again at each recording: whoever listens may have come since the last.
fn describe() {
    for metric in METRICS {
        let (name, help) = (metric.name(), metric.help());
        match (metric.kind(), unit(metric.unit())) {
            (MetricKind::Counter, Some(unit)) => ::metrics::describe_counter!(name, unit, help),
            (MetricKind::Counter, None) => ::metrics::describe_counter!(name, help),
            (MetricKind::Histogram, Some(unit)) => ::metrics::describe_histogram!(name, unit, help),
            (MetricKind::Histogram, None) => ::metrics::describe_histogram!(name, help),
            (MetricKind::Gauge, Some(unit)) => ::metrics::describe_gauge!(name, unit, help),
            (MetricKind::Gauge, None) => ::metrics::describe_gauge!(name, help),
        }
    }
}

/// The facade has no unit for a part of 1.
fn unit(unit: MetricUnit) -> Option<Unit> {
    match unit {
        MetricUnit::Count => Some(Unit::Count),
        MetricUnit::Bytes => Some(Unit::Bytes),
        MetricUnit::Seconds => Some(Unit::Seconds),
        MetricUnit::Ratio => None,
    }
}

fn owned(labels: &[(&'static str, &str)]) -> Vec<Label> {
    labels.iter().map(|&(name, value)| Label::new(name, value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_past_the_limit_count_as_others_and_no_byte_is_lost() {
        let mut known = BTreeMap::new();
        let names: Vec<String> = (0..2 * MAX_GROUPS).map(|n| format!("tag {n}")).collect();
        for some in names.chunks(30) {
            let figures: Vec<(&str, f64)> = some.iter().map(|name| (name.as_str(), 1.0)).collect();
            settle(&mut known, &figures);
            assert_eq!(known.values().sum::<f64>(), some.len() as f64);
        }
        assert_eq!(known.len(), MAX_GROUPS + 1);
        assert!(known[OTHER] > 0.0);
        settle(&mut known, &[("tag 3", 7.0)]);
        assert_eq!((known["tag 3"], known["tag 4"], known[OTHER]), (7.0, 0.0, 0.0), "who has gone is at 0");
    }
}
