//! The idle slabs of a pool: where they are kept, how many bytes they are, and when they are given back.
//!
//! Conservation: `bytes` ≥ Σ sizes of the slabs in the shared stack and in all magazines, and equal when nobody is just
//! putting one there or taking one out. A slab is counted before it is put down and no longer counted after it was taken.

use super::magazine::{MAGAZINE, MagazineId, Magazines};
use super::stack::Stack;
use crate::raw::Idle;
use crate::sync::{AtomicU32, AtomicUsize, CachePadded, Mutex, Ordering, clock};
use core::time::Duration;

/// What one thread gives back in passing, when it finds that it is time, before it goes on with its own work: so many bytes,
/// or one slab.
pub(crate) const IN_PASSING: usize = 1 << 20;

/// Ticks by which the one that was read last may lag behind one that was read before, with room to spare: a thread may be
/// held up between reading the clock and saying what it read.
const LAG: u32 = 1 << 16;

/// What went back to the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) slabs: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Depot {
    /// For whoever needs one.
    shared: Mutex<Stack<Idle>>,
    magazines: Magazines,
    /// Bytes of the slabs in both.
    bytes: CachePadded<AtomicUsize>,
    /// Length of an interval in ticks. 0: nothing is given back by itself.
    interval: u32,
    /// The tick at which the interval ends.
    due: AtomicU32,
    /// Not 0: what was unused in the interval before was not all given back yet.
    owing: AtomicU32,
}

// Relaxed throughout: `bytes` is an account, and `due` and `owing` only choose who looks through the stacks, whose locks
// order everything else.
impl Depot {
    pub(super) fn new(decay: Duration) -> Depot {
        Depot::at(clock::read(), ticks(decay))
    }

    fn at(now: u32, interval: u32) -> Depot {
        Depot {
            shared: Mutex::new(Stack::new()),
            magazines: Magazines::new(),
            bytes: CachePadded::new(AtomicUsize::new(0)),
            interval,
            due: AtomicU32::new(now.wrapping_add(interval)),
            owing: AtomicU32::new(0),
        }
    }

    /// Bytes of idle slabs.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    // ---- Keeping.

