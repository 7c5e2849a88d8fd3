//! What a thread keeps of each pool it allocates from: its current slab, the one before, and a magazine of idle ones.

use super::core::{Core, recycle};
use super::magazine::MagazineId;
use crate::adapt::{BATCH, Opening, Seen};
use crate::error::AllocError;
use crate::raw::{Attached, Label, Search, Unique};
use crate::sync::{clock, thread};
use core::cell::{Cell, RefCell};

/// One thread's part of one pool.
struct Local {
    pool: usize,
    current: Option<Attached>,
    /// Still this thread's, so that its slices cost nothing to clone and drop, and may drain to be used again in place.
    previous: Option<Attached>,
    /// The thread's first idle slab gets it one.
    magazine: Option<MagazineId>,
    search: Search,
    /// What it has not told the pool yet, if that finds the size of its slabs: one at most.
    seen: Vec<Seen>,
}

/// What it takes to find another slab.
type Means = (Option<MagazineId>, Search);

/// What a thread finds in the slabs that it has.
enum Near {
    Room(Unique),
    None(Means),
    /// It is asked for them.
    Recalled,
}

/// A thread's parts of all pools. The one used last comes first.
struct Locals {
    parts: RefCell<Vec<Local>>,
    /// Pools of the process that were gone when this thread last gave up its parts of those.
    gone: Cell<usize>,
}

thread_local! {
    static LOCALS: Locals = const { Locals { parts: RefCell::new(Vec::new()), gone: Cell::new(0) } };
}

/// Runs `f` on this thread's part of the pool, which is made and moved to the front as needed. `None` in a thread that is
/// dying, when the allocator has no memory, and when `f` is already running below on the stack (a memory source that allocates from a pool).
fn with_local<R>(pool: usize, f: impl FnOnce(&mut Local) -> R) -> Option<R> {
    LOCALS
        .try_with(|locals| {
            let mut locals = locals.parts.try_borrow_mut().ok()?;
            let at = match locals.iter().position(|local| local.pool == pool) {
                Some(at) => at,
                None => {
                    locals.try_reserve(1).ok()?;
                    let search = Search::default();
                    let seen = Vec::new();
                    locals.push(Local { pool, current: None, previous: None, magazine: None, search, seen });
                    locals.len() - 1
                }
            };
            if at > 0 {
                locals.swap(0, at);
            }
            Some(f(&mut locals[0]))
        })
        .ok()?
}

/// Finds room for `1 ≤ n ≤ slab size` bytes: in the current slab's next hole, in the current or the previous slab if one has
/// drained, and else in another slab. `Ok(None)` in a thread that can own no slab.
pub(super) fn alloc_slow(core: &Core, n: usize, label: Label) -> Result<Option<Unique>, AllocError> {
    let near = with_local(core.id, |local| {
        if local.is_recalled(core) {
            return Near::Recalled;
        }
        let fits = |slab: &Attached| {
            slab.make_current(core.id);
            slab.alloc(n, label)
        };
        // As the thread's current slab it was asked before this.
        let is_new = thread::current(core.id).is_none();
        let current = local.current.as_ref().filter(|_| is_new).and_then(fits);
        let unused = local.unused();
        if let Some(raw) = current.or_else(|| local.next_hole(n).and_then(fits)) {
            return Near::Room(raw);
        }
        let Some(raw) = local.reuse_in_place(core, n).and_then(fits) else { return Near::None(local.means()) };
        if let Some(seen) = local.seen(core) {
            seen.opened(core.slab_size(), Opening::InPlace, n, unused);
        }
        Near::Room(raw)
    });
    let (magazine, mut search) = match near {
        None => return Ok(None),
        Some(Near::Room(raw)) => {
            tell(core);
            leave_if_wanted(core);
            return Ok(Some(raw));
        }
        Some(Near::None(means)) => {
            purge();
            means
        }
        Some(Near::Recalled) => {
            give_up(core);
            with_local(core.id, Local::means).unwrap_or_default()
        }
    };
    // Not while this thread's part is borrowed: the memory's source is the user's code.
    let attached = another_slab(core, n, magazine, &mut search);
    let installed = with_local(core.id, |local| {
        local.search = search;
        let attached = attached?;
        let Some((attached, how)) = attached else { return Ok(None) };
        let (unused, size) = (local.unused(), attached.size());
        let before = local.current.take();
        let mut retired = core::mem::replace(&mut local.previous, before);
        if let Some(retired) = &mut retired {
            local.search.give_back(retired.take_holes());
        }
        let current = local.current.insert(attached);
        current.make_current(core.id);
        let raw = current.alloc(n, label);
        if let Some(seen) = local.seen(core) {
            seen.opened(size, how, n, unused);
            retired.iter().for_each(|retired| seen.left(retired.size(), retired.handles()));
        }
        Ok(Some((raw, retired)))
    });
    let Some((raw, retired)) = installed.transpose()?.flatten() else { return Ok(None) };
    // The clock was read for the slab that took its place.
    if let Some(idle) = retired.and_then(|retired| retired.detach_at(clock::last())) {
        recycle(idle);
    }
    tell(core);
    leave_if_wanted(core);
    Ok(raw)
}

/// Tells the pool what this thread has seen, if it wants to know and that is enough to be told.
fn tell(core: &Core) {
    if !core.sizer.is_on() {
        return;
    }
    let is_due = |local: &mut Local| {
        let seen = local.seen.first_mut().filter(|seen| seen.events() >= BATCH)?;
        Some(core::mem::take(seen))
    };
    // Not while this thread's part is borrowed: memory may go back to its source.
    if let Some(mut seen) = with_local(core.id, is_due).flatten() {
        core.learn(&mut seen);
    }
}

