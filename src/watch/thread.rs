//! The thread that looks.

use super::event::WatchEvent;
use super::rules::{Condition, Manners, Rule};
use crate::pool::{SlabPool, WeakPool};
use crate::sync::Rounds;
use crate::track::Tag;
use core::fmt;
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

impl SlabPool {
    /// Looks at the pool from time to time, on a thread of its own, and says when it pins too much.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = bufslab::SlabPool::builder().name("http").build()?;
    /// let watch = pool
    ///     .watch()
    ///     .pinned_above(64 << 20)
    ///     .waste_above(90)
    ///     .oldest_pin_above(Duration::from_secs(600))
    ///     .scope_above("ws_session", 1 << 20)
    ///     .start(|event| eprintln!("{event}"))?;
    /// // As long as `watch` lives.
    /// # drop(watch);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch(&self) -> WatchBuilder {
        WatchBuilder {
            pool: self.downgrade(),
            name: self.name().to_owned(),
            rules: Vec::new(),
            every: Duration::from_secs(1),
            manners: Manners {
                recover_percent: 90,
                at_most_every: Duration::from_secs(10),
                repeat_every: Some(Duration::from_secs(600)),
            },
        }
    }
}

/// Configures a [`Watch`]. Conditions of one kind may be set more than once, as steps.
#[must_use = "a watch does nothing until `start`"]
pub struct WatchBuilder {
    pool: WeakPool,
    name: String,
    rules: Vec<Rule>,
    every: Duration,
    manners: Manners,
}

impl WatchBuilder {
    fn condition(mut self, condition: Condition) -> Self {
        self.rules.push(Rule::new(condition));
        self
    }

    /// Says when slices keep more than this many bytes of slabs alive.
    pub fn pinned_above(self, bytes: usize) -> Self {
        self.condition(Condition::PinnedBytes(bytes))
    }

    /// Says when more than `percent` of 100 pinned bytes are waste. A pool that pins next to nothing may be all waste: in
    /// most programs this goes with [`pinned_above`](WatchBuilder::pinned_above).
    pub fn waste_above(self, percent: u8) -> Self {
        self.condition(Condition::WastePercent(percent))
    }

    /// Says when some slice is older than this.
    pub fn oldest_pin_above(self, age: Duration) -> Self {
        self.condition(Condition::OldestPinMillis(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Says when one scope of this kind keeps more than a quota alive. The event names the largest.
    pub fn scope_above(self, kind: impl Into<Tag>, bytes: usize) -> Self {
        self.condition(Condition::ScopeBytes { kind: kind.into(), limit: bytes })
    }

    /// How far below its limit a figure has to fall before a condition is over, in per cent of the limit. Default: 10.
    pub fn hysteresis(mut self, percent: u8) -> Self {
        self.manners.recover_percent = 100 - u64::from(percent.min(100));
        self
    }

    /// How often to look. Default: every second.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval.max(Duration::from_millis(1));
        self
    }

    /// Not to say more of one condition than once in this time; what is left unsaid is counted. Default: 10 seconds.
    pub fn at_most_every(mut self, interval: Duration) -> Self {
        self.manners.at_most_every = interval;
        self
    }

    /// Says a condition that lasts again after this time; `None` never. Default: 10 minutes.
    pub fn repeat_every(mut self, interval: Option<Duration>) -> Self {
        self.manners.repeat_every = interval;
        self
    }

    /// Starts looking. `say` is called on the watch's thread. If it panics, that is counted ([`Watch::panics`]) and the watch
    /// goes on.
    ///
    /// With the feature `tracing` each event is also an event of the target `bufslab::watch`: a warning, or an info when it is
    /// over.
    ///
    /// # Errors
    ///
    /// If the system starts no thread.
    pub fn start(self, say: impl FnMut(&WatchEvent) + Send + 'static) -> io::Result<Watch> {
        let (name, every) = (format!("bufslab watch {}", self.name), self.every);
        let mut watching = Watching { builder: self, start: Instant::now(), say: Box::new(say) };
        Ok(Watch(Rounds::start(&name, every, move || watching.round())?))
    }
}

impl fmt::Debug for WatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions: Vec<Condition> = self.rules.iter().map(|rule| rule.condition).collect();
        f.debug_struct("WatchBuilder")
            .field("pool", &self.name)
            .field("conditions", &conditions)
            .finish_non_exhaustive()
    }
}

/// A running watch. Dropping it stops it; so does the end of the pool.
pub struct Watch(Rounds);

impl Watch {
    /// Looks taken so far.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.0.count()
    }

    /// Times that the callback panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.0.panics()
    }

    /// Whether it looks no more: it was stopped, or the pool is gone.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("looks", &self.looks()).field("panics", &self.panics()).finish_non_exhaustive()
    }
}

struct Watching {
    builder: WatchBuilder,
    start: Instant,
    say: Box<dyn FnMut(&WatchEvent) + Send>,
}

impl Watching {
    /// One look, while there is a pool. How often the callback panicked.
    fn round(&mut self) -> Option<u64> {
        let pool = self.builder.pool.upgrade()?;
        Some(self.look(&pool, self.start.elapsed()))
    }

    fn look(&mut self, pool: &SlabPool, now: Duration) -> u64 {
        // A report looks at every slice; the sums do not, and most of the time they are all it takes.
        let pinned = pool.stats().pinned_bytes as u64;
        let settled = |rule: &Rule| {
            let by_sums = matches!(rule.condition, Condition::PinnedBytes(_));
            let nothing_new = if by_sums { pinned <= rule.condition.limit() } else { pinned == 0 };
            nothing_new && rule.above_since.is_none()
        };
        if self.builder.rules.iter().all(settled) {
            return 0;
        }
        let mut panics = 0;
        let report = Arc::new(pool.report());
        for at in 0..self.builder.rules.len() {
            let rule = &mut self.builder.rules[at];
            let (value, holder) = rule.condition.measure(&report);
            let since = rule.above_since;
            let Some(change) = rule.see(now, value, &self.builder.manners) else { continue };
            let event = WatchEvent {
                kind: change.into(),
                condition: rule.condition,
                value,
                holder,
                above_for: now.saturating_sub(since.unwrap_or(now)),
                unsaid: core::mem::take(&mut rule.unsaid),
                report: Arc::clone(&report),
            };
            trace(&event);
            panics += u64::from(catch_unwind(AssertUnwindSafe(|| (self.say)(&event))).is_err());
        }
        panics
    }
}

#[cfg(feature = "tracing")]
fn trace(event: &WatchEvent) {
    let totals = &event.report.totals;
    let (pinned, waste, limit) = (totals.pinned_bytes as u64, totals.waste_bytes as u64, event.condition.limit());
    macro_rules! emit {
        ($level:expr) => {
            tracing::event!(
                target: "bufslab::watch",
                $level,
                pool = %event.report.pool,
                condition = %event.condition,
                value = event.value,
                limit,
                pinned_bytes = pinned,
                waste_bytes = waste,
                unsaid = event.unsaid,
                "{event}"
            )
        };
    }
    match event.kind {
        super::WatchEventKind::Recovered => emit!(tracing::Level::INFO),
        _ => emit!(tracing::Level::WARN),
    }
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &WatchEvent) {}
