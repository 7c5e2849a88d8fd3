//! The echo's clients, in a process of their own: each sends a frame, and the next one when it has come back. Says in a line of JSON what it saw.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

use crate::server::say;

/// How long the slowest answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    pub address: SocketAddr,
    pub size: usize,
    pub connections: usize,
    pub seconds: Duration,
}

struct Seen {
    /// In nanoseconds.
    latencies: RefCell<Vec<u64>>,
    errors: Cell<u64>,
}

/// Makes the load, and says what came of it.
pub fn load(orders: Orders) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(orders))
}

async fn run(orders: Orders) -> Result<()> {
    let seen = Rc::new(Seen { latencies: RefCell::default(), errors: Cell::new(0) });
    let mut streams = Vec::new();
    for _ in 0..orders.connections {
        let stream = TcpStream::connect(orders.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let start = Instant::now();
    let clients: Vec<_> = streams
        .into_iter()
        .enumerate()
        .map(|(number, stream)| {
            let seen = seen.clone();
            spawn_local(async move {
                let done =
                    tokio::time::timeout(orders.seconds + PATIENCE, client(number, stream, orders, start, &seen));
                let done = done.await.context("no answer").and_then(|done| done);
                if let Err(error) = done {
                    eprintln!("echo client {number}: {error:#}");
                    seen.errors.set(seen.errors.get() + 1);
                }
            })
        })
        .collect();
    for client in clients {
        client.await?;
    }
    let took = start.elapsed().as_secs_f64();
    let mut latencies = seen.latencies.take();
    latencies.sort_unstable();
    // Of a thousand, so many took no longer.
    let percentile = |thousandth: usize| {
        let at = (latencies.len() * thousandth).div_ceil(1000).checked_sub(1)?;
        Some(latencies[at] as f64 / 1e3)
    };
    say(&json!({
        "requests_per_s": latencies.len() as f64 / took,
        "p50_us": percentile(500),
        "p99_us": percentile(990),
        "p999_us": percentile(999),
        "errors": seen.errors.get(),
    }))
}

async fn client(number: usize, mut stream: TcpStream, orders: Orders, start: Instant, seen: &Seen) -> Result<()> {
    let mut frame = (orders.size as u32).to_be_bytes().to_vec();
    frame.extend((0..orders.size).map(|at| (at * 7 + number) as u8));
    let mut answer = vec![0; frame.len()];
    while start.elapsed() < orders.seconds {
        let sent = Instant::now();
        stream.write_all(&frame).await?;
        stream.read_exact(&mut answer).await?;
        seen.latencies.borrow_mut().push(sent.elapsed().as_nanos() as u64);
        ensure!(answer == frame, "another frame came back");
    }
    Ok(())
}
