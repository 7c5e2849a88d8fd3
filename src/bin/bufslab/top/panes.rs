//! The two lists: groups, and the slabs that they pin.

use bufslab::report::{Holder, PinnedSlab};
use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Row as TableRow, Table};

use super::chart;
use super::draw::boxed;
use super::history::TABLES;
use super::plain::{growth, title};
use super::state::{Row, Sort, State, TREND};
use super::theme::Theme;
use crate::args::By;
use crate::names;
use crate::units::{bytes, percent, span};

/// A column of the table: its heading, how wide, from which width of the screen on it is there, and what its cells say.
struct Column {
    heading: &'static str,
    width: u16,
    from: u16,
    sort: Option<Sort>,
    cell: fn(&Row, Theme) -> Span<'static>,
}

const COLUMNS: [Column; 7] = [
    Column {
        heading: "slices",
        width: 9,
        from: 60,
        sort: Some(Sort::Slices),
        cell: |row, _| Span::raw(row.blame.slices.to_string()),
    },
    Column { heading: "slabs", width: 8, from: 100, sort: None, cell: |row, _| Span::raw(row.blame.slabs.to_string()) },
    Column { heading: "used", width: 10, from: 80, sort: Some(Sort::Used), cell: |row, _| used(row) },
    Column {
        heading: "alone",
        width: 10,
        from: 72,
        sort: Some(Sort::Alone),
        cell: |row, _| Span::raw(bytes(row.blame.exclusive_bytes)),
    },
    Column {
        heading: "share",
        width: 10,
        from: 0,
        sort: Some(Sort::Share),
        cell: |row, theme| Span::styled(bytes(row.blame.amortised_bytes), theme.strong()),
    },
    Column { heading: "growth", width: 13, from: 48, sort: Some(Sort::Growth), cell: rate },
    Column {
        heading: "trend",
        width: TREND as u16 + 1,
        from: 88,
        sort: None,
        cell: |row, theme| Span::styled(chart::trend(&row.trend, TREND), theme.accent()),
    },
];

fn used(row: &Row) -> Span<'static> {
    match row.blame.holder {
        Holder::Untracked | Holder::InMotion => Span::raw("unknown"),
        _ => Span::raw(bytes(row.blame.live_bytes)),
    }
}

fn rate(row: &Row, theme: Theme) -> Span<'static> {
    let style = row.growth.map_or(theme.faint(), |rate| theme.growth(rate, row.blame.amortised_bytes));
    Span::styled(growth(row.growth), style)
}

pub fn table(frame: &mut Frame<'_>, state: &mut State, theme: Theme, area: Rect) {
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| area.width >= column.from).collect();
    let figures: u16 = columns.iter().map(|column| column.width + 1).sum();
    let name_room = usize::from(area.width.saturating_sub(figures + 2)).max(8);
    // Without the box and the heading.
    state.page = usize::from(area.height.saturating_sub(3));
    state.scroll();

    let sorted = |column: &Column| column.sort == Some(state.sort);
    let heading = |column: &&Column| {
        let (mark, style) = if sorted(column) { ("▾", theme.accent()) } else { ("", theme.faint()) };
        right(Span::styled(format!("{}{mark}", column.heading), style))
    };
    let header = [Cell::from(Span::styled(format!(" {}", title(state.by)), theme.faint()))]
        .into_iter()
        .chain(columns.iter().map(heading));
    let selected = state.position();
    let rows = state.rows.iter().enumerate().skip(state.offset).take(state.page).map(|(at, row)| {
        let name = format!(" {}", shortened(&row.name, name_room.saturating_sub(1), state.by == By::Site));
        let cells = columns.iter().map(|column| right((column.cell)(row, theme)));
        let style = if selected == Some(at) { theme.cursor() } else { Style::new() };
        TableRow::new([Cell::from(name)].into_iter().chain(cells)).style(style)
    });
    let widths = [Constraint::Length(name_room as u16)]
        .into_iter()
        .chain(columns.iter().map(|column| Constraint::Length(column.width)));
    let more = state.rows.len().saturating_sub(state.offset + state.page);
    let mut block = boxed(tabs(state.by, theme), theme);
    if more > 0 {
        block = block.title_bottom(Line::styled(format!(" and {more} more below "), theme.faint()).right_aligned());
    }
    let table = Table::new(rows, widths).header(TableRow::new(header)).column_spacing(1).flex(Flex::Start).block(block);
    frame.render_widget(table, area);
}

fn right(span: Span<'static>) -> Cell<'static> {
    Cell::from(Text::from(Line::from(span).right_aligned()))
}

/// The names of all tables with their keys, the present one marked.
fn tabs(by: By, theme: Theme) -> Line<'static> {
    let tab = |table: By| {
        let (before, key, after) = match table {
            By::Tag => ("", "t", "ags"),
            By::Scope => ("s", "c", "opes"),
            By::Kind => ("", "g", "roups of scopes"),
            By::Site => ("s", "i", "tes"),
            By::Thread => ("t", "h", "reads"),
        };
        let style = if table == by { theme.cursor().patch(theme.strong()) } else { theme.faint() };
        let key_style = if table == by { style } else { theme.accent() };
        [
            Span::styled(format!(" {before}"), style),
            Span::styled(key, key_style),
            Span::styled(format!("{after} "), style),
        ]
    };
    Line::from(TABLES.into_iter().flat_map(tab).collect::<Vec<_>>())
}

