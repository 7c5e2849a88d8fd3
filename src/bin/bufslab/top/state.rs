//! What is looked at: which table, sorted how, which row.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use bufslab::PinReport;
use bufslab::report::{Blame, Holder, PinnedSlab, PinnedSlice};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::history::{History, TABLES, table};
use crate::args::{By, TopArgs};
use crate::names;

/// Points of a row's trend.
pub const TREND: usize = 12;

/// What rows are sorted by, the largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Share,
    Growth,
    Alone,
    Used,
    Slices,
}

impl Sort {
    const ALL: [Sort; 5] = [Sort::Share, Sort::Growth, Sort::Alone, Sort::Used, Sort::Slices];

    fn next(self) -> Sort {
        Sort::ALL[(self as usize + 1) % Sort::ALL.len()]
    }
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub blame: Blame,
    pub name: String,
    pub growth: Option<f64>,
    pub trend: Vec<usize>,
}

/// What a key asks for beyond the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    Quit,
    Pause(bool),
    Every(Duration),
    Now,
}

/// Everything the screen shows.
pub struct State {
    pub report: PinReport,
    pub history: History,
    pub by: By,
    pub sort: Sort,
    /// The group whose slabs are shown; all slabs if none is.
    pub selected: Option<Holder>,
    /// The first row that is shown.
    pub offset: usize,
    pub paused: bool,
    pub help: bool,
    pub interval: Duration,
    /// Why the last look failed, and since when.
    pub trouble: Option<(String, Instant)>,
    pub rows: Vec<Row>,
    /// Indices of the report's slabs that are shown, the most waste first.
    pub slabs: Vec<usize>,
    /// Rows that fitted into the table when it was drawn.
    pub page: usize,
    /// Whom is asked, for the title.
    pub source: String,
}

/// Slabs that are looked at for the list: more do not fit on any screen.
const SLABS: usize = 200;

impl State {
    pub fn new(args: &TopArgs, report: PinReport) -> State {
        let mut history = History::default();
        history.push(&report);
        let mut state = State {
            report,
            history,
            by: args.by,
            sort: Sort::Share,
            selected: None,
            offset: 0,
            paused: false,
            help: false,
            interval: args.interval,
            trouble: None,
            rows: Vec::new(),
            slabs: Vec::new(),
            page: 10,
            source: args.source.to_string(),
        };
        state.refresh();
        state
    }

    pub fn on_report(&mut self, report: PinReport) {
        self.history.push(&report);
        self.report = report;
        self.trouble = None;
        self.refresh();
    }

    pub fn on_trouble(&mut self, text: String) {
        let since = self.trouble.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        self.trouble = Some((text, since));
    }

    /// Computes rows and slabs anew.
    fn refresh(&mut self) {
        let row = |blame: &Blame| Row {
            blame: *blame,
            name: names::holder(&blame.holder),
            growth: self.history.growth_of(self.by, &blame.holder),
            trend: self.history.trend(self.by, &blame.holder, TREND),
        };
        let mut rows: Vec<Row> = table(&self.report, self.by).iter().map(row).collect();
        match self.sort {
            // As the report has them.
            Sort::Share => {}
            Sort::Growth => rows.sort_by(|a, b| b.growth.unwrap_or(0.0).total_cmp(&a.growth.unwrap_or(0.0))),
            Sort::Alone => rows.sort_by_key(|row| Reverse(row.blame.exclusive_bytes)),
            Sort::Used => rows.sort_by_key(|row| Reverse(row.blame.live_bytes)),
            Sort::Slices => rows.sort_by_key(|row| Reverse(row.blame.slices)),
        }
        self.rows = rows;
        let wanted = |slab: &PinnedSlab| self.selected.as_ref().is_none_or(|holder| holds_slab(holder, slab));
        let slabs = self.report.slabs.iter().enumerate();
        self.slabs = slabs.filter(|(_, slab)| wanted(slab)).map(|(at, _)| at).take(SLABS).collect();
        self.scroll();
    }

