//! A slab allocator for network buffers that can say, at any moment and for almost no cost, **which slices keep each slab
//! alive**, and can let the slab go again.
//!
//! # The trap
//!
//! A server reads into big slabs, because allocating for each read is slow, and hands out small refcounted slices. One
//! 20-byte slice that somebody keeps (a header value, the first packet behind an upgrade request, a cache key) keeps its
//! whole slab. Node 0.8 read TLS into slabs of 10 MiB, Socket.IO kept one small `head` for each WebSocket, and memory grew by
//! 2.2 MB/s until the process died; either load alone was flat. The same trap is open wherever read buffers are shared.
//!
//! This crate keeps the slab, because it is fast, and makes its pins visible and removable:
//!
//! ```
//! use bufslab::{BufMut, SlabPool};
//!
//! let pool = SlabPool::builder().slab_size(1 << 20).build()?;
//! let mut read = pool.alloc(1 << 20); // one read from a socket
//! read.put_bytes(b'.', 1 << 20);
//! let request = read.freeze();
//! let head = request.slice(..20).tag("req.head"); // 20 bytes that somebody keeps
//! drop(request);
//!
//! let report = pool.report(); // who keeps what alive
//! assert_eq!((report.totals.live_bytes, report.totals.pinned_bytes), (20, 1 << 20));
//!
//! let head = head.retain(); // "I will keep this": copied, because 20 bytes are not worth 1 MiB
//! assert_eq!(pool.stats().pinned_bytes, 0);
//! # drop(head);
//! # Ok::<(), bufslab::BuildError>(())
//! ```
//!
//! # Nouns
//!
//! | noun | meaning |
//! |---|---|
//! | **pool** | [`SlabPool`]: hands out buffers, owns slabs, answers questions about them. A cheap clone. |
//! | **slab** | one contiguous piece of memory, by default 64 KiB, from which slices are cut by moving a cursor. |
//! | **slice** | a range of one slab that one handle holds: [`SlabBytesMut`] (unique, writable) or [`SlabBytes`] (shared, read-only). |
//! | **pin** | a live slice keeps its slab from being used again: it *pins* the slab. |
//! | **site** | the source location where a handle was made. |
//! | **tag** | a name the program gives: [`tag("req.head")`](SlabBytes::tag). |
//! | **scope** | an owner, `conn 42`: what is made inside is charged to it, [`pool.scope("conn", 42)`](SlabPool::scope). |
//! | **live bytes** | bytes of a slab that at least one live slice covers, overlaps counted once. |
//! | **pinned bytes** | bytes of all slabs that some slice keeps alive. **Waste** is pinned − live. |
//! | **reclaimable** | bytes that would be freed if a given set of slices were compacted. |
//! | **detached** | a slice that owns an exact-size copy and pins no slab. |
//! | **compact** | turn a slice into a detached one, by copying: [`compact`](SlabBytes::compact). |
//! | **park** | "for how long I do not know": moved out late, if that frees the slab: [`park`](SlabBytes::park). |
//! | **punch** | give the dead pages of pinned slabs back to the system, under the live slices: [`punch`](SlabPool::punch). |
//! | **retain** | "I will keep this for long": compact if the [policy](RetainPolicy) says so. |
//!
//! # Moving over from `bytes`
//!
//! [`SlabBytes`] and [`SlabBytesMut`] have every method and trait of `bytes::Bytes` and `bytes::BytesMut`, so that a server
//! moves over by changing a `use` line:
//!
//! ```
//! use bufslab::{BufMut, SlabBytes as Bytes, SlabBytesMut as BytesMut};
//!
//! let mut buffer = BytesMut::with_capacity(1024);
//! buffer.put(&b"hello world"[..]);
//! let hello: Bytes = buffer.split_to(5).freeze();
//! assert_eq!(hello, "hello");
//! ```
//!
//! All differences are in one table, [`docs::differences`]; the tests of `bytes` itself run against these types.
//!
//! # What it costs
//!
//! On the thread that owns a slab, allocating, freezing, cloning, slicing, splitting and dropping use no atomic
//! read-modify-write and allocate nothing, with every slice tracked; anywhere else, and on slabs that their owner has left,
//! a clone or a drop is one. What this crate does not do, and where it is the wrong choice, is in [`docs::limitations`].
//! What each operation takes beside other crates, row by row, and where others are faster, is in [`docs::performance`]; a whole server in
//! [`docs::servers`]; how costs grow in [`docs::scaling`] and [`docs::contention`]. What the size of slabs costs and saves is measured in
//! [`docs::slab_size`].
//!
//! A buffer can be marked to be overwritten when it goes away: what that covers, and the debug modes that find stale pointers into
//! slabs, is in [`docs::secrecy`].
//!
//! # Configuring a pool
//!
//! By [`SlabPool::builder`], by a configuration file, by variables such as `SLAB_BUFFER_SIZE`: [`docs::configuration`] has every setting with
//! its range, and says who counts. Every report tells what is in effect, and who said so.
//!
//! # Finding a pin
//!
//! A report says who keeps what alive, and what letting go would free. It can be printed, compared, watched, served and opened in
//! the viewers that people already use: [`docs::finding_a_pin`] goes from a growing graph to the line that holds on.
//!
//! | question | answer |
//! |---|---|
//! | who pins what, now? | [`SlabPool::report`], in every [`Format`](report::Format) |
//! | who is the owner? | [`tag`](SlabBytes::tag), [`scope`](SlabPool::scope), [`in_scope`](InScope::in_scope), [`touch`](SlabBytes::touch) |
//! | what grows? | [`report::diff`], [`report::Series`] |
//! | what of it did others make? | [`adopt`](SlabPool::adopt), [`CompactBytes`], [`docs::foreign`] |
//! | what would compacting free? | [`compact_plan`](PinReport::compact_plan) |
//! | tell me when | [`SlabPool::watch`] |
//! | no more than this much | [`max_bytes`](SlabPoolBuilder::max_bytes), [`alloc_async`](SlabPool::alloc_async), [quotas](SlabPool::set_scope_quota): [`docs::limits`] |
//! | never again | [`assert_no_pins!`], [`pin_gate`](SlabPool::pin_gate), [`close`](SlabPool::close) |
//!
//! # Features
//!
//! None is on by default, and none is needed for a report as text, JSON, CSV, HTML, `.heapsnapshot`, folded stacks or Prometheus'
//! text.
//!
//! * `serde`: `Serialize` and `Deserialize` for the two buffer types, as in `bytes`, and for [`PoolConfig`], out of a configuration file.
//! * `backtraces`: [`Level::Backtraces`] takes stacks, and suspects leave them.
//! * `json`: [`PinReport`] is read back from its JSON by `PinReport::from_json`.
//! * `mmap`: `MmapSource`, slabs of pages of their own or of huge pages, which [`punch`](SlabPool::punch) gives back to the system under
//!   live slices (on Linux); see [`docs::sources`].
//! * `pprof`: [`PinReport`] as a gzipped profile for pprof.
//! * `tracing`: what a [`Watch`] says is an event of `tracing` as well.
//! * `tokio`: `SlabPool::alloc_timeout` waits for memory for so long and no longer. [`SlabPool::alloc_async`] needs no feature.
//! * `metrics`: [`SlabMetrics`](docs::fleet) sets every figure through the facade `metrics`.
//! * `prometheus-client`: [`SlabCollector`](docs::fleet) for a registry of `prometheus-client`.
//! * `admin`: `admin::Server` shows all of it on a loopback port or a unix socket, to programs over HTTP and to people over
//!   telnet, on plain threads.
//! * `axum`: `admin::router`, the same for a program that has axum.
//! * `http`, `hyper`, `tungstenite`: [`CompactBytes`] for what those crates' types hold of a read buffer.
//! * `tune`: what a recorded trace would cost with other slab sizes and policies, simulated and timed: [`docs::tuning`].
//! * `cli`: the command `bufslab`, which asks a running program or reads a file.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapt;
#[cfg(feature = "admin")]
pub mod admin;
mod buf;
mod compaction;
mod config;
pub mod docs;
mod error;
mod foreign;
mod gates;
mod maintain;
#[cfg(bufslab_loom)]
#[doc(hidden)]
pub mod model;
#[cfg(any(feature = "metrics", feature = "prometheus-client"))]
mod observe;
mod park;
mod policy;
mod pool;
#[allow(unsafe_code, reason = "the only floor that may; see its front page")]
mod raw;
mod record;
pub mod report;
mod retain;
mod slab_size;
mod sync;
pub mod trace;
mod track;
#[cfg(feature = "tune")]
pub mod tune;
mod watch;

