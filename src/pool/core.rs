//! What all clones of a pool share.

use super::{PoolStats, local, registry};
use crate::config::{Config, Level};
use crate::error::{AllocError, BuildError};
use crate::raw::{Idle, Label, Ledger, SlabSource, Unique};
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering};
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
    /// Empty slabs for whoever needs one, hottest last.
    depot: Mutex<Vec<Idle>>,
    slab_size: AtomicUsize,
    level: AtomicU32,
    /// Bytes of empty slabs in the depot and in the threads' magazines.
    idle_bytes: AtomicUsize,
    counts: Counts,
}

/// Events, counted where a slab changes hands and never for a slice.
#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    reused: AtomicU64,
    recycled: AtomicU64,
}

impl Core {
    pub(super) fn start(config: Config, source: Box<dyn SlabSource>) -> Arc<Core> {
        let id = registry::next_id();
        let ledger = Ledger::new(id, source, config.max_bytes, config.ledger_bytes, crate::track::record_stack);
        let core = Arc::new(Core {
            id,
            ledger: Arc::clone(&ledger),
            depot: Mutex::new(Vec::new()),
            slab_size: AtomicUsize::new(config.slab_size),
            level: AtomicU32::new(config.level.code()),
            idle_bytes: AtomicUsize::new(0),
            counts: Counts::default(),
            config,
        });
        let weak: Weak<dyn Any + Send + Sync> = Arc::downgrade(&core) as _;
        ledger.set_home(weak);
        registry::add(id, Arc::downgrade(&core));
        core
    }

    // Relaxed for settings, accounts and counts alike: they are ordered with nothing.

    pub(crate) fn slab_size(&self) -> usize {
        self.slab_size.load(Ordering::Relaxed)
    }

    pub(super) fn set_slab_size(&self, bytes: usize) -> Result<(), BuildError> {
        Config { slab_size: bytes, ..self.config.clone() }.check()?;
        self.slab_size.store(bytes, Ordering::Relaxed);
        // Idle slabs of another size will not be taken again.
        let old = core::mem::take(&mut *self.depot.lock());
        for idle in old {
            self.idle_bytes.fetch_sub(idle.size(), Ordering::Relaxed);
            self.keep_or_free(idle);
        }
        Ok(())
    }

    pub(crate) fn level(&self) -> Level {
        Level::from_code(self.level.load(Ordering::Relaxed))
    }

    pub(super) fn set_level(&self, level: Level) {
        self.level.store(level.code(), Ordering::Relaxed);
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether threads may keep idle slabs to themselves.
    pub(super) fn has_magazines(&self) -> bool {
        self.config.max_bytes.is_none()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn alloc_slow(&self, n: usize, label: Label) -> Result<Unique, AllocError> {
        if n == 0 {
            return Ok(Unique::empty(self.id));
        }
        if n > isize::MAX as usize {
            return Err(AllocError::too_large(n));
        }
        if self.ledger.is_closed() {
            return Err(AllocError::closed(n));
        }
        if n <= self.slab_size() && !ONE_EACH {
            if let Some(raw) = local::alloc_slow(self, n, label)? {
                return Ok(raw);
            }
            if self.ledger.is_closed() {
                return Err(AllocError::closed(n));
            }
        }
        // Larger than a slab, or made by a thread that is dying, or in the mode that does so for all: a slab of its own.
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
        let idle = core::mem::take(&mut *self.depot.lock());
        for idle in idle {
            self.idle_bytes.fetch_sub(idle.size(), Ordering::Relaxed);
        }
    }

    /// An empty slab of the current size: an idle one, or fresh memory.
    pub(super) fn take_slab(&self) -> Result<Idle, AllocError> {
        let size = self.slab_size();
        loop {
            let Some(idle) = self.depot.lock().pop() else { break };
            self.idle_bytes.fetch_sub(idle.size(), Ordering::Relaxed);
            if idle.size() == size {
                self.counts.reused.fetch_add(1, Ordering::Relaxed);
                return Ok(idle);
            }
        }
        self.fresh_slab(size)
    }

    /// Fresh memory; if there is none, that of idle slabs is given back first.
    fn fresh_slab(&self, size: usize) -> Result<Idle, AllocError> {
        let taken = self.ledger.slab(size).or_else(|error| {
            if error.is_too_large() {
                return Err(error);
            }
            // Another thread may return a slab between two of these; each turn frees at least one. The lock is not held
            // while memory goes back to the source, which is the user's code.
            loop {
                let Some(idle) = self.depot.lock().pop() else { break };
                self.idle_bytes.fetch_sub(idle.size(), Ordering::Relaxed);
                drop(idle);
                if let Ok(slab) = self.ledger.slab(size) {
                    return Ok(slab);
                }
            }
            self.ledger.slab(size)
        })?;
        self.counts.taken.fetch_add(1, Ordering::Relaxed);
        Ok(taken)
    }

    /// A slab out of a thread's magazine is used again.
    pub(super) fn reuse_from_magazine(&self, size: usize) {
        self.idle_bytes.fetch_sub(size, Ordering::Relaxed);
        self.counts.reused.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes an emptied slab: into this thread's magazine, the depot, or back to the source.
    fn take_back(&self, idle: Idle) {
        self.counts.recycled.fetch_add(1, Ordering::Relaxed);
        self.keep_or_free(idle);
    }

    fn keep_or_free(&self, mut idle: Idle) {
        let size = idle.size();
        if size != self.slab_size() || self.ledger.is_closed() || ONE_EACH {
            return;
        }
        let room = |kept: usize| kept.checked_add(size).filter(|&sum| sum <= self.config.idle_bytes);
        if self.idle_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return;
        }
        if self.config.zero_on_recycle {
            idle.zero();
        }
        if let Err(idle) = local::keep(self, idle) {
            self.put_down(idle);
        }
    }

    /// Takes what a dying thread kept in its magazine, which is already counted as idle.
    pub(super) fn take_from_magazine(&self, idle: Idle) {
        self.put_down(idle);
    }

    /// Puts a slab that is counted as idle into the depot, or back to the source if the depot cannot grow.
    fn put_down(&self, idle: Idle) {
        let mut depot = self.depot.lock();
        if depot.try_reserve(1).is_ok() {
            depot.push(idle);
            return;
        }
        drop(depot);
        self.idle_bytes.fetch_sub(idle.size(), Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> PoolStats {
        let pinned = self.ledger.pinned();
        PoolStats {
            slab_size: self.slab_size(),
            max_bytes: self.config.max_bytes,
            memory_bytes: self.ledger.memory_bytes(),
            pinned_bytes: pinned.bytes,
            pinned_slabs: pinned.slabs,
            handles: pinned.handles,
            idle_bytes: self.idle_bytes.load(Ordering::Relaxed),
            ledger_bytes: self.ledger.ledger_bytes(),
            slabs_taken: self.counts.taken.load(Ordering::Relaxed),
            slabs_reused: self.counts.reused.load(Ordering::Relaxed),
            slabs_reused_in_place: pinned.resets,
            slabs_recycled: self.counts.recycled.load(Ordering::Relaxed),
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
    let home = idle.ledger().home().and_then(|home| home.downcast::<Core>().ok());
    match home {
        Some(core) => core.take_back(idle),
        None => drop(idle),
    }
}
