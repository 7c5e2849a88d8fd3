//! What changed over many reports, and what only ever grew.

use core::fmt;
use core::time::Duration;
use std::collections::{HashMap, HashSet, VecDeque};

use super::diff::{Origin, Stamp};
use super::model::{Blame, Holder, PinReport};
use super::table::Column::{Elastic, Left, Right};
use super::table::{Lines, Table};
use super::text::{and_more, holder_name};
use super::units::{bytes, count, rate, span};

/// A window of reports, of each of which only the sums are kept.
///
/// Where two reports cannot tell a suspect from a busy moment, a series can: traffic goes up and down, and what nobody
/// lets go of only ever grows.
///
/// ```
/// use bufslab::{SlabPool, report::Series};
///
/// let pool = SlabPool::builder().slab_size(4096).build()?;
/// let (mut kept, mut series) = (Vec::new(), Series::new(100));
/// for _ in 0..10 {
///     let mut read = pool.alloc(4096);
///     read.extend_from_slice(&[0; 4096]);
///     kept.push(read.freeze().slice(..20).tag("req.head"));
///     series.push(&pool.report());
/// }
/// let suspect = series.by_tag()[0];
/// assert!(suspect.only_grows);
/// assert_eq!((suspect.first_bytes, suspect.last_bytes), (4096, 10 * 4096));
/// println!("{series}");
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Series {
    capacity: usize,
    min_samples: usize,
    samples: VecDeque<Sample>,
    /// Of the last report: to tell whether the next one is of the same run.
    last: Option<Stamp>,
}

#[derive(Clone, Debug)]
struct Sample {
    /// The age of the pool's clock.
    at: Duration,
    pinned_bytes: usize,
    tables: [Groups; 3],
}

#[derive(Clone, Debug)]
struct Groups {
    /// The bytes of all slabs that each group pins, alone or with others.
    held: HashMap<Holder, usize>,
    /// Whether some had to be left out.
    cut: bool,
}

const TAGS: usize = 0;
const SITES: usize = 1;
const KINDS: usize = 2;

impl Series {
    /// Groups that are remembered of each table of a report, those with the largest shares.
    pub const MAX_GROUPS: usize = 1_000;
    /// In how many reports at least a group has to be before it can be said that it only grows.
    pub const MIN_SAMPLES: usize = 5;

    /// An empty window of at most `capacity` reports, at least two.
    #[must_use]
    pub fn new(capacity: usize) -> Series {
        let capacity = capacity.max(2);
        Series { capacity, min_samples: Series::MIN_SAMPLES.min(capacity), samples: VecDeque::new(), last: None }
    }

    /// The same with another number for [`MIN_SAMPLES`](Series::MIN_SAMPLES), between two and the capacity.
    #[must_use]
    pub fn min_samples(mut self, samples: usize) -> Series {
        self.min_samples = samples.clamp(2, self.capacity);
        self
    }

    /// Adds a report; the oldest one makes room for it.
    ///
    /// A report of another pool or of another run of the program, as [`Origin`] has it, or one that is older than the
    /// last, begins a new window: nothing that was seen before compares to it.
    pub fn push(&mut self, report: &PinReport) {
        let stamp = Stamp::of(report);
        let continues = |last: &Stamp| last.origin(&stamp) == Origin::SameRun && stamp.uptime >= last.uptime;
        if !self.last.as_ref().is_none_or(continues) {
            self.samples.clear();
        }
        if self.samples.len() == self.capacity {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            at: report.uptime,
            pinned_bytes: report.totals.pinned_bytes,
            tables: [&report.by_tag, &report.by_site, &report.by_scope_kind].map(|table| Groups::of(table)),
        });
        self.last = Some(stamp);
    }

    /// How many reports are in the window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether the window is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The time from the first report of the window to the last.
    #[must_use]
    pub fn span(&self) -> Duration {
        match (self.samples.front(), self.samples.back()) {
            (Some(first), Some(last)) => last.at.saturating_sub(first.at),
            _ => Duration::ZERO,
        }
    }

    /// All pinned bytes over the window. `None` if it is empty.
    #[must_use]
    pub fn pinned(&self) -> Option<Trend> {
        let points = self.samples.iter().map(|sample| (sample.at, sample.pinned_bytes)).collect();
        self.trend(Holder::Everyone, points)
    }

    /// Every tag of the last report over the window: those that only grow first, and of these the fastest.
    #[must_use]
    pub fn by_tag(&self) -> Vec<Trend> {
        self.trends(TAGS)
    }

    /// The same by site.
    #[must_use]
    pub fn by_site(&self) -> Vec<Trend> {
        self.trends(SITES)
    }

    /// The same by kind of scope.
    #[must_use]
    pub fn by_scope_kind(&self) -> Vec<Trend> {
        self.trends(KINDS)
    }

    fn trends(&self, table: usize) -> Vec<Trend> {
        let Some(last) = self.samples.back() else { return Vec::new() };
        let holders: HashSet<Holder> = last.tables[table].held.keys().copied().collect();
        let mut trends: Vec<Trend> = holders
            .into_iter()
            .filter_map(|holder| {
                let points = self.samples.iter().filter_map(|sample| {
                    let groups = &sample.tables[table];
                    // One that was left out may have held something: that is no zero.
                    let held = groups.held.get(&holder).copied();
                    held.or((!groups.cut).then_some(0)).map(|held| (sample.at, held))
                });
                // Before its first slice a group was not growing; it was not there.
                self.trend(holder, points.skip_while(|(_, held)| *held == 0).collect())
            })
            .collect();
        trends.sort_by(|a, b| {
            let figures = |trend: &Trend| (trend.only_grows, trend.slope());
            let (a_figures, b_figures) = (figures(a), figures(b));
            let slopes = b_figures.0.cmp(&a_figures.0).then_with(|| b_figures.1.total_cmp(&a_figures.1));
            slopes.then_with(|| b.last_bytes.cmp(&a.last_bytes)).then_with(|| name(a).cmp(&name(b)))
        });
        trends
    }

    fn trend(&self, holder: Holder, points: Vec<(Duration, usize)>) -> Option<Trend> {
        let (&(_, first_bytes), &(_, last_bytes)) = (points.first()?, points.last()?);
        let falls = points.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
        Some(Trend {
            holder,
            samples: points.len(),
            first_bytes,
            last_bytes,
            falls,
            only_grows: falls == 0 && last_bytes > first_bytes && points.len() >= self.min_samples,
            bytes_per_second: slope(&points),
        })
    }
}

