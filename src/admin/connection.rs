//! One connection as a machine without a socket: bytes go in, bytes come out.

use core::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::console::Console;
use super::http::{self, Parsed};
use super::limits::{MAX_INPUT, OUT};
use super::request::Door;
use super::response::Response;
use super::shell::{Flow, Shell};
use super::telnet::{self, Event, LineReader};

/// One client of a [`Console`], without its socket: the machine that every connection of a
/// [`Server`](super::Server) runs, for programs that bring their own.
///
/// What the first bytes are decides what the client is, once and for all: a browser that is made to send a form cannot
/// smuggle in a command. A request's method and a space mean HTTP/1.0 or HTTP/1.1; anything else is a person, or what
/// passes for one.
///
/// ```
/// use bufslab::admin::{Connection, Console, Door, Next};
///
/// let mut connection = Connection::new(Console::new(), Door::Unix);
/// let mut out = Vec::new();
/// assert_eq!(connection.feed(b"HEAD /metrics HTTP/1.0\r\n"), 24);
/// assert_eq!(connection.step(&mut out)?, Next::Read);
/// connection.feed(b"\r\n");
/// assert_eq!(connection.step(&mut out)?, Next::Close);
/// assert!(out.starts_with(b"HTTP/1.1 200 OK\r\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Connection {
    console: Console,
    door: Door,
    input: Vec<u8>,
    speech: Speech,
    /// Whether the peer sends no more.
    ended: bool,
    /// Requests and lines that were dealt with.
    served: u64,
}

/// What the peer speaks.
enum Speech {
    Unknown,
    Http(Reading),
    Person(Box<Person>),
    Over,
}

/// How far the request at the front of the input has been looked at.
#[derive(Debug, Default)]
struct Reading {
    seen: usize,
    end: Option<usize>,
    first_line: bool,
    asked: bool,
}

#[derive(Default)]
struct Person {
    reader: LineReader,
    shell: Shell,
    /// Whether the prompt stands at the beginning of the line.
    prompted: bool,
}

/// What a [`Connection`] wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More input: [`feed`](Connection::feed) it, or tell it that there is no more by [`end`](Connection::end).
    Read,
    /// Another [`step`](Connection::step): it has input that was not dealt with yet.
    Again,
    /// To be closed, once what it wrote is sent.
    Close,
}

/// What a [`Connection`] that wants input is in the middle of, for whoever decides how long that may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// Nothing: it has just been opened.
    Opening,
    /// A request of which a part has come.
    Request,
    /// Nothing: it may send another request.
    Idle,
    /// A person's next line.
    Line,
}

impl Connection {
    /// What one connection holds at most, in bytes of input and of output that is not sent yet; a report that is being
    /// written comes on top, and there is a limit to how many of these a console has in memory.
    pub const MAX_BUFFERED: usize = MAX_INPUT + OUT + telnet::MAX_HELD;

    /// A connection that was just opened, through this door.
    #[must_use]
    pub fn new(console: Console, door: Door) -> Connection {
        Connection { console, door, input: Vec::new(), speech: Speech::Unknown, ended: false, served: 0 }
    }