    /// Where the selected row is.
    pub fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows.iter().position(|row| row.blame.holder == *selected)
    }

    /// Keeps the selected row in sight.
    pub fn scroll(&mut self) {
        let page = self.page.max(1);
        self.offset = self.offset.min(self.rows.len().saturating_sub(page));
        if let Some(at) = self.position() {
            self.offset = self.offset.clamp((at + 1).saturating_sub(page), at);
        }
    }

    fn select(&mut self, at: usize) {
        let last = self.rows.len().saturating_sub(1);
        self.selected = self.rows.get(at.min(last)).map(|row| row.blame.holder);
        self.refresh();
    }

    fn step(&mut self, rows: isize) {
        let at = match self.position() {
            Some(at) => at.saturating_add_signed(rows),
            None if rows > 0 => self.offset,
            None => self.rows.len().saturating_sub(1),
        };
        self.select(at);
    }

    pub fn show(&mut self, by: By) {
        if self.by != by {
            (self.by, self.selected, self.offset) = (by, None, 0);
            self.refresh();
        }
    }

    pub fn on_key(&mut self, key: KeyEvent) -> Asked {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Asked::Quit } else { Asked::Nothing };
        }
        if self.help {
            self.help = false;
            return if key.code == KeyCode::Char('q') { Asked::Quit } else { Asked::Nothing };
        }
        let page = self.page.max(1) as isize;
        match key.code {
            KeyCode::Char('q') => return Asked::Quit,
            KeyCode::Char('?') | KeyCode::F(1) => self.help = true,
            KeyCode::Char('t') => self.show(By::Tag),
            KeyCode::Char('c') => self.show(By::Scope),
            KeyCode::Char('g') => self.show(By::Kind),
            KeyCode::Char('i') => self.show(By::Site),
            KeyCode::Char('h') => self.show(By::Thread),
            KeyCode::Tab | KeyCode::Right => self.show(TABLES[(self.by as usize + 1) % TABLES.len()]),
            KeyCode::BackTab | KeyCode::Left => {
                self.show(TABLES[(self.by as usize + TABLES.len() - 1) % TABLES.len()]);
            }
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.refresh();
            }
            KeyCode::Char('p') => {
                self.paused = !self.paused;
                return Asked::Pause(self.paused);
            }
            KeyCode::Char('r' | ' ') => return Asked::Now,
            KeyCode::Char('+' | '=') => return self.every(self.interval * 2),
            KeyCode::Char('-') => return self.every(self.interval / 2),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(page),
            KeyCode::PageUp => self.step(-page),
            KeyCode::Home => self.select(0),
            KeyCode::End => self.select(usize::MAX),
            KeyCode::Esc => {
                self.selected = None;
                self.refresh();
            }
            _ => {}
        }
        Asked::Nothing
    }

    fn every(&mut self, interval: Duration) -> Asked {
        self.interval = interval.clamp(Duration::from_millis(100), Duration::from_secs(3600));
        Asked::Every(self.interval)
    }
}

fn holds_slab(holder: &Holder, slab: &PinnedSlab) -> bool {
    match holder {
        Holder::Untracked => slab.untracked > 0,
        Holder::InMotion => slab.in_motion > 0,
        _ => slab.slices.iter().any(|slice| holds(holder, slice)),
    }
}

/// Whether a slice belongs to a group.
pub fn holds(holder: &Holder, slice: &PinnedSlice) -> bool {
    match holder {
        Holder::Tag(tag) => slice.tag == Some(*tag),
        Holder::Site(site) => slice.site == Some(*site),
        Holder::Scope(scope) => slice.scope == Some(*scope),
        Holder::ScopeKind(kind) => slice.scope.is_some_and(|scope| scope.kind() == *kind),
        Holder::Thread(thread) => slice.thread == *thread,
        Holder::Untagged => slice.tag.is_none(),
        Holder::Unscoped => slice.scope.is_none(),
        Holder::NoSite => slice.site.is_none(),
        Holder::Everyone => true,
        _ => false,
    }
}
