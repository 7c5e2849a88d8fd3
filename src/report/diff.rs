//! What changed between two reports: who is new, gone, grown or shrunk, and how fast.

use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::build::add;
use super::model::{Blame, Holder, PinReport, PinnedSlab};

/// What changed from `before` to `after`.
///
/// Both may be stripped of their slices ([`PinReport::without_slices`]), or have been read back from files.
///
/// ```
/// use bufslab::{SlabPool, report};
///
/// let pool = SlabPool::builder().slab_size(4096).build()?;
/// let before = pool.report();
/// let kept: Vec<_> = (0..3).map(|_| {
///     let mut read = pool.alloc(4096);
///     read.extend_from_slice(&[0; 4096]);
///     read.freeze().slice(..20).tag("req.head")
/// }).collect();
/// let diff = report::diff(&before, &pool.report());
/// assert_eq!(diff.totals.pinned_bytes.delta(), 3 * 4096);
/// assert_eq!(diff.by_tag[0].verdict, report::Verdict::New);
/// println!("{diff}");
/// # drop(kept);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[must_use]
pub fn diff(before: &PinReport, after: &PinReport) -> ReportDiff {
    let origin = Stamp::of(before).origin(&Stamp::of(after));
    let elapsed = elapsed(before, after, origin);
    let group = |before: &[Blame], after: &[Blame]| compare(before, after, elapsed);
    ReportDiff {
        pool_before: before.pool.clone(),
        pool_after: after.pool.clone(),
        taken_before: before.taken_at,
        taken_after: after.taken_at,
        origin,
        elapsed,
        totals: TotalsDiff::of(before, after, elapsed),
        slabs: SlabsDiff::of(&before.slabs, &after.slabs, origin),
        by_tag: group(&before.by_tag, &after.by_tag),
        by_site: group(&before.by_site, &after.by_site),
        by_scope: group(&before.by_scope, &after.by_scope),
        by_scope_kind: group(&before.by_scope_kind, &after.by_scope_kind),
    }
}

impl PinReport {
    /// What changed from this report to a `later` one: [`diff`].
    #[must_use]
    pub fn diff(&self, later: &PinReport) -> ReportDiff {
        diff(self, later)
    }
}

/// What changed from one report to another.
///
/// Made by [`diff`]. Print it (`{}` fits a terminal and shows what grew most, `{:#}` leaves nothing out), write it as
/// JSON with [`to_json`](ReportDiff::to_json) or [`write_json`](ReportDiff::write_json), or read the fields.
///
/// ```text
#[doc = include_str!("diff_sample.txt")]
/// ```
///
/// The figures of each row are changes, those of [`Blame`]: *alone* are slabs that only this group pins, *amortised* is its
/// share of all. Groups that stayed as they were are only shown by `{:#}`.
///
/// In each table the group that grew most, by its share of all pinned bytes, comes first, and the one that shrank most
/// last. The fields hold every group, also those in which nothing changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReportDiff {
    /// The name of the first report's pool.
    pub pool_before: String,
    /// The name of the second report's pool.
    pub pool_after: String,
    /// When the first report was taken, by its wall clock.
    pub taken_before: SystemTime,
    /// When the second one was.
    pub taken_after: SystemTime,
    /// Whether the two are of one pool in one run of one program.
    pub origin: Origin,
    /// The time between them, by the clock that [`origin`](ReportDiff::origin) allows. `None` if there is none: both
    /// were taken at one moment, or the second one first.
    pub elapsed: Option<Duration>,
    /// How the sums changed.
    pub totals: TotalsDiff,
    /// Which slabs came and went.
    pub slabs: SlabsDiff,
    /// By tag, most growth first.
    pub by_tag: Vec<GroupDiff>,
    /// By site, most growth first.
    pub by_site: Vec<GroupDiff>,
    /// By owner scope, most growth first.
    pub by_scope: Vec<GroupDiff>,
    /// By kind of scope, most growth first.
    pub by_scope_kind: Vec<GroupDiff>,
}

impl ReportDiff {
    /// The version of the JSON form. It changes when a field changes its meaning or goes, not when one is added.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The row of the tag called `name`, if either report has it.
    #[must_use]
    pub fn of_tag(&self, name: &str) -> Option<&GroupDiff> {
        self.by_tag.iter().find(|row| matches!(row.holder, Holder::Tag(tag) if tag.name() == name))
    }
}

