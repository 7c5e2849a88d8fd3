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
//!
//! h2#923, header values that share the buffer they were decoded into, is closed: h2 copies them since 0.4.16, and the first
//! shape shows it. (`cargo update -p h2 --precise 0.4.14` brings it back, and this program finds it.) What is left of it today
//! are `:path` and `:authority`, which are decoded into the same buffers and not copied: the second shape.

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

/// What a client sends to be kept: the first packet, a message.
const SMALL: &str = "a-packet-of-20-bytes";

/// The session that the client with this number sends to be kept. It has the same length.
fn session(number: usize) -> String {
    format!("session-{number:012}")
}

fn main() -> Result<()> {
    run()
}

/// Also what the test of this example runs.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();

    let kept = runtime.block_on(http2::header_values())?;
    // h2#923 came with 0.4.14 and was closed by 0.4.16.
    let h2 = shape::version_of("h2");
    let expect = if matches!(h2, "0.4.14" | "0.4.15") { Expect::Pinned } else { Expect::Copied };
    rows.push(shape::measure("h2", "header value", "h2.header", expect, kept)?);
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