    /// Counts a slab of this size as idle, if no more than `limit` bytes are then.
    pub(super) fn charge(&self, size: usize, limit: usize) -> bool {
        let room = |kept: usize| kept.checked_add(size).filter(|&sum| sum <= limit);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    /// Puts down a slab that is counted already: into the thread's magazine if that has room, or for everybody. If there is
    /// no memory to note it down it goes back to the source. One that was punched is used last: it is everybody's, and the coldest.
    pub(super) fn put(&self, magazine: Option<MagazineId>, idle: Idle) {
        if idle.is_punched() {
            let refused = self.shared.lock().push_cold(idle).err();
            return drop(refused.map(|idle| self.discharge(idle)));
        }
        let mut idle = Some(idle);
        if let Some(magazine) = magazine.and_then(|id| self.magazines.get(id)) {
            let mut magazine = magazine.lock();
            if magazine.len() < MAGAZINE {
                idle = idle.take().and_then(|idle| magazine.push(idle).err());
            }
        }
        let refused = idle.and_then(|idle| self.shared.lock().push(idle).err());
        drop(refused.map(|idle| self.discharge(idle)));
    }

    // ---- Taking.

    fn discharge(&self, idle: Idle) -> Idle {
        self.bytes.fetch_sub(idle.size(), Ordering::Relaxed);
        idle
    }

    /// The hottest slab of the thread's magazine, or else of those for everybody.
    pub(super) fn take(&self, magazine: Option<MagazineId>) -> Option<Idle> {
        let own = magazine.and_then(|id| self.magazines.get(id));
        // Whatever was put down is counted. One that comes just now is the next one's.
        let for_everybody = || if self.bytes() == 0 { None } else { self.shared.lock().pop() };
        let idle = own.and_then(|own| own.lock().pop()).or_else(for_everybody)?;
        Some(self.discharge(idle))
    }

    /// The coldest slab of those for everybody, or else one out of any thread's magazine.
    pub(super) fn take_anywhere(&self) -> Option<Idle> {
        self.pop_anywhere(Stack::pop_cold)
    }

    fn pop_anywhere(&self, mut pop: impl FnMut(&mut Stack<Idle>) -> Option<Idle>) -> Option<Idle> {
        let mut look = |stack: &Mutex<Stack<Idle>>| pop(&mut stack.lock());
        let idle = look(&self.shared)
            .or_else(|| self.magazines.all().find_map(&mut look))
            // What a dying thread moved over meanwhile.
            .or_else(|| look(&self.shared))?;
        Some(self.discharge(idle))
    }

    // ---- Threads.

    /// A magazine for the calling thread, if there is memory for one.
    pub(super) fn join(&self) -> Option<MagazineId> {
        self.magazines.join()
    }

    /// What the thread kept is everybody's from now on.
    pub(super) fn leave(&self, id: MagazineId) {
        let Some(magazine) = self.magazines.get(id) else { return };
        loop {
            // Both locks, so that who looks through the magazines and then here does not miss a slab on its way.
            let mut magazine = magazine.lock();
            let Some(idle) = magazine.pop() else { break };
            let Err(idle) = self.shared.lock().push(idle) else { continue };
            drop(magazine);
            drop(self.discharge(idle));
        }
        self.magazines.leave(id);
    }

    // ---- Giving back. No lock is held while memory goes back to its source, which is the user's code.

    /// Gives idle slabs back, the coldest first, until at most `keep` bytes of those that there were are left.
    pub(crate) fn trim_to(&self, keep: usize) -> Given {
        // What comes in meanwhile is not this call's: it might never end.
        let excess = self.bytes().saturating_sub(keep);
        let mut given = Given::default();
        while given.bytes < excess {
            let Some(idle) = self.take_anywhere() else { break };
            given.add(idle);
        }
        given
    }

    /// Gives back every idle slab of which `unwanted` holds.
    pub(super) fn sweep(&self, mut unwanted: impl FnMut(&Idle) -> bool) {
        while let Some(idle) = self.pop_anywhere(|stack| stack.pop_where(&mut unwanted)) {
            drop(idle);
        }
    }

    /// Whether it is time, at the tick `now`, to look for slabs that nobody needs.
    #[inline]
    pub(crate) fn is_due(&self, now: u32) -> bool {
        let left = self.due.load(Ordering::Relaxed).wrapping_sub(now);
        // Not in `1..=interval`, but for the lag: a pool that nobody used for months is due too.
        self.interval != 0 && left.wrapping_sub(1) >= self.interval.saturating_add(LAG)
    }

    /// If it is time: gives back what nobody needed in the interval before, and begins the next one. Before each slab it is
    /// asked whether to `go_on`; what is left over then is for the next call.
    ///
    /// Returns what went back, and whether that was all.
    #[cold]
    pub(crate) fn decay(&self, now: u32, mut go_on: impl FnMut(Given) -> bool) -> (Given, bool) {
        let mut given = Given::default();
        let due = self.due.load(Ordering::Relaxed);
        if !self.is_due(now) {
            return (given, true);
        }
        let next = now.wrapping_add(self.interval);
        if self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            // Another thread does it.
            return (given, true);
        }
        let stacks = || core::iter::once(&self.shared).chain(self.magazines.all());
        if self.owing.load(Ordering::Relaxed) == 0 {
            stacks().for_each(|stack| stack.lock().mark());
        }
        for stack in stacks() {
            loop {
                let mut locked = stack.lock();
                if locked.surplus() == 0 {
                    break;
                }
                if !go_on(given) {
                    self.owing.store(1, Ordering::Relaxed);
                    self.due.store(now, Ordering::Relaxed);
                    return (given, false);
                }
                let idle = locked.pop_surplus();
                drop(locked);
                idle.into_iter().for_each(|idle| given.add(self.discharge(idle)));
            }
        }
        self.owing.store(0, Ordering::Relaxed);
        (given, true)
    }
}

