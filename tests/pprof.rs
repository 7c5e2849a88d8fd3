//! Profiles of real pools, read by `go tool pprof` itself.
//!
//! These tests need Go and graphviz, so they run only when asked for: `.ci/pprof` installs both and asks.
#![cfg(feature = "pprof")]
#![allow(missing_docs)]
#![cfg(not(miri))]

use bufslab::{Level, PinReport, SlabBytes, SlabPool};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

const SLAB: usize = 64 << 10;

/// The line that keeps a head of 20 bytes out of each read: it pins the slab.
const CULPRIT: u32 = line!() + 4;
fn keep_head(pool: &SlabPool) -> SlabBytes {
    let mut read = pool.alloc(SLAB);
    read.resize(SLAB, b'.');
    read.freeze().slice(100..120).tag("req.head")
}

/// How pprof calls that line.
fn culprit() -> String {
    format!("tests/pprof.rs:{CULPRIT}:19")
}

/// A folder for one test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pprof").join(test);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(path: &Path, report: &PinReport) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    report.write_pprof(&mut file).unwrap();
    file.into_inner().unwrap();
}

/// What `go tool pprof` prints about the files in `folder`. It may have nothing to complain of.
fn pprof(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("go")
        .args(["tool", "pprof"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HOME", folder)
        .env("PPROF_TMPDIR", folder)
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", "local")
        .output()
        .expect("Go is not installed: run .ci/pprof");
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "pprof {arguments:?}: {complaints}");
    // What it says of its own doing is no complaint.
    let idle = |line: &&str| line.contains("Interpreted '") || line.starts_with("Generating report in ");
    let complaints: Vec<&str> = complaints.lines().filter(|line| !idle(line)).collect();
    assert!(complaints.is_empty(), "pprof {arguments:?}: {complaints:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The figures of the row of `-top` that is about `name`: flat and cumulated.
fn top_line<'a>(top: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut rows = top.lines().skip_while(|line| !line.contains("flat%")).skip(1);
    let row = rows.find(|line| line.ends_with(&format!("%  {name}")));
    let row = row.unwrap_or_else(|| panic!("{name} is not in {top}"));
    let figures: Vec<&str> = row.split_whitespace().collect();
    (figures[0], figures[3])
}

/// The words that follow `label` in the output of `-tags`, up to the next label: `("65536B", "( 2.27%)", …)`.
fn tags_of<'a>(tags: &'a str, label: &str) -> Vec<&'a str> {
    let mut lines = tags.lines().skip_while(|line| !line.trim_start().starts_with(&format!("{label}: Total ")));
    assert!(lines.next().is_some(), "{label} is not in {tags}");
    lines.take_while(|line| !line.trim().is_empty()).map(str::trim).collect()
}

/// A server that leaks: its files before and after, and what has to be kept for that.
struct Leak {
    folder: PathBuf,
    base: String,
    target: String,
    target_report: PinReport,
}

fn leak(test: &str) -> Leak {
    let folder = folder(test);
    let (base, target) = (folder.join("base.pb.gz"), folder.join("target.pb.gz"));
    let pool = SlabPool::builder().name("tls").slab_size(SLAB).build().unwrap();
    let mut body = pool.alloc(SLAB);
    body.resize(SLAB, 0);
    let body = body.freeze().tag("body");
    let session = |id| {
        let _inside = pool.scope("ws_session", id);
        keep_head(&pool)
    };
    let mut kept: Vec<_> = (0..3).map(session).collect();
    kept[0].touch("parsed");
    write(&base, &pool.report());
    kept.extend((3..43).map(session));
    let target_report = pool.report();
    write(&target, &target_report);
    drop((body, kept));
    let name = |path: PathBuf| path.into_os_string().into_string().unwrap();
    Leak { folder, base: name(base), target: name(target), target_report }
}

