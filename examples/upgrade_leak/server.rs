//! The HTTPS server: one thread, one event loop, one pool, as Node was.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, ensure};
use bufslab::SlabPool;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::ServerConfig;

use crate::connection::Connection;
use crate::measure::PoolBytes;
use crate::plan::Mode;
use crate::tls::HOST;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_CLIENT: usize = 2;
/// A server that has not answered for this long never will.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server is asked for from outside, between two rounds of its loop.
enum Command {
    /// Measure the pool while nothing is being read.
    Measure(Sender<PoolBytes>),
    /// Check the kept heads, and end.
    Finish,
}

/// What a server can say at its end.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Heads that were kept and had the right bytes.
    pub good_heads: u64,
    /// The first thing that went wrong with a client or a head.
    pub failure: Option<Error>,
}

/// A running server; dropping it ends its thread.
pub struct Server {
    address: SocketAddr,
    waker: Waker,
    commands: Sender<Command>,
    thread: Option<JoinHandle<Result<Outcome>>>,
}

impl Server {
    pub fn start(pool: SlabPool, mode: Mode, tls: Arc<ServerConfig>) -> Result<Server> {
        let listener =
            TcpListener::bind(SocketAddr::new(HOST.parse()?, 0)).with_context(|| format!("listening on {HOST}"))?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (commands, inbox) = mpsc::channel();
        let event_loop = EventLoop {
            pool,
            mode,
            tls,
            poll,
            listener,
            inbox,
            clients: HashMap::new(),
            next: FIRST_CLIENT,
            outcome: Outcome::default(),
        };
        let thread = thread::Builder::new().name("server".to_owned()).spawn(move || event_loop.run())?;
        Ok(Server { address, waker, commands, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Measures the pool between two rounds of the loop. What the server is just reading is gone
    /// again by then, so this counts what somebody keeps. Node's curves were taken likewise: right
    /// after a forced garbage collection, once a second.
    pub fn measure(&self) -> Result<PoolBytes> {
        let (answer, answered) = mpsc::channel();
        self.tell(Command::Measure(answer))?;
        answered.recv_timeout(PATIENCE).map_err(|_| anyhow!("the server does not answer"))
    }

    /// Ends the server and returns what it has to say.
    pub fn finish(mut self) -> Result<Outcome> {
        self.stop().context("the server had ended already")?
    }

    fn tell(&self, command: Command) -> Result<()> {
        self.commands.send(command).map_err(|_| anyhow!("the server has ended"))?;
        Ok(self.waker.wake()?)
    }

    fn stop(&mut self) -> Option<Result<Outcome>> {
        let thread = self.thread.take()?;
        let _ = self.tell(Command::Finish);
        Some(thread.join().unwrap_or_else(|_| Err(anyhow!("the server panicked"))))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// All that lives on the server's thread.
struct EventLoop {
    pool: SlabPool,
    mode: Mode,
    tls: Arc<ServerConfig>,
    poll: Poll,
    listener: TcpListener,
    inbox: Receiver<Command>,
    clients: HashMap<Token, Connection>,
    next: usize,
    outcome: Outcome,
}

impl EventLoop {
    fn run(mut self) -> Result<Outcome> {
        self.poll.registry().register(&mut self.listener, LISTENER, Interest::READABLE)?;
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.context("waiting for clients")?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    WAKER => {}
                    client => self.serve(client),
                }
            }
            if self.obey() {
                self.check_heads();
                return Ok(self.outcome);
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => self.welcome(socket)?,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error).context("accepting a client"),
                },
            }
        }
    }

    fn welcome(&mut self, socket: mio::net::TcpStream) -> Result<()> {
        let token = Token(self.next);
        self.next += 1;
        let mut client = Connection::new(socket, self.tls.clone(), self.pool.clone(), self.mode)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(client.socket(), token, interest)?;
        self.clients.insert(token, client);
        Ok(())
    }

    fn serve(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else {
            return;
        };
        match client.on_ready() {
            Ok(true) => {}
            Ok(false) => drop(self.clients.remove(&token)),
            Err(error) => {
                self.outcome.failure.get_or_insert(error);
                self.clients.remove(&token);
            }
        }
    }

    /// Does what was asked for; true if that was to end.
    fn obey(&mut self) -> bool {
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::Measure(answer) => {
                    // Whoever asked may have given up; that is not the server's trouble.
                    let _ = answer.send(PoolBytes::of(&self.pool));
                }
                Command::Finish => return true,
            }
        }
        false
    }

    fn check_heads(&mut self) {
        for client in self.clients.values() {
            match client.check_head() {
                Ok(kept) => self.outcome.good_heads += u64::from(kept),
                Err(error) => drop(self.outcome.failure.get_or_insert(error)),
            }
        }
    }
}

impl Outcome {
    /// Fails if a client had trouble, or if not every connection's head is there and right where
    /// heads are kept at all.
    pub fn check(self, mode: Mode, connections: u64) -> Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure.context("the server had trouble"));
        }
        let expected = if mode == Mode::Release { 0 } else { connections };
        ensure!(self.good_heads == expected, "{} heads were kept and read back, of {expected}", self.good_heads);
        Ok(())
    }
}
