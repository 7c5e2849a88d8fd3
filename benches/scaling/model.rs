//! A model of contention: each line that cores write is a queue with one server, which takes one transfer for each core that has
//! to have the line. A core that sends λ requests a second, each of which needs the line for s seconds, uses λ·s of it; at
//! 1 / (λ·s) cores the line is busy all the time, and more cores do no more requests.

use crate::counted::Rates;

/// Handles of a slab before it is full, with reads of 4 KiB in slabs of 64 KiB.
pub const READS: f64 = 16.0;
/// Times that the owner of such a slab goes on to its next stretch: behind 12 and 32 KiB.
const STRETCHES: f64 = 2.0;
/// Slabs after which a thread tells the sizer what it saw.
const BATCH: f64 = 8.0;
/// Requests of a thread before it ends, in the load of threads that come and go.
pub const LIFE: f64 = 1000.0;

/// How one request uses one line.
#[derive(Clone)]
pub struct Use {
    /// Of [`LINES`](crate::lines::LINES).
    pub line: &'static str,
    /// How often a request does so.
    pub events: f64,
    /// Locked instructions each time.
    pub locked: f64,
    /// Transfers each time, those of other lines under the same lock included.
    pub transfers: f64,
    /// Only two threads ever use this line: more cores make it no busier.
    pub paired: bool,
}

impl Use {
    /// So many nanoseconds of the line for one request.
    fn busy(&self, c: f64) -> f64 {
        self.events * self.transfers * c
    }
}

fn every(line: &'static str, events: f64, locked: f64, transfers: f64) -> Use {
    Use { line, events, locked, transfers, paired: false }
}

/// A read-modify-write.
fn rmw(line: &'static str, events: f64) -> Use {
    every(line, events, 1.0, 1.0)
}

/// A lock: taken and given back.
fn lock(line: &'static str, events: f64) -> Use {
    every(line, events, 2.0, 2.0)
}

/// A plain store.
fn store(line: &'static str, events: f64) -> Use {
    every(line, events, 0.0, 1.0)
}

/// What cores do all day.
pub struct Load {
    pub name: &'static str,
    pub what: &'static str,
    pub uses: Vec<Use>,
}

/// The line that is busy first.
pub struct Verdict {
    pub line: &'static str,
    /// Nanoseconds that a request keeps it busy.
    pub busy: f64,
    /// Cores that keep it busy all the time.
    pub cores: f64,
}

impl Load {
    /// Lines by how busy they are with transfers of `c` ns and so many requests a second of each core, the busiest first.
    pub fn verdicts(&self, c: f64, rate: f64) -> Vec<Verdict> {
        let mut verdicts: Vec<Verdict> = Vec::new();
        for one in self.uses.iter().filter(|one| !one.paired && one.transfers > 0.0) {
            let busy = one.busy(c);
            match verdicts.iter_mut().find(|verdict| verdict.line == one.line) {
                Some(verdict) => verdict.busy += busy,
                None => verdicts.push(Verdict { line: one.line, busy, cores: 0.0 }),
            }
        }
        verdicts.iter_mut().for_each(|verdict| verdict.cores = 1e9 / (rate * verdict.busy));
        verdicts.sort_unstable_by(|a, b| b.busy.total_cmp(&a.busy));
        verdicts
    }

    /// Locked instructions of a request.
    pub fn locked(&self) -> f64 {
        self.uses.iter().map(|one| one.events * one.locked).sum()
    }

    /// Nanoseconds that a request waits for lines, with transfers of `c` ns and so many cores: 1 / (1 − ρ) times what it would
    /// alone. `None` when one of them is saturated.
    pub fn waits(&self, c: f64, rate: f64, cores: f64) -> Option<f64> {
        let paired: f64 = self.uses.iter().filter(|one| one.paired).map(|one| one.busy(c)).sum();
        let mut sum = paired;
        for verdict in self.verdicts(c, rate) {
            let rho = cores / verdict.cores;
            if rho >= 1.0 {
                return None;
            }
            sum += verdict.busy / (1.0 - rho);
        }
        Some(sum)
    }
}

