//! An answer: what is known before it is written, and how it is written.

use core::fmt;
use std::io;

/// Plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// A page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// What every answer says to browsers: take it for what it is, keep no copy, and let no other site embed or read it.
///
/// Pages may style and script themselves (a report's page sorts its table), and may load and send nothing.
const ALWAYS: &[(&str, &str)] = &[
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What writes a body.
pub(super) type WriteBody = Box<dyn FnOnce(&mut dyn io::Write) -> io::Result<()> + Send>;

enum Body {
    Known(Vec<u8>),
    /// A report, written as it is read: it never is in memory as text.
    Written(WriteBody),
}

/// The answer of a [`Console`](super::Console): a status, headers, and a body that is written piece by piece.
#[must_use = "an answer is there to be sent"]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Response {
    fn new(status: u16, content_type: &str, body: Body) -> Self {
        let mut headers = vec![("Content-Type", content_type.to_owned())];
        headers.extend(ALWAYS.iter().map(|&(name, value)| (name, value.to_owned())));
        let policy = if content_type == HTML { PAGE_POLICY } else { DATA_POLICY };
        headers.push(("Content-Security-Policy", policy.to_owned()));
        Response { status, headers, body }
    }

    pub(super) fn known(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Response::new(status, content_type, Body::Known(body.into()))
    }

    /// Text for people; the line's end is added.
    pub(super) fn text(status: u16, text: impl fmt::Display) -> Self {
        Response::known(status, TEXT, format!("{text}\n"))
    }

    pub(super) fn written(content_type: &str, write: WriteBody) -> Self {
        Response::new(200, content_type, Body::Written(write))
    }

    /// Only for values without control characters.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        debug_assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)), "{value:?}");
        self.headers.push((name, value));
        self
    }

    /// The status: 200 and so on.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, but for those that frame the body on a connection: `Content-Length` and the like are the server's.
    #[must_use]
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The value of one header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How long the body is in bytes, if that is known before it is written.
    #[must_use]
    pub fn body_len(&self) -> Option<usize> {
        match &self.body {
            Body::Known(bytes) => Some(bytes.len()),
            Body::Written(_) => None,
        }
    }

    /// Writes the body, in pieces of any size.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    ///
    /// # Panics
    ///
    /// If writing a report does. [`Connection`](super::Connection) and the servers of this crate catch that.
    pub fn write_body(self, out: &mut dyn io::Write) -> io::Result<()> {
        match self.body {
            Body::Known(bytes) => out.write_all(&bytes),
            Body::Written(write) => write(out),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_len", &self.body_len())
            .finish_non_exhaustive()
    }
}

/// What the status is called.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
