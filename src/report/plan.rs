//! What compacting by a policy would do, without doing it.

use core::fmt;
use std::collections::HashMap;

use super::build::add;
use super::model::{Holder, PinReport, PinnedSlab, PinnedSlice};
use super::table::Column::{Elastic, Right};
use super::table::{Lines, Table};
use super::text::{and_more, holder_name};
use super::units::{bytes, count};
use crate::policy::RetainPolicy;
use crate::raw::SliceKind;
use crate::track::Tag;

impl PinReport {
    /// What would happen if each holder of a listed slice asked `policy` and compacted if it says so: a dry run of
    /// [`retain`](crate::SlabBytes::retain) on every `SlabBytes`.
    ///
    /// If nothing else moves meanwhile, doing it changes [`PoolStats::pinned_bytes`](crate::PoolStats::pinned_bytes) by
    /// [`unpinned_bytes`](CompactPlan::unpinned_bytes), to the byte. (One exception: slices of a slab of 4 GiB or more are
    /// listed as the whole of it, so the policy is asked about more than they hold.)
    ///
    /// ```
    /// use bufslab::RetainPolicy;
    ///
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).build()?;
    /// let mut kept: Vec<_> = (0..5).map(|_| {
    ///     let mut read = pool.alloc(4096);
    ///     read.extend_from_slice(&[0; 4096]);
    ///     read.freeze().slice(..20)
    /// }).collect();
    /// let plan = pool.report().compact_plan(&RetainPolicy::default());
    /// assert_eq!((plan.slices, plan.copied_bytes), (5, 100));
    ///
    /// let before = pool.stats().pinned_bytes;
    /// kept = kept.into_iter().map(|slice| slice.retain()).collect();
    /// assert_eq!(before - pool.stats().pinned_bytes, plan.unpinned_bytes());
    /// # drop(kept);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[must_use]
    pub fn compact_plan(&self, policy: &RetainPolicy) -> CompactPlan {
        let mut planner = Planner::new(*policy, self.totals.pinned_bytes);
        self.slabs.iter().for_each(|slab| planner.slab(slab));
        planner.finish()
    }
}

/// What compacting by a policy would do: made by [`PinReport::compact_plan`].
///
/// ```text
/// slices         = slices on slabs that are freed or emptied + the sum of in_vain[].slices
/// pinned_bytes   = freed_bytes + emptied_bytes + left_bytes()
/// copied_bytes   = the sum of by_tag[].copied_bytes
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompactPlan {
    /// The policy that was asked.
    pub policy: RetainPolicy,
    /// Slices that are copied, those in vain included.
    pub slices: usize,
    /// Their lengths: what the copies take.
    pub copied_bytes: usize,
    /// Slabs that lose all their handles and go back to the pool.
    pub freed_slabs: usize,
    /// Their sizes.
    pub freed_bytes: usize,
    /// Slabs that lose all their handles but stay with the thread that allocates from them, which fills them anew.
    pub emptied_slabs: usize,
    /// Their sizes.
    pub emptied_bytes: usize,
    /// Copies that free nothing, by what keeps their slab. Reasons without a slab are left out.
    pub in_vain: Vec<InVain>,
    /// Slices that the policy would copy, but that went into a `bytes::Bytes`, which cannot be compacted: its holder may
    /// copy it by `Bytes::copy_from_slice`.
    pub exported: usize,
    /// Their lengths.
    pub exported_bytes: usize,
    /// Writable buffers (`SlabBytesMut`) that the policy would copy, but that have to be frozen first.
    pub writable: usize,
    /// Their capacities.
    pub writable_bytes: usize,
    /// All pinned bytes of the report.
    pub pinned_bytes: usize,
    /// The same by tag, most freed bytes first. Tags of which nothing is copied are left out.
    pub by_tag: Vec<PlanGroup>,
}

impl CompactPlan {
    /// What is pinned no more: `freed_bytes + emptied_bytes`.
    #[must_use]
    pub fn unpinned_bytes(&self) -> usize {
        self.freed_bytes.saturating_add(self.emptied_bytes)
    }

    /// What stays pinned.
    #[must_use]
    pub fn left_bytes(&self) -> usize {
        self.pinned_bytes.saturating_sub(self.unpinned_bytes())
    }

    /// The slices that are copied for nothing.
    #[must_use]
    pub fn slices_in_vain(&self) -> usize {
        self.in_vain.iter().map(|group| group.slices).sum()
    }
}

/// Copies that free nothing, because something else keeps their slabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InVain {
    /// What keeps the slabs. Where there are several reasons it is the one last in the order of [`VainReason`].
    pub reason: VainReason,
    /// Slabs that stay pinned although something on them was copied.
    pub slabs: usize,
    /// Their sizes.
    pub slab_bytes: usize,
    /// Slices copied from them.
    pub slices: usize,
    /// Their lengths.
    pub copied_bytes: usize,
}

