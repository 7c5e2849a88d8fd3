//! Runs a test program and reads what became of each of its tests.

use crate::generated::Program;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What became of a test.
pub(crate) enum Verdict {
    Passed,
    Ignored,
    /// With what the test said.
    Failed(String),
}

/// No program of the suite comes near it; it only ends one that hangs.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// `program::test` and verdict of each test in `program`.
pub(crate) fn run(program: &Program, directory: &Path) -> Vec<(String, Verdict)> {
    let names = execute(program, directory, &["--list", "--format=terse"]);
    let mut verdicts = read_verdicts(&execute(program, directory, &[]));
    names
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(|test| {
            // A test that takes its process down takes the others' verdicts along, so those get a process each.
            let verdict = verdicts
                .remove(test)
                .or_else(|| read_verdicts(&execute(program, directory, &["--exact", test])).remove(test));
            let verdict = verdict.unwrap_or_else(|| Verdict::Failed("its process ended without a verdict".into()));
            (format!("{}::{test}", program.name), verdict)
        })
        .collect()
}

/// Standard output of `program`, however it ends.
fn execute(program: &Program, directory: &Path, arguments: &[&str]) -> String {
    // To a file and not through a pipe, which would fill up while nobody reads.
    let log = directory.join(format!("{}.log", program.name));
    let mut child = Command::new(&program.executable)
        .args(arguments)
        .current_dir(directory)
        // The message of a failed test is enough; a backtrace would bury it.
        .env("RUST_BACKTRACE", "0")
        .stdout(File::create(&log).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > TIME_LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned()
}

/// The verdicts in the output of a test program: `test name ... ok`, or `test name - should panic ... ok`.
fn read_verdicts(output: &str) -> BTreeMap<String, Verdict> {
    let (lines, failures) = output.split_once("\nfailures:\n").unwrap_or((output, ""));
    let mut verdicts = BTreeMap::new();
    for line in lines.lines() {
        let Some((test, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            continue;
        };
        let name = test.strip_suffix(" - should panic").unwrap_or(test);
        let verdict = match outcome {
            "ok" => Verdict::Passed,
            "FAILED" => Verdict::Failed(message_of(test, failures)),
            _ if outcome.starts_with("ignored") => Verdict::Ignored,
            _ => continue,
        };
        verdicts.insert(name.to_owned(), verdict);
    }
    verdicts
}

/// What the failed `test` wrote, from the part of the output that tells about failures.
fn message_of(test: &str, failures: &str) -> String {
    let start = format!("---- {test} stdout ----\n");
    let rest = failures.split_once(&start).map_or("no message", |(_, rest)| rest);
    let end = rest.find("\n---- ").or(rest.find("\n\nfailures:")).unwrap_or(rest.len());
    rest[..end].trim().to_owned()
}
