//! The console: which pools are shown, what is allowed, and what was shown before.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use super::guard::Hosts;
use super::past::{self, Past};
use crate::error::BuildError;
use crate::pool::SlabPool;
use crate::report::{PinReport, bytes};
use crate::sync::{AtomicUsize, Mutex, Ordering};

/// Reports that may be in memory at a time, over all connections.
const MAX_TAKEN: usize = 4;
/// How often, and how long apart, one more request asks for its turn: two seconds in all.
const PERMIT_TRIES: u32 = 200;
const PERMIT_PAUSE: Duration = Duration::from_millis(10);

/// Answers requests about pools: the part that all servers of this module share, and that does no input or output of
/// its own.
///
/// A clone is the same console: it has one memory of the reports that were served.
///
/// ```
/// use bufslab::SlabPool;
/// use bufslab::admin::{Console, Request};
///
/// let pool = SlabPool::builder().name("http").build()?;
/// let console = Console::builder().pool(&pool).build()?;
/// let response = console.respond(&Request::new("GET", "/debug/slabs").header("Host", b"localhost"));
/// assert_eq!(response.status(), 200);
/// let mut text = Vec::new();
/// response.write_body(&mut text)?;
/// assert!(text.starts_with(b"no slab is pinned"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Console(Arc<Inner>);

struct Inner {
    pools: Vec<SlabPool>,
    hosts: Hosts,
    level_changes: bool,
    recording: bool,
    compact: Option<Compact>,
    compacting: Mutex<()>,
    past: Past,
    taken: AtomicUsize,
    /// How often whoever naps was woken.
    interrupts: AtomicUsize,
}

type Compact = Box<dyn Fn(&SlabPool) + Send + Sync>;

/// Why something is not done: an HTTP status, and what a person reads.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Refusal { status, text: text.into() }
    }
}

impl Console {
    /// A console for the [global pool](SlabPool::global) that changes nothing.
    #[must_use]
    pub fn new() -> Console {
        ConsoleBuilder::default().build().expect("the default configuration is valid")
    }

    /// Starts from the default configuration.
    pub fn builder() -> ConsoleBuilder {
        ConsoleBuilder::default()
    }

    /// The pools it shows, the default one first.
    #[must_use]
    pub fn pools(&self) -> &[SlabPool] {
        &self.0.pools
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    pub(super) fn past(&self) -> &Past {
        &self.0.past
    }

    pub(super) fn may_change_level(&self) -> bool {
        self.0.level_changes
    }

    pub(super) fn may_record(&self) -> bool {
        self.0.recording
    }

    pub(super) fn may_compact(&self) -> bool {
        self.0.compact.is_some()
    }

    /// The place of the pool called `name` in [`pools`](Console::pools); the first for no name.
    pub(super) fn pool_called(&self, name: Option<&str>) -> Result<usize, Refusal> {
        let Some(wanted) = name else { return Ok(0) };
        self.pools().iter().position(|pool| pool.name() == wanted).ok_or_else(|| {
            let names: Vec<String> = self.pools().iter().map(|pool| format!("{:?}", pool.name())).collect();
            let wanted: String = wanted.chars().take(100).collect();
            Refusal::new(404, format!("no pool is called {wanted:?}: there is {}", names.join(", ")))
        })
    }

    /// Takes a report of the `pool`-th pool, which is remembered once it is dropped.
    pub(super) fn take(&self, pool: usize) -> Result<Taken, Refusal> {
        let permit = self.permit()?;
        let report = self.0.pools[pool].report();
        Ok(Taken { report: Some(report), number: Some(self.past().number()), pool, permit })
    }

    /// As [`take`](Console::take), for what is not worth remembering.
    pub(super) fn glance(&self, pool: usize) -> Result<Taken, Refusal> {
        let permit = self.permit()?;
        Ok(Taken { report: Some(self.0.pools[pool].report()), number: None, pool, permit })
    }

    /// Leave to have a report in memory.
    pub(super) fn permit(&self) -> Result<Permit, Refusal> {
        // Relaxed: a count, ordered with nothing.
        let more = |taken: usize| (taken < MAX_TAKEN).then_some(taken + 1);
        for _ in 0..PERMIT_TRIES {
            if self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
                return Ok(Permit(self.clone()));
            }
            std::thread::sleep(PERMIT_PAUSE);
        }
        let text =
            format!("{MAX_TAKEN} reports are being sent already, and no more are held in memory: try again soon");
        Err(Refusal::new(503, text))
    }

    /// Waits between two reports. Returns whether nobody [interrupted](Console::interrupt) that.
    pub(super) fn nap(&self, time: Duration) -> bool {
        // Relaxed: a hint to leave soon, ordered with nothing.
        let before = self.0.interrupts.load(Ordering::Relaxed);
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
            if self.0.interrupts.load(Ordering::Relaxed) != before {
                return false;
            }
        }
    }

    /// Wakes whoever naps: a server is about to end.
    pub(super) fn interrupt(&self) {
        self.0.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the level for slabs that the pool takes from now on.
    pub(super) fn change_level(&self, pool: usize, level: &str) -> Result<String, Refusal> {
        if !self.0.level_changes {
            let how = "changing the level is not enabled: the program enables it by allow_level_changes(true)";
            return Err(Refusal::new(403, how));
        }
        let pool = &self.0.pools[pool];
        let level = level.parse().map_err(|error: BuildError| Refusal::new(400, error.to_string()))?;
        let before = pool.tracking();
        pool.set_tracking(level);
        Ok(format!("tracking was {before}, and is {level} for slabs taken from now on"))
    }

    /// Lets the program compact what it holds.
    pub(super) fn compact(&self, pool: usize) -> Result<String, Refusal> {
        let Some(compact) = &self.0.compact else {
            let how = "compaction is not enabled: the program enables it by on_compact(|pool| ...)";
            return Err(Refusal::new(403, how));
        };
        let Some(_alone) = self.0.compacting.try_lock() else {
            return Err(Refusal::new(409, "a compaction is under way"));
        };
        let pool = &self.0.pools[pool];
        let before = pool.stats().pinned_bytes;
        compact(pool);
        let after = pool.stats().pinned_bytes;
        Ok(format!("the program was asked to compact: pinned before {}, now {}", bytes(before), bytes(after)))
    }
}

