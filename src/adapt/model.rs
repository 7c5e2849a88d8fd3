//! What the load that was seen would cost with slabs of another size.

use super::cost::Spent;
use super::seen::{Census, Class, Seen};

/// Two slabs of this size stay in a core's own cache, with room for what else is in it.
pub(crate) const CACHED: usize = 256 << 10;

/// What was seen, turned into what it says about other sizes.
pub(super) struct Model<'a> {
    seen: &'a Seen,
    census: &'a Census,
    size: f64,
    /// Bytes that requests took from slabs, slack at the end excluded.
    cut: f64,
    /// Slack at the end of a slab.
    unused: f64,
    /// What a request takes of what it asks for; the rest it gives back when it is frozen.
    kept: f64,
}

impl<'a> Model<'a> {
    pub(super) fn new(seen: &'a Seen, census: &'a Census) -> Model<'a> {
        let size = seen.size as f64;
        let openings = f64::from(seen.openings());
        // A slab that is cut from around its pins is at least half empty.
        let given = size * (openings - f64::from(seen.around) / 2.0);
        let unused = f64::from(seen.unused);
        let cut = (given - unused).max(given / 64.0);
        let asked: f64 = seen.opened_by.iter().map(Class::sum).sum();
        // What does not fit leaves half of its length unused on average, if it takes what it asks for, and nearly all if it takes little.
        let part = if asked > 0.0 { unused / asked } else { 0.5 };
        let kept = (2.0 * (1.0 - part)).clamp(0.125, 1.0);
        Model { seen, census, size, cut, unused: if openings > 0.0 { unused / openings } else { 0.0 }, kept }
    }

    /// The same load with slabs of `size` bytes.
    pub(super) fn at(&self, size: usize) -> Spent {
        let (seen, size) = (self.seen, size as f64);
        let opened = f64::from(seen.openings());
        let now = self.load(self.size);
        let then = self.load(size);
        let ratio = if now.openings > 0.0 { then.openings / now.openings } else { 1.0 };
        let memory = self.memory(size);
        // As much memory comes from the source as slabs pin more of it, or less.
        let waste = |load: &Load, size: f64| load.openings * size / load.bytes.max(1.0);
        let grown = memory.factor * waste(&then, size) / waste(&now, self.size).max(1.0);
        let fresh_bytes = f64::from(seen.fresh) * self.size * grown;
        let fresh = fresh_bytes / size;
        let others = (then.openings - fresh).max(0.0);
        let not_fresh = (opened - f64::from(seen.fresh)).max(1.0);
        let in_place = others * f64::from(seen.in_place) / not_fresh;
        let elsewhere = others - in_place;
        let uncached = (size - CACHED as f64).max(0.0);
        Spent {
            requests: now.requests,
            in_place,
            changes: elsewhere + fresh,
            taken: fresh + then.alone,
            fresh_bytes: fresh_bytes + then.alone_bytes,
            cold_bytes: in_place * uncached + elsewhere * (then.bytes / then.openings.max(1.0)),
            // Some of them belong to a slab, and some to a stretch of time.
            guests: f64::from(seen.handles) * ratio.sqrt(),
            pinned_bytes: memory.bytes,
        }
    }

    /// How requests spread over slabs of `size` bytes.
    fn load(&self, size: f64) -> Load {
        let mut load = Load::default();
        let opened = f64::from(self.seen.openings()).max(1.0);
        for class in self.seen.opened_by.iter().filter(|class| class.requests > 0.0) {
            let bytes = self.cut * f64::from(class.requests) / opened;
            let asked = f64::from(class.bytes);
            load.add(size, bytes, asked, asked * self.kept, self.unused);
        }
        for class in self.seen.alone.iter().filter(|class| class.requests > 0.0) {
            let asked = f64::from(class.bytes);
            load.add(size, class.sum(), asked, asked, (size - asked).clamp(0.0, asked / 2.0));
        }
        load
    }

    fn memory(&self, size: f64) -> Memory {
        let now = self.census.slabs as f64 * self.size;
        if now == 0.0 {
            return Memory { bytes: 0.0, factor: 1.0 };
        }
        let bytes = if size < self.size {
            now - self.census.saved_by_halving as f64 * (self.size / size - 1.0).min(1.0)
        } else {
            // Two neighbours become one slab, which is pinned if either was.
            let not_left = 1.0 - (f64::from(self.seen.left) / f64::from(self.seen.openings()).max(1.0)).min(1.0);
            now * (1.0 + not_left * (size / self.size - 1.0))
        };
        Memory { bytes, factor: bytes / now }
    }
}

impl Class {
    fn sum(&self) -> f64 {
        f64::from(self.requests) * f64::from(self.bytes)
    }
}

struct Memory {
    bytes: f64,
    factor: f64,
}

#[derive(Default)]
struct Load {
    requests: f64,
    openings: f64,
    /// Bytes cut from slabs.
    bytes: f64,
    alone: f64,
    alone_bytes: f64,
}

impl Load {
    /// `bytes` in requests for `asked` bytes each that take `kept` of them.
    fn add(&mut self, size: f64, bytes: f64, asked: f64, kept: f64, unused: f64) {
        let requests = bytes / kept.max(1.0);
        self.requests += requests;
        if asked > size {
            self.alone += requests;
            self.alone_bytes += requests * asked;
        } else {
            self.openings += bytes / (size - unused).max(kept);
            self.bytes += bytes;
        }
    }
}