/// Why a slab stays pinned: from what another policy would change to what nobody can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum VainReason {
    /// Other slices on it are worth their slab, as the policy sees it.
    Kept,
    /// A parked slice keeps it, which the pool moves by itself: see [`parked_plan`](PinReport::parked_plan).
    Parked,
    /// A `bytes::Bytes` keeps it.
    Exported,
    /// A writable buffer keeps it.
    Writable,
    /// Handles keep it that are not listed, or were in motion when it was looked at.
    Unlisted,
}

impl VainReason {
    const ALL: [VainReason; 5] =
        [VainReason::Kept, VainReason::Parked, VainReason::Exported, VainReason::Writable, VainReason::Unlisted];

    /// `"kept"`, `"parked"`, `"exported"`, `"writable"` or `"unlisted"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            VainReason::Kept => "kept",
            VainReason::Parked => "parked",
            VainReason::Exported => "exported",
            VainReason::Writable => "writable",
            VainReason::Unlisted => "unlisted",
        }
    }
}

/// What compacting the slices of one tag contributes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PlanGroup {
    /// [`Holder::Tag`] or [`Holder::Untagged`].
    pub holder: Holder,
    /// Its slices that are copied.
    pub slices: usize,
    /// Their lengths.
    pub copied_bytes: usize,
    /// Slabs that are freed or emptied by compacting this group alone, in bytes.
    pub unpinned_alone_bytes: usize,
    /// Slabs that are freed or emptied only because other groups are compacted too, in bytes.
    pub unpinned_together_bytes: usize,
    /// Slices copied in vain.
    pub slices_in_vain: usize,
}

struct Planner {
    plan: CompactPlan,
    in_vain: [InVain; VainReason::ALL.len()],
    groups: HashMap<Option<Tag>, PlanGroup>,
    /// The groups that copy something on the slab at hand.
    here: Vec<Option<Tag>>,
}

impl Planner {
    fn new(policy: RetainPolicy, pinned_bytes: usize) -> Planner {
        let plan = CompactPlan {
            policy,
            slices: 0,
            copied_bytes: 0,
            freed_slabs: 0,
            freed_bytes: 0,
            emptied_slabs: 0,
            emptied_bytes: 0,
            in_vain: Vec::new(),
            exported: 0,
            exported_bytes: 0,
            writable: 0,
            writable_bytes: 0,
            pinned_bytes,
            by_tag: Vec::new(),
        };
        let in_vain =
            VainReason::ALL.map(|reason| InVain { reason, slabs: 0, slab_bytes: 0, slices: 0, copied_bytes: 0 });
        Planner { plan, in_vain, groups: HashMap::new(), here: Vec::new() }
    }

    fn slab(&mut self, slab: &PinnedSlab) {
        let policy = self.plan.policy;
        let wanted = |slice: &PinnedSlice| policy.decide(slice.len, slab.size).is_copy();
        let copied = |slice: &&PinnedSlice| slice.kind == SliceKind::Shared && wanted(slice);

        let mut obstacle = (slab.untracked > 0 || slab.in_motion > 0 || slab.handles > slab.slices.len())
            .then_some(VainReason::Unlisted);
        let (mut slices, mut copied_bytes) = (0, 0);
        for slice in &slab.slices {
            let in_the_way = match slice.kind {
                SliceKind::Shared if wanted(slice) => {
                    slices += 1;
                    add(&mut copied_bytes, slice.len);
                    continue;
                }
                SliceKind::Shared => VainReason::Kept,
                SliceKind::Parked => VainReason::Parked,
                SliceKind::Exported => {
                    self.plan.exported += usize::from(wanted(slice));
                    add(&mut self.plan.exported_bytes, if wanted(slice) { slice.len } else { 0 });
                    VainReason::Exported
                }
                SliceKind::Mut => {
                    self.plan.writable += usize::from(wanted(slice));
                    add(&mut self.plan.writable_bytes, if wanted(slice) { slice.len } else { 0 });
                    VainReason::Writable
                }
            };
            obstacle = obstacle.max(Some(in_the_way));
        }
        if slices == 0 {
            return;
        }
        self.plan.slices += slices;
        add(&mut self.plan.copied_bytes, copied_bytes);
        if let Some(reason) = obstacle {
            let sums = &mut self.in_vain[reason as usize];
            sums.slabs += 1;
            add(&mut sums.slab_bytes, slab.size);
            sums.slices += slices;
            add(&mut sums.copied_bytes, copied_bytes);
        } else if slab.attached {
            self.plan.emptied_slabs += 1;
            add(&mut self.plan.emptied_bytes, slab.size);
        } else {
            self.plan.freed_slabs += 1;
            add(&mut self.plan.freed_bytes, slab.size);
        }
        self.groups(slab, slab.slices.iter().filter(copied), obstacle.is_some());
    }

