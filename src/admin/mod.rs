//! Floor 6: pools of a running program, shown to whoever asks on its own machine.
//!
//! ```no_run
//! use bufslab::SlabPool;
//! use bufslab::admin::Server;
//!
//! let pool = SlabPool::builder().name("http").build()?;
//! let server = Server::builder().pool(&pool).bind("127.0.0.1:6060")?;
//! println!("listening on {}", server.url());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One port answers programs and people:
//!
//! ```text
//! $ curl localhost:6060/debug/slabs
//! $ go tool pprof http://localhost:6060/debug/pprof/slabs
//! $ telnet localhost 6060
//! help
//! ```
//!
//! | address | answer |
//! |---|---|
//! | `/` | links to the rest |
//! | `/debug/slabs` | the report as text; with `?short` on one screen |
//! | `/debug/slabs.html`, `.json`, `.csv`, `.heapsnapshot`, `.folded` | the report in [other forms](crate::report::Format) |
//! | `/debug/pprof/slabs` | the report for `go tool pprof`; with `?seconds=N`, what changes in that time (30 at most) |
//! | `/metrics` | all pools, for Prometheus |
//! | `/debug/slabs/diff`, `/debug/slabs/diff.json` | what changed since the last report, or since the one with `?since=ID` |
//! | `/debug/slabs/level` | the tracking level; `POST` with `?level=NAME` changes it, if the program allows that |
//! | `/debug/slabs/compact` | `POST` asks the program to compact, if it allows that |
//!
//! `?pool=NAME` asks for another pool than the first. Every report gets an ID, told in the header `Bufslab-Report-Id` (and
//! as `report_id` in its JSON), and is remembered without its slices, so that a later one can be compared with it; the
//! 32 newest are, within [32 MiB](ConsoleBuilder::remember_bytes). A person who talks to the port by `telnet` or `nc`
//! (no prompt comes before the first line, for the port cannot know yet that it is a person) types `slabs`, `top`,
//! `tag NAME`, `scope NAME`, `slab ID`, `diff`; `help` lists all there is.
//!
//! # What is exposed, and what never is
//!
//! Whoever reaches the port learns what reports hold: names that the program gave to pools, tags, scopes and hints,
//! paths of its sources, functions in its stacks, numbers of threads, sizes, counts and ages. No report holds a byte of
//! what the buffers contain. Names are escaped in every form, so that a hostile tag is no markup, no terminal sequence
//! and no line of its own. **Nobody is asked for a password**; these are the defaults instead:
//!
//! * A [`Server`] listens on loopback addresses only, unless the program calls [`ServerBuilder::allow_remote`]. On
//!   loopback, every user of the machine can still connect: where that matters use
//!   [`bind_unix`](ServerBuilder::bind_unix), whose socket only the user of the process (and root) can open.
//! * It is read-only. Changing the tracking level, and compaction, are there only if the program calls
//!   [`allow_level_changes`](ConsoleBuilder::allow_level_changes) and [`on_compact`](ConsoleBuilder::on_compact).
//! * Browsers visit any site, so they are not trusted. The `Host` must be a loopback name, the address the server was
//!   reached at, or a name that the program [allows](ConsoleBuilder::allow_host); otherwise the answer is 421 (DNS
//!   rebinding). What pages of other origins load or post is refused with 403, by `Sec-Fetch-Site` and `Origin`; a tool
//!   that must send a foreign origin adds the header `X-Bufslab: 1`, which no foreign page may send. There is no CORS, no
//!   answer may be framed, cached or sniffed for another type, and pages may load nothing.
//! * The first bytes decide whether a connection is HTTP or a person's, for all its life, so that no form and no script
//!   can pass commands to the other side.
//!
//! # What a client can take
//!
//! | what | bound | past it |
//! |---|---|---|
//! | connections at a time | [16](ServerBuilder::max_connections) | 503, or closed |
//! | reports in memory at a time | 4 | waits for two seconds, then 503 |
//! | a request's head, its headers, its body | 8 KiB, 64, 1 KiB | 431 or 414, 431, 413 |
//! | a person's line | 1 KiB | dropped; after ten lines that are no command the session ends |
//! | time for a request to come | [10 s](ServerBuilder::request_timeout) | 408 |
//! | time without a request, without a line | [1 min](ServerBuilder::idle_timeout), [10 min](ServerBuilder::session_timeout) | closed |
//! | time in which a client takes none of an answer | [10 s](ServerBuilder::stall_timeout) | closed |
//! | time for an answer in all | [2 min](ServerBuilder::response_timeout) | closed |
//! | input and output that a connection holds | [26 KiB](Connection::MAX_BUFFERED) | |
//! | summaries of past reports | [32 MiB](ConsoleBuilder::remember_bytes), 32 of them | the oldest are forgotten |
//!
//! A report is written to the socket as it is read from memory, and never is there twice. Taking one stops nobody. A
//! panic in a report, or in the program's callback, ends that answer and nothing else.
//!
//! # Behind something else
//!
//! To look from another machine, a tunnel needs nothing here: `ssh -L 6060:localhost:6060 host`, or for a unix socket
//! `ssh -L 6060:/run/app/slabs.sock host`. To put it behind a reverse proxy that asks for a password, bind to loopback or
//! a unix socket and either let the proxy send `Host: localhost`, or allow its name. A scraper on another machine needs
//! [`allow_remote`](ServerBuilder::allow_remote), and a network that lets nobody else reach the port. In a program that
//! has an HTTP server already, [`Console::respond`] answers its requests; for axum there is `router` (feature `axum`),
//! which belongs behind the program's own authentication, or on a listener of its own.
//!
//! # Files
//!
//! | file | part |
//! |---|---|
//! | `console` | pools, permissions, and leave to have a report in memory |
//! | `past` | reports that were served |
//! | `recording` | a trace of a pool, begun, ended and fetched |
//! | `request`, `response`, `routes`, `pages`, `guard` | HTTP without its bytes: which address shows what, to whom |
//! | `http` | HTTP's bytes |
//! | `telnet`, `shell` | a person's lines, and commands |
//! | `connection` | one client, without its socket |
//! | `server`, `clients`, `socket`, `socket_file`, `error` | threads and sockets |
//! | `router`, `pipe` | the same for axum |

mod clients;
mod connection;
mod console;
mod error;
mod guard;
mod http;
mod limits;
mod pages;
mod past;
#[cfg(feature = "axum")]
mod pipe;
mod recording;
mod request;
mod response;
#[cfg(feature = "axum")]
mod router;
mod routes;
mod server;
mod shell;
mod socket;
#[cfg(unix)]
mod socket_file;
mod telnet;

pub use connection::{Connection, Next, Waiting};
pub use console::{Console, ConsoleBuilder};
pub use error::ServerError;
pub use request::{Door, Request};
pub use response::Response;
#[cfg(feature = "axum")]
pub use router::router;
pub use server::{Server, ServerBuilder};
