//! Figures for people.

/// Three digits, with a unit that suits.
pub fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{} ns", digits(ns)),
        ns if ns < 1e6 => format!("{} µs", digits(ns / 1e3)),
        ns if ns < 1e9 => format!("{} ms", digits(ns / 1e6)),
        ns => format!("{} s", digits(ns / 1e9)),
    }
}

/// `1.23`, `12.3`, `123`.
pub fn digits(figure: f64) -> String {
    // The sum of nothing is -0.
    match figure + 0.0 {
        figure if figure < 9.995 => format!("{figure:.2}"),
        figure if figure < 99.95 => format!("{figure:.1}"),
        figure => count(figure),
    }
}

/// `1,234,567`.
pub fn count(figure: f64) -> String {
    let text = format!("{:.0}", figure + 0.0);
    let mut shown = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `12.3 M`.
pub fn rate(figure: f64) -> String {
    match figure {
        figure if figure >= 1e9 => format!("{} G", digits(figure / 1e9)),
        figure if figure >= 1e6 => format!("{} M", digits(figure / 1e6)),
        figure if figure >= 1e3 => format!("{} k", digits(figure / 1e3)),
        figure => digits(figure),
    }
}

/// A text table with columns as wide as they have to be; the first one to the left.
pub fn text_table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The same for Markdown. Of the columns, the first `left` go to the left.
pub fn markdown_table(rows: &[Vec<String>], left: usize) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let Some((head, rows)) = rows.split_first() else { return String::new() };
    let rule: Vec<&str> = (0..head.len()).map(|at| if at < left { "---" } else { "--:" }).collect();
    format!("{}|{}|\n{}", line(head), rule.join("|"), rows.iter().map(line).collect::<String>())
}
