//! Setups compared: which are worth a thought, which one to take, and how that is shown.
//!
//! | file | part |
//! |---|---|
//! | `choose` | the Pareto front, the rule of the recommendation |
//! | `text`, `json`, `svg`, `html` | how it is shown |
//! | `plot` | axes, lines and colours of the charts |
//! | `figure` | sizes and times as people read them |

mod choose;
mod figure;
mod html;
mod json;
mod plot;
mod svg;
mod text;

use super::{Replayed, Setup, Simulated};
use crate::config::{DEFAULT_SLAB_SIZE, Reuse};
use crate::policy::RetainPolicy;
use crate::trace::AllocTrace;

/// What a trace cost, and would cost, with several setups.
///
/// ```
/// use bufslab::trace::{AllocTrace, Op, Step};
/// use bufslab::tune::{Row, Setup, Study, simulate};
///
/// let mut trace = AllocTrace::default();
/// trace.threads = 1;
/// for handle in 0..1000 {
///     for op in [Op::Alloc { len: 1500, site: 0, tag: 0 }, Op::Free { handle }] {
///         trace.steps.push(Step { millis: 0, position: u64::from(handle), thread: 0, op });
///     }
/// }
/// let mut rows = Vec::new();
/// for size in [16 << 10, 64 << 10, 256 << 10] {
///     let setup = Setup::new(size);
///     let simulated = simulate(&trace, &setup)?;
///     rows.push(Row::new(setup, simulated, None));
/// }
/// let study = Study::new("steady.slabtrace", &trace, rows);
/// let best = study.recommended().unwrap();
/// assert_eq!(best.env_line(), "SLAB_BUFFER_SIZE=16KiB");
/// println!("{study}");
/// # Ok::<(), bufslab::tune::SimulateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Study {
    name: String,
    /// What was run: more than was recorded if a sampled trace was expanded.
    steps: u64,
    recorded_steps: u64,
    allocations: u64,
    threads: u32,
    millis: u64,
    is_cut_short: bool,
    one_in: u32,
    recorded_size: u64,
    rows: Vec<Row>,
    recommended: Option<usize>,
}

/// One setup, and what the trace costs with it.
#[derive(Clone, Debug)]
pub struct Row {
    setup: Setup,
    simulated: Simulated,
    replayed: Option<Replayed>,
    is_front: bool,
    grows: bool,
}

impl Study {
    /// Version of the JSON that [`to_json`](Study::to_json) writes.
    pub const SCHEMA_VERSION: u32 = 1;

    /// Compares setups. `name` is what the trace is called where the study is shown, and `trace` is as it was recorded, also if what was run is
    /// [expanded](AllocTrace::expand).
    #[must_use]
    pub fn new(name: &str, trace: &AllocTrace, rows: Vec<Row>) -> Study {
        let mut study = Study {
            name: name.to_owned(),
            steps: rows.first().map_or(0, |row| row.simulated.steps),
            recorded_steps: trace.steps.len() as u64,
            allocations: rows.first().map_or(0, |row| row.simulated.allocations),
            threads: trace.threads,
            millis: trace.millis,
            is_cut_short: trace.is_cut_short,
            one_in: trace.one_in.max(1),
            recorded_size: trace.pool.slab_size,
            rows,
            recommended: None,
        };
        choose::mark_front(&mut study.rows);
        study.recommended = choose::recommend(&study.rows);
        study
    }

    /// What was compared, in the order it came in.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The setup to take: of those whose time is within 10 %, or 50 ns an allocation, of the fastest, the one that holds the
    /// least memory on average. Those that [grow](Row::grows) are left out, unless all do. `None` if nothing was compared.
    #[must_use]
    pub fn recommended(&self) -> Option<&Row> {
        self.rows.get(self.recommended?)
    }

    /// Whether times are measured; otherwise they are modelled.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.replayed.is_some())
    }

    /// Why [`recommended`](Study::recommended) is what it is, in a sentence or two. Empty if nothing is recommended.
    #[must_use]
    pub fn reason(&self) -> String {
        self.recommended.map_or(String::new(), |best| choose::reason(self, best))
    }

    fn has_many(&self, of: impl Fn(&Row) -> String) -> bool {
        self.rows.windows(2).any(|two| of(&two[0]) != of(&two[1]))
    }
}

