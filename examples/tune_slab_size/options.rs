//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::load::{CLIENTS, Load};
use crate::plan::Case;
use crate::size;

/// What `--help` prints.
pub const HELP: &str = "\
What the size of slabs costs and saves: a TLS server under load with slabs of each size, and the allocator alone.

usage: cargo run --release --example tune_slab_size -- [options]

  --sizes LIST      slab sizes, in bytes or with a unit
                    (4KiB,16KiB,64KiB,100KiB,256KiB,1MiB,4MiB,10MiB,16MiB)
  --seconds N       seconds that are measured of each run (2); half of it goes before, to get warm
  --rounds N        how often each run is made, in another order each time (5)
  --sessions N      WebSockets that are open, each with the 20-byte head that the server keeps (64)
  --out DIR         where the files go (target/tune_slab_size)
  --quick           three sizes, one round, short: to see that it works, not for figures
  --doc FILE        measures nothing: writes tables and text from --out's results.json between the
                    markers in FILE, and the chart beside it into pictures/ if there is such a folder;
                    can be given more than once
  --help            this text

With all defaults it takes about seven minutes. Let the machine do nothing else. The files: results.json,
results.csv, slab_size.svg.
";

/// What the command line said.
#[derive(Debug)]
pub enum Command {
    Help,
    Measure(Options),
    /// Rewrite these files from the results in `out`.
    Document {
        out: PathBuf,
        files: Vec<PathBuf>,
    },
    /// Be the server's process.
    Serve(Case),
    /// Be the clients' process; what to do comes by standard input.
    Load,
}

#[derive(Debug)]
pub struct Options {
    pub sizes: Vec<usize>,
    pub seconds: Duration,
    pub rounds: usize,
    pub sessions: usize,
    pub out: PathBuf,
    pub quick: bool,
}

impl Options {
    fn new(quick: bool) -> Options {
        let (sizes, seconds, rounds, sessions) = match quick {
            true => (vec![16 << 10, 64 << 10, 1 << 20], 0.2, 1, 8),
            false => {
                let kib = [4, 16, 64, 100, 256, 1024, 4096, 10240, 16384];
                (kib.map(|kib| kib << 10).to_vec(), 2.0, 5, 64)
            }
        };
        let out = PathBuf::from("target/tune_slab_size");
        Options { sizes, seconds: Duration::from_secs_f64(seconds), rounds, sessions, out, quick }
    }

    /// What the clients do in each run.
    pub fn load(&self) -> Load {
        Load { warm_up: self.seconds / 2, seconds: self.seconds, sessions: self.sessions }
    }
}

impl Command {
    /// Reads the arguments.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Command> {
        let args: Vec<String> = args.collect();
        let mut options = Options::new(args.iter().any(|arg| arg == "--quick"));
        let mut files = Vec::new();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let mut value = || value.clone().or_else(|| args.next()).with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--help" | "-h" => return Ok(Command::Help),
                "--quick" => {}
                "--sizes" => options.sizes = sizes(&value()?)?,
                "--seconds" => options.seconds = seconds(&value()?)?,
                "--rounds" => options.rounds = count(&name, &value()?, 1, 1000)?,
                // With fewer, a client would have none; the names of more are longer than 20 bytes.
                "--sessions" => options.sessions = count(&name, &value()?, CLIENTS, 1000)?,
                "--out" => options.out = PathBuf::from(value()?),
                "--doc" => files.push(PathBuf::from(value()?)),
                "--serve" => return Ok(Command::Serve(value()?.parse()?)),
                "--load" => return Ok(Command::Load),
                _ => bail!("{name} is not an option; --help lists them"),
            }
        }
        if files.is_empty() { Ok(Command::Measure(options)) } else { Ok(Command::Document { out: options.out, files }) }
    }
}

/// Rising, and none twice, whatever the order they came in.
fn sizes(list: &str) -> Result<Vec<usize>> {
    let mut sizes = list.split(',').map(|one| size::parse("--sizes", one.trim())).collect::<Result<Vec<_>>>()?;
    sizes.sort_unstable();
    sizes.dedup();
    for &bytes in &sizes {
        // One read of the part without sockets has to fit; and some hundreds of them may be pinned.
        ensure!((2048..=64 << 20).contains(&bytes), "--sizes {bytes}: must be between 2KiB and 64MiB");
    }
    Ok(sizes)
}

fn seconds(value: &str) -> Result<Duration> {
    let number: f64 = value.parse().with_context(|| format!("--seconds {value}: must be a number"))?;
    ensure!((0.1..=3600.0).contains(&number), "--seconds {value}: must be between 0.1 and 3600");
    Ok(Duration::from_secs_f64(number))
}

fn count(option: &str, value: &str, least: usize, most: usize) -> Result<usize> {
    let number: usize = value.parse().with_context(|| format!("{option} {value}: must be a whole number"))?;
    ensure!((least..=most).contains(&number), "{option} {value}: must be between {least} and {most}");
    Ok(number)
}
