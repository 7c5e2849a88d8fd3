//! A trace as the bytes of a file.

use super::check::Checker;
use super::varint::{crc32, put, zigzag};
use super::{AllocTrace, Op, Step, TraceError};
use std::collections::HashMap;
use std::io;

pub(super) const MAGIC: &[u8; 8] = b"SLABTRCE";
pub(super) const VERSION: u8 = 1;

/// The low three bits of a step's first byte.
pub(super) mod kind {
    pub(in crate::trace) const ALLOC: u8 = 0;
    pub(in crate::trace) const DERIVE: u8 = 1;
    pub(in crate::trace) const FREEZE: u8 = 2;
    pub(in crate::trace) const RESIZE: u8 = 3;
    pub(in crate::trace) const TAG: u8 = 4;
    pub(in crate::trace) const RETAIN: u8 = 5;
    pub(in crate::trace) const FREE: u8 = 6;
    /// What stands before a step, and is none itself.
    pub(in crate::trace) const BETWEEN: u8 = 7;
}

/// The five high bits of a byte of kind [`kind::BETWEEN`].
pub(super) mod between {
    pub(in crate::trace) const THREAD: u8 = 0;
    pub(in crate::trace) const MILLIS: u8 = 1;
    pub(in crate::trace) const POSITION: u8 = 2;
}

/// In the five high bits: a number follows, of which 31 has been taken away.
pub(super) const MORE: u8 = 31;

/// A site and a tag.
type Origin = (u32, u32);

fn origin(op: &Op) -> Option<Origin> {
    match *op {
        Op::Alloc { site, tag, .. } | Op::Derive { site, tag, .. } => Some((site, tag)),
        _ => None,
    }
}

impl AllocTrace {
    /// The trace as the bytes of a file; [`docs::traces`](crate::docs::traces) describes them.
    ///
    /// # Errors
    ///
    /// If the trace contradicts itself, as [`check`](AllocTrace::check) says. What was recorded never does.
    ///
    /// ```
    /// use bufslab::trace::AllocTrace;
    ///
    /// let mut trace = AllocTrace::default();
    /// trace.pool.name = String::from("http");
    /// assert_eq!(AllocTrace::from_bytes(&trace.to_bytes()?)?, trace);
    /// # Ok::<(), bufslab::trace::TraceError>(())
    /// ```
    pub fn to_bytes(&self) -> Result<Vec<u8>, TraceError> {
        self.check()?;
        let mut bytes = Vec::with_capacity(64 + 4 * self.steps.len());
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.push(u8::from(self.is_cut_short));
        for n in [u64::from(self.one_in), self.allocations, self.millis, u64::from(self.threads), self.pool.slab_size] {
            put(&mut bytes, n);
        }
        put_text(&mut bytes, &self.pool.name);
        for list in [&self.sites, &self.tags] {
            // The empty one at the start is every trace's.
            put(&mut bytes, list.len() as u64 - 1);
            list[1..].iter().for_each(|name| put_text(&mut bytes, name));
        }
        let mut origins: Vec<Origin> = Vec::new();
        let mut numbers: HashMap<Origin, u64> = HashMap::new();
        for origin in self.steps.iter().filter_map(|step| origin(&step.op)) {
            numbers.entry(origin).or_insert_with(|| {
                origins.push(origin);
                origins.len() as u64 - 1
            });
        }
        put(&mut bytes, origins.len() as u64);
        for (site, tag) in origins {
            put(&mut bytes, u64::from(site));
            put(&mut bytes, u64::from(tag));
        }
        put(&mut bytes, self.steps.len() as u64);
        let mut writer =
            Writer { bytes, numbers, checker: Checker::new(self).unwrap_or_default(), thread: 0, millis: 0 };
        self.steps.iter().for_each(|step| writer.step(step));
        let mut bytes = writer.bytes;
        let sum = crc32(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        Ok(bytes)
    }

    /// Writes what [`to_bytes`](AllocTrace::to_bytes) gives.
    ///
    /// # Errors
    ///
    /// Those of the writer; and `InvalidInput` if the trace contradicts itself.
    pub fn write_to(&self, mut out: impl io::Write) -> io::Result<()> {
        let bytes = self.to_bytes().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        out.write_all(&bytes)
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

struct Writer {
    bytes: Vec<u8>,
    numbers: HashMap<Origin, u64>,
    /// The handles as they are before each step.
    checker: Checker,
    thread: u32,
    millis: u64,
}

impl Writer {
    fn step(&mut self, step: &Step) {
        if step.thread != self.thread {
            self.head(kind::BETWEEN, u64::from(between::THREAD));
            put(&mut self.bytes, u64::from(step.thread));
            self.thread = step.thread;
        }
        if step.millis != self.millis {
            self.head(kind::BETWEEN, u64::from(between::MILLIS));
            put(&mut self.bytes, step.millis - self.millis);
            self.millis = step.millis;
        }
        if step.position != self.checker.position {
            self.head(kind::BETWEEN, u64::from(between::POSITION));
            put(&mut self.bytes, step.position - self.checker.position);
        }
        match step.op {
            Op::Alloc { len, site, tag } => {
                self.head(kind::ALLOC, self.numbers[&(site, tag)]);
                put(&mut self.bytes, len);
            }
            Op::Derive { parent, offset, len, shared, site, tag } => {
                self.head(kind::DERIVE, self.numbers[&(site, tag)]);
                let from = self.checker.handle(parent).map_or(0, |parent| parent.offset);
                let parent = u64::from(self.back(parent)) << 1 | u64::from(shared);
                put(&mut self.bytes, parent);
                put(&mut self.bytes, offset - from);
                put(&mut self.bytes, len);
            }
            Op::Freeze { handle, offset, len } => self.range(kind::FREEZE, handle, offset, len),
            Op::Resize { handle, offset, len } => self.range(kind::RESIZE, handle, offset, len),
            Op::Tag { handle, tag } => {
                self.head(kind::TAG, u64::from(self.back(handle)));
                put(&mut self.bytes, u64::from(tag));
            }
            Op::Retain { handle, copied } => {
                self.head(kind::RETAIN, u64::from(self.back(handle)));
                self.bytes.push(u8::from(copied));
            }
            Op::Free { handle } => self.head(kind::FREE, u64::from(self.back(handle))),
        }
        let follows = self.checker.step(step);
        debug_assert_eq!(follows, Ok(()), "the trace was checked");
    }

    /// How many handles were made after this one.
    fn back(&self, handle: u32) -> u32 {
        self.checker.made() - 1 - handle
    }

    fn head(&mut self, kind: u8, n: u64) {
        if n < u64::from(MORE) {
            self.bytes.push((n as u8) << 3 | kind);
        } else {
            self.bytes.push(MORE << 3 | kind);
            put(&mut self.bytes, n - u64::from(MORE));
        }
    }

    /// By how much a handle's range moves and shrinks.
    fn range(&mut self, kind: u8, handle: u32, offset: u64, len: u64) {
        let before = self.checker.handle(handle).map_or((0, 0), |handle| (handle.offset, handle.len));
        self.head(kind, u64::from(self.back(handle)));
        // Both are far below 2^63.
        put(&mut self.bytes, zigzag(offset as i64 - before.0 as i64));
        put(&mut self.bytes, zigzag(before.1 as i64 - len as i64));
    }
}
