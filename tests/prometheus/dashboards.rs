use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bufslab::report::{METRICS, MetricKind};
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every word of `text` that begins as our metrics do.
fn words(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    // Files are called `bufslab-…`, and the name alone is no metric.
    text.split(word).filter(|word| word.starts_with("bufslab_")).collect()
}

/// The names of all series.
fn series() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let parts: &[&str] = match metric.kind() {
            MetricKind::Histogram => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        names.extend(parts.iter().map(|part| format!("{}{part}", metric.name())));
    }
    names
}

#[test]
fn dashboards_and_alerts_ask_for_metrics_that_exist() {
    let known = series();
    for file in
        ["dashboards/bufslab-grafana.json", "dashboards/bufslab-alerts.yml", "dashboards/bufslab-alerts.test.yml"]
    {
        let text = read(file);
        let asked = words(&text);
        assert!(asked.len() > 5, "{file}: {asked:?}");
        for name in asked {
            assert!(known.contains(name), "{file} asks for {name}");
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let text = read("dashboards/bufslab-grafana.json");
    let shown = words(&text);
    for metric in METRICS {
        let (name, bucket) = (metric.name(), format!("{}_bucket", metric.name()));
        // Counts of groups are in the report that a panel leads to.
        let left_out = ["bufslab_tag_slices", "bufslab_scope_kind_slices", "bufslab_scope_kind_exclusive_bytes"];
        assert_ne!(shown.contains(name) || shown.contains(bucket.as_str()), left_out.contains(&name), "{name}");
    }
}

#[test]
fn the_chapter_lists_every_metric_and_no_other() {
    let text = read("src/docs/fleet.md");
    let known = series();
    for name in words(&text) {
        let whole = METRICS.iter().any(|metric| metric.name() == name);
        assert!(whole || known.contains(name), "the chapter speaks of {name}");
    }
    for metric in METRICS {
        let labels = metric.labels().iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let row = format!("| `{}` | {} | {labels} | {} |", metric.name(), metric.kind().as_str(), metric.help());
        assert!(text.contains(&row), "the chapter lacks the row\n{row}");
    }
}

#[test]
fn panels_are_complete_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&read("dashboards/bufslab-grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut tiles = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: an id twice");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(x < 24 && tiles.insert((x, y)), "{title} lies on another at {x}, {y}");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
        let mut refs = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert!(refs.insert(target["refId"].as_str().unwrap()), "{title}");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let asked = target["expr"].as_str().unwrap();
            let selected = "job=~\"$job\",instance=~\"$instance\"";
            assert_eq!(asked.matches("bufslab_").count(), asked.matches(selected).count(), "{title}: {asked}");
        }
        assert!(!refs.is_empty(), "{title}");
    }
    let variables: Vec<&str> =
        dashboard["templating"]["list"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(variables, ["datasource", "job", "instance", "pool"]);
}
