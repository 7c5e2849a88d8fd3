//! WebSocket: what a server of the crate `tungstenite` keeps of its messages.

use super::{KEPT, SMALL};
use anyhow::{Result, anyhow};
use std::net::{TcpListener, TcpStream};
use std::thread;
use tungstenite::Message;

/// The small ones of many messages: each keeps what was read with it.
pub(crate) fn messages() -> Result<Vec<Message>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let client = thread::spawn(move || -> Result<()> {
        let stream = TcpStream::connect(address)?;
        let (mut socket, _) = tungstenite::client(format!("ws://{address}/"), stream)?;
        for _ in 0..KEPT {
            socket.write(Message::binary(vec![b'.'; 200_000]))?;
            socket.write(Message::binary(SMALL.as_bytes().to_vec()))?;
        }
        socket.close(None)?;
        // Until the server has closed as well.
        while socket.read().is_ok() {}
        Ok(())
    });
    let (stream, _) = listener.accept()?;
    let mut socket = tungstenite::accept(stream).map_err(|error| anyhow!("{error}"))?;
    let mut kept = Vec::new();
    while let Ok(message) = socket.read() {
        if message.is_binary() && message.len() == SMALL.len() {
            kept.push(message);
        }
    }
    // The client waits for the end of the stream.
    drop(socket);
    client.join().map_err(|_| anyhow!("the client panicked"))??;
    Ok(kept)
}
