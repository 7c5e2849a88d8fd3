//! The server over TCP: real sockets, slow and greedy clients, and the end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bufslab::admin::{Server, ServerBuilder};
use bufslab::{SlabBytes, SlabPool};

use crate::help::{Answer, leaking};

fn short(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn start(build: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, SocketAddr, Vec<SlabBytes>) {
    let (pool, kept) = leaking("http", 3);
    let server = build(Server::builder().pool(&pool)).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    (server, address, kept)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        // What was left unread here is what the server took back.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    all
}

fn ask(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    rest(stream)
}

fn get(address: SocketAddr, target: &str) -> Answer {
    Answer::parse(
        &ask(address, &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")),
        false,
    )
}

#[test]
fn programs_and_people_share_a_port() {
    let (server, address, _kept) = start(|builder| builder);
    assert_eq!(server.url(), format!("http://{address}"));
    assert!(get(address, "/debug/slabs").text().starts_with("3 slabs pinned"));
    let session = ask(address, "\r\nslabs\r\nquit\r\n");
    let session = String::from_utf8(session).unwrap();
    assert!(session.contains("3 slabs pinned") && session.ends_with("bye\r\n"), "{session}");
    // One connection, many requests.
    let mut stream = connect(address);
    for _ in 0..3 {
        stream.write_all(b"GET /debug/slabs/level HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).unwrap();
        assert_eq!(Answer::parse(&buffer[..n], false).text(), "sites\n");
    }
    // A peer that has said all, and still listens.
    let mut stream = connect(address);
    stream.write_all(b"slabs").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(rest(stream).starts_with(b"3 slabs pinned"));
    assert!(server.shutdown());
}

#[test]
fn hosts_are_those_of_the_socket() {
    let (server, address, _kept) = start(|builder| builder.allow_host("scraper.example"));
    for (host, status) in
        [("127.0.0.1", 200), ("localhost:9", 200), ("scraper.example", 200), ("evil.example", 421), ("192.0.2.1", 421)]
    {
        let out = ask(address, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(Answer::parse(&out, false).status, status, "{host}");
    }
    assert!(server.shutdown());
}

#[test]
fn only_loopback_without_leave() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
        let error = Server::builder().bind(address).unwrap_err();
        assert_eq!(error.settings().unwrap().field(), "address");
        assert!(error.to_string().starts_with(&format!("address is {address}: it must be a loopback")), "{error}");
        assert!(error.to_string().contains("allow_remote(true)"), "{error}");
    }
    let server = Server::builder().pool(&SlabPool::new()).allow_remote(true).bind("0.0.0.0:0").unwrap();
    let port = server.local_addr().unwrap().port();
    assert_eq!(get(SocketAddr::from(([127, 0, 0, 1], port)), "/").status, 200);
    assert!(server.shutdown(), "it is woken on the wildcard address as well");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = Server::builder().bind(taken.local_addr().unwrap()).unwrap_err();
    assert_eq!(error.io_kind(), Some(ErrorKind::AddrInUse));
    assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:"), "{error}");
    assert!(Server::builder().bind("no address").is_err());
}

#[test]
fn settings_that_make_no_sense() {
    for (builder, field) in [
        (Server::builder().max_connections(0), "max_connections"),
        (Server::builder().request_timeout(Duration::ZERO), "request_timeout"),
        (Server::builder().response_timeout(Duration::MAX), "response_timeout"),
        (Server::builder().pool(SlabPool::global()).pool(SlabPool::global()), "pool"),
    ] {
        let error = builder.bind("127.0.0.1:0").unwrap_err();
        assert_eq!(error.settings().unwrap().field(), field);
    }
}

#[test]
fn a_request_that_drips_is_cut_at_its_deadline() {
    let (server, address, _kept) = start(|builder| builder.request_timeout(short(300)));
    let mut stream = connect(address);
    let begun = Instant::now();
    let answered = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut drip = stream.try_clone().unwrap();
        let answered = &answered;
        scope.spawn(move || {
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain([b'x'; 1000].iter()) {
                if answered.load(Ordering::Relaxed) || drip.write_all(&[*byte]).is_err() {
                    break;
                }
                thread::sleep(short(20));
            }
        });
        let mut head = [0; 4096];
        let n = stream.read(&mut head).unwrap();
        answered.store(true, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&head[..n]).into_owned();
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    });
    let took = begun.elapsed();
    assert!(took >= short(300) && took < Duration::from_secs(5), "{took:?}");
    assert!(server.shutdown());
}

