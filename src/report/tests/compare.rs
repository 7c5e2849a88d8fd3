//! Two reports, and many.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::fixtures::{MIB, forever, meta, slab, slot};
use super::server;
use super::shown::assert_fits;
use super::twin::{Random, random_views};
use crate::raw::SlabView;
use crate::report::model::ReportMeta;
use crate::report::{Change, Holder, Origin, PinReport, ReportDiff, Series, Verdict, diff};
use crate::track::{ScopeName, Tag};

/// A report of the pool `tls` taken `ms` milliseconds after its first one.
fn at(ms: u32, views: Vec<SlabView>) -> PinReport {
    let first = meta();
    let later = ReportMeta {
        now_tick: first.now_tick + ms / 10,
        taken_at: first.taken_at + Duration::from_millis(ms.into()),
        ..first
    };
    PinReport::build(later, views)
}

/// Slabs that one slice with this tag keeps alive each.
fn held(ids: core::ops::Range<u64>, tag: &'static str) -> Vec<SlabView> {
    let site = if tag == "req.head" { server::read_head() } else { server::read_body() };
    ids.map(|id| slab(id, MIB, vec![slot(0, 20, Some(tag), Some(site))])).collect()
}

fn change(change: Change) -> (usize, usize) {
    (change.before, change.after)
}

/// Of 12 slabs one goes, one is used anew, and 30 come.
fn busy() -> (PinReport, PinReport) {
    let mut before = held(0..8, "body");
    before.extend(held(8..10, "cache.key"));
    before.extend(held(10..12, "req.head"));
    let mut after = held(0..6, "body");
    after.extend(held(7..8, "body"));
    after[0].generation += 1;
    after.extend(held(8..10, "cache.key"));
    after.extend(held(10..40, "req.head"));
    after.extend(held(40..41, "\u{1b}[2J\u{202e}"));
    (at(0, before), at(10_000, after))
}

#[test]
fn what_came_went_grew_and_shrank() {
    let (before, after) = busy();
    let diff = diff(&before, &after);
    assert_eq!((diff.origin, diff.elapsed), (Origin::SameRun, Some(Duration::from_secs(10))));
    assert_eq!(change(diff.totals.pinned_bytes), (12 * MIB, 40 * MIB));
    assert_eq!(diff.totals.bytes_per_second, Some((28 * MIB as i64 + 5) / 10));
    let s = diff.slabs;
    assert_eq!((s.new, s.gone, s.kept), (30, 2, 10), "slab 0 in its second life is gone and new");
    assert_eq!((s.new_bytes, s.gone_bytes, s.kept_bytes), (30 * MIB, 2 * MIB, 10 * MIB));

    let rows: Vec<_> = diff.by_tag.iter().map(|row| (row.verdict, change(row.amortised_bytes))).collect();
    assert_eq!(
        rows,
        [
            (Verdict::Grown, (2 * MIB, 30 * MIB)),
            (Verdict::New, (0, MIB)),
            (Verdict::Same, (2 * MIB, 2 * MIB)),
            (Verdict::Shrunk, (8 * MIB, 7 * MIB)),
        ]
    );
    let head = diff.of_tag("req.head").unwrap();
    assert_eq!((change(head.slices), change(head.slabs)), ((2, 30), (2, 30)));
    assert_eq!((change(head.exclusive_bytes), change(head.live_bytes)), ((2 * MIB, 30 * MIB), (40, 600)));
    assert_eq!(head.bytes_per_second, Some((28 * MIB as i64 + 5) / 10));
    assert!(matches!(diff.by_site[0].holder, Holder::Site(site) if site.line() == server::read_head().line()));

    let back = after.diff(&before);
    assert!(
        back.by_tag
            .iter()
            .rev()
            .map(|row| row.amortised_bytes.delta())
            .eq(diff.by_tag.iter().map(|row| -row.amortised_bytes.delta()))
    );
    assert_eq!(back.of_tag("\u{1b}[2J\u{202e}").map(|row| row.verdict), Some(Verdict::Gone));
    assert_eq!((back.elapsed, back.totals.bytes_per_second), (None, None), "time does not run backwards");
}

