//! `watch`: what counts as above, and what scripts are told.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::command::{Ran, bufslab, folder, pinned, report_file, run};

/// One look at a file with 10 slabs of 64 KiB, each kept by 20 bytes.
fn look(test: &str, args: &[&str]) -> Ran {
    let file = report_file(&folder(test), "pins.json", 10);
    run([&["watch", "--for", "0s", file.to_str().unwrap()], args].concat())
}

#[test]
fn limits_are_passed_or_not() {
    let cases: &[(&[&str], i32)] = &[
        (&["--above", "640KiB"], 0),
        (&["--above", "655359"], 1),
        (&["--above", "600KiB", "--tag", "req.head"], 1),
        (&["--above", "1", "--tag", "cache.key"], 0),
        (&["--above", "600KiB", "--scope", "ws_session"], 1),
        (&["--above", "60KiB", "--scope", "ws_session 3"], 1),
        (&["--above", "64KiB", "--scope", "ws_session 3"], 0),
        (&["--above", "1", "--scope", "ws_session 99"], 0),
        (&["--waste", "99.9%"], 1),
        (&["--waste", "100%"], 0),
        (&["--oldest", "1h"], 0),
        (&["--above", "1GiB", "--waste", "50%"], 1),
        (&["--above", "1GiB", "--waste", "50%", "--all"], 0),
        (&["--above", "64KiB", "--waste", "50%", "--all"], 1),
    ];
    for (at, (args, code)) in cases.iter().enumerate() {
        let ran = look(&format!("limits{at}"), args);
        assert_eq!((ran.code, ran.err.as_str()), (*code, ""), "{args:?}: {}", ran.out);
        assert_eq!(ran.out.is_empty(), *code == 0, "only what is above is said: {args:?}: {}", ran.out);
    }
}

#[test]
fn what_is_above_is_said_with_the_culprits() {
    let ran = look("said", &["--above", "64KiB", "--waste", "100%"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(
        lines[0],
        "pool http: pinned 640 KiB (above the limit of 64 KiB), waste 99.9 % (within the limit of 100 %)"
    );
    assert_eq!(lines[1], "  req.head: 640 KiB by 10 slices (100 %)");
    assert_eq!(lines[2], "  by owner: all ws_session: 640 KiB");
    assert!(lines[3].starts_with("  most at tests/cli/command.rs:"), "{}", ran.out);
    assert!(lines[4].starts_with("  compacting ") && lines[4].contains(" slices of req.head copies "), "{}", ran.out);
}

#[test]
fn programs_get_a_line_for_each_look() {
    let ran = look("json", &["--above", "64KiB", "--tag", "req.head", "--waste", "100%", "--json"]);
    assert_eq!(ran.code, 1);
    let line: Value = serde_json::from_str(ran.out.trim_end()).unwrap();
    assert_eq!((&line["pool"], &line["pinned_bytes"], &line["slabs"]), (&"http".into(), &655_360.into(), &10.into()));
    assert_eq!(line["group"], "tag req.head");
    assert_eq!(line["limits"][0].to_string(), r#"{"above":true,"figure":"pinned_bytes","limit":65536,"value":655360}"#);
    assert_eq!((&line["limits"][1]["figure"], &line["limits"][1]["above"]), (&"waste_ratio".into(), &false.into()));
    assert_eq!(line["by_tag"][0]["name"], "req.head");
}

#[test]
fn it_looks_until_the_limit_is_passed() {
    let folder = folder("until");
    let file = folder.join("pins.json");
    let (pool, mut kept) = pinned(1);
    fs::write(&file, pool.report().to_json()).unwrap();
    let args = ["watch", "--above", "100KiB", "--interval", "50ms", "--json"];
    let child = bufslab().args(args).arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(400));
    kept.extend(pinned(1).1);
    let (more, kept_more) = pinned(5);
    // Renamed into place: it never sees half a file.
    fs::write(folder.join("next"), more.report().to_json()).unwrap();
    fs::rename(folder.join("next"), &file).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    let above: Vec<bool> = ran.out.lines().map(|line| line.contains("\"above\":true")).collect();
    assert!(above.len() >= 2 && above.ends_with(&[false, true]), "{}", ran.out);
    drop((kept, kept_more));
}

#[test]
fn it_ends_in_time_and_outlives_a_look_that_fails() {
    let folder = folder("time");
    let file = report_file(&folder, "pins.json", 1);
    let watch = |time: &str| {
        let args = ["watch", "--above", "1GiB", "--interval", "100ms", "--for", time];
        bufslab().args(args).arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let start = Instant::now();
    Ran::from(watch("300ms").wait_with_output().unwrap()).good();
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());

    let child = watch("10s");
    thread::sleep(Duration::from_millis(500));
    fs::remove_file(&file).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("(look 1 of 3 that fails)") && ran.err.contains("(look 2 of 3 that fails)"),
        "{}",
        ran.err
    );
    // The first look is not forgiven: nothing is there.
    let ran = Ran::from(watch("10s").wait_with_output().unwrap());
    assert!(ran.code == 2 && !ran.err.contains("look 1"), "{}", ran.err);
}
