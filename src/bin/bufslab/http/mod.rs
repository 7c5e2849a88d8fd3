//! As much of an HTTP/1.1 client (RFC 9112) as asking a program for its report takes: one GET, one answer.
//!
//! | file | part |
//! |---|---|
//! | `endpoint` | TCP and unix sockets, connecting, deadlines |
//! | `body` | where an answer's body ends |

mod body;
mod endpoint;

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use crate::names::{first_line, harmless};
use body::{Body, Framing};
use endpoint::Stream;

pub use endpoint::Endpoint;

/// Bytes an answer's head may have.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 100;
/// Bytes an answer's body may have: a report of three million slices.
const MAX_BODY: u64 = 1 << 30;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub body: Body<Stream>,
    /// The length of the body, if it was said.
    pub length: Option<u64>,
}

/// Why there was no answer, without the address.
#[derive(Debug)]
pub enum Trouble {
    /// The program is not there, or not ours; the text says what to do.
    Unreachable(String),
    /// It went silent or broke off.
    Io(io::Error),
    /// It said something that is not HTTP, or more than anybody should have to read.
    Nonsense(String),
    /// It refused.
    Status { code: u16, reason: String, said: String },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unreachable(text) => f.write_str(text),
            Trouble::Io(error) => write!(f, "{error}"),
            Trouble::Nonsense(text) => write!(f, "this is no console of bufslab: {text}"),
            Trouble::Status { code, reason, said } => {
                write!(f, "the answer is {code}{}{reason}", if reason.is_empty() { "" } else { " " })?;
                if !said.is_empty() {
                    write!(f, ": {said}")?;
                }
                match code {
                    // Only a console says that a pool is missing.
                    404 if !said.starts_with("no pool") => f.write_str(
                        "\nIs this a console of bufslab? If it is mounted below a path, add it to the address.",
                    ),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Io(error)
    }
}

/// Asks for `path`. The answer's head has to come within `timeout`, and so has each further piece of its body.
pub fn get(endpoint: &Endpoint, path: &str, timeout: Duration) -> Result<Answer, Trouble> {
    let mut stream = endpoint.connect(timeout)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bufslab/{}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        endpoint.host(),
        env!("CARGO_PKG_VERSION"),
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let (head, rest) = read_head(&mut stream)?;
    stream.begin_body(timeout);
    let length = match head.framing {
        Framing::Length(length) => Some(length),
        _ => None,
    };
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(Trouble::Nonsense(format!("its answer is longer than {MAX_BODY} bytes")));
    }
    let mut body = Body::new(stream, rest, head.framing, MAX_BODY);
    if head.code != 200 {
        let mut said = Vec::new();
        // What is said beyond the code is a courtesy.
        let _ = body.by_ref().take(4096).read_to_end(&mut said);
        let said = first_line(&String::from_utf8_lossy(&said), 200);
        return Err(Trouble::Status { code: head.code, reason: head.reason, said });
    }
    Ok(Answer { body, length })
}

struct Head {
    code: u16,
    reason: String,
    framing: Framing,
}

/// Reads up to the end of a head, and gives back what has come behind it.
fn read_head(stream: &mut impl Read) -> Result<(Head, Vec<u8>), Trouble> {
    let mut buffer = Vec::new();
    loop {
        if let Some((head, size)) = parse_head(&buffer)? {
            let rest = buffer.split_off(size);
            // An interim answer: the real one follows.
            if (100..200).contains(&head.code) {
                buffer = rest;
                continue;
            }
            return Ok((head, rest));
        }
        if buffer.len() >= MAX_HEAD {
            return Err(Trouble::Nonsense(format!("the head of its answer is longer than {MAX_HEAD} bytes")));
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) if buffer.is_empty() => {
                return Err(Trouble::Nonsense("it closes the connection without an answer".to_owned()));
            }
            Ok(0) => return Err(Trouble::Nonsense("its answer ends within the head".to_owned())),
            Ok(n) => buffer.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn parse_head(buffer: &[u8]) -> Result<Option<(Head, usize)>, Trouble> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(buffer).map_err(|error| {
        let begins = first_line(&String::from_utf8_lossy(&buffer[..buffer.len().min(200)]), 40);
        Trouble::Nonsense(format!("its answer is not HTTP ({error}): {begins}"))
    })?;
    let httparse::Status::Complete(size) = status else {
        return Ok(None);
    };
    let header =
        |name: &'static str| response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    let text = |header: &httparse::Header<'_>| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase();
    if let Some(encoded) = header("content-encoding").map(text).find(|coding| coding != "identity") {
        return Err(Trouble::Nonsense(format!("its answer is encoded as {}", harmless(&encoded))));
    }
    let is_chunked = header("transfer-encoding").next_back().map(text).map(|coding| match coding.as_str() {
        "chunked" => Ok(()),
        other => Err(Trouble::Nonsense(format!("its answer is transferred as {}", harmless(other)))),
    });
    let framing = match (is_chunked.transpose()?, header("content-length").next()) {
        (Some(()), _) => Framing::chunked(),
        (None, Some(length)) => {
            let length = text(length);
            let number = length.parse().ok().filter(|_| length.bytes().all(|b| b.is_ascii_digit()));
            Framing::Length(number.ok_or_else(|| {
                Trouble::Nonsense(format!("the length of its answer is {:?}", first_line(&length, 40)))
            })?)
        }
        (None, None) => Framing::UntilClosed,
    };
    let reason = first_line(response.reason.unwrap_or(""), 60);
    Ok(Some((Head { code: response.code.unwrap_or(0), reason, framing }, size)))
}
