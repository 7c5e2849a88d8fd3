//! Who pins what: slices grouped by tag, site, scope, kind of scope and thread, and (for the advice) by tag or else site.
//!
//! Every group is a number, and numbers follow the order of names, so that no figure depends on the order in which
//! slabs were seen.

use core::hash::{BuildHasher, Hash, Hasher};
use std::collections::HashMap;
use std::hash::RandomState;

use super::build::{Fate, add};
use super::model::{Advice, Blame, Holder, PinnedSlab};
use crate::raw::SliceKind;
use crate::track::{ScopeName, Site, Tag};

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
    /// Two passes, each over everything at once, for a large report is larger than any cache: the first numbers the
    /// groups, the second charges slab by slab.
    pub(super) fn of(slabs: &[PinnedSlab]) -> Tables {
        let groups = number(slabs);
        let [tags, sites, ..] = &groups;
        let mut advisory = Advisory::new(tags, sites);
        let mut groupings = groups.each_ref().map(|groups| Grouping::new(groups.holders.clone()));
        let mut next = 0;
        for slab in slabs {
            let these = next..next + slab.slices.len();
            next = these.end;
            for (grouping, groups) in groupings.iter_mut().zip(&groups) {
                grouping.charge(slab, groups.of_slices[these.clone()].iter().map(|&group| group as usize));
            }
            advisory.hear(slab, tags.of_slices[these.clone()].iter().zip(&sites.of_slices[these]));
        }
        let [by_tag, by_site, by_scope, by_scope_kind, by_thread] = groupings.map(Grouping::into_blame);
        let (advice, advice_together) = advisory.into_parts();
        Tables { by_tag, by_site, by_scope, by_scope_kind, by_thread, advice, advice_together }
    }
}

/// The groups by tag, site, scope, kind of scope and thread.
fn number(slabs: &[PinnedSlab]) -> [Groups; 5] {
    let slices = slabs.iter().map(|slab| slab.slices.len()).sum();
    let mut tags = FirstSeen::<Tag, u32, Scatter>::of(slices);
    // A site is known by its address; only new addresses are compared by what they say. One line of source may have
    // several addresses: one for each unit of code generation.
    let mut sites = FirstSeen::<Site, usize, Scatter>::of(slices);
    // The numbers of scopes may come from strangers: these are hashed so that nobody can make them collide.
    let mut scopes = FirstSeen::<ScopeName, ScopeName, RandomState>::of(slices);
    let mut threads = FirstSeen::<u32, u32, Scatter>::of(slices);
    for slice in slabs.iter().flat_map(|slab| &slab.slices) {
        tags.push(slice.tag, |tag| tag.number());
        sites.push(slice.site, |site| site.address());
        scopes.push(slice.scope, |scope| scope);
        threads.push(Some(slice.thread), |thread| thread);
    }
    let scopes = scopes.by_name(|scope| (scope.kind().name(), scope.id()), Holder::Scope, Holder::Unscoped);
    let kinds = scopes.kinds();
    [
        tags.by_name(|tag| tag.name(), Holder::Tag, Holder::Untagged),
        sites.by_name(|site| site, Holder::Site, Holder::NoSite),
        scopes,
        kinds,
        threads.by_name(|thread| thread, Holder::Thread, Holder::Untracked),
    ]
}

/// The groups of one kind that occur, in the order of their names, and to which of them each slice belongs.
struct Groups {
    /// The named ones, then the one for slices without a name.
    holders: Vec<Holder>,
    /// In the order of slabs and their slices, as indices of `holders`.
    of_slices: Vec<u32>,
}

impl Groups {
    /// Scopes by their kinds. All scopes of a kind stand together, in the order of the kinds' names.
    fn kinds(&self) -> Groups {
        let mut holders: Vec<Holder> = Vec::new();
        let of_scopes: Vec<u32> = self
            .holders
            .iter()
            .map(|scope| {
                let kind = match scope {
                    Holder::Scope(scope) => Holder::ScopeKind(scope.kind()),
                    other => *other,
                };
                if holders.last() != Some(&kind) {
                    holders.push(kind);
                }
                holders.len() as u32 - 1
            })
            .collect();
        Groups { holders, of_slices: self.of_slices.iter().map(|&scope| of_scopes[scope as usize]).collect() }
    }
}

/// Numbers for things by their first appearance; number 0 stands for nothing at all. What has the same key is the same
/// thing.
struct FirstSeen<T, K, S> {
    numbers: HashMap<K, u32, S>,
    things: Vec<T>,
    /// The thing seen last: neighbours are often alike.
    last: Option<(K, u32)>,
    of_slices: Vec<u32>,
}

