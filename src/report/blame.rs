//! Who pins what: slices grouped by tag, site, scope, kind of scope and thread, and (for the advice) by tag or else site.
//!
//! Every group is a number, and numbers follow the order of names, so that no figure depends on the order in which
//! slabs were seen.

use core::hash::Hash;
use std::collections::HashMap;

use super::build::{Fate, add};
use super::model::{Advice, Blame, Holder, PinnedSlab, PinnedSlice};
use crate::raw::SliceKind;

/// Everything a report says about groups.
pub(super) struct Tables {
    pub(super) by_tag: Vec<Blame>,
    pub(super) by_site: Vec<Blame>,
    pub(super) by_scope: Vec<Blame>,
    pub(super) by_scope_kind: Vec<Blame>,
    pub(super) by_thread: Vec<Blame>,
    pub(super) advice: Vec<Advice>,
    pub(super) advice_together: Option<Advice>,
}

impl Tables {
    pub(super) fn of(slabs: &[PinnedSlab]) -> Tables {
        let tags = Groups::of(slabs, |slice| slice.tag, |tag| tag, |tag| tag.name(), Holder::Tag, Holder::Untagged);
        // A site is known by its address; only new addresses are compared by what they say. One line of source may have
        // several addresses: one for each unit of code generation.
        let sites =
            Groups::of(slabs, |slice| slice.site, |site| site.address(), |site| site, Holder::Site, Holder::NoSite);
        let by_scope = |scope: super::ScopeName| (scope.kind().name(), scope.id());
        let scopes = Groups::of(slabs, |slice| slice.scope, |scope| scope, by_scope, Holder::Scope, Holder::Unscoped);
        let kind = |slice: &PinnedSlice| slice.scope.map(super::ScopeName::kind);
        let kinds = Groups::of(slabs, kind, |kind| kind, |kind| kind.name(), Holder::ScopeKind, Holder::Unscoped);
        let thread = |slice: &PinnedSlice| Some(slice.thread);
        let threads = Groups::of(slabs, thread, |thread| thread, |thread| thread, Holder::Thread, Holder::Untracked);
        let (advice, advice_together) = advise(slabs, &tags, &sites);
        Tables {
            by_tag: tags.blame(slabs),
            by_site: sites.blame(slabs),
            by_scope: scopes.blame(slabs),
            by_scope_kind: kinds.blame(slabs),
            by_thread: threads.blame(slabs),
            advice,
            advice_together,
        }
    }
}

/// What compacting frees, by tag, or else by site.
fn advise(slabs: &[PinnedSlab], tags: &Groups, sites: &Groups) -> (Vec<Advice>, Option<Advice>) {
    // First all named tags, then all sites.
    let named_tags = tags.holders.len() - 1;
    let mut by_culprit = Grouping::new([&tags.holders[..named_tags], &sites.holders[..]].concat());
    let mut adviser = Adviser::new(&by_culprit.holders);
    let mut culprits = tags
        .of_slices
        .iter()
        .zip(&sites.of_slices)
        .map(|(&tag, &site)| if (tag as usize) < named_tags { tag as usize } else { named_tags + site as usize });
    for slab in slabs {
        by_culprit.charge(slab, culprits.by_ref().take(slab.slices.len()));
        adviser.hear(slab, &by_culprit);
    }
    adviser.into_parts(&by_culprit)
}

/// The groups of one kind that occur, in the order of their names, and to which of them each slice belongs.
struct Groups {
    /// The named ones, then the one for slices without a name.
    holders: Vec<Holder>,
    /// In the order of slabs and their slices, as indices of `holders`.
    of_slices: Vec<u32>,
}

impl Groups {
    /// Groups slices by what `get` says. What has the same `key` is the same thing, and so is what has the same `name`.
    fn of<T: Copy, K: Eq + Hash, N: Ord>(
        slabs: &[PinnedSlab],
        get: impl Fn(&PinnedSlice) -> Option<T>,
        key: impl Fn(T) -> K,
        name: impl Fn(T) -> N,
        holder: impl Fn(T) -> Holder,
        none: Holder,
    ) -> Groups {
        // First numbered as they come, then by name.
        let mut seen = FirstSeen::default();
        let slices = slabs.iter().flat_map(|slab| &slab.slices);
        let mut of_slices: Vec<u32> = slices.map(|slice| seen.number(get(slice), &key) as u32).collect();
        let (ranks, things) = seen.by_name(name);
        for group in &mut of_slices {
            *group = ranks[*group as usize] as u32;
        }
        Groups { holders: things.into_iter().map(holder).chain([none]).collect(), of_slices }
    }

