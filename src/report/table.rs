//! Tables and wrapped prose that never leave the width of a terminal.

use core::fmt;

use super::names::{keep_end, keep_start, width};

/// Which side of a column its cells lean to, and what happens when the table is too wide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Text.
    Left,
    /// Figures.
    Right,
    /// Text that gives way when the line is too long: its front is cut (paths).
    Elastic,
}

/// A table whose columns are as wide as their widest cell.
///
/// Rows are measured first and written later, so that a long table need not be held in memory.
pub(super) struct Table<const N: usize> {
    indent: usize,
    columns: [Column; N],
    widths: [usize; N],
}

const GAP: usize = 2;

impl<const N: usize> Table<N> {
    pub(super) fn new(indent: usize, columns: [Column; N]) -> Self {
        Table { indent, columns, widths: [0; N] }
    }

    /// Makes room for `row`.
    pub(super) fn measure(&mut self, row: &[String; N]) {
        for (room, cell) in self.widths.iter_mut().zip(row) {
            *room = (*room).max(width(cell));
        }
    }

    /// Shrinks the elastic column until a row fits in `limit`; call it between the last `measure` and the first
    /// `write`.
    pub(super) fn fit(&mut self, limit: usize) {
        let shown = self.widths.iter().filter(|w| **w > 0).count();
        let total = self.indent + self.widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1);
        let mut over = total.saturating_sub(limit);
        for (room, column) in self.widths.iter_mut().zip(self.columns) {
            if column == Column::Elastic {
                let give = over.min(room.saturating_sub(8));
                *room -= give;
                over -= give;
            }
        }
    }

    /// Writes one row. Columns that are empty throughout take no room.
    pub(super) fn write(&self, lines: &mut Lines<'_, '_>, row: &[String; N]) -> fmt::Result {
        let mut line = " ".repeat(self.indent);
        let mut first = true;
        for ((cell, &room), column) in row.iter().zip(&self.widths).zip(self.columns) {
            if room == 0 {
                continue;
            }
            if !first {
                line.push_str("  ");
            }
            first = false;
            let cell = match column {
                // What is cut off at the front is not the indent.
                Column::Elastic => {
                    let text = cell.trim_start_matches(' ');
                    let indent = (cell.len() - text.len()).min(room);
                    format!("{}{}", &cell[..indent], keep_end(text, room - indent))
                }
                _ => keep_start(cell, room),
            };
            let padding = " ".repeat(room.saturating_sub(width(&cell)));
            if column == Column::Right {
                line.push_str(&padding);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&padding);
            }
        }
        lines.line(&line)
    }
}

/// Writes lines that keep within a width, and ends none of them but to begin the next, so that `println!` fits the
/// whole.
pub(super) struct Lines<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    limit: usize,
    begun: bool,
}

impl<'a, 'f> Lines<'a, 'f> {
    pub(super) fn new(f: &'a mut fmt::Formatter<'f>, limit: usize) -> Self {
        Lines { f, limit, begun: false }
    }

    /// Writes one line, cut at the limit as a last resort.
    pub(super) fn line(&mut self, line: &str) -> fmt::Result {
        if self.begun {
            self.f.write_str("\n")?;
        }
        self.begun = true;
        self.f.write_str(&keep_start(line.trim_end(), self.limit))
    }

    /// Writes a sentence, broken between words where it would pass the limit; what follows is indented by four. A
    /// figure stays with its unit.
    pub(super) fn prose(&mut self, text: &str) -> fmt::Result {
        let mut line = String::new();
        let mut words = text.split(' ').peekable();
        while let Some(word) = words.next() {
            let mut word = word.to_owned();
            while let Some(unit) = words.next_if(|next| is_unit(next)) {
                word.push(' ');
                word.push_str(unit);
            }
            if !line.trim().is_empty() && width(&line) + width(&word) > self.limit {
                self.line(&line)?;
                line = " ".repeat(4);
            }
            line.push_str(&word);
            line.push(' ');
        }
        self.line(&line)
    }
}

fn is_unit(word: &str) -> bool {
    let word = word.trim_end_matches([',', ';', ')']);
    matches!(word, "B" | "KiB" | "MiB" | "GiB" | "TiB" | "PiB" | "EiB" | "ms" | "s" | "min" | "h" | "d" | "%")
}
