//! What other crates' types hold of a buffer is copied out of it: the buffer's owner is dropped, and the value is what it was.
#![allow(missing_docs)]

use bufslab::{CompactBytes, Compacted, SlabBytes, SlabPool, compact_bytes};
use bytes::Bytes;
use http::header::{ACCEPT, COOKIE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, Utf8Bytes};

/// A read buffer that says when it is gone.
struct Read {
    bytes: Bytes,
    gone: Arc<AtomicBool>,
}

struct Owner(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

impl Read {
    fn of(text: &str) -> Read {
        let gone = Arc::new(AtomicBool::new(false));
        Read { bytes: Bytes::from_owner(Owner(text.into(), gone.clone())), gone }
    }

    /// The part of it that says `what`.
    fn part(&self, what: &str) -> Bytes {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        let at = text.find(what).unwrap();
        self.bytes.slice(at..at + what.len())
    }

    fn value(&self, what: &str) -> HeaderValue {
        HeaderValue::from_maybe_shared(self.part(what)).unwrap()
    }
}

/// `value` keeps `read` alive, and after it is compacted it does not, and is what it was.
#[track_caller]
fn ends<T: CompactBytes>(read: Read, mut value: T, seen: impl Fn(&T) -> String) -> Compacted {
    let Read { bytes, gone } = read;
    drop(bytes);
    assert!(!gone.load(Ordering::Relaxed), "it did not pin its buffer in the first place");
    let before = seen(&value);
    let compacted = value.compact_in_place();
    assert!(gone.load(Ordering::Relaxed), "the buffer is kept alive");
    assert_eq!(seen(&value), before);
    assert_eq!(compacted.left, 0);
    compacted
}

fn debug<T: std::fmt::Debug>(value: &T) -> String {
    format!("{value:?}")
}

#[test]
fn bytes() {
    let read = Read::of("0123456789");
    let part = read.part("345");
    assert_eq!(ends(read, part, debug), nothing_but(1, 3));
    assert!(compact_bytes(&Bytes::new()).is_empty());
    // What is empty may pin all the same.
    let read = Read::of("0123456789");
    let mut rest = read.bytes.clone();
    bytes::Buf::advance(&mut rest, 10);
    assert!(ends(read, rest, debug).is_nothing());
}

fn nothing_but(values: usize, bytes: usize) -> Compacted {
    let mut sum = Compacted::default();
    (sum.values, sum.bytes) = (values, bytes);
    sum
}

#[test]
fn slices_of_a_pool() {
    let pool = SlabPool::new();
    let mut read = pool.alloc(100);
    read.extend_from_slice(&[7; 100]);
    let mut head = read.freeze().slice(..20);
    assert_eq!(head.compact_in_place(), nothing_but(1, 20));
    assert_eq!((pool.stats().pinned_bytes, &head[..]), (0, &[7; 20][..]));
    assert!(head.compact_in_place().is_nothing());
    assert!(SlabBytes::from_static(b"static").compact_in_place().is_nothing());
}

#[test]
fn headers() {
    let read = Read::of("x-first: one\r\ncookie: a=1\r\ncookie: b=2\r\nx-second: \r\naccept: */*\r\n");
    let custom = |name: &str| HeaderName::from_bytes(name.as_bytes()).unwrap();
    let mut headers = HeaderMap::new();
    headers.append(custom("x-first"), read.value("one"));
    headers.append(COOKIE, read.value("a=1"));
    let mut secret = read.value("b=2");
    secret.set_sensitive(true);
    headers.append(COOKIE, secret);
    headers.append(custom("x-second"), HeaderValue::from_static(""));
    headers.append(ACCEPT, read.value("*/*"));
    let as_listed = |headers: &HeaderMap| {
        let entry = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}={value:?}/{}", value.is_sensitive());
        headers.iter().map(entry).collect::<Vec<_>>().join(" ")
    };
    // Four values that are not empty, and the two names that are not standard.
    let compacted = ends(read, headers, as_listed);
    assert_eq!(compacted, nothing_but(6, 3 + 3 + 3 + 3 + 7 + 8));
    assert_eq!(compacted.to_string(), "copied 6 values of 27 bytes");
    assert!(HeaderMap::new().compact_in_place().is_nothing());
}

#[test]
fn names() {
    // A name that is in lower case already is taken over as it is.
    let text = format!("x-{}", "long-".repeat(20));
    let read = Read::of(&text);
    let mut name = HeaderName::from_lowercase(&read.bytes).unwrap();
    assert_eq!(name.compact_in_place(), nothing_but(1, text.len()));
    assert_eq!(name.as_str(), text);
    assert!(HeaderName::from_static("cookie").compact_in_place().is_nothing());
}

