//! HTTP/1.x as bytes: the head of a request, and an answer with its framing (RFC 9112).

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use super::limits::{MAX_BODY, MAX_HEAD, MAX_HEADERS, OUT};
use super::request::{Door, Request};
use super::response::{Response, reason};

/// How a request's connection goes on, and how long the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    /// Bytes of the head.
    pub(super) head: usize,
    /// Bytes of the body behind it.
    pub(super) body: usize,
    /// Whether the peer speaks HTTP/1.1, so that an answer may come in pieces.
    pub(super) pieces: bool,
    /// Whether more requests may follow.
    pub(super) keep: bool,
}

/// A complete request, or why it is none.
pub(super) enum Parsed<'a> {
    /// More bytes are needed.
    Partial {
        /// Whether the peer waits for leave to send them.
        asks: bool,
    },
    Whole(Framing, Request<'a>),
    /// What to answer before the connection is closed.
    Bad(Response),
}

/// Reads a request from the front of `input`. `end` is where its head ends, if that has come.
pub(super) fn parse(input: &[u8], end: Option<usize>, door: Door) -> Parsed<'_> {
    if end.unwrap_or(input.len()) > MAX_HEAD || end.is_none() && input.len() == MAX_HEAD {
        let text = format!("a request's head may have {MAX_HEAD} bytes");
        let status = if input[..MAX_HEAD].contains(&b'\n') { 431 } else { 414 };
        return Parsed::Bad(Response::text(status, text));
    }
    let Some(end) = end else { return Parsed::Partial { asks: false } };
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let bad = |status: u16, text: &str| Parsed::Bad(Response::text(status, text));
    match head.parse(&input[..end]) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return bad(400, "the request's head ends too early"),
        Err(httparse::Error::TooManyHeaders) => {
            return bad(431, &format!("a request may have {MAX_HEADERS} headers"));
        }
        Err(httparse::Error::Version) => {
            return bad(505, "this port speaks HTTP/1.0 and HTTP/1.1: GET / HTTP/1.0, and an empty line");
        }
        Err(error) => return bad(400, &format!("this is not an HTTP request: {error}")),
    }
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return bad(400, "this is not an HTTP request");
    };
    let mut request = Request::new(method, target).through(door);
    for header in head.headers.iter() {
        request = request.header(header.name, header.value);
    }
    if version == 1 && request.values("host").next().is_none() {
        return bad(400, "a request of HTTP/1.1 needs a Host header");
    }
    if request.values("transfer-encoding").next().is_some() {
        return bad(501, "requests of unknown length are not read: send a Content-Length, and no Transfer-Encoding");
    }
    let body = match body_len(&request) {
        Ok(len) if len > MAX_BODY as u64 => {
            return bad(413, &format!("a request's body may have {MAX_BODY} bytes: parameters go into the query"));
        }
        Ok(len) => len as usize,
        Err(text) => return bad(400, text),
    };
    let keep =
        if version == 1 { !request.lists("connection", "close") } else { request.lists("connection", "keep-alive") };
    let framing = Framing { head: end, body, pieces: version == 1, keep };
    match input.get(end..end + body) {
        Some(body) => Parsed::Whole(framing, request.body(body)),
        None => Parsed::Partial { asks: version == 1 && request.lists("expect", "100-continue") },
    }
}

/// What `Content-Length` says. Several that agree are one; anything else is an attempt to hide a request in another's
/// body.
fn body_len(request: &Request<'_>) -> Result<u64, &'static str> {
    const WRONG: &str = "the Content-Length is not one number";
    let mut len = None;
    for value in request.values("content-length") {
        let text = core::str::from_utf8(value).map_err(|_| WRONG)?.trim();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(WRONG);
        }
        // More digits than the number has room for are certainly too many.
        let value = text.parse::<u64>().unwrap_or(u64::MAX);
        if len.is_some_and(|len| len != value) {
            return Err(WRONG);
        }
        len = Some(value);
    }
    Ok(len.unwrap_or(0))
}

