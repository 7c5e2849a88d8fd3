//! How far long work has come, on standard error while that is a terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use crate::units::{bytes, percent};

/// Work that ends sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
const BETWEEN: Duration = Duration::from_millis(100);

/// A line that says what is done and how much of it.
#[derive(Debug)]
pub struct Meter {
    /// `None` if nobody would see it.
    what: Option<&'static str>,
    next: Instant,
    shown: bool,
}

impl Meter {
    /// Shows itself if standard error is a terminal.
    pub fn on_terminal(what: &'static str) -> Meter {
        Meter { what: io::stderr().is_terminal().then_some(what), ..Meter::silent() }
    }

    pub fn silent() -> Meter {
        Meter { what: None, next: Instant::now() + PATIENCE, shown: false }
    }

    fn show(&mut self, done: u64, all: Option<u64>) {
        let Some(what) = self.what.filter(|_| Instant::now() >= self.next) else {
            return;
        };
        self.next = Instant::now() + BETWEEN;
        self.shown = true;
        let done = usize::try_from(done).unwrap_or(usize::MAX);
        let of_all = all
            .and_then(|all| usize::try_from(all).ok())
            .map_or(String::new(), |all| format!(" of {} ({})", bytes(all), percent(done, all)));
        // Back to the line's start, and clear what is behind the text.
        let _ = write!(io::stderr(), "\r{what} {}{of_all}\u{1b}[K", bytes(done));
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// A reader or writer whose bytes a meter shows.
#[derive(Debug)]
pub struct Counted<T> {
    inner: T,
    done: u64,
    all: Option<u64>,
    meter: Meter,
}

impl<T> Counted<T> {
    pub fn new(inner: T, all: Option<u64>, meter: Meter) -> Counted<T> {
        Counted { inner, done: 0, all, meter }
    }

    fn count(&mut self, n: usize) {
        self.done += n as u64;
        self.meter.show(self.done, self.all);
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.count(n);
        Ok(n)
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(from)?;
        self.count(n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// How many of so many things are done.
#[derive(Debug)]
pub struct Steps {
    all: usize,
    done: usize,
    is_shown: bool,
    is_on_terminal: bool,
    next: Instant,
}

impl Steps {
    /// Shows itself if standard error is a terminal.
    pub fn on_terminal(all: usize) -> Steps {
        let next = Instant::now() + PATIENCE;
        Steps { all, done: 0, is_shown: false, is_on_terminal: io::stderr().is_terminal(), next }
    }

    /// Begins with the next.
    pub fn next(&mut self, what: &str) {
        if self.is_on_terminal && Instant::now() >= self.next {
            self.next = Instant::now() + BETWEEN;
            self.is_shown = true;
            let share = percent(self.done, self.all);
            let _ = write!(io::stderr(), "\r{what}: {} of {} ({share})\u{1b}[K", self.done + 1, self.all);
        }
        self.done += 1;
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
