//! The JSON form, read by a parser that is not ours.

use std::io;

use serde_json::Value;

use super::fixtures::{build, forever, server_meta, server_under_load, slab, slot, trap};
use super::server;
use crate::report::{Holder, PinReport};
use crate::track::{Frame, ScopeName, Tag, Trace, TraceId};

pub(super) fn parse(report: &PinReport) -> Value {
    serde_json::from_str(&report.to_json()).unwrap_or_else(|error| panic!("{error}: {}", report.to_json()))
}

#[test]
fn every_figure_survives() {
    let mut views = server_under_load();
    views[0].untracked = 2;
    views[0].handles += 5;
    let report = PinReport::build(server_meta(), views);
    let json = parse(&report);
    assert_eq!(json["schema"], "bufslab.pin_report");
    assert_eq!(json["version"], PinReport::SCHEMA_VERSION);
    assert_eq!(json["pool"]["name"], "tls");
    assert_eq!(json["pool"]["slab_size"], 10 << 20);
    assert_eq!(json["pool"]["level"], "sites");
    assert_eq!(json["pool"]["retain_policy"]["copybreak"], 1024);
    assert_eq!(json["pool"]["retain_policy"]["ratio"], 16);
    assert_eq!(json["config"].as_array().unwrap().len(), report.config.len());
    let size = serde_json::json!({
        "name": "slab_size", "value": "10MiB", "set_by": "env", "variable": "SLAB_BUFFER_SIZE",
    });
    assert_eq!(json["config"][1], size);
    assert_eq!(json["config"][3]["set_by"], "default");
    assert_eq!(json["config"][3]["variable"], Value::Null);
    assert_eq!(json["config_warnings"], serde_json::json!([]));
    assert_eq!(json["taken_unix_ms"], 1_700_000_000_123_u64);
    assert_eq!(json["uptime_ms"], 120_000);
    let t = &report.totals;
    for (key, figure) in [
        ("slabs", t.slabs),
        ("slices", t.slices),
        ("exported", t.exported),
        ("untracked", t.untracked),
        ("in_motion", t.in_motion),
        ("clipped", t.clipped),
        ("pinned_bytes", t.pinned_bytes),
        ("live_bytes", t.live_bytes),
        ("waste_bytes", t.waste_bytes),
        ("reclaimable_bytes", t.reclaimable_bytes),
        ("attached_bytes", t.attached_bytes),
        ("unlisted_bytes", t.unlisted_bytes),
        ("writable_bytes", t.writable_bytes),
        ("foreign_bytes", t.foreign_bytes),
        ("memory_bytes", t.memory_bytes),
        ("idle_bytes", t.idle_bytes),
        ("ledger_bytes", t.ledger_bytes),
        ("names_bytes", t.names_bytes),
    ] {
        assert_eq!(json["totals"][key], figure, "{key}");
    }
    assert_eq!(json["totals"]["resident_bytes"], Value::Null);
    assert_eq!(json["pool"]["backing"], serde_json::json!({ "kind": "heap", "page_size": null, "note": null }));
    assert_eq!(json["totals"].as_object().unwrap().len(), 19, "a figure is missing above");
    for (list, table) in [("by_tag", &report.by_tag), ("by_site", &report.by_site)] {
        assert_eq!(json[list].as_array().unwrap().len(), table.len());
        for (row, blame) in json[list].as_array().unwrap().iter().zip(table) {
            assert_eq!(row["slices"], blame.slices);
            assert_eq!(row["live_bytes"], blame.live_bytes);
            assert_eq!(row["slabs"], blame.slabs);
            assert_eq!(row["exclusive_bytes"], blame.exclusive_bytes);
            assert_eq!(row["shared_bytes"], blame.shared_bytes);
            assert_eq!(row["amortised_bytes"], blame.amortised_bytes);
        }
    }
    for (row, slab) in json["slabs"].as_array().unwrap().iter().zip(&report.slabs) {
        assert_eq!((&row["id"], &row["generation"]), (&slab.id.into(), &slab.generation.into()));
        assert_eq!(row["size"], slab.size);
        assert_eq!(row["attached"], slab.attached);
        assert_eq!(row["handles"], slab.handles);
        assert_eq!(row["untracked"], slab.untracked);
        assert_eq!(row["in_motion"], slab.in_motion);
        assert_eq!(row["live_bytes"], slab.live_bytes);
        assert_eq!(row["waste_bytes"], slab.waste_bytes);
        assert_eq!(row["age_ms"]["max"], slab.age.max().as_millis() as u64);
        assert_eq!(row["slices"].as_array().unwrap().len(), slab.slices.len());
        for (row, slice) in row["slices"].as_array().unwrap().iter().zip(&slab.slices) {
            assert_eq!(row["offset"], slice.offset);
            assert_eq!(row["len"], slice.len);
            assert_eq!(row["tag"], slice.tag.map_or(Value::Null, |tag| tag.name().into()));
            assert_eq!(row["site"]["line"], slice.site.map_or(Value::Null, |site| site.line().into()));
            assert_eq!(row["thread"], slice.thread);
            assert_eq!(row["age_ms"]["min"], slice.age.min().as_millis() as u64);
        }
    }
    assert_eq!(json["slabs"].as_array().unwrap().len(), report.slabs.len());
}

