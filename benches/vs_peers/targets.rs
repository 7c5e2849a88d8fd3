//! The targets, and whether they are met.

use crate::options::ALLOCATORS;
use crate::results::{About, Results};

/// bufslab as it is by default, and without tracking.
pub const DEFAULT: &str = "bufslab";
const OFF: &str = "bufslab, off";

const PLAIN_COUNT: &str = "machine: plain count up and down";
const LISTED: &str = "machine: a handle listed";
const COPY_LISTED: &str = "machine: copy, listed";
const COPY_LISTED_THREE: &str = "machine: copy, listed three times";
const TWO_RMWS: &str = "machine: two atomic RMWs";
const LISTED_SENT: &str = "machine: copy, listed, sent";

/// bufslab is to take at most so much of what the best peer takes.
struct Ratio {
    name: &'static str,
    op: &'static str,
    limit: f64,
    /// What the machine takes for the least that has to be done.
    floor: &'static str,
}

#[rustfmt::skip]
const RATIOS: [Ratio; 12] = [
    Ratio { name: "clone and drop, by the owner", op: "clone", limit: 0.20, floor: LISTED },
    Ratio { name: "slice and drop, by the owner", op: "slice", limit: 0.20, floor: LISTED },
    Ratio { name: "chain: read, clone, slice, drop all", op: "chain", limit: 0.22, floor: COPY_LISTED_THREE },
    Ratio { name: "read of 64 bytes, dropped", op: "alloc_64", limit: 0.25, floor: COPY_LISTED },
    Ratio { name: "read of 1,500 bytes, dropped", op: "alloc_full", limit: 0.90, floor: COPY_LISTED },
    Ratio { name: "read of 64 bytes, dropped by another thread", op: "cross_64", limit: 0.40, floor: LISTED_SENT },
    Ratio { name: "read of 1,500 bytes, dropped by another thread", op: "cross_full", limit: 0.40, floor: LISTED_SENT },
    Ratio { name: "window of 1,024, the oldest goes: 64 bytes", op: "fifo_64", limit: 0.50, floor: COPY_LISTED },
    Ratio { name: "window of 1,024, the oldest goes: 4 KiB", op: "fifo_full", limit: 1.00, floor: COPY_LISTED },
    Ratio { name: "window of 1,024, a random one goes: 64 bytes", op: "random_64", limit: 0.50, floor: COPY_LISTED },
    Ratio { name: "window of 1,024, a random one goes: 4 KiB", op: "random_full", limit: 1.00, floor: COPY_LISTED },
    Ratio { name: "clone and drop, on an old slab", op: "clone_old", limit: 1.00, floor: TWO_RMWS },
];

/// Listing every slice with its site is to cost at most so many nanoseconds a handle.
const TRACKING: f64 = 1.7;
/// Operations to see that in, and how many handles each makes.
const HANDLES: [(&str, &str, f64); 6] = [
    ("a clone", "clone", 1.0),
    ("a slice", "slice", 1.0),
    ("a read of 64 bytes", "alloc_64", 1.0),
    ("the chain, each of its three handles", "chain", 3.0),
    ("a read of 64 bytes, the oldest of 1,024 goes", "fifo_64", 1.0),
    ("a read of 64 bytes, a random one of 1,024 goes", "random_64", 1.0),
];

/// The ledger is to take at most so many percent of its slabs, with reads of 4 KiB.
const LEDGER: f64 = 6.0;

/// A line of the table.
pub struct Line {
    pub target: String,
    pub limit: String,
    /// For each allocator.
    pub figures: Vec<String>,
    pub against: String,
    pub met: String,
    pub floor: String,
}

/// All targets, with what was measured.
pub fn lines(results: &Results, about: &About) -> Vec<Line> {
    let mut lines: Vec<Line> = RATIOS.iter().filter_map(|target| ratio(results, target)).collect();
    lines.extend(HANDLES.iter().filter_map(|of| tracking(results, *of)));
    lines.extend(about.footprint.as_array().into_iter().flatten().enumerate().filter_map(|(at, load)| {
        let percent = load["percent"].as_f64()?;
        Some(Line {
            target: format!("ledger, of its slabs: {}", load["load"].as_str()?),
            limit: if at == 0 { format!("≤ {LEDGER} %") } else { String::from("none") },
            figures: vec![format!("{percent:.1} %"); ALLOCATORS.len()],
            against: String::from("–"),
            met: if at == 0 { verdict(&[percent <= LEDGER]) } else { String::from("–") },
            floor: String::from("–"),
        })
    }));
    lines
}

fn ratio(results: &Results, target: &Ratio) -> Option<Line> {
    let best = results.best_peer(target.op)?;
    let ratios = with_each(|allocator| Some(results.row(target.op, DEFAULT, allocator)?.ratio));
    let met: Vec<bool> = ratios.iter().flatten().map(|ratio| *ratio <= target.limit).collect();
    let floor = with_each(|allocator| Some(results.row(target.op, target.floor, allocator)?.ns));
    let floor = floor.into_iter().flatten().fold(f64::MAX, f64::min);
    Some(Line {
        target: target.name.to_owned(),
        limit: format!("≤ {:.2}", target.limit),
        figures: ratios.iter().map(|ratio| ratio.map_or_else(unknown, |ratio| format!("{ratio:.2}"))).collect(),
        against: format!("{} with {}, {:.1} ns", best.who, best.allocator, best.ns),
        floor: floor_of(target.floor, floor, &met, Some(best.ns)),
        met: verdict(&met),
    })
}

fn tracking(results: &Results, (name, op, handles): (&str, &str, f64)) -> Option<Line> {
    let costs = with_each(|allocator| {
        let with = results.row(op, DEFAULT, allocator)?.ns;
        let without = results.row(op, OFF, allocator)?.ns;
        Some((with - without) / handles)
    });
    let met: Vec<bool> = costs.iter().flatten().map(|cost| *cost <= TRACKING).collect();
    let floor = with_each(|allocator| Some(results.row(op, PLAIN_COUNT, allocator)?.ns));
    let floor = floor.into_iter().flatten().fold(f64::MAX, f64::min);
    (!met.is_empty()).then(|| Line {
        target: format!("tracking, for {name}"),
        limit: format!("≤ {TRACKING} ns"),
        figures: costs.iter().map(|cost| cost.map_or_else(unknown, |cost| format!("{cost:.1} ns"))).collect(),
        against: String::from("bufslab at `Level::Off`"),
        floor: floor_of(PLAIN_COUNT, floor, &met, None),
        met: verdict(&met),
    })
}

/// For each allocator, whether it was run or not.
fn with_each<T>(figure: impl Fn(&str) -> Option<T>) -> Vec<Option<T>> {
    ALLOCATORS.into_iter().map(figure).collect()
}

fn unknown() -> String {
    String::from("–")
}

/// A target is met if it is with every allocator.
fn verdict(met: &[bool]) -> String {
    match met.iter().filter(|met| **met).count() {
        count if count == met.len() => String::from("met"),
        0 => String::from("**not met**"),
        count => format!("**not met**: with {count} of {} allocators", met.len()),
    }
}

/// What bounds a target that is not met.
fn floor_of(name: &str, ns: f64, met: &[bool], best: Option<f64>) -> String {
    let name = name.trim_start_matches("machine: ");
    match best {
        _ if met.iter().all(|met| *met) || ns == f64::MAX => unknown(),
        Some(best) => format!("{name}: {ns:.1} ns, {:.2}", ns / best),
        None => format!("{name}: {ns:.1} ns"),
    }
}
