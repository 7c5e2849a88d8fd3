//! What all clones of a pool share.

use super::depot::{Depot, IN_PASSING};
use super::magazine::MagazineId;
use super::pressure::Mark;
use super::{PoolStats, local, registry};
use crate::config::{Config, Key, Level, Reuse};
use crate::error::{AllocError, BuildError};
use crate::raw::{Idle, Label, Ledger, SlabSource, Unique};
use crate::slab_size::SlabSize;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering, clock};
use core::any::Any;
use std::sync::{Arc, Weak};

/// The debug mode in which each slice has an allocation of its own, of exactly its size: what looks at allocations sees the bounds
/// of slices then.
const ONE_EACH: bool = cfg!(bufslab_one_each);

/// One pool.
pub(crate) struct Core {
    pub(crate) id: usize,
    pub(crate) config: Config,
    ledger: Arc<Ledger>,
    /// Empty slabs for whoever needs one.
    depot: Depot,
    slab_size: AtomicUsize,
    level: AtomicU32,
    pub(super) changed: super::settings::Changed,
    pub(super) sizer: super::adapt::Sizer,
    counts: Counts,
    pub(super) around: super::around::Tries,
    pub(super) waiters: super::waiters::Waiters,
    pub(super) marks: super::pressure::Marks,
    pub(super) quotas: super::quota::Quotas,
    pub(super) holders: super::holders::Holders,
}

/// Events, counted where a slab changes hands and never for a slice.
#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    reused: AtomicU64,
    recycled: AtomicU64,
    around: AtomicU64,
}

impl Core {
    pub(super) fn start(mut config: Config, source: Box<dyn SlabSource>, marks: Vec<Mark>) -> Arc<Core> {
        (config.sizing, config.slab_size) = config.sizing.under(config.max_bytes);
        let id = registry::next_id();
        let ledger = Ledger::new(
            id,
            source,
            config.max_bytes,
            config.ledger_bytes,
            config.retain_policy,
            crate::track::record_stack,
        );
        if config.zero_on_recycle || config.reuse == Reuse::WholeSlab {
            ledger.cut_straight();
        }
        let core = Arc::new(Core {
            id,
            ledger: Arc::clone(&ledger),
            depot: Depot::new(config.idle_decay),
            slab_size: AtomicUsize::new(config.slab_size),
            sizer: super::adapt::Sizer::new(config.sizing, config.slab_size, config.reuse),
            level: AtomicU32::new(config.level.code()),
            changed: super::settings::Changed::default(),
            counts: Counts::default(),
            around: super::around::Tries::default(),
            waiters: super::waiters::Waiters::new(),
            marks: super::pressure::Marks::new(marks),
            quotas: super::quota::Quotas::default(),
            holders: super::holders::Holders::default(),
            config,
        });
        ledger.wish_to_know(core.sizer.is_on());
        let weak: Weak<dyn Any + Send + Sync> = Arc::downgrade(&core) as _;
        ledger.set_home(weak);
        registry::add(id, Arc::downgrade(&core));
        core
    }

    // Relaxed for settings, accounts and counts alike: they are ordered with nothing.

    pub(crate) fn slab_size(&self) -> usize {
        self.slab_size.load(Ordering::Relaxed)
    }

    pub(super) fn set_slab_size(&self, size: SlabSize) -> Result<(), BuildError> {
        self.check_slab_size(size)?;
        let (sizing, bytes) = size.under(self.config.max_bytes);
        self.sizer.set(sizing, bytes, || {
            self.store_slab_size(bytes);
            self.ledger.wish_to_know(self.sizer.is_on());
        });
        self.changed.mark(Key::SlabSize);
        self.let_go_other_sizes();
        Ok(())
    }

    pub(super) fn store_slab_size(&self, bytes: usize) {
        self.slab_size.store(bytes, Ordering::Relaxed);
    }

    /// Idle slabs of another size will not be taken again.
    pub(super) fn let_go_other_sizes(&self) {
        self.depot.sweep(|idle| idle.size() != self.slab_size());
        self.room_made();
    }

    pub(crate) fn level(&self) -> Level {
        Level::from_code(self.level.load(Ordering::Relaxed))
    }

    pub(super) fn set_level(&self, level: Level) {
        self.level.store(level.code(), Ordering::Relaxed);
        self.ledger.wish();
        self.changed.mark(Key::Tracking);
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) fn depot(&self) -> &Depot {
        &self.depot
    }

    #[cold]
    #[inline(never)]
    pub(super) fn alloc_slow(&self, n: usize, label: Label) -> Result<Unique, AllocError> {
        match self.alloc_once(n, label) {
            Err(error) if error.is_limit() => self.alloc_at_limit(n, label, error),
            other => other,
        }
    }

    pub(super) fn alloc_once(&self, n: usize, label: Label) -> Result<Unique, AllocError> {
        let mut raw = self.alloc_unlogged(n, label)?;
        self.ledger.log_allocation(&mut raw);
        Ok(raw)
    }

