//! Other processes: this program as a server, and what Linux says of it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::plan::{Kind, Protocol};

/// Resident memory is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A command on one processor, so that the server and what drives it do not push each other around: servers on the second, the others on the
/// first. Where there is no `taskset`, or only one processor, it is the command alone.
pub fn pinned(program: &str, is_server: bool) -> Command {
    let can = thread::available_parallelism().is_ok_and(|count| count.get() > 1) && is_there("taskset");
    if !can {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", if is_server { "1" } else { "0" }, program]);
    command
}

/// Whether there is such a program.
pub fn is_there(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// This program's own path.
pub fn this_program() -> Result<String> {
    Ok(env::current_exe()?.to_str().context("this program's path is no text")?.to_owned())
}

/// A server that has been started. It ends with this.
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub address: String,
    pub pid: u32,
}

/// Memory in bytes, as `/proc` tells it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
}

impl Server {
    pub fn start(protocol: Protocol, kind: Kind) -> Result<Server> {
        let mut child = pinned(&this_program()?, true)
            .args(["--serve", kind.name(), "--protocol", protocol.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut server = Server { input: child.stdin.take(), child, output, address: String::new(), pid: 0 };
        let greeting = server.hear()?;
        greeting["address"].as_str().context("the server has no address")?.clone_into(&mut server.address);
        server.pid = greeting["pid"].as_u64().context("the server has no process")? as u32;
        Ok(server)
    }

    /// What it has used so far.
    pub fn ask(&mut self) -> Result<Value> {
        writeln!(self.input.as_mut().context("its standard input is closed")?, "figures")?;
        self.hear()
    }

    fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the server has ended; what it had to say is above");
        Ok(serde_json::from_str(&line)?)
    }

    pub fn memory(&self) -> Memory {
        memory(self.pid)
    }

    /// Does it, and returns besides how much memory was resident meanwhile: the median of the second half.
    pub fn watched<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
        let (done, pid) = (AtomicBool::new(false), self.pid);
        thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut seen = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    seen.push(memory(pid).resident);
                    thread::sleep(LOOK_EVERY);
                }
                let half = seen.len() / 2;
                let late = &mut seen[half..];
                late.sort_unstable();
                late.get(late.len() / 2).copied().unwrap_or(0)
            });
            let result = act();
            done.store(true, Ordering::Relaxed);
            let resident = watch.join().unwrap_or(0);
            Ok((result?, resident))
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when its input does; this also ends one that hangs.
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn memory(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Memory { resident: kib("VmRSS:").unwrap_or(0), peak: kib("VmHWM:").unwrap_or(0) }
}
