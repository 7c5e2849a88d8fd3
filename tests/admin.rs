//! The admin console: the machine without sockets, fed in every way; the server with real ones; and the axum router.
#![allow(missing_docs)]
#![cfg(all(feature = "admin", not(miri)))]

#[path = "admin/garbage.rs"]
mod garbage;
#[path = "admin/help.rs"]
mod help;
#[path = "admin/machine.rs"]
mod machine;
#[path = "admin/pages.rs"]
mod pages;
#[path = "admin/person.rs"]
mod person;
#[path = "admin/recording.rs"]
mod recording;
#[cfg(feature = "axum")]
#[path = "admin/router.rs"]
mod router;
#[path = "admin/server.rs"]
mod server;
#[cfg(unix)]
#[path = "admin/unix.rs"]
mod unix;
