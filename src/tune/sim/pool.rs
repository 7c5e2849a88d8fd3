//! The twin of a pool's policy: which slab a thread cuts from, and what becomes of slabs that it leaves.
//!
//! Statement by statement as `pool/core.rs`, `pool/local.rs` and `raw/slab.rs` have it, for one thread at a time and without a
//! limit on memory; the tests run both in lockstep.

use super::around::Tries;
use super::idle::Idle;
use super::slabs::{Home, NOBODY, Slabs};
use crate::adapt::{Adapt, BATCH, Census, Opening, Seen};
use crate::config::Reuse;
use crate::raw::STRETCH;
use crate::slab_size::SlabSize;
use crate::tune::Setup;

/// What a thread has of the pool.
#[derive(Clone, Debug, Default)]
struct Local {
    current: Option<u32>,
    previous: Option<u32>,
    magazine: Option<usize>,
    /// Whether it ever allocated from a slab.
    is_here: bool,
    /// What it has not told the pool yet, if that finds the size of its slabs.
    seen: Seen,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) slabs: Slabs,
    pub(super) slab_size: u64,
    pub(super) reuse: Reuse,
    pub(super) tries: Tries,
    pub(super) idle: Idle,
    locals: Vec<Local>,
    /// The time by the trace, in milliseconds.
    pub(super) millis: u64,
    // Events, as `PoolStats` counts them and a few more.
    pub(super) oversize: u64,
    pub(super) reused: u64,
    pub(super) in_place: u64,
    pub(super) around: u64,
    pub(super) recycled: u64,
    pub(super) changes: u64,
    pub(super) detaches: u64,
    /// What finds the size of slabs, if anything does, and what it has done.
    adapt: Option<Adapt>,
    pub(super) moves: Vec<String>,
}

impl Pool {
    /// An empty pool, `millis` after recording began.
    pub(super) fn new(setup: &Setup, threads: u32, millis: u64) -> Pool {
        let (sizing, slab_size) = setup.slab_size.under(None);
        let adapt = match sizing {
            SlabSize::Auto { min, max } => Some(Adapt::new(min, max, slab_size, setup.reuse)),
            SlabSize::Fixed(_) => None,
        };
        Pool {
            slabs: Slabs::default(),
            slab_size: slab_size as u64,
            reuse: setup.reuse,
            tries: Tries::default(),
            idle: Idle::new(setup.idle_bytes, setup.idle_decay, millis),
            locals: vec![Local::default(); threads as usize],
            millis,
            oversize: 0,
            reused: 0,
            in_place: 0,
            around: 0,
            recycled: 0,
            changes: 0,
            detaches: 0,
            adapt,
            moves: Vec::new(),
        }
    }

    // ---- Allocating.

    /// Room for `n` bytes, more than none. The caller makes a handle on it at once.
    pub(super) fn alloc(&mut self, n: u64, thread: u32) -> u32 {
        let current = self.locals[thread as usize].current;
        let cut = |slabs: &mut Slabs, slab: Option<u32>| slabs.cut(slab?, n);
        let mut root = cut(&mut self.slabs, current);
        if root.is_none() && n <= self.slab_size {
            let hole = self.next_hole(n, thread);
            root = cut(&mut self.slabs, hole);
        }
        match root {
            Some(root) => self.first(root, n, thread),
            None => self.alloc_slow(n, thread),
        }
    }

    /// The first handle is made before the slab that the thread leaves is detached, as the pool does it.
    fn first(&mut self, root: u32, n: u64, thread: u32) -> u32 {
        self.slabs.hold(root, 0, n, thread);
        root
    }

    fn alloc_slow(&mut self, n: u64, thread: u32) -> u32 {
        self.decay();
        if n > self.slab_size {
            self.learn_alone(n);
            let slab = self.slabs.take(n);
            self.oversize += 1;
            self.slabs.slab_mut(slab).full_at = u64::MAX;
            let root = self.slabs.new_root(Home::Slab(slab, 0), n);
            self.slabs.count_cut(slab, n);
            return self.first(root, n, thread);
        }
        self.locals[thread as usize].is_here = true;
        let unused = self.unused(thread);
        if let Some(slab) = self.reuse_in_place(n, thread) {
            if let Some(root) = self.slabs.cut(slab, n) {
                self.opened(thread, self.slab_size, Opening::InPlace, n, unused);
                self.tell(thread);
                return self.first(root, n, thread);
            }
        }
        // The pool's thread has given up the holes that were too short.
        let unused = self.unused(thread);
        let (slab, how) = self.another_slab(n, thread);
        self.changes += 1;
        let local = &mut self.locals[thread as usize];
        let before = local.current.replace(slab);
        let retired = core::mem::replace(&mut local.previous, before);
        let root = self.slabs.cut(slab, n).expect("a slab with room for this was looked for");
        self.first(root, n, thread);
        self.opened(thread, self.slabs.slab(slab).size, how, n, unused);
        if let Some(retired) = retired {
            let left = self.slabs.slab(retired);
            self.locals[thread as usize].seen.left(left.size as usize, left.refs);
            self.detach(retired, thread);
        }
        self.tell(thread);
        root
    }