/// `name` within `room` columns; of a path the end counts, of anything else both ends.
fn shortened(name: &str, room: usize, is_path: bool) -> String {
    let width = |text: &str| Span::raw(text).width();
    if width(name) <= room {
        return name.to_owned();
    }
    let room = room.saturating_sub(1);
    let tail_room = if is_path { room } else { room / 3 };
    let tail = fitting(name.chars().rev(), tail_room).chars().rev().collect::<String>();
    let head = if is_path { String::new() } else { fitting(name.chars(), room - width(&tail)) };
    format!("{head}…{tail}")
}

/// As many characters as fit into `room` columns.
fn fitting(characters: impl Iterator<Item = char>, room: usize) -> String {
    let mut text = String::new();
    for c in characters {
        text.push(c);
        if Span::raw(text.as_str()).width() > room {
            text.pop();
            break;
        }
    }
    text
}

pub fn slabs(frame: &mut Frame<'_>, state: &State, theme: Theme, area: Rect) {
    let shown = usize::from(area.height.saturating_sub(3));
    let heading = match &state.selected {
        Some(holder) => vec![
            Span::styled(" slabs that ", theme.faint()),
            Span::styled(shortened(&names::holder(holder), usize::from(area.width / 2), false), theme.accent()),
            Span::styled(" pins ", theme.faint()),
        ],
        None => vec![Span::styled(" slabs, most waste first ", theme.faint())],
    };
    let columns: [(&str, u16); 6] = [("slab", 12), ("size", 9), ("used", 10), ("waste", 7), ("slices", 7), ("age", 8)];
    let fixed: u16 = columns.iter().map(|(_, width)| width + 1).sum();
    let state_room = if area.width >= 100 { 12 } else { 0 };
    let map_room = area.width.saturating_sub(fixed + state_room + 4);
    let rows = state.slabs.iter().take(shown).map(|&at| {
        let slab = &state.report.slabs[at];
        let figures = [
            Span::raw(bytes(slab.size)),
            Span::raw(if slab.slices.is_empty() { "unknown".to_owned() } else { bytes(slab.live_bytes) }),
            Span::styled(percent(slab.waste_bytes, slab.size), theme.waste(slab.waste_bytes, slab.size)),
            Span::raw(slab.slices.len().to_string()),
            Span::raw(span(slab.age.max())),
        ];
        let cells = [Cell::from(format!(" {}.{}", slab.id, slab.generation))];
        let map = chart::map(slab, state.selected.as_ref(), usize::from(map_room), theme);
        let rest = [Cell::from(Span::styled(remark(slab), theme.faint())), Cell::from(Line::from(map))];
        TableRow::new(cells.into_iter().chain(figures.into_iter().map(right)).chain(rest))
    });
    let header = columns.iter().enumerate().map(|(at, (name, _))| {
        let name = Span::styled(if at == 0 { format!(" {name}") } else { (*name).to_owned() }, theme.faint());
        if at == 0 { Cell::from(name) } else { right(name) }
    });
    let header = header.chain([Cell::from(""), Cell::from(Span::styled("where its live slices lie", theme.faint()))]);
    let widths = columns.iter().map(|(_, width)| *width).chain([state_room, map_room]).map(Constraint::Length);
    let mut block = boxed(heading, theme);
    // The list itself is cut.
    let all = state.position().map_or(state.report.slabs.len(), |at| state.rows[at].blame.slabs);
    if all > shown {
        block = block.title_bottom(Line::styled(format!(" and {} more ", all - shown), theme.faint()).right_aligned());
    }
    let table = Table::new(rows, widths).header(TableRow::new(header)).column_spacing(1).flex(Flex::Start).block(block);
    frame.render_widget(table, area);
}

fn remark(slab: &PinnedSlab) -> String {
    match (slab.attached, slab.suspect, slab.untracked) {
        (_, true, _) => "suspect".to_owned(),
        (true, false, _) => "attached".to_owned(),
        (false, false, 0) => String::new(),
        (false, false, n) => format!("{n} unlisted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_it_hurts_least() {
        assert_eq!(shortened("req.head", 8, false), "req.head");
        assert_eq!(shortened("conn.upgrade.request.first", 12, false), "conn.upg…rst");
        assert_eq!(shortened("examples/live_console/main.rs:42:7", 12, true), "…ain.rs:42:7");
        assert_eq!(shortened("日本語日本語", 7, false), "日本…語");
        assert_eq!(shortened("abc", 0, false), "…");
    }
}
