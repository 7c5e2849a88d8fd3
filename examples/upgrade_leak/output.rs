//! The table, and the files.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use bufslab::PinReport;
use bufslab::report::Format;
use serde_json::{Value, json};

use crate::chart;
use crate::measure::{resident_bytes, slope};
use crate::plan::{Mode, Scenario};
use crate::published::Published;
use crate::run::Run;
use crate::size::size_name;

/// What is printed at the end: the table, what the clients did not manage, and the culprit's report.
pub fn shown(runs: &[Run], published: &Published, out: &Path) -> String {
    let mut text = table(runs, published);
    for shortfall in runs.iter().filter_map(Run::shortfall) {
        let _ = writeln!(text, "note: {shortfall}");
    }
    if resident_bytes() == 0 {
        text.push_str("note: resident memory cannot be read on this system; it stands as 0\n");
    }
    if let Some(run) = culprit(runs) {
        let report = run.report.to_string();
        let _ = writeln!(text, "\nWhat pins the slabs at the end of {}:\n\n{}", run.case, report.trim_end());
    }
    let _ = writeln!(text, "\nThe files are in {}.", out.display());
    if format_of(PROFILE).is_none() {
        let _ = writeln!(text, "{PROFILE}, for `go tool pprof`, is not among them: add `--features pprof` for it.");
    }
    text
}

/// The table of all runs, with the published slopes below it.
fn table(runs: &[Run], published: &Published) -> String {
    let mut text = format!(
        "{:<10} {:<7} {:>7} {:>7} {:>7} {:>8} {:>10} {:>6} {:>13} {:>9}\n",
        "scenario", "mode", "slabs", "uploads", "sockets", "pinned", "growth", "live", "RSS", "uploads/s"
    );
    let _ = writeln!(
        text,
        "{:<10} {:<7} {:>7} {:>7} {:>7} {:>8} {:>10} {:>6} {:>13} {:>9}",
        "", "", "", "", "", "at end", "of pinned", "at end", "first → last", "flat out"
    );
    for run in runs {
        let _ = writeln!(text, "{}", row(run));
    }
    runs.iter().filter_map(let_go).for_each(|line| text.push_str(&line));
    text.push('\n');
    let both = slope(&published.both, published.length());
    let uploads = slope(&published.uploads, published.length());
    let sockets = slope(&published.websockets, published.length());
    let _ = writeln!(
        text,
        "Node 0.8, published, growth of RSS: both {:.2} MB/s, uploads {:.2} MB/s, websockets {:.2} MB/s.",
        both / 1e6,
        uploads / 1e6,
        sockets / 1e6
    );
    text.push_str(
        "Seconds are the published experiment's, but in uploads/s: those are real seconds, with uploads\n\
         sent back to back after the schedule has ended. RSS is that of the whole process, clients too,\n\
         and starts with what the allocator below has kept of earlier runs.\n",
    );
    text
}

/// What went on beside the table's figures, where something did.
fn let_go(run: &Run) -> Option<String> {
    let (did, case) = (&run.let_go, &run.case);
    let (_, last) = ends(run);
    match case.mode {
        Mode::Park => Some(format!(
            "{case}: {} heads were moved, {} bytes copied; {} bytes of heads outlived their slab.\n",
            did.moved, did.copied_bytes, run.outlived_bytes
        )),
        Mode::Punch => Some(match last.pool.resident {
            Some(resident) => format!(
                "{case}: {:.1} MB given back on the way, {:.2} MB of the pinned slabs resident at the end.\n",
                did.given_back_bytes as f64 / 1e6,
                resident as f64 / 1e6
            ),
            None => format!("{case}: on this system no pages are given back.\n"),
        }),
        _ => None,
    }
}

fn row(run: &Run) -> String {
    let (first, last) = ends(run);
    let rss = match last.rss {
        0 => "unknown".to_owned(),
        rss => format!("{:.0} → {:.0} MB", first.rss as f64 / 1e6, rss as f64 / 1e6),
    };
    format!(
        "{:<10} {:<7} {:>7} {:>7} {:>7} {:>8} {:>10} {:>6} {:>13} {:>9}",
        run.case.scenario.name(),
        run.case.mode.name(),
        size_name(run.case.slab_size),
        run.uploads,
        run.connections,
        format!("{:.1} MB", last.pool.pinned as f64 / 1e6),
        format!("{:.3} MB/s", run.pinned_slope() / 1e6),
        format!("{} B", last.pool.live),
        rss,
        format!("{:.0}", run.uploads_per_s),
    )
}

