//! A server in which no connection keeps more than its budget.
//!
//! Clients send messages that the server keeps until they say that it may forget them. Two of them do; one never does. Every
//! connection is a scope with a quota, and a timer enforces it: the greedy one is refused memory, closed and named, and the
//! others go on.
//!
//! ```text
//! cargo run --example connection_budget
//! ```

use bufslab::{BufMut, Quota, SlabBytes, SlabPool};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// What one connection may keep, in bytes.
const BUDGET: usize = 64 * 1024;
const MESSAGE: usize = 1024;
/// Messages that a polite client has the server keep at a time, and how often it does so.
const BATCH: usize = 8;
const ROUNDS: usize = 200;
/// More than the greedy client will come to send.
const ENDLESS: usize = 1 << 20;

const DATA: u8 = b'D';
const FORGET: u8 = b'F';
const KEPT: u8 = b'k';
const CLOSED: u8 = b'x';

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client left, after so many messages.
    Left(usize),
    /// It was refused memory, for this reason.
    Refused(String),
}

/// Reads messages and keeps them, inside of the scope `conn id`.
fn serve(pool: &SlabPool, id: u64, mut client: TcpStream) -> io::Result<End> {
    let _inside = pool.scope("conn", id);
    let (mut kept, mut messages): (Vec<SlabBytes>, usize) = (Vec::new(), 0);
    let mut kind = [0];
    while client.read(&mut kind)? == 1 {
        if kind[0] == FORGET {
            kept.clear();
            continue;
        }
        let mut message = match pool.try_alloc(MESSAGE) {
            Ok(message) => message,
            Err(error) if error.is_quota() => {
                client.write_all(&[CLOSED])?;
                return Ok(End::Refused(error.to_string()));
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        message.put_bytes(0, MESSAGE);
        client.read_exact(&mut message)?;
        kept.push(message.freeze().tag("message"));
        messages += 1;
        client.write_all(&[KEPT])?;
    }
    Ok(End::Left(messages))
}

/// Sends a message. Says whether the server has kept it.
fn send(server: &mut TcpStream, byte: u8) -> io::Result<bool> {
    let mut message = [byte; 1 + MESSAGE];
    message[0] = DATA;
    server.write_all(&message)?;
    let mut answer = [0];
    server.read_exact(&mut answer)?;
    Ok(answer[0] == KEPT)
}

fn polite(mut server: TcpStream) -> io::Result<()> {
    for _ in 0..ROUNDS {
        for _ in 0..BATCH {
            assert!(send(&mut server, 1)?, "a polite client was refused");
        }
        server.write_all(&[FORGET])?;
    }
    Ok(())
}

fn greedy(mut server: TcpStream) -> io::Result<()> {
    for _ in 0..ENDLESS {
        if !send(&mut server, 2)? {
            return Ok(());
        }
    }
    Err(io::Error::other("nobody stopped the greedy client"))
}

/// Enforces the budget until `stop` is closed. What is over it is told to `log`.
fn enforce(pool: &SlabPool, stop: Receiver<()>, log: Sender<String>) {
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(Duration::from_millis(5)) {
        for over in pool.enforce_quotas().acted {
            let _ = log.send(format!("refused: {over}"));
        }
    }
}

/// Runs the server with three clients, the second of them greedy. Returns how the connections ended, by id.
pub(crate) fn run(out: &mut impl Write) -> io::Result<Vec<(u64, End)>> {
    let pool = SlabPool::builder().name("budget").slab_size(64 * 1024).build().map_err(io::Error::other)?;
    pool.set_scope_quota("conn", Quota::new(BUDGET));
    writeln!(out, "every connection may keep {BUDGET} bytes")?;

    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = channel();
    let (log, lines) = channel();
    let ends = thread::scope(|scope| -> io::Result<Vec<(u64, End)>> {
        let pool = &pool;
        let timer = scope.spawn(move || enforce(pool, stopped, log));
        let mut connections = Vec::new();
        for id in 1..=3 {
            let client: fn(TcpStream) -> io::Result<()> = if id == 2 { greedy } else { polite };
            let server = TcpStream::connect(address)?;
            server.set_nodelay(true)?;
            let (accepted, _) = listener.accept()?;
            connections.push((id, scope.spawn(move || serve(pool, id, accepted)), scope.spawn(move || client(server))));
        }
        let mut ends = Vec::new();
        for (id, connection, client) in connections {
            client.join().expect("a client")?;
            ends.push((id, connection.join().expect("a connection")?));
        }
        drop(stop);
        timer.join().expect("the timer");
        Ok(ends)
    })?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    for (id, end) in &ends {
        match end {
            End::Left(messages) => writeln!(out, "conn {id}: left after {messages} messages")?,
            End::Refused(why) => writeln!(out, "conn {id}: closed: {why}")?,
        }
    }
    writeln!(out, "nothing is left behind: {} bytes pinned", pool.stats().pinned_bytes)?;
    Ok(ends)
}

#[allow(dead_code, reason = "not where the test includes this file")]
fn main() -> io::Result<()> {
    run(&mut io::stdout()).map(drop)
}