impl Row {
    /// What the simulation said, and the timed replay if there was one.
    #[must_use]
    pub fn new(setup: Setup, simulated: Simulated, replayed: Option<Replayed>) -> Row {
        let mut row = Row { setup, simulated, replayed, is_front: false, grows: false };
        row.grows = choose::grows(&row);
        row
    }

    /// What the trace was run with.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What the simulation said.
    #[must_use]
    pub fn simulated(&self) -> &Simulated {
        &self.simulated
    }

    /// What this machine said.
    #[must_use]
    pub fn replayed(&self) -> Option<&Replayed> {
        self.replayed.as_ref()
    }

    /// Whether no other setup is better in memory and no worse in time, or the other way round.
    #[must_use]
    pub fn is_on_front(&self) -> bool {
        self.is_front
    }

    /// Whether it held ever more towards the end of the trace, by more than what was live grew: what it holds depends on how long the program runs.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// The slab size in bytes; where the pool finds one, that which it begins with.
    #[must_use]
    pub fn slab_size(&self) -> usize {
        self.setup.slab_size.first(DEFAULT_SLAB_SIZE)
    }

    /// Nanoseconds for an allocation with all that is done with it: measured if there was a replay, modelled otherwise.
    #[must_use]
    pub fn ns_per_alloc(&self) -> f64 {
        self.replayed.as_ref().map_or_else(|| self.modelled_ns_per_alloc(), |replayed| replayed.ns_per_alloc)
    }

    /// What the chapter [on tuning](crate::docs::tuning) says an allocation costs on a machine like any.
    #[must_use]
    pub fn modelled_ns_per_alloc(&self) -> f64 {
        self.simulated.modelled_ns()
    }

    /// Bytes held on average: pinned slabs, and copies of what was retained.
    #[must_use]
    pub fn mean_held_bytes(&self) -> u64 {
        let series = &self.simulated.series;
        let copies: u128 = series.iter().map(|moment| u128::from(moment.copy_bytes)).sum();
        self.simulated.mean_pinned_bytes + (copies / (series.len() as u128).max(1)) as u64
    }

    /// `never`, `default`, or the copybreak and the ratio, as in `256/8`, `4KiB/16`.
    #[must_use]
    pub fn policy(&self) -> String {
        match self.setup.retain {
            None => "never".to_owned(),
            Some(policy) if policy == RetainPolicy::default() => "default".to_owned(),
            Some(policy) => format!("{}/{}", figure::setting(policy.copybreak()), policy.ratio()),
        }
    }

    /// Whether it differs from a pool's defaults in nothing but its size.
    fn is_default(&self) -> bool {
        self.setup.retain == Some(RetainPolicy::default()) && self.setup.reuse == Reuse::default()
    }

    /// `around` or `whole`.
    fn reuse(&self) -> &'static str {
        match self.setup.reuse {
            Reuse::AroundThePin => "around",
            Reuse::WholeSlab => "whole",
        }
    }

    /// The setup for the environment, as [`SlabPool::from_env`](crate::SlabPool::from_env) reads it: `SLAB_BUFFER_SIZE=128KiB`, and
    /// what else differs from a pool's defaults, `SLAB_RETAIN=never SLAB_REUSE=whole`.
    #[must_use]
    pub fn env_line(&self) -> String {
        let mut line = format!("SLAB_BUFFER_SIZE={}", figure::setting(self.slab_size()));
        match self.setup.retain {
            None => line.push_str(" SLAB_RETAIN=never"),
            Some(policy) if policy == RetainPolicy::default() => {}
            Some(policy) => line += &format!(" SLAB_RETAIN={policy}"),
        }
        if self.setup.reuse == Reuse::WholeSlab {
            line.push_str(" SLAB_REUSE=whole");
        }
        line
    }

    /// The setup in code: `SlabPool::builder().slab_size(128 << 10)`, and what else differs from a pool's defaults.
    #[must_use]
    pub fn builder_line(&self) -> String {
        let mut line = format!("SlabPool::builder().slab_size({})", figure::code(self.slab_size()));
        match self.setup.retain {
            None => line.push_str(".retain_policy(RetainPolicy::new(0, usize::MAX))"),
            Some(policy) if policy == RetainPolicy::default() => {}
            Some(policy) => {
                line += &format!(".retain_policy(RetainPolicy::new({}, {}))", policy.copybreak(), policy.ratio());
            }
        }
        if self.setup.reuse == Reuse::WholeSlab {
            line.push_str(".reuse(Reuse::WholeSlab)");
        }
        line
    }
}
