//! The model of contention, printed, checked against what can be counted and measured here, and written into its chapter.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clock::Progress;
use crate::contended::{self, Costs};
use crate::counted::{self, Check, Rates};
use crate::format::{count, digits, markdown_table, text_table, time};
use crate::lines::{self, LINES};
use crate::model::{self, Load};
use crate::options::Options;
use crate::{doc, traced};

/// For how many cores waiting is shown.
const CORES: [f64; 4] = [8.0, 64.0, 128.0, 256.0];

struct Findings<'a> {
    options: &'a Options,
    made: String,
    costs: Option<Costs>,
    rates: Rates,
    checks: Vec<Check>,
    loads: Vec<Load>,
}

pub fn run(options: &Options, made: String) -> Result<()> {
    let missing = lines::missing();
    ensure!(missing.is_empty(), "the list of lines is out of date:\n{}", missing.join("\n"));
    let progress = Progress::start();
    progress.say("two threads and one line");
    let costs = contended::measure(if options.quick { Duration::from_millis(100) } else { Duration::from_secs(1) });
    progress.say("counting events");
    let counted = counted::count(if options.quick { 16_000 } else { 160_000 });
    progress.say("stepping through each load");
    let stepped = traced::checks();
    let could_step = stepped.is_some();
    let checks: Vec<Check> = counted.checks.into_iter().chain(stepped.into_iter().flatten()).collect();
    let loads = model::loads(&counted.rates);
    let findings = Findings { options, made, costs, rates: counted.rates, checks, loads };
    progress.say("done");

    print!("{}", findings.text());
    if !could_step {
        println!("\nNothing was stepped through: that is written for x86-64 Linux.");
    }
    fs::create_dir_all(&options.out).with_context(|| format!("--out {}", options.out.display()))?;
    let path = options.out.join("contention.json");
    fs::write(&path, serde_json::to_string_pretty(&findings.json())? + "\n")
        .with_context(|| path.display().to_string())?;
    let wrong: Vec<&Check> = findings.checks.iter().filter(|check| !check.holds()).collect();
    ensure!(wrong.is_empty(), "{} counts are not as the model says", wrong.len());
    if let Some(folder) = &options.doc {
        doc::rewrite(&folder.join("contention.md"), |name| Ok(findings.markdown(name)))?;
    }
    Ok(())
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

impl Findings<'_> {
    /// The parameters in a sentence.
    fn parameters(&self) -> String {
        let transfers: Vec<String> = self.options.transfers.iter().map(|&c| time(c)).collect();
        format!(
            "One transfer of a contended line costs {}; each core sends {} requests a second; {} reads a slab. Counted with random \
             lifetimes: {} slabs and {} holes begun for each request.",
            transfers.join(" or "),
            count(self.options.rate),
            model::READS,
            digits(self.rates.openings),
            digits(self.rates.jumps),
        )
    }

    /// Which line is the first to be busy, and how many cores that takes.
    fn verdict_rows(&self) -> Vec<Vec<String>> {
        let mut rows =
            vec![row(["load", "busiest line", "ns a request", "cores that saturate it", "second line", "cores"])];
        for load in &self.loads {
            let of = |c: f64| load.verdicts(c, self.options.rate);
            let each = |figure: &dyn Fn(f64) -> Option<String>| {
                let shown: Vec<String> = self.options.transfers.iter().filter_map(|&c| figure(c)).collect();
                if shown.is_empty() { "–".to_owned() } else { shown.join(" / ") }
            };
            let name = |at: usize| of(1.0).get(at).map_or("–", |verdict| verdict.line).to_owned();
            rows.push(vec![
                load.name.to_owned(),
                name(0),
                each(&|c| of(c).first().map(|verdict| digits(verdict.busy))),
                each(&|c| of(c).first().map(|verdict| cores(verdict.cores))),
                name(1),
                each(&|c| of(c).get(1).map(|verdict| cores(verdict.cores))),
            ]);
        }
        rows
    }

    /// What a request waits for lines, with the first of the costs of a transfer.
    fn wait_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row(["load"])];
        rows[0].extend(CORES.iter().map(|cores| format!("{cores} cores")));
        let c = self.options.transfers[0];
        for load in &self.loads {
            let wait = |&cores: &f64| load.waits(c, self.options.rate, cores).map_or("saturated".to_owned(), time);
            let mut row = vec![load.name.to_owned()];
            row.extend(CORES.iter().map(wait));
            rows.push(row);
        }
        rows
    }

    fn load_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row(["load", "what a request is", "lines, and how often a request writes them"])];
        for load in &self.loads {
            let one = |one: &model::Use| {
                let among = if one.paired { ", between two cores" } else { "" };
                format!("{} {} × {} transfers{among}", one.line, digits(one.events), one.transfers)
            };
            let uses: Vec<String> = load.uses.iter().map(one).collect();
            let uses = if uses.is_empty() { "nothing that is shared".to_owned() } else { uses.join("; ") };
            rows.push(vec![load.name.to_owned(), load.what.to_owned(), uses]);
        }
        rows
    }

    fn check_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row(["load", "count", "model", "counted", ""])];
        for check in &self.checks {
            let model = match check.most - check.least {
                width if width < 1e-9 => shown(check.least),
                _ => format!("{} to {}", shown(check.least), shown(check.most)),
            };
            let holds = if check.holds() { "holds" } else { "DOES NOT HOLD" };
            rows.push(vec![check.load.clone(), check.what.to_owned(), model, shown(check.counted), holds.to_owned()]);
        }
        rows
    }

    fn cost_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row(["a read-modify-write", "time"])];
        let Some(costs) = &self.costs else { return rows };
        rows.extend([
            vec!["of a line that nobody else has".to_owned(), time(costs.alone)],
            vec!["of one of two lines, two threads".to_owned(), time(costs.apart)],
            vec!["of one line, two threads: until either has done one".to_owned(), time(costs.together)],
            vec!["of one line, two threads in turn: from one's to the other's".to_owned(), time(costs.passed)],
        ]);
        rows
    }

    fn text(&self) -> String {
        format!(
            "{}\n{}\n\nWhich line is saturated first\n{}\nWhat a request waits for lines, at {} a transfer\n{}\nCounts\n{}\nMeasured here\n{}",
            self.made,
            self.parameters(),
            text_table(&self.verdict_rows()),
            time(self.options.transfers[0]),
            text_table(&self.wait_rows()),
            text_table(&self.check_rows()),
            text_table(&self.cost_rows()),
        )
    }

    /// A part of the chapter.
    fn markdown(&self, name: &str) -> Option<String> {
        Some(match name {
            "made" => self.made.clone(),
            "parameters" => self.parameters(),
            "verdicts" => markdown_table(&self.verdict_rows(), 2),
            "waits" => {
                let table = markdown_table(&self.wait_rows(), 1);
                format!("At {} a transfer:\n\n{table}", time(self.options.transfers[0]))
            }
            "loads" => markdown_table(&self.load_rows(), 3),
            "counts" => markdown_table(&self.check_rows(), 2),
            "costs" => markdown_table(&self.cost_rows(), 1),
            "lines" => markdown_table(&line_rows(), 4),
            _ => return None,
        })
    }

    fn json(&self) -> Value {
        let checks = self.checks.iter().map(|check| {
            json!({
                "load": check.load, "count": check.what, "least": check.least, "counted": check.counted,
                "most": check.most, "holds": check.holds(),
            })
        });
        let loads = self.loads.iter().flat_map(|load| {
            self.options.transfers.iter().map(move |&c| {
                let lines = load.verdicts(c, self.options.rate);
                let lines = lines.iter().map(
                    |verdict| json!({ "line": verdict.line, "ns_a_request": verdict.busy, "cores": verdict.cores }),
                );
                json!({ "load": load.name, "transfer_ns": c, "lines": lines.collect::<Vec<_>>() })
            })
        });
        let costs = self.costs.as_ref().map(|costs| {
            json!({
                "alone_ns": costs.alone, "apart_ns": costs.apart, "together_ns": costs.together, "passed_ns": costs.passed,
            })
        });
        json!({
            "made": self.made,
            "rate": self.options.rate,
            "openings": self.rates.openings,
            "jumps": self.rates.jumps,
            "checks": checks.collect::<Vec<_>>(),
            "loads": loads.collect::<Vec<_>>(),
            "costs": costs,
        })
    }
}

/// Whole ones, if they are more than a few.
fn cores(cores: f64) -> String {
    if cores < 10.0 { format!("{cores:.1}") } else { count(cores.floor()) }
}

/// A whole number as such.
fn shown(figure: f64) -> String {
    if figure.fract() == 0.0 { count(figure) } else { format!("{figure:.3}") }
}

fn line_rows() -> Vec<Vec<String>> {
    let mut rows = vec![row(["line", "where", "who writes it, and how often", "what was done about it"])];
    for line in LINES {
        let places: Vec<String> = line.places.iter().map(|(file, name)| format!("`{name}` in `{file}`")).collect();
        rows.push(row([line.name, &places.join(", "), line.written, line.done]));
    }
    rows
}
