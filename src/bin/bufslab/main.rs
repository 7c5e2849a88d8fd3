//! `bufslab`: reports of running programs, and of files, on the command line.
//!
//! | file | part |
//! |---|---|
//! | `args` | what can be asked for |
//! | `source`, `http` | where a report comes from: a file, or a program's console over TCP or a unix socket |
//! | `report`, `export`, `diff`, `watch`, `top`, `trace`, `tune` | one command each |
//! | `output`, `progress`, `units`, `names`, `failure` | what they share |
//!
//! Exit codes: 0 is success, 1 is `watch` that has seen a limit passed, 2 is everything that kept the command from doing
//! what it was asked to.

#![allow(unreachable_pub, reason = "a program has no outside; `pub` means: for the other files")]

mod args;
mod diff;
mod export;
mod failure;
mod http;
mod names;
mod output;
mod progress;
mod report;
mod source;
mod top;
mod trace;
mod tune;
mod units;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Args, Command};
use crate::failure::{Failure, Outcome};

fn main() -> ExitCode {
    // Wrong arguments, `--help` and `--version` end here; clap's code for the first is 2 as well.
    let args = Args::parse();
    match run(args) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Above) => ExitCode::from(1),
        // Whoever read the output has seen enough.
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Said(text)) => {
            output::complain(&text);
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<Outcome, Failure> {
    match args.command {
        Command::Report(args) => report::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "bufslab", &mut script);
            output::print(|out| out.write_all(&script)).map(|()| Outcome::Done)
        }
    }
}