pub use buf::{AllocAsync, SlabBytes, SlabBytesMut};
pub use bytes::{Buf, BufMut};
pub use compaction::{CompactPolicy, Compaction};
pub use config::{Level, PoolConfig, Reuse, SetBy, Setting};
pub use error::{AllocError, BuildError, TagShare};
pub use foreign::{CompactBytes, Compacted, Foreign, compact_bytes};
#[doc(hidden)]
pub use gates::assert_no_pins as __assert_no_pins;
pub use gates::{ExitReport, PinGate, StillPinned};
pub use maintain::{Maintained, Maintenance, Trimmed};
#[cfg(feature = "prometheus-client")]
pub use observe::SlabCollector;
#[cfg(feature = "metrics")]
pub use observe::SlabMetrics;
pub use park::{Parked, ParkedRef};
pub use policy::{RetainDecision, RetainPolicy, RetainReason, SuspectPolicy};
pub use pool::{
    InScope, OverQuota, PoolStats, Pressure, Quota, QuotaAction, QuotaOutcome, Scoped, SlabPool, SlabPoolBuilder,
};
pub use raw::{Backing, HeapSource, Punched, RegionPlace, RegionSource, SlabSource, SliceKind, StableRegion};
#[cfg(all(unix, feature = "mmap"))]
pub use raw::{HugePageUse, HugePages, Mapping, MmapSource};
pub use record::{RecordError, RecordOptions, Recording, RecordingState};
pub use report::PinReport;
pub use slab_size::{Auto, SlabSize};
pub use track::{Frame, Scope, ScopeGuard, ScopeName, Site, Tag, Trace, TraceId};
pub use watch::{Condition, Watch, WatchBuilder, WatchEvent, WatchEventKind};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
