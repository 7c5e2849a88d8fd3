//! The nodes and edges of a heap snapshot.
//!
//! ```text
//! root → pool → scope → tag, or site if there is none → slice → slab → memory
//!             ↘ tag or site of slices without a scope ↗       ↗
//!             ↘ handles that are not listed ↗↗↗↗↗↗↗↗↗↗↗↗↗↗↗↗↗
//!             ⇢ slab (weak: the pool knows its slabs, but keeps none of them alive)
//! ```
//!
//! Only memory has a size: what a node *retains* is the slabs that would be free without it, and the sizes of all add up
//! to the bytes pinned. Everything follows from the position of a slice in the report and from the number of its *kind*;
//! neither nodes nor their names are kept.

use core::fmt;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash as StdHash, Hasher};

use super::ids::{Hash, Ids};
use super::texts;
use crate::raw::SliceKind;
use crate::report::model::{PinReport, PinnedSlab, PinnedSlice};
use crate::track::{ScopeName, Site, Tag};

/// Bytes that one node of memory stands for: sizes have 32 bits, and some readers take them for signed.
const PART: usize = 1 << 30;
/// Nodes that one slab gets at most. No slab has 4 TiB; a report that was read from a file may say so.
const MAX_PARTS: usize = 4096;

/// The place of a type in the list of V8's.
#[derive(Clone, Copy)]
pub(super) enum NodeKind {
    /// Memory outside of V8's heap.
    Native = 8,
    Synthetic = 9,
}

/// The place of a type in the list of V8's.
#[derive(Clone, Copy)]
pub(super) enum EdgeKind {
    Property = 2,
    Weak = 6,
}

pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// Its place among the strings.
    pub(super) name: u32,
    pub(super) id: u32,
    pub(super) self_size: u32,
    pub(super) edge_count: u32,
}

pub(super) struct Edge {
    pub(super) kind: EdgeKind,
    /// Its place among the strings.
    pub(super) name: u32,
    /// The node's place among nodes.
    pub(super) to: u32,
}

/// By what a slice is grouped within its scope: as in an advice, an untagged slice belongs to its site.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Culprit {
    Tag(Tag),
    Site(Site),
    Unknown,
}

/// What tells slices of one kind from others.
#[derive(Clone, Copy)]
struct Traits {
    scope: Option<ScopeName>,
    tag: Option<Tag>,
    site: Option<Site>,
    first_hint: Option<Tag>,
    last_hint: Option<Tag>,
}

// A site is looked up by its address, for speed. One line of source may have several: it gets as many kinds, which hang on
// the same group by edges of the same name.
impl PartialEq for Traits {
    fn eq(&self, other: &Traits) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Traits {}

impl StdHash for Traits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// Slices of one kind hang on one group by edges of one name.
struct Kind {
    group: u32,
    label: u32,
}

/// Slices of one culprit in one scope.
struct Group {
    /// `UNSCOPED` comes last.
    scope: u32,
    culprit: u32,
    text: u32,
    slices: u32,
}

const UNSCOPED: u32 = u32::MAX;

/// All that the name of a slice says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: usize,
    pub(super) len: usize,
    /// Its place in [`texts::NOUNS`].
    pub(super) noun: u8,
}

/// The names that slices have, each once.
struct Extents {
    things: Vec<Extent>,
    /// Which of them each slice has, in the order of the report.
    of_slices: Vec<u32>,
}

impl Extents {
    fn of(report: &PinReport) -> Extents {
        let noun = |kind| match kind {
            SliceKind::Shared => 0,
            SliceKind::Exported => 1,
            SliceKind::Mut => 2,
            SliceKind::Parked => 3,
        };
        // As small as an extent alone, for there are millions.
        let listed = |(slice, at): (&PinnedSlice, u32)| (slice.offset, slice.len, noun(slice.kind), at);
        let mut slices: Vec<(usize, usize, u8, u32)> = slices(report).zip(0..).map(listed).collect();
        slices.sort_unstable();
        let mut of_slices = vec![0; slices.len()];
        let mut things: Vec<Extent> = Vec::new();
        for (offset, len, noun, at) in slices {
            let extent = Extent { offset, len, noun };
            if things.last() != Some(&extent) {
                things.push(extent);
            }
            of_slices[at as usize] = things.len() as u32 - 1;
        }
        things.shrink_to_fit();
        Extents { things, of_slices }
    }
}

