//! The server: one thread that lets clients in, and one for each of them.

use core::fmt;
use core::time::Duration;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::clients::{Clients, Seat};
use super::connection::{Connection, Next, Waiting};
use super::console::{Console, ConsoleBuilder};
use super::error::ServerError;
use super::http;
use super::limits::OUT;
use super::response::Response;
use super::socket::{Listener, Socket, Waker};
use crate::error::BuildError;
use crate::pool::SlabPool;

/// A console that listens, on threads of its own. It ends when it is dropped, or by [`shutdown`](Server::shutdown).
///
/// ```
/// use std::io::{Read, Write};
/// use bufslab::SlabPool;
/// use bufslab::admin::Server;
///
/// let pool = SlabPool::builder().name("http").build()?;
/// let server = Server::builder().pool(&pool).bind("127.0.0.1:0")?;
/// println!("listening on {}", server.url());
///
/// let mut person = std::net::TcpStream::connect(server.local_addr().expect("it is on TCP"))?;
/// person.write_all(b"slabs\nquit\n")?;
/// let mut answer = String::new();
/// person.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("no slab is pinned"), "{answer}");
/// assert!(server.shutdown(), "all its threads have ended");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a server ends when it is dropped"]
pub struct Server {
    console: Console,
    address: Option<SocketAddr>,
    #[cfg(unix)]
    path: Option<std::path::PathBuf>,
    clients: Arc<Clients>,
    waker: Option<Waker>,
    doorman: Option<JoinHandle<()>>,
}

/// How long clients may take, and how many there may be.
#[derive(Clone, Copy, Debug)]
struct Patience {
    connections: usize,
    head: Duration,
    idle: Duration,
    session: Duration,
    stall: Duration,
    response: Duration,
}

/// How long a server that ends waits for its threads.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a connection is listened to after the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// Clients that are told at a time that there are too many; more are just closed.
const TURNED_AWAY: usize = 4;

impl Server {
    /// Starts from the default configuration.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Where it listens, if that is on TCP: with the port that the system chose, if it was asked to.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The unix socket where it listens, if it does on one.
    #[cfg(unix)]
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Where it listens, as people write it: `http://127.0.0.1:6060`, or `unix:/run/app.sock`.
    #[must_use]
    pub fn url(&self) -> String {
        #[cfg(unix)]
        if let Some(path) = &self.path {
            return format!("unix:{}", path.display());
        }
        self.address.map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// What it shows.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Lets nobody in any more, ends all connections, and waits for its threads, up to five seconds. Returns whether all
    /// of them have ended: one that takes a report finishes that first, and one that is in the program's callback for
    /// compaction is in the program's hands.
    ///
    /// Dropping the server does the same.
    pub fn shutdown(mut self) -> bool {
        self.stop()
    }

    fn stop(&mut self) -> bool {
        self.clients.close();
        self.console.interrupt();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        let deadline = Instant::now() + FAREWELL;
        // The doorman first: after it nobody comes in.
        let mut all = self.doorman.take().is_none_or(|doorman| join_by(doorman, deadline));
        for thread in self.clients.threads() {
            all &= join_by(thread, deadline);
        }
        all
    }
}

/// Waits for a thread's end, and says whether it came.
fn join_by(thread: JoinHandle<()>, deadline: Instant) -> bool {
    while !thread.is_finished() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    // A panic of its own it has told standard error.
    let ended = thread.is_finished();
    if ended {
        let _ = thread.join();
    }
    ended
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url()).field("console", &self.console).finish_non_exhaustive()
    }
}

/// Configures a [`Server`]. Everything has a default, and every default is the careful one.
#[derive(Debug)]
#[must_use = "a builder does nothing until `bind`"]
pub struct ServerBuilder {
    console: ConsoleBuilder,
    /// In place of what the builder would make.
    made: Option<Console>,
    remote: bool,
    patience: Patience,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        ServerBuilder {
            console: ConsoleBuilder::default(),
            made: None,
            remote: false,
            patience: Patience {
                connections: 16,
                head: Duration::from_secs(10),
                idle: Duration::from_secs(60),
                session: Duration::from_secs(600),
                stall: Duration::from_secs(10),
                response: Duration::from_secs(120),
            },
        }
    }
}

