//! Records what real servers ask of a pool: an echo server, an HTTP upload server and a TCP proxy, each on loopback under load.
//!
//! The traces in `traces/` are made by this program, and by `upgrade_leak --trace` for the published scenario of 2013. They are
//! what `bufslab tune` is tried on, and what the slab size that a pool finds by itself is held to.
//!
//! ```text
//! cargo run --release --example record_traces
//! cargo run --release --example record_traces -- --help
//! ```

#![allow(unreachable_pub, reason = "a program has no outside; `pub` means: for the other files")]

mod echo;
mod proxy;
mod upload;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use bufslab::trace::AllocTrace;
use bufslab::{RecordOptions, SlabPool};

const HELP: &str = "\
Records what real servers on loopback ask of a pool.

usage: cargo run --release --example record_traces -- [options]

  --only NAME     echo, upload or proxy; all three if not given
  --out DIR       where NAME.slabtrace goes (traces)
  --quick         a tenth of the load
  --help          this text

The fourth trace is made by
  cargo run --release --example upgrade_leak -- --scenario both --mode hold --slab-size 10MiB \\
      --trace traces/node_upgrade.slabtrace
";

/// A server and its clients: runs them against a pool until all is answered. The number is that of requests, about.
type Scenario = (&'static str, u32, fn(&SlabPool, u32) -> Result<()>);

const SCENARIOS: [Scenario; 3] = [("echo", 6_000, echo::run), ("upload", 900, upload::run), ("proxy", 900, proxy::run)];

struct Options {
    only: Option<String>,
    out: PathBuf,
    is_quick: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => match record_all(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("record_traces failed: {error:#}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("record_traces: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Reads the arguments; `None` means that help was asked for.
fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options { only: None, out: PathBuf::from("traces"), is_quick: false };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => options.is_quick = true,
            "--out" => options.out = args.next().context("--out needs a value")?.into(),
            "--only" => {
                let name = args.next().context("--only needs a value")?;
                let names = SCENARIOS.map(|(name, ..)| name);
                ensure!(names.contains(&name.as_str()), "--only {name}: must be one of {}", names.join(", "));
                options.only = Some(name);
            }
            other => bail!("{other} is not an option; --help lists them"),
        }
    }
    Ok(Some(options))
}

fn record_all(options: &Options) -> Result<()> {
    fs::create_dir_all(&options.out).with_context(|| format!("--out {}", options.out.display()))?;
    for (name, requests, run) in SCENARIOS {
        if options.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let requests = if options.is_quick { requests / 10 } else { requests };
        let trace = record(name, |pool| run(pool, requests)).with_context(|| name.to_owned())?;
        let path = options.out.join(format!("{name}.slabtrace"));
        let bytes = write(&trace, &path)?;
        println!("{}: {bytes} bytes\n{}\n", path.display(), trace.summary());
    }
    Ok(())
}

/// All that `run` asks of a pool with that name.
fn record(name: &str, run: impl FnOnce(&SlabPool) -> Result<()>) -> Result<AllocTrace> {
    let pool = SlabPool::builder().name(name).build()?;
    let recording = pool.record(RecordOptions::new())?;
    run(&pool)?;
    ensure!(!recording.is_full(), "the trace is larger than the recording may be");
    Ok(recording.stop())
}

fn write(trace: &AllocTrace, path: &Path) -> Result<usize> {
    let bytes = trace.to_bytes()?;
    fs::write(path, &bytes).with_context(|| path.display().to_string())?;
    Ok(bytes.len())
}