    /// Charges all slabs to the groups.
    fn blame(self, slabs: &[PinnedSlab]) -> Vec<Blame> {
        let mut grouping = Grouping::new(self.holders);
        let mut groups = self.of_slices.iter().map(|&group| group as usize);
        for slab in slabs {
            grouping.charge(slab, groups.by_ref().take(slab.slices.len()));
        }
        grouping.into_blame()
    }
}

/// Numbers for things by their first appearance; number 0 stands for nothing at all.
struct FirstSeen<T, K> {
    numbers: HashMap<K, usize>,
    things: Vec<T>,
}

impl<T, K> Default for FirstSeen<T, K> {
    fn default() -> Self {
        FirstSeen { numbers: HashMap::new(), things: Vec::new() }
    }
}

impl<T: Copy, K: Eq + Hash> FirstSeen<T, K> {
    fn number(&mut self, thing: Option<T>, key: impl Fn(T) -> K) -> usize {
        let Some(thing) = thing else {
            return 0;
        };
        *self.numbers.entry(key(thing)).or_insert_with(|| {
            self.things.push(thing);
            self.things.len()
        })
    }

    /// For each number the rank by `name`, and the things by rank. Equal names share a rank; nothing at all comes last.
    fn by_name<N: Ord>(self, name: impl Fn(T) -> N) -> (Vec<usize>, Vec<T>) {
        let mut ordered: Vec<(N, usize)> = self.things.iter().enumerate().map(|(at, &t)| (name(t), at)).collect();
        ordered.sort_unstable();
        let mut ranks = vec![0; self.things.len() + 1];
        let mut ranked = Vec::new();
        for (position, (name, at)) in ordered.iter().enumerate() {
            if position == 0 || ordered[position - 1].0 != *name {
                ranked.push(self.things[*at]);
            }
            ranks[at + 1] = ranked.len() - 1;
        }
        ranks[0] = ranked.len();
        (ranks, ranked)
    }
}

/// One way to group slices, with what has been charged to each group so far.
pub(super) struct Grouping {
    /// The groups of listed slices, then [`Holder::Untracked`] and [`Holder::InMotion`].
    holders: Vec<Holder>,
    blame: Vec<Blame>,
    /// What each group has on the slab that is being charged; stale for groups that are not in `present`.
    here: Vec<OnSlab>,
    /// The groups on this slab, in ascending order.
    present: Vec<usize>,
    /// Slabs charged so far, the present one included.
    charged: usize,
}

#[derive(Clone, Copy, Default)]
struct OnSlab {
    /// Which slab this is about, counted from 1.
    slab: usize,
    slices: usize,
    covered: usize,
    /// Where the covered part ends.
    end: usize,
    /// What the group is charged with, once the slab is split.
    share: Share,
}

/// A part of one slab that somebody is charged with, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) live: usize,
    pub(super) waste: usize,
}

impl Grouping {
    pub(super) fn new(mut holders: Vec<Holder>) -> Grouping {
        holders.extend([Holder::Untracked, Holder::InMotion]);
        let blame = holders.iter().map(|&holder| Blame {
            holder,
            slices: 0,
            live_bytes: 0,
            slabs: 0,
            exclusive_bytes: 0,
            shared_bytes: 0,
            amortised_bytes: 0,
        });
        let blame = blame.collect();
        let here = vec![OnSlab::default(); holders.len()];
        Grouping { holders, blame, here, present: Vec::new(), charged: 0 }
    }

    /// Charges `slab` to the groups that pin it.
    ///
    /// `groups` are those of its slices, which are sorted by offset: one pass gives every group's covered bytes.
    pub(super) fn charge(&mut self, slab: &PinnedSlab, groups: impl Iterator<Item = usize>) {
        self.present.clear();
        self.charged += 1;
        let stamp = self.charged;
        for (slice, group) in slab.slices.iter().zip(groups) {
            let here = self.enter(group, stamp);
            let end = slice.offset + slice.len;
            here.slices += 1;
            here.covered += end.saturating_sub(slice.offset.max(here.end));
            here.end = here.end.max(end);
        }
        let (untracked, unseen) = (slab.untracked, slab.unseen());
        let (untracked_group, in_motion_group) = (self.holders.len() - 2, self.holders.len() - 1);
        if untracked > 0 {
            self.enter(untracked_group, stamp).slices = untracked;
        }
        if unseen > 0 {
            self.enter(in_motion_group, stamp).slices = unseen;
        }
        self.present.sort_unstable();
        self.split(slab);
    }

    fn enter(&mut self, group: usize, stamp: usize) -> &mut OnSlab {
        let here = &mut self.here[group];
        if here.slab != stamp {
            *here = OnSlab { slab: stamp, ..OnSlab::default() };
            self.present.push(group);
        }
        here
    }

