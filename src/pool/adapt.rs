//! The slab size that a pool finds by itself: what its threads see is brought together here, where slabs change hands and
//! not where slices do.

use super::core::Core;
use crate::adapt::{Adapt, Move, Seen};
use crate::config::Reuse;
use crate::slab_size::SlabSize;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, clock};
use std::collections::VecDeque;

/// Moves that are remembered.
const MOVES: usize = 16;

/// A move, and when it was made by the [clock](crate::sync::clock).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) made: Move,
    pub(crate) tick: u32,
}

/// What finds the size, if anything does, and what it has done.
pub(super) struct Sizer {
    is_on: AtomicU32,
    count: AtomicU64,
    state: Mutex<State>,
}

struct State {
    sizing: SlabSize,
    reuse: Reuse,
    adapt: Option<Adapt>,
    moves: VecDeque<Moved>,
}

impl State {
    fn set(&mut self, sizing: SlabSize, size: usize) {
        self.sizing = sizing;
        self.adapt = match sizing {
            SlabSize::Auto { min, max } => Some(Adapt::new(min, max, size, self.reuse)),
            SlabSize::Fixed(_) => None,
        };
    }
}

impl Sizer {
    /// For a pool that begins with slabs of `size` bytes.
    pub(super) fn new(sizing: SlabSize, size: usize, reuse: Reuse) -> Sizer {
        let mut state = State { sizing, reuse, adapt: None, moves: VecDeque::new() };
        state.set(sizing, size);
        Sizer {
            is_on: AtomicU32::new(state.adapt.is_some().into()),
            count: AtomicU64::new(0),
            state: Mutex::new(state),
        }
    }

    /// Whether anybody wants to know what threads see. Relaxed: a few events more or fewer change nothing.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed) != 0
    }

    pub(super) fn sizing(&self) -> SlabSize {
        self.state.lock().sizing
    }

    /// How often the size was moved.
    pub(super) fn count(&self) -> u64 {
        // Relaxed: a count, ordered with nothing.
        self.count.load(Ordering::Relaxed)
    }

    /// The last moves, the earliest first.
    pub(super) fn moves(&self) -> Vec<Moved> {
        self.state.lock().moves.iter().copied().collect()
    }

    /// From now on the size is this, or is found. `set` stores the one to begin with.
    pub(super) fn set(&self, sizing: SlabSize, size: usize, set: impl FnOnce()) {
        let mut state = self.state.lock();
        state.set(sizing, size);
        self.is_on.store(state.adapt.is_some().into(), Ordering::Relaxed);
        // Under the lock, or a move that is on its way would undo it.
        set();
    }

    /// Adds what a thread has seen. Says whether it is time to decide.
    fn take(&self, seen: &mut Seen) -> bool {
        self.state.lock().adapt.as_mut().is_some_and(|adapt| adapt.take(seen))
    }
}

impl Core {
    /// How the size of slabs is found.
    pub(crate) fn sizing(&self) -> SlabSize {
        self.sizer.sizing()
    }

    /// The last 16 moves of the slab size, the earliest first.
    pub(crate) fn moves(&self) -> Vec<Moved> {
        self.sizer.moves()
    }

    /// Takes over what a thread has seen, and moves the slab size if that is better. Not under a lock, and not while this thread's part
    /// is borrowed: idle slabs of the old size go back to their source.
    #[cold]
    pub(super) fn learn(&self, seen: &mut Seen) {
        if !self.sizer.take(seen) {
            return;
        }
        // Not under the lock: others go on meanwhile.
        let census = self.ledger().census(self.slab_size());
        let mut state = self.sizer.state.lock();
        let Some(made) = state.adapt.as_mut().and_then(|adapt| adapt.decide(&census)) else { return };
        self.store_slab_size(made.to);
        if state.moves.len() == MOVES {
            state.moves.pop_front();
        }
        state.moves.push_back(Moved { made, tick: clock::last() });
        self.sizer.count.fetch_add(1, Ordering::Relaxed);
        drop(state);
        self.let_go_other_sizes();
    }

    /// A request is to get a slab of its own, as a rule because it is larger than one.
    pub(super) fn learn_alone(&self, n: usize) {
        if !self.sizer.is_on() || n <= self.slab_size() {
            return;
        }
        let mut seen = Seen::default();
        seen.alone(self.slab_size(), n);
        self.learn(&mut seen);
    }
}
