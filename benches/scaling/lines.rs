//! Every memory line and every lock that more than one thread writes: where it is, who writes it, how often, and what keeps it from
//! being a bottleneck, if anything does.
//!
//! A list in prose would outlive what it describes. So each entry names files and fields, and [`missing`] looks for them in the sources.

use std::fs;
use std::path::Path;

/// One line, or a few that are written together.
pub struct Line {
    pub name: &'static str,
    /// Files, and what is declared there.
    pub places: &'static [(&'static str, &'static str)],
    /// Who writes it, on what, and how often.
    pub written: &'static str,
    /// What was done about it, or is not done.
    pub done: &'static str,
}

const fn line(
    name: &'static str,
    places: &'static [(&'static str, &'static str)],
    written: &'static str,
    done: &'static str,
) -> Line {
    Line { name, places, written, done }
}

/// Those of slices first, then of slabs, then of threads, then of what is asked seldom.
pub const LINES: &[Line] = &[
    line(
        "state",
        &[("src/raw/header.rs", "state")],
        "each clone, slice and drop of a slice by a thread that does not own its slab, or after its owner has left it: one each; \
         the owner once a slab, when it leaves it",
        "on lines of its own. The bias keeps the owner's own operations out of it: they are counted in a word of its own. A slice that all \
         cores clone is one line for all of them, as with `Arc`: not done",
    ),
    line(
        "slot",
        &[("src/raw/slot.rs", "extent")],
        "its handle, when it is made and when it goes; another thread's drop leaves `FREED` in it, which the allocator of the segment \
         collects when its list is empty",
        "one writer at a time, and no read-modify-write. Two slots share 64 bytes, so a drop elsewhere may take the line from \
         who is at the neighbour: between two threads, not among all",
    ),
    line(
        "segment",
        &[("src/raw/segment.rs", "owner"), ("src/raw/segment.rs", "header"), ("src/raw/segment.rs", "free")],
        "`owner` and `header` when slab or segment change hands; `free` by the one thread that allocates from it",
        "one allocator for each segment: no thread takes slots from another's list. `free` is beside `owner`, which others read: \
         written once for thirty slots that are taken in turn, and for each that the owner drops out of turn. The first slot is there too",
    ),
    line(
        "own",
        &[("src/raw/header.rs", "word: AtomicU64"), ("src/raw/header.rs", "cursor: AtomicU32")],
        "the slab's owner, each handle. Read by `stats` and `report`, once a slab",
        "on lines of its own, and only loads and stores. A question takes it away from the owner once",
    ),
    line(
        "fixed",
        &[
            ("src/raw/header.rs", "growth"),
            ("src/raw/header.rs", "segments"),
            ("src/raw/header.rs", "unlisted"),
            ("src/raw/header.rs", "limit"),
        ],
        "`growth` is locked when a thread makes its first handle on another's slab, and for each segment of 30 further ones; when a slab is \
         attached that has segments of other threads; `segments` with it; `unlisted` for each handle past the ledger's budget; \
         `limit` up to three times a slab of 64 KiB, and the rest once, by its owner",
        "threads remember their segment on eight slabs of others. The lock and `unlisted` are on the line that the owner's fast \
         path reads (`owner`, `depth`, `limit`): not done, and felt only where many threads take few handles each of one slab",
    ),
    line(
        "notes",
        &[("src/raw/segment.rs", "notes"), ("src/raw/notes.rs", "first_hint")],
        "a segment's first handle in a scope, or with a hint or a stack; then each of these handles, its own note",
        "one writer at a time. `first_hint` takes one read-modify-write for each touch",
    ),
    line(
        "berth",
        &[("src/raw/berth.rs", "word")],
        "each reader of a parked slice that does not own its slab: twice; whoever moves or drops it: once",
        "the owner of the slab reads without. One slice that all cores read while it is parked is one line for all: not done",
    ),
    line(
        "copy",
        &[("src/raw/owned.rs", "refs")],
        "each clone and drop of a detached slice: one each",
        "as `Bytes` does it. Not done",
    ),
    line(
        "clock",
        &[("src/sync/clock.rs", "LAST")],
        "read for each slab that is attached or begun anew in place, and each recorded event; written when the tick is another one: once in \
         10 ms, by whoever is first",
        "never for a slice, and no store as long as the tick is the same",
    ),
    line(
        "flags",
        &[("src/raw/ledger.rs", "closed"), ("src/raw/ledger.rs", "wanted"), ("src/raw/log.rs", "open")],
        "each slab that is attached, and each hole that is cut from: `open` and `closed` are read by a read-modify-write each, of which \
         that of `open`, whose result nobody wants, is compiled to nothing on x86-64; with `max_bytes`, `wanted` too, once a slab",
        "nothing is written by it: the read-modify-write orders it. A store and a full fence would, and leave the line with \
         all readers: not done. The three are on one line or two",
    ),
    line(
        "headers",
        &[("src/raw/ledger.rs", "headers"), ("src/raw/ledger.rs", "rotor")],
        "locked by each search for a partly filled slab, for a copy of 16 addresses; by each new header; by stats, report \
         and all other questions, for a copy of the list",
        "searches that find nothing are left out more and more; the headers, which are never freed, are glanced at without the lock",
    ),
    line(
        "tries",
        &[("src/pool/around.rs", "skipped"), ("src/pool/around.rs", "misses")],
        "each search for a partly filled slab: three stores",
        "once a slab at most, and no read-modify-write: what two threads count at once may be counted once. Could be each \
         thread's own: not done",
    ),
    line(
        "pool bytes",
        &[("src/raw/ledger.rs", "memory_bytes"), ("src/raw/ledger.rs", "ledger_bytes")],
        "each slab taken from the source or given back; each segment and header that is made",
        "idle slabs are kept, so a steady load takes none. On the line of `headers`: not done",
    ),
    line(
        "spare",
        &[
            ("src/raw/ledger.rs", "spare_headers"),
            ("src/raw/ledger.rs", "spare_segments"),
            ("src/raw/ledger.rs", "full_segments"),
        ],
        "each slab taken or given back; each segment beyond the first four of a slab (120 handles), when taken and when the slab is \
         empty: a lock each",
        "slabs keep four segments. With thousands of tiny slices a slab it is a lock for each 30 of them: not done",
    ),
    line(
        "pool count",
        &[("src/raw/ledger.rs", "home"), ("src/pool/mod.rs", "SlabPool")],
        "the pool's `Arc`: a clone of the pool; each slab that is emptied by its last slice",
        "on lines of its own. Never for alloc, clone, slice and drop, nor for `retain` and `Bytes`: the policy is in the ledger",
    ),
    line(
        "magazine",
        &[("src/pool/magazine.rs", "shelves")],
        "its thread, each slab that goes into it or comes out: a lock. Others only for idle memory that they give back or lack",
        "one for each thread and pool, on lines of its own",
    ),
    line(
        "depot",
        &[("src/pool/depot.rs", "shared")],
        "each slab that a thread needs or gives back when its magazine has none or is full: a lock. A thread that only drops has \
         no magazine: each slab that it empties",
        "magazines of four come first, and where nothing is idle nobody asks. The lock is on the line of the first magazines' \
         addresses: not done, and easily avoided",
    ),
    line(
        "idle bytes",
        &[("src/pool/depot.rs", "bytes")],
        "each slab that becomes idle, and each idle one that is taken, by magazine or not. Read before the depot is locked",
        "on lines of its own. One account for all threads: not done",
    ),
    line(
        "counts",
        &[("src/pool/core.rs", "taken"), ("src/pool/core.rs", "reused"), ("src/pool/core.rs", "recycled")],
        "each slab that changes hands: one read-modify-write, two in all for a slab that is emptied and taken again",
        "never for a slice; resets in place are counted in the slab's own header. Could be each thread's own: not done",
    ),
    line(
        "pools",
        &[("src/pool/registry.rs", "POOLS")],
        "read-locked by an empty buffer that grows; by each thread that needs another slab after a pool was dropped, once for each pool \
         that the thread uses. Written when a pool is made or dropped",
        "whether a pool was dropped is asked of a counter on a line of its own",
    ),
    line(
        "pools gone",
        &[("src/pool/registry.rs", "GONE")],
        "read by each thread that needs another slab. Written when a pool is dropped",
        "it has a line of its own",
    ),
    line(
        "sizer",
        &[("src/pool/adapt.rs", "state")],
        "with `Auto`, each eighth slab of a thread: a lock. Otherwise never",
        "threads tell what they saw in batches. The lock is on the line of the pool's id, which each allocation reads: not done",
    ),
    line(
        "log",
        &[("src/raw/log.rs", "allocations"), ("src/raw/log.rs", "book")],
        "while something is recorded: each allocation counts, and each event of a recorded handle takes a lock",
        "nothing while nothing is recorded. `one_in` makes events rare; the count stays",
    ),
    line(
        "tags",
        &[("src/track/tag.rs", "NAMES")],
        "read-locked by each `Tag::new`: each slice that is tagged by a name in text",
        "a `Tag` that is kept costs nothing. By name it is one line for all cores: not done",
    ),
    line(
        "scopes",
        &[("src/track/scope.rs", "TABLE")],
        "`pool.scope()`: read-locked and locked; and locked once more when the last handle of a scope goes",
        "a `Scope` that is kept is entered without. By name it is one lock for all cores: not done",
    ),
    line(
        "scope count",
        &[("src/track/scope.rs", "Arc<Open>")],
        "each clone of a `Scope` and each entry into one: two",
        "one for each scope: contended where many threads enter the same one. Not done",
    ),
    line(
        "stacks",
        &[("src/track/trace.rs", "STORE")],
        "each stack that is recorded: a lock",
        "only at a level with stacks, and for suspects",
    ),
    line(
        "threads",
        &[("src/sync/thread.rs", "ALIVE"), ("src/sync/thread.rs", "NEXT")],
        "each thread's first use of any pool and its end: a lock each. Read under the lock by who finds a segment of another thread \
         on a slab",
        "never by a thread that is settled, except on others' slabs",
    ),
    line("uids", &[("src/sync/real.rs", "NEXT")], "each pool and each header that is made", "headers are used again"),
    line(
        "magazine numbers",
        &[("src/pool/magazine.rs", "numbers")],
        "each thread's first idle slab of a pool, and its end: a lock each; who looks through all magazines",
        "once for each thread and pool",
    ),
    line(
        "waiters",
        &[("src/pool/waiters.rs", "waiting")],
        "at the limit: each request that waits and each slab that comes back while somebody does: a lock",
        "only at the limit, where memory is what there is too little of",
    ),
    line(
        "marks, quotas, holders",
        &[("src/pool/pressure.rs", "passed"), ("src/pool/quota.rs", "struck"), ("src/pool/holders.rs", "due")],
        "when a mark is passed; each allocation off the fast path while a scope is refused memory; each error at the limit",
        "nothing while none of these is set or reached",
    ),
    line(
        "decay",
        &[("src/pool/depot.rs", "due"), ("src/pool/depot.rs", "owing")],
        "once in each interval of `idle_decay`",
        "one thread does it, by one compare and exchange",
    ),
    line(
        "foreign",
        &[("src/raw/foreign.rs", "kept"), ("src/raw/header.rs", "life")],
        "each `Bytes` that is adopted: the lock of its slab, `growth`",
        "one lock for each foreign slab, held for a look through what it keeps",
    ),
    line(
        "sources",
        &[("src/raw/source/region.rs", "Mutex"), ("src/raw/source/huge.rs", "fetch_add")],
        "each slab taken from such a source or given back",
        "idle slabs are kept",
    ),
];

/// Entries that name what is not in the sources.
pub fn missing() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for line in LINES {
        for (file, name) in line.places {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            if !text.contains(name) {
                missing.push(format!("{}: there is no {name} in {file}", line.name));
            }
        }
    }
    missing
}