#[test]
fn how_it_reads() {
    let (before, after) = busy();
    let diff = before.diff(&after);
    assert_fits(&diff);
    let expected = "\
pinned 12 MiB, now 40 MiB: +28 MiB, +2.8 MiB/s
pool tls; taken 10 s apart
30 slabs new (30 MiB), 2 gone (2.0 MiB), 10 pinned all the time (10 MiB)
used 800 B (+560 B), waste 40.0 MiB (+28.0 MiB), 40 slices (+28)

by tag                          slices  slabs     alone  amortised      a second
  req.head              grown      +28    +28   +28 MiB    +28 MiB    +2.8 MiB/s
  \"\\u{1b}[2J\\u{202e}\"   new         +1     +1  +1.0 MiB   +1.0 MiB  +102.4 KiB/s
  body                  shrunk      -1     -1  -1.0 MiB   -1.0 MiB  -102.4 KiB/s

by site                         slices  slabs     alone  amortised      a second";
    let text = diff.to_string();
    assert!(text.starts_with(expected), "{text}");
    let full = format!("{diff:#}");
    assert!(full.lines().any(|line| line.contains("cache.key") && line.contains("same")), "{full}");
    let nothing = before.diff(&before).to_string();
    assert!(nothing.contains("as much is pinned as before: 12 MiB"), "{nothing}");
    assert!(nothing.ends_with("no group changed") && nothing.contains("taken at one moment: no rates"), "{nothing}");
}

/// If this fails because the text was changed on purpose, put the new text in `diff_sample.txt`.
#[test]
#[cfg(not(windows))]
fn the_sample_in_the_documentation_is_what_is_printed() {
    let mut before = held(0..4, "req.head");
    before.extend(held(100..107, "body"));
    let mut after = held(0..64, "req.head");
    after.extend(held(103..105, "body"));
    after.extend(held(200..202, "cache.key"));
    let printed = at(0, before).diff(&at(30_000, after)).to_string();
    assert!(include_str!("../diff_sample.txt").trim_end() == printed, "diff_sample.txt should read:\n{printed}\n");
}

#[test]
fn the_most_grown_and_the_most_shrunk_are_shown() {
    let names: Vec<&'static str> = (0..20).map(|n| forever(format!("tag-{n:02}"))).collect();
    let growing = |n: u64, name| held(n * 100..n * 100 + n + 1, name);
    let shrinking = |n: u64, name| held(n * 100..n * 100 + 20 - n, name);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (n, &name) in (0..).zip(&names) {
        if n < 10 {
            after.extend(growing(n, name));
        } else {
            before.extend(shrinking(n, name));
        }
    }
    let text = at(0, before).diff(&at(500, after)).to_string();
    let by_tag: Vec<_> = text.lines().filter_map(|line| line.trim_start().strip_prefix("tag-")).collect();
    let shown: Vec<_> = by_tag.iter().map(|line| &line[..2]).collect();
    assert_eq!(shown, ["09", "08", "07", "06", "10", "11"], "{text}");
    assert!(text.ends_with("\n  and 14 more groups that changed"), "{text}");
}

#[test]
fn pools_and_runs_are_told_apart() {
    let (before, after) = busy();
    let mut other = after.clone();
    other.pool = "a\u{202e}b".to_owned();
    let diff = before.diff(&other);
    assert_eq!((diff.origin, diff.elapsed), (Origin::OtherPool, Some(Duration::from_secs(10))));
    assert_eq!((diff.slabs.new, diff.slabs.gone, diff.slabs.kept), (40, 12, 0));
    assert_fits(&diff);
    assert!(diff.to_string().contains("\nof two pools: tls, then \"a\\u{202e}b\"; taken 10 s apart\n"), "{diff}");

    // Restarted a minute before.
    let mut restarted = after.clone();
    restarted.uptime = Duration::from_secs(60);
    let diff = before.diff(&restarted);
    assert_eq!((diff.origin, diff.elapsed), (Origin::OtherRun, Some(Duration::from_secs(10))));
    assert_eq!(diff.slabs.kept, 0, "the numbers of two runs say nothing");

    // The wall clock drifted by a second.
    let mut drifted = after.clone();
    drifted.taken_at -= Duration::from_secs(1);
    assert_eq!(before.diff(&drifted).elapsed, Some(Duration::from_secs(10)));
    // It was set back by an hour, or was never set.
    for taken_at in [after.taken_at - Duration::from_secs(3_600), SystemTime::UNIX_EPOCH - Duration::from_secs(1)] {
        let set = PinReport { taken_at, ..after.clone() };
        let diff = before.diff(&set);
        assert_eq!((diff.origin, diff.elapsed, diff.by_tag[0].bytes_per_second), (Origin::OtherRun, None, None));
        let words: Vec<_> = diff.to_string().split_whitespace().map(str::to_owned).collect();
        assert!(words.join(" ").contains("the second report is older than the first: no rates"), "{diff}");
    }
}

