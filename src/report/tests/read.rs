//! A report read back: the same bytes again, or an error that says where and what is allowed.

use std::io::{self, Read};
use std::time::Duration;

use serde_json::{Value, json};

use super::fixtures::{build, meta, server_meta, server_under_load, slab, slot};
use super::twin::{Random, random_views};
use crate::config::{Config, Key, Level, SetBy, Setting};
use crate::raw::Backing;
use crate::report::model::ReportMeta;
use crate::report::{PinReport, ReadError};
use crate::track::{Frame, ScopeName, Tag, Trace, TraceId};

fn read(json: &str) -> Result<PinReport, ReadError> {
    PinReport::from_json(json.as_bytes())
}

/// Every setting by whoever may have set it.
fn config(random: &mut Random) -> Vec<Setting> {
    let mut config = Config::default();
    for &key in Key::ALL {
        let by = [SetBy::Default, SetBy::Code, SetBy::File, SetBy::Env("A \u{1b}\"B\"".to_owned()), SetBy::RunTime];
        config.put(key, by[random.below(5)].clone(), |_| ());
    }
    config.settings().split_off(random.below(2))
}

/// What views cannot say by themselves: scopes, hints, stacks and suspects.
fn with_all_there_is(random: &mut Random, report: PinReport) -> PinReport {
    let meta = ReportMeta {
        pool: ["tls", "", "\u{1b}[2J \"quoted\" \u{202e}"][random.below(3)].to_owned(),
        level: [Level::Off, Level::Counters, Level::Sites, Level::backtraces(1), Level::backtraces(100)]
            [random.below(5)],
        config: config(random),
        config_warnings: ["SLAB_\u{1b} \"it\"".to_owned(), String::new()][..random.below(3)].to_vec(),
        backing: [
            Backing::new("heap"),
            Backing::new("mmap").with_page_size(4096).with_note("huge pages asked for, \u{1b}[2J \"normal\" ones used"),
        ][random.below(2)]
        .clone(),
        memory_bytes: random.below(1 << 30),
        idle_bytes: random.below(1 << 20),
        ledger_bytes: random.below(1 << 20),
        names_bytes: random.below(1 << 20),
        now_tick: 6_000 + random.below(1 << 20) as u32,
        taken_at: std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(random.below(1 << 50) as u64),
        ..meta()
    };
    let clipped = report.totals.clipped;
    let mut slabs = report.slabs;
    for slab in &mut slabs {
        slab.suspect = random.one_in(3);
        slab.resident_bytes = random.one_in(2).then(|| random.below(slab.size + 1));
        slab.level = if random.one_in(3) { Level::backtraces(7) } else { slab.level };
        for slice in &mut slab.slices {
            let tag = |random: &mut Random| Tag::new(["kept", "in the cache", "ws_session", "\0"][random.below(4)]);
            slice.scope =
                random.one_in(2).then(|| ScopeName::new(tag(random), random.below(3) as u64 * (u64::MAX / 2)));
            slice.first_hint = random.one_in(2).then(|| tag(random));
            slice.last_hint = random.one_in(2).then(|| tag(random));
            slice.trace = TraceId::from_number(random.below(4) as u32);
        }
    }
    let mut report = PinReport::assemble(meta, slabs, clipped);
    for number in 1..random.below(4) as u32 {
        let frame = |n: usize| Frame {
            function: (n != 1).then(|| format!("server::read::<{n}>")),
            file: (n != 2).then(|| "src/\"server\"\\.rs".to_owned()),
            line: (n != 3).then_some(n as u32),
        };
        let frames = (0..random.below(5)).map(frame).collect();
        report.traces.push(Trace { id: TraceId::from_number(number).unwrap(), frames });
    }
    report
}