/// Numbers things by their first appearance.
struct Numbers<T> {
    of: HashMap<T, u32>,
    things: Vec<T>,
}

impl<T: Clone + Eq + StdHash> Numbers<T> {
    fn new() -> Numbers<T> {
        Numbers { of: HashMap::new(), things: Vec::new() }
    }

    fn number(&mut self, thing: T) -> u32 {
        match self.of.entry(thing) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.things.push(new.key().clone());
                *new.insert(self.things.len() as u32 - 1)
            }
        }
    }
}

/// Edges that are called the same wherever they are.
struct Labels {
    pool: u32,
    scope: u32,
    handles: u32,
    pin: u32,
    slab: u32,
    memory: u32,
}

/// Handles that pin a slab without being listed, as a node.
struct Unlisted {
    text: u32,
    pins: fn(&PinnedSlab) -> bool,
    slabs: u32,
}

pub(super) struct Graph<'a> {
    report: &'a PinReport,
    /// Texts that are kept. Those of scopes, slices and slabs follow them among the strings.
    texts: Numbers<String>,
    labels: Labels,
    pool: u32,
    /// By name and number.
    scopes: Vec<ScopeName>,
    culprits: Vec<Culprit>,
    /// By scope.
    groups: Vec<Group>,
    kinds: Vec<Kind>,
    /// The kind of each slice, in the order of the report.
    kind_of: Vec<u32>,
    /// Slices by group.
    by_group: Vec<u32>,
    extents: Extents,
    unlisted: Vec<Unlisted>,
    /// What the memory of each slab is called.
    memory: Vec<u32>,
    /// Nodes of memory of all slabs.
    parts: u64,
}

