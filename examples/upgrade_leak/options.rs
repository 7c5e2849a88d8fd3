//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::plan::{Mode, Scenario, Selection};
use crate::size;

/// What `--help` prints.
pub const HELP: &str = "\
Repeats the Node 0.8 upgrade leak over real TLS, and ends it with one call.

usage: cargo run --release --example upgrade_leak -- [options]

  --scenario NAME        uploads, websockets or both
  --mode NAME            hold, around, park, punch, retain or release: what happens to each
                         request's head
  --slab-size SIZE       in bytes, or with a unit: 10485760, 100KiB, 10MiB
  --virtual-seconds N    length of each run in the published experiment's time (120)
  --speed N              how many times faster than that experiment (20)
  --out DIR              where the files go (target/upgrade_leak)
  --trace FILE           record what the one run that is described asks of its pool, for `bufslab tune`
  --help                 this text

Without --scenario, --mode and --slab-size all ten runs are made, in about a minute and a half. With some
of them, the runs among the ten that match, or the one that was described if none does.
The files: summary.json, memory.csv, memory.svg; of the leaking run, report.txt, report.json, pins.html for a
browser, pins.heapsnapshot and pins-base.heapsnapshot (after a third of the run) for DevTools' Memory panel, and
pins.pb.gz for `go tool pprof`.
";

/// What the command line said.
#[derive(Debug)]
pub struct Options {
    pub selection: Selection,
    pub virtual_seconds: u32,
    pub speed: f64,
    pub out: PathBuf,
    pub trace: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; `None` means that help was asked for.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
        let mut options = Options {
            selection: Selection::default(),
            virtual_seconds: 120,
            speed: 20.0,
            out: PathBuf::from("target/upgrade_leak"),
            trace: None,
        };
        while let Some(arg) = args.next() {
            if arg == "--help" || arg == "-h" {
                return Ok(None);
            }
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let mut value = || value.clone().or_else(|| args.next()).with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--scenario" => {
                    options.selection.scenario = Some(pick(&name, &value()?, &Scenario::ALL, Scenario::name)?);
                }
                "--mode" => {
                    options.selection.mode = Some(pick(&name, &value()?, &Mode::ALL, Mode::name)?);
                }
                "--slab-size" => options.selection.slab_size = Some(size::parse(&name, &value()?)?),
                "--virtual-seconds" => options.virtual_seconds = seconds(&name, &value()?)?,
                "--speed" => options.speed = speed(&name, &value()?)?,
                "--out" => options.out = PathBuf::from(value()?),
                "--trace" => options.trace = Some(PathBuf::from(value()?)),
                _ => bail!("{name} is not an option; --help lists them"),
            }
        }
        let runs = options.selection.cases().len();
        ensure!(
            options.trace.is_none() || runs == 1,
            "--trace records one run, and these are {runs}: name it by --scenario, --mode and --slab-size"
        );
        Ok(Some(options))
    }
}

fn pick<T: Copy>(option: &str, value: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T> {
    all.iter().copied().find(|&item| name(item) == value).with_context(|| {
        let names: Vec<&str> = all.iter().copied().map(name).collect();
        format!("{option} {value}: must be one of {}", names.join(", "))
    })
}

fn seconds(option: &str, value: &str) -> Result<u32> {
    let number: u32 = value.parse().with_context(|| format!("{option} {value}: must be a whole number"))?;
    ensure!((5..=3600).contains(&number), "{option} {value}: must be between 5 and 3600");
    Ok(number)
}

fn speed(option: &str, value: &str) -> Result<f64> {
    let number: f64 = value.parse().with_context(|| format!("{option} {value}: must be a number"))?;
    ensure!((0.1..=1000.0).contains(&number), "{option} {value}: must be between 0.1 and 1000");
    Ok(number)
}