#[test]
fn whoever_says_nothing_is_closed() {
    let (server, address, _kept) = start(|builder| builder.idle_timeout(short(200)).session_timeout(short(300)));
    // Before the first request, between two, and between two lines.
    assert!(rest(connect(address)).is_empty());
    let between = ask(address, "GET /debug/slabs/level HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(Answer::parse(&between, false).rest.is_empty());
    let line = String::from_utf8(ask(address, "level\n")).unwrap();
    assert!(line.ends_with("no line for a long time: bye\r\n"), "{line}");
    assert!(server.shutdown());
}

/// A pool whose report is longer than what sockets hold, of 100,000 slices.
fn huge() -> (SlabPool, Vec<SlabBytes>) {
    let pool = SlabPool::builder().name("huge").slab_size(64 * 1024).build().unwrap();
    let mut kept = Vec::new();
    for _ in 0..100 {
        let mut read = pool.alloc(64 * 1024);
        read.resize(64 * 1024, b'.');
        let whole = read.freeze();
        kept.extend((0..1000).map(|n| whole.slice(n * 60..n * 60 + 50).tag("part")));
    }
    (pool, kept)
}

/// Asks for a huge report and reads a little of it at a time until `until`: by then the server has to have given up, and
/// what has come does not look like a whole report.
fn read_slowly(builder: ServerBuilder, pause: Duration, until: Duration) {
    let (pool, _kept) = huge();
    let whole = pool.report().to_json().len();
    assert!(whole > 15 << 20, "{whole} bytes");
    // One at a time: it is served again only when the slow one is gone.
    let server = builder.pool(&pool).max_connections(1).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let mut buffer = [0; 512];
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut stream, begun) = loop {
        assert!(Instant::now() < deadline, "no report ever begins");
        let mut stream = connect(address);
        let begun = Instant::now();
        stream.write_all(b"GET /debug/slabs.json HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        // The one before may not have left its seat yet.
        if matches!(stream.read(&mut buffer), Ok(n) if buffer[..n].starts_with(b"HTTP/1.1 200")) {
            break (stream, begun);
        }
    };
    let mut read = 0;
    while begun.elapsed() < until {
        thread::sleep(pause);
        read += stream.read(&mut buffer).unwrap_or(0);
    }
    // The slow one still has its connection, and the server has not.
    let deadline = Instant::now() + Duration::from_secs(10);
    while get(address, "/debug/slabs/level").status != 200 {
        assert!(Instant::now() < deadline, "the slow client keeps its seat");
        thread::sleep(short(20));
    }
    let left = rest(stream);
    assert!(read + left.len() < whole / 2, "{} of {whole} bytes", read + left.len());
    assert!(!left.ends_with(b"0\r\n\r\n"));
    assert!(server.shutdown());
}

#[test]
fn a_client_that_reads_byte_by_byte_is_cut_at_the_deadline() {
    let patient = Server::builder().response_timeout(short(3000)).stall_timeout(Duration::from_secs(60));
    read_slowly(patient, short(5), short(3200));
}

#[test]
fn a_client_that_reads_nothing_is_cut_when_it_stalls() {
    let patient = Server::builder().response_timeout(Duration::from_secs(60)).stall_timeout(short(300));
    read_slowly(patient, short(1200), short(1000));
}

#[test]
fn too_many_clients_are_told_so() {
    let (server, address, _kept) = start(|builder| builder.max_connections(3));
    let mut sessions: Vec<TcpStream> = (0..3).map(|_| connect(address)).collect();
    for session in &mut sessions {
        session.write_all(b"level\n").unwrap();
        let mut answer = [0; 64];
        assert!(session.read(&mut answer).unwrap() > 0);
    }
    let told = get(address, "/debug/slabs");
    assert_eq!(told.status, 503);
    assert!(told.text().starts_with("3 clients are connected"), "{}", told.text());
    assert_eq!(told.header("retry-after"), Some("5"));
    // A crowd is closed, told or not, and nobody waits.
    let crowd: Vec<TcpStream> = (0..50).map(|_| connect(address)).collect();
    let begun = Instant::now();
    crowd.into_iter().for_each(|stream| drop(rest(stream)));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // One leaves, and there is room.
    sessions.pop();
    let deadline = Instant::now() + Duration::from_secs(10);
    while get(address, "/debug/slabs/level").status != 200 {
        assert!(Instant::now() < deadline, "the seat never became free");
        thread::sleep(short(20));
    }
    assert!(server.shutdown());
}

#[test]
fn garbage_harms_nobody() {
    let (server, address, _kept) = start(|builder| builder);
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..20 {
        let garbage: Vec<u8> = (0..20_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (noise >> 56) as u8
            })
            .collect();
        let mut stream = connect(address);
        // The server may hang up before all is said.
        let _ = stream.write_all(&garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let answer = rest(stream);
        assert!(answer.len() < 64 * 1024, "round {round}: {} bytes for 20,000 of garbage", answer.len());
    }
    assert!(get(address, "/debug/slabs").text().starts_with("3 slabs pinned"));
    assert!(server.shutdown());
}

#[test]
fn many_clients_at_once_are_all_answered() {
    let (server, address, _kept) = start(|builder| builder.max_connections(64));
    thread::scope(|scope| {
        for n in 0..32 {
            scope.spawn(move || {
                for _ in 0..4 {
                    if n % 2 == 0 {
                        let answer = get(address, "/debug/slabs.json");
                        assert_eq!(answer.json()["totals"]["slabs"], 3);
                    } else {
                        let session = ask(address, "slabs\nquit\n");
                        assert!(session.starts_with(b"3 slabs pinned"), "{}", session.escape_ascii());
                    }
                }
            });
        }
    });
    assert!(server.shutdown());
}

#[test]
fn the_end_comes_soon_whatever_clients_do() {
    let (server, address, _kept) = start(|builder| builder);
    let mut clients: Vec<TcpStream> = (0..6).map(|_| connect(address)).collect();
    clients[1].write_all(b"GET / HT").unwrap();
    clients[2].write_all(b"slabs\n").unwrap();
    clients[3].write_all(b"GET /debug/pprof/slabs?seconds=30 HTTP/1.0\r\n\r\n").unwrap();
    clients[4].write_all(b"GET /debug/slabs HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    thread::sleep(short(100));
    let begun = Instant::now();
    assert!(server.shutdown(), "all threads have ended");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    for client in clients {
        rest(client);
    }
    // Dropping one does the same.
    let (server, address, _kept) = start(|builder| builder);
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}
