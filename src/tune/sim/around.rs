//! The twin of the search for a partly filled slab.

use super::pool::Pool;
use super::slabs::NOBODY;
use crate::config::Reuse;
use crate::pool::{FREE_PART, UNSEARCHED, UNSEARCHED_PART};
use crate::raw::{GLANCES, LOOKS};

/// How often the pool has searched for nothing, how many searches it leaves out for that, and where it goes on.
#[derive(Debug, Default)]
pub(super) struct Tries {
    misses: u32,
    skipped: u64,
    rotor: usize,
    live: Vec<(u64, u64)>,
    holes: Vec<(u64, u64)>,
}

impl Tries {
    fn is_due(&mut self, size: u64, pool_bytes: u64) -> bool {
        let most = ((UNSEARCHED as u64).min(pool_bytes / UNSEARCHED_PART as u64) / size).min(15);
        let skip = (1 << self.misses.min(4)) - 1;
        self.skipped += 1;
        self.skipped > most.min(skip)
    }

    fn found(&mut self, found: bool) {
        self.misses = if found { 0 } else { self.misses.saturating_add(1) };
        self.skipped = 0;
    }
}

impl Pool {
    /// Attaches a partly filled slab with room for `n` bytes in one piece, if this pool does that and has one.
    pub(super) fn attach_around(&mut self, n: u64, thread: u32) -> Option<u32> {
        let size = self.slab_size;
        if self.reuse != Reuse::AroundThePin || !self.tries.is_due(size, self.slabs.sums.memory_bytes) {
            return None;
        }
        let glances = self.slabs.list.len().min(GLANCES);
        let found = self.search(n, glances);
        self.tries.found(found.is_some() || glances < GLANCES);
        let slab = found?;
        self.around += 1;
        let attached = self.slabs.slab_mut(slab);
        attached.owner = thread;
        core::mem::swap(&mut attached.holes, &mut self.tries.holes);
        attached.next_hole(n);
        self.begin(slab);
        Some(slab)
    }

    /// Glances at so many slabs and looks at the emptiest. The holes of the one that will do are left in `tries`.
    fn search(&mut self, n: u64, glances: usize) -> Option<u32> {
        let (size, count) = (self.slab_size, self.slabs.list.len());
        if count == 0 {
            return None;
        }
        let start = self.tries.rotor % count;
        self.tries.rotor = self.tries.rotor.wrapping_add(glances);
        let mut candidates = [(u64::MAX, 0); GLANCES];
        for (at, candidate) in candidates.iter_mut().enumerate().take(glances) {
            let number = (start + at) % count;
            let slab = &self.slabs.list[number];
            let is_emptier = u128::from(slab.refs) * 4 <= u128::from(slab.full_at) * 3;
            if is_emptier && slab.refs > 0 && slab.owner == NOBODY && slab.size == size {
                *candidate = (slab.refs, number as u32);
            }
        }
        for _ in 0..LOOKS {
            let emptiest = candidates.iter_mut().min_by_key(|(refs, _)| *refs)?;
            let (refs, slab) = *emptiest;
            if refs == u64::MAX {
                return None;
            }
            emptiest.0 = u64::MAX;
            let (free, hole) = (size / FREE_PART as u64, (size / 64).clamp(1, 4096));
            let (sum, longest) = self.slabs.holes(slab, hole, &mut self.tries.live, &mut self.tries.holes);
            if sum < free {
                self.slabs.slab_mut(slab).full_at = refs;
            }
            if sum >= free && longest >= n {
                return Some(slab);
            }
        }
        None
    }
}
