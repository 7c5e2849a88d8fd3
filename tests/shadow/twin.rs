//! The naive twin: for each handle a `Vec` of the bytes it must show, and what it must pin.

use crate::source::Recorded;
use bufslab::{Level, RetainPolicy, SlabBytes, SlabBytesMut, SlabPool, SliceKind};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Weak};

/// What the pool of one case is told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) slab_size: usize,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) idle_bytes: usize,
    pub(crate) zero: bool,
    pub(crate) level: Level,
    /// Whether the level is switched while the case runs.
    pub(crate) switches_level: bool,
    /// Whether each action is printed.
    pub(crate) tells: bool,
    pub(crate) policy: RetainPolicy,
}

pub(crate) enum Handle {
    Mut(SlabBytesMut),
    Shared(SlabBytes),
    Foreign(Bytes),
}

/// A slice that lives on as `Bytes`, whatever number of handles that has.
pub(crate) struct Export {
    pub(crate) slab: usize,
    pub(crate) range: Range<usize>,
    pub(crate) tag: Option<&'static str>,
    pub(crate) tracked: bool,
}

impl std::fmt::Debug for Twin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Twin { tracked, tag, start, ever_shared, .. } = self;
        let reach = self.reach();
        let skipped = start.map(|start| reach.start - start);
        let hold = match &self.hold {
            Hold::Nothing => 0,
            Hold::Slab(slab) => *slab,
            Hold::Export(export) => export.slab,
        };
        write!(f, "{:?} of {} bytes at {reach:x?} in {hold:x}, ", self.kind(), self.bytes.len())?;
        write!(f, "tracked {tracked}, tag {tag:?}, skipped {skipped:?}, shared {ever_shared}")
    }
}

/// What keeps a handle's bytes alive.
#[derive(Clone)]
pub(crate) enum Hold {
    /// No slab of the pool.
    Nothing,
    /// The slab that starts at this address, as a slice of its own.
    Slab(usize),
    /// The slab behind an exported slice.
    Export(Arc<Export>),
}

pub(crate) struct Twin {
    pub(crate) handle: Handle,
    pub(crate) bytes: Vec<u8>,
    pub(crate) hold: Hold,
    /// Whether its slab has slots.
    pub(crate) tracked: bool,
    pub(crate) tag: Option<&'static str>,
    /// Where the region of a writable handle starts; skipped bytes belong to it. `None` where that cannot be told from
    /// outside: a buffer may quietly have taken back what was split off before it.
    pub(crate) start: Option<usize>,
    /// Whether another handle may have had a view of the same bytes.
    pub(crate) ever_shared: bool,
}

impl Twin {
    pub(crate) fn address(&self) -> usize {
        match &self.handle {
            Handle::Mut(m) => m.as_ptr().addr(),
            Handle::Shared(s) => s.as_ptr().addr(),
            Handle::Foreign(b) => b.as_ptr().addr(),
        }
    }

    /// Addresses that this handle can reach.
    pub(crate) fn reach(&self) -> Range<usize> {
        let start = self.address();
        match &self.handle {
            Handle::Mut(m) => start..start + m.capacity(),
            Handle::Shared(s) => start..start + s.len(),
            Handle::Foreign(b) => start..start + b.len(),
        }
    }

    pub(crate) fn shown(&self) -> &[u8] {
        match &self.handle {
            Handle::Mut(m) => m,
            Handle::Shared(s) => s,
            Handle::Foreign(b) => b,
        }
    }

    fn kind(&self) -> SliceKind {
        match &self.handle {
            Handle::Mut(_) => SliceKind::Mut,
            Handle::Shared(_) => SliceKind::Shared,
            Handle::Foreign(_) => SliceKind::Exported,
        }
    }

    /// Another handle that holds what this one holds.
    pub(crate) fn sibling(&self, handle: Handle, bytes: Vec<u8>) -> Twin {
        let Twin { tracked, tag, start, ever_shared, .. } = *self;
        Twin { handle, bytes, hold: self.hold.clone(), tracked, tag, start, ever_shared }
    }

    /// Leaves an empty handle.
    pub(crate) fn take_handle(&mut self) -> Handle {
        std::mem::replace(&mut self.handle, Handle::Shared(SlabBytes::new()))
    }

    /// A handle that pins no slab has no name.
    pub(crate) fn settled(mut self) -> Twin {
        if matches!(self.hold, Hold::Nothing) {
            self.tag = None;
        }
        self
    }
}

