//! How costs grow, and what would stop them from scaling: `cargo bench --bench scaling`. `-- --help` says how, and
//! `docs::scaling` and `docs::contention` what came of it.

#![allow(missing_docs, unreachable_pub, reason = "a program of its own")]

mod chart;
mod clock;
mod contended;
mod contention;
mod counted;
mod doc;
mod fit;
mod format;
mod lines;
mod model;
mod options;
mod point;
mod population;
mod populations;
mod series;
mod slices;
mod table;
mod threads;
mod traced;

use std::fs;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};

use clock::Progress;
use options::{HELP, Options, Task};
use point::Results;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scaling: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // The tracer starts this program without arguments of its own.
    if std::env::var_os(traced::SUBJECT).is_some() {
        traced::subject();
        return Ok(());
    }
    let options = Options::parse(std::env::args().skip(1))?;
    match options.task {
        Task::Help => print!("{HELP}"),
        Task::List => series::ALL.iter().for_each(|series| println!("{}", series.name)),
        Task::Measure => scaling(&options)?,
        Task::Model => contention::run(&options, machine())?,
    }
    Ok(())
}

fn scaling(options: &Options) -> Result<()> {
    let results = if options.replay { Results::load(&options.out)? } else { measured(options) };
    fs::create_dir_all(&options.out).with_context(|| format!("--out {}", options.out.display()))?;
    results.save(&options.out)?;
    doc::write_charts(&results, &options.out)?;
    print!("{}", table::text(&results));
    if let Some(folder) = &options.doc {
        doc::write_scaling(&results, folder)?;
    }
    Ok(())
}

fn measured(options: &Options) -> Results {
    let progress = Progress::start();
    let mut points = Vec::new();
    threads::measure(options, &progress, &mut points);
    type Part = fn(&Options, &Progress, &mut Vec<point::Point>);
    let parts: [(&str, Part); 7] = [
        ("slices/", slices::measure),
        ("fanout/", slices::measure_fanout),
        ("compact/", slices::measure_compaction),
        ("slabs/", populations::measure_slabs),
        ("owners/", populations::measure_owners),
        ("tags/", populations::measure_tags),
        ("scopes/", populations::measure_scopes),
    ];
    for (prefix, part) in parts {
        if options.wants_any(prefix) {
            part(options, &progress, &mut points);
        }
    }
    progress.say("done");
    // By series, and by x within each.
    let place = |name: &str| series::ALL.iter().position(|series| series.name == name);
    points.sort_by(|a, b| place(&a.series).cmp(&place(&b.series)).then(a.x.total_cmp(&b.x)));
    Results { points, made: made(options) }
}

/// Processor, cores and system.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores, {}", model.unwrap_or("a processor without a name"), std::env::consts::OS)
}

/// One sentence on machine and settings.
fn made(options: &Options) -> String {
    let kind = if options.quick { ", a quick run that is not for figures" } else { "" };
    format!(
        "{}; {} rounds of {:.2} s with each number of threads, at most {} live slices{kind}.",
        machine(),
        options.rounds,
        options.seconds.as_secs_f64(),
        format::count(options.max as f64),
    )
}
