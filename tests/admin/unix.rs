//! The server on a unix socket, and the socket's file.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use bufslab::admin::Server;

use crate::help::{Answer, leaking};

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("bufslab-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_socket_for_its_owner_alone_that_goes_with_the_server() {
    let folder = Folder::new("socket");
    let path = folder.0.join("slabs.sock");
    let (pool, _kept) = leaking("http", 2);
    let server = Server::builder().pool(&pool).bind_unix(&path).unwrap();
    assert_eq!(server.path(), Some(path.as_path()));
    assert_eq!(server.local_addr(), None);
    assert_eq!(server.url(), format!("unix:{}", path.display()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let mut stream = UnixStream::connect(&path).unwrap();
    // No browser comes here, so the name is anything.
    stream.write_all(b"GET /debug/slabs HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(Answer::parse(&answer, false).text().starts_with("2 slabs pinned"));

    let mut person = UnixStream::connect(&path).unwrap();
    person.write_all(b"slabs\nquit\n").unwrap();
    let mut answer = String::new();
    person.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("2 slabs pinned") && answer.ends_with("bye\n"), "{answer}");

    assert!(server.shutdown());
    assert!(!path.exists());
}

#[test]
fn what_stands_in_the_way() {
    let folder = Folder::new("in-the-way");
    let (pool, _kept) = leaking("http", 1);
    let bind = |path: &PathBuf| Server::builder().pool(&pool).bind_unix(path);

    // A socket that its process left behind.
    let stale = folder.0.join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    let server = bind(&stale).unwrap();
    assert!(UnixStream::connect(&stale).is_ok());

    // The one of a server that lives.
    let error = bind(&stale).unwrap_err();
    assert_eq!(error.settings().unwrap().field(), "path");
    assert!(error.to_string().contains("another process listens there"), "{error}");

    // A file that somebody needs.
    let file = folder.0.join("file");
    fs::write(&file, "precious").unwrap();
    let error = bind(&file).unwrap_err();
    assert!(error.to_string().ends_with("it is a file"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    let error = bind(&folder.0.join("missing/x")).unwrap_err();
    assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound), "{error}");

    // A file that took the socket's place is not ours to remove.
    fs::remove_file(&stale).unwrap();
    fs::write(&stale, "precious").unwrap();
    assert!(server.shutdown());
    assert_eq!(fs::read_to_string(&stale).unwrap(), "precious");
}
