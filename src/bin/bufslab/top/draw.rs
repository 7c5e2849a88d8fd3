//! The screen, from top to bottom: a title, the sums over time, one line for all memory, the table, the slabs, the advice.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::chart;
use super::panes;
use super::plain::growth;
use super::state::State;
use super::theme::Theme;
use crate::names::harmless;
use crate::units::{bytes, percent, span};
use crate::watch::advice_line;

pub fn screen(frame: &mut Frame<'_>, state: &mut State, theme: Theme) {
    let area = frame.area();
    let tall = area.height;
    // What does not fit goes, the least telling first: charts, the memory line, the slabs.
    let charts = if tall >= 22 { 6 } else { 0 };
    let memory = u16::from(tall >= 12);
    let lists = tall.saturating_sub(charts + memory + 3);
    // The table has what it needs, up to three fifths, and the slabs the rest.
    let table = (state.rows.len() + 3).clamp(5, usize::from(lists * 3 / 5).max(5)) as u16;
    let slabs = if tall >= 16 { lists.saturating_sub(table) } else { 0 };
    let advice = u16::from(tall >= 8);
    let [title, sums, memory, table, slabs, advice, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(charts),
        Constraint::Length(memory),
        Constraint::Min(3),
        Constraint::Length(slabs),
        Constraint::Length(advice),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(title_line(state, theme, title.width), title);
    if sums.height > 0 {
        draw_sums(frame, state, theme, sums);
    }
    frame.render_widget(memory_line(state, theme, memory.width), memory);
    panes::table(frame, state, theme, table);
    if slabs.height > 0 {
        panes::slabs(frame, state, theme, slabs);
    }
    frame.render_widget(advice_text(state, theme), advice);
    frame.render_widget(keys(theme), footer);
    if state.help {
        draw_help(frame, theme, area);
    }
}

/// A box with rounded corners and this title.
pub fn boxed<'a>(title: impl Into<Line<'a>>, theme: Theme) -> Block<'a> {
    Block::bordered().border_type(BorderType::Rounded).border_style(theme.faint()).title(title.into())
}

fn title_line(state: &State, theme: Theme, width: u16) -> Line<'static> {
    let report = &state.report;
    let mut left = vec![
        Span::styled(" bufslab top ", theme.cursor()),
        Span::styled(format!(" {} ", harmless(&report.pool)), theme.accent().patch(theme.strong())),
        Span::raw(format!("at {}  ", state.source)),
        Span::styled(format!("tracking {}, up {}", report.level, span(report.uptime)), theme.faint()),
    ];
    let right = match (&state.trouble, state.paused) {
        (Some((_, since)), _) => Span::styled(format!(" no answer for {} ", span(since.elapsed())), theme.bad()),
        (None, true) => Span::styled(" paused ", theme.warning().patch(theme.cursor())),
        (None, false) => Span::styled(format!(" every {} ", span(state.interval)), theme.good()),
    };
    let used: usize = left.iter().map(Span::width).sum::<usize>() + right.width();
    left.push(Span::raw(" ".repeat(usize::from(width).saturating_sub(used))));
    left.push(right);
    Line::from(left)
}

fn draw_sums(frame: &mut Frame<'_>, state: &State, theme: Theme, area: Rect) {
    let [pinned, live, slabs] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(25), Constraint::Percentage(25)])
            .areas(area);
    let t = &state.report.totals;
    let grows = state.history.growth();
    let rate = Span::styled(
        match growth(grows).as_str() {
            "0" => "steady ".to_owned(),
            rate => format!("{rate} "),
        },
        grows.map_or(theme.faint(), |rate| theme.growth(rate, t.pinned_bytes)),
    );
    let title = |what: &str, figure: String| {
        vec![Span::styled(format!(" {what} "), theme.faint()), Span::styled(format!("{figure} "), theme.strong())]
    };
    let mut pinned_title = title("pinned", bytes(t.pinned_bytes));
    pinned_title.push(rate);
    let sums: Vec<_> = state.history.sums(usize::from(area.width)).collect();
    let panels = [
        (
            pinned,
            pinned_title,
            sums.iter().map(|sums| sums.pinned).collect::<Vec<_>>(),
            theme.waste(t.waste_bytes, t.pinned_bytes),
        ),
        (live, title("used", bytes(t.live_bytes)), sums.iter().map(|sums| sums.live).collect(), theme.good()),
        (slabs, title("slabs", t.slabs.to_string()), sums.iter().map(|sums| sums.slabs).collect(), theme.accent()),
    ];
    for (area, title, values, style) in panels {
        let block = boxed(title, theme);
        let inside = block.inner(area);
        frame.render_widget(block, area);
        chart::columns(&values, inside, style, frame.buffer_mut());
    }
}

