//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::{doc, series};

/// What `--help` prints.
pub const HELP: &str = "\
How costs grow: with threads, live slices, pinned slabs, threads that own slabs, tags and scopes.

usage: cargo bench --bench scaling -- [options]

  --only SERIES     measures only series whose names begin so; can be given more than once
  --list            the names of all series, and nothing else
  --max N           live slices at most (10000000; fewer if memory is short)
  --seconds N       seconds that each run with threads is measured (0.5)
  --rounds N        how often each run with threads is made, with its rivals in turn (5)
  --out DIR         where the files go (target/scaling)
  --quick           fewer of everything and one short round: to see that it works, not for figures; the same
                    with --test, and without --bench, which cargo bench adds
  --replay          measures nothing: takes the results that are in --out
  --doc[=DIR]       writes tables and charts into the chapters of src/docs, or of DIR, as well: scaling.md, or
                    contention.md with --model
  --model           instead: the model of contention. Measures what a contended line costs here, counts events
                    of a few loads and compares them with what the model says; fails if they differ
  --c NS            what one transfer of a contended line costs in the model, in ns (100 and 200)
  --rate N          requests a second of each core in the model (1000000)
  --help            this text

With all defaults it takes some six minutes and at most 6 GiB. Let the machine do nothing else. The files:
scaling.json, made.json, scaling_*.svg; with --model contention.json.
";

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    Help,
    List,
    Measure,
    Model,
}

#[derive(Debug)]
pub struct Options {
    pub task: Task,
    pub only: Vec<String>,
    pub quick: bool,
    pub replay: bool,
    /// The folder with the chapters, if they are to be written.
    pub doc: Option<PathBuf>,
    pub max: usize,
    pub seconds: Duration,
    pub rounds: usize,
    pub out: PathBuf,
    /// Nanoseconds of one transfer in the model.
    pub transfers: Vec<f64>,
    /// Requests a second and core in the model.
    pub rate: f64,
}

impl Options {
    /// Reads the arguments.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Options> {
        let args: Vec<String> = args.collect();
        let has = |name: &str| args.iter().any(|arg| arg == name);
        let quick = has("--quick") || has("--test") || !has("--bench");
        let (max, seconds, rounds) = if quick { (100_000, 0.05, 1) } else { (10_000_000, 0.5, 5) };
        let mut options = Options {
            task: Task::Measure,
            only: Vec::new(),
            quick,
            replay: false,
            doc: None,
            max,
            seconds: Duration::from_secs_f64(seconds),
            rounds,
            out: PathBuf::from("target/scaling"),
            transfers: Vec::new(),
            rate: 1e6,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let given = value.clone();
            let mut value = || value.clone().or_else(|| args.next()).with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--help" | "-h" => options.task = Task::Help,
                "--list" => options.task = Task::List,
                "--model" => options.task = Task::Model,
                "--bench" | "--test" | "--quick" => {}
                "--replay" => options.replay = true,
                "--doc" => options.doc = Some(given.map_or_else(|| doc::folder().to_owned(), PathBuf::from)),
                "--only" => options.only.push(series_name(&value()?)?),
                "--max" => options.max = number(&name, &value()?, 1000.0, 1e8)? as usize,
                "--seconds" => options.seconds = Duration::from_secs_f64(number(&name, &value()?, 0.01, 60.0)?),
                "--rounds" => options.rounds = number(&name, &value()?, 1.0, 100.0)? as usize,
                "--out" => options.out = PathBuf::from(value()?),
                "--c" => options.transfers.push(number(&name, &value()?, 1.0, 1e6)?),
                "--rate" => options.rate = number(&name, &value()?, 1.0, 1e9)?,
                _ => bail!("{name} is not an option; --help lists them"),
            }
        }
        if options.transfers.is_empty() {
            options.transfers = vec![100.0, 200.0];
        }
        Ok(options)
    }

    /// Whether this series is to be measured.
    pub fn wants(&self, series: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| series.starts_with(only))
    }

    /// Whether any series is that begins so.
    pub fn wants_any(&self, prefix: &str) -> bool {
        series::ALL.iter().any(|series| series.name.starts_with(prefix) && self.wants(series.name))
    }
}

fn series_name(prefix: &str) -> Result<String> {
    let known = series::ALL.iter().any(|series| series.name.starts_with(prefix));
    ensure!(known, "--only {prefix}: no series begins so; --list has their names");
    Ok(prefix.to_owned())
}

fn number(name: &str, text: &str, least: f64, most: f64) -> Result<f64> {
    let number: f64 = text.parse().with_context(|| format!("{name} {text}: must be a number"))?;
    ensure!((least..=most).contains(&number), "{name} {text}: must be from {least} to {most}");
    Ok(number)
}
