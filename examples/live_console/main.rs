//! A server that keeps too much, with a console that says what: look at it while it grows.
//!
//! Nothing is sent over a network but the console's answers; the traffic is made up (`traffic.rs`). Two workers read
//! uploads and drop them, and open WebSocket sessions that each keep the 20-byte head of their upgrade request. So each
//! session keeps a slab of 256 KiB, for the pool is told to wait for whole slabs; by default it would cut around the heads. A cache beside them keeps what it should.
//!
//! ```text
//! cargo run --features admin --example live_console -- --listen 127.0.0.1:6060
//! curl localhost:6060/debug/slabs
//! bufslab top localhost:6060
//! ```

#![allow(unreachable_pub, reason = "a program has no outside; `pub` means: for the other files")]

mod options;
mod traffic;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bufslab::admin::{Console, Server};
use bufslab::{Reuse, SlabPool, SuspectPolicy};

use crate::options::{HELP, Options};

/// A session keeps one of these.
const SLAB_SIZE: usize = 256 * 1024;
/// More than all sessions and the cache can keep: a mistake here must not eat the machine.
const MAX_BYTES: usize = 192 << 20;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("live_console: {error:#}");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live_console: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> Result<()> {
    let pool = SlabPool::builder()
        .name("live")
        .slab_size(SLAB_SIZE)
        // It is to grow, as pools do that wait for whole slabs.
        .reuse(Reuse::WholeSlab)
        .max_bytes(MAX_BYTES)
        .suspects(SuspectPolicy::new(Duration::from_secs(30), 5))
        .build()?;
    let console = Console::builder().pool(&pool).allow_recording(true).build()?;
    let server = Server::builder()
        .console(&console)
        .bind(&*options.listen)
        .map_err(|error| anyhow!("--listen {}: {error}", options.listen))?;
    say(&format!("listening on {}", server.url()))?;
    let _unix = options.unix.as_ref().map(|path| listen_at(path, &console)).transpose()?;

    let stop = Arc::new(AtomicBool::new(false));
    let traffic = thread::spawn({
        let stop = stop.clone();
        move || traffic::run(&pool, &stop)
    });
    if let Some(time) = options.seconds {
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    }
    // Without a time this waits until somebody ends the program.
    traffic.join().map_err(|_| anyhow!("the traffic panicked"))?
}

#[cfg(unix)]
fn listen_at(path: &std::path::Path, console: &Console) -> Result<Server> {
    let server =
        Server::builder().console(console).bind_unix(path).with_context(|| format!("--unix {}", path.display()))?;
    say(&format!("listening on {}", server.url()))?;
    Ok(server)
}

#[cfg(not(unix))]
fn listen_at(_: &std::path::Path, _: &Console) -> Result<Server> {
    anyhow::bail!("--unix: this system has no unix sockets")
}

/// A line for whoever waits for it, at once.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("standard output")
}
