//! Chapters that are documentation only.

/// A slab size that the pool finds by itself: what it looks at, when it moves, and when not to use it.
#[doc = include_str!("adaptive.md")]
pub mod adaptive {}

/// A pinned slab is cut from again, in the holes between its slices.
#[doc = include_str!("around_the_pin.md")]
pub mod around_the_pin {}

/// Every setting of a pool: method, variable, key of a file, default, range, and who counts.
#[doc = include_str!("configuration.md")]
pub mod configuration {}

/// Every difference to `bytes`, each with its reason.
#[doc = include_str!("differences.md")]
pub mod differences {}

/// Memory of other crates: what pins it, how to see it, how to end it.
#[doc = include_str!("foreign.md")]
pub mod foreign {}

/// Many instances: Prometheus, Grafana, and continuous profilers.
#[doc = include_str!("fleet.md")]
pub mod fleet {}

/// A pool at its limit: who waits, who is told, who is refused, and what stays out of reach.
#[doc = include_str!("limits.md")]
pub mod limits {}

/// Where idle memory is, what gives it back and when, and what stays.
#[doc = include_str!("returning_memory.md")]
pub mod returning_memory {}

/// Where slab memory comes from, what it is aligned to, huge pages, registered buffers; and giving dead pages back.
#[doc = include_str!("sources.md")]
pub mod sources {}

/// What this crate does not do, and when not to use it.
#[doc = include_str!("limitations.md")]
pub mod limitations {}

/// What is overwritten when, what is not, and the debug modes that find memory bugs.
#[doc = include_str!("secrecy.md")]
pub mod secrecy {}

/// The schema of a report as JSON.
#[doc = include_str!("report_json.md")]
pub mod report_json {}

/// The schema of what changed between two reports, as JSON.
#[doc = include_str!("diff_json.md")]
pub mod diff_json {}

/// Columns, frames, sample types and labels: the report as CSV, folded stacks and pprof.
#[doc = include_str!("outputs.md")]
pub mod outputs {}

/// A report as a heap snapshot, for Chrome DevTools and memlab.
#[doc = include_str!("heap_snapshot.md")]
pub mod heap_snapshot {}

/// From a growing graph to the line that holds on, in each viewer.
///
#[doc = include_str!("pictures/embedded.md")]
#[doc = include_str!("finding_a_pin.md")]
pub mod finding_a_pin {}

/// Parked slices: copied only if they live long, and how a slice is moved under its readers.
#[doc = include_str!("late_compaction.md")]
pub mod late_compaction {}

/// Traces: what a program asked of a pool, and the file format.
///
#[doc = include_str!("traces.md")]
pub mod traces {}

/// What the size of slabs costs and saves, measured.
///
#[doc = include_str!("pictures/slab_size.md")]
#[doc = include_str!("slab_size.md")]
pub mod slab_size {}

/// Which slab size for one's own traffic: record, compare, set, check again.
#[doc = include_str!("tuning.md")]
pub mod tuning {}

/// A server on three kinds of buffers, under load from programs that know nothing of this crate.
///
#[doc = include_str!("pictures/servers.md")]
#[doc = include_str!("servers.md")]
pub mod servers {}

/// How costs grow with threads, slices, slabs, tags and scopes, measured.
///
#[doc = include_str!("pictures/scaling.md")]
#[doc = include_str!("scaling.md")]
pub mod scaling {}

/// Every line and lock that more than one thread writes, and at how many cores it would bite.
#[doc = include_str!("contention.md")]
pub mod contention {}

/// What each operation costs, beside the same with other crates.
///
#[doc = include_str!("pictures/vs_peers.md")]
#[doc = include_str!("performance.md")]
pub mod performance {}
