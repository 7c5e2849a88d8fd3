//! The page, as far as it can be read without a browser; `tests/html_page` looks at it in one.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::fixtures::{MIB, NOW, build, meta, server_meta, server_under_load, slab, slot};
use super::server;
use crate::raw::SliceKind;
use crate::report::html::{LIMITS, Limits, page};
use crate::report::{Holder, PinReport};
use crate::track::{Frame, ScopeName, Tag, Trace, TraceId};

fn html(report: &PinReport) -> String {
    let mut out = Vec::new();
    report.write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn cut(report: &PinReport, limits: &Limits) -> String {
    let mut out = String::new();
    page(report, limits, &mut out).unwrap();
    out
}

/// What the script reads.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// The part of the page between `id="…"` and the end of its section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}"));
    rest.split_once("</section>").unwrap().0
}

/// A server whose slabs have every age, with scopes, hints and a stack.
fn aged() -> PinReport {
    let mut views = server_under_load();
    for (view, tick) in views.iter_mut().zip([3, 50, 700, 5_000, 5_500, 11_000]) {
        (view.attached_tick, view.retired_tick) = (NOW - tick - 1, Some(NOW - tick));
    }
    views[2].suspect = true;
    let mut untracked = slab(90, 64 << 10, Vec::new());
    (untracked.handles, untracked.untracked) = (7, 7);
    views.push(untracked);
    let mut report = PinReport::build(server_meta(), views);
    let scope = ScopeName::new(Tag::new("ws_session"), 42);
    let trace = TraceId::from_number(7).unwrap();
    for slab in report.slabs.iter_mut().filter(|slab| slab.suspect) {
        let slice = &mut slab.slices[0];
        slice.scope = Some(scope);
        slice.first_hint = Some(Tag::new("upgrade"));
        slice.last_hint = Some(Tag::new("to the socket"));
        slice.trace = Some(trace);
    }
    let frame = |function: &str, line| Frame {
        function: Some(function.to_owned()),
        file: Some("src/server.rs".to_owned()),
        line: Some(line),
    };
    let frames = vec![frame("<Server as Read>::read_head", 11), frame("server::main", 3)];
    report.traces.push(Trace { id: trace, frames });
    report
}