/// A pool, its handles and their twins.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) pool: Option<SlabPool>,
    pub(crate) source: Recorded,
    pub(crate) twins: Vec<Twin>,
    pub(crate) exports: Vec<Weak<Export>>,
    pub(crate) next_byte: u8,
    /// The largest slab size there was.
    pub(crate) largest_slab: usize,
}

/// One slice as the twin expects it in a report: end, kind, tag; and its length where that is known.
type Expected = ((usize, u8, Option<&'static str>), Option<usize>);

/// One slab as the twin expects it.
#[derive(Default)]
struct ExpectedSlab {
    size: usize,
    untracked: usize,
    slices: Vec<Expected>,
}

fn kind_number(kind: SliceKind) -> u8 {
    match kind {
        SliceKind::Mut => 0,
        SliceKind::Shared => 1,
        _ => 2,
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end && !a.is_empty() && !b.is_empty()
}

impl World {
    pub(crate) fn new(config: Config) -> World {
        let source = Recorded::default();
        let mut builder = SlabPool::builder()
            .slab_size(config.slab_size)
            .idle_bytes(config.idle_bytes)
            .zero_on_recycle(config.zero)
            .tracking(config.level)
            .retain_policy(config.policy)
            .source(source.clone());
        if let Some(max) = config.max_bytes {
            builder = builder.max_bytes(max);
        }
        let pool = Some(builder.build().unwrap());
        let largest_slab = config.slab_size;
        World { config, pool, source, twins: Vec::new(), exports: Vec::new(), next_byte: 0, largest_slab }
    }

    /// Everything the case promises, at any moment at which no thread moves. The sums only if the `whole` is to be looked at.
    pub(crate) fn check(&self, whole: bool) {
        for twin in &self.twins {
            self.check_handle(twin);
        }
        let (_, bytes, peak) = self.source.out();
        if let Some(max) = self.config.max_bytes {
            assert!(peak <= max, "{peak} bytes were out of at most {max}");
        }
        if let Some(pool) = self.pool.as_ref().filter(|_| whole) {
            self.check_report(pool, self.expected_slabs(), bytes);
        }
    }

    fn check_handle(&self, twin: &Twin) {
        assert!(
            twin.shown() == &twin.bytes[..],
            "{} bytes differ: {:?}, not {:?}",
            twin.bytes.len(),
            twin.shown(),
            twin.bytes
        );
        let direct = match twin.hold {
            Hold::Slab(slab) => slab,
            Hold::Nothing | Hold::Export(_) => return,
        };
        let size = self.source.size_of(direct);
        let reach = twin.reach();
        assert!(direct <= reach.start && reach.end <= direct + size, "a handle beyond its slab");
        let (retained, tag) = match &twin.handle {
            Handle::Mut(m) => (m.retained_size(), m.tag_name()),
            Handle::Shared(s) => {
                assert!(!s.is_compact(), "a slice that pins a slab is not compact");
                (s.retained_size(), s.tag_name())
            }
            Handle::Foreign(_) => unreachable!("`Bytes` hold by an export"),
        };
        assert_eq!(retained, size, "retained_size");
        assert_eq!(tag.map(|tag| tag.name()), twin.tag.filter(|_| twin.tracked), "tag");
    }

    /// What a report must list, by slab.
    fn expected_slabs(&self) -> Vec<ExpectedSlab> {
        let mut slabs: BTreeMap<usize, ExpectedSlab> = BTreeMap::new();
        let mut add = |slab: usize, tracked: bool, expected: Expected| {
            let entry = slabs.entry(slab).or_default();
            entry.size = self.source.size_of(slab);
            if tracked { entry.slices.push(expected) } else { entry.untracked += 1 }
        };
        for twin in &self.twins {
            let Hold::Slab(slab) = twin.hold else { continue };
            let reach = twin.reach();
            let start = if matches!(twin.handle, Handle::Mut(_)) { twin.start } else { Some(reach.start) };
            let key = (reach.end - slab, kind_number(twin.kind()), twin.tag);
            add(slab, twin.tracked, (key, start.map(|start| reach.end - start)));
        }
        for export in self.exports.iter().filter_map(Weak::upgrade) {
            let key = (export.range.end - export.slab, kind_number(SliceKind::Exported), export.tag);
            add(export.slab, export.tracked, (key, Some(export.range.len())));
        }
        let mut slabs: Vec<ExpectedSlab> = slabs.into_values().collect();
        for slab in &mut slabs {
            slab.slices.sort_unstable();
        }
        // Slabs with a length that is not known come last: the others take their counterparts first.
        slabs.sort_by_key(|slab| slab.slices.iter().any(|(_, len)| len.is_none()));
        slabs
    }

    fn check_report(&self, pool: &SlabPool, expected: Vec<ExpectedSlab>, source_bytes: usize) {
        let (report, stats) = (pool.report(), pool.stats());
        let totals = &report.totals;
        assert_eq!((totals.in_motion, totals.clipped), (0, 0), "nothing moves and nothing is out of bounds");
        let handles: usize = expected.iter().map(|slab| slab.slices.len() + slab.untracked).sum();
        let pinned: usize = expected.iter().map(|slab| slab.size).sum();
        assert_eq!(
            (stats.handles, stats.pinned_slabs, stats.pinned_bytes),
            (handles as u64, expected.len(), pinned),
            "stats"
        );
        assert_eq!((totals.slabs, totals.pinned_bytes), (expected.len(), pinned), "totals");
        assert_eq!(totals.slices + totals.untracked, handles);
        assert_eq!(totals.untracked, expected.iter().map(|slab| slab.untracked).sum::<usize>(), "untracked");
        assert_eq!(stats.memory_bytes, source_bytes, "memory_bytes");
        assert_eq!(
            (totals.memory_bytes, totals.idle_bytes, totals.ledger_bytes),
            (stats.memory_bytes, stats.idle_bytes, stats.ledger_bytes)
        );
        assert!(stats.memory_bytes >= stats.pinned_bytes + stats.idle_bytes, "{stats:?}");
        assert!(stats.idle_bytes <= self.config.idle_bytes, "{stats:?}");

        let mut live = 0;
        let mut unmatched: Vec<_> = report.slabs.iter().collect();
        for expected in expected {
            let at = unmatched.iter().position(|slab| matches(&expected, slab));
            let at = at.unwrap_or_else(|| {
                panic!(
                    "no slab of {} bytes with {} untracked and {:?} in\n{report:#}",
                    expected.size, expected.untracked, expected.slices
                )
            });
            let slab = unmatched.swap_remove(at);
            assert!(slab.untracked == 0 || slab.level == Level::Off, "untracked at {}", slab.level);
            assert_eq!(slab.live_bytes, union(slab.slices.iter().map(|slice| slice.offset..slice.offset + slice.len)));
            live += slab.live_bytes;
            for (i, mine) in slab.slices.iter().enumerate().filter(|(_, slice)| slice.kind == SliceKind::Mut) {
                let range = mine.offset..mine.offset + mine.len;
                for (_, other) in slab.slices.iter().enumerate().filter(|&(j, _)| i != j) {
                    let theirs = other.offset..other.offset + other.len;
                    assert!(!overlap(&range, &theirs), "{range:?} is writable, and {theirs:?} overlaps it");
                }
            }
        }
        assert!(unmatched.is_empty(), "the report lists more slabs: {unmatched:?}");
        assert_eq!((totals.live_bytes, totals.waste_bytes), (live, pinned - live));
    }

    /// Whether another handle can reach bytes of this one.
    pub(crate) fn is_overlapped(&self, twin: &Twin) -> bool {
        let reach = twin.reach();
        self.twins.iter().any(|other| overlap(&reach, &other.reach()))
            || self.exports.iter().filter_map(Weak::upgrade).any(|export| overlap(&reach, &export.range))
    }
}

fn matches(expected: &ExpectedSlab, slab: &bufslab::report::PinnedSlab) -> bool {
    if (slab.size, slab.untracked, slab.slices.len()) != (expected.size, expected.untracked, expected.slices.len()) {
        return false;
    }
    let mut listed: Vec<Expected> = slab
        .slices
        .iter()
        .map(|s| ((s.offset + s.len, kind_number(s.kind), s.tag.map(|tag| tag.name())), Some(s.len)))
        .collect();
    listed.sort_unstable();
    // Writable slices do not overlap, so no two of them have one end: the two lists run in step.
    expected.slices.iter().zip(&listed).all(|(e, l)| e.0 == l.0 && (e.1.is_none() || e.1 == l.1))
}

fn union(ranges: impl Iterator<Item = Range<usize>>) -> usize {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut end, mut sum) = (0, 0);
    for range in ranges {
        sum += range.end.saturating_sub(range.start.max(end));
        end = end.max(range.end);
    }
    sum
}
