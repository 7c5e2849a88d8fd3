//! The metrics of pools, as Prometheus' text format, through the facade `metrics`, and through `prometheus-client`.
//!
//! | file | catches |
//! |---|---|
//! | `parse` | a page that breaks the rules of the format: it is read by these rules and no others |
//! | `text` | wrong figures, sums that do not hold, names that upset a reader, too many series |
//! | `table` | names against the conventions, a help that cannot be written |
//! | `libraries` | figures that depend on the way they are asked for |
//! | `dashboards` | a panel or an alert on a metric that does not exist; a chapter that leaves one out |
#![allow(missing_docs)]
#![cfg(not(miri))]

mod dashboards;
#[cfg(any(feature = "metrics", feature = "prometheus-client"))]
mod libraries;
mod parse;
mod table;
mod text;

use bufslab::{SlabBytes, SlabPool};

/// A slab with one read of `tag` that fills it, and keeps `kept` bytes.
fn pin(pool: &SlabPool, tag: &str, kept: usize) -> SlabBytes {
    let size = pool.slab_size();
    let mut read = pool.alloc(size);
    read.resize(size, b'.');
    read.freeze().slice(..kept).tag(tag)
}

fn pool(name: &str, slab_size: usize) -> SlabPool {
    SlabPool::builder().name(name).slab_size(slab_size).build().unwrap()
}
