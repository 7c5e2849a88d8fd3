use std::collections::BTreeMap;

use bufslab::report::{METRICS, MetricKind, PoolMetrics, write_prometheus_all};
use bufslab::{SlabBytes, SlabPool};

use crate::parse::{Page, page};
use crate::{pin, pool};

/// What nobody can say of memory from the heap.
const UNKNOWN: &str = "bufslab_resident_bytes";

/// Two pools of one name, more tags than have series, and names that want escapes.
fn load() -> (Vec<SlabPool>, Vec<SlabBytes>) {
    let limited = SlabPool::builder().name("tls").slab_size(1024).max_bytes(1 << 20).build().unwrap();
    let pools = vec![limited, pool("tls", 512)];
    let mut kept: Vec<SlabBytes> = (0..60).map(|n| pin(&pools[0], &format!("tag {}", n % 30), 1 + n)).collect();
    kept.extend(["quo\"te", "a\\b", "line\nfeed", "(other)", ""].map(|tag| pin(&pools[1], tag, 7)));
    (pools, kept)
}

fn text(pools: &[SlabPool]) -> Page {
    let metrics: Vec<PoolMetrics> = pools.iter().map(PoolMetrics::of).collect();
    let mut out = Vec::new();
    write_prometheus_all(&metrics, &mut out).unwrap();
    page(&String::from_utf8(out).unwrap())
}

/// What grows with time is not the same at two times; nor is the memory of names, which is the process's: other tests name things too.
fn timeless(page: &Page) -> BTreeMap<&(String, BTreeMap<String, String>), f64> {
    let moves = ["bufslab_oldest_pin", "bufslab_pin_age", "bufslab_names_bytes"];
    let is_timeless = |name: &str| !moves.iter().any(|begin| name.starts_with(begin));
    page.series.iter().filter(|((name, _), _)| is_timeless(name)).map(|(series, figure)| (series, *figure)).collect()
}

#[cfg(feature = "prometheus-client")]
#[test]
fn a_registry_says_what_the_text_says() {
    use bufslab::SlabCollector;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    let (pools, kept) = load();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(SlabCollector::of_pools(&pools)));
    let mut encoded = String::new();
    encode(&mut encoded, &registry).unwrap();
    assert!(encoded.ends_with("# EOF\n"));
    let (theirs, ours) = (page(&encoded), text(&pools));
    assert_eq!(timeless(&theirs), timeless(&ours));
    assert_eq!(theirs.series.keys().collect::<Vec<_>>(), ours.series.keys().collect::<Vec<_>>());
    for metric in METRICS.iter().filter(|metric| metric.name() != UNKNOWN) {
        let family = metric.name().trim_end_matches("_total");
        let (kind, help) = &theirs.families[family];
        assert_eq!((kind.as_str(), help.as_str()), (metric.kind().as_str(), metric.help()));
        let unit = metric.unit().as_str();
        assert!(unit.is_empty() || encoded.contains(&format!("# UNIT {family} {unit}\n")), "{family}");
    }
    drop(kept);
}

#[cfg(feature = "metrics")]
#[test]
fn an_exporter_behind_the_facade_says_what_the_text_says() {
    use bufslab::SlabMetrics;
    use metrics_exporter_prometheus::PrometheusBuilder;

    let (pools, kept) = load();
    let recorder = PrometheusBuilder::new().build_recorder();
    let mut metrics = SlabMetrics::of_pools(&pools);
    metrics::with_local_recorder(&recorder, || metrics.record());
    let rendered = recorder.handle().render();
    let (theirs, ours) = (page(&rendered), text(&pools));
    for metric in METRICS.iter().filter(|metric| metric.name() != UNKNOWN) {
        let (kind, help) = &theirs.families[metric.name()];
        assert_eq!(help, metric.help());
        let expected = match metric.kind() {
            // Unless told otherwise it makes quantiles.
            MetricKind::Histogram => "summary",
            other => other.as_str(),
        };
        assert_eq!(kind, expected, "{}", metric.name());
    }
    let plain = |page: &Page| {
        let of_histograms =
            |name: &str| ["bufslab_pin_age", "bufslab_slab_occupancy"].iter().any(|of| name.starts_with(of));
        let mut series: Vec<(String, String)> = Vec::new();
        for ((name, labels), figure) in timeless(page) {
            if !of_histograms(name) {
                series.push((format!("{name} {labels:?}"), figure.to_string()));
            }
        }
        series
    };
    assert_eq!(plain(&theirs), plain(&ours));
    assert_eq!(theirs.get("bufslab_slab_occupancy_ratio_count", &[("pool", "tls")]), Some(60.0));
    drop(kept);
}

