//! A trace out of the bytes of a file, of which nothing is believed.

use super::check::{Checker, MOST_THREADS};
use super::varint::{NoNumber, crc32, take, unzigzag};
use super::write::{MAGIC, MORE, VERSION, between, kind};
use super::{AllocTrace, Op, Step, TraceError, TracedPool};
use std::io;

/// Bytes of the checksum.
const SUM: usize = 4;

impl AllocTrace {
    /// Reads what [`to_bytes`](AllocTrace::to_bytes) wrote. The memory it takes is in proportion to the bytes that are there, whatever they say.
    ///
    /// # Errors
    ///
    /// Names the byte, what is wrong with it, and what was expected. A file that was cut off or changed is refused by its checksum at
    /// the latest.
    pub fn from_bytes(bytes: &[u8]) -> Result<AllocTrace, TraceError> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(TraceError::byte(0, "not a trace: it does not begin with SLABTRCE"));
        }
        match bytes.get(MAGIC.len()) {
            None => return Err(TraceError::byte(MAGIC.len(), "the file ends before its version")),
            Some(&VERSION) => {}
            Some(other) => {
                let what = format!("a trace of version {other}; this reads version {VERSION}");
                return Err(TraceError::byte(MAGIC.len(), what));
            }
        }
        let end = bytes.len().checked_sub(SUM).filter(|&end| end > MAGIC.len());
        let end = end.ok_or_else(|| TraceError::byte(bytes.len(), "the file ends before its checksum"))?;
        let (body, sum) = bytes.split_at(end);
        let mut reader = Reader { all: body, rest: &body[MAGIC.len() + 1..] };
        let trace = reader.trace()?;
        if !reader.rest.is_empty() {
            return Err(reader.error("more bytes than the trace has"));
        }
        let expected = crc32(body).to_le_bytes();
        if sum != expected {
            let what = format!("the checksum is {:02x?}, and that of the bytes before it is {expected:02x?}", sum);
            return Err(TraceError::byte(end, what));
        }
        Ok(trace)
    }

    /// Reads a trace to the end of `input`.
    ///
    /// # Errors
    ///
    /// Those of the reader, and those of [`from_bytes`](AllocTrace::from_bytes).
    pub fn read_from(mut input: impl io::Read) -> Result<AllocTrace, TraceError> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        AllocTrace::from_bytes(&bytes)
    }
}