impl Given {
    /// Gives a slab back.
    fn add(&mut self, idle: Idle) {
        self.slabs += 1;
        self.bytes += idle.size();
        drop(idle);
    }
}

/// At least one tick, if it is not nothing.
pub(crate) fn ticks(interval: Duration) -> u32 {
    let ticks = interval.as_millis().div_ceil(u128::from(clock::TICK_MS)).min(u128::from(u32::MAX / 4));
    if interval.is_zero() { 0 } else { (ticks as u32).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{HeapSource, Ledger};
    use std::sync::Arc;

    const SIZE: usize = 1000;
    const INTERVAL: u32 = 100;

    struct Twin {
        ledger: Arc<Ledger>,
        depot: Depot,
    }

    /// A depot with so many slabs for everybody, made at the tick `now`.
    fn with(slabs: usize, now: u32) -> Twin {
        let ledger = Ledger::new(1, Box::new(HeapSource), None, None, crate::policy::RetainPolicy::default(), || 0);
        let twin = Twin { ledger, depot: Depot::at(now, INTERVAL) };
        (0..slabs).for_each(|_| twin.put(None));
        twin
    }

    impl Twin {
        fn put(&self, magazine: Option<MagazineId>) {
            let idle = self.ledger.slab(SIZE).unwrap();
            assert!(self.depot.charge(SIZE, usize::MAX));
            self.depot.put(magazine, idle);
        }

        /// Slabs that exist, which are all idle.
        fn slabs(&self) -> usize {
            assert_eq!(self.ledger.memory_bytes(), self.depot.bytes());
            self.depot.bytes() / SIZE
        }

        /// Slabs given back at a tick, all at once.
        fn decay(&self, now: u32) -> usize {
            let (given, is_all) = self.depot.decay(now, |_| true);
            assert!(is_all && given.bytes == given.slabs * SIZE);
            given.slabs
        }
    }

    #[test]
    fn what_nobody_took_all_through_an_interval_goes() {
        let twin = with(10, 7);
        assert_eq!(twin.decay(7 + INTERVAL - 1), 0);
        assert_eq!(twin.decay(7 + INTERVAL), 0, "they came in the first interval");
        // Three are in use at a time, once.
        let used: Vec<Idle> = (0..3).map(|_| twin.depot.take(None).unwrap()).collect();
        for idle in used {
            assert!(twin.depot.charge(SIZE, usize::MAX));
            twin.depot.put(None, idle);
        }
        assert_eq!(twin.decay(7 + 2 * INTERVAL - 1), 0, "not yet");
        assert_eq!(twin.decay(7 + 2 * INTERVAL), 7);
        assert_eq!(twin.decay(7 + 2 * INTERVAL), 0, "not twice");
        assert_eq!((twin.slabs(), twin.decay(7 + 3 * INTERVAL), twin.slabs()), (3, 3, 0));
    }

    #[test]
    fn a_steady_load_keeps_what_it_uses() {
        let twin = with(20, 0);
        for tick in 1..20 * INTERVAL {
            // Between one and five slabs are out, in turn.
            let out: Vec<Idle> = (0..1 + tick % 5).map(|_| twin.depot.take(None).unwrap()).collect();
            for idle in out {
                assert!(twin.depot.charge(SIZE, usize::MAX));
                twin.depot.put(None, idle);
            }
            let given = twin.decay(tick);
            assert_eq!(given, if tick == 2 * INTERVAL { 15 } else { 0 }, "at tick {tick}");
        }
        assert_eq!(twin.slabs(), 5);
    }

    #[test]
    fn magazines_are_emptied_like_the_rest() {
        let twin = with(5, 0);
        let (busy, asleep) = (twin.depot.join().unwrap(), twin.depot.join().unwrap());
        for _ in 0..MAGAZINE {
            twin.put(Some(busy));
            twin.put(Some(asleep));
        }
        assert_eq!(twin.decay(INTERVAL), 0);
        let idle = twin.depot.take(Some(busy)).unwrap();
        assert!(twin.depot.charge(SIZE, usize::MAX));
        twin.depot.put(Some(busy), idle);
        assert_eq!(twin.decay(2 * INTERVAL), 5 + MAGAZINE + MAGAZINE - 1);
        assert!(twin.depot.take(Some(asleep)).is_none(), "the one that is left is in the other's magazine");
        assert!(twin.depot.take_anywhere().is_some(), "within reach");
        assert_eq!(twin.slabs(), 0);
    }

    #[test]
    fn in_passing_only_some_go_and_the_rest_with_the_next() {
        let twin = with(10, 0);
        assert_eq!(twin.decay(INTERVAL), 0);
        let in_passing = |now| twin.depot.decay(now, |given| given.bytes < 4 * SIZE);
        let now = 2 * INTERVAL;
        assert_eq!(in_passing(now).0.slabs, 4);
        assert!(twin.depot.is_due(now), "some are left over");
        // One of those left over is needed after all, and a new one comes.
        drop(twin.depot.take(None));
        twin.put(None);
        assert_eq!(in_passing(now).0.slabs, 4);
        assert_eq!(in_passing(now + 1), (Given { slabs: 1, bytes: SIZE }, true), "the new one stays");
        assert!(!twin.depot.is_due(now + INTERVAL) && twin.depot.is_due(now + 1 + INTERVAL));
        assert_eq!(twin.slabs(), 1);
    }

    #[test]
    fn ticks_go_round_lag_and_skip() {
        let start = u32::MAX - INTERVAL / 2;
        let twin = with(1, start);
        for now in [start, start.wrapping_add(INTERVAL - 1), start.wrapping_sub(3), start.wrapping_sub(LAG - 1)] {
            assert!(!twin.depot.is_due(now), "{now}");
        }
        for later in [INTERVAL, INTERVAL + 1, 1 << 20, 1 << 31, u32::MAX - 2 * LAG] {
            assert!(twin.depot.is_due(start.wrapping_add(later)), "{later} ticks later");
        }
        assert_eq!(twin.decay(start.wrapping_add(1 << 31)), 0);
        assert_eq!(twin.decay(start.wrapping_add((1 << 31) + INTERVAL)), 1);
        let off = Depot::at(5, ticks(Duration::ZERO));
        assert!([0, 5, 6, 1 << 31].iter().all(|&now| !off.is_due(now)));
        let whole = [(1, 1), (10, 1), (11, 2), (1000, 100)];
        assert!(whole.iter().all(|&(millis, tick)| ticks(Duration::from_millis(millis)) == tick));
        assert!(!Depot::at(9, ticks(Duration::MAX)).is_due(1 << 29));
    }

    #[test]
    fn trimming_leaves_the_hottest_and_reaches_into_magazines() {
        let twin = with(0, 0);
        let id = twin.depot.join();
        (0..MAGAZINE + 3).for_each(|_| twin.put(id));
        assert_eq!(twin.depot.trim_to(100 * SIZE), Given::default());
        assert_eq!(twin.depot.trim_to(2 * SIZE + 1), Given { slabs: 5, bytes: 5 * SIZE });
        assert_eq!(twin.slabs(), 2);
        assert_eq!(twin.depot.trim_to(0).slabs, 2);
        (0..MAGAZINE + 3).for_each(|_| twin.put(id));
        twin.depot.leave(id.unwrap());
        let mut left = 0;
        while twin.depot.take(None).is_some() {
            left += 1;
        }
        assert_eq!(left, MAGAZINE + 3, "a thread that leaves leaves its slabs to everybody");
        assert_eq!(twin.slabs(), 0);
    }
}
