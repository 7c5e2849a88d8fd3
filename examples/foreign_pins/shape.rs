//! One shape: measured, shown in a report, ended, and measured again.

use super::heap;
use super::kept::Kept;
use anyhow::{Result, ensure};
use bufslab::{Foreign, SlabBytes, SlabPool};
use std::collections::BTreeMap;
use std::fmt;

/// What today's release of the crate does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The values pin the buffers they were read into.
    Pinned,
    /// The crate copies the values out of its buffers.
    Copied,
}

/// A line of the table.
pub(crate) struct Row {
    version: String,
    what: &'static str,
    expect: Expect,
    len: usize,
    before: usize,
    after: usize,
}

/// A value that pins less than this beyond itself is not worth a word.
const WORTH_A_WORD: usize = 2048;
/// What a value of its own may take beside its bytes: the header of a shared allocation, a capacity rounded up.
const OVERHEAD: usize = 128;

/// Measures what `kept` keep allocated, shows it, and ends it.
pub(crate) fn measure<T: Kept>(
    name: &'static str,
    what: &'static str,
    tag: &'static str,
    expect: Expect,
    mut kept: Vec<T>,
) -> Result<Row> {
    let version = format!("{name} {}", version_of(name));
    println!("== {version}: {what}, {} kept\n", kept.len());
    let seen = show(tag, &kept)?;

    let with = heap::live();
    let compacted: bufslab::Compacted = kept.iter_mut().map(|value| value.compact_in_place()).sum();
    let ended = heap::live();
    let len = kept.iter().map(|value| value.bytes().len()).sum::<usize>() / kept.len();
    kept.iter_mut().for_each(Kept::empty);
    let without = heap::live();

    let each = |live: usize| live.saturating_sub(without) / kept.len();
    let row = Row { version, what, expect, len, before: each(with), after: each(ended) };
    println!("\ncompact_in_place {compacted}");
    println!("allocated for each kept value: {} bytes before, {} after\n", row.before, row.after);
    // The report is to say what the allocator says: allocations once each, not more than there is, and nearly all of it.
    let counted = with.saturating_sub(without);
    ensure!(seen <= counted, "the report shows {seen} bytes of {counted} that are there");
    ensure!(expect == Expect::Copied || seen > counted / 10 * 9, "the report shows only {seen} bytes of {counted}");
    Ok(row)
}

/// Adopts the values into a pool and prints who pins what. Returns the foreign bytes that its report shows.
fn show<T: Kept>(tag: &'static str, kept: &[T]) -> Result<usize> {
    let pool = SlabPool::builder().name("adopted").build()?;
    // One `Foreign` for each allocation, so that it is counted once however many values lie in it.
    let mut allocations: BTreeMap<usize, Foreign> = BTreeMap::new();
    let mut adopted: Vec<SlabBytes> = Vec::new();
    for bytes in kept.iter().map(Kept::bytes) {
        // A small allocation of its own: listing it would say that it pins itself.
        let Some((start, size)) = heap::allocation_of(&bytes) else { continue };
        let allocation = allocations.entry(start).or_insert_with(|| pool.foreign(size));
        adopted.push(allocation.adopt(bytes, tag));
    }
    let report = pool.report();
    // The verdict, what was adopted, the advice and the first table; the whole would fill several screens.
    for line in report.to_string().lines().take_while(|line| !line.trim_start().starts_with("by site")) {
        println!("  {line}");
    }
    let Some(worst) = report.slabs.first() else { return Ok(0) };
    println!("  worst: a foreign slab of {} bytes, pinned by", worst.size);
    for slice in worst.slices.iter().take(3) {
        println!("    {} bytes of {}", slice.len, slice.tag.map_or("(untagged)", |tag| tag.name()));
    }
    // The other end: what is kept through the pool is let go by its policy.
    let retained: Vec<SlabBytes> = adopted.into_iter().map(SlabBytes::retain).collect();
    let left = pool.stats().foreign_bytes;
    ensure!(left == 0, "{} slices were retained, and {left} bytes are still pinned", retained.len());
    println!("  after `retain` on each of them: {left} bytes of others pinned");
    Ok(report.totals.foreign_bytes)
}

impl Row {
    pub(crate) const HEADER: &str = "\
| crate | kept | its bytes | keeps allocated | after `compact_in_place` |
|---|---|---:|---:|---:|";

    /// What did not go as it should.
    pub(crate) fn failure(&self) -> Option<String> {
        let Row { version, what, expect, len, before, after } = self;
        let pins = *before >= len + WORTH_A_WORD;
        if pins != (*expect == Expect::Pinned) {
            let not = if pins { "" } else { "not " };
            return Some(format!("{version}, {what}: {not}pinned: {before} bytes for {len}"));
        }
        let ended = *after <= len + OVERHEAD;
        (!ended).then(|| format!("{version}, {what}: not ended: {after} bytes for {len}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { version, what, len, before, after, .. } = self;
        write!(f, "| {version} | {what} | {len} | {before} | {after} |")
    }
}

/// The version that is built in, as the lock file has it.
pub(crate) fn version_of(name: &str) -> &'static str {
    let mut lines = include_str!("../../Cargo.lock").lines();
    let wanted = format!("name = \"{name}\"");
    lines.find(|line| *line == wanted);
    lines.next().and_then(|line| line.split('"').nth(1)).unwrap_or("of an unknown version")
}