impl ServerBuilder {
    /// Shows what this console shows, in place of what the builder's other methods say of pools and permissions.
    pub fn console(mut self, console: &Console) -> Self {
        self.made = Some(console.clone());
        self
    }

    /// As [`ConsoleBuilder::pool`].
    pub fn pool(mut self, pool: &SlabPool) -> Self {
        self.console = self.console.pool(pool);
        self
    }

    /// As [`ConsoleBuilder::allow_level_changes`].
    pub fn allow_level_changes(mut self, allow: bool) -> Self {
        self.console = self.console.allow_level_changes(allow);
        self
    }

    /// As [`ConsoleBuilder::on_compact`].
    pub fn on_compact(mut self, compact: impl Fn(&SlabPool) + Send + Sync + 'static) -> Self {
        self.console = self.console.on_compact(compact);
        self
    }

    /// As [`ConsoleBuilder::allow_host`].
    pub fn allow_host(mut self, host: &str) -> Self {
        self.console = self.console.allow_host(host);
        self
    }

    /// As [`ConsoleBuilder::allow_any_host`].
    pub fn allow_any_host(mut self, allow: bool) -> Self {
        self.console = self.console.allow_any_host(allow);
        self
    }

    /// Lets [`bind`](ServerBuilder::bind) take an address that other machines reach. Nobody is asked for a password:
    /// whoever reaches the port reads the reports, and does what the program allows. Default: no.
    pub fn allow_remote(mut self, allow: bool) -> Self {
        self.remote = allow;
        self
    }

    /// Connections at a time; more are told so and closed. Default: 16.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.patience.connections = connections;
        self
    }

    /// How long a request may take to come, from its first byte to its last. Default: 10 seconds.
    pub fn request_timeout(mut self, time: Duration) -> Self {
        self.patience.head = time;
        self
    }

    /// How long a connection may stay without a request. Default: one minute.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.patience.idle = time;
        self
    }

    /// How long a person may take for a line. Default: ten minutes.
    pub fn session_timeout(mut self, time: Duration) -> Self {
        self.patience.session = time;
        self
    }

    /// How long a client may take none of an answer. Default: 10 seconds.
    pub fn stall_timeout(mut self, time: Duration) -> Self {
        self.patience.stall = time;
        self
    }

    /// How long an answer may take in all, however the client reads it. Default: two minutes.
    pub fn response_timeout(mut self, time: Duration) -> Self {
        self.patience.response = time;
        self
    }

    /// Listens on TCP. Port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// If the address is none, is not this machine's own alone (and [`allow_remote`](ServerBuilder::allow_remote) does
    /// not allow that) or is in use; and what [`ConsoleBuilder::build`] says.
    pub fn bind(self, address: impl ToSocketAddrs) -> Result<Server, ServerError> {
        let addresses: Vec<SocketAddr> = address
            .to_socket_addrs()
            .map_err(|error| ServerError::io("find the address to listen on", error))?
            .collect();
        for address in &addresses {
            if !address.ip().to_canonical().is_loopback() && !self.remote {
                let allowed = "a loopback address, such as 127.0.0.1:6060 or [::1]:6060, unless the program calls \
                               allow_remote(true): no password is asked for, so whoever reaches it reads the reports";
                return Err(BuildError::new("address", address.to_string(), allowed).into());
            }
        }
        let shown: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let listener = TcpListener::bind(&addresses[..])
            .map_err(|error| ServerError::io(format!("listen on {}", shown.join(" or ")), error))?;
        self.start(Listener::Tcp(listener))
    }

    /// Listens on a unix socket, which only the user that this process runs as (and root) may open. A file that a server
    /// has left there gives way; the new one is removed when this server ends.
    ///
    /// # Errors
    ///
    /// If there is a file of another kind, or a socket that somebody listens on, or none can be made; and what
    /// [`ConsoleBuilder::build`] says.
    #[cfg(unix)]
    pub fn bind_unix(self, path: impl AsRef<Path>) -> Result<Server, ServerError> {
        let (listener, file) = super::socket_file::listen(path.as_ref())?;
        self.start(Listener::Unix(listener, file))
    }

    fn start(self, listener: Listener) -> Result<Server, ServerError> {
        self.check()?;
        let console = match self.made {
            Some(console) => console,
            None => self.console.build()?,
        };
        let clients = Arc::new(Clients::new(self.patience.connections, TURNED_AWAY));
        let waker = listener.waker().map_err(|error| ServerError::io("prepare the end of the server", error))?;
        let address = match &listener {
            Listener::Tcp(listener) => {
                Some(listener.local_addr().map_err(|error| ServerError::io("see where it listens", error))?)
            }
            #[cfg(unix)]
            Listener::Unix(..) => None,
        };
        #[cfg(unix)]
        let path = match &listener {
            Listener::Unix(_, file) => Some(file.path().to_owned()),
            Listener::Tcp(_) => None,
        };
        let doorman = {
            let (console, clients, patience) = (console.clone(), Arc::clone(&clients), self.patience);
            let work = move || let_in(&listener, &console, &clients, patience);
            thread::Builder::new()
                .name("bufslab-admin".to_owned())
                .spawn(work)
                .map_err(|error| ServerError::io("start a thread", error))?
        };
        Ok(Server {
            console,
            address,
            #[cfg(unix)]
            path,
            clients,
            waker: Some(waker),
            doorman: Some(doorman),
        })
    }

    fn check(&self) -> Result<(), BuildError> {
        let patience = &self.patience;
        if patience.connections == 0 {
            return Err(BuildError::new("max_connections", "0", "at least 1"));
        }
        for (field, time) in [
            ("request_timeout", patience.head),
            ("idle_timeout", patience.idle),
            ("session_timeout", patience.session),
            ("stall_timeout", patience.stall),
            ("response_timeout", patience.response),
        ] {
            if time < Duration::from_millis(1) || time > Duration::from_secs(86_400) {
                return Err(BuildError::new(field, format!("{time:?}"), "from one millisecond to one day"));
            }
        }
        Ok(())
    }
}

