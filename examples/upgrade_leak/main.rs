//! The Node 0.8 upgrade leak over real TLS: reproduced, explained by a report, ended by one call.
//!
//! In 2013 servers that ran Socket.IO on Node 0.8 grew by 2.2 MB a second until they died. Node's
//! TLS read everything into slabs of 10 MiB: first what came from the socket, then what it
//! deciphered. Each WebSocket connection kept its upgrade request's `head`, the few bytes that may
//! follow the request's header, and each of those slices kept its slab. File uploads used the slabs
//! up, WebSockets pinned them; either load alone was flat.
//!
//! This program repeats the published experiment against a server of today (rustls) whose reads go
//! through a `SlabPool`: 4 uploads a second of 271,854 bytes and 1 new WebSocket a second that stays
//! open, for two minutes, only faster. `connection.rs` holds the bug and its cure, in `keep_head`:
//!
//! * `hold`: the connection keeps the slice. Memory grows as Node's did, and the pool's report
//!   names the culprit, `req.head`.
//! * `around`: the same, but the pool goes on in slabs that are pinned, around the pins, as it does unless told not to. Memory is
//!   flat, nothing is copied, and the server's code is that of `hold`.
//! * `retain`: it keeps the slice through `retain_as`, which copies 20 bytes. Memory is flat, and
//!   every head is still there, which is checked byte by byte.
//! * `park`: it parks the slice. Nothing is copied then; once a virtual second the pool moves those out of their slab that outlived
//!   it, and memory is flat.
//! * `punch`: as `hold`, with slabs of pages of their own (Linux). Once a virtual second the dead pages of pinned slabs go back to the
//!   system under the slices: they stay pinned, and what is resident of them does not grow.
//! * `release`: the slice is dropped, as the patch of the time did.
//!
//! Slabs of 100 KiB, the other remedy that was proposed, are measured too, with the uploads a second that the server
//! manages at either size. `uploads_per_s` in `summary.json` comes from uploads sent back to back after the schedule
//! has ended, with all WebSockets still open, in real seconds (the best of four parts of that time). These uploads are
//! in no other figure.
//!
//! One difference to Node: there even an empty head pinned its slab. Here an empty slice pins
//! nothing, so the clients send their first WebSocket frame glued to the upgrade request.
//!
//! ```text
//! cargo run --release --example upgrade_leak
//! cargo run --release --example upgrade_leak -- --help
//! ```

#![allow(unreachable_pub, reason = "a program has no outside; `pub` means: for the other files")]

mod chart;
mod clients;
mod clock;
mod connection;
mod echo;
mod frame;
mod http;
mod letting_go;
mod measure;
mod options;
mod output;
mod plan;
mod progress;
mod published;
mod run;
mod server;
mod size;
mod tls;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use crate::options::{HELP, Options};
use crate::progress::Progress;
use crate::published::Published;
use crate::run::{Pace, run};
use crate::tls::Tls;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("upgrade_leak: {error:#}");
            return ExitCode::from(2);
        }
    };
    match make_all_runs(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nupgrade_leak failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn make_all_runs(options: &Options) -> Result<()> {
    output::prepare(&options.out)?;
    let published = Published::read()?;
    let tls = Tls::new()?;
    let cases = options.selection.cases();
    let pace = Pace { virtual_seconds: options.virtual_seconds, speed: options.speed };
    let progress = Progress::new(cases.len());

    let mut runs = Vec::new();
    for (index, case) in cases.into_iter().enumerate() {
        runs.push(run(case, pace, &tls, &progress, index + 1, options.trace.as_deref())?);
    }
    progress.done();

    output::write_files(&options.out, &runs, &published)?;
    let text = output::shown(&runs, &published, &options.out);
    // A reader that has seen enough, as `head` has, is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}
