//! Runs the tests of the `bytes` crate itself against `SlabBytes` and `SlabBytesMut`.
//!
//! Not one character of those tests is changed, nor are they copied: a small crate is generated that calls itself
//! `bytes` ([`bytes_suite/facade.rs`](bytes_suite/facade.rs) is all of its code), and its test targets are the very
//! files in the registry's copy of the `bytes` version this crate is resolved to.
//!
//! `bytes_suite/not_applicable.txt` names each test that does not hold here, with the reason. Three things are errors:
//! a failing test that is not listed, a listed one that passes, and a listed one that the table of differences in
//! `src/docs/differences.md` does not name.

#![cfg(not(miri))]

#[path = "bytes_suite/generated.rs"]
mod generated;
#[path = "bytes_suite/verdict.rs"]
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use verdict::Verdict;

const NOT_APPLICABLE: &str = include_str!("bytes_suite/not_applicable.txt");
/// What does not hold besides where each slice has a slab of its own, which nobody owns: what was split off a buffer is taken back
/// on the thread that owns the slab.
const NOT_APPLICABLE_TO_ONE_EACH: &[&str] = &["test_bytes::reserve_growth"];
const DIFFERENCES: &str = include_str!("../src/docs/differences.md");

#[test]
fn the_tests_of_bytes_hold_for_our_types() {
    let suite = generated::build();
    let verdicts: BTreeMap<String, Verdict> =
        suite.programs.iter().flat_map(|program| verdict::run(program, &suite.directory)).collect();
    let listed = not_applicable();

    let passed = count(&verdicts, |v| matches!(v, Verdict::Passed));
    let ignored = count(&verdicts, |v| matches!(v, Verdict::Ignored));
    // Straight to the stream: what goes through `println!` is hidden as long as a test passes.
    let _ = writeln!(
        std::io::stderr(),
        "bytes {}: {} of its tests run, {passed} passed, {} not applicable, {ignored} ignored by bytes itself",
        suite.version,
        verdicts.len() - ignored,
        listed.len(),
    );

    let mut complaints = Vec::new();
    let is_listed =
        |test: &str| listed.contains_key(test) || cfg!(bufslab_one_each) && NOT_APPLICABLE_TO_ONE_EACH.contains(&test);
    for (test, verdict) in &verdicts {
        match verdict {
            Verdict::Failed(why) if !is_listed(test) => {
                complaints.push(format!("{test} fails and is not listed:\n{why}"));
            }
            Verdict::Passed if is_listed(test) => {
                complaints.push(format!("{test} is listed as not applicable, but it passes"));
            }
            _ => {}
        }
    }
    for test in listed.keys() {
        if !verdicts.contains_key(*test) {
            complaints.push(format!("{test} is listed as not applicable, but bytes has no such test"));
        }
    }
    complaints.extend(disagreements_with_documentation(&listed));
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The listed tests, each with its reason. A line holds the name, blanks, the reason; `#` starts a comment.
fn not_applicable() -> BTreeMap<&'static str, &'static str> {
    let lines = NOT_APPLICABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut listed = BTreeMap::new();
    for line in lines {
        let (test, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        assert!(!reason.is_empty(), "not_applicable.txt gives no reason for {test}");
        assert!(listed.insert(test, reason).is_none(), "not_applicable.txt lists {test} twice");
    }
    listed
}

/// The list and the table of differences must name the same tests.
fn disagreements_with_documentation(listed: &BTreeMap<&str, &str>) -> Vec<String> {
    // Every second piece between back quotes is code; a test's name there is `file::test`.
    let documented: BTreeSet<&str> = DIFFERENCES
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| code.starts_with("test_") && code.contains("::"))
        .collect();
    let listed: BTreeSet<&str> = listed.keys().copied().collect();
    let unnamed = listed.difference(&documented).map(|test| format!("differences.md does not name {test}"));
    let stale = documented.difference(&listed).map(|test| format!("differences.md names {test}, which is not listed"));
    unnamed.chain(stale).collect()
}

fn count(verdicts: &BTreeMap<String, Verdict>, which: fn(&Verdict) -> bool) -> usize {
    verdicts.values().filter(|verdict| which(verdict)).count()
}
