//! The log of one pool: what happens to the handles that are recorded, in the order in which it happened.
//!
//! Nothing is recorded unless somebody asked for it, and then a handle costs nothing more than before: whether it is recorded is
//! a mark in its word (see [`recorded`](super::recorded)), and whether an allocation is to be recorded is asked where no thread
//! is on its fast path. So whoever begins asks every thread off that path first ([`Ledger::begin_log`]), and no thread returns to
//! it while the log is open ([`Log::look`]).
//!
//! An event is logged under a lock, and its order is the lock's. The end of a handle is logged before its slot is cleared and its
//! beginning after its slot is taken, so that of each slot the log has beginnings and ends in turn.

use super::ledger::Ledger;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, Plant, clock, next_uid, planted, thread};
use core::panic::Location;
use std::time::{Duration, Instant};

/// Events that get memory at a time.
const PAGE: usize = if cfg!(any(test, bufslab_loom)) { 4 } else { 1024 };

/// What is recorded, how much of it, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of how many allocations one is recorded; not 0.
    pub(crate) one_in: u32,
    /// Bytes that the log may take.
    pub(crate) max_bytes: usize,
    /// The pool's slab size when recording began.
    pub(crate) slab_size: usize,
}

/// What happened. Ranges are of the slab: whoever reads the log knows where the allocation began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A buffer was handed out.
    Alloc,
    /// A handle was made from the one that `other` names.
    Derive {
        shared: bool,
    },
    /// A handle with all bytes of `other` was made from it, at a place that is not said.
    Another,
    Freeze,
    Resize,
    Tag,
    /// It is kept for long. If `other` is not 0, a copy with that key stands for it from now on.
    Retain,
    Free,
}

/// One event: 64 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// The handle: the address of its slot, or of the copy that it holds.
    pub(crate) key: usize,
    pub(crate) other: usize,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) site: Option<&'static Location<'static>>,
    /// Allocations before this.
    pub(crate) position: u64,
    pub(crate) tick: u32,
    pub(crate) thread: u32,
    /// Number of the tag; 0 is none.
    pub(crate) tag: u32,
    pub(crate) kind: EventKind,
}

impl Event {
    pub(super) fn new(kind: EventKind, key: usize) -> Event {
        Event { key, other: 0, offset: 0, len: 0, site: None, position: 0, tick: 0, thread: 0, tag: 0, kind }
    }
}

/// Of a recording that has not been taken yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogState {
    /// No other recording of the process has it.
    pub(crate) number: u64,
    pub(crate) limits: Limits,
    pub(crate) is_open: bool,
    pub(crate) is_cut_short: bool,
    pub(crate) events: usize,
    /// Bytes that the log takes.
    pub(crate) bytes: usize,
    pub(crate) allocations: u64,
    /// For how long it has been recording, or had.
    pub(crate) duration: Duration,
}

/// A recording that is over.
pub(crate) struct Logged {
    pub(crate) state: LogState,
    pub(crate) events: Vec<Vec<Event>>,
    /// The tick at its beginning.
    pub(crate) began: u32,
}

pub(crate) struct Log {
    /// Not 0 while something is recorded.
    open: AtomicU32,
    one_in: AtomicU32,
    /// Allocations while it was open. Never set back, so that one that was counted for an earlier recording is known as such.
    allocations: AtomicU64,
    /// What they were when it was opened.
    base: AtomicU64,
    book: Mutex<Option<Book>>,
}

struct Book {
    number: u64,
    limits: Limits,
    since: Instant,
    began: u32,
    /// Allocations before it.
    base: u64,
    /// How long it took, and how many allocations there were, once it has ended.
    ended: Option<(Duration, u64)>,
    is_cut_short: bool,
    events: usize,
    /// Each but the last one is full. They are never moved.
    pages: Vec<Vec<Event>>,
}

impl Log {
    pub(super) fn new() -> Log {
        Log {
            open: AtomicU32::new(0),
            one_in: AtomicU32::new(1),
            allocations: AtomicU64::new(0),
            base: AtomicU64::new(0),
            book: Mutex::new(None),
        }
    }

    /// Whether something is recorded; a hint.
    pub(super) fn is_open(&self) -> bool {
        // Relaxed: who must know calls `look` before, or takes the lock.
        self.open.load(Ordering::Relaxed) != 0
    }

    /// After this the caller sees that something is recorded, or else who begins will see what the caller did before.
    pub(super) fn look(&self) {
        if !planted(Plant::RecordUnseen) {
            // AcqRel: as in `begin`. A read-modify-write, so that of the two one is first.
            self.open.fetch_add(0, Ordering::AcqRel);
        }
    }

    /// Opens the log. Fails with what is recorded already.
    fn begin(&self, limits: Limits) -> Result<LogState, LogState> {
        let began = clock::read();
        let mut book = self.book.lock();
        if let Some(book) = &*book {
            return Err(book.state(self));
        }
        let since = Instant::now();
        let number = next_uid();
        // Relaxed, all: who counts and finds the log closed under the lock, or another one, has counted in vain.
        let base = self.allocations.load(Ordering::Relaxed);
        self.base.store(base, Ordering::Relaxed);
        self.one_in.store(limits.one_in.max(1), Ordering::Relaxed);
        let pages = Vec::new();
        let new = Book { number, limits, since, began, base, ended: None, is_cut_short: false, events: 0, pages };
        let state = book.insert(new).state(self);
        // AcqRel: pairs with the one in `look`. Whoever opened a slab before this made it visible to
        // `begin_log`, and whoever does so after this sees that it may not cut from it on its fast path.
        self.open.swap(1, Ordering::AcqRel);
        Ok(state)
    }