/// What two reports have in common.
///
/// A report does not know its process. Two are taken to be of the same run if their pools have one name and their
/// processes started at one time: the wall clock less the pool's own clock, give or take two seconds and one per cent
/// of the time between them. A wall clock that was set meanwhile, or a machine that slept, therefore looks like another
/// run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// One pool, one run: the time between them is measured by the pool's own clock.
    SameRun,
    /// Pools of one name in two runs. The wall clock counts, and no slab is the same.
    OtherRun,
    /// Pools of two names. The wall clock counts, and no slab is the same.
    OtherPool,
}

impl Origin {
    /// `"same_run"`, `"other_run"` or `"other_pool"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Origin::SameRun => "same_run",
            Origin::OtherRun => "other_run",
            Origin::OtherPool => "other_pool",
        }
    }
}

/// A figure in two reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// In the first.
    pub before: usize,
    /// In the second.
    pub after: usize,
}

impl Change {
    pub(super) fn new(before: usize, after: usize) -> Change {
        Change { before, after }
    }

    /// `after - before`.
    #[must_use]
    pub fn delta(&self) -> i64 {
        let delta = self.after as i128 - self.before as i128;
        delta.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The growth in one second, rounded; `None` where no time passed.
    pub(super) fn per_second(&self, elapsed: Option<Duration>) -> Option<i64> {
        // A float past the range of the integer becomes its end.
        elapsed.map(|elapsed| (self.delta() as f64 / elapsed.as_secs_f64()).round() as i64)
    }
}

/// What became of a group, judged by its slices and then by the bytes of its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It had no slice before.
    New,
    /// Its share of the pinned bytes grew.
    Grown,
    /// Its share is what it was.
    Same,
    /// Its share shrank.
    Shrunk,
    /// It has no slice any more.
    Gone,
}

impl Verdict {
    /// `"new"`, `"grown"`, `"same"`, `"shrunk"` or `"gone"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::New => "new",
            Verdict::Grown => "grown",
            Verdict::Same => "same",
            Verdict::Shrunk => "shrunk",
            Verdict::Gone => "gone",
        }
    }
}

/// One group in two reports. The figures are those of [`Blame`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GroupDiff {
    /// The group.
    pub holder: Holder,
    /// What became of it.
    pub verdict: Verdict,
    /// Its slices.
    pub slices: Change,
    /// Slabs that it pins, alone or with others.
    pub slabs: Change,
    /// Bytes its slices cover.
    pub live_bytes: Change,
    /// Slabs that only it pins, in bytes.
    pub exclusive_bytes: Change,
    /// Slabs that it pins together with others, in bytes.
    pub shared_bytes: Change,
    /// Its share of all pinned bytes.
    pub amortised_bytes: Change,
    /// How many bytes its share grew in a second; `None` if no time passed between the reports.
    pub bytes_per_second: Option<i64>,
}

impl GroupDiff {
    fn of(holder: Holder, before: Option<&Blame>, after: Option<&Blame>, elapsed: Option<Duration>) -> GroupDiff {
        let change = |figure: fn(&Blame) -> usize| Change::new(before.map_or(0, figure), after.map_or(0, figure));
        let amortised_bytes = change(|blame| blame.amortised_bytes);
        let verdict = match (before, after) {
            (None, Some(_)) => Verdict::New,
            (Some(_), None) => Verdict::Gone,
            _ => match amortised_bytes.delta() {
                0 => Verdict::Same,
                1.. => Verdict::Grown,
                _ => Verdict::Shrunk,
            },
        };
        GroupDiff {
            holder,
            verdict,
            slices: change(|blame| blame.slices),
            slabs: change(|blame| blame.slabs),
            live_bytes: change(|blame| blame.live_bytes),
            exclusive_bytes: change(|blame| blame.exclusive_bytes),
            shared_bytes: change(|blame| blame.shared_bytes),
            amortised_bytes,
            bytes_per_second: amortised_bytes.per_second(elapsed),
        }
    }
}

/// The sums of two reports.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TotalsDiff {
    /// Pinned slabs.
    pub slabs: Change,
    /// Slices listed on them.
    pub slices: Change,
    /// Handles that pin a slab without being listed.
    pub untracked: Change,
    /// The sizes of all pinned slabs.
    pub pinned_bytes: Change,
    /// Bytes of them that slices cover.
    pub live_bytes: Change,
    /// Bytes of them that none covers.
    pub waste_bytes: Change,
    /// What compacting everything would free.
    pub reclaimable_bytes: Change,
    /// Memory of the pool's slabs, pinned or not.
    pub memory_bytes: Change,
    /// How many bytes more were pinned with each second; `None` if no time passed between the reports.
    pub bytes_per_second: Option<i64>,
}

