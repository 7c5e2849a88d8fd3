//! The clients' process: threads that each upload, ask little questions and open sessions, in turn and without a pause.
//!
//! It says `warm` once all sessions are open, begins to measure when it is told to, and then says what it measured. The
//! sessions stay open until its standard input ends.

use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};

use crate::frame::{SOCKET_PATH, greeting, greeting_frame};
use crate::http::upload_answer;
use crate::server::say;
use crate::tls::{self, HOST};

/// As large as the file of the published experiment.
pub const UPLOAD_BYTES: usize = 271_854;
/// The body of a little question.
pub const SMALL_BYTES: usize = 20;
/// Little questions for each upload.
pub const SMALL_PER_UPLOAD: u64 = 4;
/// Uploads of a thread for each session that it opens.
pub const UPLOADS_PER_SESSION: u64 = 4;
/// Threads.
pub const CLIENTS: usize = 4;

/// No answer takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(10);

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const DONE: u8 = 2;

/// What the clients are to do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// At least this long before anything is measured.
    pub warm_up: Duration,
    /// This long is measured.
    pub seconds: Duration,
    /// Sessions that are kept open: the latest ones.
    pub sessions: usize,
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Where the server is, and how to get in.
struct Target {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

/// What all threads share.
struct Shared {
    phase: AtomicU8,
    /// Threads whose sessions are all open.
    warm: AtomicUsize,
}

/// Latencies of one kind of request, in nanoseconds.
#[derive(Default)]
struct Latencies(Vec<u64>);

/// What a thread measured.
#[derive(Default)]
struct Seen {
    uploads: Latencies,
    small: Latencies,
    sessions: Latencies,
}

/// Makes the load against the server that `greeting` describes, as it said itself.
pub fn load(greeting: &Value, load: Load) -> Result<()> {
    let certificate: Vec<u8> = serde_json::from_value(greeting["certificate"].clone())?;
    let address = greeting["address"].as_str().context("the server has no address")?.parse()?;
    let target = Target { address, tls: Arc::new(tls::trusting(certificate.into())?) };
    let shared = Shared { phase: AtomicU8::new(WARMING), warm: AtomicUsize::new(0) };
    thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|number| {
            let (target, shared) = (&target, &shared);
            // The last sessions are shared out among the threads; each has at least one.
            let own: Vec<u64> = (number..load.sessions).step_by(CLIENTS).map(|session| session as u64).collect();
            scope
                .spawn(move || client(target, shared, own).inspect_err(|_| shared.phase.store(DONE, Ordering::Relaxed)))
        });
        let clients: Vec<_> = clients.collect(); // All are started.
        let told = conduct(&shared, load);
        shared.phase.store(DONE, Ordering::Relaxed);
        let mut seen = Seen::default();
        let mut open = Vec::new();
        for client in clients {
            let (saw, sessions) = client.join().unwrap_or_else(|_| Err(anyhow!("a client panicked")))?;
            seen.add(saw);
            open.extend(sessions);
        }
        say(&seen.figures(told?, open.len()))?;
        // Until the server has been asked about them.
        wait_for_line()?;
        drop(open);
        Ok(())
    })
}

/// Leads the threads through their phases; returns how long they measured.
fn conduct(shared: &Shared, load: Load) -> Result<Duration> {
    let start = Instant::now();
    let begun = || start.elapsed() >= load.warm_up && shared.warm.load(Ordering::Relaxed) == CLIENTS;
    while !begun() {
        ensure!(shared.phase.load(Ordering::Relaxed) == WARMING, "a client has failed");
        ensure!(start.elapsed() < load.warm_up + PATIENCE, "the sessions are never all open");
        thread::sleep(Duration::from_millis(5));
    }
    say(&json!("warm"))?;
    wait_for_line()?;
    let start = Instant::now();
    shared.phase.store(MEASURING, Ordering::Relaxed);
    thread::sleep(load.seconds);
    shared.phase.store(DONE, Ordering::Relaxed);
    Ok(start.elapsed())
}

