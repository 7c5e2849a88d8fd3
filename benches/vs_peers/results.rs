//! What was measured, put together, and to and from JSON.

use crate::programs::Pass;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One figure: an operation, who did it, with which allocator.
#[derive(Clone, Debug)]
pub struct Row {
    pub op: String,
    /// Room in each read, in bytes.
    pub n: u64,
    pub who: String,
    pub allocator: String,
    /// One round, in nanoseconds: the median over the passes.
    pub ns: f64,
    /// That, divided by the best peer's with that peer's best allocator.
    pub ratio: f64,
    pub min: f64,
    pub max: f64,
    pub passes: usize,
    /// Whether it is one of those that the ratio may compare with.
    pub peer: bool,
}

/// All figures.
pub struct Results {
    pub rows: Vec<Row>,
}

/// How they were made.
pub struct About {
    pub machine: String,
    pub date: String,
    /// With their versions.
    pub allocators: Vec<String>,
    /// A list of names with versions.
    pub peers: Value,
    /// A list of loads, and what the ledger took in each.
    pub footprint: Value,
    pub passes: usize,
    pub quick: bool,
    /// Whether no operation and no allocator was left out.
    pub whole: bool,
}

impl Results {
    /// Medians over the passes, in the order of the first of each allocator.
    pub fn of_passes(passes: &[Pass]) -> Result<Results> {
        let mut rows: Vec<(Row, Vec<f64>)> = Vec::new();
        for pass in passes {
            for told in pass.rows.as_array().context("a list of rows")? {
                let op = text(told, "op")?;
                let who = text(told, "impl")?;
                let ns = number(told, "ns")?;
                let same =
                    |(row, _): &&mut (Row, Vec<f64>)| row.op == op && row.who == who && row.allocator == pass.allocator;
                if let Some((_, seen)) = rows.iter_mut().find(same) {
                    seen.push(ns);
                    continue;
                }
                let row = Row {
                    op,
                    n: told["n"].as_u64().context("n")?,
                    who,
                    allocator: pass.allocator.to_owned(),
                    ns,
                    ratio: 0.0,
                    min: ns,
                    max: ns,
                    passes: 0,
                    peer: told["peer"].as_bool().context("peer")?,
                };
                rows.push((row, vec![ns]));
            }
        }
        let mut results = Results { rows: rows.into_iter().map(summed_up).collect() };
        for at in 0..results.rows.len() {
            let best = results.best_peer(&results.rows[at].op).context("an operation without a peer")?.ns;
            results.rows[at].ratio = results.rows[at].ns / best;
        }
        Ok(results)
    }

    /// The fastest peer, with whatever allocator is best for it.
    pub fn best_peer(&self, op: &str) -> Option<&Row> {
        let peers = self.rows.iter().filter(|row| row.op == op && row.peer);
        peers.min_by(|a, b| a.ns.total_cmp(&b.ns))
    }

    /// The fastest of those that are neither peers nor bufslab nor the machine, likewise: what they return has one owner.
    pub fn best_unranked(&self, op: &str) -> Option<&Row> {
        let has_one_owner =
            |row: &&Row| !row.peer && !row.who.starts_with("bufslab") && !row.who.starts_with("machine: ");
        let others = self.rows.iter().filter(|row| row.op == op).filter(has_one_owner);
        others.min_by(|a, b| a.ns.total_cmp(&b.ns))
    }

    pub fn row(&self, op: &str, who: &str, allocator: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.op == op && row.who == who && row.allocator == allocator)
    }

    /// Those who did it, in the order in which they were measured.
    pub fn who(&self, op: &str) -> Vec<&str> {
        once_each(self.rows.iter().filter(|row| row.op == op).map(|row| row.who.as_str()))
    }

    pub fn ops(&self) -> Vec<&str> {
        once_each(self.rows.iter().map(|row| row.op.as_str()))
    }

    pub fn allocators(&self) -> Vec<&str> {
        once_each(self.rows.iter().map(|row| row.allocator.as_str()))
    }

    /// A list, a row a line. serde_json sorts keys, and these have an order: written by hand.
    pub fn to_json(&self) -> String {
        let lines: Vec<String> = self.rows.iter().map(line).collect();
        format!("[\n{}\n]", lines.join(",\n"))
    }

    pub fn from_json(text: &str) -> Result<Results> {
        let told: Vec<Value> = serde_json::from_str(text)?;
        Ok(Results { rows: told.iter().map(row).collect::<Result<_>>()? })
    }
}

/// The median of what was seen; the mean of the middle two, if there are two.
fn summed_up((mut row, mut seen): (Row, Vec<f64>)) -> Row {
    seen.sort_by(f64::total_cmp);
    row.passes = seen.len();
    (row.min, row.max) = (seen[0], seen[seen.len() - 1]);
    row.ns = (seen[(seen.len() - 1) / 2] + seen[seen.len() / 2]) / 2.0;
    row
}

fn once_each<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn line(row: &Row) -> String {
    format!(
        "  {{\"op\": {}, \"n\": {}, \"impl\": {}, \"allocator\": {}, \"ns\": {:.3}, \"ratio_to_best_peer\": {:.4}, \
         \"min\": {:.3}, \"max\": {:.3}, \"passes\": {}, \"peer\": {}}}",
        json!(row.op),
        row.n,
        json!(row.who),
        json!(row.allocator),
        row.ns,
        row.ratio,
        row.min,
        row.max,
        row.passes,
        row.peer,
    )
}

fn row(told: &Value) -> Result<Row> {
    Ok(Row {
        op: text(told, "op")?,
        n: told["n"].as_u64().context("n")?,
        who: text(told, "impl")?,
        allocator: text(told, "allocator")?,
        ns: number(told, "ns")?,
        ratio: number(told, "ratio_to_best_peer")?,
        min: number(told, "min")?,
        max: number(told, "max")?,
        passes: number(told, "passes")? as usize,
        peer: told["peer"].as_bool().context("peer")?,
    })
}

fn text(told: &Value, name: &str) -> Result<String> {
    Ok(told[name].as_str().with_context(|| format!("{name}: must be a text"))?.to_owned())
}

fn number(told: &Value, name: &str) -> Result<f64> {
    told[name].as_f64().with_context(|| format!("{name}: must be a number"))
}

impl About {
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    pub fn to_json(&self) -> Value {
        json!({
            "machine": self.machine,
            "date": self.date,
            "allocators": self.allocators,
            "peers": self.peers,
            "footprint": self.footprint,
            "passes": self.passes,
            "quick": self.quick,
            "whole": self.whole,
        })
    }

    pub fn from_json(json: &str) -> Result<About> {
        let told: Value = serde_json::from_str(json)?;
        let flag = |name: &str| told[name].as_bool().with_context(|| format!("{name}: must be true or false"));
        Ok(About {
            machine: text(&told, "machine")?,
            date: text(&told, "date")?,
            allocators: texts(&told["allocators"]),
            peers: told["peers"].clone(),
            footprint: told["footprint"].clone(),
            passes: number(&told, "passes")? as usize,
            quick: flag("quick")?,
            whole: flag("whole")?,
        })
    }
}

/// The texts of a list.
pub fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}
