//! The command line of the three programs.

use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
One pass over bufslab and its peers with one allocator. `cargo bench --bench vs_peers` runs this.

usage: peers_ALLOCATOR [options]

  --filter TEXT   only operations with TEXT in their name
  --quick         short: to see that it works, not for figures
  --list          what would be measured: operation, size, who, whether that ranks as a peer
  --about         versions, and what the ledger takes beside the slabs
  --help          this text

Prints JSON: a list of {op, n, impl, ns, peer}.";

/// What the command line said.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    List,
    About,
    Measure(Options),
}

/// How to measure.
#[derive(Debug)]
pub(crate) struct Options {
    filter: String,
    /// How long one batch is to take.
    pub(crate) batch: Duration,
    /// Batches of each; the median counts.
    pub(crate) batches: usize,
}

impl Options {
    pub(crate) fn wants(&self, op: &str) -> bool {
        op.contains(&self.filter)
    }
}

impl Command {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
        let mut options = Options { filter: String::new(), batch: Duration::from_millis(2), batches: 15 };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--help" | "-h" => return Ok(Command::Help),
                "--list" => return Ok(Command::List),
                "--about" => return Ok(Command::About),
                "--quick" => (options.batch, options.batches) = (Duration::from_micros(500), 3),
                "--filter" => options.filter = args.next().ok_or("--filter needs a value")?,
                _ => return Err(format!("{arg} is not an option; --help lists them")),
            }
        }
        Ok(Command::Measure(options))
    }
}
