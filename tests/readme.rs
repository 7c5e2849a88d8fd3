//! What the README shows is what the commands print.
#![allow(missing_docs)]
#![cfg(not(miri))]

use std::process::Command;

const README: &str = include_str!("../README.md");
const QUICKSTART: &str = include_str!("../examples/quickstart.rs");

/// The first fenced block of this language after `from`.
fn block<'a>(from: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let start = from.find(&fence).unwrap_or_else(|| panic!("no {language} block")) + fence.len();
    let end = from[start..].find("```").expect("the block ends") + start;
    &from[start..end]
}

/// Times differ from run to run; all else must be equal.
fn without_times(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.trim().lines() {
        let line = match line.split_once(", up ") {
            Some((before, _)) => before,
            // The last column of a slab's line is its age.
            None if line.starts_with("slab ") => line.rsplit_once("  ").map_or(line, |(before, _)| before.trim_end()),
            None => line,
        };
        lines.push(line.trim_end());
    }
    lines.join("\n")
}

#[test]
fn the_example_is_the_one_that_is_run() {
    let code = |text: &str| text.lines().filter(|line| !line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    assert_eq!(block(README, "rust").trim(), code(QUICKSTART).trim());
}

#[test]
fn its_output_is_what_it_prints() {
    let mut run = Command::new(env!("CARGO"));
    run.args(["run", "--quiet", "--offline", "--example", "quickstart"]);
    run.args(["--target-dir", concat!(env!("CARGO_TARGET_TMPDIR"), "/readme")]);
    let output = run.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let shown = block(README, "text");
    assert_eq!(without_times(shown), without_times(&printed), "README.md shows another output:\n{printed}");
}