#[test]
#[ignore = "needs Go: run .ci/pprof"]
fn top_names_the_line_and_the_scope_in_bytes() {
    let leak = leak("top");
    let top = pprof(&leak.folder, &["-top", "-unit=B", &leak.target]);
    assert!(top.contains("File: tls\n") && top.contains("Type: pinned\n"), "{top}");
    let pinned = leak.target_report.totals.pinned_bytes;
    assert_eq!(pinned, 44 * SLAB);
    assert!(top.contains(&format!("100% of {pinned}B total")), "{top}");
    let heads = format!("{}B", 43 * SLAB);
    assert_eq!(top_line(&top, &culprit()), (&*heads, &*heads));
    // The scopes lie above it: nothing of their own, but all that is charged to them.
    assert_eq!(top_line(&top, "ws_session"), ("0", &*heads));
    assert_eq!(top_line(&top, "ws_session 42"), ("0", "65536B"));
    assert_eq!(top_line(&top, "tls"), ("0", &*format!("{pinned}B")));

    // And from the line pprof goes to the source.
    let list = pprof(&leak.folder, &[&format!("-list=^{}$", culprit()), &leak.target]);
    assert!(list.contains(&format!("{CULPRIT}:    read.freeze().slice(100..120).tag(\"req.head\")")), "{list}");
    let peek = pprof(&leak.folder, &["-peek=^ws_session 42$", &leak.target]);
    assert!(peek.contains(&culprit()), "{peek}");
}

#[test]
#[ignore = "needs Go: run .ci/pprof"]
fn every_sample_type_is_what_the_report_says() {
    let leak = leak("sample_types");
    let totals = &leak.target_report.totals;
    for (name, total, head) in [
        ("slices", format!("{}", totals.slices), "43".to_owned()),
        ("live", format!("{}B", totals.live_bytes), format!("{}B", 43 * 20)),
        ("waste", format!("{}B", totals.waste_bytes), format!("{}B", 43 * (SLAB - 20))),
        ("pinned", format!("{}B", totals.pinned_bytes), format!("{}B", 43 * SLAB)),
    ] {
        let index = format!("-sample_index={name}");
        let unit = if name == "slices" { "-unit=count" } else { "-unit=B" };
        let top = pprof(&leak.folder, &["-top", unit, &index, &leak.target]);
        assert!(top.contains(&format!("Type: {name}\n")), "{top}");
        assert!(top.contains(&format!("100% of {total} total")), "{name} is {total}: {top}");
        assert_eq!(top_line(&top, &culprit()).0, head, "{top}");
    }
    let raw = pprof(&leak.folder, &["-raw", &leak.target]);
    assert!(raw.contains("\nslices/count live/bytes waste/bytes pinned/bytes[dflt]\n"), "{raw}");
    assert!(raw.contains("PeriodType: slices count\nPeriod: 1\n"), "{raw}");
}

#[test]
#[ignore = "needs Go: run .ci/pprof"]
fn tags_are_shown_and_select() {
    let leak = leak("tags");
    let tags = pprof(&leak.folder, &["-tags", "-unit=B", &leak.target]);
    let heads = format!("{}B", 43 * SLAB);
    let line = |label: &str, value: &str| {
        let lines = tags_of(&tags, label);
        let line = lines.iter().find(|line| line.ends_with(&format!(": {value}")));
        line.unwrap_or_else(|| panic!("{value} is not among {lines:?}")).split(' ').next().unwrap().replace(".0B", "B")
    };
    assert_eq!(line("tag", "req.head"), heads);
    assert_eq!(line("tag", "body"), "65536B");
    assert_eq!(line("pool", "tls"), format!("{}B", 44 * SLAB));
    assert_eq!(line("scope", "ws_session 42"), "65536B");
    assert_eq!(line("scope_kind", "ws_session"), heads);
    assert_eq!(line("kind", "shared"), format!("{}B", 44 * SLAB));
    assert_eq!(line("first_hint", "parsed"), "65536B");
    assert_eq!(line("slab_size", "65536B"), format!("{}B", 44 * SLAB));
    assert_eq!(line("slice_size", "32B"), heads);
    assert_eq!(line("slice_size", "65536B"), "65536B");
    // How long this machine took is not known.
    let ages = tags_of(&tags, "age");
    assert!(ages.iter().all(|line| line.ends_with(": under 1s") || line.ends_with(": 1s to 10s")), "{ages:?}");
    assert_eq!(tags_of(&tags, "thread").len(), 1);

    for (focus, total) in [
        ("-tagfocus=tag=^req.head$", 43 * SLAB),
        ("-tagfocus=scope=^ws_session 7$", SLAB),
        ("-tagfocus=slice_size=:64b", 43 * SLAB),
        ("-tagfocus=age_min=0s:1h", 44 * SLAB),
        ("-tagignore=tag=body", 43 * SLAB),
    ] {
        let top = pprof(&leak.folder, &["-top", "-unit=B", focus, &leak.target]);
        assert!(top.contains(&format!("Showing nodes accounting for {total}B,")), "{focus}: {top}");
    }
}