/// Gives up the slabs that this thread is attached to, which it was asked for.
fn give_up(core: &Core) {
    let given_up = with_local(core.id, |local| [local.current.take(), local.previous.take()]);
    for idle in given_up.into_iter().flatten().flatten().filter_map(Attached::detach) {
        recycle(idle);
    }
}

/// Gives up what this thread has of the pool if somebody waits for memory: who came while this thread attached a slab, or opened
/// it anew, has asked too early. The same for what this thread let go on its way.
fn leave_if_wanted(core: &Core) {
    if core.is_wanted_now() {
        leave(core.id);
        core.serve(None);
    }
}

/// A slab for this thread with room for `n` bytes: an idle one it has at hand, another idle one, a partly filled one, or fresh
/// memory. `Ok(None)` in a thread that can own no slab.
fn another_slab(
    core: &Core,
    n: usize,
    magazine: Option<MagazineId>,
    search: &mut Search,
) -> Result<Option<(Attached, Opening)>, AllocError> {
    core.before_taking(n, core.slab_size())?;
    let around = |attached| (attached, Opening::Around);
    let (idle, how) = match core.idle_slab(magazine) {
        Some(idle) => (idle, Opening::Idle),
        None => {
            if let Some(attached) = core.attach_around(n, search, false) {
                return Ok(Some(around(attached)));
            }
            match core.fresh_slab(core.slab_size()) {
                Ok(fresh) => (fresh, Opening::Fresh),
                Err(error) => {
                    let attached = core.attach_around(n, search, true);
                    return attached.map(around).map(Some).ok_or_else(|| error.of_request(n));
                }
            }
        }
    };
    Ok(idle.attach(core.level()).map(|attached| Some((attached, how))).unwrap_or_else(|idle| {
        recycle(idle);
        None
    }))
}

impl Local {
    /// Whether this thread is asked for its slabs: somebody waits for memory, or wants it to look at its scope.
    fn is_recalled(&self, core: &Core) -> bool {
        let asked = |slab: &Option<Attached>| slab.as_ref().is_some_and(Attached::is_recalled);
        core.ledger().wanted() > 0 || asked(&self.current) || asked(&self.previous)
    }

    /// Starts over in the current or the previous slab, if one of them has drained and is as the pool wants it now.
    fn reuse_in_place(&mut self, core: &Core, n: usize) -> Option<&Attached> {
        let usable = |slab: &Attached| slab.size() == core.slab_size() && n <= slab.size() && slab.is_drained();
        let stays = self.current.as_ref().is_some_and(usable);
        if !stays {
            if !self.previous.as_ref().is_some_and(usable) {
                return None;
            }
            core::mem::swap(&mut self.current, &mut self.previous);
        }
        let slab = self.current.as_mut()?;
        if core.config.zero_on_recycle {
            slab.zero();
        }
        slab.reset(core.level());
        if stays {
            slab.stop_early();
        }
        slab.make_current(core.id);
        Some(slab)
    }

    fn means(&mut self) -> Means {
        (self.magazine, core::mem::take(&mut self.search))
    }

    /// Bytes that are left where this thread cuts from now.
    fn unused(&self) -> usize {
        self.current.as_ref().map_or(0, Attached::room)
    }

    /// Where to put down what the pool wants to know, if it does and there is memory for it.
    fn seen(&mut self, core: &Core) -> Option<&mut Seen> {
        if !core.sizer.is_on() {
            return None;
        }
        if self.seen.is_empty() {
            self.seen.try_reserve_exact(1).ok()?;
            self.seen.push(Seen::default());
        }
        self.seen.first_mut()
    }

    /// Goes on in the current slab's next hole with room for `n` bytes.
    fn next_hole(&mut self, n: usize) -> Option<&Attached> {
        let current = self.current.as_mut()?;
        current.next_hole(n).then_some(current)
    }
}

/// This thread's magazine, which it gets by this. Only a thread that allocates from the pool has one.
pub(super) fn magazine(core: &Core) -> Option<MagazineId> {
    LOCALS
        .try_with(|locals| {
            let mut locals = locals.parts.try_borrow_mut().ok()?;
            let local = locals.iter_mut().find(|local| local.pool == core.id)?;
            local.magazine = local.magazine.or_else(|| core.depot().join());
            local.magazine
        })
        .ok()?
}

/// Gives up this thread's part of a pool that is gone.
pub(super) fn leave(pool: usize) {
    let gone = LOCALS.try_with(|locals| {
        let mut locals = locals.parts.try_borrow_mut().ok()?;
        let at = locals.iter().position(|local| local.pool == pool)?;
        Some(locals.swap_remove(at))
    });
    // Outside of the borrow: memory goes back to a source, which is the user's code.
    drop(gone);
}

/// Gives up this thread's parts of all pools that are gone.
fn purge() {
    let gone = LOCALS.try_with(|locals| {
        let count = super::registry::gone();
        if locals.gone.get() == count {
            return None;
        }
        let mut parts = locals.parts.try_borrow_mut().ok()?;
        locals.gone.set(count);
        let is_gone = |local: &Local| !super::registry::is_alive(local.pool);
        let mut gone = Vec::new();
        while let Some(at) = parts.iter().position(is_gone) {
            gone.push(parts.swap_remove(at));
        }
        Some(gone)
    });
    drop(gone);
}

impl Drop for Local {
    fn drop(&mut self) {
        // The thread is dying or the pool is gone: slabs go to their slices, what is idle to everybody.
        for attached in self.current.take().into_iter().chain(self.previous.take()) {
            if let Some(idle) = attached.detach() {
                recycle(idle);
            }
        }
        if let Some(magazine) = self.magazine.take() {
            if let Some(core) = super::registry::find(self.pool) {
                core.depot().leave(magazine);
                core.room_made();
            }
        }
    }
}
