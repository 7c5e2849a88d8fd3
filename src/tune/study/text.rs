//! A study as a table of at most 100 columns.

use super::Study;
use super::figure::{count, ns, size};
use crate::tune::study::Row;
use core::fmt;

/// One column: its head, and what stands in it.
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) cells: Vec<String>,
    is_left: bool,
}

impl Study {
    /// What differs between the setups, and what came of it.
    pub(super) fn columns(&self) -> Vec<Column> {
        let column = |head: &'static str, is_left: bool, cell: &dyn Fn(&Row) -> String| Column {
            head,
            cells: self.rows.iter().map(cell).collect(),
            is_left,
        };
        let mut columns = vec![column("slab size", false, &|row| size(row.slab_size() as u64))];
        if self.has_many(Row::policy) {
            columns.push(column("retain", true, &Row::policy));
        }
        if self.has_many(|row| row.reuse().to_owned()) {
            columns.push(column("reuse", true, &|row| row.reuse().to_owned()));
        }
        let time = if self.is_measured() { "ns/alloc" } else { "ns (model)" };
        columns.push(column(time, false, &|row| ns(row.ns_per_alloc())));
        columns.push(column("mean held", false, &|row| size(row.mean_held_bytes())));
        columns.push(column("peak held", false, &|row| size(row.simulated.peak_held_bytes)));
        columns.push(column("at end", false, &|row| {
            size(row.simulated.end_pinned_bytes) + if row.grows { " +" } else { "" }
        }));
        if self.rows.iter().any(|row| row.replayed.as_ref().is_some_and(|run| run.peak_resident_bytes.is_some())) {
            let resident = |row: &Row| row.replayed.as_ref().and_then(|run| run.peak_resident_bytes);
            columns.push(column("resident", false, &|row| resident(row).map_or(String::new(), size)));
        }
        columns.push(column("taken", false, &|row| count(row.simulated.slabs_taken)));
        if self.rows.iter().any(|row| row.simulated.copies > 0) {
            columns.push(column("copies", false, &|row| count(row.simulated.copies)));
        }
        columns
    }
}

/// The table, the recommendation with its reason, and the lines to paste.
impl fmt::Display for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        wrapped(f, &self.headline())?;
        writeln!(f)?;
        let columns = self.columns();
        let width = |column: &Column| {
            let cells = column.cells.iter().map(|cell| cell.chars().count());
            cells.chain([column.head.len()]).max().unwrap_or(0)
        };
        let line = |f: &mut fmt::Formatter<'_>, mark: &str, cell: &dyn Fn(&Column) -> String| {
            let mut text = format!("{mark:2}");
            for column in &columns {
                let (width, cell) = (width(column), cell(column));
                text += &if column.is_left { format!(" {cell:width$} ") } else { format!(" {cell:>width$} ") };
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(f, "", &|column| column.head.to_owned())?;
        for (at, row) in self.rows.iter().enumerate() {
            let best = if self.recommended == Some(at) { ">" } else { " " };
            let front = if row.is_front { "*" } else { " " };
            line(f, &format!("{best}{front}"), &|column| column.cells[at].clone())?;
        }
        writeln!(f)?;
        writeln!(f, "* no other setup is better in ns and mean held at once    > recommended")?;
        for note in self.notes() {
            wrapped(f, &note)?;
        }
        let Some(best) = self.recommended() else { return Ok(()) };
        writeln!(f)?;
        wrapped(f, &format!("Recommended: {}", self.reason()))?;
        writeln!(f)?;
        writeln!(f, "  {}", best.env_line())?;
        let builder = best.builder_line();
        if builder.len() <= 98 {
            return writeln!(f, "  {builder}");
        }
        writeln!(
            f,
            "  {}",
            builder.replace(".retain_policy", "\n      .retain_policy").replace(".reuse", "\n      .reuse")
        )
    }
}

impl Study {
    pub(super) fn headline(&self) -> String {
        let plural = |n: u64, one: &str| format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" });
        let mut text = format!(
            "{}: {}, {}, {}, recorded in {:.1} s",
            self.name.escape_debug(),
            plural(self.allocations, "allocation"),
            plural(self.steps, "step"),
            plural(u64::from(self.threads), "thread"),
            self.millis as f64 / 1000.0
        );
        if self.recorded_size > 0 {
            text += &format!(" with slabs of {}", size(self.recorded_size));
        }
        text
    }

    /// What a reader has to know to read the figures right.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.rows.iter().any(|row| row.grows) {
            notes
                .push("+ it held ever more towards the end: how much depends on how long the program runs.".to_owned());
        }
        if !self.is_measured() {
            notes.push("Times are modelled, not measured: good for an order, not as figures.".to_owned());
        }
        if self.is_cut_short {
            notes.push(
                "The recording ended before it was stopped, for it was full: what came later is not in it.".to_owned(),
            );
        }
        if self.one_in > 1 {
            let so =
                if self.steps > self.recorded_steps { "each stands for as many" } else { "the figures are of those" };
            notes.push(format!("One in {} allocations was recorded: {so}.", count(u64::from(self.one_in))));
        }
        let tags = self.rows.iter().flat_map(|row| &row.setup.retain_tags).collect::<std::collections::BTreeSet<_>>();
        if !tags.is_empty() {
            let tags: Vec<String> = tags.iter().map(|tag| tag.escape_debug().to_string()).collect();
            notes.push(format!("Slices tagged {} count as retained.", tags.join(", ")));
        }
        let approximated = self.rows.iter().filter_map(|row| row.replayed.as_ref()).map(|run| run.approximated_steps);
        let approximated = approximated.max().unwrap_or(0);
        if approximated > 0 {
            notes.push(format!(
                "The replay did {} of {} steps only much as they were recorded.",
                count(approximated),
                count(self.steps)
            ));
        }
        notes
    }
}

/// Writes text in lines of at most 100 columns.
fn wrapped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut line = String::new();
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > 100 && !line.is_empty() {
            writeln!(f, "{line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(f, "{line}")
}
