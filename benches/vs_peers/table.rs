//! The figures as tables, for the terminal and for the chapter: the same text.

use crate::faster;
use crate::options::ALLOCATORS;
use crate::results::{About, Results, texts};
use crate::targets;
use std::fmt::Write as _;

/// What an operation is, for readers.
const OPS: [(&str, &str, &str); 17] = [
    (
        "clone",
        "A clone, by the owner",
        "A read of 64 bytes is cloned, and the clone dropped, by the thread that made the read.",
    ),
    (
        "slice",
        "A slice, by the owner",
        "8 to 39 bytes of a read of 64 are sliced, and the slice dropped, by the thread that made the read.",
    ),
    (
        "split_to",
        "A split, by the owner",
        "The first 8 to 39 bytes are split off what is left of a read of 4 KiB, and dropped.",
    ),
    (
        "clone_old",
        "A clone, on an old slab",
        "A read is cloned and the clone dropped by the thread that made the read, long after that: the slab is left to its slices.",
    ),
    (
        "clone_elsewhere",
        "A clone, elsewhere",
        "A read is cloned and the clone dropped by another thread than the one that made the read and still fills the slab.",
    ),
    ("chain", "The chain", "Room for 4 KiB, 64 bytes written, made shareable, cloned, sliced; all three dropped."),
    ("alloc_64", "A read of 64 bytes", "Room for 4 KiB, 64 bytes written, made shareable, dropped."),
    ("alloc_full", "A read of 1,500 bytes", "Room for 1,500 bytes, all of it written, made shareable, dropped."),
    (
        "large_slabs",
        "A read of 1,500 bytes, slabs of 10 MiB",
        "The same, where those that have slabs have slabs of 10 MiB: who goes on to the end before beginning anew goes through that much memory.",
    ),
    ("request", "A request", "Room for 4 KiB, 1 KiB written, made shareable, eight slices of it; all nine dropped."),
    (
        "fifo_64",
        "A window, the oldest goes: 64 bytes",
        "1,024 reads are alive, each with room for 4 KiB and 64 bytes written. A new one takes the place of the oldest.",
    ),
    ("fifo_full", "A window, the oldest goes: 4 KiB", "The same, each read of 4 KiB full."),
    (
        "random_64",
        "A window, a random one goes: 64 bytes",
        "1,024 reads are alive, each with room for 4 KiB and 64 bytes written. A new one takes the place of a random one.",
    ),
    ("random_full", "A window, a random one goes: 4 KiB", "The same, each read of 4 KiB full."),
    (
        "cross_64",
        "Dropped by another thread: 64 bytes",
        "Room for 4 KiB, 64 bytes written, made shareable; sent over a bounded ring in batches of 64, and dropped there. Nothing is subtracted: the ring is in it.",
    ),
    (
        "cross_full",
        "Dropped by another thread: 1,500 bytes",
        "Room for 1,500 bytes, all of it written, made shareable; sent and dropped likewise.",
    ),
    (
        "two_threads",
        "Two threads at once",
        "Two threads make the chain at the same time, each with reads of its own; bufslab's have one pool.",
    ),
];

/// An operation's title.
pub fn title(op: &str) -> &str {
    OPS.iter().find(|(name, ..)| *name == op).map_or(op, |(_, title, _)| title)
}

/// Everything, for the terminal.
pub fn all(results: &Results, about: &About) -> String {
    format!("{}\n\n{}\n\n{}\n\n{}", made(about), targets(results, about), faster::text(results), ops(results))
}

/// A few words on where the figures are from.
pub fn made(about: &About) -> String {
    let passes = if about.passes == 1 { "1 pass".to_owned() } else { format!("{} passes", about.passes) };
    let warning = if about.quick { "\n\nMade with `--quick`: these figures mean nothing.\n" } else { "" };
    format!(
        "{}; {}; {}. {passes} of each allocator's program, on {}.{warning}",
        about.machine,
        about.allocators.join(", "),
        texts(&about.peers).join(", "),
        about.date,
    )
}

/// The targets.
pub fn targets(results: &Results, about: &About) -> String {
    let mut text = format!(
        "| target | limit | {} | compared with | | floor of the machine |\n|---|--:|{}---|---|---|\n",
        ALLOCATORS.join(" | "),
        "--:|".repeat(ALLOCATORS.len())
    );
    for line in targets::lines(results, about) {
        let targets::Line { target, limit, figures, against, met, floor } = line;
        let _ = writeln!(text, "| {target} | {limit} | {} | {against} | {met} | {floor} |", figures.join(" | "));
    }
    text
}

/// A table for each operation.
pub fn ops(results: &Results) -> String {
    let tables: Vec<String> = results.ops().into_iter().map(|op| of_op(results, op)).collect();
    tables.join("\n\n")
}

fn of_op(results: &Results, op: &str) -> String {
    let what = OPS.iter().find(|(name, ..)| *name == op).map_or("", |(_, _, what)| what);
    let allocators = results.allocators();
    let mut text = format!(
        "### {}\n\n`{op}`: {what}\n\n| ns | {} | {} |\n|---|{}\n",
        title(op),
        allocators.join(" | "),
        allocators.iter().map(|name| format!("ratio, {name}")).collect::<Vec<_>>().join(" | "),
        "--:|".repeat(2 * allocators.len()),
    );
    let best = results.best_peer(op);
    for who in results.who(op) {
        let rows: Vec<_> = allocators.iter().map(|allocator| results.row(op, who, allocator)).collect();
        let ns = rows.iter().map(|row| {
            row.map_or("–".to_owned(), |row| {
                let is_best = best.is_some_and(|best| best.who == row.who && best.allocator == row.allocator);
                let mark = if is_best { "**" } else { "" };
                let spread = (row.max - row.min) / 2.0 / row.ns * 100.0;
                match row.passes {
                    1 => format!("{mark}{:.1}{mark}", row.ns),
                    _ => format!("{mark}{:.1}{mark} ± {spread:.0} %", row.ns),
                }
            })
        });
        let ratios = rows.iter().map(|row| row.map_or("–".to_owned(), |row| format!("{:.2}", row.ratio)));
        let cells: Vec<String> = ns.chain(ratios).collect();
        let ranked = rows.iter().flatten().any(|row| row.peer);
        let mark = if ranked { " ◆" } else { "" };
        let _ = writeln!(text, "| {who}{mark} | {} |", cells.join(" | "));
    }
    text.trim_end().to_owned()
}
