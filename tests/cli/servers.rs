//! Answers in every form HTTP/1.1 allows, and in some that it does not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::command::{Ran, pinned, run};

/// A server that reads one request and answers it as `answer` does.
fn serve(answer: impl FnOnce(TcpStream, String) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        answer(stream, String::from_utf8(request).unwrap());
    });
    address
}

/// A server that answers with these bytes and closes the connection.
fn says(answer: String) -> SocketAddr {
    serve(move |mut stream, _| {
        let _ = stream.write_all(answer.as_bytes());
    })
}

fn report(address: SocketAddr) -> Ran {
    run(["report", "--json", "--timeout", "5s", &address.to_string()])
}

fn json() -> String {
    let (pool, _kept) = pinned(9);
    pool.report().to_json()
}

#[test]
fn the_request_is_what_any_server_understands() {
    let (say, heard) = std::sync::mpsc::channel();
    let address = serve(move |mut stream, request| {
        say.send(request).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    run(["report", &format!("http://{address}/admin"), "--pool", "a b"]).refused("the answer is 204 No Content");
    let request = heard.recv().unwrap();
    let mut lines = request.lines();
    assert_eq!(lines.next(), Some("GET /admin/debug/slabs.json?pool=a%20b HTTP/1.1"));
    assert!(request.contains(&format!("\r\nHost: {address}\r\n")), "{request}");
    assert!(request.contains("\r\nConnection: close\r\n") && request.contains("\r\nUser-Agent: bufslab/"), "{request}");
}

#[test]
fn bodies_of_every_framing_are_read() {
    let json = json();
    let length = json.len();
    let chunks: String = json
        .as_bytes()
        .chunks(1000)
        .map(|chunk| format!("{:x};x=y\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
        .collect();
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}and more"),
        format!("HTTP/1.1 200 OK\r\ncontent-length:{length}\r\ncontent-encoding: identity\r\n\r\n{json}"),
        format!("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\nTrailer: x\r\n\r\n"),
        format!("HTTP/1.0 200 OK\r\n\r\n{json}"),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{json}"
        ),
    ] {
        let head: String = answer.chars().take(60).collect();
        assert_eq!(report(says(answer)).good().out, json, "{head}");
    }
    // A byte at a time.
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}");
    let drip = serve(move |mut stream, _| {
        stream.set_nodelay(true).unwrap();
        answer.bytes().for_each(|byte| stream.write_all(&[byte]).unwrap());
    });
    assert_eq!(report(drip).good().out, json);
}

#[test]
fn answers_that_are_none_are_refused() {
    let json = json();
    let cases = [
        ("", "it closes the connection without an answer"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "its answer is not HTTP"),
        ("\u{1b}[2J\u{7}", "its answer is not HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-", "its answer ends within the head"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"sche", "ends 1 bytes too early"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "not a report: expected value at line 1 column 1"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -6\r\n\r\n", "the length of its answer is \"-6\""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "its answer is longer than 1073741824 bytes"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "its answer is encoded as gzip"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "its answer is transferred as gzip"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "a piece of the answer does not say its length",
        ),
        ("HTTP/1.1 404 Not Found\r\n\r\nno such page", "the answer is 404 Not Found: no such page\nIs this a console"),
        ("HTTP/1.1 421 Misdirected Request\r\n\r\nHost\u{1b}[2J\nx", "421 Misdirected Request: Host\\u{1b}[2J"),
        ("HTTP/1.1 302 Found\r\nLocation: http://elsewhere\r\n\r\n", "the answer is 302 Found"),
    ];
    for (answer, says_so) in cases {
        let error = report(says(answer.to_owned())).refused(says_so).err;
        assert!(error.starts_with("bufslab: http://127.0.0.1:"), "{error}");
    }
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", json.len(), &json[..json.len() / 2]);
    report(says(cut)).refused("bytes too early");
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n", "x".repeat(100_000));
    report(says(huge)).refused("the head of its answer is longer than 65536 bytes");
}

#[test]
fn nobody_waits_for_ever() {
    let silent = serve(|stream, _| {
        thread::sleep(Duration::from_secs(20));
        drop(stream);
    });
    let start = Instant::now();
    run(["report", "--timeout", "300ms", &silent.to_string()]).refused("no answer within --timeout");
    // One that begins and then stalls.
    let stalls = serve(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"schema\":").unwrap();
        thread::sleep(Duration::from_secs(20));
    });
    run(["report", "--timeout", "300ms", &stalls.to_string()]).refused("no answer within --timeout");
    // One that never ends: each byte comes in time, and all of them never.
    let drips = serve(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    run(["report", "--timeout", "100ms", &drips.to_string()]).refused("no answer within --timeout");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn where_nobody_listens_it_says_what_to_start() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = report(address).refused("nothing listens there (connection refused)").err;
    assert!(error.contains(&address.to_string()) && error.contains("bufslab::admin::Server"), "{error}");
    assert!(error.contains("cargo run --features admin --example live_console"), "{error}");
    run(["top", "--once", &address.to_string()]).refused("nothing listens there");
    run(["watch", "--above", "1", &address.to_string()]).refused("nothing listens there");
}
