//! What is too much, and when it is over. No clock and no thread: it is told the time and shown reports.

use crate::report::{Holder, PinReport, bytes, name};
use crate::track::Tag;
use core::fmt;
use core::time::Duration;

/// What a [`Watch`](crate::Watch) looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// All slabs that slices keep alive together pass this many bytes.
    PinnedBytes(usize),
    /// More than this many of 100 pinned bytes are waste.
    WastePercent(u8),
    /// Some slice is certainly older than this, in milliseconds.
    OldestPinMillis(u64),
    /// One scope of this kind keeps more than its quota alive: its share of the slabs it pins
    /// ([`amortised_bytes`](crate::report::Blame::amortised_bytes)).
    ScopeBytes {
        /// The kind of scope.
        kind: Tag,
        /// Its quota, in bytes.
        limit: usize,
    },
}

impl Condition {
    /// What the report says of it, in the unit of [`limit`](Condition::limit), and whose it is.
    pub(super) fn measure(&self, report: &PinReport) -> (u64, Option<Holder>) {
        let t = &report.totals;
        match *self {
            Condition::PinnedBytes(_) => (t.pinned_bytes as u64, None),
            Condition::WastePercent(_) => {
                let percent = (t.waste_bytes as u128 * 100).checked_div(t.pinned_bytes as u128);
                (percent.unwrap_or(0) as u64, None)
            }
            Condition::OldestPinMillis(_) => {
                let slices = report.slabs.iter().flat_map(|slab| &slab.slices);
                let oldest = slices.max_by_key(|slice| slice.age.min());
                let holder = oldest.and_then(|slice| slice.tag.map(Holder::Tag).or(slice.site.map(Holder::Site)));
                (oldest.map_or(0, |slice| slice.age.min().as_millis() as u64), holder)
            }
            Condition::ScopeBytes { kind, .. } => {
                let of_kind = |holder: &Holder| matches!(holder, Holder::Scope(scope) if scope.kind() == kind);
                // The most amortised bytes come first.
                match report.by_scope.iter().find(|blame| of_kind(&blame.holder)) {
                    Some(blame) => (blame.amortised_bytes as u64, Some(blame.holder)),
                    None => (0, None),
                }
            }
        }
    }

    /// The limit: bytes, per cent or milliseconds.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match *self {
            Condition::PinnedBytes(limit) | Condition::ScopeBytes { limit, .. } => limit as u64,
            Condition::WastePercent(limit) => u64::from(limit),
            Condition::OldestPinMillis(limit) => limit,
        }
    }

    /// A figure of this condition as a person reads it.
    pub(super) fn figure(&self, value: u64) -> String {
        match self {
            Condition::PinnedBytes(_) | Condition::ScopeBytes { .. } => {
                bytes(usize::try_from(value).unwrap_or(usize::MAX))
            }
            Condition::WastePercent(_) => format!("{value} %"),
            Condition::OldestPinMillis(_) => crate::report::span(Duration::from_millis(value)),
        }
    }
}

/// `pinned bytes above 64 MiB`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.figure(self.limit());
        match self {
            Condition::PinnedBytes(_) => write!(f, "pinned bytes above {limit}"),
            Condition::WastePercent(_) => write!(f, "waste above {limit}"),
            Condition::OldestPinMillis(_) => write!(f, "oldest pin above {limit}"),
            Condition::ScopeBytes { kind, .. } => write!(f, "one {} above {limit}", name(kind.name())),
        }
    }
}

/// What there is to say of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It was passed just now.
    Above,
    /// It is passed still, and was said before so long ago that it is time again.
    Still,
    /// It is not passed any more, by as much as the hysteresis asks.
    Below,
}

/// One condition over time.
pub(super) struct Rule {
    pub(super) condition: Condition,
    /// When it was passed, while it is.
    pub(super) above_since: Option<Duration>,
    /// When something was said last.
    said: Option<Duration>,
    /// Changes that were not said, since that would have been too often.
    pub(super) unsaid: u64,
    /// What was said last was that it is above.
    said_above: bool,
}

/// How sensitive rules are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// A condition is over when the figure is below this much of 100 of the limit.
    pub(super) recover_percent: u64,
    /// A condition is not talked of more often than this.
    pub(super) at_most_every: Duration,
    /// A condition that lasts is said again after this.
    pub(super) repeat_every: Option<Duration>,
}