    fn next_hole(&mut self, n: u64, thread: u32) -> Option<u32> {
        let current = self.locals[thread as usize].current?;
        self.slabs.slab_mut(current).next_hole(n).then_some(current)
    }

    fn reuse_in_place(&mut self, n: u64, thread: u32) -> Option<u32> {
        let size = self.slab_size;
        let slabs = &self.slabs;
        let usable = |slab: &u32| {
            let slab = slabs.slab(*slab);
            slab.size == size && n <= size && slab.refs == 0
        };
        let local = &mut self.locals[thread as usize];
        let stays = local.current.as_ref().is_some_and(usable);
        if !stays {
            if !local.previous.as_ref().is_some_and(usable) {
                return None;
            }
            core::mem::swap(&mut local.current, &mut local.previous);
        }
        let slab = local.current?;
        let reset = self.slabs.slab_mut(slab);
        reset.holes.clear();
        reset.start_over();
        if stays {
            reset.stop_early();
        }
        self.begin(slab);
        self.in_place += 1;
        Some(slab)
    }

    /// A slab for this thread with room for `n` bytes: an idle one, a partly filled one, or fresh memory.
    fn another_slab(&mut self, n: u64, thread: u32) -> (u32, Opening) {
        let idle = self.idle_slab(thread);
        if idle.is_none() {
            if let Some(around) = self.attach_around(n, thread) {
                return (around, Opening::Around);
            }
        }
        let slab = idle.unwrap_or_else(|| self.slabs.take(self.slab_size));
        let stretch = if self.reuse == Reuse::WholeSlab { u64::MAX } else { STRETCH as u64 };
        let attached = self.slabs.slab_mut(slab);
        attached.owner = thread;
        attached.holes.clear();
        attached.open(stretch);
        self.begin(slab);
        (slab, if idle.is_some() { Opening::Idle } else { Opening::Fresh })
    }

    /// A thread begins to cut from a slab.
    pub(super) fn begin(&mut self, slab: u32) {
        let threads = self.locals.iter().filter(|local| local.is_here).count();
        self.slabs.begin(slab, threads);
    }

    fn idle_slab(&mut self, thread: u32) -> Option<u32> {
        loop {
            let idle = self.idle.take(self.locals[thread as usize].magazine, &self.slabs)?;
            if self.slabs.slab(idle).size == self.slab_size {
                self.reused += 1;
                return Some(idle);
            }
            self.slabs.retire(idle);
        }
    }

    // ---- Letting go.

    fn detach(&mut self, slab: u32, thread: u32) {
        self.detaches += 1;
        let detached = self.slabs.slab_mut(slab);
        detached.holes.clear();
        (detached.owner, detached.full_at) = (NOBODY, u64::MAX);
        if detached.refs == 0 {
            self.take_back(slab, thread);
        }
    }

    /// A slab that this thread emptied.
    pub(super) fn take_back(&mut self, slab: u32, thread: u32) {
        self.recycled += 1;
        let size = self.slabs.slab(slab).size;
        if size == self.slab_size && self.idle.has_room(size) {
            let local = &mut self.locals[thread as usize];
            if local.is_here && local.magazine.is_none() {
                local.magazine = Some(self.idle.join());
            }
            self.idle.put(local.magazine, slab, size);
        } else {
            self.slabs.retire(slab);
        }
        self.decay();
    }

    fn decay(&mut self) {
        self.idle.decay(self.millis, &mut self.slabs);
    }

    /// As the pool's, for the slabs taken from now on.
    pub(super) fn set_slab_size(&mut self, bytes: u64) {
        self.slab_size = bytes;
        self.idle.sweep(bytes, &mut self.slabs);
    }

    // ---- Finding the size.

    fn unused(&self, thread: u32) -> u64 {
        self.locals[thread as usize].current.map_or(0, |slab| self.slabs.slab(slab).room())
    }

    fn opened(&mut self, thread: u32, size: u64, how: Opening, n: u64, unused: u64) {
        self.locals[thread as usize].seen.opened(size as usize, how, n as usize, unused as usize);
    }

    fn tell(&mut self, thread: u32) {
        let seen = &mut self.locals[thread as usize].seen;
        if self.adapt.is_some() && seen.events() >= BATCH {
            let seen = core::mem::take(seen);
            self.learn(seen);
        }
    }

    fn learn_alone(&mut self, n: u64) {
        let mut seen = Seen::default();
        seen.alone(self.slab_size as usize, n as usize);
        self.learn(seen);
    }

    fn learn(&mut self, mut seen: Seen) {
        let Some(adapt) = &mut self.adapt else { return };
        if !adapt.take(&mut seen) {
            return;
        }
        let mut census = Census::default();
        for slab in &self.slabs.list {
            if slab.size == self.slab_size { census.count(slab.size as usize, slab.refs) } else { census.pass() }
        }
        if let Some(made) = adapt.decide(&census) {
            self.moves.push(made.to_string());
            self.set_slab_size(made.to as u64);
        }
    }
}