/// Who drops what another core made: the count and the slot of each slice, and for each slab that is empty then, everybody's depot.
pub fn dropped() -> Vec<Use> {
    let slab = 1.0 / READS;
    vec![
        Use { paired: true, ..rmw("state", 1.0) },
        Use { paired: true, ..store("slot", 2.0) },
        every("pool count", slab, 2.0, 2.0),
        rmw("counts", slab),
        rmw("idle bytes", slab),
        lock("depot", slab),
    ]
}

/// Who makes them, and finds nothing in its magazine for each slab it needs.
pub fn made() -> Vec<Use> {
    let slab = 1.0 / READS;
    vec![
        lock("depot", slab),
        // Read before the depot is asked, and written when it had one.
        every("idle bytes", slab, 1.0, 2.0),
        rmw("counts", slab),
        rmw("flags", slab),
        Use { paired: true, ..rmw("state", slab) },
        Use { paired: true, ..rmw("fixed", STRETCHES * slab) },
    ]
}

/// What the load with random lifetimes writes besides: lines of slabs, of which each is used by one core at a time.
pub fn spread(rates: &Rates) -> Vec<Use> {
    let Rates { openings, .. } = *rates;
    // Each drop; each slab that is looked at, attached and left. Its segments are the core's own, as long as it was nobody else's.
    vec![every("state", 1.0, 1.0, 0.0), every("state", 3.0 * openings, 1.0, 0.0)]
}

/// The name of its kind is looked up, and then the scope, twice; it is left, and its last handle goes.
fn scope_by_name() -> Vec<Use> {
    vec![every("scopes", 1.0, 6.0, 6.0), lock("tags", 1.0), every("scope count", 1.0, 6.0, 0.0)]
}

/// The loads, with what was counted of those whose events depend on chance.
pub fn loads(rates: &Rates) -> Vec<Load> {
    let slab = 1.0 / READS;
    let load = |name, what, uses| Load { name, what, uses };
    // Each slab that is attached around its slices was searched for, and another one was left for it.
    let Rates { openings, jumps, .. } = *rates;
    let around = vec![
        lock("headers", openings),
        rmw("flags", jumps),
        every("tries", openings, 0.0, 2.0),
        rmw("counts", openings),
    ];
    vec![
        load(
            "hot",
            "reads of 4 KiB, each dropped when the next one is made: slabs of 64 KiB that are reused in place",
            vec![],
        ),
        load("hot, max_bytes", "the same in a pool with a limit", vec![rmw("flags", slab)]),
        load("hot, Auto", "the same in a pool that finds its slab size", vec![lock("sizer", slab / BATCH)]),
        load("random", "reads of 4 KiB, each dropped when another takes its place among 1,024", around),
        load("random, pool each", "the same with a pool for each core", vec![]),
        load("broadcast", "all cores clone and drop one slice", vec![every("state", 1.0, 2.0, 2.0)]),
        load(
            "handed over",
            "reads of 4 KiB, made on one core and dropped on another; requests of the first",
            [dropped(), made()].concat(),
        ),
        load("handed over, pool each", "the same with a pool for each pair of cores", vec![]),
        load("tag by name", "one `tag(\"name\")` a request", vec![lock("tags", 1.0)]),
        load("scope by name", "one `pool.scope(\"name\", id)` a request, ended at once", scope_by_name()),
        load("retain", "one `retain()` or `Bytes::from` a request, of what stays in its slab", vec![]),
        load(
            "recorded",
            "hot, while all of it is recorded: an allocation, a freeze and a drop a request",
            vec![rmw("log", 1.0), every("log", 3.0, 2.0, 2.0)],
        ),
        load("threads", "hot, by threads that end after 1,000 requests", vec![every("threads", 1.0 / LIFE, 5.0, 5.0)]),
    ]
}
