//! What the size of slabs costs and saves, on real traffic: the question that was left open.
//!
//! In 2013 smaller slabs were proposed against the leak that `upgrade_leak` repeats, and what they would cost in speed was never
//! measured. This program measures it. A TLS server (rustls on tokio, one thread) reads through a pool, with slabs of one size
//! after the other, under clients that upload files, ask little questions and open WebSockets. The server keeps the 20-byte head
//! of each upgrade request while its session is open, so slabs are pinned, always by the same number of heads. Each size is
//! measured with both [`Reuse`](bufslab::Reuse)s, and beside them a pool that finds its size itself, and a server with a `Vec` for each read.
//!
//! Server and clients are processes of their own (this program, started again), so what is said of the server is its own: its
//! time on the processor, its memory, its page faults. All runs are repeated in rounds, each in another order, and the
//! table shows medians and the spread.
//!
//! A second part has no sockets and no TLS: what one allocation costs by itself, with slabs that are hot, cold and fresh (`alloc.rs`).
//!
//! ```text
//! cargo run --release --example tune_slab_size
//! cargo run --release --example tune_slab_size -- --help
//! ```

#![allow(unreachable_pub, reason = "a program has no outside; `pub` means: for the other files")]

mod alloc;
mod buffers;
mod chart;
mod connection;
mod doc;
mod load;
mod options;
mod plan;
mod process;
mod results;
mod run;
mod server;
mod table;

// What the other example has, and this one needs too.
#[path = "../upgrade_leak/echo.rs"]
mod echo;
#[path = "../upgrade_leak/frame.rs"]
mod frame;
#[path = "../upgrade_leak/http.rs"]
mod http;
#[path = "../upgrade_leak/size.rs"]
mod size;
#[allow(dead_code, reason = "the server's process makes no clients")]
#[path = "../upgrade_leak/tls.rs"]
mod tls;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::load::{CLIENTS, Load};
use crate::options::{Command, HELP, Options};
use crate::results::{Results, over_rounds};
use crate::run::Figures;

const RESULTS: &str = "results.json";

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("tune_slab_size: {error:#}");
            return ExitCode::from(2);
        }
    };
    let done = match command {
        Command::Help => write_out(HELP),
        Command::Measure(options) => measure(&options),
        Command::Document { out, files } => document(&out, &files),
        Command::Serve(case) => server::serve(case),
        Command::Load => make_load(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tune_slab_size failed: {error:#}");
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
    let results = Results {
        quick: options.quick,
        seconds: options.seconds.as_secs_f64(),
        rounds: options.rounds,
        clients: CLIENTS,
        sessions: options.sessions,
        machine: process::machine(),
        allocations: measure_allocations(options)?,
        servers: measure_servers(options)?,
    };
    let write = |name: &str, text: String| {
        let path = options.out.join(name);
        fs::write(&path, text).with_context(|| format!("--out: writing {}", path.display()))
    };
    let json = results.to_json();
    write(RESULTS, format!("{json:#}\n"))?;
    // As `--doc` reads them again, so that what is shown now and what is written into documents is the same to the last digit.
    let results = Results::from_json(&json)?;
    write("results.csv", results.to_csv())?;
    write(doc::CHART, chart::svg(&results)?)?;
    write_out(&format!("{}\nThe files are in {}.\n", table::all(&results), options.out.display()))
}

/// Makes `rounds` rounds over `all`, each beginning elsewhere and every second one backwards, and puts the figures of each together.
fn in_rounds<T: Copy>(
    all: &[T],
    rounds: usize,
    mut act: impl FnMut(usize, T) -> Result<Figures>,
) -> Result<Vec<(T, results::Spreads)>> {
    let mut seen: Vec<Vec<Figures>> = all.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.rotate_left(round * all.len() / rounds);
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            seen[at].push(act(round, all[at])?);
        }
    }
    Ok(all.iter().zip(seen).map(|(&one, figures)| (one, over_rounds(&figures))).collect())
}

fn measure_servers(options: &Options) -> Result<Vec<(plan::Case, results::Spreads)>> {
    let cases = plan::cases(&options.sizes);
    in_rounds(&cases, options.rounds, |round, case| {
        eprintln!("round {} of {}: server, {case}", round + 1, options.rounds);
        run::run(case, options.load())
    })
}

fn measure_allocations(options: &Options) -> Result<Vec<(Option<usize>, results::Spreads)>> {
    let slabs: Vec<Option<usize>> = options.sizes.iter().copied().map(Some).chain([None]).collect();
    let length = options.seconds / 10;
    in_rounds(&slabs, options.rounds, |_, slab_size| match slab_size {
        Some(bytes) => alloc::with_slabs(bytes, length),
        None => Ok(alloc::without_slabs(length)),
    })
}

fn document(out: &Path, files: &[std::path::PathBuf]) -> Result<()> {
    let path = out.join(RESULTS);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let results = Results::from_json(&serde_json::from_str(&text)?).with_context(|| path.display().to_string())?;
    files.iter().try_for_each(|file| doc::rewrite(file, &results))
}

fn make_load() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let told: Value = serde_json::from_str(&line)?;
    let seconds = |name: &str| told[name].as_f64().map(Duration::from_secs_f64).with_context(|| name.to_owned());
    let load = Load {
        warm_up: seconds("warm_up_s")?,
        seconds: seconds("seconds")?,
        sessions: told["sessions"].as_u64().context("sessions")? as usize,
    };
    load::load(&told["server"], load)
}
