//! Slices that are kept for a while: a new one takes the place of an old one.

use super::random::Random;
use super::read_long;
use bufslab::{SlabBytes, SlabPool};

/// How many are kept.
pub(crate) const KEPT: usize = 1024;

/// Which one goes when the next comes.
#[derive(Clone, Copy)]
pub(crate) enum Lifetimes {
    /// The oldest.
    Fifo,
    /// Any.
    Random,
}

impl Lifetimes {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Lifetimes::Fifo => "fifo",
            Lifetimes::Random => "random",
        }
    }
}

pub(crate) struct Window {
    pub(crate) pool: SlabPool,
    kept: Vec<SlabBytes>,
    lifetimes: Lifetimes,
    random: Random,
    at: usize,
    room: usize,
    len: usize,
}

impl Window {
    /// Full of reads of up to `room` bytes that found `len`.
    pub(crate) fn new(pool: SlabPool, lifetimes: Lifetimes, room: usize, len: usize) -> Window {
        let kept = (0..KEPT).map(|_| read_long(&pool, room, len)).collect();
        Window { pool, kept, lifetimes, random: Random::new(), at: 0, room, len }
    }

    /// One more read.
    #[inline]
    pub(crate) fn turn(&mut self) {
        self.at = match self.lifetimes {
            Lifetimes::Fifo => (self.at + 1) % KEPT,
            Lifetimes::Random => self.random.below(KEPT),
        };
        self.kept[self.at] = read_long(&self.pool, self.room, self.len);
    }
}
