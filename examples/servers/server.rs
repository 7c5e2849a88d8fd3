//! The server's process: one thread that serves. For each line of standard input it says in a line of JSON what was used so far, and it ends
//! with its standard input.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use crate::buffers::{Buffers, BytesEach, Slabs, Vecs};
use crate::connection::Connection;
use crate::plan::{Kind, Protocol};
use crate::process::Used;
use crate::{counts, echo, http, resp};

const HOST: &str = "127.0.0.1";

/// What all connections share.
pub struct Shared<B: Buffers> {
    pub buffers: B,
    pub map: RefCell<resp::Map<B::Slice>>,
    pub log: RefCell<http::Log<B::Slice>>,
    /// Calls of the system that read, and that write.
    pub reads: Cell<u64>,
    pub writes: Cell<u64>,
    requests: Cell<u64>,
    /// Connections that were closed for what came.
    refused: Cell<u64>,
}

impl<B: Buffers> Shared<B> {
    pub fn answered(&self, requests: u64) {
        self.requests.set(self.requests.get() + requests);
    }
}

/// Serves until standard input ends; on a port that the system gives, unless one is wanted.
pub fn serve(protocol: Protocol, kind: Kind, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    match kind {
        Kind::Vec => local.block_on(&runtime, run(Vecs, protocol, port)),
        Kind::Bytes => local.block_on(&runtime, run(BytesEach, protocol, port)),
        Kind::Slab => local.block_on(&runtime, run(Slabs::new(), protocol, port)),
    }
}

async fn run<B: Buffers>(buffers: B, protocol: Protocol, port: u16) -> Result<()> {
    let listener = TcpListener::bind((HOST, port)).await.with_context(|| format!("listening on {HOST}:{port}"))?;
    say(&json!({ "address": listener.local_addr()?.to_string(), "pid": std::process::id() }))?;
    let shared = Rc::new(Shared {
        buffers,
        map: RefCell::new(HashMap::new()),
        log: RefCell::default(),
        reads: Cell::new(0),
        writes: Cell::new(0),
        requests: Cell::new(0),
        refused: Cell::new(0),
    });
    spawn_local(accept(listener, shared.clone(), protocol));
    let mut orders = lines();
    while orders.recv().await.is_some() {
        say(&figures(&shared))?;
    }
    Ok(())
}

async fn accept<B: Buffers>(listener: TcpListener, shared: Rc<Shared<B>>, protocol: Protocol) {
    loop {
        let connection = match listener.accept().await {
            Ok((stream, _)) => Connection::new(shared.clone(), stream),
            Err(error) => Err(error),
        };
        let shared = shared.clone();
        spawn_local(async move {
            let served = match (connection, protocol) {
                (Err(error), _) => Err(error.into()),
                (Ok(connection), Protocol::Echo) => echo::serve(connection).await,
                (Ok(connection), Protocol::Http) => http::serve(connection).await,
                (Ok(connection), Protocol::Resp) => resp::serve(connection).await,
            };
            if let Err(error) = served {
                // Whoever sends that is cut off; the others notice nothing.
                shared.refused.set(shared.refused.get() + 1);
                eprintln!("a connection was closed: {error:#}");
            }
        });
    }
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

fn figures<B: Buffers>(shared: &Shared<B>) -> Value {
    let (used, (allocations, allocated)) = (Used::now(), counts::allocations());
    let (map, log) = (shared.map.borrow(), shared.log.borrow());
    let pairs: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    let requests: usize = log.iter().map(http::Kept::bytes).sum();
    json!({
        "requests": shared.requests.get(),
        "reads": shared.reads.get(),
        "writes": shared.writes.get(),
        "refused": shared.refused.get(),
        "allocations": allocations,
        "allocated_bytes": allocated,
        "cpu_ns": used.cpu_ns,
        "faults": used.faults,
        "kept": map.len() + log.len(),
        "kept_bytes": pairs + requests,
    })
}
