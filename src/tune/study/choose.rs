//! Which setups are worth a thought, and which one to take. The rule is in `docs/tuning.md`.

use super::figure::{ns, size};
use super::{Row, Study};
use crate::tune::Moment;

/// How much slower than the fastest a setup may be: a tenth, or less than the cheapest system call takes, for a server makes one
/// to fill each buffer.
const SLOWER: f64 = 0.10;
const SLOWER_NS: f64 = 50.0;

/// What of the memory held may be new in the last quarter of a trace before a setup counts as growing.
const GROWTH: f64 = 0.05;

/// Marks the rows that no other row beats in time and memory at once.
pub(super) fn mark_front(rows: &mut [Row]) {
    let points: Vec<(f64, u64)> = rows.iter().map(|row| (row.ns_per_alloc(), row.mean_held_bytes())).collect();
    for (row, &(time, memory)) in rows.iter_mut().zip(&points) {
        let beats = |&(t, m): &(f64, u64)| t <= time && m <= memory && (t < time || m < memory);
        row.is_front = !points.iter().any(beats);
    }
}

/// The most that a setup may take to be recommended, given the fastest.
fn limit(fastest: f64) -> f64 {
    (fastest * (1.0 + SLOWER)).max(fastest + SLOWER_NS)
}

/// Whether more is held in the last quarter of the trace than in the one before: by two slabs at least and a twentieth, and twice as much more as
/// there is more of what is live. Such a setup holds the more the longer it runs, so that its figures are those of the trace's length.
pub(super) fn grows(row: &Row) -> bool {
    let series = &row.simulated.series;
    let quarter = series.len() / 4;
    if quarter == 0 {
        return false;
    }
    let mean = |moments: &[Moment], of: fn(&Moment) -> u64| {
        moments.iter().map(|moment| of(moment) as f64).sum::<f64>() / moments.len() as f64
    };
    let (before, last) =
        (&series[series.len() - 2 * quarter..series.len() - quarter], &series[series.len() - quarter..]);
    let held = |moment: &Moment| moment.pinned_bytes + moment.copy_bytes;
    let more = mean(last, held) - mean(before, held);
    let more_live = mean(last, |moment| moment.live_bytes) - mean(before, |moment| moment.live_bytes);
    let least = (2.0 * row.slab_size() as f64).max(GROWTH * mean(before, held));
    more >= least && more >= 2.0 * more_live
}

/// Rows fast enough, and the fastest of them. Those that grow are left out, unless all do.
fn fast(rows: &[Row]) -> (Vec<usize>, usize) {
    let time = |&at: &usize| rows[at].ns_per_alloc();
    let steady = |&at: &usize| !rows[at].grows || rows.iter().all(|row| row.grows);
    let fastest = (0..rows.len()).filter(steady).min_by(|a, b| time(a).total_cmp(&time(b))).unwrap_or(0);
    let limit = limit(time(&fastest));
    ((0..rows.len()).filter(steady).filter(|at| time(at) <= limit).collect(), fastest)
}

/// Of the rows that are fast enough, the one that holds the least on average; of several the one with the lower peak, then one
/// that is a pool's default, then the fastest.
pub(super) fn recommend(rows: &[Row]) -> Option<usize> {
    if rows.is_empty() {
        return None;
    }
    let memory = |at: usize| {
        let row = &rows[at];
        (row.mean_held_bytes(), row.simulated.peak_held_bytes, !row.is_default())
    };
    let better = |a: &usize, b: &usize| {
        memory(*a).cmp(&memory(*b)).then(rows[*a].ns_per_alloc().total_cmp(&rows[*b].ns_per_alloc()))
    };
    fast(rows).0.into_iter().min_by(better)
}

