//! The clients: the published experiment's uploads and WebSockets, on a schedule in virtual time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tungstenite::{Message, WebSocket};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::clock::Clock;
use crate::frame::{SOCKET_PATH, greeting, greeting_frame};
use crate::tls::{HOST, Tls};

/// The size of the published experiment's file.
pub const UPLOAD_BYTES: usize = 271_854;
/// Uploads in a virtual second.
pub const UPLOAD_RATE: f64 = 4.0;
/// New WebSockets in a virtual second.
pub const SOCKET_RATE: f64 = 1.0;

/// No answer takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clients that keep the server busy while its speed is measured.
const FLAT_OUT_CLIENTS: usize = 2;
/// That time is cut into so many parts.
const FLAT_OUT_PARTS: u32 = 4;
/// How late, in virtual seconds after the end, the last of the load may still be started.
const GRACE: f64 = 1.0;

/// A client's side of a WebSocket, over TLS.
pub type Socket = WebSocket<Glued<StreamOwned<ClientConnection, TcpStream>>>;

/// When a client does what it does.
#[derive(Clone, Copy)]
pub struct Schedule<'a> {
    pub clock: Clock,
    pub virtual_seconds: f64,
    /// Set when some other part of the run has failed.
    pub stop: &'a AtomicBool,
}

impl Schedule<'_> {
    /// Calls `act` `rate` times a virtual second, each time in the middle of its interval. A slow
    /// `act` is made up for as long as the run lasts. Returns the number of calls.
    fn run(&self, rate: f64, mut act: impl FnMut(u64) -> Result<()>) -> Result<u64> {
        let planned = (rate * self.virtual_seconds) as u64;
        for number in 0..planned {
            self.clock.sleep_until((number as f64 + 0.5) / rate);
            let late = self.clock.now() > self.virtual_seconds + GRACE;
            if late || self.stop.load(Ordering::Relaxed) {
                return Ok(number);
            }
            act(number)?;
        }
        Ok(planned)
    }
}

/// Uploads the file on schedule; returns how often.
pub fn upload_on_schedule(schedule: Schedule<'_>, tls: &Tls, address: SocketAddr) -> Result<u64> {
    let uploader = Uploader::new(tls, address);
    schedule.run(UPLOAD_RATE, |_| uploader.upload()).context("the upload client failed")
}

/// Opens WebSockets on schedule; returns them, still open.
pub fn open_on_schedule(schedule: Schedule<'_>, tls: &Tls, address: SocketAddr) -> Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    let opened = schedule.run(SOCKET_RATE, |number| {
        sockets.push(open(number, tls, address)?);
        Ok(())
    });
    opened.context("the WebSocket client failed")?;
    Ok(sockets)
}

/// Uploads back to back for a while; returns the uploads a second of the best part of that time,
/// which is the one that other programs disturbed least.
pub fn upload_flat_out(tls: &Tls, address: SocketAddr, length: Duration) -> Result<f64> {
    let mut best = 0.0_f64;
    for _ in 0..FLAT_OUT_PARTS {
        let rate = upload_rate(tls, address, length / FLAT_OUT_PARTS)?;
        best = best.max(rate);
    }
    Ok(best)
}

fn upload_rate(tls: &Tls, address: SocketAddr, length: Duration) -> Result<f64> {
    let start = Instant::now();
    let until_end = || -> Result<u64> {
        let uploader = Uploader::new(tls, address);
        let mut count = 0;
        while start.elapsed() < length {
            uploader.upload()?;
            count += 1;
        }
        Ok(count)
    };
    let counts: Result<Vec<u64>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..FLAT_OUT_CLIENTS).map(|_| scope.spawn(until_end)).collect();
        clients.into_iter().map(|client| join(client.join())).collect()
    });
    let uploads: u64 = counts.context("a flat-out client failed")?.iter().sum();
    Ok(uploads as f64 / start.elapsed().as_secs_f64())
}

/// Says one more thing on every open WebSocket, and expects to hear it again.
pub fn check_alive(sockets: &mut [Socket]) -> Result<()> {
    for (number, socket) in sockets.iter_mut().enumerate() {
        let text = format!("still here: {number}");
        socket.send(Message::text(text.clone()))?;
        expect(socket, &text).with_context(|| format!("WebSocket {number} has died"))?;
    }
    Ok(())
}

/// What a joined thread returned; its panic is an error like another.
pub fn join<T>(joined: thread::Result<Result<T>>) -> Result<T> {
    joined.unwrap_or_else(|_| Err(anyhow!("a client panicked")))
}

/// An HTTPS client with one file to upload.
struct Uploader {
    agent: Agent,
    url: String,
    file: Vec<u8>,
}

impl Uploader {
    fn new(tls: &Tls, address: SocketAddr) -> Uploader {
        let certificate = Certificate::from_der(&tls.certificate).to_owned();
        let trust = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[certificate])).build();
        let agent = Agent::config_builder().tls_config(trust).timeout_global(Some(PATIENCE)).build().new_agent();
        let file = (0..UPLOAD_BYTES).map(|i| i as u8).collect();
        Uploader { agent, url: format!("https://{address}/upload"), file }
    }

    fn upload(&self) -> Result<()> {
        let mut response = self.agent.post(&self.url).send(&self.file[..])?;
        let answer = response.body_mut().read_to_string()?;
        ensure!(answer == UPLOAD_BYTES.to_string(), "uploaded {UPLOAD_BYTES} bytes, the server counted {answer}");
        Ok(())
    }
}

/// Opens a WebSocket whose first frame travels with the upgrade request.
fn open(number: u64, tls: &Tls, address: SocketAddr) -> Result<Socket> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let connection = ClientConnection::new(tls.client.clone(), ServerName::try_from(HOST)?)?;
    let frame = greeting_frame(number)?;
    let stream = Glued { stream: StreamOwned::new(connection, stream), frame };

    let url = format!("wss://{address}{SOCKET_PATH}{number}");
    let (mut socket, _) =
        tungstenite::client(url, stream).map_err(|error| anyhow!("upgrade to WebSocket {number}: {error}"))?;
    expect(&mut socket, &greeting(number))?;
    Ok(socket)
}

fn expect(socket: &mut Socket, text: &str) -> Result<()> {
    let message = socket.read()?;
    ensure!(message.to_text()? == text, "said {text:?}, heard {message:?}");
    Ok(())
}

/// A stream that sends a frame in the same write, and so in the same TLS record, as the end of
/// the first HTTP header that passes. Node pinned a slab even if nothing followed the header;
/// our pool pins nothing for an empty head, so there has to be something.
pub struct Glued<S> {
    stream: S,
    /// What is still to be glued on.
    frame: Vec<u8>,
}

impl<S: Write> Write for Glued<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.frame.is_empty() || !bytes.ends_with(b"\r\n\r\n") {
            return self.stream.write(bytes);
        }
        let frame = std::mem::take(&mut self.frame);
        self.stream.write_all(&[bytes, &frame].concat())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Read> Read for Glued<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }
}