#[test]
fn what_was_written_is_written_again() {
    let mut random = Random(0x0bad_5eed_f00d_cafe);
    for _ in 0..if cfg!(miri) { 3 } else { 500 } {
        let report = build(random_views(&mut random));
        let report = with_all_there_is(&mut random, report);
        let json = report.to_json();
        let again = read(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(again.to_json(), json);
        assert_eq!(again.totals, report.totals);
        assert_eq!(format!("{again:#}"), format!("{report:#}"));
    }
}

#[test]
fn the_documented_sample_is_read() {
    let documented = include_str!("../../docs/report_json.md");
    let sample = documented.split("```").find_map(|block| block.strip_prefix("json\n")).unwrap();
    assert_eq!(read(sample).unwrap().to_json(), sample);
}

/// A report as a tree, to be spoilt at one place.
fn tree() -> Value {
    let report = PinReport::build(server_meta(), server_under_load());
    serde_json::from_str(&report.to_json()).unwrap()
}

#[test]
fn the_order_of_keys_and_what_is_unknown_do_not_matter() {
    let mut json = tree();
    let mut deep = json!([]);
    for _ in 0..100 {
        deep = json!([deep, {"deep": 1e300}]);
    }
    json["later"] = deep.clone();
    json["slabs"][0]["numa_node"] = deep.clone();
    json["slabs"][0]["slices"][0]["colour"] = deep;
    // Serde's tree sorts its keys.
    let report = read(&json.to_string()).unwrap();
    assert_eq!(report.to_json(), PinReport::build(server_meta(), server_under_load()).to_json());
}

#[test]
fn sums_and_tables_are_computed_not_believed() {
    let mut json = tree();
    json["totals"]["pinned_bytes"] = json!(1);
    json["advice"] = json!([]);
    json["by_tag"] = json!("nonsense");
    json["slabs"][0]["live_bytes"] = json!(u64::MAX);
    let report = read(&json.to_string()).unwrap();
    assert_eq!(report.to_json(), PinReport::build(server_meta(), server_under_load()).to_json());
}

#[test]
fn every_error_says_where_and_what_is_allowed() {
    let refused: &[(&str, &str, Value, &str)] = &[
        // place in the tree, place in the error, value, what the error says
        ("/schema", "schema", json!("heap"), "invalid value: string \"heap\", expected \"bufslab.pin_report\""),
        ("/version", "version", json!(2), "integer `2`, expected a report of version 1"),
        ("/pool/level", "pool.level", json!("all\u{1b}[2J"), "string \"all\\u{1b}[2J\", expected a level"),
        ("/uptime_ms", "uptime_ms", json!(u64::MAX), "expected milliseconds, at most 42949672950"),
        ("/taken_unix_ms", "taken_unix_ms", json!(-1), "invalid value: integer `-1`"),
        ("/totals/memory_bytes", "totals.memory_bytes", json!(1.5), "floating point `1.5`, expected usize"),
        ("/slabs", "slabs", json!(7), "invalid type: integer `7`, expected a list of slabs"),
        ("/slabs/1/size", "slabs[1].size", json!(-5), "invalid value: integer `-5`"),
        ("/slabs/1/size", "slabs[1].size", json!(1e30), "invalid type: floating point `1e+30`"),
        ("/slabs/1/size", "slabs[1]", json!(1000), "slices[0] has 20 bytes at 14000 of a slab of 1000 bytes"),
        (
            "/slabs/1/size",
            "slabs",
            json!(u64::MAX / 2 + 1),
            "the sizes of slabs add up to more than 9223372036854775807",
        ),
        ("/slabs/1/id", "slabs", json!(0), "slab 0 is listed twice"),
        ("/slabs/1/handles", "slabs[1].handles", json!(1_u64 << 40), "expected a number of handles below 2^40"),
        ("/slabs/1/age_ms/min", "slabs[1].age_ms", json!(99_999_990), "min is 99999990: it must be at most the max of"),
        ("/slabs/1/slices", "slabs[1].slices", json!(1_000_000_000), "expected a sequence"),
        ("/slabs/1/slices/0/len", "slabs[1].slices[0].len", json!(-20), "invalid value: integer `-20`"),
        ("/slabs/1/slices/0/offset", "slabs[1]", json!(u64::MAX), "slices[0] has 20 bytes at 18446744073709551615 of"),
        (
            "/slabs/1/slices/0/kind",
            "slabs[1].slices[0].kind",
            json!("weak"),
            "\"mut\", \"shared\", \"exported\" or \"parked\"",
        ),
        ("/slabs/1/slices/0/tag", "slabs[1].slices[0].tag", json!(["x"]), "invalid type: sequence, expected a name"),
        ("/slabs/1/slices/0/site/line", "slabs[1].slices[0].site.line", json!(1_u64 << 32), "expected u32"),
        ("/slabs/1/slices/0/scope", "slabs[1].slices[0].scope", json!({"id": 3}), "missing field `kind`"),
        ("/slabs/1/slices/0/trace", "slabs[1].slices[0].trace", json!(0), "integer `0`, expected a nonzero u32"),
        ("/slabs/1/slices/0/thread", "slabs[1].slices[0].thread", json!(u64::MAX), "expected u32"),
        ("/traces", "traces[0].frames[0]", json!([{"id": 1, "frames": [{}]}]), "missing field `function`"),
    ];
    for (pointer, place, value, says) in refused {
        let mut json = tree();
        *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
        let error = read(&json.to_string()).map(|_| ()).expect_err(pointer);
        assert_eq!(error.place(), *place, "{pointer} = {value}: {error}");
        let text = error.to_string();
        assert!(text.contains(says), "{pointer} = {value}: {text}");
        assert!(error.line() == 1 && error.column() > 1 && text.contains("at line 1 column "), "{text}");
        assert!(!error.is_io() && !error.is_truncated());
    }
}

#[test]
fn a_report_with_a_key_too_few_or_twice_is_refused() {
    for key in ["schema", "version", "pool", "taken_unix_ms", "uptime_ms", "totals", "slabs"] {
        let mut json = tree();
        json.as_object_mut().unwrap().remove(key);
        let error = read(&json.to_string()).unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{key}`")), "{error}");
    }
    let twice = tree().to_string().replacen('{', "{\"version\":1,", 1);
    assert!(read(&twice).unwrap_err().to_string().contains("duplicate field `version`"));
}

#[test]
fn a_report_cut_anywhere_ends_too_early() {
    let json = build(vec![slab(0, 100, vec![slot(0, 20, Some("ä\u{1}"), None)])]).to_json();
    let json = json.trim_end();
    for end in 0..json.len() {
        let error = PinReport::from_json(&json.as_bytes()[..end]).unwrap_err();
        assert!(error.is_truncated(), "{end}: {error}");
        assert!(error.to_string().starts_with("the report ends too early"), "{error}");
    }
    let more = format!("{json}\n{json}");
    assert!(read(&more).unwrap_err().to_string().contains("trailing characters"));
}

#[test]
fn what_is_no_json_is_refused_whatever_it_is() {
    assert!(read("<html>").unwrap_err().to_string().starts_with("not a report: expected value"));
    assert!(PinReport::from_json(&[0x1f, 0x8b, 8, 0][..]).is_err());
    assert!(PinReport::from_json(&[b'"', 0xff, b'"'][..]).is_err());
    // Nested deeper than any stack: skipped where a key is unknown, refused elsewhere.
    let deep = "[".repeat(1_000_000);
    assert!(read(&deep).is_err());
    assert!(read(&format!("{{\"later\":{deep}")).unwrap_err().is_truncated());
    let closed = format!("{deep}{}", "]".repeat(1_000_000));
    let unknown = tree().to_string().replacen('{', &format!("{{\"later\":{closed},"), 1);
    assert!(read(&unknown).is_ok());
    // One bit of noise in each byte: an error or another report, never a panic.
    let mut random = Random(99);
    let good = tree().to_string();
    for _ in 0..if cfg!(miri) { 3 } else { 200 } {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        if let Ok(report) = PinReport::from_json(&bytes[..]) {
            let _ = (report.to_json(), report.to_string());
        }
    }
}

#[test]
fn a_long_value_makes_no_long_error() {
    let mut json = tree();
    json["version"] = json!("\u{7}x".repeat(1 << 20));
    let error = read(&json.to_string()).unwrap_err().to_string();
    assert!(error.len() < 500 && error.contains("… at line 1 column") && !error.contains('\u{7}'), "{error}");
}

#[test]
fn an_error_of_the_reader_is_passed_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "the cable is out"))
        }
    }
    let error = PinReport::from_json("{\"schema\":".as_bytes().chain(Broken)).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("the cable is out"), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_report_of_before_has_no_configuration_and_an_odd_one_says_what_is_odd() {
    let report = PinReport::build(server_meta(), server_under_load());
    let mut old: Value = serde_json::from_str(&report.to_json()).unwrap();
    let keys = old.as_object_mut().unwrap();
    assert!(keys.remove("config").is_some() && keys.remove("config_warnings").is_some());
    let again = read(&old.to_string()).unwrap();
    assert!(again.config.is_empty() && again.config_warnings.is_empty());
    assert_eq!(again.totals, report.totals);
    for (set_by, variable) in [("env", Value::Null), ("code", json!("SLAB_REUSE")), ("an oracle", Value::Null)] {
        let mut odd = old.clone();
        odd["config"] = json!([{ "name": "reuse", "value": "whole", "set_by": set_by, "variable": variable }]);
        let error = read(&odd.to_string()).unwrap_err().to_string();
        assert!(error.contains("config[0]") && error.contains(&format!("set_by is {set_by:?}")), "{error}");
    }
}
