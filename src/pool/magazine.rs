//! Idle slabs that each thread keeps at hand, within the others' reach.
//!
//! A thread takes its magazine's lock, which nobody else wants as a rule, when it changes slabs and never for a slice. Others
//! take it to give back what the thread does not need, or when they need memory themselves and no more may be had.

use super::stack::Stack;
use crate::raw::Idle;
use crate::sync::{CachePadded, Mutex};
use std::sync::OnceLock;

/// Idle slabs that a thread keeps at hand.
pub(crate) const MAGAZINE: usize = 4;

/// Magazines of the first shelf; each further one has twice as many.
const FIRST: usize = if cfg!(test) { 2 } else { 8 };
/// Shelves. A thread that finds all of them full has no magazine, and does without.
const SHELVES: usize = 20;

type Magazine = CachePadded<Mutex<Stack<Idle>>>;

/// The number of a thread's magazine, until the thread [leaves](Magazines::leave) it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MagazineId(usize);

/// All magazines of one pool. Made as threads come, and used again by others when they are gone; freed with the pool.
pub(super) struct Magazines {
    shelves: [OnceLock<Box<[Magazine]>>; SHELVES],
    numbers: Mutex<Numbers>,
}

struct Numbers {
    /// Left by threads that are gone. Has room for all numbers there are.
    free: Vec<usize>,
    next: usize,
}

/// Shelf and place on it of the magazine with this number.
fn place(number: usize) -> (usize, usize) {
    let shelf = (number / FIRST + 1).ilog2();
    (shelf as usize, number - FIRST * ((1 << shelf) - 1))
}

impl Magazines {
    pub(super) fn new() -> Magazines {
        let numbers = Numbers { free: Vec::new(), next: 0 };
        Magazines { shelves: [const { OnceLock::new() }; SHELVES], numbers: Mutex::new(numbers) }
    }

    /// A magazine for the calling thread. `None` if there is no memory for one.
    pub(super) fn join(&self) -> Option<MagazineId> {
        let mut numbers = self.numbers.lock();
        if let Some(number) = numbers.free.pop() {
            return Some(MagazineId(number));
        }
        let number = numbers.next;
        // So that leaving cannot fail.
        numbers.free.try_reserve(number + 1).ok()?;
        let (shelf, at) = place(number);
        let cell = self.shelves.get(shelf)?;
        if cell.get().is_none() {
            let len = FIRST << shelf;
            let mut made = Vec::new();
            made.try_reserve_exact(len).ok()?;
            made.resize_with(len, || CachePadded::new(Mutex::new(Stack::new())));
            // Under the lock, so nobody else sets it.
            let _ = cell.set(made.into_boxed_slice());
        }
        if !cell.get()?[at].lock().reserve(MAGAZINE) {
            return None;
        }
        numbers.next += 1;
        Some(MagazineId(number))
    }

    /// The thread that joined under this number is gone, or has no use for it any more, and left nothing in it.
    pub(super) fn leave(&self, id: MagazineId) {
        debug_assert_eq!(self.get(id).map(|magazine| magazine.lock().len()), Some(0));
        self.numbers.lock().free.push(id.0);
    }

    pub(super) fn get(&self, id: MagazineId) -> Option<&Mutex<Stack<Idle>>> {
        let (shelf, at) = place(id.0);
        self.shelves.get(shelf)?.get().map(|magazines| &*magazines[at])
    }

    /// Every magazine there is, those of threads that joined while this was called perhaps included.
    pub(super) fn all(&self) -> impl Iterator<Item = &Mutex<Stack<Idle>>> {
        // Whoever joined before this is seen; whoever joins after it sees what the caller did before.
        drop(self.numbers.lock());
        self.shelves.iter().map_while(OnceLock::get).flatten().map(|magazine| &**magazine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let mut expected = Vec::new();
        for shelf in 0..6 {
            expected.extend((0..FIRST << shelf).map(|at| (shelf, at)));
        }
        let places: Vec<_> = (0..expected.len()).map(place).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn numbers_are_used_again_and_magazines_stay_where_they_are() {
        let magazines = Magazines::new();
        assert_eq!(magazines.all().count(), 0);
        let ids: Vec<MagazineId> = (0..7).map(|_| magazines.join().unwrap()).collect();
        assert_eq!(magazines.all().count(), 2 + 4 + 8);
        let first: *const _ = magazines.get(ids[0]).unwrap();
        assert!(ids.iter().all(|id| ids.iter().filter(|other| id == *other).count() == 1));
        magazines.leave(ids[3]);
        magazines.leave(ids[0]);
        assert_eq!((magazines.join(), magazines.join()), (Some(ids[0]), Some(ids[3])));
        assert!(!ids.contains(&magazines.join().unwrap()));
        assert!(core::ptr::eq(first, magazines.get(ids[0]).unwrap()));
    }
}