impl Rule {
    pub(super) fn new(condition: Condition) -> Rule {
        Rule { condition, above_since: None, said: None, unsaid: 0, said_above: false }
    }

    /// The figure was seen at this time. Says what to say.
    pub(super) fn see(&mut self, now: Duration, value: u64, manners: &Manners) -> Option<Change> {
        let limit = self.condition.limit();
        let over = u128::from(value) * 100 < u128::from(limit) * u128::from(manners.recover_percent);
        let was_above = self.above_since.is_some();
        if value > limit {
            self.above_since.get_or_insert(now);
        } else if over || (limit == 0 && value == 0) {
            self.above_since = None;
        }
        let is_above = self.above_since.is_some();
        let silence = self.said.map(|said| now.saturating_sub(said));
        let change = match (self.said_above, is_above) {
            (false, true) => Change::Above,
            (true, false) => Change::Below,
            (true, true) if manners.repeat_every.is_some_and(|every| silence.is_some_and(|for_| for_ >= every)) => {
                Change::Still
            }
            _ => {
                // There and back again, unsaid.
                self.unsaid += u64::from(was_above != is_above);
                return None;
            }
        };
        if silence.is_some_and(|silence| silence < manners.at_most_every) {
            self.unsaid += u64::from(was_above != is_above);
            return None;
        }
        self.said = Some(now);
        self.said_above = is_above;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANNERS: Manners = Manners { recover_percent: 90, at_most_every: Duration::ZERO, repeat_every: None };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn run(rule: &mut Rule, manners: &Manners, values: &[u64]) -> Vec<Option<Change>> {
        (0..).zip(values).map(|(at, &value)| rule.see(seconds(at), value, manners)).collect()
    }

    #[test]
    fn the_limit_is_passed_not_met_and_is_left_by_a_margin() {
        let mut rule = Rule::new(Condition::PinnedBytes(100));
        let said = run(&mut rule, &MANNERS, &[100, 101, 100, 91, 90, 101, 89, 95, 100]);
        let none = None;
        assert_eq!(
            said,
            [none, Some(Change::Above), none, none, none, none, Some(Change::Below), none, none],
            "90 is not below 90"
        );
    }

    #[test]
    fn a_figure_that_dances_is_said_once_in_a_while() {
        let manners = Manners { at_most_every: seconds(10), ..MANNERS };
        let mut rule = Rule::new(Condition::PinnedBytes(100));
        let values: Vec<u64> = (0..21).map(|n| if n % 2 == 0 { 200 } else { 0 }).collect();
        let said = run(&mut rule, &manners, &values);
        let times: Vec<usize> = (0..said.len()).filter(|&at| said[at].is_some()).collect();
        assert_eq!(times, [0, 11], "above at once; below at the first chance after ten seconds");
        assert_eq!((said[0], said[11]), (Some(Change::Above), Some(Change::Below)));
        assert!(rule.unsaid >= 15, "{}", rule.unsaid);
    }

    #[test]
    fn what_lasts_is_said_again() {
        let manners = Manners { repeat_every: Some(seconds(3)), ..MANNERS };
        let mut rule = Rule::new(Condition::WastePercent(50));
        let said = run(&mut rule, &manners, &[60, 60, 60, 60, 60, 60, 60, 0, 0]);
        let at = |n: usize| said[n];
        assert_eq!((at(0), at(3), at(6)), (Some(Change::Above), Some(Change::Still), Some(Change::Still)));
        assert_eq!((at(1), at(5), at(7), at(8)), (None, None, Some(Change::Below), None));
    }

    #[test]
    fn a_limit_of_nothing_can_be_left() {
        let mut rule = Rule::new(Condition::PinnedBytes(0));
        assert_eq!(run(&mut rule, &MANNERS, &[1, 0]), [Some(Change::Above), Some(Change::Below)]);
    }

    #[test]
    fn conditions_read_well() {
        let quota = Condition::ScopeBytes { kind: Tag::new("ws_session"), limit: 1 << 20 };
        assert_eq!(quota.to_string(), "one ws_session above 1.0 MiB");
        assert_eq!(Condition::OldestPinMillis(600_000).to_string(), "oldest pin above 10 min");
        assert_eq!(Condition::WastePercent(90).to_string(), "waste above 90 %");
    }
}
