//! A collector for registries of `prometheus-client`, which are read in the OpenMetrics format.

use core::fmt::{self, Write as _};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, LabelSetEncoder, LabelValueEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::pool::SlabPool;
use crate::report::{MetricKind, MetricUnit, Point, PoolMetrics, escaped};

/// The metrics of pools, for a registry of `prometheus-client`.
///
/// ```
/// use bufslab::{SlabCollector, SlabPool};
/// use prometheus_client::encoding::text::encode;
/// use prometheus_client::registry::Registry;
///
/// let pool = SlabPool::builder().name("tls").build()?;
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(SlabCollector::new(&pool)));
///
/// let mut page = String::new();
/// encode(&mut page, &registry)?;
/// assert!(page.contains("bufslab_pinned_bytes{pool=\"tls\"} 0.0\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each time the registry is encoded, it takes a report of each pool. Names, helps and labels are those of
/// [`METRICS`](crate::report::METRICS), and so are the series that a server stores: whether it reads this or
/// [`write_prometheus_all`](crate::report::write_prometheus_all) makes no difference to dashboards.
///
/// Labels are escaped as the text format demands, which `prometheus-client` 0.24 leaves to whoever gives them. In its
/// protobuf form, a backslash or a double quote in the name of a tag therefore shows with a backslash before it.
///
/// It keeps the pools alive.
#[derive(Clone, Debug)]
pub struct SlabCollector {
    pools: Vec<SlabPool>,
}

impl SlabCollector {
    /// For one pool.
    #[must_use]
    pub fn new(pool: &SlabPool) -> SlabCollector {
        SlabCollector::of_pools([pool])
    }

    /// For several pools. Register one collector for all of them: two would each describe every metric, which a registry
    /// lets pass and a server may refuse.
    #[must_use]
    pub fn of_pools<'a>(pools: impl IntoIterator<Item = &'a SlabPool>) -> SlabCollector {
        SlabCollector { pools: pools.into_iter().cloned().collect() }
    }
}

impl Collector for SlabCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now: Vec<PoolMetrics> = self.pools.iter().map(PoolMetrics::of).collect();
        for family in PoolMetrics::families(&now) {
            let unit = unit(family.metric.unit());
            let (stem, help) = (family.metric.stem(), family.metric.help());
            let kind = match family.metric.kind() {
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(stem, help, unit.as_ref(), kind)?;
            for series in family.series() {
                if series.labels.is_empty() {
                    // An empty set of labels would be written, as `{}`.
                    if let Point::Number(figure) = series.point {
                        metric.encode_gauge(&figure)?;
                    }
                    continue;
                }
                let labels = Labels(series.labels);
                let mut one = metric.encode_family(&labels)?;
                match series.point {
                    Point::Number(figure) if family.metric.kind() == MetricKind::Counter => {
                        one.encode_counter::<Labels<'_>, _, f64>(&(figure as u64), None)?;
                    }
                    Point::Number(figure) => one.encode_gauge(&figure)?,
                    Point::Distribution(each) => {
                        // It takes the largest number for infinity.
                        let bound = |(bound, count): (f64, u64)| (bound.min(f64::MAX), count);
                        let buckets: Vec<(f64, u64)> = each.buckets().map(bound).collect();
                        one.encode_histogram::<Labels<'_>>(each.sum, each.count(), &buckets, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn unit(unit: MetricUnit) -> Option<Unit> {
    match unit {
        MetricUnit::Count => None,
        MetricUnit::Bytes => Some(Unit::Bytes),
        MetricUnit::Seconds => Some(Unit::Seconds),
        // Its own is called "ratios", where Prometheus' conventions say "ratio".
        MetricUnit::Ratio => Some(Unit::Other(unit.as_str().to_owned())),
    }
}

struct Labels<'a>(Vec<(&'static str, &'a str)>);

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let pairs: Vec<(&str, Escaped<'_>)> = self.0.iter().map(|&(name, value)| (name, Escaped(value))).collect();
        pairs.encode(encoder)
    }
}

struct Escaped<'a>(&'a str);

impl EncodeLabelValue for Escaped<'_> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len());
        escaped(self.0, &mut text)?;
        encoder.write_str(&text)
    }
}
