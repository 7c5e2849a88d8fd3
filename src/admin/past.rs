//! Reports that were served, without their slices: what a later one is compared with.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::SystemTime;

use crate::report::{Advice, Blame, PinReport, PinnedSlab};
use crate::sync::{AtomicU64, Mutex, Ordering};

/// Reports of all pools that are remembered at a time.
pub(super) const MAX_REPORTS: usize = 32;
/// Memory that they may take together, in bytes.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// The memory of a console.
pub(super) struct Past {
    /// Tells the numbers of this run from those of another, which a client may still have.
    run: u32,
    next: AtomicU64,
    max_bytes: usize,
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Clone)]
struct Kept {
    number: u64,
    pool: usize,
    taken_at: SystemTime,
    /// `None` if it was too large to be kept.
    report: Option<Arc<PinReport>>,
    bytes: usize,
}

/// The report asked for is not there; in words.
pub(super) struct Unknown(pub(super) String);

impl Past {
    pub(super) fn new(max_bytes: usize) -> Past {
        let run = RandomState::new().hash_one(SystemTime::now()) as u32;
        Past { run, next: AtomicU64::new(1), max_bytes, kept: Mutex::new(VecDeque::new()) }
    }

    /// The number of the next report.
    pub(super) fn number(&self) -> u64 {
        // Relaxed: only uniqueness matters.
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The number as clients are told it: `17-5f3a9c01`.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{number}-{:08x}", self.run)
    }

    /// Remembers a report of the `pool`-th pool that has no slices any more, and forgets the oldest for it.
    pub(super) fn keep(&self, number: u64, pool: usize, report: PinReport) {
        let bytes = size_of_summary(&report);
        let fits = bytes <= self.max_bytes;
        let kept = Kept {
            number,
            pool,
            taken_at: report.taken_at,
            report: fits.then(|| Arc::new(report)),
            bytes: if fits { bytes } else { 0 },
        };
        let mut forgotten = Vec::new();
        {
            let mut all = self.kept.lock();
            all.push_back(kept);
            while all.len() > MAX_REPORTS || all.iter().map(|kept| kept.bytes).sum::<usize>() > self.max_bytes {
                forgotten.extend(all.pop_front());
            }
        }
        // Freed outside the lock.
        drop(forgotten);
    }

    /// The last report of this pool that is remembered.
    pub(super) fn latest(&self, pool: usize) -> Result<(u64, Arc<PinReport>), Unknown> {
        let all = self.kept.lock();
        let found = all.iter().rev().filter(|kept| kept.pool == pool);
        let found = found.filter_map(|kept| Some((kept.number, kept.report.clone()?)));
        let found = found.max_by_key(|(number, _)| *number);
        drop(all);
        found.ok_or_else(|| {
            Unknown("no report of this pool is remembered yet: ask for one, and then for what changed since".to_owned())
        })
    }

    /// The report of this pool that a client knows as `id`: `17-5f3a9c01`, or `17` for short.
    pub(super) fn find(&self, pool: usize, id: &str) -> Result<(u64, Arc<PinReport>), Unknown> {
        let (number, run) = id.split_once('-').map_or((id, None), |(number, run)| (number, Some(run)));
        let number = number.parse::<u64>().ok();
        let this_run = run.is_none_or(|run| u32::from_str_radix(run, 16) == Ok(self.run));
        let kept = number.filter(|_| this_run).and_then(|number| {
            let all = self.kept.lock();
            all.iter().find(|kept| kept.number == number).cloned()
        });
        let why = match (number, kept) {
            (_, Some(Kept { number, pool: of, report: Some(report), .. })) if of == pool => {
                return Ok((number, report));
            }
            (_, Some(kept)) if kept.pool != pool => "is a report of another pool".to_owned(),
            (_, Some(_)) => {
                format!("was not remembered: it is larger than the {} MiB there are for that", self.max_bytes >> 20)
            }
            (None, _) => "is no report's ID".to_owned(),
            (Some(_), _) if !this_run => "was a report of an earlier run of this program".to_owned(),
            (Some(number), _) if number < self.next.load(Ordering::Relaxed) => "is forgotten by now".to_owned(),
            _ => "is no report that was served".to_owned(),
        };
        let shown: String = id.chars().take(40).flat_map(char::escape_debug).collect();
        let ids: Vec<String> = self.known(pool).into_iter().map(|(number, _)| self.id(number)).collect();
        let known = match ids.as_slice() {
            [] => "no report of this pool is remembered".to_owned(),
            [only] => format!("there is {only}"),
            [others @ .., last] => format!("there are {} and {last}", others.join(", ")),
        };
        Err(Unknown(format!("\"{shown}\" {why}; {known}")))
    }