fn ends(run: &Run) -> (crate::measure::Sample, crate::measure::Sample) {
    let first = run.samples.first().copied().unwrap_or_default();
    let last = run.samples.last().copied().unwrap_or_default();
    (first, last)
}

/// The run whose report is shown and written: `both`/`hold` with the largest slabs, if it was made.
fn culprit(runs: &[Run]) -> Option<&Run> {
    let wanted = |run: &&Run| run.case.scenario == Scenario::Both && run.case.mode == Mode::Hold;
    runs.iter().filter(wanted).max_by_key(|run| run.case.slab_size)
}

/// Writes all files into `out`.
pub fn write_files(out: &Path, runs: &[Run], published: &Published) -> Result<()> {
    let write = |name: &str, text: String| {
        let path = out.join(name);
        fs::write(&path, text).with_context(|| format!("--out: writing {}", path.display()))
    };
    write("summary.json", format!("{:#}\n", summary(runs)))?;
    write("memory.csv", memory_csv(runs))?;
    write("memory.svg", chart::svg(runs, published)?)?;
    if let Some(run) = culprit(runs).or(runs.last()) {
        write("report.txt", format!("{}:\n\n{:#}", run.case, run.report))?;
        for (report, name) in viewable(run) {
            write_report(report, name, &out.join(name))?;
        }
    }
    Ok(())
}

/// The reports that are written for viewers. Their form is that of their ending.
fn viewable(run: &Run) -> [(&PinReport, &'static str); 5] {
    [
        (&run.report, "report.json"),
        (&run.report, "pins.html"),
        // DevTools' Memory panel compares the second with the first.
        (&run.base, "pins-base.heapsnapshot"),
        (&run.report, "pins.heapsnapshot"),
        (&run.report, PROFILE),
    ]
}

/// What the feature `pprof` adds to the files.
const PROFILE: &str = "pins.pb.gz";

/// The form that a file's name says, if this build can write it.
fn format_of(name: &str) -> Option<Format> {
    Format::ALL.iter().copied().find(|format| name.split_once('.').is_some_and(|(_, end)| end == format.extension()))
}

/// Writes a report piece by piece. What this build cannot write it leaves out; [`shown`] says so.
fn write_report(report: &PinReport, name: &str, path: &Path) -> Result<()> {
    let Some(format) = format_of(name) else {
        return Ok(());
    };
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        report.write_as(format, &mut file)?;
        file.flush()
    };
    write().with_context(|| format!("--out: writing {}", path.display()))
}

/// Makes the directory, before an hour of work turns out to have no place to go.
pub fn prepare(out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("--out {}: cannot be made", out.display()))
}

fn summary(runs: &[Run]) -> Value {
    json!({ "schema": 1, "runs": runs.iter().map(run_summary).collect::<Vec<_>>() })
}

fn run_summary(run: &Run) -> Value {
    let sample = |s: &crate::measure::Sample| {
        json!({
            "t": rounded(s.t),
            "pinned_bytes": s.pool.pinned,
            "live_bytes": s.pool.live,
            "resident_bytes": s.pool.resident,
            "rss_bytes": s.rss,
        })
    };
    json!({
        "scenario": run.case.scenario.name(),
        "mode": run.case.mode.name(),
        "slab_size": run.case.slab_size,
        "virtual_seconds": run.virtual_seconds,
        "connections": run.connections,
        "uploads": run.uploads,
        "bytes_uploaded": run.bytes_uploaded(),
        "samples": run.samples.iter().map(sample).collect::<Vec<_>>(),
        "pinned_slope_bytes_per_s": rounded(run.pinned_slope()),
        "moved": run.let_go.moved,
        "copied_bytes": run.let_go.copied_bytes,
        "outlived_bytes": run.outlived_bytes,
        "given_back_bytes": run.let_go.given_back_bytes,
        "uploads_per_s": rounded(run.uploads_per_s),
    })
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn memory_csv(runs: &[Run]) -> String {
    let mut text = "scenario,mode,slab_size,t,pinned_bytes,live_bytes,rss_bytes\n".to_owned();
    for run in runs {
        let (scenario, mode) = (run.case.scenario.name(), run.case.mode.name());
        for s in &run.samples {
            let _ = writeln!(
                text,
                "{scenario},{mode},{},{:.3},{},{},{}",
                run.case.slab_size, s.t, s.pool.pinned, s.pool.live, s.rss
            );
        }
    }
    text
}
