//! Threads that step to another slab with each allocation, and find it in a known place.

use bufslab::{PoolStats, SlabBytes, SlabBytesMut, SlabPool};
use std::collections::VecDeque;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

/// Where the next slab comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The slab itself: it has drained, and is started over.
    Place,
    /// The idle slabs that the thread has at hand.
    Magazine,
    /// The idle slabs for everybody.
    Depot,
    /// A slab that others pin: the thread cuts from its hole.
    Pins,
    /// The memory's source.
    Source,
}

/// Allocations of a [round](Steps::round).
pub(crate) const STEPS: usize = 64;

/// Buffers that are kept between two steps: more than the two slabs that a thread is attached to, and few enough for its magazine.
const KEPT: usize = 4;

/// Length of a slice that pins a slab, and of the rest that a step leaves.
const PIN: usize = 64;

impl Origin {
    pub(crate) const ALL: [Origin; 5] = [Origin::Place, Origin::Magazine, Origin::Depot, Origin::Pins, Origin::Source];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Origin::Place => "in place",
            Origin::Magazine => "from the magazine",
            Origin::Depot => "from the depot",
            Origin::Pins => "around pins",
            Origin::Source => "fresh memory",
        }
    }

    /// How many steps the pool has counted that came from there.
    fn counted(self, stats: &PoolStats) -> u64 {
        match self {
            Origin::Place => stats.slabs_reused_in_place,
            Origin::Magazine | Origin::Depot => stats.slabs_reused,
            Origin::Pins => stats.slabs_reused_around,
            Origin::Source => stats.slabs_taken,
        }
    }
}

/// A pool, and what is in use of its slabs.
pub(crate) struct Steps {
    pool: SlabPool,
    origin: Origin,
    /// What one allocation asks for: all of a slab, or all that its pin leaves.
    n: usize,
    kept: VecDeque<SlabBytesMut>,
    _pins: Vec<SlabBytes>,
}

impl Steps {
    /// Warm, and checked: its slabs come from where they should.
    pub(crate) fn new(origin: Origin, slab_size: usize) -> Steps {
        let idle_bytes = if origin == Origin::Source { 0 } else { 2 * STEPS * slab_size };
        // Without decay, which comes when the clock says so.
        let builder = SlabPool::builder().slab_size(slab_size).idle_bytes(idle_bytes).idle_decay(Duration::ZERO);
        let pool = builder.build().expect("the settings are valid");
        let (n, pins) = match origin {
            Origin::Pins => (slab_size - PIN, 2 * KEPT),
            Origin::Place => (slab_size - PIN, 0),
            _ => (slab_size, 0),
        };
        let pins = (0..pins).map(|_| pin(&pool)).collect();
        let mut steps = Steps { pool, origin, n, kept: VecDeque::with_capacity(STEPS + 1), _pins: pins };
        steps.round();
        steps.check();
        steps
    }

    /// So many steps, each with the drop of one of the buffers before.
    #[inline]
    pub(crate) fn round(&mut self) {
        match self.origin {
            Origin::Place => (0..STEPS).for_each(|_| self.start_over()),
            Origin::Magazine | Origin::Pins | Origin::Source => (0..STEPS).for_each(|_| {
                self.step();
                if self.kept.len() > KEPT {
                    self.kept.pop_front();
                }
            }),
            Origin::Depot => {
                (0..STEPS).for_each(|_| self.step());
                self.kept.clear();
            }
        }
    }

    #[inline]
    fn step(&mut self) {
        self.kept.push_back(black_box(self.pool.alloc(self.n)));
    }

    /// A buffer that is dropped right away gives its room back, and no step is needed. So there is a short one behind it, that goes last.
    #[inline]
    fn start_over(&mut self) {
        let long = black_box(self.pool.alloc(self.n));
        let short = black_box(self.pool.alloc(PIN));
        drop(long);
        drop(short);
    }

    fn check(&mut self) {
        let before = self.origin.counted(&self.pool.stats());
        self.round();
        let stats = self.pool.stats();
        // With all buffers dropped at once, the first two steps stay with the slabs that the thread is attached to.
        let least = if self.origin == Origin::Depot { STEPS - 2 } else { STEPS };
        let steps = self.origin.counted(&stats) - before;
        assert!(steps >= least as u64, "{steps} of {STEPS} slabs {}: {stats:?}", self.origin.as_str());
    }
}

/// A slab of which 64 bytes are left, and that no thread is attached to: the one that filled it has ended.
fn pin(pool: &SlabPool) -> SlabBytes {
    let filled = || {
        let mut whole = pool.alloc(pool.slab_size());
        whole.resize(pool.slab_size(), b'.');
        whole.freeze().slice(..PIN)
    };
    thread::scope(|scope| scope.spawn(filled).join()).expect("filling a slab does not panic")
}
