//! Medians and spreads of all rounds, and their form as JSON and CSV.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::plan::Case;
use crate::run::Figures;

/// Changes when what is in the file does.
const SCHEMA: &str = "bufslab-tune-slab-size-1";

/// One figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// Figures over all rounds, by name.
pub type Spreads = BTreeMap<String, Spread>;

/// All that was measured.
#[derive(Debug, PartialEq)]
pub struct Results {
    /// Whether this was only to see that it works.
    pub quick: bool,
    /// Seconds that were measured of each run.
    pub seconds: f64,
    pub rounds: usize,
    pub clients: usize,
    /// Sessions that were open, each with its head.
    pub sessions: usize,
    pub machine: String,
    /// The servers.
    pub servers: Vec<(Case, Spreads)>,
    /// The allocator alone, by slab size in bytes; `None` is a `Vec` for each read.
    pub allocations: Vec<(Option<usize>, Spreads)>,
}

impl Spread {
    /// Of some figures, in any order.
    fn of(mut figures: Vec<f64>) -> Option<Spread> {
        figures.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = (figures.first()?, figures.last()?);
        let (low, high) = (figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        Some(Spread { median: (low + high) / 2.0, min, max })
    }

    /// Half of what lies between the lowest and the highest, in percent of the median.
    pub fn percent(&self) -> f64 {
        if self.median > 0.0 { (self.max - self.min) / 2.0 / self.median * 100.0 } else { 0.0 }
    }
}

/// Puts the rounds' figures together.
pub fn over_rounds(rounds: &[Figures]) -> Spreads {
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, &figure) in rounds.iter().flatten() {
        all.entry(name.clone()).or_default().push(figure);
    }
    all.into_iter().filter_map(|(name, figures)| Some((name, Spread::of(figures)?))).collect()
}

impl Results {
    pub fn server(&self, case: Case) -> Option<&Spreads> {
        self.servers.iter().find(|row| row.0 == case).map(|row| &row.1)
    }

    pub fn allocation(&self, slab_size: Option<usize>) -> Option<&Spreads> {
        self.allocations.iter().find(|row| row.0 == slab_size).map(|row| &row.1)
    }

    /// The slab sizes, in bytes.
    pub fn sizes(&self) -> Vec<usize> {
        self.allocations.iter().filter_map(|row| row.0).collect()
    }

    pub fn to_json(&self) -> Value {
        let servers = self.servers.iter().map(|(case, spreads)| {
            json!({
                "case": case.to_string(),
                "slab_size": case.fixed_size(),
                "auto": case.is_auto(),
                "reuse": case.reuse().map(|reuse| reuse.as_str()),
                "figures": spreads_json(spreads),
            })
        });
        let allocations = self
            .allocations
            .iter()
            .map(|(slab_size, spreads)| json!({ "slab_size": slab_size, "figures": spreads_json(spreads) }));
        json!({
            "schema": SCHEMA,
            "quick": self.quick,
            "seconds": self.seconds,
            "rounds": self.rounds,
            "clients": self.clients,
            "sessions": self.sessions,
            "machine": self.machine,
            "servers": servers.collect::<Vec<_>>(),
            "allocations": allocations.collect::<Vec<_>>(),
        })
    }

    /// Reads what `to_json` made.
    pub fn from_json(value: &Value) -> Result<Results> {
        ensure!(value["schema"] == SCHEMA, "not a file of this program, or of another version of it");
        let count = |name: &str| value[name].as_u64().map(|count| count as usize).with_context(|| name.to_owned());
        let rows = |name: &str| value[name].as_array().with_context(|| name.to_owned());
        let mut results = Results {
            quick: value["quick"].as_bool().context("quick")?,
            seconds: value["seconds"].as_f64().context("seconds")?,
            rounds: count("rounds")?,
            clients: count("clients")?,
            sessions: count("sessions")?,
            machine: value["machine"].as_str().context("machine")?.to_owned(),
            servers: Vec::new(),
            allocations: Vec::new(),
        };
        for row in rows("servers")? {
            let case = row["case"].as_str().context("case")?.parse()?;
            results.servers.push((case, spreads(&row["figures"])?));
        }
        for row in rows("allocations")? {
            let slab_size = row["slab_size"].as_u64().map(|bytes| bytes as usize);
            results.allocations.push((slab_size, spreads(&row["figures"])?));
        }
        Ok(results)
    }

    /// A line for each figure.
    pub fn to_csv(&self) -> String {
        let mut text = "part,slab_size,reuse,figure,median,min,max\n".to_owned();
        let mut rows = |part: &str, slabs: &str, reuse: &str, spreads: &Spreads| {
            for (name, Spread { median, min, max }) in spreads {
                let _ = writeln!(text, "{part},{slabs},{reuse},{name},{median:.3},{min:.3},{max:.3}");
            }
        };
        for (case, spreads) in &self.servers {
            let case = case.to_string();
            let (slabs, reuse) = case.split_once('/').unwrap_or((&case, ""));
            rows("server", slabs, reuse, spreads);
        }
        for (slab_size, spreads) in &self.allocations {
            let slabs = slab_size.map_or("vec".to_owned(), |bytes| bytes.to_string());
            rows("allocation", &slabs, "", spreads);
        }
        text
    }
}

/// To the thousandth: no figure is known better.
fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

fn spreads_json(spreads: &Spreads) -> Value {
    let each = spreads.iter().map(|(name, Spread { median, min, max })| {
        (name.clone(), json!({ "median": rounded(*median), "min": rounded(*min), "max": rounded(*max) }))
    });
    each.collect::<Map<String, Value>>().into()
}

fn spreads(value: &Value) -> Result<Spreads> {
    let figures = value.as_object().context("figures")?;
    let spread = |(name, value): (&String, &Value)| {
        let figure = |which: &str| value[which].as_f64().with_context(|| format!("{name}: {which}"));
        Ok((name.clone(), Spread { median: figure("median")?, min: figure("min")?, max: figure("max")? }))
    };
    figures.iter().map(spread).collect()
}
