use std::collections::BTreeSet;

use bufslab::report::{METRICS, MetricKind, MetricUnit};

#[test]
fn names_follow_the_conventions() {
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let name = metric.name();
        assert!(names.insert(name), "{name} twice");
        assert!(name.starts_with("bufslab_"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind() == MetricKind::Counter, "{name}");
        let unit = metric.unit().as_str();
        let counted = name.trim_end_matches("_total");
        assert!(counted.ends_with(unit), "{name} is measured in {unit}");
        for other in [MetricUnit::Bytes, MetricUnit::Seconds, MetricUnit::Ratio] {
            assert_eq!(counted.ends_with(other.as_str()), other == metric.unit(), "{name} is measured in {unit}");
        }
        // What parts of histograms are called.
        assert!(!["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end)), "{name}");
        // What is always 1, and is asked for its labels.
        assert_eq!(name.ends_with("_info"), metric.labels().len() > 2, "{name}");
    }
}

#[test]
fn helps_are_sentences_on_one_line_that_need_no_escapes() {
    for metric in METRICS {
        let help = metric.help();
        assert!(help.ends_with('.') && help.starts_with(|c: char| c.is_uppercase()), "{help}");
        assert!(help.len() < 120 && !help.contains(['\n', '\\', '"']), "{help}");
    }
}

#[test]
fn labels_are_few() {
    // One series a pool, whatever its labels.
    for metric in METRICS.iter().filter(|metric| !metric.name().ends_with("_info")) {
        let known: [&[&str]; 4] = [&[], &["pool"], &["pool", "tag"], &["pool", "scope_kind"]];
        assert!(known.contains(&metric.labels()), "{metric:?}");
    }
}
