//! Coarse time: ticks of 10 ms since the process first asked.
//!
//! Reading the clock costs more than making a slice, so nobody reads it for a slice: taking and retiring a slab does
//! ([`read`]), and everything else looks at what was read last ([`last`]).

use super::CachePadded;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One tick in milliseconds. With 32 bits of them an age wraps after 497 days.
pub(crate) const TICK_MS: u64 = 10;

static LAST: CachePadded<AtomicU32> = CachePadded::new(AtomicU32::new(1));

/// Reads the clock. Never 0: that means "no tick of its own".
pub(crate) fn read() -> u32 {
    static START: OnceLock<Instant> = OnceLock::new();
    if cfg!(bufslab_loom) {
        return 1;
    }
    let elapsed = START.get_or_init(Instant::now).elapsed().as_millis() as u64;
    let tick = ((elapsed / TICK_MS) as u32).wrapping_add(1).max(1);
    // Relaxed: a hint of what time it is, ordered with nothing. Only when it changes: every thread reads it.
    if LAST.load(Ordering::Relaxed) != tick {
        LAST.store(tick, Ordering::Relaxed);
    }
    tick
}

/// The time from the tick `then` to the tick `now`. What lies up to a minute ahead was read after `now`: no time at all.
pub(crate) fn since(now: u32, then: u32) -> Duration {
    let ticks = now.wrapping_sub(then);
    Duration::from_millis(if ticks > u32::MAX - 6_000 { 0 } else { u64::from(ticks) * TICK_MS })
}

/// The tick that was read last by anyone.
#[inline]
pub(crate) fn last() -> u32 {
    // Relaxed: as above.
    LAST.load(Ordering::Relaxed)
}