fn wait_for_line() -> Result<()> {
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// One thread's work; `own` are the numbers of its sessions. Returns what it saw, and the sessions, still open.
fn client(target: &Target, shared: &Shared, own: Vec<u64>) -> Result<(Seen, Vec<Stream>)> {
    let mut stream = target.connect()?;
    let (upload, small) = (Exchange::new(UPLOAD_BYTES), Exchange::new(SMALL_BYTES));
    let mut seen = Seen::default();
    let mut open: Vec<Stream> = Vec::new();
    for round in 0_u64.. {
        let phase = || shared.phase.load(Ordering::Relaxed);
        if phase() == DONE {
            break;
        }
        if round % UPLOADS_PER_SESSION == 0 {
            let at = (round / UPLOADS_PER_SESSION) as usize % own.len();
            let session = seen.sessions.time(phase, || target.open(own[at]))?;
            if at < open.len() {
                open[at] = session; // The one that was there is closed.
            } else {
                open.push(session);
                shared.warm.fetch_add(usize::from(open.len() == own.len()), Ordering::Relaxed);
            }
        }
        seen.uploads.time(phase, || upload.make(&mut stream))?;
        for _ in 0..SMALL_PER_UPLOAD {
            seen.small.time(phase, || small.make(&mut stream))?;
        }
    }
    Ok((seen, open))
}

/// A POST, and the answer that is due.
struct Exchange {
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Exchange {
    fn new(bytes: usize) -> Exchange {
        let mut request =
            format!("POST /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
        request.extend((0..bytes).map(|i| i as u8));
        Exchange { request, answer: upload_answer(bytes as u64) }
    }

    fn make(&self, stream: &mut Stream) -> Result<()> {
        stream.write_all(&self.request)?;
        stream.flush()?;
        expect(stream, &self.answer)
    }
}

fn expect(stream: &mut Stream, due: &[u8]) -> Result<()> {
    let mut answer = vec![0; due.len()];
    stream.read_exact(&mut answer)?;
    ensure!(answer == due, "not the answer that was due: {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}

impl Target {
    fn connect(&self) -> Result<Stream> {
        let socket = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(StreamOwned::new(ClientConnection::new(self.tls.clone(), ServerName::try_from(HOST)?)?, socket))
    }

    /// Opens a WebSocket whose first frame comes glued to the upgrade request, and hears its echo.
    fn open(&self, number: u64) -> Result<Stream> {
        let mut stream = self.connect()?;
        let mut request = format!(
            "GET {SOCKET_PATH}{number} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .into_bytes();
        request.extend(greeting_frame(number)?);
        stream.write_all(&request)?;
        stream.flush()?;

        let mut header = Vec::new();
        while !header.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            header.extend(byte);
        }
        ensure!(header.starts_with(b"HTTP/1.1 101 "), "no upgrade: {:?}", String::from_utf8_lossy(&header));
        // A short text, unmasked, in one frame.
        let text = greeting(number);
        expect(&mut stream, &[&[0x81, text.len() as u8], text.as_bytes()].concat())?;
        Ok(stream)
    }
}

impl Latencies {
    /// Does it, and notes how long it took if it began and ended while that is measured.
    fn time<T>(&mut self, phase: impl Fn() -> u8, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let measured = phase() == MEASURING;
        let start = Instant::now();
        let done = act()?;
        if measured && phase() == MEASURING {
            self.0.push(start.elapsed().as_nanos() as u64);
        }
        Ok(done)
    }

    /// Of a hundred, so many took no longer; in microseconds.
    fn percentile(&mut self, percent: usize) -> Option<f64> {
        self.0.sort_unstable();
        let at = (self.0.len() * percent).div_ceil(100).checked_sub(1)?;
        Some(self.0[at] as f64 / 1e3)
    }
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.uploads.0.extend(other.uploads.0);
        self.small.0.extend(other.small.0);
        self.sessions.0.extend(other.sessions.0);
    }

    fn figures(&mut self, took: Duration, open: usize) -> Value {
        let uploads = self.uploads.0.len();
        let all = uploads + self.small.0.len() + self.sessions.0.len();
        let took = took.as_secs_f64();
        json!({
            "open_sessions": open,
            "requests": all,
            "requests_per_s": all as f64 / took,
            "bytes_per_s": (uploads * UPLOAD_BYTES + self.small.0.len() * SMALL_BYTES) as f64 / took,
            "small_p50_us": self.small.percentile(50),
            "small_p99_us": self.small.percentile(99),
            "upload_p50_us": self.uploads.percentile(50),
            "upload_p99_us": self.uploads.percentile(99),
            "session_p50_us": self.sessions.percentile(50),
            "session_p99_us": self.sessions.percentile(99),
        })
    }
}
