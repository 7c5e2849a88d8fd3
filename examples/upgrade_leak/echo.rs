//! The server's side of one WebSocket: every message goes back as it came.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use anyhow::Result;
use bufslab::SlabBytes;
use bytes::Buf;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

/// The WebSocket library reads from `arrived` and writes to `leaving`; neither ever blocks.
struct Pipes<B> {
    arrived: VecDeque<B>,
    leaving: Vec<u8>,
}

/// An open WebSocket that echoes what arrives in slices of the type `B`.
pub struct Echo<B = SlabBytes>(WebSocket<Pipes<B>>);

impl<B: Buf> Default for Echo<B> {
    fn default() -> Echo<B> {
        // Small, because there is one for each connection and none of them says much.
        let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let pipes = Pipes { arrived: VecDeque::new(), leaving: Vec::new() };
        Echo(WebSocket::from_raw_socket(pipes, Role::Server, Some(config)))
    }
}

impl<B: Buf> Echo<B> {
    /// Takes what has arrived, and returns what is to be sent. The slice is let go before this
    /// returns: the library copies frames into a buffer of its own.
    pub fn answer(&mut self, arrived: B) -> Result<Vec<u8>> {
        self.0.get_mut().arrived.push_back(arrived);
        loop {
            match self.0.read() {
                Ok(message) if message.is_text() || message.is_binary() => self.0.send(message)?,
                Ok(_) => {}
                Err(Error::ConnectionClosed) => break,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::mem::take(&mut self.0.get_mut().leaving))
    }
}

impl<B: Buf> Read for Pipes<B> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(slice) = self.arrived.front_mut() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let count = slice.remaining().min(into.len());
        slice.copy_to_slice(&mut into[..count]);
        if !slice.has_remaining() {
            self.arrived.pop_front();
        }
        Ok(count)
    }
}

impl<B> Write for Pipes<B> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.leaving.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
