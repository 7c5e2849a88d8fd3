//! Floor 1: a slab size that is found: what a pool with [`Auto`](crate::Auto) makes of what it sees. Pure values: no atomics and no clock;
//! the pool and the simulation feed it with the same events.
//!
//! [`Seen`] sums up events where slabs change hands. After enough of them, [`Adapt`] asks for a [`Census`] of pinned slabs, and compares
//! what the load costs now, by the model in [`cost`], with what it would cost with slabs half and twice as large. It moves by one
//! step, if that saves enough, and then waits; the longer, the more often it has turned round.

mod cost;
mod model;
mod reason;
mod seen;
#[cfg(test)]
mod tests;

pub(crate) use cost::Spent;
#[cfg(feature = "tune")]
pub(crate) use model::CACHED;
use model::Model;
pub(crate) use reason::{Move, Reason};
pub(crate) use seen::{Census, Opening, Seen};

/// Events after which a thread tells the pool what it has seen.
pub(crate) const BATCH: u32 = 8;
/// Events between two looks, at least. A trace of 10,000 requests of 1,500 bytes has some 230 at 64 KiB.
const LOOK: f32 = 16.0;
/// A move has to save this part of all costs.
const MARGIN: f64 = 0.08;
/// After a turn, this many times as many events are waited for as after the last one: so moves to and fro become rarer and rarer.
const PATIENCE: f32 = 2.0;
const MOST_PATIENCE: f32 = 256.0;

/// What finds the size.
#[derive(Clone, Debug)]
pub(crate) struct Adapt {
    min: usize,
    max: usize,
    size: usize,
    seen: Seen,
    /// Events to wait for.
    wait: f32,
    patience: f32,
    /// Whether the last move was to a larger size.
    grew: Option<bool>,
}

impl Adapt {
    /// Between `min` and `max`, from `size` on.
    pub(crate) fn new(min: usize, max: usize, size: usize) -> Adapt {
        let (wait, patience) = (LOOK, 1.0);
        Adapt { min, max, size, seen: Seen::default(), wait, patience, grew: None }
    }

    /// Takes over what a thread has seen. Says whether it is time to [decide](Adapt::decide), which is then said once.
    pub(crate) fn take(&mut self, seen: &mut Seen) -> bool {
        let seen = core::mem::take(seen);
        if seen.size != self.size {
            return false; // About slabs of the size before.
        }
        self.seen.add(&seen);
        self.wait -= seen.events() as f32;
        let due = self.wait <= 0.0;
        if due {
            // Nobody else is to decide meanwhile.
            self.wait = LOOK;
        }
        due
    }

    /// Moves to another size, if that is better.
    pub(crate) fn decide(&mut self, census: &Census) -> Option<Move> {
        let model = Model::new(&self.seen, census);
        let now = model.at(self.size);
        let candidates = [(self.size / 2).max(self.min), self.size.saturating_mul(2).min(self.max)];
        let best = candidates
            .into_iter()
            .filter(|&size| size != self.size)
            .map(|size| (size, model.at(size)))
            .min_by(|a, b| a.1.cost().total_cmp(&b.1.cost()));
        let better = best.filter(|(_, then)| then.cost() < now.cost() * (1.0 - MARGIN));
        let Some((to, then)) = better else {
            self.seen.fade();
            // A look takes as long as there are slabs; it is to cost little beside what it looks at.
            self.wait = LOOK.max(census.looked_at as f32 / 4.0);
            return None;
        };
        let reason = self.reason(&now, &then, census);
        let per_request = |spent: &Spent| spent.cost() / spent.requests.max(1.0);
        let made = Move { from: self.size, to, reason, cost: (per_request(&now), per_request(&then)) };
        let grew = to > self.size;
        if self.grew.is_some_and(|before| before != grew) {
            self.patience = (self.patience * PATIENCE).min(MOST_PATIENCE);
        }
        self.grew = Some(grew);
        self.size = to;
        self.seen = Seen::default();
        self.wait = LOOK * self.patience;
        Some(made)
    }

    /// What the most of the gain is.
    fn reason(&self, now: &Spent, then: &Spent, census: &Census) -> Reason {
        let gain = |of: fn(&Spent) -> Spent| of(now).cost() - of(then).cost();
        let seen = &self.seen;
        let pins =
            gain(|spent| Spent { requests: spent.requests, pinned_bytes: spent.pinned_bytes, ..Spent::default() });
        let cache = gain(|spent| Spent { cold_bytes: spent.cold_bytes, ..Spent::default() });
        let taken = gain(|spent| Spent { taken: spent.taken, fresh_bytes: spent.fresh_bytes, ..Spent::default() });
        let rest = now.cost() - then.cost() - pins - cache - taken;
        let shrinks = then.cold_bytes < now.cold_bytes && cache > pins.max(taken).max(rest);
        let openings = seen.openings();
        let alone = seen.requests_alone();
        let saved = census.saved_by_halving;
        if shrinks && seen.in_place > 0.0 {
            return Reason::Cache { both: self.size.saturating_mul(2) };
        }
        if saved > 0 && pins > rest.max(cache)
            || saved > 0 && alone < 1.0 && then.fresh_bytes < now.fresh_bytes && taken > rest
        {
            let handles = census.handles as f32 / census.slabs.max(1) as f32;
            return Reason::Pins { slabs: census.slabs, handles, saved };
        }
        if alone >= 1.0 && taken >= rest {
            return Reason::Alone { requests: alone as u32, of: (openings + alone) as u32, largest: seen.largest };
        }
        Reason::Changes {
            of: openings as u32,
            elsewhere: (openings - seen.in_place) as u32,
            unused_percent: (seen.unused / (openings * self.size as f32).max(1.0) * 100.0) as u32,
            handles: seen.handles / seen.left.max(1.0),
        }
    }
}