impl<T: Copy, K: Copy + Eq + Hash, S: BuildHasher + Default> FirstSeen<T, K, S> {
    fn of(slices: usize) -> Self {
        let of_slices = Vec::with_capacity(slices);
        FirstSeen { numbers: HashMap::default(), things: Vec::new(), last: None, of_slices }
    }

    fn push(&mut self, thing: Option<T>, key: impl Fn(T) -> K) {
        let number = thing.map_or(0, |thing| self.number(thing, key(thing)));
        self.of_slices.push(number);
    }

    fn number(&mut self, thing: T, key: K) -> u32 {
        if let Some((_, number)) = self.last.filter(|(last, _)| *last == key) {
            return number;
        }
        let number = *self.numbers.entry(key).or_insert_with(|| {
            self.things.push(thing);
            self.things.len() as u32
        });
        self.last = Some((key, number));
        number
    }

    /// Numbers them anew in the order of their names. Equal names are one group; nothing at all comes last.
    fn by_name<N: Ord>(self, name: impl Fn(T) -> N, holder: impl Fn(T) -> Holder, none: Holder) -> Groups {
        let mut ordered: Vec<(N, usize)> = self.things.iter().enumerate().map(|(at, &t)| (name(t), at)).collect();
        ordered.sort_unstable();
        let mut ranks = vec![0; self.things.len() + 1];
        let mut holders = Vec::new();
        for (position, (name, at)) in ordered.iter().enumerate() {
            if position == 0 || ordered[position - 1].0 != *name {
                holders.push(holder(self.things[*at]));
            }
            ranks[at + 1] = holders.len() as u32 - 1;
        }
        ranks[0] = holders.len() as u32;
        holders.push(none);
        let mut of_slices = self.of_slices;
        for group in &mut of_slices {
            *group = ranks[*group as usize];
        }
        Groups { holders, of_slices }
    }
}

/// Hashes numbers that nobody chooses (addresses, and numbers given out one after the other) in a multiplication.
#[derive(Clone, Copy, Default)]
struct Scatter;

struct Scattered(u64);

impl BuildHasher for Scatter {
    type Hasher = Scattered;

    fn build_hasher(&self) -> Scattered {
        Scattered(0)
    }
}

impl Hasher for Scattered {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_u64(&mut self, n: u64) {
        // 2⁶⁴ over the golden ratio (Knuth's multiplicative hashing). The best bits are the high ones; a table looks at
        // both ends.
        let product = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
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
        let live_share = |covered: usize| match (all_covered, slab.live_bytes.checked_mul(covered)) {
            (0, _) => 0,
            // A slab has to be very large for the product to need the slow division.
            (all, Some(product)) if all <= usize::MAX as u128 => product / all as usize,
            (all, _) => (slab.live_bytes as u128 * covered as u128 / all) as usize,
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

/// Collects what compacting would free, by tag or else by site.
struct Advisory {
    /// First all named tags, then all sites.
    by_culprit: Grouping,
    named_tags: usize,
    groups: Vec<Advice>,
    together: Advice,
}

impl Advisory {
    fn new(tags: &Groups, sites: &Groups) -> Advisory {
        let named_tags = tags.holders.len() - 1;
        let by_culprit = Grouping::new([&tags.holders[..named_tags], &sites.holders[..]].concat());
        let none = |holder| Advice {
            holder,
            slices: 0,
            slices_in_group: 0,
            exported: 0,
            copied_bytes: 0,
            freed_slabs: 0,
            freed_bytes: 0,
        };
        let groups = by_culprit.holders.iter().copied().map(none).collect();
        Advisory { by_culprit, named_tags, groups, together: none(Holder::Everyone) }
    }

    /// Takes note of a slab, with tag and site of each of its slices.
    fn hear<'a>(&mut self, slab: &PinnedSlab, slices: impl Iterator<Item = (&'a u32, &'a u32)>) {
        let named_tags = self.named_tags;
        let culprit = |(&tag, &site): (&u32, &u32)| match tag as usize {
            tag if tag < named_tags => tag,
            _ => named_tags + site as usize,
        };
        self.by_culprit.charge(slab, slices.map(culprit));
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
        if let [group] = self.by_culprit.present[..] {
            note(&mut self.groups[group]);
        }
    }

    fn into_parts(self) -> (Vec<Advice>, Option<Advice>) {
        let mut advice = self.groups;
        for (advice, blame) in advice.iter_mut().zip(&self.by_culprit.blame) {
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
