//! Which setups are worth a thought, and which one to take. The rule and the model are in `docs/tuning.md`; tests hold both to it.

use super::figure::{ns, size};
use super::{Row, Study};
use crate::tune::Simulated;

/// How much slower than the fastest a setup may be: a tenth, or what a measurement of this kind cannot tell apart anyway.
const SLOWER: f64 = 0.10;
const NOISE_NS: f64 = 1.0;

/// Nanoseconds that things cost, where nothing was measured.
mod model {
    /// An allocation that is cut from memory at hand.
    pub(super) const ALLOC: f64 = 10.0;
    /// Any other step.
    pub(super) const STEP: f64 = 3.0;
    /// A byte of memory that the system has to find first. This and the next as `docs/slab_size.md` has them: reads of 1,500 bytes
    /// cost 24 ns in a hot slab, 120 ns in cold ones, and 750 ns in fresh ones.
    pub(super) const FRESH_BYTE: f64 = 0.48;
    /// A byte of memory that has left the caches.
    pub(super) const COLD_BYTE: f64 = 0.064;
    pub(super) const SLAB_CHANGE: f64 = 100.0;
    pub(super) const DETACH: f64 = 30.0;
    /// A handle that is made or dropped on another thread's slab: an atomic read-modify-write.
    pub(super) const GUEST: f64 = 8.0;
    pub(super) const SLAB_TAKEN: f64 = 1_000.0;
    pub(super) const COPY: f64 = 25.0;
    pub(super) const COPIED_BYTE: f64 = 0.05;
}

/// Nanoseconds for an allocation with all that is done with it.
pub(super) fn modelled(run: &Simulated) -> f64 {
    let of = |n: u64, ns: f64| n as f64 * ns;
    let all = of(run.allocations, model::ALLOC)
        + of(run.steps - run.allocations.min(run.steps), model::STEP)
        + of(run.fresh_bytes, model::FRESH_BYTE)
        + of(run.cold_bytes, model::COLD_BYTE)
        + of(run.slab_changes, model::SLAB_CHANGE)
        + of(run.detaches, model::DETACH)
        + of(run.guest_ops, model::GUEST)
        + of(run.slabs_taken, model::SLAB_TAKEN)
        + of(run.copies, model::COPY)
        + of(run.copied_bytes, model::COPIED_BYTE);
    all / run.allocations.max(1) as f64
}

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
    (fastest * (1.0 + SLOWER)).max(fastest + NOISE_NS)
}

/// Rows fast enough, and the fastest of them.
fn fast(rows: &[Row]) -> (Vec<usize>, usize) {
    let time = |&at: &usize| rows[at].ns_per_alloc();
    let fastest = (0..rows.len()).min_by(|a, b| time(a).total_cmp(&time(b))).unwrap_or(0);
    let limit = limit(time(&fastest));
    ((0..rows.len()).filter(|at| time(at) <= limit).collect(), fastest)
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
    let slower = rows[best].ns_per_alloc() / rows[fastest].ns_per_alloc().max(0.001) - 1.0;
    if best == fastest && fast.len() == 1 {
        let other = rows.iter().map(Row::mean_held_bytes).min().unwrap_or(0);
        let more = if other < rows[best].mean_held_bytes() {
            format!("; the least that any holds is {}", size(other))
        } else {
            ", which is also the least".to_owned()
        };
        return format!(
            "{}: no other setup is within 10 %{kind} of its {} ns an allocation. It holds {} on average{more}.",
            name(best),
            time(best),
            held(best)
        );
    }
    if best == fastest {
        return format!(
            "{}: fastest{kind} ({} ns an allocation), and of the {} setups within 10 % of that it holds the least memory on average ({}).",
            name(best),
            time(best),
            fast.len(),
            held(best)
        );
    }
    let near = if slower < 0.005 { "as fast as".to_owned() } else { format!("{:.0} % slower than", slower * 100.0) };
    format!(
        "{}: of the {} setups within 10 %{kind} of the fastest it holds the least memory on average: {} at {} ns an allocation, {near} {} \
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
    use crate::tune::{Replayed, Setup};

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
        let close = study(vec![row(1024, 109.0, 10), row(2048, 100.0, 90), row(4096, 105.0, 20)]);
        assert_eq!(close.recommended().map(Row::slab_size), Some(1024));
        let reason = close.reason();
        assert!(
            reason.contains("of the 3 setups within 10 % of the fastest") && reason.contains("9 % slower"),
            "{reason}"
        );
        let far = study(vec![row(1024, 111.0, 10), row(2048, 100.0, 90), row(4096, 105.0, 20)]);
        assert_eq!(far.recommended().map(Row::slab_size), Some(4096));
        // A tenth of next to nothing is noise.
        let tiny = study(vec![row(1024, 2.9, 10), row(2048, 2.0, 90)]);
        assert_eq!(tiny.recommended().map(Row::slab_size), Some(1024));
        assert_eq!(study(Vec::new()).recommended().map(Row::slab_size), None);
    }

    #[test]
    fn each_reason_names_what_decided() {
        let alone = study(vec![row(1024, 50.0, 10)]).reason();
        assert_eq!(alone, "1 KiB slabs: nothing else was compared.");
        let fastest = study(vec![row(1024, 50.0, 90), row(2048, 100.0, 10)]).reason();
        assert!(fastest.contains("no other setup is within 10 %") && fastest.contains("is 10 B"), "{fastest}");
        let both = study(vec![row(1024, 50.0, 10), row(2048, 51.0, 20)]).reason();
        assert!(both.contains("fastest (50.0 ns an allocation)") && both.contains("of the 2 setups"), "{both}");
    }

    /// Where a policy has nothing to do, none is recommended.
    #[test]
    fn a_default_is_preferred_to_what_is_as_good() {
        let mut never = row(1024, 50.0, 10);
        never.setup.retain = None;
        let study = study(vec![never, row(1024, 51.0, 10)]);
        assert_eq!(study.recommended().map(Row::policy).as_deref(), Some("default"));
    }

    /// What costs more costs more in the model.
    #[test]
    fn the_model_knows_what_is_slow() {
        let hot = Simulated { allocations: 1000, steps: 2000, ..Simulated::default() };
        assert_eq!(modelled(&hot), 13.0);
        let streamed = Simulated { fresh_bytes: 1_500_000, ..hot.clone() };
        assert!(modelled(&streamed) > 10.0 * modelled(&hot));
        assert!(modelled(&Simulated { cold_bytes: 1_500_000, ..hot.clone() }) < modelled(&streamed));
        assert_eq!(modelled(&Simulated::default()), 0.0);
    }
}