    fn groups<'a>(&mut self, slab: &PinnedSlab, copied: impl Iterator<Item = &'a PinnedSlice>, in_vain: bool) {
        self.here.clear();
        for slice in copied {
            let group = self.groups.entry(slice.tag).or_insert(PlanGroup {
                holder: slice.tag.map_or(Holder::Untagged, Holder::Tag),
                slices: 0,
                copied_bytes: 0,
                unpinned_alone_bytes: 0,
                unpinned_together_bytes: 0,
                slices_in_vain: 0,
            });
            group.slices += 1;
            add(&mut group.copied_bytes, slice.len);
            group.slices_in_vain += usize::from(in_vain);
            if !self.here.contains(&slice.tag) {
                self.here.push(slice.tag);
            }
        }
        if in_vain {
            return;
        }
        let alone = self.here.len() == 1;
        for tag in &self.here {
            if let Some(group) = self.groups.get_mut(tag) {
                let freed = if alone { &mut group.unpinned_alone_bytes } else { &mut group.unpinned_together_bytes };
                add(freed, slab.size);
            }
        }
    }

    fn finish(self) -> CompactPlan {
        let mut plan = self.plan;
        plan.in_vain = self.in_vain.into_iter().filter(|group| group.slabs > 0).collect();
        plan.by_tag = self.groups.into_values().collect();
        let name = |group: &PlanGroup| match group.holder {
            Holder::Tag(tag) => tag.name(),
            _ => "",
        };
        plan.by_tag.sort_by(|a, b| {
            let figures = |group: &PlanGroup| (group.unpinned_alone_bytes, group.unpinned_together_bytes, group.slices);
            figures(b).cmp(&figures(a)).then_with(|| name(a).cmp(name(b)))
        });
        plan
    }
}

/// `{}` shows the tags that free most, in lines of at most 80 columns; `{:#}` shows all of them.
impl fmt::Display for CompactPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, shown) = if f.alternate() { (100, usize::MAX) } else { (80, 6) };
        let lines = &mut Lines::new(f, width);
        let verdict = match self.slices {
            0 => format!("compacting copies nothing: {} stay pinned", bytes(self.pinned_bytes)),
            n => format!(
                "compacting copies {} of {} in all and frees {} of {} pinned, {}",
                count(n, "slice"),
                bytes(self.copied_bytes),
                bytes(self.freed_bytes),
                bytes(self.pinned_bytes),
                count(self.freed_slabs, "slab"),
            ),
        };
        lines.prose(&verdict)?;
        lines.prose(&policy(&self.policy))?;
        if self.emptied_slabs > 0 {
            let (slabs, size) = (count(self.emptied_slabs, "attached slab"), bytes(self.emptied_bytes));
            lines.prose(&format!("empties {slabs} of {size} for the threads that allocate from them"))?;
        }
        for group in &self.in_vain {
            let why = match group.reason {
                VainReason::Kept => "other slices, worth their slab, keep it",
                VainReason::Parked => "a parked slice, which the pool moves, keeps it",
                VainReason::Exported => "a bytes::Bytes keeps it",
                VainReason::Writable => "a writable buffer keeps it",
                VainReason::Unlisted => "handles that are not listed keep it",
            };
            let (slices, copied) = (count(group.slices, "slice"), bytes(group.copied_bytes));
            let slabs = count(group.slabs, "slab");
            lines.prose(&format!("in vain: {slices} of {copied} on {slabs}: {why}"))?;
        }
        if self.exported > 0 {
            let (slices, size) = (count(self.exported, "exported slice"), bytes(self.exported_bytes));
            lines.prose(&format!("not copied: {slices} of {size}: copy those by hand"))?;
        }
        if self.writable > 0 {
            let (slices, size) = (count(self.writable, "writable buffer"), bytes(self.writable_bytes));
            lines.prose(&format!("not copied: {slices} of {size}: freeze them first"))?;
        }
        if self.by_tag.is_empty() {
            return Ok(());
        }
        lines.line("")?;
        let header = ["by tag", "slices", "copied", "frees alone", "with others", "in vain"].map(str::to_owned);
        let row = |group: &PlanGroup| {
            [
                format!("  {}", holder_name(&group.holder, 24)),
                group.slices.to_string(),
                bytes(group.copied_bytes),
                bytes(group.unpinned_alone_bytes),
                bytes(group.unpinned_together_bytes),
                group.slices_in_vain.to_string(),
            ]
        };
        let mut table = Table::new(0, [Elastic, Right, Right, Right, Right, Right]);
        table.measure(&header);
        self.by_tag.iter().take(shown).for_each(|group| table.measure(&row(group)));
        table.fit(width);
        table.write(lines, &header)?;
        for group in self.by_tag.iter().take(shown) {
            table.write(lines, &row(group))?;
        }
        and_more(lines, 2, self.by_tag.len(), shown, "tag", "tags")
    }
}

fn policy(policy: &RetainPolicy) -> String {
    let ratio = match policy.ratio() {
        usize::MAX => "longer ones never".to_owned(),
        0 => "longer ones always".to_owned(),
        ratio => format!("longer ones if their slab is over {ratio} times as long"),
    };
    match policy.copybreak() {
        usize::MAX => "policy: copies every slice".to_owned(),
        copybreak => format!("policy: copies slices of up to {}, {ratio}", bytes(copybreak)),
    }
}
