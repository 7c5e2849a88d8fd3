//! What moving parked slices would do, without doing it.

use super::model::{PinReport, PinnedSlab};
use crate::compaction::{CompactPolicy, Compaction, Left};
use crate::raw::SliceKind;

impl PinReport {
    /// What [`SlabPool::compact`](crate::SlabPool::compact) would do with this policy. If nothing else moves in between it does
    /// exactly that, to the byte.
    ///
    /// ```
    /// use bufslab::{CompactPolicy, SlabPool};
    /// use std::time::Duration;
    ///
    /// let pool = SlabPool::new();
    /// let mut read = pool.alloc(60_000);
    /// read.resize(60_000, b'.');
    /// let head = read.freeze().slice(..20).park("req.head");
    /// let plan = pool.report().parked_plan(&CompactPolicy::new());
    /// assert_eq!((plan.slices, plan.left_attached), (0, 1), "this thread still allocates from the slab");
    /// # drop(head);
    /// ```
    #[must_use]
    pub fn parked_plan(&self, policy: &CompactPolicy) -> Compaction {
        let mut plan = Compaction::default();
        for slab in &self.slabs {
            plan_slab(slab, policy, &mut plan);
        }
        plan
    }
}

fn plan_slab(slab: &PinnedSlab, policy: &CompactPolicy, plan: &mut Compaction) {
    let parked = slab.slices.iter().filter(|slice| slice.kind == SliceKind::Parked);
    let (slices, bytes) = parked.fold((0, 0_usize), |(n, bytes), slice| (n + 1, bytes.saturating_add(slice.len)));
    if slices == 0 {
        return;
    }
    let left = match () {
        () if slab.attached => Some(Left::Attached),
        () if slices < slab.slices.len() || slab.untracked > 0 => Some(Left::Held),
        // Nothing was born since the slab was retired.
        () => match policy.refuses(slab.age.min(), bytes, slab.size) {
            None if slab.in_motion > 0 => Some(Left::Moving),
            refusal => refusal,
        },
    };
    if let Some(left) = left {
        plan.leave(left, slices);
        return;
    }
    plan.slices += slices;
    plan.copied_bytes = plan.copied_bytes.saturating_add(bytes);
    plan.freed_slabs += 1;
    plan.freed_bytes = plan.freed_bytes.saturating_add(slab.size);
}
