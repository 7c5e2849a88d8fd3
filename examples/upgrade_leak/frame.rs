//! The WebSocket frame that each client sends glued to its upgrade request.
//!
//! The server finds it behind the request's header: it is the `head` that Node handed to the
//! program. Its bytes follow from the connection's number alone, so that the server can check at
//! the end of a run that what it kept is still exactly what was sent.

use anyhow::Result;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// The path of an upgrade request, before the connection's number.
pub const SOCKET_PATH: &str = "/socket/";

/// What connection `number` says first.
pub fn greeting(number: u64) -> String {
    format!("hello from {number:03}")
}

/// The same as a masked frame: 20 bytes for the first thousand connections.
pub fn greeting_frame(number: u64) -> Result<Vec<u8>> {
    let mut frame = Frame::message(greeting(number), OpCode::Data(Data::Text), true);
    frame.header_mut().mask = Some((0x5EED_0000 | number as u32).to_be_bytes());
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes)?;
    Ok(bytes)
}
