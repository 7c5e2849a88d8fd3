//! Medians and spreads of all rounds, and their form as JSON.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::plan::{KINDS, Kind, Protocol};
use crate::run::Figures;

/// Changes when what is in the file does.
const SCHEMA: &str = "bufslab-servers-1";

/// One figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// Figures over all rounds, by name.
pub type Spreads = BTreeMap<String, Spread>;

/// One kind of buffers under one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub protocol: Protocol,
    pub kind: Kind,
    pub figures: Spreads,
}

/// All that was measured.
#[derive(Debug, PartialEq)]
pub struct Results {
    /// Whether this was only to see that it works.
    pub quick: bool,
    /// Seconds that were measured of each run, about.
    pub seconds: f64,
    pub rounds: usize,
    pub machine: String,
    /// What drove the servers, with versions.
    pub tools: Vec<String>,
    /// By load, then by kind.
    pub rows: Vec<Row>,
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
    /// The names of the loads, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.rows.iter().map(|row| row.name.as_str()).collect();
        names.dedup();
        names
    }

    /// Kinds that were measured.
    pub fn kinds(&self) -> Vec<Kind> {
        KINDS.into_iter().filter(|kind| self.rows.iter().any(|row| row.kind == *kind)).collect()
    }

    pub fn figure(&self, name: &str, kind: Kind, figure: &str) -> Option<Spread> {
        self.rows.iter().find(|row| row.name == name && row.kind == kind)?.figures.get(figure).copied()
    }

    pub fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "row": row.name,
                "protocol": row.protocol.name(),
                "buffer": row.kind.name(),
                "figures": spreads_json(&row.figures),
            })
        });
        json!({
            "schema": SCHEMA,
            "quick": self.quick,
            "seconds": self.seconds,
            "rounds": self.rounds,
            "machine": self.machine,
            "tools": self.tools,
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    /// Reads what `to_json` made.
    pub fn from_json(value: &Value) -> Result<Results> {
        ensure!(value["schema"] == SCHEMA, "not a file of this program, or of another version of it");
        let text = |value: &Value, name: &str| -> Result<String> {
            Ok(value[name].as_str().with_context(|| name.to_owned())?.to_owned())
        };
        let list = |name: &str| value[name].as_array().with_context(|| name.to_owned());
        let mut rows = Vec::new();
        for row in list("rows")? {
            rows.push(Row {
                name: text(row, "row")?,
                protocol: text(row, "protocol")?.parse()?,
                kind: text(row, "buffer")?.parse()?,
                figures: spreads(&row["figures"])?,
            });
        }
        Ok(Results {
            quick: value["quick"].as_bool().context("quick")?,
            seconds: value["seconds"].as_f64().context("seconds")?,
            rounds: value["rounds"].as_u64().context("rounds")? as usize,
            machine: text(value, "machine")?,
            tools: serde_json::from_value(value["tools"].clone()).context("tools")?,
            rows,
        })
    }
}

/// Six digits behind the point: some figures are of single events in many requests.
fn rounded(figure: f64) -> f64 {
    (figure * 1e6).round() / 1e6
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