#[test]
#[ignore = "needs Go: run .ci/pprof"]
fn a_diff_names_what_grew_and_by_how_much() {
    let leak = leak("diff");
    let base = format!("-diff_base={}", leak.base);
    let top = pprof(&leak.folder, &["-top", "-unit=B", &base, &leak.target]);
    let growth = format!("{}B", 40 * SLAB);
    assert_eq!(top_line(&top, &culprit()), (&*growth, &*growth));
    let first = top.lines().skip_while(|line| !line.contains("flat%")).nth(1).unwrap();
    assert!(first.ends_with(&culprit()), "the planted leak comes first: {top}");
    assert!(!top.contains("ws_session 0\n"), "what was there before is not growth: {top}");
    assert_eq!(top_line(&top, "ws_session 5").1, "65536B");
    let tags = pprof(&leak.folder, &["-tags", "-unit=B", &base, &leak.target]);
    let first = tags_of(&tags, "tag")[0].replace(".0B", "B");
    assert!(first.starts_with(&growth) && first.ends_with(": req.head"), "{tags}");
    let slices = pprof(&leak.folder, &["-top", "-sample_index=slices", "-unit=count", &base, &leak.target]);
    assert_eq!(top_line(&slices, &culprit()).0, "40");
    // The same file twice is no growth.
    let none = pprof(&leak.folder, &["-top", "-unit=B", &format!("-diff_base={}", leak.target), &leak.target]);
    assert!(none.contains("Showing nodes accounting for 0,"), "{none}");
}

#[test]
#[ignore = "needs Go and graphviz: run .ci/pprof"]
fn traces_and_the_graph() {
    let leak = leak("graph");
    let traces = pprof(&leak.folder, &["-traces", "-unit=B", &leak.target]);
    let trace = traces.split("-----------+").find(|trace| trace.contains("ws_session 42")).unwrap();
    let words: Vec<&str> = trace.split_whitespace().collect();
    let stack = format!("65536B {} ws_session 42 ws_session tls", culprit());
    assert!(words.join(" ").contains(&stack), "{trace}");
    assert!(words.join(" ").contains("tag: req.head"), "{trace}");

    let svg = leak.folder.join("pins.svg");
    pprof(&leak.folder, &["-svg", "-unit=B", "-output", svg.to_str().unwrap(), &leak.target]);
    let svg = fs::read_to_string(svg).unwrap();
    // pprof breaks names at their dots.
    for text in [&format!(">rs:{CULPRIT}:19</text>"), ">ws_session</text>", ">tls</text>"] {
        assert!(svg.contains(text), "{text} is not in the picture");
    }
    let folded = pprof(&leak.folder, &["-dot", &leak.target]);
    assert!(folded.starts_with("digraph \"tls\""), "{folded}");
}

/// Stacks that were recorded stand between the scope and the site.
#[test]
#[ignore = "needs Go: run .ci/pprof"]
#[cfg(feature = "backtraces")]
fn recorded_stacks_are_part_of_the_profile() {
    #[inline(never)]
    fn on_request(pool: &SlabPool) -> SlabBytes {
        keep_head(pool)
    }
    let folder = folder("stacks");
    let pool = SlabPool::builder().name("tls").slab_size(SLAB).tracking(Level::backtraces(1)).build().unwrap();
    let inside = pool.scope("ws_session", 42);
    let head = on_request(&pool);
    let file = folder.join("pins.pb.gz");
    write(&file, &pool.report());
    let file = file.to_str().unwrap();
    let traces = pprof(&folder, &["-traces", "-unit=B", file]);
    let at = |name: &str| traces.find(name).unwrap_or_else(|| panic!("{name} is not in {traces}"));
    assert!(at(&culprit()) < at("keep_head") && at("keep_head") < at("on_request"), "{traces}");
    assert!(at("::on_request\n") < at(" ws_session 42\n             ws_session\n"), "{traces}");
    let lines = pprof(&folder, &["-top", "-lines", "-unit=B", file]);
    let call = lines.lines().find(|line| line.contains("on_request")).unwrap();
    assert!(call.contains("tests/pprof.rs:"), "{lines}");
    drop((head, inside));
}