pub(super) fn reason(study: &Study, best: usize) -> String {
    let rows = &study.rows;
    let (fast, fastest) = fast(rows);
    let kind = if study.is_measured() { "" } else { " by the model" };
    let name = |at: usize| {
        let mut name = format!("{} slabs", size(rows[at].slab_size() as u64));
        if study.has_many(Row::policy) {
            name += &format!(", retain {}", rows[at].policy());
        }
        if study.has_many(|row| row.reuse().to_owned()) {
            name += &format!(", reuse {}", rows[at].reuse());
        }
        name
    };
    let (time, held) = (|at: usize| ns(rows[at].ns_per_alloc()), |at: usize| size(rows[at].mean_held_bytes()));
    if rows.len() == 1 {
        return format!("{}: nothing else was compared.", name(best));
    }
    let set_aside = rows.iter().filter(|row| row.grows).count();
    let steadily = if (1..rows.len()).contains(&set_aside) { " and do not grow" } else { "" };
    if best == fastest && fast.len() == 1 {
        let other = rows.iter().filter(|row| !row.grows).map(Row::mean_held_bytes).min().unwrap_or(u64::MAX);
        let more = if other < rows[best].mean_held_bytes() {
            format!("; the least that any holds is {}", size(other))
        } else {
            ", which is also the least".to_owned()
        };
        return format!(
            "{}: no other setup comes near its {} ns an allocation{kind}{steadily}. It holds {} on average{more}.",
            name(best),
            time(best),
            held(best)
        );
    }
    if best == fastest {
        return format!(
            "{}: fastest{kind} ({} ns an allocation), and of the {} setups that are nearly as fast{steadily} it holds the least memory on average ({}).",
            name(best),
            time(best),
            fast.len(),
            held(best)
        );
    }
    let slower = rows[best].ns_per_alloc() - rows[fastest].ns_per_alloc();
    let near = if slower < 0.05 { "as fast as".to_owned() } else { format!("{} ns slower than", ns(slower)) };
    format!(
        "{}: of the {} setups that are nearly as fast{kind} as the fastest{steadily} it holds the least memory on average: {} at {} ns an allocation, {near} {} \
         ({} at {} ns).",
        name(best),
        fast.len(),
        held(best),
        time(best),
        name(fastest),
        held(fastest),
        time(fastest)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::AllocTrace;
    use crate::tune::{Replayed, Setup, Simulated};

    fn row(slab_size: usize, ns: f64, held: u64) -> Row {
        let simulated = Simulated { mean_pinned_bytes: held, peak_held_bytes: held, ..Simulated::default() };
        Row::new(Setup::new(slab_size), simulated, Some(Replayed { ns_per_alloc: ns, ..Replayed::default() }))
    }

    fn study(rows: Vec<Row>) -> Study {
        Study::new("a.slabtrace", &AllocTrace::default(), rows)
    }

    fn front(study: &Study) -> Vec<bool> {
        study.rows.iter().map(Row::is_on_front).collect()
    }

    #[test]
    fn the_front_is_what_nothing_beats() {
        let study =
            study(vec![row(1, 50.0, 10), row(2, 30.0, 20), row(3, 40.0, 20), row(4, 20.0, 90), row(5, 20.0, 90)]);
        assert_eq!(front(&study), [true, true, false, true, true]);
    }

    #[test]
    fn a_tenth_of_the_time_is_given_for_memory_and_no_more() {
        let close = study(vec![row(1024, 1_090.0, 10), row(2048, 1_000.0, 90), row(4096, 1_050.0, 20)]);
        assert_eq!(close.recommended().map(Row::slab_size), Some(1024));
        let reason = close.reason();
        assert!(
            reason.contains("of the 3 setups that are nearly as fast as the fastest it")
                && reason.contains("90.0 ns slower"),
            "{reason}"
        );
        let far = study(vec![row(1024, 1_110.0, 10), row(2048, 1_000.0, 90), row(4096, 1_050.0, 20)]);
        assert_eq!(far.recommended().map(Row::slab_size), Some(4096));
        // Less than a system call is nothing.
        let tiny = study(vec![row(1024, 59.9, 10), row(2048, 10.0, 90)]);
        assert_eq!(tiny.recommended().map(Row::slab_size), Some(1024));
        let more = study(vec![row(1024, 60.1, 10), row(2048, 10.0, 90)]);
        assert_eq!(more.recommended().map(Row::slab_size), Some(2048));
        assert_eq!(study(Vec::new()).recommended().map(Row::slab_size), None);
    }

    #[test]
    fn each_reason_names_what_decided() {
        let alone = study(vec![row(1024, 50.0, 10)]).reason();
        assert_eq!(alone, "1 KiB slabs: nothing else was compared.");
        let fastest = study(vec![row(1024, 50.0, 90), row(2048, 101.0, 10)]).reason();
        assert!(fastest.contains("no other setup comes near its 50.0 ns an allocation. It"), "{fastest}");
        assert!(fastest.contains("is 10 B"), "{fastest}");
        let both = study(vec![row(1024, 50.0, 10), row(2048, 51.0, 20)]).reason();
        assert!(both.contains("fastest (50.0 ns an allocation)") && both.contains("of the 2 setups"), "{both}");
    }

    /// A row that holds `held` at first and `more` more after each quarter.
    fn growing(slab_size: usize, ns: f64, held: u64, more: u64, more_live: u64) -> Row {
        let moment = |at: u64| Moment {
            pinned_bytes: held + at / 2 * more,
            live_bytes: at / 2 * more_live,
            ..Moment::default()
        };
        let mut row = row(slab_size, ns, held);
        row.simulated.series = (0..8).map(moment).collect();
        Row::new(row.setup, row.simulated, row.replayed)
    }

    /// The fastest keeps a slab for each slice that is kept: a suspect, however little it holds so far.
    #[test]
    fn what_grows_is_not_recommended_unless_all_do() {
        let steady = || growing(1 << 17, 300.0, 1 << 20, 0, 0);
        let suspect = || growing(1 << 16, 40.0, 1 << 19, 1 << 17, 100);
        let both = study(vec![suspect(), steady()]);
        assert_eq!(both.recommended().map(Row::slab_size), Some(1 << 17));
        assert!(both.reason().contains("and do not grow"), "{}", both.reason());
        assert!(both.to_string().contains("0 B +") && both.to_string().contains("+ it held ever more"), "{both}");
        assert_eq!(study(vec![suspect()]).recommended().map(Row::slab_size), Some(1 << 16));
        // By one slab, or by what is live: no suspect.
        assert!(!grows(&growing(1 << 16, 40.0, 1 << 19, 1 << 16, 100)));
        assert!(!grows(&growing(1 << 16, 40.0, 1 << 19, 1 << 17, 1 << 17)));
        assert!(!steady().grows && !row(1, 1.0, 1).grows);
    }

    /// Where a policy has nothing to do, none is recommended.
    #[test]
    fn a_default_is_preferred_to_what_is_as_good() {
        let mut never = row(1024, 50.0, 10);
        never.setup.retain = None;
        let study = study(vec![never, row(1024, 51.0, 10)]);
        assert_eq!(study.recommended().map(Row::policy).as_deref(), Some("default"));
    }
}
