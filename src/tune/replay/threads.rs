//! What the threads of a timed run share: handles that go from one to another, and how far each has come.

use crate::sync::{AtomicU32, AtomicU64, CachePadded, Mutex, Ordering, wait};
use std::time::{Duration, Instant};

/// The run ends early: another thread has failed.
pub(super) struct Stopped;

/// Spins so often before it yields: about a microsecond, in which most steps of others are done.
const SPINS: u32 = 200;

pub(super) struct Shared<H> {
    cells: Vec<Cell<H>>,
    /// The number of each thread's next step, `u64::MAX` when it has done its last.
    next: Vec<CachePadded<AtomicU64>>,
    /// Steps of the trace that a thread may be ahead of the slowest.
    window: u64,
    failed: AtomicU32,
}

/// A handle that several threads touch, in the order of the trace.
struct Cell<H> {
    /// Steps on the handle that were done.
    turn: AtomicU32,
    hand: Mutex<Option<H>>,
}

impl<H> Shared<H> {
    pub(super) fn new(cells: u32, threads: u32, window: u64) -> Shared<H> {
        let cell = |_| Cell { turn: AtomicU32::new(0), hand: Mutex::new(None) };
        Shared {
            cells: (0..cells).map(cell).collect(),
            next: (0..threads).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            window,
            failed: AtomicU32::new(0),
        }
    }

    /// Before a round, when no thread runs. Drops the handles that the round before left.
    pub(super) fn rewind(&self, firsts: impl Iterator<Item = u64>) {
        // Relaxed for all of it: the message that starts a thread's round publishes it.
        for (next, first) in self.next.iter().zip(firsts) {
            next.store(first, Ordering::Relaxed);
        }
        for cell in &self.cells {
            cell.turn.store(0, Ordering::Relaxed);
            let left = cell.hand.lock().take();
            drop(left);
        }
    }

    pub(super) fn fail(&self) {
        // Relaxed: it says nothing but itself.
        self.failed.store(1, Ordering::Relaxed);
    }

    /// This thread's next step is number `next` of the trace.
    pub(super) fn arrive(&self, thread: u32, next: u64) {
        // Relaxed: it only keeps threads near each other. What they hand over is published by the turns of cells.
        self.next[thread as usize].store(next, Ordering::Relaxed);
    }

    /// Waits until the slowest other thread is near enough for step `index`. Returns up to which step this will stay so.
    pub(super) fn await_others(&self, thread: u32, index: u64, waited: &mut Duration) -> Result<u64, Stopped> {
        let others = || self.next.iter().enumerate().filter(|(i, _)| *i != thread as usize);
        // Relaxed: as in `arrive`.
        let limit = || {
            let slowest = others().map(|(_, next)| next.load(Ordering::Relaxed)).min();
            slowest.map_or(u64::MAX, |slowest| slowest.saturating_add(self.window))
        };
        self.wait_until(|| index <= limit(), waited)?;
        Ok(limit().max(index))
    }

    /// Does `f` with the handle in a cell when it is this step's turn.
    pub(super) fn with<T>(
        &self,
        cell: u32,
        turn: u32,
        waited: &mut Duration,
        f: impl FnOnce(&mut Option<H>) -> T,
    ) -> Result<T, Stopped> {
        let cell = &self.cells[cell as usize];
        // Acquire: pairs with the Release below; the step before this one on the handle is seen.
        self.wait_until(|| cell.turn.load(Ordering::Acquire) == turn, waited)?;
        let result = f(&mut cell.hand.lock());
        // Release: pairs with the Acquire above; publishes that the handle is as this step leaves it.
        cell.turn.store(turn + 1, Ordering::Release);
        Ok(result)
    }

    fn wait_until(&self, ready: impl Fn() -> bool, waited: &mut Duration) -> Result<(), Stopped> {
        if ready() { Ok(()) } else { self.wait_until_slow(ready, waited) }
    }

    #[cold]
    fn wait_until_slow(&self, ready: impl Fn() -> bool, waited: &mut Duration) -> Result<(), Stopped> {
        let begun = Instant::now();
        let mut spins = 0;
        while !ready() {
            // Relaxed: as in `fail`.
            if self.failed.load(Ordering::Relaxed) != 0 {
                return Err(Stopped);
            }
            spins += 1;
            if spins < SPINS { core::hint::spin_loop() } else { wait() }
        }
        *waited += begun.elapsed();
        Ok(())
    }
}