/// One group over the reports of a [`Series`].
///
/// Its bytes are the sizes of all slabs that it pins, alone or with others. (Its amortised share would go down whenever
/// somebody else's slice lands beside one of its own.)
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Trend {
    /// The group.
    pub holder: Holder,
    /// In how many reports: from the first one in the window that has it.
    pub samples: usize,
    /// What it pinned in the first of these.
    pub first_bytes: usize,
    /// What it pinned in the last.
    pub last_bytes: usize,
    /// How often it was less than in the report before.
    pub falls: usize,
    /// Whether it never fell, is larger than at first, and has been there in enough reports.
    pub only_grows: bool,
    /// The slope of the line that fits best (least squares). `None` with fewer than two reports.
    pub bytes_per_second: Option<f64>,
}

impl Trend {
    fn slope(&self) -> f64 {
        self.bytes_per_second.unwrap_or(0.0)
    }
}

impl Groups {
    fn of(table: &[Blame]) -> Groups {
        // Most amortised bytes first, as a report has it.
        let kept = table.iter().take(Series::MAX_GROUPS);
        let held = kept.map(|blame| (blame.holder, blame.exclusive_bytes.saturating_add(blame.shared_bytes)));
        Groups { held: held.collect(), cut: table.len() > Series::MAX_GROUPS }
    }
}

/// The slope, in bytes a second, of the line that fits `points` best. `None` if they are all at one time.
fn slope(points: &[(Duration, usize)]) -> Option<f64> {
    let n = points.len() as f64;
    let start = points.first()?.0;
    let xy = || points.iter().map(|(at, bytes)| ((*at - start).as_secs_f64(), *bytes as f64));
    let (mean_x, mean_y) = (xy().map(|(x, _)| x).sum::<f64>() / n, xy().map(|(_, y)| y).sum::<f64>() / n);
    let spread: f64 = xy().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
    let together: f64 = xy().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    (spread > 0.0).then(|| together / spread)
}

fn name(trend: &Trend) -> String {
    holder_name(&trend.holder, 64)
}

/// `{}` shows what grows most, in lines of at most 80 columns; `{:#}` shows every group.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, shown) = if f.alternate() { (100, usize::MAX) } else { (80, 5) };
        let lines = &mut Lines::new(f, width);
        let Some(pinned) = self.pinned() else {
            return lines.line("no report yet");
        };
        let over = format!("over {} in {}", count(self.len(), "report"), span(self.span()));
        let (first, last) = (bytes(pinned.first_bytes), bytes(pinned.last_bytes));
        let grows = if pinned.only_grows { ", and it only ever grew" } else { "" };
        lines.prose(&format!("{over}: pinned {first}, then {last}{}{grows}", by_rate(&pinned)))?;

        let mut tables = vec![("by tag", self.by_tag()), ("by site", self.by_site())];
        let kinds = self.by_scope_kind();
        if kinds.iter().any(|trend| matches!(trend.holder, Holder::ScopeKind(_))) {
            tables.push(("by kind of scope", kinds));
        }
        let header = |title: &str| [title, "", "first", "last", "a second"].map(str::to_owned);
        let mut layout = Table::new(0, [Elastic, Left, Right, Right, Right]);
        for (title, trends) in &tables {
            layout.measure(&header(title));
            trends.iter().take(shown).for_each(|trend| layout.measure(&row(trend)));
        }
        layout.fit(width);
        for (title, trends) in &tables {
            lines.line("")?;
            layout.write(lines, &header(title))?;
            for trend in trends.iter().take(shown) {
                layout.write(lines, &row(trend))?;
            }
            and_more(lines, 2, trends.len(), shown, "group", "groups")?;
        }
        Ok(())
    }
}

fn by_rate(trend: &Trend) -> String {
    trend.bytes_per_second.map_or(String::new(), |slope| format!(" ({})", rate(slope)))
}

fn row(trend: &Trend) -> [String; 5] {
    let verdict = match (trend.only_grows, trend.falls) {
        (true, _) => "only grows".to_owned(),
        (false, 0) if trend.last_bytes == trend.first_bytes => "steady".to_owned(),
        (false, 0) => format!("{} so far", count(trend.samples, "report")),
        (false, falls) => format!("fell {}", count(falls, "time")),
    };
    [
        format!("  {}", holder_name(&trend.holder, 24)),
        verdict,
        bytes(trend.first_bytes),
        bytes(trend.last_bytes),
        trend.bytes_per_second.map_or(String::new(), rate),
    ]
}
