//! HTTP/1: uploads are received and answered with their length, or with their SHA-256 (`POST /sha256`). Of each request two header values and
//! the first bytes of the body are kept for a while.

use std::collections::VecDeque;
use std::io::Write as _;
use std::ops::{Deref, Range};

use anyhow::{Result, anyhow};
use ring::digest;

use crate::buffers::{Buffers, Input};
use crate::connection::Connection;

const MAX_HEADER: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// So much of a body is kept.
const HEAD: usize = 64;
/// Of so many requests, the latest.
pub const KEPT: usize = 4096;
/// Header values that are kept.
const VALUES: [&str; 2] = ["user-agent", "x-request-id"];

/// What is kept of a request.
pub struct Kept<S> {
    /// In the order they came in.
    pub values: [Option<S>; 2],
    pub head: Option<S>,
}

impl<S: Deref<Target = [u8]>> Kept<S> {
    /// Bytes that are kept, as they were sent.
    pub fn bytes(&self) -> usize {
        self.values.iter().chain([&self.head]).flatten().map(|slice| slice.len()).sum()
    }
}

/// The latest requests.
pub type Log<S> = VecDeque<Kept<S>>;

/// A request's header, as far as it matters.
struct Header {
    size: usize,
    is_get: bool,
    wants_digest: bool,
    length: u64,
    expects: bool,
    is_last: bool,
    /// Where the values are that are to be kept, in order.
    values: [Option<Range<usize>>; 2],
}

/// A request that cannot be answered; its status.
struct Refused(&'static str);

pub async fn serve<B: Buffers>(mut connection: Connection<B>) -> Result<()> {
    let mut out = Vec::new();
    loop {
        let header = match parse(connection.input.unread()) {
            Ok(Some(header)) => header,
            Ok(None) => {
                // Answers wait until all requests that are there have theirs.
                if !connection.write(&mut out).await? || !connection.more(1).await? {
                    return Ok(());
                }
                continue;
            }
            Err(Refused(status)) => {
                out.extend_from_slice(
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes(),
                );
                connection.write(&mut out).await?;
                return Err(anyhow!("{status}"));
            }
        };
        let values = take_values::<B>(&mut connection.input, &header);
        if header.expects && connection.input.unread().is_empty() {
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let Some((head, digest)) = body(&mut connection, &header, &mut out).await? else {
            return Ok(());
        };
        log(&mut connection.shared.log.borrow_mut(), Kept { values, head });
        answer(&mut out, &header, digest);
        connection.shared.answered(1);
        if header.is_last {
            connection.write(&mut out).await?;
            return Ok(());
        }
    }
}

/// Reads the header that `bytes` begins with; `None` if it is not all there.
fn parse(bytes: &[u8]) -> Result<Option<Header>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let size = match request.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEADER => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Refused("431 Request Header Fields Too Large")),
        Err(_) => return Err(Refused("400 Bad Request")),
    };
    let is_get = match request.method {
        Some("GET") => true,
        Some("POST") => false,
        _ => return Err(Refused("405 Method Not Allowed")),
    };
    let mut header = Header {
        size,
        is_get,
        wants_digest: request.path == Some("/sha256"),
        length: 0,
        expects: false,
        is_last: request.version == Some(0),
        values: [None, None],
    };
    let mut values = 0;
    for field in request.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let digits = std::str::from_utf8(field.value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            header.length = digits.and_then(|text| text.parse().ok()).ok_or(Refused("400 Bad Request"))?;
        } else if is("transfer-encoding") {
            return Err(Refused("501 Not Implemented"));
        } else if is("expect") {
            header.expects = true;
        } else if is("connection") {
            header.is_last = field.value.eq_ignore_ascii_case(b"close")
                || (header.is_last && !field.value.eq_ignore_ascii_case(b"keep-alive"));
        } else if values < VALUES.len() && VALUES.into_iter().any(is) {
            let start = field.value.as_ptr().addr() - bytes.as_ptr().addr();
            header.values[values] = Some(start..start + field.value.len());
            values += 1;
        }
    }
    Ok(Some(header))
}

/// Uses the header up; what is to be kept is cut out of it.
fn take_values<B: Buffers>(input: &mut B::Input, header: &Header) -> [Option<B::Slice>; 2] {
    let mut at = 0;
    let values = header.values.clone().map(|range| {
        let Range { start, end } = range?;
        input.skip(start - at);
        at = end;
        Some(B::keep(input.take(end - start)))
    });
    input.skip(header.size - at);
    values
}

type Body<S> = (Option<S>, Option<digest::Digest>);

/// Receives the body. Returns what is kept of it, and its digest if the client wants that; `None` if the client has gone.
async fn body<B: Buffers>(
    connection: &mut Connection<B>,
    header: &Header,
    out: &mut Vec<u8>,
) -> Result<Option<Body<B::Slice>>> {
    let mut digest = header.wants_digest.then(|| digest::Context::new(&digest::SHA256));
    let (mut head, mut left) = (None, header.length);
    while left > 0 {
        let there = connection.input.unread();
        let count = there.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if count == 0 {
            if !connection.write(out).await? {
                return Ok(None);
            }
            // It is used up as it comes, so nothing has to be there in one piece.
            if !connection.more(1).await? {
                return Ok(None);
            }
            continue;
        }
        if let Some(digest) = &mut digest {
            digest.update(&there[..count]);
        }
        let mut rest = count;
        if head.is_none() {
            let part = count.min(HEAD);
            head = Some(B::keep(connection.input.take(part)));
            rest -= part;
        }
        connection.input.skip(rest);
        left -= count as u64;
    }
    Ok(Some((head, digest.map(digest::Context::finish))))
}

fn log<S>(log: &mut Log<S>, kept: Kept<S>) {
    if log.len() == KEPT {
        log.pop_front();
    }
    log.push_back(kept);
}

fn answer(out: &mut Vec<u8>, header: &Header, digest: Option<digest::Digest>) {
    let end = if header.is_last { "Connection: close\r\n" } else { "" };
    let mut answer = |size: u32, text: std::fmt::Arguments<'_>| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain";
        // Into memory; it cannot fail.
        let _ = write!(out, "{head}\r\n{end}Content-Length: {size}\r\n\r\n{text}");
    };
    match digest {
        Some(digest) => {
            let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            answer(digits.len() as u32 + 1, format_args!("{digits}\n"));
        }
        None if header.is_get => answer(6, format_args!("hello\n")),
        // Its digits, and the end of the line.
        None => answer(header.length.checked_ilog10().unwrap_or(0) + 2, format_args!("{}\n", header.length)),
    }
}