impl<'a> Graph<'a> {
    pub(super) fn of(report: &'a PinReport) -> Graph<'a> {
        let mut texts = Numbers::new();
        // The root's name.
        texts.number(String::new());
        let mut text = |text: &str| texts.number(text.to_owned());
        let labels = Labels {
            pool: text("pool"),
            scope: text("scope"),
            handles: text("handles"),
            pin: text("pin"),
            slab: text("slab"),
            memory: text("memory"),
        };
        let pool = text(&texts::pool(&report.pool));

        let mut traits = Numbers::new();
        let kind_of: Vec<u32> = slices(report).map(|slice| traits.number(Traits::of(slice))).collect();
        let traits = traits.things;
        let mut scopes: Vec<ScopeName> = traits.iter().filter_map(|kind| kind.scope).collect();
        scopes.sort_by_cached_key(|scope| (scope.kind().name(), scope.id()));
        scopes.dedup();
        let rank_of: HashMap<ScopeName, u32> = scopes.iter().copied().zip(0..).collect();

        let mut culprits = Numbers::new();
        let rank = |scope: Option<ScopeName>| scope.and_then(|scope| rank_of.get(&scope).copied()).unwrap_or(UNSCOPED);
        let pairs: Vec<(u32, u32)> =
            traits.iter().map(|kind| (rank(kind.scope), culprits.number(kind.culprit()))).collect();
        let culprits = culprits.things;
        let mut groups = pairs.clone();
        groups.sort_unstable();
        groups.dedup();
        let kinds: Vec<Kind> = traits
            .iter()
            .zip(&pairs)
            .map(|(kind, pair)| Kind {
                group: groups.partition_point(|group| group < pair) as u32,
                label: texts.number(kind.label()),
            })
            .collect();
        let mut groups: Vec<Group> = groups
            .into_iter()
            .map(|(scope, culprit)| {
                let text = texts.number(texts::group(culprits[culprit as usize]));
                Group { scope, culprit, text, slices: 0 }
            })
            .collect();
        for kind in &kind_of {
            groups[kinds[*kind as usize].group as usize].slices += 1;
        }
        for culprit in &culprits {
            texts.number(texts::group_edge(*culprit).to_owned());
        }

        let mut graph = Graph {
            report,
            by_group: by_group(&kind_of, &kinds, &groups),
            labels,
            pool,
            scopes,
            culprits,
            groups,
            kinds,
            kind_of,
            extents: Extents::of(report),
            unlisted: unlisted(report, &mut texts),
            memory: Vec::new(),
            parts: report.slabs.iter().map(|slab| parts(slab) as u64).sum(),
            texts,
        };
        graph.memory = graph.memory_texts(&traits);
        graph
    }

    /// What the memory of each slab is called: by who pins it, so that a viewer puts all that they pin in one line.
    fn memory_texts(&mut self, traits: &[Traits]) -> Vec<u32> {
        let mut of_slices = &self.kind_of[..];
        let mut memory = Vec::with_capacity(self.report.slabs.len());
        for slab in &self.report.slabs {
            let (kinds, rest) = of_slices.split_at(slab.slices.len());
            of_slices = rest;
            let mut holders: Vec<u32> = Vec::new();
            for kind in kinds {
                let culprit = self.groups[self.kinds[*kind as usize].group as usize].culprit;
                if holders.len() < 3 && !holders.contains(&culprit) {
                    holders.push(culprit);
                }
            }
            let mut names: Vec<String> =
                holders.iter().map(|culprit| texts::culprit(self.culprits[*culprit as usize])).collect();
            names.sort_unstable();
            if slab.untracked > 0 {
                names.push("(untracked)".to_owned());
            }
            let mut text = match &names[..] {
                [] => "pinned by (in motion)".to_owned(),
                [one] => format!("pinned by {one}"),
                [one, two] => format!("pinned by {one} and {two}"),
                _ => "pinned by several".to_owned(),
            };
            let mut owners = kinds.iter().map(|kind| traits[*kind as usize].scope.map(ScopeName::kind));
            if let Some(Some(owner)) = owners.next().filter(|first| owners.all(|other| other == *first)) {
                text.push_str(" in ");
                text.push_str(&texts::tag(owner));
            }
            memory.push(self.texts.number(text));
        }
        memory
    }

    /// Groups of slices that no scope owns. They come last.
    fn unscoped(&self) -> &[Group] {
        &self.groups[self.groups.partition_point(|group| group.scope != UNSCOPED)..]
    }

    // Places of nodes.

    fn first_scope(&self) -> u32 {
        2
    }

    fn first_group(&self) -> u32 {
        self.first_scope() + self.scopes.len() as u32
    }

    fn first_slice(&self) -> u32 {
        self.first_group() + self.groups.len() as u32
    }

    fn first_unlisted(&self) -> u32 {
        self.first_slice() + self.kind_of.len() as u32
    }

    fn first_slab(&self) -> u32 {
        self.first_unlisted() + self.unlisted.len() as u32
    }

    fn first_memory(&self) -> u32 {
        self.first_slab() + self.report.slabs.len() as u32
    }

    pub(super) fn node_count(&self) -> u64 {
        let counts = [self.scopes.len(), self.groups.len(), self.kind_of.len(), self.unlisted.len(), self.memory.len()];
        counts.iter().map(|n| *n as u64).sum::<u64>() + 2 + self.parts
    }

    pub(super) fn edge_count(&self) -> u64 {
        let unlisted: u64 = self.unlisted.iter().map(|handles| u64::from(handles.slabs)).sum();
        // Every group has one edge that leads to it, every slice two edges: one to it, one from it.
        1 + u64::from(self.pool_edges())
            + (self.groups.len() - self.unscoped().len()) as u64
            + 2 * self.kind_of.len() as u64
            + unlisted
            + self.parts
    }

    fn pool_edges(&self) -> u32 {
        (self.scopes.len() + self.unscoped().len() + self.unlisted.len() + self.memory.len()) as u32
    }

    // Places of strings that are not kept.

    fn scope_text(&self, scope: usize) -> u32 {
        (self.texts.things.len() + scope) as u32
    }

    fn slice_text(&self, slice: usize) -> u32 {
        (self.texts.things.len() + self.scopes.len()) as u32 + self.extents.of_slices[slice]
    }

    fn slab_text(&self, slab: usize) -> u32 {
        (self.texts.things.len() + self.scopes.len() + self.extents.things.len() + slab) as u32
    }

    /// Every string, in the order of their places.
    pub(super) fn strings(&self, each: &mut dyn FnMut(&str) -> fmt::Result) -> fmt::Result {
        self.texts.things.iter().try_for_each(|text| each(text))?;
        self.scopes.iter().try_for_each(|scope| each(&texts::scope(*scope)))?;
        let mut text = String::new();
        for extent in &self.extents.things {
            text.clear();
            texts::slice(*extent, &mut text);
            each(&text)?;
        }
        for slab in &self.report.slabs {
            text.clear();
            texts::slab(slab, &mut text);
            each(&text)?;
        }
        Ok(())
    }

    /// Every node, in the order of their places.
    pub(super) fn nodes(&self, each: &mut dyn FnMut(Node) -> fmt::Result) -> fmt::Result {
        let mut ids = Ids::for_nodes(self.node_count());
        each(Node { kind: NodeKind::Synthetic, name: 0, id: Ids::ROOT, self_size: 0, edge_count: 1 })?;
        let mut native =
            |name, id, self_size, edge_count| each(Node { kind: NodeKind::Native, name, id, self_size, edge_count });
        native(self.pool, ids.hashed(Hash::of(b"pool").text(&self.report.pool)), 0, self.pool_edges())?;
        let mut groups = self.groups.iter().peekable();
        for (at, scope) in self.scopes.iter().enumerate() {
            let mut edges = 0;
            while groups.next_if(|group| group.scope == at as u32).is_some() {
                edges += 1;
            }
            native(self.scope_text(at), ids.hashed(scope_hash(Some(*scope))), 0, edges)?;
        }
        for group in &self.groups {
            let scope = self.scopes.get(group.scope as usize).copied();
            let hash = scope_hash(scope).text("group").text(&self.texts.things[group.text as usize]);
            native(group.text, ids.hashed(hash), 0, group.slices)?;
        }
        let mut at = 0;
        for slab in &self.report.slabs {
            let hash = Hash::of(b"slice").number(slab.id).number(slab.generation);
            // Clones cover the same bytes and stand side by side. They are counted: if each hashed to the same id, and
            // looked for a free one from there on, they would take steps by the square of their number.
            let (mut before, mut copies) = (None, 0);
            for slice in &slab.slices {
                let extent = (slice.offset, slice.len);
                copies = if before == Some(extent) { copies + 1 } else { 0 };
                before = Some(extent);
                let hash = hash.number(slice.offset as u64).number(slice.len as u64).number(copies);
                native(self.slice_text(at), ids.hashed(hash), 0, 1)?;
                at += 1;
            }
        }
        for handles in &self.unlisted {
            let hash = Hash::of(b"handles").text(&self.texts.things[handles.text as usize]);
            native(handles.text, ids.hashed(hash), 0, handles.slabs)?;
        }
        for (at, slab) in self.report.slabs.iter().enumerate() {
            let hash = Hash::of(b"slab").number(slab.id).number(slab.generation);
            native(self.slab_text(at), ids.hashed(hash), 0, parts(slab) as u32)?;
        }
        for (slab, text) in self.report.slabs.iter().zip(&self.memory) {
            for part in 0..parts(slab) {
                let id = match part {
                    0 => ids.memory(slab.id, slab.generation),
                    _ => ids.hashed(Hash::of(b"part").number(slab.id).number(slab.generation).number(part as u64)),
                };
                native(*text, id, (slab.size - part * PART).min(PART) as u32, 0)?;
            }
        }
        Ok(())
    }

    /// Every edge, in the order of the nodes from which they lead.
    pub(super) fn edges(&self, each: &mut dyn FnMut(Edge) -> fmt::Result) -> fmt::Result {
        let mut property = |name, to| each(Edge { kind: EdgeKind::Property, name, to });
        property(self.labels.pool, 1)?;
        // The pool's.
        for at in 0..self.scopes.len() as u32 {
            property(self.labels.scope, self.first_scope() + at)?;
        }
        let scoped = self.groups.len() - self.unscoped().len();
        for (at, group) in self.groups.iter().enumerate().skip(scoped) {
            property(self.group_label(group), self.first_group() + at as u32)?;
        }
        for at in 0..self.unlisted.len() as u32 {
            property(self.labels.handles, self.first_unlisted() + at)?;
        }
        for at in 0..self.memory.len() as u32 {
            each(Edge { kind: EdgeKind::Weak, name: self.labels.slab, to: self.first_slab() + at })?;
        }
        let mut property = |name, to| each(Edge { kind: EdgeKind::Property, name, to });
        // The scopes', all in order because groups are.
        for (at, group) in self.groups[..scoped].iter().enumerate() {
            property(self.group_label(group), self.first_group() + at as u32)?;
        }
        for slice in &self.by_group {
            let kind = &self.kinds[self.kind_of[*slice as usize] as usize];
            property(kind.label, self.first_slice() + slice)?;
        }
        for (at, slab) in self.report.slabs.iter().enumerate() {
            for _ in &slab.slices {
                property(self.labels.pin, self.first_slab() + at as u32)?;
            }
        }
        for handles in &self.unlisted {
            for (at, _) in self.report.slabs.iter().enumerate().filter(|(_, slab)| (handles.pins)(slab)) {
                property(self.labels.pin, self.first_slab() + at as u32)?;
            }
        }
        let mut memory = self.first_memory();
        for slab in &self.report.slabs {
            for _ in 0..parts(slab) {
                property(self.labels.memory, memory)?;
                memory += 1;
            }
        }
        Ok(())
    }

    fn group_label(&self, group: &Group) -> u32 {
        let label = texts::group_edge(self.culprits[group.culprit as usize]);
        self.texts.of.get(label).copied().unwrap_or(0)
    }
}

impl Traits {
    fn of(slice: &PinnedSlice) -> Traits {
        let PinnedSlice { scope, tag, site, first_hint, last_hint, .. } = *slice;
        Traits { scope, tag, site, first_hint, last_hint }
    }