    fn alloc_unlogged(&self, n: usize, label: Label) -> Result<Unique, AllocError> {
        if n == 0 {
            return Ok(Unique::empty(self.id));
        }
        if n > isize::MAX as usize {
            return Err(AllocError::too_large(n));
        }
        if self.ledger.is_closed() {
            return Err(AllocError::closed(n));
        }
        self.check_quota(n)?;
        // Here, where nothing is in hand yet that a panic of the memory's source could lose.
        self.decay_in_passing();
        if n <= self.slab_size() && !ONE_EACH {
            if let Some(raw) = local::alloc_slow(self, n, label)? {
                return Ok(raw);
            }
            if self.ledger.is_closed() {
                return Err(AllocError::closed(n));
            }
        }
        // Larger than a slab, or made by a thread that is dying, or in the mode that does so for all: a slab of its own.
        self.learn_alone(n);
        self.before_taking(n, n)?;
        let idle = self.fresh_slab(n).map_err(|error| error.of_request(n))?;
        let raw = idle.single(n, self.level(), label);
        if self.ledger.is_closed_now() {
            raw.release().into_iter().for_each(recycle);
            return Err(AllocError::closed(n));
        }
        Ok(raw)
    }

    /// Hands nothing out from now on, and gives idle memory back.
    pub(crate) fn close(&self) {
        self.ledger.close();
        self.depot.sweep(|_| true);
        self.turn_away();
    }

    /// Before a slab of this size is taken for a request: others may be first, and somebody may want to know. Not under a lock, and
    /// not while this thread's part is borrowed.
    ///
    /// # Errors
    ///
    /// If others wait for memory.
    pub(super) fn before_taking(&self, n: usize, size: usize) -> Result<(), AllocError> {
        self.queue_up(n)?;
        self.mark_passing(n, size);
        Ok(())
    }

    /// Bytes of idle slabs.
    pub(super) fn idle_bytes(&self) -> usize {
        self.depot.bytes()
    }

    /// An idle slab of the current size, out of this thread's magazine if it has any.
    pub(super) fn idle_slab(&self, magazine: Option<MagazineId>) -> Option<Idle> {
        let size = self.slab_size();
        loop {
            let idle = self.depot.take(magazine)?;
            if idle.size() == size {
                self.counts.reused.fetch_add(1, Ordering::Relaxed);
                return Some(idle);
            }
        }
    }

    /// Fresh memory. If there is none: an idle slab of this size, whosever it is, or the memory of some others.
    pub(super) fn fresh_slab(&self, size: usize) -> Result<Idle, AllocError> {
        let mut fresh = self.ledger.slab(size);
        // Another thread may return a slab between two of these; each turn takes at least one.
        while fresh.as_ref().is_err_and(|error| !error.is_too_large()) {
            let Some(idle) = self.depot.take_anywhere() else {
                fresh = self.ledger.slab(size);
                break;
            };
            if idle.size() == size {
                self.counts.reused.fetch_add(1, Ordering::Relaxed);
                return Ok(idle);
            }
            drop(idle);
            fresh = self.ledger.slab(size);
        }
        let fresh = fresh?;
        self.counts.taken.fetch_add(1, Ordering::Relaxed);
        Ok(fresh)
    }

    pub(super) fn count_around(&self) {
        self.counts.around.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes an emptied slab: into this thread's magazine, the depot, or back to the source.
    fn take_back(&self, idle: Idle) {
        self.counts.recycled.fetch_add(1, Ordering::Relaxed);
        if let Some(idle) = self.offer(idle) {
            self.keep_or_free(idle);
            self.room_made();
        }
        self.decay_in_passing();
    }

    pub(super) fn keep_or_free(&self, mut idle: Idle) {
        let size = idle.size();
        let wanted = size == self.slab_size() && !self.ledger.is_closed() && !ONE_EACH;
        if !wanted || !self.depot.charge(size, self.config.idle_bytes) {
            return;
        }
        if self.config.zero_on_recycle {
            idle.zero();
        }
        self.depot.put(local::magazine(self), idle);
        // If it was put down after `close` had looked there, the lock that both took orders this after the closing.
        if self.ledger.is_closed() {
            self.depot.sweep(|_| true);
        }
    }

    /// Gives back some of what nobody needs any more, if it is time to. By the clock as it was read last: whoever changes
    /// slabs reads it.
    #[inline]
    fn decay_in_passing(&self) {
        let now = clock::last();
        if self.depot.is_due(now) {
            self.depot.decay(now, |given| given.bytes < IN_PASSING);
            self.room_made();
        }
    }

    pub(super) fn stats(&self) -> PoolStats {
        let pinned = self.ledger.pinned();
        PoolStats {
            slab_size: self.slab_size(),
            max_bytes: self.config.max_bytes,
            memory_bytes: self.ledger.memory_bytes(),
            pinned_bytes: pinned.bytes,
            foreign_bytes: pinned.foreign,
            pinned_slabs: pinned.slabs,
            handles: pinned.handles,
            idle_bytes: self.depot.bytes(),
            ledger_bytes: self.ledger.ledger_bytes(),
            slabs_taken: self.counts.taken.load(Ordering::Relaxed),
            slabs_reused: self.counts.reused.load(Ordering::Relaxed),
            slabs_reused_in_place: pinned.resets,
            slabs_reused_around: self.counts.around.load(Ordering::Relaxed),
            slabs_recycled: self.counts.recycled.load(Ordering::Relaxed),
            slab_size_moves: self.sizer.count(),
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        registry::remove(self.id);
        local::leave(self.id);
    }
}

/// Hands a slab that a dropped slice emptied to its pool; if that is gone, the memory goes back to the source.
#[cold]
pub(crate) fn recycle(idle: Idle) {
    if idle.is_foreign() {
        // Not ours to use again: its owner gets it back.
        return drop(idle);
    }
    let home = idle.ledger().home().and_then(|home| home.downcast::<Core>().ok());
    match home {
        Some(core) => core.take_back(idle),
        None => drop(idle),
    }
}