#[test]
fn slices_are_not_needed() {
    let mut random = Random(4711);
    let mut hungry = 0;
    for _ in 0..if cfg!(miri) { 5 } else { 100 } {
        let (before, after) = (at(0, random_views(&mut random)), at(70, random_views(&mut random)));
        let with = before.diff(&after);
        assert_fits(&with);
        let without = before.clone().without_slices().diff(&after.clone().without_slices());
        assert_eq!(with.to_json(), without.to_json());
        hungry += after.without_slices().slabs.iter().map(|slab| slab.slices.capacity()).sum::<usize>();

        let parsed: Value = serde_json::from_str(&with.to_json()).unwrap();
        assert_eq!(parsed["by_tag"].as_array().unwrap().len(), with.by_tag.len());
        let delta = |table: &str| {
            let rows = parsed[table].as_array().unwrap();
            rows.iter().map(|row| row["amortised_bytes"]["delta"].as_i64().unwrap()).sum::<i64>()
        };
        for table in ["by_tag", "by_site", "by_scope", "by_scope_kind"] {
            assert_eq!(delta(table), with.totals.pinned_bytes.delta(), "{table}");
        }
        let s = with.slabs;
        assert_eq!((s.new + s.kept, s.gone + s.kept), (with.totals.slabs.after, with.totals.slabs.before));
        assert_eq!(s.new_bytes as i64 - s.gone_bytes as i64, with.totals.pinned_bytes.delta());
    }
    assert_eq!(hungry, 0);
}

/// The keys of a JSON text in the order in which they stand.
fn keys(json: &str) -> Vec<&str> {
    json.split("\":").filter_map(|before| before.rsplit('"').next()).collect()
}

#[test]
fn the_documented_sample_has_the_keys_that_are_written() {
    let documented = include_str!("../../docs/diff_json.md");
    let sample = documented.split("```").find_map(|block| block.strip_prefix("json\n")).unwrap();
    let parsed: Value = serde_json::from_str(sample).unwrap();
    assert_eq!(parsed["version"], ReportDiff::SCHEMA_VERSION);
    let scope = ScopeName::new(Tag::new("ws_session"), 42);
    let charge = |report: PinReport| {
        let mut slabs = report.slabs;
        slabs.iter_mut().flat_map(|slab| &mut slab.slices).for_each(|slice| slice.scope = Some(scope));
        PinReport { uptime: report.uptime, ..PinReport::assemble(meta(), slabs, 0) }
    };
    let before = charge(at(0, held(0..2, "req.head")));
    let mut after = charge(at(10_000, held(0..12, "req.head")));
    after.taken_at += Duration::from_secs(10);
    let written = before.diff(&after).to_json();
    let (sample_keys, written_keys) = (keys(sample), keys(&written));
    assert_eq!(sample_keys[..sample_keys.len() - 1], written_keys[..written_keys.len() - 1]);
    let written: Value = serde_json::from_str(&written).unwrap();
    for part in ["totals", "slabs", "elapsed_ms", "origin", "before", "after"] {
        assert_eq!(written[part], parsed[part], "{part}");
    }
    assert_eq!(written["by_scope"][0], parsed["by_scope"][0]);
}

#[test]
fn streaming_writes_the_same_and_passes_on_the_first_error() {
    let (before, after) = busy();
    let diff = before.diff(&after);
    let mut out = Vec::new();
    diff.write_json(&mut out).unwrap();
    assert_eq!(out, diff.to_json().as_bytes());
    assert!(diff.to_json().chars().all(|c| c == '\n' || !c.is_control()));
    let mut full = [0_u8; 500];
    assert_eq!(diff.write_json(&mut &mut full[..]).unwrap_err().kind(), std::io::ErrorKind::WriteZero);
}

/// A window of `n` reports a second apart: one slab more of `req.head` each time beside bodies that come and go.
fn grown(n: u32) -> Series {
    let mut series = Series::new(10);
    for step in 0..n {
        let mut views = held(0..u64::from(step) + 1, "req.head");
        views.extend(held(100..120 - [0, 7, 3, 9][step as usize % 4], "body"));
        views.extend(held(200..203, "cache.key"));
        series.push(&at(step * 1_000, views));
    }
    series
}

