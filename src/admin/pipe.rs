//! A bounded pipe from a thread that writes to a future that reads, with no runtime's help.

use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Instant;

use bytes::Bytes;

use super::limits::OUT;
use crate::sync::Mutex;

/// Pieces that wait to be read: the reader takes them one by one, so that two keep both sides busy.
const MAX_WAITING: usize = 2;

/// A pipe that carries a head and then bytes: its writer, for a thread that may wait, and its reader, for a future.
pub(super) fn pipe<H>(patience: Duration) -> (Writer<H>, Reader<H>) {
    let shared = Arc::new(Mutex::new(State {
        head: None,
        waiting: VecDeque::new(),
        end: None,
        reader_gone: false,
        reader: None,
        writer: None,
    }));
    let writer = Writer {
        shared: Arc::clone(&shared),
        buffer: Vec::with_capacity(OUT),
        deadline: Instant::now() + patience,
        whole: false,
    };
    (writer, Reader { shared })
}

struct State<H> {
    head: Option<H>,
    waiting: VecDeque<Bytes>,
    /// How the writer ended, if it has.
    end: Option<End>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Thread>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

/// Waits while the reader has enough to read, and no longer than it was told to in all.
pub(super) struct Writer<H> {
    shared: Arc<Mutex<State<H>>>,
    buffer: Vec<u8>,
    deadline: Instant,
    whole: bool,
}

impl<H> Writer<H> {
    /// What comes before all bytes.
    pub(super) fn head(&self, head: H) {
        let mut state = self.shared.lock();
        state.head = Some(head);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// All was written: the reader comes to an end in good order. A writer that is dropped without this leaves it with
    /// an error.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.whole = true;
        Ok(())
    }

    fn send(&self, piece: Bytes) -> io::Result<()> {
        loop {
            let mut state = self.shared.lock();
            if state.reader_gone {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if state.waiting.len() < MAX_WAITING {
                state.waiting.push_back(piece);
                let reader = state.reader.take();
                drop(state);
                if let Some(reader) = reader {
                    reader.wake();
                }
                return Ok(());
            }
            state.writer = Some(thread::current());
            drop(state);
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::park_timeout(left);
        }
    }
}

impl<H> Write for Writer<H> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == OUT {
            self.flush()?;
        }
        let taken = &bytes[..bytes.len().min(OUT - self.buffer.len())];
        self.buffer.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = core::mem::replace(&mut self.buffer, Vec::with_capacity(OUT));
        self.send(piece.into())
    }
}

impl<H> Drop for Writer<H> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.end = Some(if self.whole { End::Whole } else { End::Broken });
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Reads what the writer writes.
pub(super) struct Reader<H> {
    shared: Arc<Mutex<State<H>>>,
}

impl<H> Reader<H> {
    /// What comes before all bytes; `None` if the writer ended without it.
    pub(super) fn poll_head(&self, context: &Context<'_>) -> Poll<Option<H>> {
        let mut state = self.shared.lock();
        if state.head.is_some() || state.end.is_some() {
            return Poll::Ready(state.head.take());
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// The next piece; `None` at the end, and an error where the writer broke off.
    pub(super) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut state = self.shared.lock();
        if let Some(piece) = state.waiting.pop_front() {
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.unpark();
            }
            return Poll::Ready(Some(Ok(piece)));
        }
        match state.end {
            Some(End::Whole) => Poll::Ready(None),
            Some(End::Broken) => {
                // Once is enough.
                state.end = Some(End::Whole);
                Poll::Ready(Some(Err(io::Error::other("the report broke off while it was written"))))
            }
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<H> Drop for Reader<H> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.reader_gone = true;
        let left = core::mem::take(&mut state.waiting);
        let writer = state.writer.take();
        drop(state);
        drop(left);
        if let Some(writer) = writer {
            writer.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Unpark(Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn next(reader: &Reader<()>) -> Option<io::Result<Bytes>> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match reader.poll_next(&Context::from_waker(&waker)) {
                Poll::Ready(piece) => return piece,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn what_is_written_is_read_and_a_fast_writer_waits() {
        let (mut writer, reader) = pipe(Duration::from_secs(60));
        let sent: Vec<u8> = (0..10 * OUT + 7).map(|n| (n % 251) as u8).collect();
        let thread = {
            let sent = sent.clone();
            thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.finish().unwrap();
            })
        };
        let mut read = Vec::new();
        while let Some(piece) = next(&reader) {
            read.extend_from_slice(&piece.unwrap());
            assert!(reader.shared.lock().waiting.len() <= MAX_WAITING);
        }
        thread.join().unwrap();
        assert_eq!(read, sent);
    }

    #[test]
    fn a_writer_that_breaks_off_is_an_error() {
        let (mut writer, reader) = pipe(Duration::from_secs(60));
        writer.write_all(b"half").unwrap();
        drop(writer);
        assert!(next(&reader).unwrap().is_err());
        assert!(next(&reader).is_none());
    }

    #[test]
    fn a_reader_that_goes_or_sleeps_ends_the_writer() {
        let (mut writer, reader) = pipe::<()>(Duration::from_secs(60));
        let thread = thread::spawn(move || writer.write_all(&[0; 10 * OUT]).unwrap_err().kind());
        thread::sleep(Duration::from_millis(20));
        drop(reader);
        assert_eq!(thread.join().unwrap(), io::ErrorKind::BrokenPipe);

        let (mut writer, _asleep) = pipe::<()>(Duration::from_millis(30));
        assert_eq!(writer.write_all(&[0; 10 * OUT]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