    /// Splits one slab as the documentation of [`Blame`] says.
    fn split(&mut self, slab: &PinnedSlab) {
        let groups = self.present.len();
        if groups == 0 {
            return;
        }
        let all_covered: u128 = self.present.iter().map(|&group| self.here[group].covered as u128).sum();
        let live_share = |covered: usize| match all_covered {
            0 => 0,
            all => (slab.live_bytes as u128 * covered as u128 / all) as usize,
        };
        let charged: usize = self.present.iter().map(|&group| live_share(self.here[group].covered)).sum();
        let mut odd_live = slab.live_bytes - charged;
        let mut odd_waste = slab.waste_bytes % groups;

        for &group in &self.present {
            let here = &mut self.here[group];
            let blame = &mut self.blame[group];
            add(&mut blame.slices, here.slices);
            add(&mut blame.live_bytes, here.covered);
            blame.slabs += 1;
            add(if groups == 1 { &mut blame.exclusive_bytes } else { &mut blame.shared_bytes }, slab.size);
            let mut share = Share { live: live_share(here.covered), waste: slab.waste_bytes / groups };
            if odd_live > 0 && here.covered > 0 {
                odd_live -= 1;
                share.live += 1;
            }
            if odd_waste > 0 {
                odd_waste -= 1;
                share.waste += 1;
            }
            here.share = share;
            add(&mut blame.amortised_bytes, share.live + share.waste);
        }
    }

    /// What `group` is charged with on the slab that was charged last.
    pub(super) fn share(&self, group: usize) -> Share {
        let here = self.here[group];
        if here.slab == self.charged { here.share } else { Share::default() }
    }

    /// What all untracked handles of that slab are charged with.
    pub(super) fn share_of_untracked(&self) -> Share {
        self.share(self.holders.len() - 2)
    }

    /// What all handles in motion of that slab are charged with.
    pub(super) fn share_of_in_motion(&self) -> Share {
        self.share(self.holders.len() - 1)
    }

    /// The groups that pin anything, the largest share first.
    fn into_blame(self) -> Vec<Blame> {
        let mut blame: Vec<Blame> = self.blame.into_iter().filter(|blame| blame.slabs > 0).collect();
        // Stable: groups with equal shares stay in the order of their names.
        blame.sort_by_key(|blame| core::cmp::Reverse((blame.amortised_bytes, blame.exclusive_bytes, blame.slices)));
        blame
    }
}

/// Collects what compacting would free.
struct Adviser {
    groups: Vec<Advice>,
    together: Advice,
}

impl Adviser {
    fn new(holders: &[Holder]) -> Adviser {
        let none = |holder| Advice {
            holder,
            slices: 0,
            slices_in_group: 0,
            exported: 0,
            copied_bytes: 0,
            freed_slabs: 0,
            freed_bytes: 0,
        };
        Adviser { groups: holders.iter().copied().map(none).collect(), together: none(Holder::Everyone) }
    }

    /// Takes note of a slab that `grouping` has just charged.
    fn hear(&mut self, slab: &PinnedSlab, grouping: &Grouping) {
        self.together.slices_in_group += slab.slices.len();
        let copied = slab.slices.iter().fold(0, |sum: usize, slice| sum.saturating_add(slice.len));
        if !matches!(slab.fate(), Fate::Reclaimable) || copied >= slab.size {
            return;
        }
        let exported = slab.slices.iter().filter(|slice| slice.kind == SliceKind::Exported).count();
        let note = |advice: &mut Advice| {
            advice.slices += slab.slices.len();
            advice.exported += exported;
            add(&mut advice.copied_bytes, copied);
            advice.freed_slabs += 1;
            add(&mut advice.freed_bytes, slab.size);
        };
        note(&mut self.together);
        if let [group] = grouping.present[..] {
            note(&mut self.groups[group]);
        }
    }

    fn into_parts(self, grouping: &Grouping) -> (Vec<Advice>, Option<Advice>) {
        let mut advice = self.groups;
        for (advice, blame) in advice.iter_mut().zip(&grouping.blame) {
            advice.slices_in_group = blame.slices;
        }
        advice.retain(|advice| advice.freed_slabs > 0);
        advice.sort_by_key(|advice| core::cmp::Reverse(advice.freed_bytes.saturating_sub(advice.copied_bytes)));
        // A tenth more than what the groups save one by one, or it is not worth a line.
        let saving = |advice: &Advice| (advice.freed_bytes as u128).saturating_sub(advice.copied_bytes as u128);
        let one_by_one: u128 = advice.iter().map(saving).sum();
        let together = Some(self.together).filter(|all| saving(all) * 10 > one_by_one * 11);
        (advice, together)
    }
}
