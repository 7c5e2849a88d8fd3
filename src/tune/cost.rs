//! What a simulated run costs, by the model that a pool with [`Auto`](crate::Auto) decides by.

use super::Simulated;
use crate::adapt::Spent;

impl Simulated {
    fn spent(&self) -> Spent {
        Spent {
            requests: self.allocations as f64,
            steps: self.steps.saturating_sub(self.allocations) as f64,
            in_place: self.slabs_reused_in_place as f64,
            changes: self.slab_changes as f64,
            taken: self.slabs_taken as f64,
            fresh_bytes: self.fresh_bytes as f64,
            cold_bytes: self.cold_bytes as f64,
            guests: self.guest_ops as f64,
            pinned_bytes: self.mean_pinned_bytes as f64,
        }
    }

    /// Nanoseconds of a processor for an allocation, by a model: [`docs::adaptive`](crate::docs::adaptive) has its constants and where
    /// they come from.
    #[must_use]
    pub fn modelled_ns(&self) -> f64 {
        self.spent().time() / self.allocations.max(1) as f64
    }

    /// The rent of the pinned memory for the time of an allocation, in nanoseconds of a processor of the same price: 1 ns for each
    /// MiB.
    #[must_use]
    pub fn rent_ns(&self) -> f64 {
        self.spent().rent() / self.allocations.max(1) as f64
    }

    /// [`modelled_ns`](Simulated::modelled_ns) and [`rent_ns`](Simulated::rent_ns): what [`Auto`](crate::Auto) keeps low.
    #[must_use]
    pub fn cost_ns(&self) -> f64 {
        self.spent().cost() / self.allocations.max(1) as f64
    }
}