struct Reader<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl Reader<'_> {
    fn at(&self) -> usize {
        self.all.len() - self.rest.len()
    }

    fn error(&self, what: impl Into<String>) -> TraceError {
        TraceError::byte(self.at(), what)
    }

    fn byte(&mut self, what: &str) -> Result<u8, TraceError> {
        let (&byte, rest) =
            self.rest.split_first().ok_or_else(|| self.error(format!("the file ends before {what}")))?;
        self.rest = rest;
        Ok(byte)
    }

    fn number(&mut self, what: &str) -> Result<u64, TraceError> {
        let at = self.at();
        take(&mut self.rest).map_err(|error| match error {
            NoNumber::Ends => TraceError::byte(at, format!("the file ends before {what}")),
            NoNumber::TooLong => TraceError::byte(at, format!("{what} is no number in its shortest form")),
        })
    }

    fn number_below(&mut self, what: &str, limit: u64) -> Result<u64, TraceError> {
        let at = self.at();
        match self.number(what)? {
            n if n < limit => Ok(n),
            n => Err(TraceError::byte(at, format!("{what} is {n}, which must be below {limit}"))),
        }
    }

    fn u32(&mut self, what: &str) -> Result<u32, TraceError> {
        Ok(self.number_below(what, 1 << 32)? as u32)
    }

    /// A count of things that take at least one byte each.
    fn count(&mut self, what: &str) -> Result<usize, TraceError> {
        let at = self.at();
        let count = self.number(what)?;
        match usize::try_from(count).ok().filter(|&count| count <= self.rest.len()) {
            Some(count) => Ok(count),
            None => Err(TraceError::byte(at, format!("{what} is {count}, and {} bytes follow", self.rest.len()))),
        }
    }

    fn text(&mut self, what: &str) -> Result<String, TraceError> {
        let len = self.count(what)?;
        let (text, rest) = self.rest.split_at(len);
        let text = std::str::from_utf8(text).map_err(|_| self.error(format!("{what} is not UTF-8")))?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn names(&mut self, what: &str) -> Result<Vec<String>, TraceError> {
        let count = self.count(&format!("the number of {what}s"))?;
        // Not reserved by what the file says: a name in memory is longer than in the file.
        let mut names = vec![String::new()];
        for _ in 0..count {
            names.push(self.text(&format!("the name of a {what}"))?);
        }
        Ok(names)
    }

    fn trace(&mut self) -> Result<AllocTrace, TraceError> {
        let at = self.at();
        let is_cut_short = match self.byte("its flags")? {
            flags @ 0..=1 => flags == 1,
            flags => {
                return Err(TraceError::byte(at, format!("flags {flags:#04x}, of which only the lowest is known")));
            }
        };
        let mut trace = AllocTrace {
            is_cut_short,
            one_in: self.u32("one in how many")?,
            allocations: self.number("the number of allocations")?,
            millis: self.number("the time")?,
            threads: self.number_below("the number of threads", u64::from(MOST_THREADS) + 1)? as u32,
            pool: TracedPool { slab_size: self.number("the slab size")?, name: self.text("the pool's name")? },
            sites: self.names("site")?,
            tags: self.names("tag")?,
            steps: Vec::new(),
        };
        let mut origins = Vec::new();
        for _ in 0..self.count("the number of origins")? {
            origins.push((self.u32("a site")?, self.u32("a tag")?));
        }
        let count = self.count("the number of steps")?;
        let mut checker = Checker::new(&trace).map_err(|what| self.error(what))?;
        let (mut thread, mut millis) = (0, 0);
        while trace.steps.len() < count {
            let at = self.at();
            let Some(op) = self.op(&origins, &mut checker, &mut thread, &mut millis)? else { continue };
            let step = Step { millis, position: checker.position, thread, op };
            checker.step(&step).map_err(|what| TraceError::byte(at, what))?;
            trace.steps.push(step);
        }
        if checker.position > trace.allocations {
            return Err(self.error("the steps have more allocations than the trace says"));
        }
        Ok(trace)
    }

    /// The next step, or `None` for what stands between two.
    fn op(
        &mut self,
        origins: &[(u32, u32)],
        checker: &mut Checker,
        thread: &mut u32,
        millis: &mut u64,
    ) -> Result<Option<Op>, TraceError> {
        let at = self.at();
        let head = self.byte("a step")?;
        let n = match head >> 3 {
            MORE => self.number("the rest of a number")?.saturating_add(u64::from(MORE)),
            n => u64::from(n),
        };
        let kind = head & 7;
        if kind == kind::BETWEEN {
            match u8::try_from(n) {
                Ok(between::THREAD) => *thread = self.u32("a thread")?,
                Ok(between::MILLIS) => *millis = millis.saturating_add(self.number("a time")?),
                Ok(between::POSITION) => {
                    checker.position = checker.position.saturating_add(self.number("a position")?);
                }
                _ => return Err(TraceError::byte(at, format!("{n} is nothing that stands between steps"))),
            }
            return Ok(None);
        }
        let origin = || match usize::try_from(n).ok().and_then(|n| origins.get(n)) {
            Some(&origin) => Ok(origin),
            None => Err(TraceError::byte(at, format!("origin {n} of {}", origins.len()))),
        };
        Ok(Some(match kind {
            kind::ALLOC => {
                let (site, tag) = origin()?;
                Op::Alloc { len: self.number("a length")?, site, tag }
            }
            kind::DERIVE => {
                let (site, tag) = origin()?;
                let parent = self.number("a handle")?;
                let shared = parent & 1 == 1;
                let parent = handle(checker, parent >> 1, at)?;
                let from = checker.handle(parent).map_or(0, |handle| handle.offset);
                let offset = from.saturating_add(self.number("an offset")?);
                Op::Derive { parent, offset, len: self.number("a length")?, shared, site, tag }
            }
            kind::FREEZE | kind::RESIZE => {
                let handle = handle(checker, n, at)?;
                let before = checker.handle(handle).map_or((0, 0), |handle| (handle.offset, handle.len));
                let moved = |before: u64, by: i64| {
                    before.checked_add_signed(by).ok_or_else(|| TraceError::byte(at, "a range that begins before 0"))
                };
                let offset = moved(before.0, unzigzag(self.number("a move")?))?;
                let len = moved(before.1, unzigzag(self.number("a length")?).saturating_neg())?;
                if kind == kind::FREEZE {
                    Op::Freeze { handle, offset, len }
                } else {
                    Op::Resize { handle, offset, len }
                }
            }
            kind::TAG => Op::Tag { handle: handle(checker, n, at)?, tag: self.u32("a tag")? },
            kind::RETAIN => {
                let handle = handle(checker, n, at)?;
                match self.byte("whether it was copied")? {
                    copied @ 0..=1 => Op::Retain { handle, copied: copied == 1 },
                    other => return Err(TraceError::byte(at, format!("{other} is neither copied (1) nor not (0)"))),
                }
            }
            _ => Op::Free { handle: handle(checker, n, at)? },
        }))
    }
}

/// The handle after which `back` others were made.
fn handle(checker: &Checker, back: u64, at: usize) -> Result<u32, TraceError> {
    let made = u64::from(checker.made());
    let number = made.checked_sub(back).and_then(|n| n.checked_sub(1));
    number.map(|n| n as u32).ok_or_else(|| TraceError::byte(at, format!("handle {back} back, of {made}")))
}