    /// Takes in bytes that the peer sent; returns how many it had room for. The others are fed again after
    /// [`step`](Connection::step).
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let room = MAX_INPUT - self.input.len();
        let taken = &bytes[..bytes.len().min(room)];
        if !matches!(self.speech, Speech::Over) {
            self.input.extend_from_slice(taken);
        }
        taken.len()
    }

    /// The peer sends no more. It may still wait for an answer: call [`step`](Connection::step) until that wants to
    /// close.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Input that it holds, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let person = match &self.speech {
            Speech::Person(person) => person.reader.held(),
            _ => 0,
        };
        self.input.len() + person
    }

    /// How many requests or lines were dealt with so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served
    }

    /// What it waits for when it wants to [`Read`](Next::Read).
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        match self.speech {
            Speech::Person(_) => Waiting::Line,
            _ if !self.input.is_empty() => Waiting::Request,
            Speech::Unknown => Waiting::Opening,
            Speech::Http(_) | Speech::Over => Waiting::Idle,
        }
    }

    /// Deals with at most one request or line, and writes the answer.
    ///
    /// # Errors
    ///
    /// The first error of `out`, and an error in place of a panic in the middle of an answer. The connection is over
    /// then: close it without more ado, so that the peer does not take what it got for the whole.
    pub fn step(&mut self, out: &mut dyn Write) -> io::Result<Next> {
        if let Speech::Unknown = self.speech {
            match first_words(&self.input, self.ended) {
                Words::TooFew => return Ok(if self.ended { self.over() } else { Next::Read }),
                Words::Http => self.speech = Speech::Http(Reading::default()),
                Words::Person => self.speech = Speech::Person(Box::default()),
                Words::Tls => {
                    writeln!(out, "this port speaks plain HTTP and plain text, not TLS: ask for http://")?;
                    out.flush()?;
                    return Ok(self.over());
                }
            }
        }
        let next = match self.speech {
            Speech::Http(_) => self.http(out),
            Speech::Person(_) => self.person(out),
            Speech::Unknown | Speech::Over => Ok(Next::Close),
        };
        match next {
            Ok(Next::Close) | Err(_) => {
                self.over();
            }
            Ok(Next::Read | Next::Again) => {}
        }
        next
    }

    /// It waited too long: writes what there is to say to that. Close it then.
    ///
    /// # Errors
    ///
    /// The first error of `out`.
    pub fn expire(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let waiting = self.waiting();
        let over = matches!(self.speech, Speech::Over);
        self.over();
        match waiting {
            _ if over => Ok(()),
            Waiting::Opening | Waiting::Idle => Ok(()),
            Waiting::Request => {
                let response = Response::text(408, "the request took too long to come");
                http::write_response(response, None, false, out).map(drop)
            }
            Waiting::Line => {
                out.write_all(b"\r\nno line for a long time: bye\r\n")?;
                out.flush()
            }
        }
    }

    fn over(&mut self) -> Next {
        self.speech = Speech::Over;
        self.input = Vec::new();
        Next::Close
    }

    fn http(&mut self, out: &mut dyn Write) -> io::Result<Next> {
        let Speech::Http(reading) = &mut self.speech else { return Ok(Next::Close) };
        if reading.seen == 0 {
            // Empty lines before a request are to be ignored (RFC 9112, 2.2).
            let empty = self.input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.input.drain(..empty);
        }
        if self.input.is_empty() {
            return Ok(if self.ended { Next::Close } else { Next::Read });
        }
        if reading.end.is_none() {
            reading.end = http::head_end(&self.input, reading.seen);
            reading.seen = self.input.len();
        }
        let parsed = match self.input.iter().position(|&b| b == b'\n').filter(|_| !reading.first_line) {
            // A person who types a request gets to know at once that this is none.
            Some(end) if !self.input[..end].windows(6).any(|part| part == b" HTTP/") => {
                let text = "a request's first line ends with its version: GET / HTTP/1.0, and then an empty line";
                Parsed::Bad(Response::text(400, text))
            }
            found => {
                reading.first_line |= found.is_some();
                http::parse(&self.input, reading.end, self.door)
            }
        };
        let (framing, request) = match parsed {
            Parsed::Partial { .. } if self.ended => {
                let response = Response::text(400, "the connection ended before the request did");
                return http::write_response(response, None, false, out).map(|_| Next::Close);
            }
            Parsed::Partial { asks } => {
                if asks && !core::mem::replace(&mut reading.asked, true) {
                    out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                    out.flush()?;
                }
                return Ok(Next::Read);
            }
            Parsed::Bad(response) => return http::write_response(response, None, false, out).map(|_| Next::Close),
            Parsed::Whole(framing, request) => (framing, request),
        };
        let only_head = request.method() == "HEAD";
        let response = self.console.respond(&request);
        // A body that panics leaves nothing half done but the connection, which ends.
        let keep = catch_unwind(AssertUnwindSafe(|| http::write_response(response, Some(framing), only_head, out)))
            .unwrap_or_else(|_| Err(io::Error::other("the report panicked while it was written")))?;
        self.served += 1;
        self.input.drain(..framing.head + framing.body);
        self.speech = Speech::Http(Reading::default());
        Ok(match (keep, self.input.is_empty()) {
            (false, _) => Next::Close,
            (true, true) if self.ended => Next::Close,
            (true, true) => Next::Read,
            (true, false) => Next::Again,
        })
    }

    fn person(&mut self, out: &mut dyn Write) -> io::Result<Next> {
        let Speech::Person(person) = &mut self.speech else { return Ok(Next::Close) };
        let mut event = Event::None;
        let mut used = 0;
        for &byte in &self.input {
            used += 1;
            event = person.reader.push(byte);
            if event != Event::None {
                break;
            }
        }
        // The other half of a line's end belongs to the line.
        if self.input.get(used).is_some_and(|&byte| person.reader.ends_line(byte)) {
            person.reader.push(self.input[used]);
            used += 1;
        }
        self.input.drain(..used);
        if event == Event::None && self.ended {
            event = person.reader.finish().map_or(Event::Leave, Event::Line);
        }
        // One peer gets few of these in all, so they need no room of their own.
        out.write_all(&person.reader.out)?;
        person.reader.out.clear();
        if event == Event::None {
            out.flush()?;
            return Ok(Next::Read);
        }
        self.served += 1;
        let mut lines = Lines { out: io::BufWriter::with_capacity(OUT, out), crlf: person.reader.crlf };
        let flow = match event {
            Event::Line(line) => {
                let run = || person.shell.run(&self.console, &line, &mut lines);
                // A command that panics has changed nothing but what it printed.
                match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(flow) => flow?,
                    Err(_) => {
                        writeln!(lines, "that panicked; the program's standard error says where")?;
                        Flow::Go
                    }
                }
            }
            Event::TooLong => person.shell.too_long(&mut lines)?,
            Event::Leave | Event::None => {
                // What the peer shows next begins a line of its own.
                if person.prompted {
                    writeln!(lines)?;
                }
                Flow::Quit
            }
        };
        let done = self.ended && self.input.is_empty();
        if flow == Flow::Go && !done {
            person.shell.prompt(&mut lines)?;
            person.prompted = true;
        }
        lines.flush()?;
        Ok(match flow {
            Flow::Quit => Next::Close,
            Flow::Go if done => Next::Close,
            Flow::Go if self.input.is_empty() => Next::Read,
            Flow::Go => Next::Again,
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("door", &self.door)
            .field("waiting", &self.waiting())
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}

/// What the first bytes say of their sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    TooFew,
    Http,
    Person,
    Tls,
}

