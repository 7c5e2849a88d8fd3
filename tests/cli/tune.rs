//! `tune`: its table, its files, and what it says of what it cannot do.

use std::fs;
use std::path::{Path, PathBuf};

use super::command::{Ran, bufslab, run};
use bufslab::SlabPool;
use serde_json::Value;

#[allow(dead_code, reason = "these tests need some of the traces")]
#[path = "../tune/traces.rs"]
mod traces;

/// A file that goes away with its test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Temporary {
        Temporary(std::env::temp_dir().join(format!("bufslab-tune-{}-{name}", std::process::id())))
    }

    fn read(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl AsRef<std::ffi::OsStr> for Temporary {
    fn as_ref(&self) -> &std::ffi::OsStr {
        self.0.as_os_str()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn trace(name: &str) -> Temporary {
    let file = Temporary::new(name);
    let trace = if name.starts_with("upgrades") { traces::upgrades(2000, 40) } else { traces::hand_over(800) };
    fs::write(&file.0, trace.to_bytes().unwrap()).unwrap();
    file
}

fn tune(args: &[&str], file: &Temporary) -> Ran {
    Ran::from(bufslab().arg("tune").args(args).arg(file).output().unwrap())
}

/// The command says by which line a pool is to be made: pools take both.
fn recommended(out: &str) -> (String, String) {
    let line = |begins: &str| out.lines().find_map(|line| line.trim().strip_prefix(begins)).expect(begins).to_owned();
    (line("SLAB_BUFFER_SIZE="), line("SlabPool::builder()"))
}

#[test]
fn a_table_and_one_recommendation() {
    let file = trace("upgrades-table");
    let sizes = "16KiB..256KiB,100KiB";
    let out = tune(&["--sizes", sizes, "--passes", "2", "--policy", "never", "--policy", "256/8"], &file).good().out;
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    let rows: Vec<&str> = out.lines().filter(|line| line.contains("never") || line.contains("256/8")).collect();
    assert!(rows.len() >= 12, "{out}");
    for word in ["2,000 allocations", "1 thread", "ns/alloc", "mean held", "100 KiB", "resident", "Recommended: "] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let marked = |mark: &str| out.lines().filter(|line| line.starts_with(mark) && line.contains("KiB")).count();
    assert_eq!(marked(">*") + marked("> "), 1, "{out}");
    assert!(marked(">*") + marked(" *") >= 1, "{out}");

    let args = ["--no-replay", "--policy", "64KiB/100", "--policy", "never", "--reuse", "whole", "--reuse", "around"];
    let wide = tune(&[&args[..], &["--retain", "req.head", "--sizes", "100000,1GiB"]].concat(), &file).good().out;
    assert!(wide.lines().all(|line| line.chars().count() <= 100), "{wide}");
    assert!(wide.contains("Slices tagged req.head count as retained.") && wide.contains("copies"), "{wide}");

    let (env, builder) = recommended(&out);
    assert!(builder.starts_with(".slab_size("), "{builder}");
    let best = out.lines().find(|line| line.starts_with('>')).unwrap();
    assert_eq!(builder.contains("RetainPolicy::new(0, usize::MAX)"), best.contains("never"), "{out}");
    assert_eq!(builder.contains("RetainPolicy::new(256, 8)"), best.contains("256/8"), "{out}");
    assert!(!env.is_empty());
}

/// A child process has the line in its environment and says what its pool is.
#[test]
fn a_pool_takes_the_line_to_paste() {
    if std::env::var_os("TUNE_TEST_CHILD").is_some() {
        println!();
        for setting in SlabPool::from_env().unwrap().settings() {
            println!("{} {}", setting.name(), setting.value());
        }
        return;
    }
    let file = trace("upgrades-env");
    for (size, policy, reuse) in
        [("64KiB", "default", "around"), ("100000", "never", "around"), ("1MiB", "256/8", "whole")]
    {
        let args = ["--no-replay", "--sizes", size, "--policy", policy, "--reuse", reuse];
        let out = tune(&args, &file).good().out;
        let (env, _) = recommended(&out);
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "cli::tune::a_pool_takes_the_line_to_paste", "--nocapture"]);
        for (name, value) in format!("SLAB_BUFFER_SIZE={env}").split(' ').map(|pair| pair.split_once('=').unwrap()) {
            child.env(name, value);
        }
        let said = child.env("TUNE_TEST_CHILD", "1").output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let policy = if policy == "default" { "1KiB/3" } else { policy };
        for line in [format!("slab_size {size}"), format!("reuse {reuse}"), format!("retain_policy {policy}")] {
            assert!(said.lines().any(|said| said == line), "{line}: {said}");
        }
    }
}

/// Without a replay it is the same each time; the JSON has the schema that the chapter describes.
#[test]
fn json_is_read_back() {
    let file = trace("hand-over-json");
    let args =
        ["--no-replay", "--sizes", "16KiB,64KiB,1MiB", "--retain", "cache", "--reuse", "around", "--reuse", "whole"];
    let out = tune(&[&args[..], &["--json", "-"]].concat(), &file).good().out;
    assert_eq!(out, tune(&[&args[..], &["--json", "-"]].concat(), &file).good().out);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["schema"], &json["version"]), (&Value::from("bufslab.tune"), &Value::from(1)));
    assert_eq!((&json["trace"]["allocations"], &json["trace"]["threads"]), (&Value::from(800), &Value::from(3)));
    assert_eq!(json["measured"], Value::from(false));
    let setups = json["setups"].as_array().unwrap();
    assert_eq!(setups.len(), 6);
    for setup in setups {
        assert_eq!((&setup["retain_tags"][0], &setup["replayed"]), (&Value::from("cache"), &Value::Null));
        assert!(setup["simulated"]["peak_pinned_bytes"].as_u64() >= setup["simulated"]["mean_pinned_bytes"].as_u64());
        assert!(setup["simulated"]["copies"].as_u64() > Some(0));
        assert!(setup["ns_per_alloc"].as_f64() > Some(0.0));
    }
    let best = json["recommended"]["setup"].as_u64().unwrap() as usize;
    assert_eq!(setups[best]["is_recommended"], Value::from(true));
    assert_eq!(setups.iter().filter(|setup| setup["is_recommended"] == true).count(), 1);
    let env = json["recommended"]["env"].as_str().unwrap();
    assert!(env.starts_with("SLAB_BUFFER_SIZE="));

    // Every key is in the chapter.
    let chapter = include_str!("../../src/docs/tuning.md");
    let mut keys = Vec::new();
    names(&json, &mut keys);
    for key in keys {
        assert!(chapter.contains(&format!("`{key}`")), "{key} is not in docs/tuning.md");
    }

    let measured = Temporary::new("measured.json");
    let json = measured.0.to_str().unwrap();
    tune(&["--passes", "1", "--sizes", "64KiB", "--json", json], &file).good();
    let json: Value = serde_json::from_str(&measured.read()).unwrap();
    assert_eq!(json["measured"], Value::from(true));
    let replayed = &json["setups"][0]["replayed"];
    assert_eq!((&replayed["passes"], &replayed["approximated_steps"]), (&Value::from(1), &Value::from(0)));
    let mut keys = Vec::new();
    names(&json, &mut keys);
    for key in keys {
        assert!(chapter.contains(&format!("`{key}`")), "{key} is not in docs/tuning.md");
    }
}