#[test]
fn what_only_grows_comes_first() {
    let series = grown(25);
    assert_eq!((series.len(), series.span()), (10, Duration::from_secs(9)), "the window is bounded");
    let trends = series.by_tag();
    let names: Vec<_> =
        trends.iter().map(|trend| matches!(trend.holder, Holder::Tag(tag) if tag.name() == "req.head")).collect();
    assert_eq!(names, [true, false, false]);
    let head = &trends[0];
    assert_eq!((head.samples, head.first_bytes, head.last_bytes, head.falls), (10, 16 * MIB, 25 * MIB, 0));
    assert!(head.only_grows && (head.bytes_per_second.unwrap() - MIB as f64).abs() < 1.0, "{head:?}");
    assert!(trends.iter().skip(1).all(|trend| !trend.only_grows), "bodies fall, keys are steady: {trends:?}");
    assert!(series.by_site()[0].only_grows);

    assert_fits(&series);
    let text = series.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "over 10 reports in 9 s: pinned 30 MiB, then 48 MiB (+1.2 MiB/s)");
    assert!(lines[3].starts_with("  req.head") && lines[3].contains("only grows"), "{text}");
    assert!(text.contains("fell 4 times") && text.contains("steady"), "{text}");
}

#[test]
fn few_reports_prove_nothing() {
    let series = grown(Series::MIN_SAMPLES as u32 - 1);
    assert!(series.by_tag().iter().all(|trend| !trend.only_grows));
    assert!(series.to_string().contains("4 reports so far"), "{series}");
    assert!(grown(3).min_samples(3).by_tag()[0].only_grows);
    assert_eq!(Series::new(0).to_string(), "no report yet");
    let mut two = Series::new(0);
    (0..3).for_each(|step| two.push(&at(step * 10, held(0..u64::from(step) + 1, "a"))));
    assert_eq!(two.len(), 2);
    assert!(two.by_tag()[0].only_grows, "a window of two asks for two");
}

#[test]
fn who_came_late_is_judged_from_then_on() {
    let mut series = Series::new(20);
    for step in 0..10_u32 {
        let mut views = held(0..3, "body");
        if step >= 8 {
            views.extend(held(10..10 + u64::from(step), "req.head"));
        }
        series.push(&at(step * 1_000, views));
    }
    let trends = series.by_tag();
    assert_eq!((trends[0].samples, trends[0].only_grows), (2, false), "two reports prove nothing: {trends:?}");
    assert_eq!(trends[0].first_bytes, 8 * MIB);
}

#[test]
fn another_run_begins_a_new_window() {
    let mut series = grown(10);
    let mut restarted = at(20_000, held(0..1, "req.head"));
    restarted.uptime = Duration::from_secs(1);
    series.push(&restarted);
    assert_eq!(series.len(), 1);
    let mut other = restarted.clone();
    other.pool = "other".to_owned();
    series.push(&other);
    series.push(&other);
    assert_eq!((series.len(), series.by_tag()[0].bytes_per_second), (2, None), "two at one time have no slope");
    series.push(&restarted);
    assert_eq!(series.len(), 1);
}

#[test]
fn a_table_with_too_many_groups_keeps_the_largest_and_takes_none_for_gone() {
    let many: Vec<Tag> = (0..Series::MAX_GROUPS + 50).map(|n| Tag::new(&format!("many {n}"))).collect();
    let mut series = Series::new(10);
    for step in 0..6_usize {
        let tagged = many.iter().enumerate().map(|(n, tag)| {
            let mut slice = slot(0, 20, None, None);
            slice.tag = tag.number();
            // The last ones are small, except that one of them is large at times.
            let large = n < Series::MAX_GROUPS - 1 || (n == many.len() - 1 && step != 2);
            slab(n as u64, if large { MIB + step } else { 100 }, vec![slice])
        });
        series.push(&at(step as u32 * 1_000, tagged.collect()));
    }
    let trends = series.by_tag();
    assert_eq!(trends.len(), Series::MAX_GROUPS);
    let last = trends.iter().find(|trend| trend.holder == Holder::Tag(many[many.len() - 1])).unwrap();
    assert_eq!((last.samples, last.falls, last.only_grows), (5, 0, true), "what was left out is no zero");
}
