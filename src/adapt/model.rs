//! What the load that was seen would cost with slabs of another size.

use super::cost::Spent;
use super::seen::{Census, Class, Seen};

/// If of what was cut from a slab so much lives on when its thread leaves it, then it is not single slices that keep slabs, but most
/// lives longer than a slab lasts.
const DENSE: f64 = 0.4;

/// Of the slabs that drain in time, the part that is found so: not all of them are met at the right moment.
const IN_TIME: f64 = 0.9;

/// Requests of about one size are common if so much of all bytes is for them.
const COMMON: f64 = 0.1;

/// A core's share of the last level of cache; as in the simulation.
const CACHE: f64 = (4 << 20) as f64;

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
        let now = self.load(self.size);
        let then = self.load(size);
        let (share_now, share) = (self.in_place(self.size, &now), self.in_place(size, &now));
        let in_place = then.openings * share;
        let elsewhere = then.openings - in_place;
        let elsewhere_now = (now.openings - f64::from(seen.in_place)).max(0.0);
        // Slabs that are kept alive are made up for by fresh ones, as far as it was so.
        let fresh =
            if elsewhere_now > 0.0 { elsewhere * (f64::from(seen.fresh) / elsewhere_now).min(1.0) } else { 0.0 };
        let pinned_bytes = self.memory(size);
        let bytes_each = then.bytes / then.openings.max(1.0);
        let handles = f64::from(seen.handles);
        // Where all outlives its slab, it does so no more once slabs last.
        let guests = if self.is_dense(&now) { handles * (1.0 - share) / (1.0 - share_now).max(0.05) } else { handles };
        Spent {
            requests: now.requests,
            steps: 0.0,
            in_place,
            changes: elsewhere,
            taken: fresh + then.alone,
            fresh_bytes: fresh * bytes_each,
            // A thread cuts from two slabs in turn.
            cold_bytes: if 2.0 * size > CACHE { in_place * bytes_each } else { 0.0 },
            guests,
            pinned_bytes,
        }
    }

    /// A slab is to hold two of the largest requests that many of the bytes are for: one that takes most of a slab leaves the rest of it
    /// unused, and fits into no hole between slices that stay. Requests of which no slab up to `max` holds four do not count: they have slabs of their own.
    pub(super) fn least(&self, max: usize) -> usize {
        let opened = f64::from(self.seen.openings()).max(1.0);
        let of = |cut: &Class, alone: &Class| self.cut * f64::from(cut.requests) / opened + alone.sum();
        let classes = || self.seen.opened_by.iter().zip(&self.seen.alone);
        let all: f64 = classes().map(|(cut, alone)| of(cut, alone)).sum();
        let common = classes().filter(|(cut, alone)| of(cut, alone) >= COMMON * all);
        let two = common.map(|(cut, alone)| 2 * cut.bytes.max(alone.bytes) as usize).filter(|&two| 2 * two <= max);
        two.max().unwrap_or(0)
    }

    /// Of the slabs that are opened, the part that has drained and is started over where it is.
    fn in_place(&self, size: f64, now: &Load) -> f64 {
        let seen = self.seen;
        let share = f64::from(seen.in_place) / f64::from(seen.openings()).max(1.0);
        let ratio = size / self.size;
        if ratio == 1.0 {
            return share;
        }
        if share > IN_TIME || self.is_dense(now) {
            // All lives about as long: a slab drains in time, if so much as lives at a time fits into it.
            let window = self.census.handles as f64 * now.bytes / now.requests.max(1.0);
            return if window <= size { share.max(IN_TIME) } else { 0.0 };
        }
        // Single slices stay, anywhere: none is in a slab as often as in two of half the size each.
        let none =
            if share > 0.02 { share } else { (-f64::from(seen.handles) / f64::from(seen.openings()).max(1.0)).exp() };
        none.powf(ratio)
    }

    /// Whether nearly all that is cut outlives its slab.
    fn is_dense(&self, now: &Load) -> bool {
        let left = f64::from(self.seen.left);
        let requests = now.requests / now.openings.max(1.0);
        left >= 1.0 && f64::from(self.seen.handles) / left >= DENSE * requests
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

    /// Pinned bytes.
    fn memory(&self, size: f64) -> f64 {
        let now = self.census.slabs as f64 * self.size;
        if size < self.size {
            now - self.census.saved_by_halving as f64 * (self.size / size - 1.0).min(1.0)
        } else {
            // Two neighbours become one slab, which is pinned if either was.
            let not_left = 1.0 - (f64::from(self.seen.left) / f64::from(self.seen.openings()).max(1.0)).min(1.0);
            now * (1.0 + not_left * (size / self.size - 1.0))
        }
    }
}

impl Class {
    fn sum(&self) -> f64 {
        f64::from(self.requests) * f64::from(self.bytes)
    }
}

#[derive(Default)]
struct Load {
    requests: f64,
    openings: f64,
    /// Bytes cut from slabs.
    bytes: f64,
    alone: f64,
}

impl Load {
    /// `bytes` in requests for `asked` bytes each that take `kept` of them.
    fn add(&mut self, size: f64, bytes: f64, asked: f64, kept: f64, unused: f64) {
        let requests = bytes / kept.max(1.0);
        self.requests += requests;
        if asked > size {
            self.alone += requests;
        } else {
            self.openings += bytes / (size - unused).max(kept);
            self.bytes += bytes;
        }
    }
}
