//! What all protocols need of a connection: reads that are as large as what comes, and writes.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::buffers::{Buffers, Input};
use crate::server::Shared;

/// Room is asked for no fewer bytes than this.
const LEAST: usize = 512;
/// And for no more, unless a message needs it.
const MOST: usize = 64 * 1024;
/// As many pieces are written at once.
pub const PIECES: usize = 64;

pub struct Connection<B: Buffers> {
    pub shared: Rc<Shared<B>>,
    pub input: B::Input,
    stream: TcpStream,
    /// How much is there after a read, lately.
    usual: usize,
}

impl<B: Buffers> Connection<B> {
    pub fn new(shared: Rc<Shared<B>>, stream: TcpStream) -> io::Result<Connection<B>> {
        stream.set_nodelay(true)?;
        let input = shared.buffers.input();
        Ok(Connection { shared, input, stream, usual: LEAST })
    }

    /// Waits for more, of which at least `missing` bytes are needed. `false` at the end of the stream.
    pub async fn more(&mut self, missing: usize) -> io::Result<bool> {
        let Connection { shared, input, stream, usual, .. } = self;
        input.rest();
        let (offered, count) = poll_fn(|context| {
            // Room is taken when there is something to read, and not while the connection is idle.
            ready!(stream.poll_read_ready(context))?;
            shared.reads.set(shared.reads.get() + 1);
            let room = input.room(missing, *usual);
            let offered = room.chunk_mut().len();
            match pin!(stream.read_buf(room)).poll(context) {
                Poll::Ready(count) => Poll::Ready(count.map(|count| (offered, count))),
                Poll::Pending => {
                    input.rest();
                    Poll::Pending
                }
            }
        })
        .await
        .or_else(|error| if is_gone(&error) { Ok((1, 0)) } else { Err(error) })?;
        self.learn(count == offered);
        Ok(count > 0)
    }

    /// What a read will bring is taken from what the last ones brought: at once if that was more, and slowly if it was less.
    fn learn(&mut self, full: bool) {
        let there = self.input.unread().len();
        let usual = if full { 2 * there } else { (there + there / 8).max(self.usual - self.usual / 16) };
        self.usual = usual.clamp(LEAST, MOST);
    }

    /// Writes all of it, and leaves `bytes` empty. `false` if the client has gone.
    pub async fn write(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut done = 0;
        while done < bytes.len() {
            self.shared.writes.set(self.shared.writes.get() + 1);
            match self.stream.write(&bytes[done..]).await {
                Ok(count) => done += count,
                Err(error) if is_gone(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        bytes.clear();
        Ok(true)
    }

    /// Writes all of them; each is dropped when it has gone out. `false` if the client has gone.
    pub async fn write_pieces(&mut self, pieces: &mut VecDeque<B::Slice>) -> io::Result<bool> {
        // Of the first piece, so much has gone out.
        let mut done = 0;
        while let Some(first) = pieces.front() {
            self.shared.writes.set(self.shared.writes.get() + 1);
            let written = if pieces.len() == 1 {
                self.stream.write(&first[done..]).await
            } else {
                let mut vectors = [IoSlice::new(&[]); PIECES];
                for (vector, piece) in vectors.iter_mut().zip(pieces.iter()) {
                    *vector = IoSlice::new(piece);
                }
                vectors[0] = IoSlice::new(&first[done..]);
                self.stream.write_vectored(&vectors[..pieces.len().min(PIECES)]).await
            };
            match written {
                Ok(count) => done += count,
                Err(error) if is_gone(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
            while pieces.front().is_some_and(|piece| piece.deref().len() <= done) {
                done -= pieces.pop_front().map_or(0, |piece| piece.deref().len());
            }
        }
        Ok(true)
    }
}

/// Clients of these protocols go without a word.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected)
}
