//! Reports from files and standard input, in every form.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use bufslab::report::Format;
use bufslab::{PinReport, SlabPool};
use serde_json::Value;

use super::command::{Ran, bufslab, folder, report_file, run, run_with_input};

#[test]
fn a_file_is_shown_as_the_program_itself_would_show_it() {
    let file = report_file(&folder("shown"), "pins.json", 40);
    let text = fs::read_to_string(&file).unwrap();
    let report = PinReport::from_json(text.as_bytes()).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(run(["report", file]).good().out, format!("{report}\n"));
    assert_eq!(run(["report", "--full", file]).good().out, format!("{report:#}\n"));
    assert_eq!(run(["report", "--json", file]).good().out, text);
    assert_eq!(run_with_input(&["report", "-", "--json"], text.as_bytes()).good().out, text);
    assert_eq!(run(["report", "--pool", "http", file]).good().out, format!("{report}\n"));
    run(["report", "--pool", "tls", file]).refused("--pool is \"tls\", but this is a report of the pool \"http\"");
    assert!(run(["top", "--once", file]).good().out.contains("req.head"));
    run(["top", file]).refused("a file does not change by itself");
}

#[test]
fn what_is_no_report_is_refused_with_its_place() {
    let folder = folder("refused");
    let file = report_file(&folder, "pins.json", 2);
    let text = fs::read_to_string(&file).unwrap();
    let refused = |text: &str, says: &str| {
        fs::write(&file, text).unwrap();
        run(["report", file.to_str().unwrap()]).refused(says).err
    };
    let error = refused(&text.replace("\"len\":20", "\"len\":99999999"), "slabs[0]: slices[0] has 99999999 bytes at 0");
    assert!(error.starts_with("bufslab: ") && error.contains("pins.json: ") && error.contains(" at line "), "{error}");
    refused(&text.replace("\"version\":1", "\"version\":2"), "version: invalid value: integer `2`");
    refused(&text[..text.len() / 2], "the report ends too early");
    refused("\u{1b}[2J", "not a report: ");
    refused("", "the report ends too early");
    let nowhere = folder.join("nowhere.json");
    run(["report", nowhere.to_str().unwrap()]).refused("nowhere.json: No such file");
    run(["report", "nowhere"]).refused("A program's address is HOST:PORT");
    run(["report", folder.to_str().unwrap()]).refused("directory");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_trouble() {
    let file = report_file(&folder("pipe"), "pins.json", 3_000);
    for args in [&["report", "--full"][..], &["report", "--json"], &["export", "-f", "csv"]] {
        let mut child = bufslab().args(args).arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The first bytes, and then nobody reads any more.
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 10]).unwrap();
        drop(out);
        Ran::from(child.wait_with_output().unwrap()).good();
    }
}

#[test]
fn every_form_is_exported_as_the_library_writes_it() {
    let folder = folder("export");
    let file = report_file(&folder, "pins.json", 7);
    let report = PinReport::from_json(fs::File::open(&file).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    for format in Format::ALL {
        let mut expected = Vec::new();
        report.write_as(*format, &mut expected).unwrap();
        assert_eq!(run(["export", "--format", format.name(), file]).good().bytes, expected, "{format}");
        // A file's ending says as much.
        let out = folder.join(format!("out.{}", format.extension()));
        assert_eq!(run(["export", file, "-o", out.to_str().unwrap()]).good().out, "");
        assert_eq!(fs::read(&out).unwrap(), expected, "{format}");
        assert_eq!(run(["export", "-o", "-", "-f", format.name(), file]).good().bytes, expected, "{format}");
    }
}

#[test]
fn exports_that_cannot_be_say_why() {
    let folder = folder("no_export");
    let file = report_file(&folder, "pins.json", 7);
    let file = file.to_str().unwrap();
    run(["export", file]).refused("--format is missing: it must be one of text, json, csv, heapsnapshot, pprof");
    run(["export", "-o", "pins.xyz", file]).refused("pins.xyz says none: it ends in none of .txt, .json");
    run(["export", "-f", "svg", file]).refused("possible values: text, json, csv, heapsnapshot");
    let missing = folder.join("no").join("pins.csv");
    run(["export", file, "-o", missing.to_str().unwrap()]).refused("pins.csv: No such file or directory");
    if cfg!(target_os = "linux") {
        run(["export", file, "-f", "html", "-o", "/dev/full"]).refused("-o /dev/full: No space left on device");
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = bufslab().args(["export", file, "-f", "html"]).stdout(full).output().unwrap();
        Ran::from(ran).refused("the output cannot be written: No space left on device");
    }
    // What does not become a report leaves the old file alone.
    let kept = folder.join("kept.csv");
    fs::write(&kept, "precious").unwrap();
    run(["export", "nowhere.json", "-o", kept.to_str().unwrap()]).refused("No such file");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "precious");
}

#[test]
fn what_grew_between_two_files_comes_first() {
    let folder = folder("diff");
    let pool = SlabPool::builder().name("http").slab_size(4096).build().unwrap();
    let keep = |tag: &'static str| {
        let mut read = pool.alloc(4096);
        read.resize(4096, 0);
        read.freeze().slice(..20).tag(tag)
    };
    let mut kept: Vec<_> = (0..9).map(|_| keep("body")).collect();
    let [before, after] = ["before.json", "after.json"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    fs::write(&before, pool.report().to_json()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(30));
    kept.push(keep("body"));
    kept.extend((0..5).map(|_| keep("req.head")));
    fs::write(&after, pool.report().to_json()).unwrap();

    let text = run(["diff", &before, &after]).good().out;
    assert!(text.find("req.head").unwrap() < text.find("body").unwrap(), "{text}");
    let full = run(["diff", "--full", &before, &after]).good().out;
    assert!(full.contains("req.head"), "{full}");
    let json: Value = serde_json::from_str(&run(["diff", "--json", &before, &after]).good().out).unwrap();
    assert_eq!(json["by_tag"][0]["holder"]["tag"], "req.head");
    let piped = run_with_input(&["diff", "-", &after], &fs::read(&before).unwrap()).good().out;
    assert_eq!(piped, text);
    run(["diff", "-", "-"]).refused("A and B are both -");
}