/// With the environment's `OUT` naming a folder, the page is left there for the browser: no real pool is hours old.
#[test]
fn every_part_of_the_page() {
    let report = aged();
    let page = html(&report);
    if let Some(out) = std::env::var_os("OUT") {
        let path = Path::new(&out).join("aged");
        std::fs::write(path.with_extension("html"), &page).unwrap();
        std::fs::write(path.with_extension("json"), report.to_json()).unwrap();
    }
    // The verdict of the text form, as a heading.
    let verdict = report.verdict();
    assert!(page.contains(&format!(">{verdict}</h1>")), "{verdict}");
    assert!(page.find("</h1>") < page.find("id=\"advice\"") && page.find("id=\"advice\"") < page.find("id=\"memory\""));

    let advice = section(&page, "advice");
    assert!(
        advice.contains("compacting 12 of 13 slices of <code>req.head</code> copies <span title=\"240 bytes\">240 B")
    );
    assert!(
        advice.contains("Not freed by compacting: <span title=\"10,485,760 bytes\">10 MiB</span> in attached slabs")
    );

    let blame = section(&page, "blame");
    for (name, _) in [("tag", 0), ("site", 1), ("kind", 2), ("scope", 3), ("thread", 4)] {
        assert!(blame.contains(&format!("data-table=\"{name}\"")));
    }
    assert!(blame.contains("<th scope=\"row\">req.head</th><td class=\"n\" data-label=\"slices\">13</td>"));
    assert!(blame.contains("<th scope=\"row\">(untracked)</th><td class=\"n\" data-label=\"slices\">7</td>"));

    let ages = section(&page, "ages");
    let pinned_at = |name: &str| {
        let (_, row) = ages.split_once(&format!("{name}</th>")).unwrap_or_else(|| panic!("{name} in {ages}"));
        row.split_once("title=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
    };
    assert_eq!(pinned_at("under 100 ms"), "20,971,520 bytes", "one of 30 ms, and the one that is attached");
    assert_eq!(pinned_at("100 ms to 1 s"), "10,485,760 bytes", "500 ms");
    assert_eq!(pinned_at(">1 to 10 s"), "21,037,056 bytes", "7 s, and two of 1 s");

    assert!(section(&page, "slabs").contains("<td data-label=\"pinned by\">body, req.head</td>"));
    let stacks = section(&page, "stacks");
    assert!(stacks.contains("stack 7: 1 slice of 20 B <code>&lt;Server as Read&gt;::read_head</code>"), "{stacks}");
    assert!(stacks.contains("<span>src/server.rs:11</span>"));
}

#[test]
fn the_script_gets_every_slice() {
    let report = aged();
    let data = data(&html(&report));
    let slabs = data["slabs"].as_array().unwrap();
    assert_eq!(slabs.len(), report.slabs.len());
    let name = |names: &str, number: &Value| match number.as_u64().unwrap() {
        0 => Value::Null,
        number => data[names][number as usize - 1].clone(),
    };
    for (row, slab) in slabs.iter().zip(&report.slabs) {
        let figures: Vec<u64> = (0..4).map(|at| row[at].as_u64().unwrap()).collect();
        assert_eq!(figures, [slab.id, slab.generation, slab.size as u64, slab.live_bytes as u64]);
        assert_eq!(row[4], u32::from(slab.attached) + 2 * u32::from(slab.suspect));
        assert_eq!(name("levels", &row[5]), slab.level.to_string());
        assert_eq!((&row[6], &row[7], &row[8]), (&slab.handles.into(), &slab.untracked.into(), &slab.in_motion.into()));
        assert_eq!(row[10], slab.age.max().as_millis() as u64);
        assert_eq!(row[11], slab.slices.len());
        let slices = row[14].as_array().unwrap();
        assert_eq!(slices.len(), 12 * slab.slices.len());
        for (of, slice) in slices.chunks(12).zip(&slab.slices) {
            assert_eq!((&of[0], &of[1]), (&slice.offset.into(), &slice.len.into()));
            let kind = [SliceKind::Mut, SliceKind::Shared, SliceKind::Exported][of[2].as_u64().unwrap() as usize];
            assert_eq!(kind, slice.kind);
            assert_eq!(name("tags", &of[3]), slice.tag.map_or(Value::Null, |tag| tag.name().into()));
            let scope = slice.scope.map_or(Value::Null, |scope| scope.to_string().into());
            assert_eq!(name("scopes", &of[4]).get(0).cloned().unwrap_or_default(), scope);
            assert_eq!(name("sites", &of[5]), slice.site.map_or(Value::Null, |site| site.to_string().into()));
            assert_eq!(of[6], slice.thread);
            assert_eq!(
                (&of[7], &of[8]),
                (&(slice.age.min().as_millis() as u64).into(), &(slice.age.max().as_millis() as u64).into())
            );
            let hint = |hint: Option<Tag>| hint.map_or(Value::Null, |hint| hint.name().into());
            let quoted = |name: Value| name.as_str().map_or(Value::Null, |name| name.trim_matches('"').into());
            assert_eq!(quoted(name("tags", &of[9])), hint(slice.first_hint));
            assert_eq!(quoted(name("tags", &of[10])), hint(slice.last_hint));
            assert_eq!(of[11], slice.trace.map_or(0, TraceId::get));
        }
    }
    assert_eq!(data["traces"], serde_json::json!([[7, [1, 2]]]));
    assert_eq!(data["frames"][0][1], "src/server.rs:11");
    assert_eq!(data["blame"]["tag"]["rows"].as_array().unwrap().len(), report.by_tag.len());
}

#[test]
fn a_report_too_large_is_cut_and_says_so() {
    let small = Limits { slabs: 9, slices: 6, slices_of_one: 2, groups: 1, rows: 2, ..LIMITS };
    let views = (0..30_u64).map(|id| slab(id, MIB, (0..5).map(|n| slot(n * 100, 50, None, None)).collect()));
    let mut views: Vec<_> = views.collect();
    views[3].slots[0].tag = Tag::new("one").number();
    views[4].slots[0].tag = Tag::new("two").number();
    let report = build(views);
    let page = cut(&report, &small);
    let data = data(&page);
    let listed = |at: usize| data["slabs"][at][14].as_array().unwrap().len() / 12;
    assert_eq!(data["slabs"].as_array().unwrap().len(), 9);
    assert_eq!((0..9).map(listed).collect::<Vec<_>>(), [2, 2, 2, 0, 0, 0, 0, 0, 0]);
    assert!((0..9).all(|at| data["slabs"][at][11] == 5), "it says how many each has");
    assert_eq!(data["totals"], serde_json::json!({ "slabs": 30, "slices": 150, "pinned": 30 * MIB }));
    assert_eq!(data["blame"]["tag"]["groups"], 3);
    assert_eq!(data["blame"]["tag"]["rows"].as_array().unwrap().len(), 1);
    assert!(page.contains("This page lists 9 of 30 slabs and 6 of 150 slices, those with the most waste"));
    assert_eq!(section(&page, "slabs").matches("<th scope=\"row\">slab").count(), 2);
    assert!(section(&page, "slabs").contains("The first 2 of 30 slabs."));
    assert!(!html(&report).contains("This page lists"), "nothing is left out of a small report");
}

#[test]
fn long_lists_of_advice_fold() {
    let named = (0..250).map(|id| {
        slab(id, MIB, vec![slot(0, 20 + id as usize, Some(super::fixtures::forever(format!("t{id}"))), None)])
    });
    let page = html(&build(named.collect()));
    let advice = section(&page, "advice");
    assert_eq!(advice.matches("<li>").count(), 206);
    let (shown, folded) = advice.split_once("<details><summary>244 more groups to compact</summary>").unwrap();
    assert_eq!(shown.matches("<li>").count(), 6);
    assert!(folded.contains("and 44 more groups, which free less."));
}

#[test]
fn an_empty_pool_has_an_honest_page() {
    let page = html(&build(Vec::new()));
    assert!(page.contains(">No slab is pinned: no live slice keeps memory of this pool</h1>"));
    assert!(page.contains("The pool has no slab memory.") && !page.contains("<svg"));
    assert!(!page.contains("<section id=\"blame\"") && !page.contains("<nav"));
    assert_eq!(data(&page)["slabs"], serde_json::json!([]));
}

#[test]
fn extreme_figures_stay_in_their_bars() {
    let mut view = slab(u64::MAX, usize::MAX / 4, vec![slot(usize::MAX / 8, usize::MAX / 8, Some("huge"), None)]);
    view.generation = u64::MAX;
    (view.untracked, view.handles) = (u64::MAX / 2, u64::MAX);
    let report = PinReport::build(meta(), vec![view.clone(), slab(1, usize::MAX / 2, view.slots)]);
    let page = html(&report);
    for width in page.split("width=\"").skip(1).filter_map(|rest| rest.split_once("%\"")).map(|(width, _)| width) {
        assert!(width.parse::<f64>().is_ok_and(|width| (0.0..=100.0).contains(&width)), "{width}");
    }
}

#[test]
fn a_name_is_text_wherever_it_stands() {
    let hostile = "</script><script>alert(1)</script><!-- \u{2028}\"'&";
    let mut meta = server_meta();
    meta.pool = hostile.to_owned();
    let mut report =
        PinReport::build(meta, vec![slab(0, MIB, vec![slot(0, 20, Some(hostile), Some(server::read_head()))])]);
    let scope = ScopeName::new(Tag::new(hostile), 1);
    report.slabs[0].slices[0].scope = Some(scope);
    report.by_scope[0].holder = Holder::Scope(scope);
    report.by_scope_kind[0].holder = Holder::ScopeKind(scope.kind());
    let id = TraceId::from_number(1).unwrap();
    report.slabs[0].slices[0].trace = Some(id);
    let frame = Frame { function: Some(hostile.to_owned()), file: Some(hostile.to_owned()), line: None };
    report.traces.push(Trace { id, frames: vec![frame] });
    let page = html(&report);
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2));
    assert!(!page.contains("<!--") && !page.contains('\u{2028}'));
    let shown = data(&page);
    for name in [&shown["tags"][0], &shown["scopes"][0][0], &shown["frames"][0][0]] {
        assert!(name.as_str().unwrap().contains("<script>alert(1)</script><!-- \\u{2028}"), "{name}");
    }
}

