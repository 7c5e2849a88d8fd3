//! What the tests share: pools that pin something, and answers taken apart.

use bufslab::admin::{Connection, Console, Door, Next};
use bufslab::{SlabBytes, SlabPool};

/// A name that would take over a terminal, a page, a header or a line if anything let it.
pub(crate) const HOSTILE: &str = "\u{1b}[31m<script>alert(1)</script>\r\nX: \"y\",'z'\n";

/// A pool whose slabs are pinned by 20 bytes each.
pub(crate) fn leaking(name: &str, slabs: usize) -> (SlabPool, Vec<SlabBytes>) {
    let pool = SlabPool::builder().name(name).slab_size(4096).build().unwrap();
    let kept = leak(&pool, "req.head", slabs);
    (pool, kept)
}

pub(crate) fn leak(pool: &SlabPool, tag: &str, slabs: usize) -> Vec<SlabBytes> {
    (0..slabs)
        .map(|n| {
            let _scope = pool.scope("ws_session", n as u64);
            let mut read = pool.alloc(pool.slab_size());
            read.resize(pool.slab_size(), b'.');
            read.freeze().slice(..20).tag(tag)
        })
        .collect()
}

/// One answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What came behind it.
    pub(crate) rest: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands there twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Takes an answer from the front of what a server sent.
    pub(crate) fn parse(bytes: &[u8], only_head: bool) -> Answer {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(len) = head.parse(bytes).expect("an answer of HTTP") else {
            panic!("half an answer: {}", bytes.escape_ascii());
        };
        let headers: Vec<(String, String)> = head
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), String::from_utf8(header.value.to_vec()).unwrap()))
            .collect();
        let mut answer = Answer { status: head.code.unwrap(), headers, body: Vec::new(), rest: bytes[len..].to_vec() };
        if only_head {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            assert_eq!(answer.header("content-length"), None);
            (answer.body, answer.rest) = unframed(&bytes[len..]);
        } else if let Some(size) = answer.header("content-length") {
            let size: usize = size.parse().unwrap();
            answer.body = bytes[len..len + size].to_vec();
            answer.rest = bytes[len + size..].to_vec();
        } else {
            assert_eq!(answer.header("connection"), Some("close"), "the body ends with the connection");
            answer.body = std::mem::take(&mut answer.rest);
        }
        answer
    }
}

/// Undoes the chunked coding.
fn unframed(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a size");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        body.extend_from_slice(&bytes[..size]);
        assert_eq!(&bytes[size..size + 2], b"\r\n");
        bytes = &bytes[size + 2..];
        if size == 0 {
            return (body, bytes.to_vec());
        }
    }
}

/// What a connection says to `input`, which comes in pieces of `piece` bytes and then ends. Returns whether it closed.
pub(crate) fn converse(connection: &mut Connection, input: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    for mut part in input.chunks(piece) {
        loop {
            let used = connection.feed(part);
            part = &part[used..];
            assert!(connection.buffered() <= Connection::MAX_BUFFERED);
            match connection.step(&mut out).unwrap() {
                Next::Close => return (out, true),
                Next::Again => {}
                Next::Read if part.is_empty() => break,
                Next::Read => assert!(used > 0, "it wants input and takes none"),
            }
        }
    }
    (out, false)
}

/// What a new connection says to `input` when that is all there is, and it comes at once.
pub(crate) fn said(console: &Console, mut input: &[u8]) -> Vec<u8> {
    let mut connection = Connection::new(console.clone(), Door::Unknown);
    let mut out = Vec::new();
    loop {
        input = &input[connection.feed(input)..];
        if input.is_empty() {
            connection.end();
        }
        if connection.step(&mut out).unwrap() == Next::Close {
            return out;
        }
    }
}

pub(crate) fn get(console: &Console, target: &str) -> Answer {
    request(console, "GET", target, "")
}

/// Asks by one request with these header lines.
pub(crate) fn request(console: &Console, method: &str, target: &str, headers: &str) -> Answer {
    let text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let answer = Answer::parse(&said(console, text.as_bytes()), method == "HEAD");
    assert!(answer.rest.is_empty(), "{answer:?}");
    answer
}

/// What a person sees who types `lines`.
pub(crate) fn typed(console: &Console, lines: &str) -> String {
    String::from_utf8(said(console, lines.as_bytes())).expect("text")
}
