//! A server, end to end, on three kinds of buffers: what is won or lost by them when everything else is there too.
//!
//! There are three protocols: an echo of frames (`echo.rs`), HTTP uploads of which a few slices are kept for a while (`http.rs`), and the
//! protocol of Redis with keys and values kept in a map (`resp.rs`). Each is written once, over a small trait (`buffers.rs`), and runs
//!
//! * on a `Vec<u8>` for each connection, out of which is copied what is kept;
//! * on a `BytesMut` for each connection, off which `Bytes` are split;
//! * on a [`SlabPool`](bufslab::SlabPool) with default settings, where what is kept for long goes through `retain()`.
//!
//! The server has one thread, on tokio: that is where buffers of this kind are used, a task for each connection reads as such programs do, and the
//! other processor is left to what drives it. That are wrk and redis-benchmark, which know nothing of this crate, and for the echo clients of
//! its own. Server and driver are processes of their own; each run has a fresh server.
//!
//! ```text
//! cargo run --release --example servers
//! cargo run --release --example servers -- --help
//! ```

#![allow(unreachable_pub, reason = "a program has no outside; `pub` means: for the other files")]

mod buffers;
mod chart;
mod child;
mod connection;
mod counts;
mod doc;
mod echo;
mod echo_load;
mod http;
mod options;
mod plan;
mod resp;
mod results;
mod run;
mod server;
mod strace;
mod table;
mod tools;

// What other examples have, and this one needs too.
#[allow(dead_code, reason = "memory is looked at from outside")]
#[path = "../tune_slab_size/process.rs"]
mod process;
#[allow(dead_code, reason = "no size is read here")]
#[path = "../upgrade_leak/size.rs"]
mod size;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::options::{Command, HELP, Options};
use crate::plan::{Kind, Load};
use crate::results::{Results, Row, over_rounds};
use crate::run::{Figures, Runs};
use crate::strace::Strace;
use crate::tools::Tools;

#[global_allocator]
static ALLOCATOR: counts::Counting = counts::Counting;

const RESULTS: &str = "servers.json";

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("servers: {error:#}");
            return ExitCode::from(2);
        }
    };
    let done = match command {
        Command::Help => write_out(HELP),
        Command::Measure(options) => measure(&options),
        Command::Document { out, files } => document(&out, &files),
        Command::Serve { protocol, kind, port } => server::serve(protocol, kind, port),
        Command::EchoLoad(orders) => echo_load::load(orders),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("servers failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A reader that has seen enough, as `head` has, is no failure.
fn write_out(text: &str) -> Result<()> {
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn measure(options: &Options) -> Result<()> {
    fs::create_dir_all(&options.out).with_context(|| format!("--out {}", options.out.display()))?;
    let loads: Vec<Load> = options.protocols.iter().flat_map(|protocol| protocol.loads()).collect();
    let tools = Tools::find(&loads, &options.out)?;
    let runs = Runs { tools: &tools, out: &options.out, seconds: options.seconds, warm: !options.quick };
    let mut rows = Vec::new();
    for load in loads {
        rows.extend(measure_load(options, &runs, load)?);
    }
    let results = Results {
        quick: options.quick,
        seconds: options.seconds,
        rounds: options.rounds,
        machine: process::machine(),
        tools: tools.versions.clone(),
        rows,
    };
    let write = |name: &str, text: &str| {
        let path = options.out.join(name);
        fs::write(&path, text).with_context(|| format!("--out: writing {}", path.display()))
    };
    let json = results.to_json();
    write(RESULTS, &format!("{json:#}\n"))?;
    // As `--doc` reads them again, so that what is shown now and what is written into documents is the same to the last digit.
    let results = Results::from_json(&json)?;
    let text = table::all(&results);
    write("servers.txt", &text)?;
    write(doc::CHART, &chart::svg(&results)?)?;
    write_out(&format!("{text}\nThe files are in {}.\n", options.out.display()))
}

/// All kinds in turn, and once more for each round, so that what the machine does meanwhile hits them alike.
fn measure_load(options: &Options, runs: &Runs<'_>, load: Load) -> Result<Vec<Row>> {
    let stages = load.stages();
    let amounts = runs.amounts(load).with_context(|| stages.join(" and "))?;
    let can_trace = Strace::is_there();
    if !can_trace {
        eprintln!("strace is not installed: system calls are not counted, only reads and writes are");
    }
    let mut seen: Vec<Vec<Vec<Figures>>> = vec![vec![Vec::new(); options.kinds.len()]; stages.len()];
    for round in 0..options.rounds {
        for at in 0..options.kinds.len() {
            // Each begins as often.
            let at = (at + round) % options.kinds.len();
            let kind = options.kinds[at];
            eprintln!("{}: round {} of {}, {kind}", stages.join(" and "), round + 1, options.rounds);
            let figures = runs.run(load, kind, &amounts, can_trace && round == 0)?;
            figures.into_iter().enumerate().for_each(|(stage, figures)| seen[stage][at].push(figures));
        }
    }
    let row = |stage: usize, at: usize, kind: Kind| Row {
        name: stages[stage].clone(),
        protocol: load.protocol(),
        kind,
        figures: over_rounds(&seen[stage][at]),
    };
    let kinds = || options.kinds.iter().copied().enumerate();
    Ok((0..stages.len())
        .flat_map(|stage| kinds().map(move |(at, kind)| (stage, at, kind)))
        .map(|(s, a, k)| row(s, a, k))
        .collect())
}

fn document(out: &Path, files: &[PathBuf]) -> Result<()> {
    let path = out.join(RESULTS);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let results = Results::from_json(&serde_json::from_str(&text)?).with_context(|| path.display().to_string())?;
    files.iter().try_for_each(|file| doc::rewrite(file, &results))
}
