//! Sums by key in bounded memory, for outputs in which equal lines may come more than once.

use core::hash::Hash;
use std::collections::HashMap;

/// Adds figures up by key, until it is full and has to be emptied.
pub(super) struct Tally<K, const FIGURES: usize> {
    at: HashMap<K, usize>,
    /// In the order of first appearance, so that the same report is always written the same way.
    rows: Vec<(K, [usize; FIGURES])>,
}

/// Keys that a tally holds: a few MiB of memory.
const ROOM: usize = if cfg!(test) { 64 } else { 1 << 14 };

impl<K: Copy + Eq + Hash, const FIGURES: usize> Tally<K, FIGURES> {
    pub(super) fn new() -> Self {
        Tally { at: HashMap::new(), rows: Vec::new() }
    }

    pub(super) fn add(&mut self, key: K, figures: [usize; FIGURES]) {
        let at = *self.at.entry(key).or_insert_with(|| {
            self.rows.push((key, [0; FIGURES]));
            self.rows.len() - 1
        });
        for (sum, figure) in self.rows[at].1.iter_mut().zip(figures) {
            *sum = sum.saturating_add(figure);
        }
    }

    /// Whether what it holds has to be written out before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= ROOM
    }

    /// Takes all sums out, and keeps the room they took.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (K, [usize; FIGURES])> + '_ {
        self.at.clear();
        self.rows.drain(..)
    }
}
