//! Whom to ask: a host and port, or a unix socket.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Trouble;
use crate::names::harmless;

/// A whole body may take this many times the patience for each of its pieces.
const PIECES: u32 = 30;

const START: &str = "\
Start it with `bufslab::admin::Server` (feature `admin`), or try \
`cargo run --features admin --example live_console -- --listen 127.0.0.1:6060`.";

/// Where a program listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `host:port`, the host in brackets if it is an address of IPv6.
    Tcp {
        authority: String,
    },
    Unix(PathBuf),
}

impl Endpoint {
    /// `host:port`, or `:port` for this machine. `None` if it is neither.
    pub fn tcp(text: &str) -> Option<Endpoint> {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit()))?;
        let host = if host.is_empty() && text.starts_with(':') { "localhost" } else { host };
        let is_bare = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let is_v6 = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let good = match in_brackets {
            Some(inside) => is_v6(inside),
            None => !host.is_empty() && is_bare(host),
        };
        good.then(|| Endpoint::Tcp { authority: format!("{host}:{port}") })
    }

    /// What stands in the header `Host`.
    pub fn host(&self) -> &str {
        match self {
            Endpoint::Tcp { authority } => authority,
            // A unix socket has no name; this one is as good as any.
            Endpoint::Unix(_) => "localhost",
        }
    }

    pub fn connect(&self, timeout: Duration) -> Result<Stream, Trouble> {
        let deadline = Instant::now() + timeout;
        match self {
            Endpoint::Tcp { authority } => {
                connect_tcp(authority, deadline).map(|tcp| Stream::new(Wire::Tcp(tcp), deadline))
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => match UnixStream::connect(path) {
                Ok(unix) => Ok(Stream::new(Wire::Unix(unix), deadline)),
                Err(error) => Err(Trouble::Unreachable(match error.kind() {
                    ErrorKind::NotFound => format!("there is no such socket: its program does not run. {START}"),
                    ErrorKind::ConnectionRefused => format!("nothing listens on it any more. {START}"),
                    ErrorKind::PermissionDenied => format!("{error}: the socket belongs to another user"),
                    _ => error.to_string(),
                })),
            },
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(Trouble::Unreachable("this system has no unix sockets".to_owned())),
        }
    }
}

/// Tries all addresses of a name, one after the other.
fn connect_tcp(authority: &str, deadline: Instant) -> Result<TcpStream, Trouble> {
    let addresses =
        authority.to_socket_addrs().map_err(|error| Trouble::Unreachable(format!("no such host: {error}")))?;
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            last = ErrorKind::TimedOut.into();
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(Trouble::Unreachable(match last.kind() {
        ErrorKind::ConnectionRefused => format!("nothing listens there (connection refused). {START}"),
        ErrorKind::TimedOut => "no connection within --timeout".to_owned(),
        _ => last.to_string(),
    }))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { authority } => write!(f, "http://{authority}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", harmless(&path.display().to_string())),
        }
    }
}

/// A connection that does not wait for ever: neither for one piece nor for all of them.
#[derive(Debug)]
pub struct Stream {
    wire: Wire,
    /// No piece may take longer.
    patience: Duration,
    /// By when everything has to be here.
    deadline: Instant,
}

#[derive(Debug)]
enum Wire {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    fn new(wire: Wire, deadline: Instant) -> Stream {
        Stream { wire, patience: deadline.saturating_duration_since(Instant::now()), deadline }
    }

    /// The head is here; the body may take longer.
    pub fn begin_body(&mut self, patience: Duration) {
        self.patience = patience;
        self.deadline = Instant::now() + patience * PIECES;
    }

    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now()).min(self.patience);
        if left.is_zero() { Err(too_slow()) } else { Ok(left) }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer within --timeout")
}

/// What the sockets call a timeout differs by system.
fn named(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => too_slow(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            io::Error::new(error.kind(), "the program closed the connection")
        }
        _ => error,
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.time_left()?;
        match &mut self.wire {
            Wire::Tcp(tcp) => tcp.set_read_timeout(Some(left)).and_then(|()| tcp.read(into)),
            #[cfg(unix)]
            Wire::Unix(unix) => unix.set_read_timeout(Some(left)).and_then(|()| unix.read(into)),
        }
        .map_err(named)
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let left = self.time_left()?;
        match &mut self.wire {
            Wire::Tcp(tcp) => tcp.set_write_timeout(Some(left)).and_then(|()| tcp.write(from)),
            #[cfg(unix)]
            Wire::Unix(unix) => unix.set_write_timeout(Some(left)).and_then(|()| unix.write(from)),
        }
        .map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.wire {
            Wire::Tcp(tcp) => tcp.flush(),
            #[cfg(unix)]
            Wire::Unix(unix) => unix.flush(),
        }
    }
}
