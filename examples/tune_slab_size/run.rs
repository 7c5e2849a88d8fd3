//! One run: a fresh server in a process of its own, and its clients in another.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::load::Load;
use crate::plan::Case;

/// Figures by name. What this system cannot tell, and what there is not without slabs, is left out.
pub type Figures = BTreeMap<String, f64>;

/// Runs the server of `case` under `load`.
pub fn run(case: Case, load: Load) -> Result<Figures> {
    one_run(case, load).with_context(|| format!("the run {case}"))
}

fn one_run(case: Case, load: Load) -> Result<Figures> {
    let mut server = Process::start(&["--serve", &case.to_string()])?;
    let greeting = server.hear().context("the server did not start")?;
    let mut clients = Process::start(&["--load"])?;
    clients.tell(&json!({
        "server": greeting,
        "warm_up_s": load.warm_up.as_secs_f64(),
        "seconds": load.seconds.as_secs_f64(),
        "sessions": load.sessions,
    }))?;
    let warm = clients.hear().context("the clients did not get warm")?;
    ensure!(warm == "warm", "the clients said {warm}");
    let before = server.ask("begin")?;
    clients.tell(&json!("go"))?;
    let seen = clients.hear().context("the clients did not end")?;
    let after = server.ask("end")?;
    // All sessions that are open have their head, and it is what was sent.
    server.ask(&format!("check {}", seen["open_sessions"]))?;
    Ok(figures(&seen, &before, &after))
}

fn figures(seen: &Value, before: &Value, after: &Value) -> Figures {
    let grown = |name: &str| Some(after[name].as_f64()? - before[name].as_f64()?);
    // As the server counts them: all that it answered between the two questions.
    let answered = grown("requests").filter(|&count| count > 0.0);
    let each = |name: &str| Some(grown(name)? / answered?);
    let mut figures: Vec<(&str, Option<f64>)> = [
        "requests_per_s",
        "bytes_per_s",
        "small_p50_us",
        "small_p99_us",
        "upload_p50_us",
        "upload_p99_us",
        "session_p50_us",
        "session_p99_us",
    ]
    .map(|name| (name, seen[name].as_f64()))
    .into();
    figures.extend([
        ("requests_per_cpu_s", each("cpu_ns").filter(|&ns| ns > 0.0).map(|ns| 1e9 / ns)),
        ("cpu_us_per_request", each("cpu_ns").map(|ns| ns / 1e3)),
        ("faults_per_request", each("faults")),
        ("resident_end_bytes", after["resident"].as_f64()),
        ("resident_peak_bytes", after["resident_peak"].as_f64()),
        ("pinned_end_bytes", after["pinned"].as_f64()),
        ("pinned_peak_bytes", after["pinned_peak"].as_f64()),
        ("slabs_taken", grown("slabs_taken")),
        ("slab_size_end_bytes", after["slab_size"].as_f64()),
    ]);
    figures.into_iter().filter_map(|(name, figure)| Some((name.to_owned(), figure?))).collect()
}

/// This program once more, as something else; it ends with this.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str]) -> Result<Process> {
        let mut child = Command::new(env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", arguments.join(" ")))?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let input = child.stdin.take();
        Ok(Process { child, input, output })
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("its standard input is closed")?;
        Ok(writeln!(input, "{line}")?)
    }

    fn tell(&mut self, value: &Value) -> Result<()> {
        self.line(&value.to_string())
    }

    fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "it has ended; what it had to say is above");
        Ok(serde_json::from_str(&line)?)
    }

    fn ask(&mut self, order: &str) -> Result<Value> {
        self.line(order)?;
        self.hear().with_context(|| format!("asking the server: {order}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It would end when its input does. This also ends one that hangs.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
