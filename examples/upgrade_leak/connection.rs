//! One connection of the server: TLS, then HTTP, then perhaps a WebSocket.
//!
//! Everything that is read goes through the pool, twice, as in Node 0.8: what the socket gives is
//! read into one slice, and what TLS makes of it into another. Requests and heads are slices of
//! the second.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bufslab::{Parked, SlabBytes, SlabPool};
use bytes::{Buf, BufMut};
use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};

use crate::echo::Echo;
use crate::frame::greeting_frame;
use crate::http::{self, Request};
use crate::plan::Mode;

/// How much is read from a socket at a time, at most; libuv suggests the same.
const READ_SIZE: usize = 64 * 1024;
/// A request's header may not be longer than this.
const MAX_HEADER: usize = 16 * 1024;

/// What the connection waits for.
enum Phase {
    /// A request's header; this much of it has come.
    Request { begun: SlabBytes },
    /// The rest of an upload's body.
    Body { received: u64, length: u64 },
    /// WebSocket frames.
    Socket(Box<Echo>),
}

/// The head of an upgrade request, in what keeps it.
enum Head {
    Slice(SlabBytes),
    Parked(Parked),
}

/// One client.
pub struct Connection {
    pool: SlabPool,
    mode: Mode,
    socket: TcpStream,
    tls: ServerConnection,
    phase: Phase,
    /// The upgrade request's head, for as long as the connection lives, with the connection's
    /// number. This field is the bug, and `Mode` says whether it is there.
    head: Option<(u64, Head)>,
}

impl Connection {
    pub fn new(socket: TcpStream, tls: Arc<ServerConfig>, pool: SlabPool, mode: Mode) -> Result<Connection> {
        socket.set_nodelay(true)?;
        let phase = Phase::Request { begun: SlabBytes::new() };
        let tls = ServerConnection::new(tls)?;
        Ok(Connection { pool, mode, socket, tls, phase, head: None })
    }

    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Checks that a kept head still has exactly the bytes that were sent; true if there is one.
    pub fn check_head(&self) -> Result<bool> {
        let Some((number, head)) = &self.head else {
            return Ok(false);
        };
        let sent = greeting_frame(*number)?;
        let is_sent = match head {
            Head::Slice(head) => head[..] == sent[..],
            Head::Parked(head) => head.read(|head| head == &sent[..]),
        };
        ensure!(is_sent, "the head kept by connection {number} has changed");
        Ok(true)
    }

    /// Reads and writes what can be without waiting; false once the client has gone.
    pub fn on_ready(&mut self) -> Result<bool> {
        loop {
            match self.read_ciphertext() {
                Ok(sealed) if sealed.is_empty() => return Ok(false),
                Ok(sealed) => self.on_ciphertext(&sealed)?,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset => return Ok(false),
                    _ => return Err(error).context("reading from a client"),
                },
            }
        }
        self.flush()
    }

    /// Reads from the socket into a slab; empty at the end of the stream.
    fn read_ciphertext(&mut self) -> io::Result<SlabBytes> {
        // Room is taken only once there is something to put into it.
        if self.socket.peek(&mut [0])? == 0 {
            return Ok(SlabBytes::new());
        }
        let mut room = self.pool.alloc(READ_SIZE.min(self.pool.slab_size()));
        room.resize(room.capacity(), 0);
        let count = self.socket.read(&mut room)?;
        room.truncate(count);
        // Freezing gives the unused tail back to the slab.
        Ok(room.freeze())
    }

    fn on_ciphertext(&mut self, mut sealed: &[u8]) -> Result<()> {
        while !sealed.is_empty() {
            if self.tls.read_tls(&mut sealed)? == 0 {
                break; // The client has said goodbye.
            }
            let state = self.tls.process_new_packets().context("TLS with a client")?;
            if state.plaintext_bytes_to_read() > 0 {
                let plain = self.read_plaintext(state.plaintext_bytes_to_read())?;
                self.on_plaintext(plain)?;
            }
        }
        Ok(())
    }

    /// Reads what TLS has deciphered into a slab.
    fn read_plaintext(&mut self, count: usize) -> Result<SlabBytes> {
        let mut plain = self.pool.alloc(count);
        while plain.len() < count {
            let mut reader = self.tls.reader();
            let part = reader.fill_buf()?;
            let taken = part.len();
            plain.put_slice(part);
            reader.consume(taken);
        }
        Ok(plain.freeze())
    }

    fn on_plaintext(&mut self, mut input: SlabBytes) -> Result<()> {
        while !input.is_empty() {
            match &mut self.phase {
                Phase::Request { begun } => {
                    let begun = std::mem::take(begun);
                    input = self.join(begun, input);
                    match http::parse(&input)? {
                        Some((size, request)) => {
                            let rest = input.split_off(size);
                            self.on_request(request, &rest)?;
                            input = rest;
                        }
                        None => {
                            ensure!(input.len() < MAX_HEADER, "a request's header never ends");
                            self.phase = Phase::Request { begun: std::mem::take(&mut input) };
                        }
                    }
                }
                Phase::Body { received, length } => {
                    let count = input.len().min((*length - *received) as usize);
                    input.advance(count);
                    *received += count as u64;
                    if received == length {
                        let received = *received;
                        self.finish_upload(received)?;
                    }
                }
                Phase::Socket(echo) => {
                    let answer = echo.answer(std::mem::take(&mut input))?;
                    self.tls.writer().write_all(&answer)?;
                }
            }
        }
        Ok(())
    }

    /// A request whose header came in two pieces is put together in the same pool.
    fn join(&self, begun: SlabBytes, more: SlabBytes) -> SlabBytes {
        if begun.is_empty() {
            return more;
        }
        let mut both = self.pool.alloc(begun.len() + more.len());
        both.put_slice(&begun);
        both.put_slice(&more);
        both.freeze()
    }

    /// Acts on a request; `rest` is what has come behind its header.
    fn on_request(&mut self, request: Request, rest: &SlabBytes) -> Result<()> {
        match request {
            Request::Upload { length: 0 } => self.finish_upload(0)?,
            Request::Upload { length } => self.phase = Phase::Body { received: 0, length },
            Request::Upgrade { number, answer } => {
                self.tls.writer().write_all(&answer)?;
                self.phase = Phase::Socket(Box::default());
                self.keep_head(number, rest);
            }
        }
        Ok(())
    }

    /// The whole story in three lines: the head is some 20 bytes of a slab of 10 MiB. It is charged to its session.
    fn keep_head(&mut self, number: u64, head: &SlabBytes) {
        let _session = self.pool.scope("ws_session", number);
        self.head = match self.mode {
            Mode::Hold | Mode::Around | Mode::Punch => Some((number, Head::Slice(head.clone().tag("req.head")))),
            Mode::Retain => Some((number, Head::Slice(head.clone().retain_as("req.head")))),
            Mode::Park => Some((number, Head::Parked(head.clone().park("req.head")))),
            Mode::Release => None,
        };
    }

    fn finish_upload(&mut self, received: u64) -> Result<()> {
        let answer = http::upload_answer(received);
        self.tls.writer().write_all(&answer)?;
        self.phase = Phase::Request { begun: SlabBytes::new() };
        Ok(())
    }

    /// Sends what TLS has ready; false if the client has gone.
    fn flush(&mut self) -> Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Ok(false),
                    _ => return Err(error).context("writing to a client"),
                },
            }
        }
        Ok(true)
    }
}