#[test]
fn advice_is_in_it() {
    let json = parse(&build(trap()));
    let advice = &json["advice"][0];
    assert_eq!(advice["holder"]["kind"], "tag");
    assert_eq!(advice["holder"]["tag"], "req.head");
    assert_eq!(advice["slices"], 12);
    assert_eq!(advice["slices_in_group"], 12);
    assert_eq!(advice["exported"], 0);
    assert_eq!(advice["copied_bytes"], 240);
    assert_eq!(advice["freed_slabs"], 12);
    assert_eq!(advice["freed_bytes"], 12 * (10 << 20));
    assert_eq!(json["advice_together"], Value::Null);
    assert_eq!(json["by_site"][0]["holder"]["site"]["file"], server::read_head().file());
}

#[test]
fn what_names_hold_comes_back_as_it_was() {
    let every_control: String = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32).collect();
    let names: [&'static str; 4] =
        [forever(every_control), "\"\\/\u{2028}\u{2029}", "𝕏 \u{202e} 日本語 \u{10ffff}", "</script><!--"];
    for name in names {
        let mut meta = server_meta();
        meta.pool = name.to_owned();
        let report = PinReport::build(meta, vec![slab(0, 100, vec![slot(0, 20, Some(name), None)])]);
        let json = parse(&report);
        assert_eq!(json["pool"]["name"], name);
        assert_eq!(json["slabs"][0]["slices"][0]["tag"], name);
        assert!(report.to_json().chars().all(|c| c == '\n' || !c.is_control()));
    }
}

#[test]
fn streaming_writes_the_same_and_passes_on_the_first_error() {
    let report = build(trap());
    let mut out = Vec::new();
    report.write_json(&mut out).unwrap();
    assert_eq!(out, report.to_json().as_bytes());
    let behind_a_pointer: &mut dyn io::Write = &mut io::sink();
    report.write_json(behind_a_pointer).unwrap();

    let mut full = [0_u8; 1000];
    let error = report.write_json(&mut &mut full[..]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

/// The keys of a JSON text in the order in which they stand.
fn keys(json: &str) -> Vec<&str> {
    json.split("\":").filter_map(|before| before.rsplit('"').next()).collect()
}

#[test]
fn the_documented_sample_has_the_keys_that_are_written() {
    let documented = include_str!("../../docs/report_json.md");
    let sample = documented.split("```").find_map(|block| block.strip_prefix("json\n")).unwrap();
    serde_json::from_str::<Value>(sample).unwrap();
    let mut report = build(vec![slab(7, 100, vec![slot(0, 20, Some("req.head"), Some(server::read_head()))])]);
    // What no fixture has: a scope, hints and a stack.
    let scope = ScopeName::new(Tag::new("ws_session"), 42);
    report.slabs[0].slices[0].scope = Some(scope);
    report.by_scope[0].holder = Holder::Scope(scope);
    report.by_scope_kind[0].holder = Holder::ScopeKind(scope.kind());
    let frame = Frame { function: Some("server::read_head".to_owned()), file: None, line: Some(11) };
    report.traces.push(Trace { id: TraceId::from_number(3).unwrap(), frames: vec![frame] });
    report.config.truncate(1);
    report.config_warnings.push("SLAB_MAX_BYTE is no variable of a pool".to_owned());
    let reason = String::from("grew from 5 MiB to 10 MiB: of the last 16 slabs, 16 were left");
    report.slab_size_moves.push(crate::report::SlabSizeMove {
        from: 5 << 20,
        to: 10 << 20,
        age: std::time::Duration::from_secs(95),
        reason,
    });
    let written = report.to_json();
    let (sample, written) = (keys(sample), keys(&written));
    // What follows the last key differs in its values.
    assert_eq!(sample[..sample.len() - 1], written[..written.len() - 1]);
    assert!(sample.contains(&"retain_policy") && sample.contains(&"age_ms") && sample.len() > 80);
}
