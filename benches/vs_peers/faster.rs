//! Where others are faster than bufslab with its defaults, and by how much: every operation with every allocator, none left out.

use crate::results::{Results, Row};
use crate::table::title;
use crate::targets::DEFAULT;
use std::fmt::Write as _;

/// bufslab with one allocator, and the fastest of some others with whichever is best for it.
struct Pair<'a> {
    ours: &'a Row,
    theirs: &'a Row,
}

impl Pair<'_> {
    fn ratio(&self) -> f64 {
        self.ours.ns / self.theirs.ns
    }

    /// As a line of the text: what, with which allocator, how long, and against whom.
    fn told(&self) -> String {
        let Pair { ours, theirs } = self;
        format!(
            "**{:.2}**, {} (`{}`) with {}: {:.1} ns, and {} with {} {:.1} ns",
            self.ratio(),
            title(&ours.op),
            ours.op,
            ours.allocator,
            ours.ns,
            theirs.who,
            theirs.allocator,
            theirs.ns
        )
    }
}

/// What the chapter and the terminal show of it.
pub fn text(results: &Results) -> String {
    let peers = pairs(results, Results::best_peer);
    let (Some(worst), Some(best)) = (peers.first(), peers.last()) else {
        return String::from("Nothing was compared.");
    };
    let mut text = format!("* The worst ratio: {}.\n* The best ratio: {}.\n\n", worst.told(), best.told());

    let slower = above_one(&peers);
    if slower.is_empty() {
        let _ =
            write!(text, "No peer is faster in any operation, with none of the allocators ({} in all).", peers.len());
    } else {
        let _ = write!(
            text,
            "A peer is faster in {} of {} (each operation with each allocator), by ratio:\n\n{}",
            slower.len(),
            peers.len(),
            table(slower, "the fastest peer")
        );
    }

    let others = pairs(results, Results::best_unranked);
    let slower = above_one(&others);
    if others.is_empty() {
        return text;
    }
    if slower.is_empty() {
        let _ = write!(
            text,
            "\n\nNeither `Vec` nor `opool` is faster in any of the {} that they take part in.",
            others.len()
        );
    } else {
        let _ = write!(
            text,
            "\n\nEven `Vec` or `opool`, which do not rank since what they return has one owner, are faster in {} of the {} that they \
             take part in. The ratio here is to the fastest of them:\n\n{}",
            slower.len(),
            others.len(),
            table(slower, "the fastest of them")
        );
    }
    text
}

/// bufslab with its defaults in each operation and with each allocator, the worst ratio first.
fn pairs<'a>(results: &'a Results, best: impl Fn(&'a Results, &str) -> Option<&'a Row>) -> Vec<Pair<'a>> {
    let ours = results.rows.iter().filter(|row| row.who == DEFAULT);
    let mut pairs: Vec<_> = ours.filter_map(|ours| Some(Pair { ours, theirs: best(results, &ours.op)? })).collect();
    pairs.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
    pairs
}

fn above_one<'a>(pairs: &'a [Pair<'a>]) -> &'a [Pair<'a>] {
    // They are sorted.
    &pairs[..pairs.partition_point(|pair| pair.ratio() > 1.0)]
}

fn table(pairs: &[Pair], by_whom: &str) -> String {
    let mut text = format!(
        "| operation | | bufslab's allocator | ratio | bufslab | {by_whom} | its allocator | its time | difference |\n\
         |---|---|---|--:|--:|---|---|--:|--:|\n"
    );
    for pair in pairs {
        let Pair { ours, theirs } = pair;
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {:.2} | {:.1} ns | {} | {} | {:.1} ns | {:.1} ns |",
            title(&ours.op),
            ours.op,
            ours.allocator,
            pair.ratio(),
            ours.ns,
            theirs.who,
            theirs.allocator,
            theirs.ns,
            ours.ns - theirs.ns
        );
    }
    text.trim_end().to_owned()
}
