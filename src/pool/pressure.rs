//! Being told that a pool comes near its limit, in time to let something go.

use super::{Core, SlabPool};
use crate::error::{AllocError, BuildError};
use crate::raw::{Label, Unique};
use crate::sync::{AtomicU32, AtomicU64, Ordering, clock};
use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A mark is passed again only after the memory in use fell below it by this part of `max_bytes`.
const BELOW: usize = 10;
/// Ticks of 10 ms for which callbacks that could not help at the limit are left alone.
const REST: u32 = 10;

/// What a callback of [`on_pressure`](crate::SlabPoolBuilder::on_pressure) is told. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// What is asked for.
    pub requested: usize,
    /// The slab that this takes.
    pub slab_bytes: usize,
    /// Memory of slabs that are in use: pinned by slices, or attached to threads.
    pub used_bytes: usize,
    /// Memory of all slabs, idle ones included.
    pub memory_bytes: usize,
    /// The pool's limit.
    pub max_bytes: usize,
    /// The mark this callback was set at, in per cent of `max_bytes`.
    pub percent: u8,
    /// Whether the request fails if nothing is let go. Otherwise the mark is passed.
    pub at_limit: bool,
}

/// `81 % of 65536 bytes in use`
impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.used_bytes as u128 * 100 / self.max_bytes.max(1) as u128;
        write!(f, "{percent} % of {} bytes in use", self.max_bytes)
    }
}

impl SlabPool {
    /// Times that a callback of [`on_pressure`](crate::SlabPoolBuilder::on_pressure) panicked.
    #[must_use]
    pub fn pressure_panics(&self) -> u64 {
        self.core().marks.panics()
    }
}

/// One callback and the mark that it is called at.
pub(super) struct Mark {
    percent: u8,
    call: Box<dyn Fn(&Pressure) + Send + Sync>,
    /// Not 0: the memory in use is above the mark, and the callback knows.
    passed: AtomicU32,
}

impl Mark {
    pub(super) fn new(percent: u8, call: impl Fn(&Pressure) + Send + Sync + 'static) -> Mark {
        Mark { percent, call: Box::new(call), passed: AtomicU32::new(0) }
    }

    /// # Errors
    ///
    /// If there is no such mark.
    pub(super) fn check(&self, max_bytes: Option<usize>) -> Result<(), BuildError> {
        if !(1..=100).contains(&self.percent) {
            return Err(BuildError::new("on_pressure", self.percent.to_string(), "from 1 to 100 per cent"));
        }
        if max_bytes.is_none() {
            return Err(BuildError::new("on_pressure", format!("{} %", self.percent), "used together with max_bytes"));
        }
        Ok(())
    }
}

/// All callbacks of one pool.
pub(crate) struct Marks {
    marks: Vec<Mark>,
    /// Not 0: one of the callbacks runs.
    busy: AtomicU32,
    /// When they could not help at the limit; 0 if they could.
    vain_tick: AtomicU32,
    panics: AtomicU64,
}

impl Marks {
    pub(super) fn new(marks: Vec<Mark>) -> Marks {
        Marks { marks, busy: AtomicU32::new(0), vain_tick: AtomicU32::new(0), panics: AtomicU64::new(0) }
    }

    // Relaxed throughout, but for `busy`: habits and figures, ordered with nothing.

    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Runs `calls` unless one of the callbacks runs already, on whatever thread. Says whether it did.
    fn alone(&self, calls: impl FnOnce()) -> bool {
        struct Done<'a>(&'a AtomicU32);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                // Release: pairs with the Acquire below; one call is over before the next begins.
                self.0.store(0, Ordering::Release);
            }
        }
        if self.busy.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        let _done = Done(&self.busy);
        calls();
        true
    }

    fn call(&self, mark: &Mark, pressure: Pressure) {
        let pressure = Pressure { percent: mark.percent, ..pressure };
        if catch_unwind(AssertUnwindSafe(|| (mark.call)(&pressure))).is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Core {
    fn pressure(&self, requested: usize, slab_bytes: usize, max_bytes: usize) -> Pressure {
        let memory_bytes = self.ledger().memory_bytes();
        let used_bytes = memory_bytes.saturating_sub(self.idle_bytes());
        Pressure { requested, slab_bytes, used_bytes, memory_bytes, max_bytes, percent: 100, at_limit: false }
    }

    /// Before a slab of this size is taken: calls whoever wants to know that a mark is passed by it. Not under a lock, and not
    /// while this thread's part is borrowed.
    pub(super) fn mark_passing(&self, n: usize, size: usize) {
        let (Some(max), false) = (self.config.max_bytes, self.marks.marks.is_empty()) else { return };
        for mark in &self.marks.marks {
            let at = (max as u128 * u128::from(mark.percent) / 100) as usize;
            let pressure = self.pressure(n, size, max);
            if mark.passed.load(Ordering::Relaxed) != 0 && pressure.used_bytes <= at.saturating_sub(max / BELOW) {
                mark.passed.store(0, Ordering::Relaxed);
            }
            let passes = pressure.used_bytes.saturating_add(size) > at;
            if passes && mark.passed.load(Ordering::Relaxed) == 0 {
                self.marks.alone(|| {
                    if mark.passed.swap(1, Ordering::Relaxed) == 0 {
                        self.marks.call(mark, pressure);
                    }
                });
            }
        }
    }

    /// A request has failed at the limit: calls whoever may let something go, and tries once more.
    pub(super) fn alloc_at_limit(&self, n: usize, label: Label, error: AllocError) -> Result<Unique, AllocError> {
        let mut outcome = Err(error);
        if self.relieve(n) {
            outcome = self.alloc_once(n, label);
            let in_vain = outcome.as_ref().is_err_and(AllocError::is_limit);
            self.marks.vain_tick.store(if in_vain { clock::read() } else { 0 }, Ordering::Relaxed);
        }
        match outcome {
            Err(error) if error.is_limit() => {
                // Slabs of another size may have made way, and not enough of it.
                self.room_made();
                Err(error.held_by(self.holders()))
            }
            other => other,
        }
    }

    /// Calls everybody. `false` if there is nobody, if somebody is being called already, and for a while after calls that did not
    /// help.
    fn relieve(&self, n: usize) -> bool {
        let Some(max) = self.config.max_bytes.filter(|&max| n <= max && !self.marks.marks.is_empty()) else {
            return false;
        };
        let vain = self.marks.vain_tick.load(Ordering::Relaxed);
        if vain != 0 && clock::read().wrapping_sub(vain) < REST {
            return false;
        }
        self.marks.alone(|| {
            let size = if n <= self.slab_size() { self.slab_size() } else { n };
            for mark in &self.marks.marks {
                mark.passed.store(1, Ordering::Relaxed);
                self.marks.call(mark, Pressure { at_limit: true, ..self.pressure(n, size, max) });
            }
        })
    }
}
