//! An answer's body: so many bytes, pieces that each say their length, or all there is until the connection closes
//! (RFC 9112, 6.3 and 7.1).

use std::io::{self, ErrorKind, Read};

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the piece of length 0; so many bytes are left of the present piece.
    Chunked { left: u64, state: State },
    /// With the connection.
    UntilClosed,
}

/// What comes next in a body made of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The line with a piece's length.
    Size,
    /// The piece.
    Data,
    /// The end of line behind it.
    End,
    /// Nothing.
    Done,
}

impl Framing {
    pub fn chunked() -> Framing {
        Framing::Chunked { left: 0, state: State::Size }
    }
}

/// Bytes that the line with a piece's length may have, and all trailers together.
const MAX_LINE: usize = 4096;

/// Reads a body and nothing behind it.
#[derive(Debug)]
pub struct Body<R> {
    inner: R,
    /// What came with the head, and where it was read up to.
    early: Vec<u8>,
    at: usize,
    framing: Framing,
    read: u64,
    most: u64,
}

impl<R: Read> Body<R> {
    /// `most` bytes are read at most; a longer body is an error.
    pub fn new(inner: R, early: Vec<u8>, framing: Framing, most: u64) -> Body<R> {
        Body { inner, early, at: 0, framing, read: 0, most }
    }

    /// Reads whatever has come, framed or not.
    fn raw(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let early = &self.early[self.at..];
        if early.is_empty() {
            return self.inner.read(into);
        }
        let n = early.len().min(into.len());
        into[..n].copy_from_slice(&early[..n]);
        self.at += n;
        Ok(n)
    }

    fn data(&mut self, into: &mut [u8], left: u64) -> io::Result<usize> {
        let room = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.raw(&mut into[..room])?;
        if n == 0 && room > 0 {
            let text = format!("the answer ends {left} bytes too early, after {}", self.read);
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        self.read += n as u64;
        if self.read > self.most {
            return Err(io::Error::other(format!("the answer is longer than {} bytes", self.most)));
        }
        Ok(n)
    }

    /// A line up to its end, which is cut off.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            match self.raw(&mut byte) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the answer ends between two pieces")),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            match byte[0] {
                b'\n' => {
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    return Ok(line);
                }
                byte => line.push(byte),
            }
            if line.len() > MAX_LINE {
                return Err(malformed("a line between two pieces of the answer is too long"));
            }
        }
    }

    /// The length of the next piece; what may follow it behind a semicolon means nothing to us.
    fn size(&mut self) -> io::Result<u64> {
        let line = self.line()?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let is_size = (1..=15).contains(&digits)
            && line[digits..].iter().find(|b| !b" \t".contains(b)).is_none_or(|b| *b == b';');
        let size = std::str::from_utf8(&line[..digits]).ok().and_then(|hex| u64::from_str_radix(hex, 16).ok());
        size.filter(|_| is_size).ok_or_else(|| malformed("a piece of the answer does not say its length"))
    }

    /// What stands between the last piece and the end.
    fn trailers(&mut self) -> io::Result<()> {
        let mut bytes = 0;
        loop {
            let line = self.line()?;
            bytes += line.len();
            if line.is_empty() {
                return Ok(());
            }
            if bytes > MAX_LINE {
                return Err(malformed("the answer's trailers are too long"));
            }
        }
    }

    fn chunked(&mut self, into: &mut [u8], mut left: u64, mut state: State) -> io::Result<usize> {
        loop {
            (left, state) = match state {
                State::Size => match self.size()? {
                    0 => {
                        self.trailers()?;
                        (0, State::Done)
                    }
                    size => (size, State::Data),
                },
                State::Data => {
                    let n = self.data(into, left)?;
                    left -= n as u64;
                    self.framing = Framing::Chunked { left, state: if left == 0 { State::End } else { State::Data } };
                    return Ok(n);
                }
                State::End if self.line()?.is_empty() => (0, State::Size),
                State::End => return Err(malformed("a piece of the answer is longer than it says")),
                State::Done => return Ok(0),
            };
            self.framing = Framing::Chunked { left, state };
        }
    }
}

fn malformed(text: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        match self.framing {
            Framing::Length(0) => Ok(0),
            Framing::Length(left) => {
                let n = self.data(into, left)?;
                self.framing = Framing::Length(left - n as u64);
                Ok(n)
            }
            Framing::Chunked { left, state } => self.chunked(into, left, state),
            Framing::UntilClosed => {
                let n = self.raw(into)?;
                self.read += n as u64;
                if self.read > self.most {
                    return Err(io::Error::other(format!("the answer is longer than {} bytes", self.most)));
                }
                Ok(n)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, so that every cut is tried.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(into.len()).min(1);
            into[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn read(text: &str, framing: Framing) -> io::Result<String> {
        let whole = |early: usize| {
            let mut body = Body::new(Drip(&text.as_bytes()[early..]), text.as_bytes()[..early].to_vec(), framing, 20);
            let mut out = String::new();
            body.read_to_string(&mut out).map(|_| out)
        };
        for early in 0..=text.len() {
            assert_eq!(whole(early).ok(), whole(0).ok(), "{early} bytes came with the head");
        }
        whole(0)
    }

    #[test]
    fn bodies_end_where_they_say() {
        assert_eq!(read("hello world", Framing::Length(5)).unwrap(), "hello");
        assert_eq!(read("", Framing::Length(0)).unwrap(), "");
        assert_eq!(read("hello", Framing::UntilClosed).unwrap(), "hello");
        let chunks = "5;name=\"x\"\r\nhello\r\n1 \r\n \r\n00A\n0123456789\n0\r\nX: y\r\n\r\nmore";
        assert_eq!(read(chunks, Framing::chunked()).unwrap(), "hello 0123456789");
    }

    #[test]
    fn bodies_that_do_not_are_refused() {
        let error = read("hell", Framing::Length(5)).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::UnexpectedEof, "the answer ends 1 bytes too early, after 4")
        );
        for text in [
            "",
            "5\r\nhel",
            "5\r\nhello",
            "5\r\nhello!\r\n0\r\n\r\n",
            "0\r\n",
            "-1\r\n",
            "\r\n",
            "5x\r\nhello\r\n",
            "ffffffffffffffff\r\n",
        ] {
            assert!(read(text, Framing::chunked()).is_err(), "{text:?}");
        }
        let long = "x".repeat(21);
        assert!(read(&long, Framing::Length(21)).unwrap_err().to_string().contains("longer than 20 bytes"));
        assert!(read(&long, Framing::UntilClosed).is_err());
        assert!(read(&format!("15\r\n{long}\r\n0\r\n\r\n"), Framing::chunked()).is_err());
        assert!(read(&"1".repeat(5000), Framing::chunked()).is_err());
    }
}
