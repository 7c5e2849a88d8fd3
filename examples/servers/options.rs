//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::echo_load;
use crate::plan::{KINDS, Kind, PROTOCOLS, Protocol};
use crate::tools::CONNECTIONS;

/// What `--help` prints.
pub const HELP: &str = "\
The same loopback server on three kinds of buffers, for three protocols, driven by wrk, redis-benchmark and clients of
its own; what each request costs, and how much memory is resident.

usage: cargo run --release --example servers -- [options]

  --protocol NAME   echo, http or resp (all); can be given more than once
  --buffer NAME     vec, bytes or slab (all); can be given more than once
  --seconds N       seconds that are measured of each run, about (3); a quarter goes before, to get warm
  --rounds N        how often each run is made, the kinds in turn (5)
  --out DIR         where the files go (target/servers)
  --quick           one round, 0.3 s each, nothing before it: to see that it works, not for figures
  --doc FILE        measures nothing: writes table and text from --out's servers.json between the markers
                    in FILE, and the chart beside it into pictures/ if there is such a folder; can be
                    given more than once
  --serve NAME      only the server, with this kind of buffers, for the one --protocol that is given, until
                    standard input ends; each line of it is answered with what was used so far
  --port N          the port of --serve (one that the system gives)
  --help            this text

It needs wrk and redis-benchmark (Debian: wrk, redis-tools), and strace to count system calls. With all defaults it takes
about half an hour. Let the machine do nothing else. The files: servers.json, servers.txt, servers.svg.
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
    Serve {
        protocol: Protocol,
        kind: Kind,
        port: u16,
    },
    /// Be the echo's clients.
    EchoLoad(echo_load::Orders),
}

#[derive(Debug)]
pub struct Options {
    pub protocols: Vec<Protocol>,
    pub kinds: Vec<Kind>,
    pub seconds: f64,
    pub rounds: usize,
    pub out: PathBuf,
    pub quick: bool,
}

impl Command {
    /// Reads the arguments.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Command> {
        let args: Vec<String> = args.collect();
        let quick = args.iter().any(|arg| arg == "--quick");
        let (mut seconds, mut rounds) = if quick { (0.3, 1) } else { (3.0, 5) };
        let mut out = PathBuf::from("target/servers");
        let (mut protocols, mut kinds, mut files) = (Vec::new(), Vec::new(), Vec::new());
        let (mut serve, mut port, mut address, mut size) = (None, 0, None, 0);
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
                "--protocol" => protocols.push(value()?.parse().context("--protocol")?),
                "--buffer" => kinds.push(value()?.parse().context("--buffer")?),
                "--seconds" => seconds = number(&name, &value()?, 0.1, 600.0)?,
                "--rounds" => rounds = number(&name, &value()?, 1.0, 1000.0)? as usize,
                "--out" => out = PathBuf::from(value()?),
                "--doc" => files.push(PathBuf::from(value()?)),
                "--serve" => serve = Some(value()?.parse::<Kind>().context("--serve")?),
                "--port" => port = number(&name, &value()?, 0.0, 65535.0)? as u16,
                "--echo-load" => address = Some(value()?.parse().context("--echo-load")?),
                "--size" => size = number(&name, &value()?, 0.0, 1e6)? as usize,
                _ => bail!("{name} is not an option; --help lists them"),
            }
        }
        if let Some(address) = address {
            let seconds = Duration::from_secs_f64(seconds);
            return Ok(Command::EchoLoad(echo_load::Orders { address, size, connections: CONNECTIONS, seconds }));
        }
        if let Some(kind) = serve {
            let &[protocol] = protocols.as_slice() else { bail!("--serve: needs one --protocol") };
            return Ok(Command::Serve { protocol, kind, port });
        }
        if !files.is_empty() {
            return Ok(Command::Document { out, files });
        }
        // In the order of the table, whatever order they came in.
        protocols = PROTOCOLS.into_iter().filter(|one| protocols.is_empty() || protocols.contains(one)).collect();
        kinds = KINDS.into_iter().filter(|one| kinds.is_empty() || kinds.contains(one)).collect();
        Ok(Command::Measure(Options { protocols, kinds, seconds, rounds, out, quick }))
    }
}

fn number(option: &str, value: &str, least: f64, most: f64) -> Result<f64> {
    let number: f64 = value.parse().with_context(|| format!("{option} {value}: must be a number"))?;
    ensure!((least..=most).contains(&number), "{option} {value}: must be between {least} and {most}");
    Ok(number)
}