    fn key(&self) -> impl Eq + StdHash + use<> {
        (self.scope, self.tag, self.site.map(|site| site.address()), self.first_hint, self.last_hint)
    }

    fn culprit(&self) -> Culprit {
        match (self.tag, self.site) {
            (Some(tag), _) => Culprit::Tag(tag),
            (None, Some(site)) => Culprit::Site(site),
            (None, None) => Culprit::Unknown,
        }
    }

    fn label(&self) -> String {
        texts::slice_edge(self.site.filter(|_| self.tag.is_some()), self.first_hint, self.last_hint)
    }
}

fn slices(report: &PinReport) -> impl Iterator<Item = &PinnedSlice> {
    report.slabs.iter().flat_map(|slab| &slab.slices)
}

/// Slices by group, and within it in the order of the report.
fn by_group(kind_of: &[u32], kinds: &[Kind], groups: &[Group]) -> Vec<u32> {
    let mut next = 0;
    let mut places: Vec<u32> = groups
        .iter()
        .map(|group| {
            let first = next;
            next += group.slices;
            first
        })
        .collect();
    let mut ordered = vec![0; kind_of.len()];
    for (slice, kind) in (0..).zip(kind_of) {
        let place = &mut places[kinds[*kind as usize].group as usize];
        ordered[*place as usize] = slice;
        *place += 1;
    }
    ordered
}

/// The nodes for handles that are not listed, as far as there are any.
fn unlisted(report: &PinReport, texts: &mut Numbers<String>) -> Vec<Unlisted> {
    let untracked: fn(&PinnedSlab) -> bool = |slab| slab.untracked > 0;
    // Whatever is known to be pinned is pinned by something.
    let in_motion: fn(&PinnedSlab) -> bool = |slab| slab.unseen() > 0 || slab.slices.is_empty() && slab.untracked == 0;
    [("(untracked handles)", untracked), ("(handles in motion)", in_motion)]
        .into_iter()
        .map(|(name, pins)| (name, pins, report.slabs.iter().filter(|slab| pins(slab)).count() as u32))
        .filter(|(_, _, slabs)| *slabs > 0)
        .map(|(name, pins, slabs)| Unlisted { text: texts.number(name.to_owned()), pins, slabs })
        .collect()
}

fn parts(slab: &PinnedSlab) -> usize {
    slab.size.div_ceil(PART).min(MAX_PARTS)
}

fn scope_hash(scope: Option<ScopeName>) -> Hash {
    let hash = Hash::of(b"scope");
    scope.map_or(hash, |scope| hash.text(scope.kind().name()).number(scope.id()))
}