/// The thread that lets clients in.
fn let_in(listener: &Listener, console: &Console, clients: &Arc<Clients>, patience: Patience) {
    loop {
        let accepted = listener.accept();
        if clients.is_closed() {
            return;
        }
        let Ok((socket, door)) = accepted else {
            // The client is gone already, or the process has no more descriptors: one of its own may become free.
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let console = console.clone();
        clients.seat(socket, move |socket, seat| match seat {
            Seat::Served => serve(socket, Connection::new(console, door), &patience),
            Seat::TurnedAway => turn_away(socket, &patience),
        });
    }
}

/// One client, from its first byte to its last.
fn serve(socket: &Socket, mut connection: Connection, patience: &Patience) {
    let mut input = [0; 4096];
    let mut phase = (connection.waiting(), connection.served());
    let mut since = Instant::now();
    let writer = || socket.writer(Instant::now() + patience.response, patience.stall);
    loop {
        let allowed = match phase.0 {
            Waiting::Opening | Waiting::Idle => patience.idle,
            Waiting::Request => patience.head,
            Waiting::Line => patience.session,
        };
        let mut fed = match socket.read_by(&mut input, since + allowed) {
            Ok(0) => {
                connection.end();
                &input[..0]
            }
            Ok(n) => &input[..n],
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let _ = connection.expire(&mut writer());
                return socket.close_gently(LINGER);
            }
            Err(_) => return socket.shut_down(),
        };
        loop {
            fed = &fed[connection.feed(fed)..];
            match connection.step(&mut writer()) {
                Ok(Next::Again) => {}
                Ok(Next::Read) if !fed.is_empty() => {}
                Ok(Next::Read) => break,
                Ok(Next::Close) => return socket.close_gently(LINGER),
                Err(_) => return socket.shut_down(),
            }
        }
        let now = (connection.waiting(), connection.served());
        if now != phase {
            phase = now;
            since = Instant::now();
        }
    }
}

/// One client too many.
fn turn_away(socket: &Socket, patience: &Patience) {
    let text = format!("{} clients are connected, and no more are served at a time", patience.connections);
    let response = Response::text(503, text).with("Retry-After", "5");
    let mut writer = socket.writer(Instant::now() + LINGER, LINGER);
    let mut sent = Vec::with_capacity(OUT / 8);
    if http::write_response(response, None, false, &mut sent).is_ok() && writer.write_all(&sent).is_ok() {
        socket.close_gently(LINGER);
    }
}