fn names(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            into.push(key.clone());
            names(value, into);
        }),
        Value::Array(values) => values.iter().for_each(|value| names(value, into)),
        _ => {}
    }
}

/// Tags open and close in order, attributes are quoted, and nothing of a name is markup.
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a stray > before {:?}", &rest[..at.min(80)]);
        let end = rest[at..].find('>').expect("a tag does not end") + at;
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if tag.ends_with('/') || tag.starts_with('!') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
        rest = &rest[end + 1..];
        // Text: every & is one of those that XML has.
        let text = &rest[..rest.find('<').unwrap_or(rest.len())];
        let known = |after: &str| ["amp;", "lt;", "gt;", "quot;"].iter().any(|name| after.starts_with(name));
        assert!(text.split('&').skip(1).all(known), "{text}");
    }
    assert!(open.is_empty(), "{open:?} stay open");
}

#[test]
fn charts_and_pages_are_well_formed() {
    let file = trace("upgrades-<charts>&");
    let (svg, html) = (Temporary::new("chart.svg"), Temporary::new("page.html"));
    let args = ["--no-replay", "--policy", "never", "--policy", "default", "--svg", svg.0.to_str().unwrap()];
    tune(&[&args[..], &["--html", html.0.to_str().unwrap()]].concat(), &file).good();
    let (svg, html) = (svg.read(), html.read());
    assert_well_formed(&svg);
    assert_well_formed(&html);
    for text in [&svg, &html] {
        assert!(text.contains("upgrades-&lt;charts&gt;&amp;") && !text.contains("<charts"));
        assert!(text.contains("prefers-color-scheme:dark") && text.contains("recommended: "));
        assert!(!text.contains("NaN") && !text.contains("inf"), "a figure that is none");
    }
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("@import"));
    assert!(html.contains("Pinned over time"));
}

