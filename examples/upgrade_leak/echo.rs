//! The server's side of one WebSocket: every message goes back as it came.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use anyhow::Result;
use bufslab::SlabBytes;
use bytes::Buf;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

/// The WebSocket library reads from `arrived` and writes to `leaving`; neither ever blocks.
#[derive(Default)]
struct Pipes {
    arrived: VecDeque<SlabBytes>,
    leaving: Vec<u8>,
}

/// An open WebSocket that echoes.
pub struct Echo(WebSocket<Pipes>);

impl Default for Echo {
    fn default() -> Echo {
        // Small, because there is one for each connection and none of them says much.
        let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        Echo(WebSocket::from_raw_socket(Pipes::default(), Role::Server, Some(config)))
    }
}

impl Echo {
    /// Takes what has arrived, and returns what is to be sent. The slice is let go before this
    /// returns: the library copies frames into a buffer of its own.
    pub fn answer(&mut self, arrived: SlabBytes) -> Result<Vec<u8>> {
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

impl Read for Pipes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(slice) = self.arrived.front_mut() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let count = slice.len().min(into.len());
        into[..count].copy_from_slice(&slice[..count]);
        slice.advance(count);
        if slice.is_empty() {
            self.arrived.pop_front();
        }
        Ok(count)
    }
}

impl Write for Pipes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.leaving.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