    /// The reports of this pool that are remembered, oldest first.
    pub(super) fn known(&self, pool: usize) -> Vec<(u64, SystemTime)> {
        let all = self.kept.lock();
        let mine = all.iter().filter(|kept| kept.pool == pool && kept.report.is_some());
        let mut known: Vec<_> = mine.map(|kept| (kept.number, kept.taken_at)).collect();
        drop(all);
        known.sort_unstable_by_key(|(number, _)| *number);
        known
    }

    /// Memory of what is remembered, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.kept.lock().iter().map(|kept| kept.bytes).sum()
    }
}

fn size_of_summary(report: &PinReport) -> usize {
    let groups = [&report.by_tag, &report.by_site, &report.by_scope, &report.by_scope_kind, &report.by_thread]
        .map(Vec::capacity);
    report.slabs.capacity() * size_of::<PinnedSlab>()
        + groups.iter().sum::<usize>() * size_of::<Blame>()
        + report.advice.capacity() * size_of::<Advice>()
        + size_of::<PinReport>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlabPool;

    fn keep(past: &Past, pool: usize) -> u64 {
        let number = past.number();
        past.keep(number, pool, SlabPool::new().report());
        number
    }

    fn why(found: Result<(u64, Arc<PinReport>), Unknown>) -> String {
        found.err().map(|unknown| unknown.0).unwrap_or_default()
    }

    #[test]
    fn the_oldest_is_forgotten_first_and_said_to_be() {
        let past = Past::new(MAX_BYTES);
        assert!(past.latest(0).is_err());
        let first = keep(&past, 0);
        let id = past.id(first);
        assert_eq!(past.find(0, &id).ok().map(|(number, _)| number), Some(first));
        assert_eq!(past.find(0, "1").ok().map(|(number, _)| number), Some(first));
        assert_eq!(why(past.find(1, "1")), "\"1\" is a report of another pool; no report of this pool is remembered");
        for _ in 0..MAX_REPORTS {
            keep(&past, 1);
        }
        assert!(why(past.find(0, &id)).contains("is forgotten by now; no report of this pool is remembered"));
        assert!(why(past.find(1, "2000")).contains("is no report that was served; there are 2-"));
        assert!(why(past.find(1, "2-0")).contains("of an earlier run of this program"));
        assert!(why(past.find(1, "\u{1b}[31m")).starts_with("\"\\u{1b}[31m\" is no report's ID"));
        assert_eq!(past.known(1).len(), MAX_REPORTS);
        assert_eq!(past.latest(1).ok().map(|(number, _)| number), Some(MAX_REPORTS as u64 + 1));
    }

    #[test]
    fn memory_is_bounded() {
        let one = size_of_summary(&SlabPool::new().report());
        let past = Past::new(3 * one + one / 2);
        for _ in 0..10 {
            keep(&past, 0);
            assert!(past.bytes() <= 3 * one + one / 2);
        }
        assert_eq!(past.known(0).len(), 3);
        let tight = Past::new(one - 1);
        keep(&tight, 0);
        assert_eq!(tight.bytes(), 0);
        assert!(why(tight.find(0, "1")).contains("was not remembered: it is larger than"));
    }
}
