//! Echo: a frame is its length as four bytes, the highest first, and so many bytes.
//!
//! Each frame becomes a value of its own, as if another task were to have it, and waits in a queue until it is written.

use std::collections::VecDeque;

use anyhow::{Result, ensure};

use crate::buffers::{Buffers, Input};
use crate::connection::{Connection, PIECES};

/// The longest payload.
pub const MAX_FRAME: usize = 1 << 20;
/// The length that stands before it.
pub const PREFIX: usize = 4;

pub async fn serve<B: Buffers>(mut connection: Connection<B>) -> Result<()> {
    let mut frames = VecDeque::new();
    loop {
        let missing = loop {
            let missing = match size(connection.input.unread())? {
                Ok(size) => {
                    frames.push_back(connection.input.take(size));
                    connection.shared.answered(1);
                    0
                }
                Err(missing) => missing,
            };
            if missing > 0 || frames.len() == PIECES {
                break missing;
            }
        };
        if !connection.write_pieces(&mut frames).await? {
            return Ok(());
        }
        if missing > 0 && !connection.more(missing).await? {
            return Ok(());
        }
    }
}

/// The size of the frame that `bytes` begins with, or how many bytes are missing to it.
fn size(bytes: &[u8]) -> Result<Result<usize, usize>> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Ok(Err(PREFIX - bytes.len()));
    };
    let payload = u32::from_be_bytes(*prefix) as usize;
    ensure!(payload <= MAX_FRAME, "a frame of {payload} bytes; the limit is {MAX_FRAME}");
    let size = PREFIX + payload;
    Ok(if bytes.len() < size { Err(size - bytes.len()) } else { Ok(size) })
}
