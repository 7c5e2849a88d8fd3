//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What `--help` prints.
pub const HELP: &str = "\
A server with made-up traffic that keeps too much, and a console that says what.

usage: cargo run --features admin --example live_console -- [options]

  --listen ADDR    where the console listens, on loopback (127.0.0.1:0: any free port)
  --unix PATH      listen there as well
  --seconds N      end after that many (until it is killed)
  --help           this text

The first line it prints is `listening on http://ADDR`.
";

/// What the command line said.
#[derive(Debug)]
pub struct Options {
    pub listen: String,
    pub unix: Option<PathBuf>,
    pub seconds: Option<Duration>,
}

impl Options {
    /// Reads the arguments; `None` means that help was asked for.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
        let mut options = Options { listen: "127.0.0.1:0".to_owned(), unix: None, seconds: None };
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
                "--listen" => options.listen = value()?,
                "--unix" => options.unix = Some(PathBuf::from(value()?)),
                "--seconds" => options.seconds = Some(seconds(&value()?)?),
                _ => bail!("{name} is not an option; --help lists them"),
            }
        }
        Ok(Some(options))
    }
}

fn seconds(value: &str) -> Result<Duration> {
    let number: f64 = value.parse().with_context(|| format!("--seconds {value}: must be a number"))?;
    ensure!((0.0..=1e6).contains(&number), "--seconds {value}: must be between 0 and 1000000");
    Ok(Duration::from_secs_f64(number))
}
