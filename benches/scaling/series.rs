//! Every series: what it is called, what one operation of it is, and where it is shown.

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axis {
    Threads,
    Slices,
    Clones,
    Parked,
    Slabs,
    Owners,
    Tags,
    Scopes,
}

impl Axis {
    pub fn unit(self) -> &'static str {
        match self {
            Axis::Threads => "threads",
            Axis::Slices => "live slices",
            Axis::Clones => "live clones of one slice",
            Axis::Parked => "parked slices",
            Axis::Slabs => "pinned slabs",
            Axis::Owners => "threads with slabs",
            Axis::Tags => "tags",
            Axis::Scopes => "scopes",
        }
    }
}

/// One panel of a chart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panel {
    pub chart: &'static str,
    pub title: &'static str,
    pub axis: Axis,
}

const fn panel(chart: &'static str, title: &'static str, axis: Axis) -> Panel {
    Panel { chart, title, axis }
}

pub const OWN: Panel = panel("threads", "Each thread its own buffers", Axis::Threads);
pub const RANDOM: Panel = panel("threads", "Each thread its own buffers, random lifetimes", Axis::Threads);
pub const SHARE: Panel = panel("threads", "All threads share one slice", Axis::Threads);
pub const PAIRS: Panel = panel("threads", "Made by one thread, dropped by another", Axis::Threads);
pub const OPERATIONS: Panel = panel("slices", "One operation, at random among the live slices", Axis::Slices);
pub const FANOUT: Panel = panel("slices", "One more clone of one slice", Axis::Clones);
pub const QUESTIONS: Panel = panel("slices", "Questions about all of them", Axis::Slices);
pub const COMPACTION: Panel = panel("slices", "Compaction by policy", Axis::Parked);
pub const SLABS: Panel = panel("populations", "Pinned slabs, one slice on each", Axis::Slabs);
pub const OWNERS: Panel = panel("populations", "Living threads that own a slab", Axis::Owners);
pub const TAGS: Panel = panel("populations", "Distinct tags, same number of slices", Axis::Tags);
pub const SCOPES: Panel = panel("populations", "Distinct scopes, same number of slices", Axis::Scopes);

/// In the order of the chapter.
pub const PANELS: [Panel; 12] =
    [OWN, RANDOM, SHARE, PAIRS, OPERATIONS, FANOUT, QUESTIONS, COMPACTION, SLABS, OWNERS, TAGS, SCOPES];
pub const CHARTS: [&str; 3] = ["threads", "slices", "populations"];

pub struct Series {
    pub name: &'static str,
    pub axis: Axis,
    pub panel: Panel,
    /// What is timed.
    pub operation: &'static str,
    /// One call looks at everything: its time is shown for each of what there is as well.
    pub over_all: bool,
}

const fn series(panel: Panel, name: &'static str, operation: &'static str) -> Series {
    Series { name, axis: panel.axis, panel, operation, over_all: false }
}

const fn call(panel: Panel, name: &'static str, operation: &'static str) -> Series {
    Series { name, axis: panel.axis, panel, operation, over_all: true }
}

const BUFFER: &str = "allocate, fill 1,024 bytes, freeze, clone, slice, drop all three";
const REPLACE: &str = "allocate, fill 1,024 bytes, freeze; drop one of 1,024 at random";
const CLONE: &str = "clone and drop";
const PASS: &str = "allocate, fill 1,024 bytes, freeze; drop elsewhere";

pub const ALL: &[Series] = &[
    series(OWN, "threads/own/one pool", BUFFER),
    series(OWN, "threads/own/pool each", BUFFER),
    series(OWN, "threads/own/bytes", BUFFER),
    series(OWN, "threads/own/bytes split", BUFFER),
    series(RANDOM, "threads/random/one pool", REPLACE),
    series(RANDOM, "threads/random/pool each", REPLACE),
    series(RANDOM, "threads/random/bytes", REPLACE),
    series(SHARE, "threads/share/bufslab", CLONE),
    series(SHARE, "threads/share/bytes", CLONE),
    series(PAIRS, "threads/pairs/one pool", PASS),
    series(PAIRS, "threads/pairs/pool each", PASS),
    series(PAIRS, "threads/pairs/bytes", PASS),
    series(PAIRS, "threads/pairs/bytes split", PASS),
    series(OPERATIONS, "slices/read", "read one byte: what the caches cost alone"),
    series(OPERATIONS, "slices/alloc", "allocate 16 bytes"),
    series(OPERATIONS, "slices/freeze", "freeze what was just allocated"),
    series(OPERATIONS, "slices/free", "drop what was just allocated"),
    series(OPERATIONS, "slices/clone", "clone one of the live slices"),
    series(OPERATIONS, "slices/slice", "slice one of the live slices"),
    series(OPERATIONS, "slices/drop", "drop such a clone or slice"),
    series(FANOUT, "fanout/owner", "clone, by the thread that owns the slab"),
    series(FANOUT, "fanout/guest", "clone, by another thread"),
    series(FANOUT, "fanout/bytes", "clone a `Bytes`"),
    call(QUESTIONS, "slices/stats", "one `pool.stats()`"),
    call(QUESTIONS, "slices/report", "one `pool.report()`"),
    call(QUESTIONS, "slices/maintain", "one `pool.maintain()` with nothing to do"),
    call(COMPACTION, "compact/too young", "one `pool.compact()` that finds every slab too young"),
    call(COMPACTION, "compact/worth it", "one `pool.compact()` that finds every slab worth keeping"),
    call(COMPACTION, "compact/move", "one `pool.compact()` that moves every slice"),
    call(COMPACTION, "compact/pack", "one `pool.compact()` that moves every slice, those of one slab together"),
    series(SLABS, "slabs/alloc", "allocate 4 KiB, a new slab each 16, and drop"),
    series(SLABS, "slabs/take", "take a slab and give it back"),
    call(SLABS, "slabs/stats", "one `pool.stats()`"),
    call(SLABS, "slabs/report", "one `pool.report()`"),
    series(OWNERS, "owners/alloc", "allocate 4 KiB and drop"),
    series(OWNERS, "owners/first", "the first allocation of another thread"),
    call(OWNERS, "owners/stats", "one `pool.stats()`"),
    call(OWNERS, "owners/report", "one `pool.report()`"),
    series(TAGS, "tags/look up", "`Tag::new` of a name that is known"),
    series(TAGS, "tags/report", "one `pool.report()`"),
    series(TAGS, "tags/text", "one report written as text"),
    series(TAGS, "tags/plan", "one `report.compact_plan()`"),
    series(SCOPES, "scopes/open", "open and enter a new scope, and leave it"),
    series(SCOPES, "scopes/again", "enter a scope by its name, and leave it"),
    series(SCOPES, "scopes/held", "enter a scope that is held, and leave it"),
    series(SCOPES, "scopes/report", "one `pool.report()`"),
];

pub fn find(name: &str) -> Option<&'static Series> {
    ALL.iter().find(|series| series.name == name)
}
