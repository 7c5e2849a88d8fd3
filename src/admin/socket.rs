//! Sockets of both kinds, with deadlines.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use super::request::Door;
#[cfg(unix)]
use super::socket_file::SocketFile;

/// Where clients come in.
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, SocketFile),
}

impl Listener {
    pub(super) fn accept(&self) -> io::Result<(Socket, Door)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Answers are written in large pieces, and a person's in one.
                let _ = stream.set_nodelay(true);
                let door = Door::Tcp(stream.local_addr()?);
                Ok((Socket::Tcp(stream), door))
            }
            #[cfg(unix)]
            Listener::Unix(listener, _) => Ok((Socket::Unix(listener.accept()?.0), Door::Unix)),
        }
    }

    /// Something that ends a thread's wait in [`accept`](Listener::accept), now or later.
    pub(super) fn waker(&self) -> io::Result<Waker> {
        Ok(match self {
            Listener::Tcp(listener) => Waker {
                #[cfg(unix)]
                listener: std::os::fd::OwnedFd::from(listener.try_clone()?),
                address: Some(listener.local_addr()?),
            },
            #[cfg(unix)]
            Listener::Unix(listener, _) => {
                Waker { listener: std::os::fd::OwnedFd::from(listener.try_clone()?), address: None }
            }
        })
    }
}

/// Ends a thread's wait for clients.
pub(super) struct Waker {
    #[cfg(unix)]
    listener: std::os::fd::OwnedFd,
    address: Option<std::net::SocketAddr>,
}

impl Waker {
    /// Where it works (on Linux it does), shutting the listener down makes `accept` return for good. Everywhere, a
    /// client comes in once more.
    pub(super) fn wake(self) {
        // Every descriptor of a socket has this call, whatever it was made for.
        #[cfg(unix)]
        let shut = UnixStream::from(self.listener).shutdown(Shutdown::Both).is_ok();
        #[cfg(not(unix))]
        let shut = false;
        if let Some(mut address) = self.address.filter(|_| !shut) {
            if address.ip().is_unspecified() {
                address.set_ip(match address {
                    std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                    std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
                });
            }
            let _ = TcpStream::connect_timeout(&address, Duration::from_millis(500));
        }
    }
}

/// A connection of either kind.
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same to a socket of either kind.
macro_rules! either {
    ($socket:expr, $stream:ident => $do:expr) => {
        match $socket {
            Socket::Tcp($stream) => $do,
            #[cfg(unix)]
            Socket::Unix($stream) => $do,
        }
    };
}

impl Socket {
    pub(super) fn try_clone(&self) -> io::Result<Socket> {
        Ok(match self {
            Socket::Tcp(stream) => Socket::Tcp(stream.try_clone()?),
            #[cfg(unix)]
            Socket::Unix(stream) => Socket::Unix(stream.try_clone()?),
        })
    }

    /// Ends it for everybody who reads or writes it.
    pub(super) fn shut_down(&self) {
        let _ = either!(self, stream => stream.shutdown(Shutdown::Both));
    }

    /// Reads what is there, or waits for it until the deadline; [`io::ErrorKind::TimedOut`] then.
    pub(super) fn read_by(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let left = left_until(deadline)?;
            either!(self, stream => stream.set_read_timeout(Some(left)))?;
            match either!(self, stream => (&mut &*stream).read(buffer)) {
                Err(error) if is_pause(&error) => {}
                result => return result,
            }
        }
    }

    /// Sends what was written, and reads on for a while: closing a socket with unread input would take back the answer
    /// that is on its way (RFC 9112, 9.6).
    pub(super) fn close_gently(&self, patience: Duration) {
        const ENOUGH: usize = 256 * 1024;
        if either!(self, stream => stream.shutdown(Shutdown::Write)).is_err() {
            return;
        }
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 4096];
        let mut read = 0;
        while read < ENOUGH {
            match self.read_by(&mut buffer, deadline) {
                Ok(0) | Err(_) => return,
                Ok(n) => read += n,
            }
        }
    }

    /// What writes to it until `deadline`, and gives up when the peer takes nothing for as long as `stall`.
    pub(super) fn writer(&self, deadline: Instant, stall: Duration) -> TimedWriter<'_> {
        TimedWriter { socket: self, deadline, stall, failed: false }
    }
}

/// Writes as long as the peer keeps reading, and no longer than it may take in all.
pub(super) struct TimedWriter<'a> {
    socket: &'a Socket,
    deadline: Instant,
    stall: Duration,
    /// After an error nothing is tried again: buffers that are dropped would.
    failed: bool,
}

impl Write for TimedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let written = (|| {
            let left = left_until(self.deadline)?.min(self.stall);
            either!(self.socket, stream => stream.set_write_timeout(Some(left)))?;
            either!(self.socket, stream => (&mut &*stream).write(bytes))
        })();
        match written {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = true;
                Err(if is_pause(&error) { io::ErrorKind::TimedOut.into() } else { error })
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Never zero, which a socket would take for "no limit".
fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left.max(Duration::from_millis(1))) }
}

/// What systems call a time-out of a socket, or a signal.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