#[test]
fn standard_input_is_a_trace_too() {
    let file = trace("upgrades-stdin");
    let mut command = bufslab();
    command.args(["tune", "--no-replay", "--sizes", "64KiB", "-"]).stdin(fs::File::open(&file.0).unwrap());
    let out = Ran::from(command.output().unwrap()).good().out;
    assert!(out.starts_with("standard input: 2,000 allocations"), "{out}");
    assert!(out.contains("Times are modelled"), "{out}");
}

#[test]
fn what_cannot_be_done_is_said_with_file_flag_and_limit() {
    let file = trace("upgrades-refused");
    for (args, says) in [
        (
            &["--sizes", "2GiB"][..],
            "'--sizes <SIZES>': 2147483648 is no slab size: it must be from 1 to 1073741824 bytes (1GiB)",
        ),
        (&["--sizes", "lots"], "'--sizes <SIZES>': \"lots\" is no size"),
        (&["--sizes", "65KiB..66KiB"], "no power of two lies in"),
        (&["--policy", "always"], "it must be never, default, or COPYBREAK/RATIO"),
        (&["--passes", "0"], "'--passes <N>': 0 is not in 1..=1000"),
        (&["--passes", "2", "--no-replay"], "cannot be used with"),
        (&["--reuse", "half"], "possible values: around, whole"),
        (&["--svg", "-"], "--svg is -: it must be a file"),
        (&["--no-replay", "--html", "/nowhere/at/all.html"], "--html /nowhere/at/all.html: "),
    ] {
        tune(args, &file).refused(says);
    }
    let policies: Vec<String> = (0..30).flat_map(|i| ["--policy".to_owned(), format!("{i}/8")]).collect();
    let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
    tune(&policies, &file).refused("make 330 setups: at most 200 are compared");

    run(["tune", "/nowhere/a.slabtrace"]).refused("/nowhere/a.slabtrace: No such file");
    let broken = Temporary::new("broken");
    fs::write(&broken.0, b"GIF89a").unwrap();
    tune(&[], &broken).refused("byte 0: not a trace");
    fs::write(&broken.0, bufslab::trace::AllocTrace::default().to_bytes().unwrap()).unwrap();
    tune(&[], &broken).refused("the trace has no allocation");
    let whole = fs::read(&file.0).unwrap();
    fs::write(&broken.0, &whole[..whole.len() / 2]).unwrap();
    tune(&[], &broken).refused("byte ");
    assert!(Path::new(&broken.0).exists());
}