#[test]
fn the_page_s_own_parts_cannot_end_it() {
    use crate::report::html::{SCRIPT, STYLE};
    let script = SCRIPT.concat();
    for text in [&script, &STYLE.concat()] {
        // A browser hashes what it has parsed, which is without carriage returns.
        assert!(!text.contains('\r') && !text.contains("</") && !text.contains("<!--") && !text.contains("<script"));
    }
    for word in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch(", "http:"]
    {
        assert!(!script.replace("http://www.w3.org/2000/svg", "").contains(word), "{word}");
    }
}

#[test]
fn the_first_error_is_passed_on() {
    let report = aged();
    let whole = html(&report).len();
    for room in [0, 10, 5_000, whole - 1] {
        let mut full = vec![0_u8; room];
        let error = report.write_html(&mut &mut full[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
    let behind_a_pointer: &mut dyn io::Write = &mut io::sink();
    report.write_html(behind_a_pointer).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "hashes with code that is not Rust")]
fn the_policy_names_the_style_and_the_script_that_are_there() {
    use crate::report::html::{SCRIPT, SCRIPT_HASH, STYLE, STYLE_HASH};
    use base64::prelude::{BASE64_STANDARD, Engine};
    for (text, hash) in [(STYLE.concat(), STYLE_HASH), (SCRIPT.concat(), SCRIPT_HASH)] {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        assert_eq!(format!("sha256-{}", BASE64_STANDARD.encode(digest)), hash, "put the left one into html.rs");
    }
}

#[test]
fn the_configuration_can_be_unfolded() {
    let mut report = build(Vec::new());
    report.config_warnings.push("SLAB_<b> is no variable of a pool".to_owned());
    let page = html(&report);
    let (_, rest) =
        page.split_once("<details id=\"config\"><summary>Configuration: 3 values are set</summary>").unwrap();
    let (table, after) = rest.split_once("</details>").unwrap();
    assert_eq!(table.matches("<tr><td>").count(), report.config.len());
    let row = "<tr><td><code>slab_size</code></td><td><code>10MiB</code></td><td>SLAB_BUFFER_SIZE</td></tr>";
    assert!(table.contains(row), "{table}");
    assert!(after.contains("Configuration: SLAB_&lt;b&gt; is no variable of a pool.</p>"), "{after}");
    // One that was read back from a file of before.
    report.config.clear();
    assert!(!html(&report).contains("id=\"config\""));
}
