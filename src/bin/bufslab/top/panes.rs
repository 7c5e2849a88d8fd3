//! The two lists: groups, and the slabs that they pin.

use std::collections::HashSet;

use bufslab::report::{Holder, PinnedSlab, PinnedSlice};
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

    let cut = if state.by == By::Site { Cut::Front } else { Cut::Middle };
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
        let name = format!(" {}", shortened(&row.name, name_room.saturating_sub(1), cut));
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

/// Which part of a name may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Of paths.
    Front,
    /// Of names, which share a beginning as often as an end.
    Middle,
    /// Of sentences.
    End,
}

/// `name` within `room` columns.
fn shortened(name: &str, room: usize, cut: Cut) -> String {
    let width = |text: &str| Span::raw(text).width();
    if width(name) <= room {
        return name.to_owned();
    }
    let room = room.saturating_sub(1);
    let tail_room = match cut {
        Cut::Front => room,
        Cut::Middle => room / 3,
        Cut::End => 0,
    };
    let tail = fitting(name.chars().rev(), tail_room).chars().rev().collect::<String>();
    let head = if cut == Cut::Front { String::new() } else { fitting(name.chars(), room - width(&tail)) };
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
            Span::styled(shortened(&names::holder(holder), usize::from(area.width / 2), Cut::Middle), theme.accent()),
            Span::styled(if state.position().is_some() { " pins " } else { " pinned: it is gone " }, theme.faint()),
        ],
        None => vec![Span::styled(" slabs, most waste first ", theme.faint())],
    };
    // The last two take what is left.
    let is_wide = area.width >= 100;
    let used_room = if is_wide { 10 } else { 0 };
    let columns: [(&str, u16); 6] =
        [("slab", 12), ("size", 9), ("used", used_room), ("waste", 7), ("slices", 7), ("age", 8)];
    let fixed: u16 = columns.iter().map(|(_, width)| width + 1).sum();
    let rest = area.width.saturating_sub(fixed + 4);
    let by_room = (rest * 3 / 5).min(40);
    let map_room = rest.saturating_sub(by_room + u16::from(by_room > 0));
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
        let by = shortened(&pinned_by(slab), usize::from(by_room), Cut::End);
        let rest = [Cell::from(by), Cell::from(Line::from(map))];
        TableRow::new(cells.into_iter().chain(figures.into_iter().map(right)).chain(rest))
    });
    let header = columns.iter().enumerate().map(|(at, (name, _))| {
        let name = Span::styled(if at == 0 { format!(" {name}") } else { (*name).to_owned() }, theme.faint());
        if at == 0 { Cell::from(name) } else { right(name) }
    });
    let header = header.chain(["pinned by", "where"].map(|name| Cell::from(Span::styled(name, theme.faint()))));
    let widths = columns.iter().map(|(_, width)| *width).chain([by_room, map_room]).map(Constraint::Length);
    let mut block = boxed(heading, theme);
    // The list itself is cut; a group that is gone has none.
    let all = match (&state.selected, state.position()) {
        (None, _) => state.report.slabs.len(),
        (Some(_), at) => at.map_or(0, |at| state.rows[at].blame.slabs),
    };
    if all > shown {
        block = block.title_bottom(Line::styled(format!(" and {} more ", all - shown), theme.faint()).right_aligned());
    }
    let table = Table::new(rows, widths).header(TableRow::new(header)).column_spacing(1).flex(Flex::Start).block(block);
    frame.render_widget(table, area);
}

/// Who keeps a slab: the first of its holders and how many more there are, their owner if they have one, and what else is
/// to be said of it.
fn pinned_by(slab: &PinnedSlab) -> String {
    let who = |slice: &PinnedSlice| match (slice.tag, slice.site) {
        (Some(tag), _) => Holder::Tag(tag),
        (None, Some(site)) => Holder::Site(site),
        (None, None) => Holder::NoSite,
    };
    let holders: HashSet<Holder> = slab.slices.iter().map(who).collect();
    let mut parts = Vec::new();
    match (slab.slices.first(), holders.len()) {
        (None, _) => {}
        (Some(first), 1) => parts.push(names::holder(&who(first))),
        (Some(first), n) => parts.push(format!("{} and {} more", names::holder(&who(first)), n - 1)),
    }
    let scope = slab.slices.first().and_then(|slice| slice.scope);
    if let Some(scope) = scope.filter(|_| slab.slices.iter().all(|slice| slice.scope == scope)) {
        parts.push(format!("in {}", names::holder(&Holder::Scope(scope))));
    }
    if slab.untracked > 0 {
        parts.push(format!("{} unlisted", slab.untracked));
    }
    if slab.foreign {
        parts.push("(foreign)".to_owned());
    }
    if slab.suspect {
        parts.push("(suspect)".to_owned());
    }
    if slab.attached {
        parts.push("(attached)".to_owned());
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_where_it_hurts_least() {
        assert_eq!(shortened("req.head", 8, Cut::Middle), "req.head");
        assert_eq!(shortened("conn.upgrade.request.first", 12, Cut::Middle), "conn.upg…rst");
        assert_eq!(shortened("examples/live_console/main.rs:42:7", 12, Cut::Front), "…ain.rs:42:7");
        assert_eq!(shortened("req.head in ws_session 42", 12, Cut::End), "req.head in…");
        assert_eq!(shortened("日本語日本語", 7, Cut::Middle), "日本…語");
        assert_eq!(shortened("abc", 0, Cut::Middle), "…");
    }
}