impl TotalsDiff {
    fn of(before: &PinReport, after: &PinReport, elapsed: Option<Duration>) -> TotalsDiff {
        let (a, b) = (&before.totals, &after.totals);
        let pinned_bytes = Change::new(a.pinned_bytes, b.pinned_bytes);
        TotalsDiff {
            slabs: Change::new(a.slabs, b.slabs),
            slices: Change::new(a.slices, b.slices),
            untracked: Change::new(a.untracked, b.untracked),
            pinned_bytes,
            live_bytes: Change::new(a.live_bytes, b.live_bytes),
            waste_bytes: Change::new(a.waste_bytes, b.waste_bytes),
            reclaimable_bytes: Change::new(a.reclaimable_bytes, b.reclaimable_bytes),
            memory_bytes: Change::new(a.memory_bytes, b.memory_bytes),
            bytes_per_second: pinned_bytes.per_second(elapsed),
        }
    }
}

/// Which pinned slabs are in the second report only, in the first only, and in both.
///
/// A slab is the same if its id and its generation are: one that was emptied and used anew counts as gone and new.
/// Reports of two runs or two pools have no slab in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlabsDiff {
    /// Slabs that were not pinned before.
    pub new: usize,
    /// Their sizes.
    pub new_bytes: usize,
    /// Slabs that are not pinned any more.
    pub gone: usize,
    /// Their sizes.
    pub gone_bytes: usize,
    /// Slabs that were pinned all the time.
    pub kept: usize,
    /// Their sizes.
    pub kept_bytes: usize,
}

impl SlabsDiff {
    fn of(before: &[PinnedSlab], after: &[PinnedSlab], origin: Origin) -> SlabsDiff {
        // A slab's size does not change in one life; if it seems to, something is wrong, and the sums hold all the same.
        let name = |slab: &PinnedSlab| (slab.id, slab.generation, slab.size);
        let mut known: HashSet<_> = before.iter().filter(|_| origin == Origin::SameRun).map(name).collect();
        let mut sums = SlabsDiff::default();
        for slab in after {
            if known.remove(&name(slab)) {
                sums.kept += 1;
                add(&mut sums.kept_bytes, slab.size);
            } else {
                sums.new += 1;
                add(&mut sums.new_bytes, slab.size);
            }
        }
        sums.gone = before.len() - sums.kept;
        let all = before.iter().fold(0, |sum: usize, slab| sum.saturating_add(slab.size));
        sums.gone_bytes = all.saturating_sub(sums.kept_bytes);
        sums
    }
}

/// Whose report it is, and when it was taken.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    pool: String,
    /// When the pool's clock began: milliseconds since 1970, by the wall clock.
    start_ms: i128,
    pub(super) uptime: Duration,
}

impl Stamp {
    pub(super) fn of(report: &PinReport) -> Stamp {
        let wall_ms = match report.taken_at.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_millis() as i128,
            Err(before) => -(before.duration().as_millis() as i128),
        };
        let start_ms = wall_ms - report.uptime.as_millis() as i128;
        Stamp { pool: report.pool.clone(), start_ms, uptime: report.uptime }
    }

    pub(super) fn origin(&self, later: &Stamp) -> Origin {
        const SLACK_MS: u128 = 2_000;
        if self.pool != later.pool {
            return Origin::OtherPool;
        }
        let between = self.uptime.abs_diff(later.uptime).as_millis();
        let same_start = self.start_ms.abs_diff(later.start_ms) <= SLACK_MS + between / 100;
        if same_start { Origin::SameRun } else { Origin::OtherRun }
    }
}

fn elapsed(before: &PinReport, after: &PinReport, origin: Origin) -> Option<Duration> {
    let elapsed = match origin {
        Origin::SameRun => after.uptime.checked_sub(before.uptime)?,
        _ => after.taken_at.duration_since(before.taken_at).ok()?,
    };
    (elapsed > Duration::ZERO).then_some(elapsed)
}

/// All groups of two tables, most growth first.
fn compare(before: &[Blame], after: &[Blame], elapsed: Option<Duration>) -> Vec<GroupDiff> {
    let mut old: HashMap<Holder, &Blame> = before.iter().map(|blame| (blame.holder, blame)).collect();
    let mut rows: Vec<GroupDiff> = after
        .iter()
        .map(|blame| GroupDiff::of(blame.holder, old.remove(&blame.holder), Some(blame), elapsed))
        .collect();
    // In the order of the first table, so that nothing depends on the map's.
    let gone = before.iter().filter(|blame| old.contains_key(&blame.holder));
    rows.extend(gone.map(|blame| GroupDiff::of(blame.holder, Some(blame), None, elapsed)));
    rows.sort_by_key(|row| {
        core::cmp::Reverse((row.amortised_bytes.delta(), row.exclusive_bytes.delta(), row.slices.delta()))
    });
    rows
}
