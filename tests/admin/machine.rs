//! One connection without a socket: HTTP in every state of completeness.

use bufslab::admin::{Connection, Console, Door, Next, Waiting};

use crate::help::{Answer, converse, leaking, said};

fn console() -> Console {
    let (pool, _) = leaking("http", 0);
    Console::builder().pool(&pool).allow_level_changes(true).build().unwrap()
}

/// What differs from one second to the next is left out.
fn without_dates(out: &[u8]) -> String {
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn pieces_of_any_size_are_answered_alike() {
    let console = console();
    for input in [
        &b"GET /debug/slabs/level HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"GET /nowhere HTTP/1.0\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"BREW /tea HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /debug/slabs/level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nlevel=sites",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /debug/slabs/level HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        b"HELP\r\nlevel\r\nle\x08\x08level sites\r\nquit\r\n",
        b"\xff\xfb\x1f\xff\xfd\x03help\r\nslab 1\r\nnonsense\r\n",
        b"GET / is no request\r\n",
    ] {
        let whole = converse(&mut Connection::new(console.clone(), Door::Unknown), input, input.len());
        assert!(!whole.0.is_empty(), "{}", input.escape_ascii());
        for piece in [1, 2, 3, 7] {
            let pieces = converse(&mut Connection::new(console.clone(), Door::Unknown), input, piece);
            let [a, b] =
                [&whole.0, &pieces.0].map(|out| out.iter().filter(|b| b.is_ascii()).copied().collect::<Vec<_>>());
            assert_eq!(without_dates(&a), without_dates(&b), "{} by {piece}", input.escape_ascii());
            assert_eq!(whole.1, pieces.1, "{} by {piece}", input.escape_ascii());
        }
    }
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let one = "GET /debug/slabs/level HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let other = "\r\n\r\nHEAD /debug/slabs HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut out = said(&console(), format!("{one}{other}{one}{last}{one}").as_bytes());
    for (only_head, status, keep) in
        [(false, 200, "keep-alive"), (true, 200, "keep-alive"), (false, 200, "keep-alive"), (false, 404, "close")]
    {
        let answer = Answer::parse(&out, only_head);
        assert_eq!((answer.status, answer.header("connection")), (status, Some(keep)));
        out = answer.rest;
    }
    assert!(out.is_empty(), "nothing is answered after the close: {}", out.escape_ascii());
}

#[test]
fn how_a_connection_goes_on() {
    let console = console();
    for (head, keep, framed) in [
        ("GET /debug/slabs/level HTTP/1.0\r\n\r\n", false, true),
        ("GET /debug/slabs/level HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, true),
        ("GET /debug/slabs HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, false),
        ("GET /debug/slabs HTTP/1.1\r\nHost: localhost\r\n\r\n", true, true),
        ("GET /debug/slabs HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, Close\r\n\r\n", false, true),
    ] {
        let mut connection = Connection::new(console.clone(), Door::Unknown);
        let (out, closed) = converse(&mut connection, head.as_bytes(), 1000);
        assert_eq!(closed, !keep, "{head}");
        let answer = Answer::parse(&out, false);
        assert_eq!(answer.status, 200, "{head}");
        let has_frame = answer.header("content-length").or(answer.header("transfer-encoding")).is_some();
        assert_eq!(has_frame, framed, "{head}");
        assert!(!answer.body.is_empty());
        if keep {
            assert_eq!(connection.waiting(), Waiting::Idle);
            connection.end();
            assert_eq!(connection.step(&mut Vec::new()).unwrap(), Next::Close);
        }
    }
}

#[test]
fn what_is_no_request_gets_an_answer_that_helps() {
    let console = console();
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(9000));
    let long_head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(9000));
    let endless_head = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}", "X: y\r\n".repeat(3000));
    let many_headers = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(65));
    let host = "Host: localhost\r\n";
    for (request, status, says) in [
        (long_target.as_str(), 414, "8192 bytes"),
        (&long_head, 431, "8192 bytes"),
        (&endless_head, 431, "8192 bytes"),
        (&many_headers, 431, "64 headers"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "needs a Host"),
        ("GET /\r\n\r\n", 400, "GET / HTTP/1.0"),
        ("GET / \r\n", 400, "GET / HTTP/1.0"),
        ("GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 400, "not an HTTP request"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n Folded: x\r\n\r\n", 400, "not an HTTP request"),
        ("GET /\u{0} HTTP/1.1\r\n\r\n", 400, "not an HTTP request"),
        ("GET / HTTP/3.0\r\n\r\n", 505, "HTTP/1.0 and HTTP/1.1"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.0 and HTTP/1.1"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "several Host"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "evil.example"),
        (&format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 501, "Content-Length"),
        (&format!("POST / HTTP/1.1\r\n{host}Content-Length: 1025\r\n\r\n"), 413, "1024 bytes"),
        (&format!("POST / HTTP/1.1\r\n{host}Content-Length: 99999999999999999999\r\n\r\n"), 413, "1024 bytes"),
        (&format!("POST / HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\nx"), 400, "not one number"),
        (&format!("POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), 400, "not one number"),
        (&format!("GET / HTTP/1.1\r\n{host}"), 400, "ended before"),
        (&format!("POST / HTTP/1.1\r\n{host}Content-Length: 9\r\n\r\nshort"), 400, "ended before"),
    ] {
        let out = said(&console, request.as_bytes());
        let answer = Answer::parse(&out, false);
        let shown = &request[..request.len().min(60)];
        assert_eq!(answer.status, status, "{shown:?}: {answer:?}");
        assert!(answer.text().contains(says), "{shown:?}: {}", answer.text());
        let mistaken = matches!(status, 421) || says == "several Host";
        assert!(mistaken || answer.header("connection") == Some("close"), "{shown:?}");
    }
    assert!(said(&console, b"\x16\x03\x01\x00").starts_with(b"this port speaks plain HTTP"));
    assert!(said(&console, b"").is_empty());
}

#[test]
fn whoever_waits_for_leave_to_send_gets_it_once() {
    let head =
        b"POST /debug/slabs/level HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    let mut connection = Connection::new(console(), Door::Unknown);
    let (out, _) = converse(&mut connection, head, 5);
    assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (out, _) = converse(&mut connection, b"level=off", 1);
    assert_eq!(Answer::parse(&out, false).status, 200);
}

#[test]
fn a_form_that_a_browser_was_made_to_send_carries_no_command() {
    let (pool, _) = leaking("http", 0);
    let console = Console::builder().pool(&pool).allow_level_changes(true).build().unwrap();
    let form = "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 11\r\n\r\n\
                level off\r\nlevel off\r\nquit\r\n";
    let out = said(&console, form.as_bytes());
    let answer = Answer::parse(&out, false);
    assert_eq!(answer.status, 403);
    assert_eq!(Answer::parse(&answer.rest, false).status, 400, "the rest is read as a request, and is none");
    assert_eq!(pool.tracking(), bufslab::Level::Sites);
}

#[test]
fn time_runs_out_in_every_state() {
    for (input, waiting, says) in [
        (&b""[..], Waiting::Opening, &b""[..]),
        (b"GE", Waiting::Request, b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"GET / HTTP/1.1\r\n", Waiting::Request, b"HTTP/1.1 408 Request Timeout\r\n"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", Waiting::Idle, b""),
        (b"help\r\nsla", Waiting::Line, b"\r\nno line for a long time: bye\r\n"),
    ] {
        let mut connection = Connection::new(console(), Door::Unknown);
        converse(&mut connection, input, 100);
        assert_eq!(connection.waiting(), waiting);
        let mut out = Vec::new();
        connection.expire(&mut out).unwrap();
        assert!(out.starts_with(says), "{}", out.escape_ascii());
        assert_eq!(out.is_empty(), says.is_empty());
        assert_eq!(connection.step(&mut out).unwrap(), Next::Close);
        out.clear();
        connection.feed(b"more");
        connection.expire(&mut out).unwrap();
        assert!(out.is_empty());
    }
}

#[test]
fn a_peer_that_reads_nothing_ends_the_connection() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::TimedOut.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for input in [&b"GET /debug/slabs HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b"slabs\n", b"GET / HTTP/1.0\r\n\r\n"] {
        let mut connection = Connection::new(console(), Door::Unknown);
        connection.feed(input);
        assert_eq!(connection.step(&mut Full).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(connection.step(&mut Full).unwrap(), Next::Close);
    }
}

#[test]
fn a_panic_while_an_answer_is_written_ends_the_connection_and_nothing_else() {
    /// Panics behind so many bytes.
    struct Panics(usize);
    impl std::io::Write for Panics {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).expect("planted");
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let console = console();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut connection = Connection::new(console.clone(), Door::Unknown);
    connection.feed(b"GET /debug/slabs.json HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    let ended = connection.step(&mut Panics(700));
    std::panic::set_hook(quiet);
    assert!(ended.unwrap_err().to_string().contains("panicked"));
    assert_eq!(connection.step(&mut Vec::new()).unwrap(), Next::Close, "the next request is not answered");
    // The report was given back: there is leave for as many as before.
    for _ in 0..5 {
        assert_eq!(crate::help::get(&console, "/debug/slabs.json").status, 200);
    }
}
