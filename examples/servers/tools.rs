//! The programs that drive the servers, and what they say: wrk, redis-benchmark, and this program's own clients for the echo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::child::{is_there, pinned, this_program};
use crate::plan::Load;
use crate::run::Figures;

/// Connections, for all protocols.
pub const CONNECTIONS: usize = 50;
/// Keys that redis-benchmark chooses from.
pub const KEYS: usize = 10_000;

const WRK_SCRIPT: &str = include_str!("wrk.lua");
/// What a tool says for each run.
const SAID: [&str; 5] = ["requests_per_s", "p50_us", "p99_us", "p999_us", "errors"];

/// How long, for tools that take a time, or how much, for those that count.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    pub seconds: f64,
    pub requests: u64,
}

/// The programs as they were found.
pub struct Tools {
    script: PathBuf,
    /// Their names and versions.
    pub versions: Vec<String>,
}

impl Tools {
    /// Looks for those that `loads` need; wrk's script goes into `out`.
    pub fn find(loads: &[Load], out: &Path) -> Result<Tools> {
        let mut needed: Vec<(&str, &str)> = loads.iter().filter_map(|load| program(*load)).collect();
        needed.dedup();
        let mut versions = Vec::new();
        for (name, package) in needed {
            ensure!(is_there(name), "{name} is not installed: apt-get install {package}");
            versions.push(version(name)?);
        }
        let script = out.join("wrk.lua");
        std::fs::write(&script, WRK_SCRIPT).with_context(|| format!("--out: writing {}", script.display()))?;
        Ok(Tools { script, versions })
    }

    /// Drives a server with the stage of `load`.
    pub fn drive(&self, load: Load, stage: usize, address: &str, amount: Amount) -> Result<Figures> {
        match load {
            Load::Echo { size } => echo(address, size, amount.seconds),
            Load::Http { upload } => self.wrk(address, upload.unwrap_or(0), amount.seconds),
            Load::Resp { size, pipeline } => {
                redis_benchmark(address, ["set", "get"][stage], size, pipeline, amount.requests)
            }
        }
    }

    fn wrk(&self, address: &str, bytes: usize, seconds: f64) -> Result<Figures> {
        let text = output(
            pinned("wrk", false)
                // It knows whole seconds only.
                .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", seconds.ceil().max(1.0))])
                .args(["--timeout", "10s", "-s"])
                .arg(&self.script)
                .arg(format!("http://{address}/"))
                .args(["--", &bytes.to_string()]),
        )?;
        let line = text.lines().rfind(|line| line.starts_with('{')).context("wrk did not run its script to the end")?;
        figures(&serde_json::from_str(line)?)
    }
}

/// The program that makes this load, and its package; none if it is this one.
fn program(load: Load) -> Option<(&'static str, &'static str)> {
    match load {
        Load::Echo { .. } => None,
        Load::Http { .. } => Some(("wrk", "wrk")),
        Load::Resp { .. } => Some(("redis-benchmark", "redis-tools")),
    }
}

/// What it says of its version. (wrk calls that a failure.)
fn version(program: &str) -> Result<String> {
    let said = Command::new(program).arg("--version").output().with_context(|| program.to_owned())?;
    let text = String::from_utf8_lossy(&said.stdout);
    let words: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().take(2).collect();
    Ok(words.join(" "))
}

fn output(command: &mut Command) -> Result<String> {
    let said = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let said = said.with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.status.success(), "{command:?} failed ({}): {text}", said.status);
    Ok(text)
}

/// Of what was said in JSON.
fn figures(said: &Value) -> Result<Figures> {
    let figure = |name: &&str| Ok(((*name).to_owned(), said[*name].as_f64().with_context(|| (*name).to_owned())?));
    SAID.iter().map(figure).collect()
}

fn echo(address: &str, size: usize, seconds: f64) -> Result<Figures> {
    let orders =
        [("--echo-load", address.to_owned()), ("--size", size.to_string()), ("--seconds", seconds.to_string())];
    let mut command = pinned(&this_program()?, false);
    for (name, value) in orders {
        command.args([name, &value]);
    }
    figures(&serde_json::from_str(&output(&mut command)?)?)
}

fn redis_benchmark(address: &str, test: &str, size: usize, pipeline: usize, requests: u64) -> Result<Figures> {
    let (host, port) = address.rsplit_once(':').context("an address without a port")?;
    let numbers = [
        ("-c", CONNECTIONS as u64),
        ("-n", requests),
        ("-r", KEYS as u64),
        ("-d", size as u64),
        ("-P", pipeline as u64),
        ("--precision", 3),
    ];
    let mut command = pinned("redis-benchmark", false);
    command.args(["-h", host, "-p", port, "-t", test]);
    for (name, value) in numbers {
        command.args([name, &value.to_string()]);
    }
    parse_redis(&output(&mut command)?)
}

/// Reads what redis-benchmark prints for people; its CSV leaves out how many took longest.
fn parse_redis(text: &str) -> Result<Figures> {
    // The line that it rewrites while it runs ends with a carriage return.
    let lines = || text.split(['\n', '\r']).map(str::trim);
    let error = lines().find(|line| line.to_ascii_lowercase().starts_with("error") || line.contains("WARNING"));
    if let Some(error) = error {
        bail!("redis-benchmark says: {error}");
    }
    let after = |start: &str| lines().find_map(|line| line.strip_prefix(start)).with_context(|| start.to_owned());
    let rate = after("throughput summary: ")?.split(' ').next().unwrap_or_default().parse::<f64>()?;
    // `99.902% <= 0.951 milliseconds (cumulative count 99903)`
    let percentile = |least: f64| {
        let line = lines().filter_map(|line| {
            let (percent, rest) = line.split_once("% <= ")?;
            let (took, _) = rest.split_once(" milliseconds (cumulative")?;
            Some((percent.parse::<f64>().ok()?, took.parse::<f64>().ok()?))
        });
        line.filter(|line| line.0 >= least).map(|line| line.1 * 1e3).next().context("no percentiles")
    };
    // `avg min p50 p95 p99 max`, in milliseconds, two lines below its title.
    let mut rest = lines().skip_while(|line| !line.starts_with("latency summary")).skip(2);
    let summary: Vec<f64> = rest.next().unwrap_or_default().split_whitespace().flat_map(str::parse).collect();
    ensure!(summary.len() == 6, "redis-benchmark has no latency summary: {text}");
    let pairs = [rate, summary[2] * 1e3, summary[4] * 1e3, percentile(99.9)?, 0.0];
    Ok(SAID.iter().zip(pairs).map(|(name, figure)| ((*name).to_owned(), figure)).collect())
}
