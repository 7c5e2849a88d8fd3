//! Who holds the memory of a pool at its limit, for the errors that say so.

use super::Core;
use crate::error::TagShare;
use crate::raw::By;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::track::Tag;
use core::time::Duration;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Tags that an error names.
const NAMED: usize = 3;
/// How long an answer serves. A pool at its limit may fail millions of times in a second.
const FRESH: Duration = Duration::from_millis(100);
/// A look is not repeated before so many times its own duration, so that looking takes 1 part in 20 of one thread at most.
const REST: u32 = 19;

/// What was seen last.
#[derive(Default)]
pub(crate) struct Holders {
    seen: Mutex<Option<Arc<[TagShare]>>>,
    /// When the next look is due, in nanoseconds of [`now`]; `u64::MAX` while somebody looks.
    due: AtomicU64,
}

/// Nanoseconds since the process first asked.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX - 1)
}

impl Core {
    /// The tags with the most live bytes, as they were seen not long ago. `None` while another thread looks for the first time.
    pub(super) fn holders(&self) -> Option<Arc<[TagShare]>> {
        let Holders { seen, due } = &self.holders;
        let start = now();
        // Relaxed, here and below: what was seen is behind a lock, and who looks is of no consequence, as long as it is one.
        let at = due.load(Ordering::Relaxed);
        if start >= at && due.compare_exchange(at, u64::MAX, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let found = self.look_for_holders();
            *seen.lock() = Some(found);
            let took = Duration::from_nanos(now() - start);
            let rest = FRESH.max(took.saturating_mul(REST));
            due.store(now().saturating_add(rest.as_nanos() as u64), Ordering::Relaxed);
        }
        seen.lock().clone()
    }

    fn look_for_holders(&self) -> Arc<[TagShare]> {
        let mut shares = self.ledger().shares(By::Tag);
        shares.sort_unstable_by_key(|share| (core::cmp::Reverse(share.bytes), share.number));
        let name = |number| Tag::from_number(number).map(Tag::name);
        let named = shares.iter().take(NAMED).map(|share| TagShare::new(name(share.number), share.slices, share.bytes));
        named.collect()
    }
}
