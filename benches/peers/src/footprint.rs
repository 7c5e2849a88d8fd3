//! What the ledger takes, headers and slots, in percent of the slabs it is kept for.

use bufslab::{SlabBytes, SlabPool};
use serde_json::{Value, json};

/// Memory of slabs that each load fills.
const FILLED: usize = 16 << 20;

/// Both loads, each with a pool that has all its defaults.
pub(crate) fn all() -> Value {
    json!([load("reads of 4 KiB, one live slice each", 4096), load("reads of 64 bytes, one live slice each", 64)])
}

fn load(name: &str, len: usize) -> Value {
    let pool = SlabPool::new();
    let bytes = vec![7; len];
    let read = |_| {
        let mut read = pool.alloc(len);
        read.extend_from_slice(&bytes);
        read.freeze().slice(..)
    };
    let kept: Vec<SlabBytes> = (0..FILLED / len).map(read).collect();
    let stats = pool.stats();
    json!({
        "load": name,
        "slices": kept.len(),
        "slab_bytes": stats.memory_bytes,
        "ledger_bytes": stats.ledger_bytes,
        "percent": stats.ledger_bytes as f64 / stats.memory_bytes as f64 * 100.0,
    })
}
