//! Each slice's share of its slab, for outputs that have a row or a sample for each slice.

use std::collections::HashMap;

use super::blame::{Grouping, Share};
use super::model::{Holder, PinReport, PinnedSlab, PinnedSlice};
use crate::track::Tag;

/// Who is charged with a part of a slab.
#[derive(Clone, Copy)]
pub(super) enum Payer<'a> {
    Slice(&'a PinnedSlice),
    /// So many handles without a slot.
    Untracked(usize),
    /// So many handles that were counted and not seen.
    InMotion(usize),
}

/// Splits slabs among their slices.
///
/// A slab is first split among tags, exactly as [`PinReport::by_tag`] has it. Within a tag, live bytes are split in
/// proportion to the lengths of its slices, and waste evenly. So the shares of all slices with one tag add up to that
/// tag's amortised bytes, and those of all payers to the slab's size, to the byte.
pub(super) struct Shares {
    /// Groups by the order of their names: that is who gets the odd bytes.
    groups: HashMap<Tag, usize>,
    untagged: usize,
    grouping: Grouping,
    /// What of each group was handed out; stale for groups that are not on the present slab.
    handed_out: Vec<HandedOut>,
}

#[derive(Clone, Copy, Default)]
struct HandedOut {
    /// All lengths and slices of the group on this slab.
    len: u128,
    slices: u128,
    /// Those that have their share.
    len_done: u128,
    slices_done: u128,
}

impl Shares {
    pub(super) fn of(report: &PinReport) -> Shares {
        let slices = report.slabs.iter().flat_map(|slab| &slab.slices);
        let mut groups: HashMap<Tag, usize> = slices.filter_map(|slice| Some((slice.tag?, 0))).collect();
        let mut tags: Vec<Tag> = groups.keys().copied().collect();
        tags.sort_unstable_by_key(|tag| tag.name());
        // All tags past the limit have one name, which a tag may have had before them: one group, as in the table.
        let mut named = 0;
        for (at, &tag) in tags.iter().enumerate() {
            named += usize::from(at == 0 || tags[at - 1].name() != tag.name());
            groups.insert(tag, named - 1);
        }
        let grouping = Grouping::new(vec![Holder::Untagged; named + 1]);
        Shares { groups, untagged: named, grouping, handed_out: vec![HandedOut::default(); named + 1] }
    }

    /// Calls `each` with every payer of `slab` and its share: the slices in their order, then the rest.
    pub(super) fn split<'a, E>(
        &mut self,
        slab: &'a PinnedSlab,
        mut each: impl FnMut(Payer<'a>, Share) -> Result<(), E>,
    ) -> Result<(), E> {
        let group = |slice: &PinnedSlice| slice.tag.map_or(self.untagged, |tag| self.groups[&tag]);
        for slice in &slab.slices {
            self.handed_out[group(slice)] = HandedOut::default();
        }
        for slice in &slab.slices {
            let out = &mut self.handed_out[group(slice)];
            out.len += slice.len as u128;
            out.slices += 1;
        }
        self.grouping.charge(slab, slab.slices.iter().map(group));
        for slice in &slab.slices {
            let group = group(slice);
            each(Payer::Slice(slice), self.handed_out[group].next(slice.len, self.grouping.share(group)))?;
        }
        if slab.untracked > 0 {
            each(Payer::Untracked(slab.untracked), self.grouping.share_of_untracked())?;
        }
        let unseen = slab.unseen();
        if unseen > 0 {
            each(Payer::InMotion(unseen), self.grouping.share_of_in_motion())?;
        } else if slab.slices.is_empty() && slab.untracked == 0 {
            // Nobody at all: only a report that was read from elsewhere can say so. The sums hold all the same.
            each(Payer::InMotion(0), Share { live: slab.live_bytes, waste: slab.waste_bytes })?;
        }
        Ok(())
    }
}

impl HandedOut {
    /// The share of the next slice, `len` bytes long, of what its group is charged with.
    fn next(&mut self, len: usize, of_group: Share) -> Share {
        let before = *self;
        self.len_done += len as u128;
        self.slices_done += 1;
        // What is due up to here, less what was due before: rounding never adds up.
        let due = |all: usize, done: u128, of: u128| (all as u128 * done).checked_div(of).unwrap_or(0) as usize;
        let live = |done: &HandedOut| due(of_group.live, done.len_done, done.len);
        let waste = |done: &HandedOut| due(of_group.waste, done.slices_done, done.slices);
        Share { live: live(self) - live(&before), waste: waste(self) - waste(&before) }
    }
}

#[cfg(feature = "pprof")]
impl Payer<'_> {
    /// How many handles this stands for.
    pub(super) fn handles(&self) -> usize {
        match *self {
            Payer::Slice(_) => 1,
            Payer::Untracked(handles) | Payer::InMotion(handles) => handles,
        }
    }
}