    /// Closes the log with this number, or whatever it is called. What was logged stays until it is taken.
    fn end(&self, number: Option<u64>) -> Option<LogState> {
        let mut book = self.book.lock();
        let book = book.as_mut().filter(|book| number.is_none_or(|number| number == book.number))?;
        book.close(self);
        Some(book.state(self))
    }

    /// Closes the log with this number, or whatever it is called, and takes what was logged.
    fn take(&self, number: Option<u64>) -> Option<Logged> {
        let mut book = self.book.lock();
        book.as_mut().filter(|book| number.is_none_or(|number| number == book.number))?.close(self);
        let book = book.take()?;
        Some(Logged { state: book.state(self), events: book.pages, began: book.began })
    }

    /// Counts an allocation. Returns its number, if it is to be recorded.
    ///
    /// Of each `n` in a row it is one, at a place that differs from one `n` to the next: a program that allocates in turns
    /// would otherwise be seen at the same turn always.
    pub(super) fn count(&self) -> Option<u64> {
        // Relaxed, all: a count, ordered with nothing.
        let number = self.allocations.fetch_add(1, Ordering::Relaxed);
        let before = number.saturating_sub(self.base.load(Ordering::Relaxed));
        let n = u64::from(self.one_in.load(Ordering::Relaxed));
        (before % n == scattered(before / n) % n).then_some(number)
    }

    /// Logs an event, if something is recorded; of an allocation with its number. Says whether it was logged.
    pub(super) fn write(&self, mut event: Event, number: Option<u64>) -> bool {
        if !self.is_open() {
            return false;
        }
        event.tick = clock::read();
        event.thread = thread::id();
        let mut book = self.book.lock();
        let Some(book) = book.as_mut().filter(|book| book.ended.is_none()) else { return false };
        // Relaxed: as in `count`.
        let number = number.unwrap_or_else(|| self.allocations.load(Ordering::Relaxed));
        let Some(position) = number.checked_sub(book.base) else { return false };
        event.position = position;
        let written = book.write(event);
        if !written {
            book.is_cut_short = true;
            book.close(self);
        }
        written
    }
}

impl Book {
    /// Fails if it is full, or there is no memory.
    fn write(&mut self, event: Event) -> bool {
        let left = (self.limits.max_bytes / size_of::<Event>()).saturating_sub(self.events);
        if left == 0 {
            return false;
        }
        let is_full = |page: &Vec<Event>| page.len() == page.capacity();
        if self.pages.last().is_none_or(is_full) {
            let mut page = Vec::new();
            if self.pages.try_reserve(1).is_err() || page.try_reserve_exact(PAGE.min(left)).is_err() {
                return false;
            }
            self.pages.push(page);
        }
        let Some(page) = self.pages.last_mut() else { return false };
        page.push(event);
        self.events += 1;
        true
    }

    fn close(&mut self, log: &Log) {
        // Relaxed, all: who writes asks again under the lock, and who is off its fast path in vain goes back sooner or later.
        log.open.store(0, Ordering::Relaxed);
        self.ended = Some(self.so_far(log));
    }

    fn so_far(&self, log: &Log) -> (Duration, u64) {
        self.ended.unwrap_or_else(|| (self.since.elapsed(), log.allocations.load(Ordering::Relaxed) - self.base))
    }

    fn state(&self, log: &Log) -> LogState {
        let (duration, allocations) = self.so_far(log);
        LogState {
            number: self.number,
            limits: self.limits,
            is_open: self.ended.is_none(),
            is_cut_short: self.is_cut_short,
            events: self.events,
            bytes: self.pages.iter().map(|page| page.capacity() * size_of::<Event>()).sum(),
            allocations,
            duration,
        }
    }
}

/// A number that looks like chance and is the same each time: the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", 2014).
fn scattered(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

impl Ledger {
    /// Begins to record: the allocations that begin after this has returned, on whatever thread this is known to have happened.
    /// Fails with what is recorded already.
    pub(crate) fn begin_log(&self, limits: Limits) -> Result<LogState, LogState> {
        let state = self.log.begin(limits)?;
        // Not by `headers`, whose copy is memory that there may be none of.
        for header in self.headers.lock().iter() {
            // SAFETY: headers are type-stable.
            let header = unsafe { header.as_ref() };
            // As in `recall`.
            if header.owner() != thread::NOBODY {
                header.stop();
            }
        }
        Ok(state)
    }

    /// Ends the recording with this number, or any. What was logged stays until it is taken.
    pub(crate) fn end_log(&self, number: Option<u64>) -> Option<LogState> {
        self.log.end(number)
    }

    /// Ends the recording with this number, or any, and takes what was logged.
    pub(crate) fn take_log(&self, number: Option<u64>) -> Option<Logged> {
        self.log.take(number)
    }

    /// What is being recorded, or was and has not been taken.
    pub(crate) fn log_state(&self) -> Option<LogState> {
        let book = self.log.book.lock();
        book.as_ref().map(|book| book.state(&self.log))
    }
}