/// Methods of RFC 9110 and 5789. Others pass if their line names a version of HTTP.
const METHODS: [&[u8]; 9] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

fn first_words(input: &[u8], ended: bool) -> Words {
    const LONGEST_METHOD: usize = 20;
    let wait = if ended { Words::Person } else { Words::TooFew };
    match input {
        [] => return Words::TooFew,
        // A TLS record with a handshake (RFC 8446, 5.1).
        [0x16, 3, ..] => return Words::Tls,
        [0x16] => return wait,
        [first, ..] if !first.is_ascii_uppercase() => return Words::Person,
        _ => {}
    }
    let method = input.iter().take_while(|b| b.is_ascii_uppercase() || **b == b'-').count();
    match input.get(method) {
        _ if method > LONGEST_METHOD => Words::Person,
        None => wait,
        Some(b' ') if METHODS.contains(&&input[..method]) => Words::Http,
        Some(b' ') => match input.iter().position(|&b| b == b'\n') {
            Some(end) if input[..end].windows(6).any(|part| part == b" HTTP/") => Words::Http,
            None if input.len() <= telnet::MAX_LINE => wait,
            _ => Words::Person,
        },
        Some(_) => Words::Person,
    }
}

/// Lines that end as the peer's do.
struct Lines<'a> {
    out: io::BufWriter<&'a mut dyn Write>,
    crlf: bool,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.crlf {
            return self.out.write(bytes);
        }
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(line) => {
                    self.out.write_all(line)?;
                    self.out.write_all(b"\r\n")?;
                }
                None => self.out.write_all(part)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks() {
        for (input, words) in [
            (&b""[..], Words::TooFew),
            (b"G", Words::TooFew),
            (b"GET", Words::TooFew),
            (b"GET ", Words::Http),
            (b"OPTIONS * HTTP/1.1", Words::Http),
            (b"BREW /tea", Words::TooFew),
            (b"BREW /tea HTTP/1.1\r\n", Words::Http),
            (b"PRI * HTTP/2.0\r\n", Words::Http),
            (b"SLAB 12\r\n", Words::Person),
            (b"HELP\n", Words::Person),
            (b"help", Words::Person),
            (b"get / http/1.0\r\n", Words::Person),
            (b"\r\n", Words::Person),
            (b"\xff\xfb\x1f", Words::Person),
            (b"\x16", Words::TooFew),
            (b"\x16\x03\x01\x02\x00\x01", Words::Tls),
            (b"\x16x", Words::Person),
            (&[b'A'; 21], Words::Person),
        ] {
            assert_eq!(first_words(input, false), words, "{}", input.escape_ascii());
        }
        assert_eq!(first_words(b"GET", true), Words::Person);
        let mut long = b"X ".to_vec();
        long.extend([b'y'; 2000]);
        assert_eq!(first_words(&long, false), Words::Person);
    }
}
