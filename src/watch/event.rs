//! What a watch says.

use super::rules::{Change, Condition};
use crate::report::{Holder, PinReport, bytes, name, scope, site};
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

/// What happened to a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WatchEventKind {
    /// It was passed.
    Above,
    /// It is passed still; see [`WatchBuilder::repeat_every`](crate::WatchBuilder::repeat_every).
    StillAbove,
    /// It is over.
    Recovered,
}

/// Something that a [`Watch`](crate::Watch) says.
///
/// Its `Display` is one line for a log: what, how much, and who holds most of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct WatchEvent {
    /// What happened.
    pub kind: WatchEventKind,
    /// To which condition.
    pub condition: Condition,
    /// The figure: bytes, per cent or milliseconds, as the [limit](Condition::limit).
    pub value: u64,
    /// Whose it is, where the condition is about one holder: the scope past its quota, the tag or site of the oldest slice.
    pub holder: Option<Holder>,
    /// How long the condition has been passed.
    pub above_for: Duration,
    /// Changes of this condition that were not said since the last event, because that would have been too often.
    pub unsaid: u64,
    /// The report that the figure is from.
    pub report: Arc<PinReport>,
}

impl From<Change> for WatchEventKind {
    fn from(change: Change) -> WatchEventKind {
        match change {
            Change::Above => WatchEventKind::Above,
            Change::Still => WatchEventKind::StillAbove,
            Change::Below => WatchEventKind::Recovered,
        }
    }
}

/// `pool http: pinned bytes above 64 MiB: 80 MiB; req.head keeps most, 79 MiB in 79 slices`
impl fmt::Display for WatchEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = self.condition.figure(self.value);
        write!(f, "pool {}: {}", name(&self.report.pool), self.condition)?;
        match self.kind {
            WatchEventKind::Above => write!(f, ": {figure}")?,
            WatchEventKind::StillAbove => {
                write!(f, ", for {} now: {figure}", crate::report::span(self.above_for))?;
            }
            WatchEventKind::Recovered => return write!(f, ": over, {figure}"),
        }
        if let Some(holder) = &self.holder {
            write!(f, " ({})", holder_name(holder))?;
        }
        if let Some(most) = self.report.by_tag.first() {
            let amount = bytes(most.amortised_bytes);
            write!(f, "; {} keeps most, {amount} in {} slices", holder_name(&most.holder), most.slices)?;
        }
        Ok(())
    }
}

fn holder_name(holder: &Holder) -> String {
    match holder {
        Holder::Tag(tag) => name(tag.name()),
        Holder::Site(at) => site(at),
        Holder::Scope(of) => scope(*of, 64),
        Holder::Untagged => "what has no tag".to_owned(),
        _ => "what is not listed".to_owned(),
    }
}