/// Where the head that `input` begins with ends, if it does: behind the first empty line. Looks no further back than
/// `from`, which a former call has seen.
pub(super) fn head_end(input: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(3);
    while let Some(found) = input[at..].iter().position(|&b| b == b'\n') {
        at += found + 1;
        match &input[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Writes an answer: its head, and its body as the connection can take it. Returns whether the connection can go on.
///
/// # Errors
///
/// The first error of `out`, or of the body's writer; the connection cannot go on then.
pub(super) fn write_response(
    response: Response,
    framing: Option<Framing>,
    only_head: bool,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let pieces = framing.is_some_and(|framing| framing.pieces);
    let len = response.body_len();
    let mut keep = framing.is_some_and(|framing| framing.keep);
    // What has no length and comes in one stream ends with the connection.
    keep &= len.is_some() || pieces || only_head;
    let mut head = Vec::with_capacity(1024);
    write!(head, "HTTP/1.1 {} {}\r\n", response.status(), reason(response.status()))?;
    write!(head, "Date: {}\r\nServer: bufslab/{}\r\n", http_date(SystemTime::now()), env!("CARGO_PKG_VERSION"))?;
    for (name, value) in response.headers() {
        write!(head, "{name}: {value}\r\n")?;
    }
    match len {
        Some(len) => write!(head, "Content-Length: {len}\r\n")?,
        None if pieces => head.extend(b"Transfer-Encoding: chunked\r\n"),
        None => {}
    }
    write!(head, "Connection: {}\r\n\r\n", if keep { "keep-alive" } else { "close" })?;
    if only_head {
        out.write_all(&head)?;
    } else if len.is_none() && pieces {
        out.write_all(&head)?;
        let mut body = Pieces { out: &mut *out, buffer: Vec::with_capacity(OUT) };
        response.write_body(&mut body)?;
        body.finish()?;
    } else {
        let mut body = io::BufWriter::with_capacity(OUT, &mut *out);
        body.write_all(&head)?;
        response.write_body(&mut body)?;
        body.flush()?;
    }
    out.flush()?;
    Ok(keep)
}

/// The chunked transfer coding (RFC 9112, 7.1).
struct Pieces<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
}

impl Pieces<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        write!(self.out, "{:x}\r\n", bytes.len())?;
        self.out.write_all(bytes)?;
        self.out.write_all(b"\r\n")
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.out.write_all(b"0\r\n\r\n")
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > OUT {
            self.flush()?;
        }
        if bytes.len() >= OUT {
            self.send(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut buffer = core::mem::take(&mut self.buffer);
        let sent = self.send(&buffer);
        buffer.clear();
        self.buffer = buffer;
        sent
    }
}

/// A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = DAYS[(days % 7) as usize];
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut day) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if day < length {
            break;
        }
        day -= length;
        year += 1;
    }
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1, MONTHS[month])
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn where_a_head_ends_however_it_arrives() {
        for (input, end) in [
            (&b"GET / HTTP/1.0\r\n\r\nrest"[..], Some(18)),
            (b"GET / HTTP/1.0\n\nrest", Some(16)),
            (b"GET / HTTP/1.0\r\n\nrest", Some(17)),
            (b"GET / HTTP/1.0\r\nA: b\r\n", None),
            (b"\r\r\r\r", None),
        ] {
            let mut from = 0;
            let mut found = None;
            for len in 0..=input.len() {
                found = head_end(&input[..len], from);
                from = len;
                if found.is_some() {
                    break;
                }
            }
            assert_eq!(found, end, "{input:?}");
            assert_eq!(head_end(input, 0), end);
        }
    }

    #[test]
    fn pieces_are_framed_and_none_is_empty() {
        let mut out = Vec::new();
        let mut body = Pieces { out: &mut out, buffer: Vec::new() };
        body.write_all(b"").unwrap();
        body.write_all(b"hello ").unwrap();
        body.write_all(b"world").unwrap();
        body.write_all(&[b'x'; OUT]).unwrap();
        body.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("b\r\nhello world\r\n4000\r\nxxx"), "{text}");
        assert!(text.ends_with("xxx\r\n0\r\n\r\n"), "{text}");
    }
}
