//! All pools of the process by id: how an empty buffer, which holds no slab, finds the pool it grows in.

use super::{Core, SlabPool};
use crate::error::AllocError;
use crate::raw::{self, Label, Unique};
use crate::sync::{Events, RwLock, next_uid};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

static POOLS: RwLock<BTreeMap<usize, Weak<Core>>> = RwLock::new(BTreeMap::new());

/// See [`gone`].
static GONE: Events = Events::none();

/// An id that no other pool of the process has or had.
pub(super) fn next_id() -> usize {
    next_uid() as usize
}

pub(super) fn add(id: usize, core: Weak<Core>) {
    POOLS.write().insert(id, core);
}

pub(super) fn remove(id: usize) {
    POOLS.write().remove(&id);
    GONE.add();
}

/// How many pools there were that are no more. Who sees one more looks for it under the lock; who does not yet will later.
pub(super) fn gone() -> usize {
    GONE.count()
}

pub(super) fn find(id: usize) -> Option<Arc<Core>> {
    POOLS.read().get(&id)?.upgrade()
}

/// Every pool of the process, the oldest first.
pub(super) fn all() -> Vec<Arc<Core>> {
    POOLS.read().values().filter_map(Weak::upgrade).collect()
}

pub(super) fn is_alive(id: usize) -> bool {
    POOLS.read().get(&id).is_some_and(|core| core.strong_count() > 0)
}

/// Room for `n` bytes in the pool with this id, or in the global one if that is gone or the id is 0.
#[inline]
pub(crate) fn alloc_in(pool: usize, n: usize, label: Label) -> Result<Unique, AllocError> {
    match raw::alloc_current(pool, n, 0, label) {
        Some(raw) => Ok(raw),
        None => match find(pool) {
            Some(core) => core.alloc_slow(n, label),
            None => SlabPool::global().alloc_raw(n, label),
        },
    }
}
