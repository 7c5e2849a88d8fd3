//! The server's process: one thread that serves, told by lines on standard input, answering by lines of JSON.
//!
//! `begin` and `end` say what the process has used so far; `check N` says so once N heads are kept, all with the right bytes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use crate::buffers::{Buffers, VecEach, pool};
use crate::connection::{Connection, Shared};
use crate::frame::greeting_frame;
use crate::plan::Case;
use crate::process::Used;
use crate::tls::{HOST, Tls};

/// Pinned bytes are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Sessions that clients have closed are gone by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until standard input ends.
pub fn serve(case: Case) -> Result<()> {
    let tls = Tls::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    match pool(case)? {
        Some(pool) => local.block_on(&runtime, run(pool, &tls)),
        None => local.block_on(&runtime, run(VecEach, &tls)),
    }
}

async fn run<B: Buffers>(buffers: B, tls: &Tls) -> Result<()> {
    let listener = TcpListener::bind((HOST, 0)).await.with_context(|| format!("listening on {HOST}"))?;
    say(&json!({ "address": listener.local_addr()?.to_string(), "certificate": tls.certificate.to_vec() }))?;
    let shared = Rc::new(Shared {
        buffers,
        heads: RefCell::new(HashMap::new()),
        requests: Cell::new(0),
        failure: RefCell::new(None),
    });
    let peak = Rc::new(Cell::new(0));
    spawn_local(accept(listener, shared.clone(), tls.server.clone()));
    spawn_local(watch_pins(shared.clone(), peak.clone()));

    let mut orders = lines();
    while let Some(order) = orders.recv().await {
        match order.split_once(' ').unwrap_or((&order, "")) {
            ("begin", _) => peak.set(0),
            ("end", _) => {}
            ("check", sessions) => check(&shared, sessions.parse()?).await?,
            _ => bail!("no such order: {order}"),
        }
        if let Some(failure) = shared.failure.take() {
            return Err(failure.context("a client had trouble"));
        }
        say(&figures(&shared, peak.get()))?;
    }
    Ok(())
}

/// Lines of standard input, read by a thread of their own. Ends with it.
fn lines() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Writes a line at once.
pub fn say(value: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

async fn accept<B: Buffers>(listener: TcpListener, shared: Rc<Shared<B>>, tls: Arc<ServerConfig>) {
    for id in 0.. {
        let client = match listener.accept().await {
            Ok((socket, _)) => Connection::new(id, shared.clone(), socket, tls.clone()),
            Err(error) => Err(error.into()),
        };
        match client {
            Ok(client) => {
                let shared = shared.clone();
                spawn_local(async move {
                    if let Err(error) = client.serve().await {
                        shared.failure.borrow_mut().get_or_insert(error);
                    }
                });
            }
            Err(error) => drop(shared.failure.borrow_mut().get_or_insert(error)),
        }
    }
}

/// Bytes that kept heads keep alive. Whoever asks does so between two reads, so nothing that is being read counts.
fn pinned<B: Buffers>(shared: &Shared<B>) -> usize {
    match shared.buffers.slabs() {
        Some(slabs) => slabs.pinned_bytes,
        None => shared.heads.borrow().values().map(|head| head.of).sum(),
    }
}

async fn watch_pins<B: Buffers>(shared: Rc<Shared<B>>, peak: Rc<Cell<usize>>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        peak.set(peak.get().max(pinned(&shared)));
    }
}

/// Waits until so many heads are kept, and looks at each.
async fn check<B: Buffers>(shared: &Shared<B>, sessions: usize) -> Result<()> {
    let settled = async {
        while shared.heads.borrow().len() != sessions {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let settled = tokio::time::timeout(PATIENCE, settled).await;
    let heads = shared.heads.borrow();
    settled.map_err(|_| anyhow!("{} heads are kept, of {sessions} sessions", heads.len()))?;
    for head in heads.values() {
        let sent = greeting_frame(head.number)?;
        ensure!(head.slice[..] == sent[..], "the head of session {} has changed", head.number);
    }
    Ok(())
}

fn figures<B: Buffers>(shared: &Shared<B>, peak: usize) -> Value {
    let (used, pinned, slabs) = (Used::now(), pinned(shared), shared.buffers.slabs());
    json!({
        "requests": shared.requests.get(),
        "cpu_ns": used.cpu_ns,
        "faults": used.faults,
        "resident": used.resident,
        "resident_peak": used.resident_peak,
        "pinned": pinned,
        "pinned_peak": peak.max(pinned),
        "slabs_taken": slabs.map(|slabs| slabs.taken),
        "slab_size": slabs.map(|slabs| slabs.size),
    })
}