#[cfg(feature = "metrics")]
#[test]
fn the_facade_is_told_unit_and_meaning_and_what_has_gone() {
    use bufslab::SlabMetrics;
    use bufslab::report::MetricUnit;
    use metrics::Unit;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let pool = pool("tls", 1024);
    let kept = pin(&pool, "req.head", 20);
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let mut metrics = SlabMetrics::new(&pool);
    let share = |seen: Vec<(metrics_util::CompositeKey, _, _, DebugValue)>, tag: &str| {
        let of_tag = seen.into_iter().find(|(key, ..)| {
            let is_tag = |label: &metrics::Label| label.key() == "tag" && label.value() == tag;
            key.key().name() == "bufslab_tag_pinned_bytes" && key.key().labels().any(is_tag)
        });
        match of_tag {
            Some((.., DebugValue::Gauge(figure))) => Some(figure.into_inner()),
            other => {
                assert!(other.is_none());
                None
            }
        }
    };
    metrics::with_local_recorder(&recorder, || {
        metrics.record();
        let seen = snapshotter.snapshot().into_vec();
        for metric in METRICS {
            let about = seen.iter().find(|(key, ..)| key.key().name() == metric.name());
            let Some((_, unit, help, _)) = about else {
                assert!(["bufslab_max_bytes", UNKNOWN].contains(&metric.name()), "all others have something to say");
                continue;
            };
            let expected = match metric.unit() {
                MetricUnit::Bytes => Some(Unit::Bytes),
                MetricUnit::Seconds => Some(Unit::Seconds),
                MetricUnit::Ratio => None,
                _ => Some(Unit::Count),
            };
            assert_eq!((*unit, help.as_deref()), (expected, Some(metric.help())), "{}", metric.name());
        }
        assert_eq!(share(seen, "req.head"), Some(1024.0));
        drop(kept);
        metrics.record();
        assert_eq!(share(snapshotter.snapshot().into_vec(), "req.head"), Some(0.0), "it has gone, and says so");
    });
}

#[cfg(feature = "metrics")]
#[test]
fn a_histogram_gets_a_bounded_sample_that_keeps_the_proportions() {
    use bufslab::SlabMetrics;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let pool = pool("many", 100);
    // Nine in ten are nearly empty.
    let kept: Vec<SlabBytes> = (0..3_000).map(|n| pin(&pool, "kept", if n % 10 == 0 { 100 } else { 1 })).collect();
    let recorder = DebuggingRecorder::new();
    let mut metrics = SlabMetrics::new(&pool);
    metrics::with_local_recorder(&recorder, || metrics.record());
    let seen = recorder.snapshotter().snapshot().into_vec();
    let observed = seen.into_iter().find_map(|(key, _, _, value)| match value {
        DebugValue::Histogram(observed) if key.key().name() == "bufslab_slab_occupancy_ratio" => Some(observed),
        _ => None,
    });
    let observed = observed.unwrap();
    assert!((200..=256).contains(&observed.len()), "{}", observed.len());
    let full = observed.iter().filter(|ratio| ratio.into_inner() == 1.0).count();
    assert!((8..=12).contains(&(full * 100 / observed.len())), "{full} of {}", observed.len());
    drop(kept);
}

#[cfg(feature = "metrics")]
#[test]
fn settings_that_were_are_at_0() {
    use bufslab::SlabMetrics;
    use metrics_exporter_prometheus::PrometheusBuilder;

    let pool = pool("tls", 1024);
    let recorder = PrometheusBuilder::new().build_recorder();
    let mut metrics = SlabMetrics::new(&pool);
    let sizes = |metrics: &mut SlabMetrics| {
        metrics::with_local_recorder(&recorder, || metrics.record());
        page(&recorder.handle().render()).by("bufslab_config_info", "slab_size")
    };
    let at = |size: &str, figure| (size.to_owned(), figure);
    assert_eq!(sizes(&mut metrics), [at("1KiB", 1.0)]);
    assert_eq!(sizes(&mut metrics), [at("1KiB", 1.0)]);
    pool.set_slab_size(2048).unwrap();
    assert_eq!(sizes(&mut metrics), [at("1KiB", 0.0), at("2KiB", 1.0)]);
    pool.set_slab_size(1024).unwrap();
    assert_eq!(sizes(&mut metrics), [at("1KiB", 1.0), at("2KiB", 0.0)]);
}
