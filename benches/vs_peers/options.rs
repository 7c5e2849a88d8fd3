//! The command line.

use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;

/// The allocators, in the order in which they are run.
pub const ALLOCATORS: [&str; 3] = ["glibc", "jemalloc", "mimalloc"];

/// What `--help` prints.
pub const HELP: &str = "\
What the same operation costs with bufslab and with its peers, with three allocators, measured side by side.

usage: cargo bench --bench vs_peers -- [options]

  --filter TEXT     only operations with TEXT in their name
  --allocator NAME  only this one: glibc, jemalloc or mimalloc
  --passes N        how often each allocator's program is run, in turns (5)
  --quick           one pass, short: to see that it works, not for figures; below a minute
  --list            what would be measured: operation, size, who, whether that ranks as a peer
  --doc[=FILE]      writes tables and charts into a chapter as well (src/docs/performance.md)
  --last            measures nothing: takes the figures of the last run
  --help            this text

It builds the programs in benches/peers first, which need Rust 1.95. With all defaults it takes about six minutes.
Let the machine do nothing else. The figures: vs_peers.json in the target directory.
";

/// What the command line said.
#[derive(Debug)]
pub enum Command {
    Help,
    List,
    Measure(Options),
}

#[derive(Debug)]
pub struct Options {
    pub filter: String,
    pub allocator: Option<&'static str>,
    pub passes: usize,
    pub quick: bool,
    pub doc: Option<PathBuf>,
    pub last: bool,
}

impl Options {
    /// The allocators to run.
    pub fn allocators(&self) -> Vec<&'static str> {
        ALLOCATORS.into_iter().filter(|name| self.allocator.is_none_or(|only| only == *name)).collect()
    }
}

impl Command {
    /// Reads the arguments.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Command> {
        let mut options =
            Options { filter: String::new(), allocator: None, passes: 0, quick: false, doc: None, last: false };
        let mut args = args;
        while let Some(arg) = args.next() {
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let mut needed = || value.clone().or_else(|| args.next()).with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--help" | "-h" => return Ok(Command::Help),
                "--list" => return Ok(Command::List),
                // Cargo says that to every bench.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--last" => options.last = true,
                "--filter" => options.filter = needed()?,
                "--allocator" => options.allocator = Some(allocator(&needed()?)?),
                "--passes" => options.passes = passes(&needed()?)?,
                "--doc" => options.doc = Some(value.map_or_else(chapter, PathBuf::from)),
                _ => bail!("{name} is not an option; --help lists them"),
            }
        }
        if options.passes == 0 {
            options.passes = if options.quick { 1 } else { 5 };
        }
        let whole = options.filter.is_empty() && options.allocator.is_none();
        ensure!(!options.last || whole, "--last: takes no --filter and no --allocator: the last run had its own");
        ensure!(options.doc.is_none() || whole, "--doc: takes no --filter and no --allocator: the chapter shows all");
        Ok(Command::Measure(options))
    }
}

fn chapter() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/performance.md"))
}

fn allocator(value: &str) -> Result<&'static str> {
    let found = ALLOCATORS.into_iter().find(|name| *name == value);
    found.with_context(|| format!("--allocator {value}: must be one of {}", ALLOCATORS.join(", ")))
}

fn passes(value: &str) -> Result<usize> {
    let number: usize = value.parse().with_context(|| format!("--passes {value}: must be a whole number"))?;
    ensure!((1..=1000).contains(&number), "--passes {value}: must be between 1 and 1000");
    Ok(number)
}
