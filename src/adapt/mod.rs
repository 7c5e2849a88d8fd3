//! Floor 1: a slab size that is found: what a pool with [`Auto`](crate::Auto) makes of what it sees. Pure values: no atomics and no clock;
//! the pool and the simulation feed it with the same events.
//!
//! [`Seen`] sums up events where slabs change hands. After enough of them, [`Adapt`] asks for a [`Census`] of pinned slabs, and compares
//! what the load costs now, by the model in [`cost`], with what it would cost with slabs of other sizes. It moves by one
//! step towards the best, if that saves enough, and then waits; the longer, the more often it has turned round.

mod cost;
mod model;
mod reason;
mod seen;
#[cfg(test)]
mod tests;

use crate::config::Reuse;
pub(crate) use cost::Spent;
use model::Model;
pub(crate) use reason::{Move, Reason};
pub(crate) use seen::{Census, Opening, Seen};

/// Events after which a thread tells the pool what it has seen.
pub(crate) const BATCH: u32 = 8;
/// Events between two looks, at least. A trace of 10,000 requests of 1,500 bytes has some 230 at 64 KiB.
const LOOK: f32 = 16.0;
/// A move has to save this part of all costs, and so many nanoseconds a request.
const MARGIN: f64 = 0.1;
const LEAST: f64 = 3.0;
/// What was found at a size counts for so much less after each look since; the rest is what the model says of it.
const FORGET: f64 = 0.97;
/// After a turn, this many times as many events are waited for as after the last one: so moves to and fro become rarer and rarer.
const PATIENCE: f32 = 2.0;
const MOST_PATIENCE: f32 = 256.0;

/// What finds the size.
#[derive(Clone, Debug)]
pub(crate) struct Adapt {
    min: usize,
    max: usize,
    reuse: Reuse,
    size: usize,
    seen: Seen,
    /// Whether nothing was decided at this size yet: its first slabs have to be fresh ones, and say nothing of those that come.
    is_new: bool,
    /// Requests so far, about.
    lasted: f64,
    /// Events to wait for.
    wait: f32,
    patience: f32,
    /// Whether the last move was to a larger size.
    grew: Option<bool>,
    /// What a request cost when the size was this power of two, and how much that still counts.
    found: [(f64, f64); usize::BITS as usize],
}

impl Adapt {
    /// Between `min` and `max`, from `size` on, for a pool that does this with pinned slabs.
    pub(crate) fn new(min: usize, max: usize, size: usize, reuse: Reuse) -> Adapt {
        let (wait, patience) = (LOOK, 1.0);
        let found = [(0.0, 0.0); usize::BITS as usize];
        Adapt {
            min,
            max,
            reuse,
            size,
            seen: Seen::default(),
            is_new: true,
            lasted: 0.0,
            wait,
            patience,
            grew: None,
            found,
        }
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
        if core::mem::take(&mut self.is_new) {
            self.seen.forgive_fresh();
        }
        let model = Model::new(&self.seen, census);
        let now = model.at(self.size);
        let each = now.cost() / now.requests.max(1.0);
        self.found.iter_mut().for_each(|(_, weight)| *weight *= FORGET);
        self.found[self.size.ilog2() as usize] = (each, 1.0);
        // Half of what is seen was there at the look before.
        self.lasted += now.requests / 2.0;
        let least = if self.reuse == Reuse::AroundThePin { model.least(self.max) } else { 0 };
        let is_small = self.size < least;
        let best = self
            .candidates()
            .filter(|&size| size >= least.min(self.max))
            .map(|size| (size, model.at(size)))
            .map(|(size, then)| {
                (size, then, self.expected(size, &then) + if is_small { 0.0 } else { self.entry(size, census) })
            })
            .min_by(|a, b| a.2.total_cmp(&b.2));
        let is_better = |then: f64| then < each * (1.0 - MARGIN) && then < each - LEAST;
        let better = best.filter(|&(.., then)| is_better(then) || (is_small && then < each * (1.0 + MARGIN)));
        let Some((aim, then, expected)) = better else {
            self.seen.fade();
            // A look takes as long as there are slabs; it is to cost little beside what it looks at.
            self.wait = LOOK.max(census.looked_at as f32 / 4.0);
            return None;
        };
        // One step at a time: what is so much further may turn out otherwise.
        let to = if aim > self.size { aim.min(self.size.saturating_mul(2)) } else { aim.max(self.size / 2) };
        let reason = self.reason(&now, &then, census);
        let made = Move { from: self.size, to, reason, cost: (each, expected) };
        let grew = to > self.size;
        if self.grew.is_some_and(|before| before != grew) {
            self.patience = (self.patience * PATIENCE).min(MOST_PATIENCE);
        }
        self.grew = Some(grew);
        self.size = to;
        self.is_new = true;
        self.seen = Seen::default();
        self.wait = LOOK * self.patience;
        Some(made)
    }

    /// What a request is expected to cost at a size: what the model says, or more if more was found there not long ago.
    fn expected(&self, size: usize, then: &Spent) -> f64 {
        let modelled = then.cost() / then.requests.max(1.0);
        let (found, weight) = self.found[size.ilog2() as usize];
        modelled + (found - modelled).max(0.0) * weight
    }

    /// What it costs to have slabs of a larger size at hand at all, for each request, if the load goes on for as long as it has lasted.
    fn entry(&self, size: usize, census: &Census) -> f64 {
        let more = size.saturating_sub(self.size) as f64 * (census.slabs + 2) as f64;
        Spent { fresh_bytes: more, ..Spent::default() }.cost() / self.lasted.max(1.0)
    }

    /// Sizes to compare with the present one: half and twice it, and so on, and the bounds.
    fn candidates(&self) -> impl Iterator<Item = usize> {
        let (min, max, size) = (self.min, self.max, self.size);
        let smaller = (1..usize::BITS).map(move |by| size >> by).take_while(move |&size| size > min);
        let larger = (1..size.leading_zeros()).map(move |by| size << by).take_while(move |&size| size < max);
        smaller.chain(larger).chain([min, max]).filter(move |&other| other != size)
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
        let saved = if then.pinned_bytes < now.pinned_bytes { census.saved_by_halving } else { 0 };
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
