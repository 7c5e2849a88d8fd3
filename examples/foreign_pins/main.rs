//! Buffers of other crates that small values keep alive: measured, seen in a report, and ended by one call.
//!
//! ```console
//! cargo run --example foreign_pins --features hyper,tungstenite
//! ```
//!
//! Real servers on loopback (h2, hyper, tungstenite, each as released) are sent real requests and keep something small of
//! each. For every shape this program
//!
//! 1. counts what the kept values keep allocated, by a counting allocator,
//! 2. adopts them into a pool, with the sizes of their allocations as the allocator knows them, and prints what its report
//!    says: who pins what,
//! 3. ends it by `compact_in_place`, and counts again.
//!
//! It ends with a table of all shapes, and with an error if one is not reproduced or not ended.

mod heap;
mod http1;
mod http2;
mod kept;
mod shape;
mod websocket;

use anyhow::{Result, ensure};
use shape::{Expect, Row};

/// Values that are kept of each shape.
const KEPT: usize = 16;

/// What a client sends to be kept: a session's name, the first packet.
const SMALL: &str = "a-session-of-20-byte";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();

    let kept = runtime.block_on(http2::header_values())?;
    rows.push(shape::measure("h2", "header value", "h2.header", Expect::Copied, kept)?);
    let kept = runtime.block_on(http2::uris())?;
    rows.push(shape::measure("h2", "request URI beside a large cookie", "h2.uri", Expect::Pinned, kept)?);
    let kept = runtime.block_on(http2::first_bytes_of_data())?;
    rows.push(shape::measure("h2", "first 20 bytes of a DATA frame", "h2.data", Expect::Pinned, kept)?);

    let kept = runtime.block_on(http1::values_in_large_heads())?;
    rows.push(shape::measure("hyper", "header value in a large head", "http1.header", Expect::Pinned, kept)?);
    let kept = runtime.block_on(http1::values_after_an_upload())?;
    rows.push(shape::measure("hyper", "header value after an upload", "http1.header", Expect::Pinned, kept)?);
    let kept = runtime.block_on(http1::first_packets())?;
    rows.push(shape::measure("hyper", "upgrade::Parts::read_buf", "upgrade.head", Expect::Pinned, kept)?);

    let kept = websocket::messages()?;
    rows.push(shape::measure("tungstenite", "message of 20 bytes", "ws.message", Expect::Pinned, kept)?);

    println!("What one kept value keeps allocated, on average:\n");
    println!("{}", Row::HEADER);
    rows.iter().for_each(|row| println!("{row}"));
    let failed: Vec<_> = rows.iter().filter_map(Row::failure).collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}
