//! Counts the system calls of a process by `strace`, where there is one that may.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::child::is_there;
use crate::run::Figures;

/// Follows a process and all its threads.
pub struct Strace {
    child: Child,
}

impl Strace {
    pub fn is_there() -> bool {
        is_there("strace")
    }

    /// Returns when it has begun to count; the table will be in `file`.
    pub fn attach(pid: u32, file: &Path) -> Result<Strace> {
        let mut child = Command::new("strace")
            .args(["-f", "-c", "-p", &pid.to_string(), "-o"])
            .arg(file)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting strace")?;
        let mut said = BufReader::new(child.stderr.take().context("no standard error")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        ensure!(line.contains("attached"), "strace may not: {}", line.trim());
        // Threads that end and the like; nobody reads that.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Ok(Strace { child })
    }

    /// Lets go of the process, and returns its calls by name.
    pub fn detach(mut self, file: &Path) -> Result<Figures> {
        let interrupt = format!("kill -INT {}", self.child.id());
        ensure!(Command::new("sh").args(["-c", &interrupt]).status()?.success(), "strace has ended by itself");
        self.child.wait()?;
        let text = std::fs::read_to_string(file).context("strace wrote no table")?;
        let rows = text.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (calls, name) = (words.get(3)?.parse::<f64>().ok()?, *words.last()?);
            (name != "total").then(|| (name.to_owned(), calls))
        });
        let calls: Figures = rows.collect();
        ensure!(!calls.is_empty(), "strace's table is empty: {text}");
        Ok(calls)
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // It has ended unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