#[test]
#[ignore = "needs Go: run .ci/pprof"]
fn pools_without_slices_or_without_names_for_them() {
    let folder = folder("levels");
    let file = folder.join("pins.pb.gz");
    let name = file.to_str().unwrap();
    write(&file, &SlabPool::builder().name("empty").build().unwrap().report());
    let top = pprof(&folder, &["-top", name]);
    assert!(top.contains("Showing nodes accounting for 0,"), "{top}");
    for (level, leaf) in [(Level::Off, "(untracked)"), (Level::Counters, "(no site)")] {
        let pool = SlabPool::builder().name("tls").slab_size(SLAB).tracking(level).build().unwrap();
        let heads: Vec<_> = (0..7).map(|_| keep_head(&pool)).collect();
        write(&file, &pool.report());
        let top = pprof(&folder, &["-top", "-unit=B", name]);
        assert_eq!(top_line(&top, leaf).0, format!("{}B", heads.len() * SLAB), "{level}");
    }
}

#[test]
#[ignore = "needs Go: run .ci/pprof"]
fn hostile_names_stay_labels() {
    let folder = folder("hostile");
    let file = folder.join("pins.pb.gz");
    let hostile = "\"<script>alert(1)</script>\n\u{1b}[31m;=cmd()\u{202e}\\";
    let pool = SlabPool::builder().name(hostile).slab_size(SLAB).build().unwrap();
    let head = {
        let _inside = pool.scope(hostile, 1);
        keep_head(&pool).tag(hostile)
    };
    write(&file, &pool.report());
    let name = file.to_str().unwrap();
    for mode in ["-top", "-tags", "-traces", "-raw", "-comments"] {
        let text = pprof(&folder, &[mode, name]);
        let moves = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(moves), "{mode}: {text:?}");
        let shown = r"<script>alert(1)</script>\n\u{1b}[31m;=cmd()\u{202e}\u{5c}";
        assert!(mode == "-comments" || text.contains(shown), "{mode}: {text}");
    }
    let svg = folder.join("pins.svg");
    pprof(&folder, &["-svg", "-output", svg.to_str().unwrap(), name]);
    assert!(!fs::read_to_string(svg).unwrap().contains("<script>alert"));
    drop(head);
}

/// More tags, scopes and samples than the writer keeps in mind: they are written in parts, and pprof adds them up.
#[test]
#[ignore = "needs Go: run .ci/pprof"]
fn more_samples_than_fit_in_memory_at_once() {
    const SLICES: usize = 40_000;
    let folder = folder("many");
    let file = folder.join("pins.pb.gz");
    let pool = SlabPool::builder().name("tls").slab_size(64).build().unwrap();
    let tags: Vec<String> = (0..18_000).map(|n| format!("tag-{n}")).collect();
    let mut kept = Vec::new();
    for n in 0..SLICES {
        let _inside = pool.scope("ws_session", n as u64 % 19_000);
        let mut read = pool.alloc(32).tag(&*tags[n % tags.len()]);
        read.resize(32, 0);
        kept.push(read.freeze());
    }
    let report = pool.report();
    write(&file, &report);
    let name = file.to_str().unwrap();
    let top = pprof(&folder, &["-top", "-unit=B", "-nodecount=20", name]);
    assert!(top.contains(&format!(" of {}B total", report.totals.pinned_bytes)), "{top}");
    let share = report.blame_of_tag("tag-7").unwrap().amortised_bytes;
    let one = pprof(&folder, &["-top", "-unit=B", "-tagfocus=tag=^tag-7$", name]);
    assert!(one.contains(&format!("Showing nodes accounting for {share}B,")), "{one}");
    assert!(top.contains(&format!("pinned by {SLICES} slices")), "{top}");
}
