//! When a thread looks for a partly filled slab, and what it must have.

use super::{Core, recycle};
use crate::config::Reuse;
use crate::raw::{Around, Attached, Search};
use crate::sync::{AtomicU32, Ordering};

/// How much memory may be taken without a search after searches that found nothing, in bytes.
pub(crate) const UNSEARCHED: usize = 1 << 20;

/// The same as a part of the pool: no more than one in so many of its slabs. A pool that takes its first slabs by the dozen, without
/// asking for the room in those it has, never gives them up again where lifetimes are random.
pub(crate) const UNSEARCHED_PART: usize = 16;

/// A slab with this part of it free, in holes of some length, is worth attaching. The larger the part, the rarer the searches, and the
/// larger the pool where slices live at random: `cargo bench --bench around` prints both.
pub(crate) const FREE_PART: usize = 3;

/// Searches in a row before an allocation fails: 256 slabs are glanced at, in all pools but the largest each of them.
const TURNS: usize = 16;

/// How often a pool has searched for nothing, and how many searches it leaves out for that.
#[derive(Default)]
pub(super) struct Tries {
    misses: AtomicU32,
    skipped: AtomicU32,
}

impl Tries {
    /// Whether it is time for a search. A pool full of dense slabs searches once in up to 16 times.
    fn is_due(&self, size: usize, pool_bytes: usize) -> bool {
        // Relaxed, here and below: a habit, ordered with nothing.
        let most = (UNSEARCHED.min(pool_bytes / UNSEARCHED_PART) / size).min(15);
        let skip = (1 << self.misses.load(Ordering::Relaxed).min(4)) - 1;
        // No read-modify-write: two threads that count at once may count one.
        let skipped = self.skipped.load(Ordering::Relaxed);
        self.skipped.store(skipped.wrapping_add(1), Ordering::Relaxed);
        skipped as usize >= most.min(skip)
    }

    fn found(&self, found: bool) {
        let misses = if found { 0 } else { self.misses.load(Ordering::Relaxed).saturating_add(1) };
        self.misses.store(misses, Ordering::Relaxed);
        self.skipped.store(0, Ordering::Relaxed);
    }
}

impl Core {
    /// Attaches a partly filled slab with room for `n` bytes in one piece, if this pool does that and has one. When there is no other
    /// memory to be had, a little room is enough.
    pub(super) fn attach_around(&self, n: usize, search: &mut Search, last_resort: bool) -> Option<Attached> {
        let size = self.slab_size();
        if self.config.reuse != Reuse::AroundThePin
            || !(last_resort || self.around.is_due(size, self.ledger().memory_bytes()))
        {
            return None;
        }
        let hole = (size / 64).clamp(1, 4096);
        let free = if last_resort { n } else { size / FREE_PART };
        let hole = if last_resort { hole.min(n) } else { hole };
        let want = Around { size, longest: n, hole, free, again: last_resort };
        let mut emptied = Vec::new();
        let turns = if last_resort { TURNS } else { 1 };
        let mut found = None;
        for _ in 0..turns {
            found = self.ledger().attach_around(want, search, &mut emptied);
            if found.is_some() || !search.was_cut_short() {
                break;
            }
        }
        emptied.into_iter().for_each(recycle);
        if !last_resort {
            self.around.found(found.is_some() || !search.was_cut_short());
        }
        if let Some(attached) = &mut found {
            self.count_around();
            if self.config.zero_on_recycle {
                attached.zero_holes();
            }
            attached.first_hole(n);
        }
        found
    }
}
