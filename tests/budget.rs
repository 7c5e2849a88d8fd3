//! What the diagnostics themselves use stays within what they were given, and is reported.
#![allow(missing_docs)]

use bufslab::{SlabBytes, SlabPool};

const PINS: usize = if cfg!(miri) { 1_000 } else { 10_000_000 };
const BUDGET: usize = if cfg!(miri) { 16 << 10 } else { 32 << 20 };
/// Headers are not refused: without one there is no slab.
const HEADERS: usize = if cfg!(miri) { 64 << 10 } else { 1 << 20 };

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: guests look through all segments of a slab, which takes hours here")]
fn ten_million_pins_within_the_budget() {
    let pool = SlabPool::builder().name("many").max_ledger_bytes(BUDGET).build().unwrap();
    let _scope = pool.scope("holder", 1);
    let mut read = pool.alloc(60_000);
    read.extend_from_slice(&[0; 60_000]);
    let slice = read.freeze().tag("everyone's");
    let kept: Vec<SlabBytes> = (0..PINS).map(|n| slice.slice(n % 30_000..n % 30_000 + 20)).collect();

    let stats = pool.stats();
    assert_eq!(stats.handles as usize, PINS + 1, "all are counted");
    assert!(stats.ledger_bytes <= BUDGET + HEADERS, "{} of {BUDGET}", stats.ledger_bytes);
    let report = pool.report();
    let totals = &report.totals;
    assert_eq!(totals.ledger_bytes, pool.stats().ledger_bytes, "it is in the report");
    assert_eq!(totals.slices + totals.untracked, PINS + 1, "what is not listed is counted");
    // A slot is 32 bytes and its note 16: the budget is used, and not for something else.
    assert!(totals.slices * 64 > BUDGET / 2, "only {} are listed", totals.slices);
    assert!(totals.names_bytes > 0 && totals.names_bytes < 1 << 20, "{}", totals.names_bytes);
    assert!(report.to_string().contains("untracked"), "{report}");

    // On a thread of its own as well, whose slots are others.
    let there = std::thread::scope(|threads| {
        threads.spawn(|| (0..1000).map(|_| slice.clone()).collect::<Vec<_>>()).join().unwrap()
    });
    assert!(pool.stats().ledger_bytes <= BUDGET + HEADERS);
    drop((kept, there, slice));
    assert_eq!(pool.stats().handles, 0, "and nothing is lost");
    assert!(pool.report().is_empty());
}