/// A URI that was put together from parts may be longer than one that is parsed.
#[test]
fn what_cannot_be_copied_is_left_and_counted() {
    let path = format!("/{}", "x".repeat(65_500));
    let authority = format!("{}.example", "host.".repeat(20));
    let mut uri = Uri::builder().scheme("http").authority(authority).path_and_query(path.clone()).build().unwrap();
    let compacted = uri.compact_in_place();
    assert_eq!((compacted.values, compacted.left), (0, 1));
    assert_eq!(compacted.to_string(), "copied nothing, left 1");
    assert_eq!(uri.path(), path);
}

#[test]
fn uris() {
    for text in [
        "http://User@Example.com:8080/Some/path?and=a&query",
        "/only/a/path",
        "/?",
        "example.com:443",
        "HTTP://EXAMPLE.com",
        "other-scheme://[::1]:80/x?y=%20#",
        "/%41/..//x?",
    ] {
        let read = Read::of(text);
        let uri = Uri::from_maybe_shared(read.bytes.clone()).unwrap();
        let parts = |uri: &Uri| {
            let authority = uri.authority().map(|authority| authority.as_str());
            format!("{:?} {authority:?} {:?} {:?} {uri}", uri.scheme_str(), uri.path(), uri.query())
        };
        assert_eq!(ends(read, uri, parts).values, 1, "{text}");
    }
    for text in ["/", "*"] {
        let mut uri: Uri = text.parse().unwrap();
        assert!(uri.compact_in_place().is_nothing());
        assert_eq!(uri, *text);
    }
}

#[test]
fn requests_and_responses() {
    let read = Read::of("GET /a/path HTTP/1.1\r\ncookie: a=1\r\n\r\n");
    let uri = Uri::from_maybe_shared(read.part("/a/path")).unwrap();
    let request = Request::builder().uri(uri).header(COOKIE, read.value("a=1")).body("body").unwrap();
    assert_eq!(ends(read, request, debug), nothing_but(2, 10));

    let read = Read::of("HTTP/1.1 200 Fine\r\ncookie: a=1\r\n\r\n");
    let reason = hyper::ext::ReasonPhrase::try_from(read.part("Fine")).unwrap();
    let response = Response::builder().header(COOKIE, read.value("a=1")).extension(reason).body(()).unwrap();
    let seen = |response: &http::response::Parts| {
        format!("{response:?} {:?}", response.extensions.get::<hyper::ext::ReasonPhrase>())
    };
    assert_eq!(ends(read, response.into_parts().0, seen), nothing_but(2, 7));

    let read = Read::of("/a/path");
    let uri = Uri::from_maybe_shared(read.bytes.clone()).unwrap();
    let parts = Request::builder().uri(uri).body(()).unwrap().into_parts().0;
    assert_eq!(ends(read, parts, debug), nothing_but(1, 7));
}

#[test]
fn messages() {
    let text = || Read::of("a payload of some length");
    let utf8 = |read: &Read| Utf8Bytes::try_from(read.part("payload")).unwrap();
    let make: [fn(&Read) -> Message; 4] = [
        |read| Message::Binary(read.part("payload")),
        |read| Message::Ping(read.part("payload")),
        |read| Message::Pong(read.part("payload")),
        |read| Message::Frame(Frame::ping(read.part("payload"))),
    ];
    for make in make {
        let read = text();
        let message = make(&read);
        assert_eq!(ends(read, message, debug), nothing_but(1, 7));
    }
    let read = text();
    let message = Message::Text(utf8(&read));
    assert_eq!(ends(read, message, debug), nothing_but(1, 7));
    let read = text();
    let message = Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: utf8(&read) }));
    assert_eq!(ends(read, message, debug), nothing_but(1, 7));
    assert!(Message::Close(None).compact_in_place().is_nothing());
    let message = Message::text("kept").into_compact();
    assert_eq!(message, Message::text("kept"));
}

#[test]
fn sums() {
    let mut sum: Compacted = [nothing_but(1, 1), nothing_but(2, 30)].into_iter().sum();
    assert_eq!(sum.to_string(), "copied 3 values of 31 bytes");
    sum += Compacted::default();
    assert_eq!(sum + nothing_but(0, 0), nothing_but(3, 31));
    assert_eq!(nothing_but(1, 1).to_string(), "copied 1 value of 1 byte");
    assert_eq!(Compacted::default().to_string(), "copied nothing");
}
