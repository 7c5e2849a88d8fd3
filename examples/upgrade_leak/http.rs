//! The two requests that the server knows: an upload, and an upgrade to a WebSocket.

use anyhow::{Context, Result, bail};
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request as Upgrade, create_response, write_response};

use crate::frame::SOCKET_PATH;

/// More headers than any of our clients sends.
const MAX_HEADERS: usize = 32;

/// A request's header, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A POST with a body of this many bytes.
    Upload { length: u64 },
    /// An upgrade request: the connection's number, and the answer to send.
    Upgrade { number: u64, answer: Vec<u8> },
}

/// Reads a request's header; with it comes its length. `None` if it is not all there yet.
pub fn parse(bytes: &[u8]) -> Result<Option<(usize, Request)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = parsed.parse(bytes).context("not an HTTP request")? else {
        return Ok(None);
    };
    let request = match (parsed.method, parsed.path) {
        (Some("POST"), _) => Request::Upload { length: content_length(&parsed)? },
        (Some("GET"), Some(path)) if path.starts_with(SOCKET_PATH) => upgrade(path, bytes)?,
        (method, path) => bail!("no such thing here: {method:?} {path:?}"),
    };
    Ok(Some((size, request)))
}

/// The answer to an upload: how many bytes its body had.
pub fn upload_answer(received: u64) -> Vec<u8> {
    let body = received.to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn content_length(request: &httparse::Request<'_, '_>) -> Result<u64> {
    let header = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .context("an upload without a Content-Length")?;
    std::str::from_utf8(header.value)?.trim().parse().context("a bad Content-Length")
}

fn upgrade(path: &str, bytes: &[u8]) -> Result<Request> {
    let number = path[SOCKET_PATH.len()..].parse().context("a connection without a number")?;
    let (_, request) = Upgrade::try_parse(bytes)?.context("half an upgrade request")?;
    let mut answer = Vec::new();
    write_response(&mut answer, &create_response(&request)?)?;
    Ok(Request::Upgrade { number, answer })
}