/// All memory of the pool as one bar: used, wasted, idle.
fn memory_line(state: &State, theme: Theme, width: u16) -> Line<'static> {
    let t = &state.report.totals;
    let memory = t.memory_bytes.max(t.pinned_bytes);
    let idle = memory - t.pinned_bytes;
    let waste = theme.waste(t.waste_bytes, t.pinned_bytes);
    let legend = vec![
        Span::raw(" "),
        Span::styled("█", theme.good()),
        Span::raw(format!(" used {}  ", bytes(t.live_bytes))),
        Span::styled("▓", waste),
        Span::raw(format!(" waste {} ({})  ", bytes(t.waste_bytes), percent(t.waste_bytes, t.pinned_bytes))),
        Span::styled("░", theme.faint()),
        Span::raw(format!(" idle {} ", bytes(idle))),
    ];
    let head = Span::raw(format!(" memory {} ", bytes(memory)));
    let taken: usize = legend.iter().map(Span::width).sum::<usize>() + head.width();
    let room = usize::from(width).saturating_sub(taken);
    let mut line = vec![head];
    if room >= 10 {
        line.extend(chart::bar(
            &[(t.live_bytes, '█', theme.good()), (t.waste_bytes, '▓', waste), (idle, '░', theme.faint())],
            room,
        ));
    }
    line.extend(legend);
    Line::from(line)
}

/// What went wrong, or else what would free most.
fn advice_text(state: &State, theme: Theme) -> Paragraph<'static> {
    let report = &state.report;
    let line = match (&state.trouble, report.advice.first(), &report.advice_together) {
        (Some((text, _)), ..) => Line::styled(format!(" {}", text.lines().next().unwrap_or("")), theme.bad()),
        (None, Some(advice), _) | (None, None, Some(advice)) => {
            Line::from(vec![Span::styled(" ▸ ", theme.accent()), Span::raw(advice_line(advice))])
        }
        (None, None, None) if report.is_empty() => Line::styled(" nothing is pinned", theme.good()),
        (None, None, None) => Line::styled(" compacting would free nothing now", theme.faint()),
    };
    Paragraph::new(line)
}

fn keys(theme: Theme) -> Line<'static> {
    let keys = [
        ("q", "quit"),
        ("?", "help"),
        ("t c g i h", "tables"),
        ("s", "sort"),
        ("↑ ↓", "select"),
        ("Esc", "all slabs"),
        ("p", "pause"),
        ("+ -", "interval"),
    ];
    let pair = |(key, what): (&'static str, &'static str)| {
        [Span::styled(format!(" {key} "), theme.strong()), Span::styled(format!("{what} "), theme.faint())]
    };
    Line::from(keys.into_iter().flat_map(pair).collect::<Vec<_>>())
}

const HELP: &str = " t  tags           c  scopes       g  kinds of scopes
 i  sites          h  threads      Tab, ← →  next, previous

 s        sort by share, growth, alone, used, slices
 ↑ ↓ j k  select a group: the slabs below are those it pins
 Esc      show all slabs again
 p        pause         r  ask at once
 + -      ask less often, more often
 q        quit

 used    bytes that the group's slices cover
 alone   slabs that nobody but the group pins
 share   its part of all pinned bytes; these add up
 growth  of the share, over the last ten seconds

 where   one slab from its start to its end: ▂ is live
         memory (of the selected group: marked), · is not";

fn draw_help(frame: &mut Frame<'_>, theme: Theme, area: Rect) {
    let width = HELP.lines().map(|line| line.chars().count()).max().unwrap_or(0) as u16 + 3;
    let height = HELP.lines().count() as u16 + 2;
    let [row] =
        Layout::vertical([Constraint::Length(height.min(area.height))]).flex(ratatui::layout::Flex::Center).areas(area);
    let [cell] =
        Layout::horizontal([Constraint::Length(width.min(area.width))]).flex(ratatui::layout::Flex::Center).areas(row);
    frame.render_widget(Clear, cell);
    let block = boxed(Span::styled(" keys and columns ", theme.strong()), theme).border_style(theme.accent());
    let hint = Line::styled(" any key closes this ", theme.faint());
    let help = Paragraph::new(HELP).style(Style::new()).alignment(Alignment::Left);
    frame.render_widget(help.block(block.title_bottom(hint)), cell);
}