impl Default for Console {
    fn default() -> Self {
        Console::new()
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("pools", &self.0.pools)
            .field("hosts", &self.0.hosts)
            .field("level_changes", &self.0.level_changes)
            .field("recording", &self.0.recording)
            .field("compact", &self.may_compact())
            .finish_non_exhaustive()
    }
}

/// One of the few reports that may be in memory at a time.
pub(super) struct Permit(Console);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A report, and its place in the console's memory: once it was shown it goes there, without its slices, so that it never
/// is in memory twice.
pub(super) struct Taken {
    report: Option<PinReport>,
    /// `None` if it will not be remembered.
    number: Option<u64>,
    pool: usize,
    permit: Permit,
}

impl Taken {
    pub(super) fn report(&self) -> &PinReport {
        self.report.as_ref().expect("it is there until it is dropped")
    }

    /// What it is called if it is remembered.
    pub(super) fn number(&self) -> Option<u64> {
        self.number
    }

    pub(super) fn id(&self) -> Option<String> {
        self.number.map(|number| self.permit.0.past().id(number))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some((number, report)) = self.number.zip(self.report.take()) {
            self.permit.0.past().keep(number, self.pool, report.without_slices());
        }
    }
}

/// Configures a [`Console`]. Everything has a default, and every default is the careful one.
#[must_use = "a builder does nothing until `build`"]
pub struct ConsoleBuilder {
    pools: Vec<SlabPool>,
    hosts: Hosts,
    level_changes: bool,
    recording: bool,
    compact: Option<Compact>,
    remember_bytes: usize,
}

impl Default for ConsoleBuilder {
    fn default() -> Self {
        ConsoleBuilder {
            pools: Vec::new(),
            hosts: Hosts::default(),
            level_changes: false,
            recording: false,
            compact: None,
            remember_bytes: past::MAX_BYTES,
        }
    }
}

impl ConsoleBuilder {
    /// Shows this pool; the first one that is named is the default, and `?pool=NAME` asks for others. Default: the
    /// global pool.
    pub fn pool(mut self, pool: &SlabPool) -> Self {
        self.pools.push(pool.clone());
        self
    }

    /// Lets clients change the tracking level of pools. Default: no.
    pub fn allow_level_changes(mut self, allow: bool) -> Self {
        self.level_changes = allow;
        self
    }

    /// Lets clients [record](SlabPool::record) what the program asks of its pools, and fetch it: sizes, times, threads and the names of
    /// sites and tags, and no byte of any buffer. Default: no.
    pub fn allow_recording(mut self, allow: bool) -> Self {
        self.recording = allow;
        self
    }

    /// Lets clients ask for compaction, and says what is to be done then: the program compacts or drops slices that it
    /// holds, or tells its threads to, for nobody else can reach them. It is called on the thread of the client's
    /// connection, by one client at a time. Default: nobody may ask.
    pub fn on_compact(mut self, compact: impl Fn(&SlabPool) + Send + Sync + 'static) -> Self {
        self.compact = Some(Box::new(compact));
        self
    }

    /// Answers requests whose `Host` is this name or address (without a port), as from behind a reverse proxy or from a
    /// scraper that knows the machine by name. Always answered are `localhost`, loopback addresses, and the address that
    /// a server of this crate was reached at.
    pub fn allow_host(mut self, host: &str) -> Self {
        self.hosts.names.push(host.trim_start_matches('[').trim_end_matches(']').to_owned());
        self
    }

    /// Answers requests whatever their `Host`. Only for what checks it before, or asks for a password: otherwise any web
    /// site can read the reports through the browser of whoever visits it. Default: no.
    pub fn allow_any_host(mut self, allow: bool) -> Self {
        self.hosts.any = allow;
        self
    }

    /// Memory for summaries of reports that were served, in bytes; `diff` compares with them. Default: 32 MiB, which
    /// the 32 newest share.
    pub fn remember_bytes(mut self, bytes: usize) -> Self {
        self.remember_bytes = bytes;
        self
    }

    /// Makes the console.
    ///
    /// # Errors
    ///
    /// If two pools have one name: nobody could ask for the second.
    pub fn build(mut self) -> Result<Console, BuildError> {
        if self.pools.is_empty() {
            self.pools.push(SlabPool::global().clone());
        }
        for (at, pool) in self.pools.iter().enumerate() {
            if self.pools[..at].iter().any(|before| before.name() == pool.name()) {
                let allowed = "a name that no other pool of this console has: see SlabPoolBuilder::name";
                return Err(BuildError::new("pool", format!("{:?}", pool.name()), allowed));
            }
        }
        Ok(Console(Arc::new(Inner {
            pools: self.pools,
            hosts: self.hosts,
            level_changes: self.level_changes,
            recording: self.recording,
            compact: self.compact,
            compacting: Mutex::new(()),
            past: Past::new(self.remember_bytes),
            taken: AtomicUsize::new(0),
            interrupts: AtomicUsize::new(0),
        })))
    }
}

impl fmt::Debug for ConsoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleBuilder").field("pools", &self.pools).finish_non_exhaustive()
    }
}
