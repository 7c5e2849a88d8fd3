//! bufslab and its peers: what the same operation costs with each, with three allocators, measured side by side.
//!
//! `cargo bench --bench vs_peers`. The measuring programs are a package of their own, `benches/peers`, so that none of the peers is
//! a dependency of this crate. This program builds them, runs them in turns, one allocator after the other and all of that again,
//! and collects what they say: medians over the passes, in `vs_peers.json` in the target directory, and tables on the terminal.
//! With `--doc` the tables, the targets and the charts go into the chapter `performance` of the documentation.

#![allow(missing_docs)]
#![allow(unreachable_pub, reason = "a program has no outside; `pub` means: for the other files")]

mod chart;
mod doc;
mod faster;
mod machine;
mod options;
mod programs;
mod results;
mod table;
mod targets;

use anyhow::{Context, Result, ensure};
use options::{Command, HELP, Options};
use programs::Programs;
use results::{About, Results};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("vs_peers: {error:#}");
            return ExitCode::from(2);
        }
    };
    let done = match command {
        Command::Help => show(HELP),
        Command::List => list(),
        Command::Measure(options) => measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vs_peers failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A reader that has seen enough, as `head` has, is no failure.
fn show(text: &str) -> Result<()> {
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// The target directory, which cargo tells benches by one folder in it.
fn target() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.pop();
    folder
}

fn list() -> Result<()> {
    let mut text = String::from("op\tn\timpl\tranks as a peer\n");
    text.push_str(&Programs::build(&target())?.list()?);
    show(&text)
}

fn measure(options: &Options) -> Result<()> {
    let file = target().join("vs_peers.json");
    let about_file = target().join("vs_peers_about.json");
    if !options.last {
        let programs = Programs::build(&target())?;
        let about = about(&programs, options)?;
        let results = Results::of_passes(&programs.passes(options)?)?;
        ensure!(
            !results.rows.is_empty(),
            "--filter {}: no operation has that in its name; --list shows all",
            options.filter
        );
        fs::write(&file, format!("{}\n", results.to_json())).with_context(|| file.display().to_string())?;
        fs::write(&about_file, format!("{:#}\n", about.to_json())).with_context(|| about_file.display().to_string())?;
        eprintln!("wrote {}", file.display());
    }
    // As they are read again, so that what is shown now and what goes into the chapter is the same to the last digit.
    let read = |file: &PathBuf| fs::read_to_string(file).with_context(|| file.display().to_string());
    let results = Results::from_json(&read(&file)?).with_context(|| file.display().to_string())?;
    let about = About::from_json(&read(&about_file)?).with_context(|| about_file.display().to_string())?;
    show(&table::all(&results, &about))?;
    if let Some(chapter) = &options.doc {
        ensure!(about.is_whole(), "--doc: needs a run of all operations with all allocators, and the last one was not");
        doc::rewrite(chapter, &results, &about)?;
        eprintln!("wrote {}", chapter.display());
    }
    Ok(())
}

fn about(programs: &Programs, options: &Options) -> Result<About> {
    let told = programs.about(options)?;
    let first = told.first().context("no allocator")?;
    let texts = |name: &str| -> Result<Vec<String>> {
        told.iter().map(|one| Ok(one[name].as_str().context(name.to_owned())?.to_owned())).collect()
    };
    Ok(About {
        machine: machine::name(),
        date: machine::date(),
        allocators: texts("version")?,
        peers: first["peers"].clone(),
        footprint: first["footprint"].clone(),
        passes: options.passes,
        quick: options.quick,
        whole: options.filter.is_empty() && options.allocator.is_none(),
    })
}
