//! One connection of the server: TLS, then HTTP, then perhaps a WebSocket whose head is kept.
//!
//! As in Node 0.8 everything that is read goes through the buffers twice: what the socket gives, and what TLS makes of it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Error, Result, ensure};
use bytes::{Buf, BufMut};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use crate::buffers::Buffers;
use crate::echo::Echo;
use crate::http::{self, Request};

/// A request's header may not be longer than this.
const MAX_HEADER: usize = 16 * 1024;

/// The head of an upgrade request that the server keeps.
pub struct Head<S> {
    pub slice: S,
    /// What the client calls the session.
    pub number: u64,
    /// Size of the read that it was cut from: with a `Vec` for each read, what it keeps alive.
    pub of: usize,
}

/// What all connections share.
pub struct Shared<B: Buffers> {
    pub buffers: B,
    /// Heads of open sessions, by connection.
    pub heads: RefCell<HashMap<u64, Head<B::Slice>>>,
    /// Requests that were answered.
    pub requests: Cell<u64>,
    /// The first thing that went wrong.
    pub failure: RefCell<Option<Error>>,
}

/// What the connection waits for.
enum Phase<B: Buffers> {
    /// A request's header; this much of it has come.
    Request { begun: B::Slice },
    /// The rest of an upload's body.
    Body { received: u64, length: u64 },
    /// WebSocket frames.
    Socket(Box<Echo<B::Slice>>),
}

pub struct Connection<B: Buffers> {
    id: u64,
    shared: Rc<Shared<B>>,
    socket: TcpStream,
    tls: ServerConnection,
    phase: Phase<B>,
}

impl<B: Buffers> Connection<B> {
    pub fn new(id: u64, shared: Rc<Shared<B>>, socket: TcpStream, tls: Arc<ServerConfig>) -> Result<Connection<B>> {
        socket.set_nodelay(true)?;
        let phase = Phase::Request { begun: B::Slice::default() };
        Ok(Connection { id, shared, socket, tls: ServerConnection::new(tls)?, phase })
    }

    /// Serves the client until it has gone.
    pub async fn serve(mut self) -> Result<()> {
        loop {
            self.socket.readable().await?;
            match self.read_ciphertext() {
                Ok(sealed) if sealed.is_empty() => return Ok(()),
                Ok(sealed) => self.on_ciphertext(&sealed)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error).context("reading from a client"),
            }
            if !self.flush().await? {
                return Ok(());
            }
        }
    }

    /// Reads what the socket has; empty at the end of the stream. What is not filled is never touched.
    fn read_ciphertext(&mut self) -> io::Result<B::Slice> {
        let buffers = &self.shared.buffers;
        let mut room = buffers.room(buffers.most());
        self.socket.try_read_buf(&mut room)?;
        Ok(B::filled(room))
    }

    fn on_ciphertext(&mut self, mut sealed: &[u8]) -> Result<()> {
        while !sealed.is_empty() {
            if self.tls.read_tls(&mut sealed)? == 0 {
                break; // The client has said goodbye.
            }
            let mut ready = self.tls.process_new_packets().context("TLS with a client")?.plaintext_bytes_to_read();
            while ready > 0 {
                let count = ready.min(self.shared.buffers.most());
                let plain = self.read_plaintext(count)?;
                self.on_plaintext(plain, count)?;
                ready -= count;
            }
        }
        Ok(())
    }

    fn read_plaintext(&mut self, count: usize) -> Result<B::Slice> {
        let mut plain = self.shared.buffers.room(count);
        let mut left = count;
        while left > 0 {
            let mut reader = self.tls.reader();
            let part = reader.fill_buf()?;
            let taken = part.len().min(left);
            plain.put_slice(&part[..taken]);
            reader.consume(taken);
            left -= taken;
        }
        Ok(B::filled(plain))
    }

    /// Acts on what has come; it was cut from a read of `of` bytes.
    fn on_plaintext(&mut self, mut input: B::Slice, mut of: usize) -> Result<()> {
        while !input.is_empty() {
            match &mut self.phase {
                Phase::Request { begun } => {
                    let begun = std::mem::take(begun);
                    if !begun.is_empty() {
                        input = self.join(&begun, &input);
                        of = input.len();
                    }
                    match http::parse(&input)? {
                        Some((size, request)) => {
                            let rest = B::split_off(&mut input, size);
                            self.on_request(request, &rest, of)?;
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

    /// A request whose header came in two pieces is put together.
    fn join(&self, begun: &[u8], more: &[u8]) -> B::Slice {
        let mut both = self.shared.buffers.room(begun.len() + more.len());
        both.put_slice(begun);
        both.put_slice(more);
        B::filled(both)
    }

    fn on_request(&mut self, request: Request, rest: &B::Slice, of: usize) -> Result<()> {
        match request {
            Request::Upload { length: 0 } => self.finish_upload(0)?,
            Request::Upload { length } => self.phase = Phase::Body { received: 0, length },
            Request::Upgrade { number, answer } => {
                self.tls.writer().write_all(&answer)?;
                self.phase = Phase::Socket(Box::default());
                let head = Head { slice: B::kept(rest), number, of };
                self.shared.heads.borrow_mut().insert(self.id, head);
                self.count();
            }
        }
        Ok(())
    }

    fn finish_upload(&mut self, received: u64) -> Result<()> {
        self.tls.writer().write_all(&http::upload_answer(received))?;
        self.phase = Phase::Request { begun: B::Slice::default() };
        self.count();
        Ok(())
    }

    fn count(&self) {
        self.shared.requests.set(self.shared.requests.get() + 1);
    }

    /// Sends what TLS has ready; false if the client has gone.
    async fn flush(&mut self) -> Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Direct(&self.socket)) {
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.socket.writable().await?,
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Ok(false),
                    _ => return Err(error).context("writing to a client"),
                },
            }
        }
        Ok(true)
    }
}

/// A session that ends keeps its head no longer.
impl<B: Buffers> Drop for Connection<B> {
    fn drop(&mut self) {
        self.shared.heads.borrow_mut().remove(&self.id);
    }
}

/// A socket that never waits, as `rustls` wants it.
struct Direct<'a>(&'a TcpStream);

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
