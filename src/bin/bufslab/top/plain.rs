//! A table for each interval, for files and pipes.

use std::io::{self, Write};
use std::thread;

use bufslab::PinReport;

use super::history::{History, table};
use crate::args::{By, TopArgs};
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;
use crate::units::{bytes, percent, rate, span};

/// Looks in a row that may fail, once one has succeeded.
const PATIENCE: u32 = 3;

pub fn run(args: &TopArgs) -> Result<Outcome, Failure> {
    let mut history = History::default();
    let (mut failed, mut looked) = (0, false);
    loop {
        match args.source.read_quietly(&args.ask) {
            Ok(report) => {
                history.push(&report);
                let gap = if looked { "\n" } else { "" };
                (failed, looked) = (0, true);
                output::print(|out| {
                    out.write_all(gap.as_bytes())?;
                    write(&report, &history, args, out)
                })?;
            }
            Err(Failure::Said(text)) if looked && failed + 1 < PATIENCE => {
                failed += 1;
                output::complain(&format!("{text}\n(look {failed} of {PATIENCE} that fails)"));
            }
            Err(failure) => return Err(failure),
        }
        if args.once {
            return Ok(Outcome::Done);
        }
        thread::sleep(args.interval);
    }
}

fn write(report: &PinReport, history: &History, args: &TopArgs, out: &mut dyn Write) -> io::Result<()> {
    let t = &report.totals;
    writeln!(
        out,
        "pool {}, up {}: pinned {} ({}), used {}, waste {}, slabs {}",
        names::harmless(&report.pool),
        span(report.uptime),
        bytes(t.pinned_bytes),
        growth(history.growth()),
        bytes(t.live_bytes),
        percent(t.waste_bytes, t.pinned_bytes),
        t.slabs,
    )?;
    let rows = table(report, args.by);
    let shown = &rows[..rows.len().min(args.rows)];
    let named: Vec<String> = shown.iter().map(|blame| names::holder(&blame.holder)).collect();
    let width = named.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(title(args.by).len());
    writeln!(
        out,
        "{:width$} {:>8} {:>10} {:>10} {:>10} {:>13}",
        title(args.by),
        "slices",
        "used",
        "alone",
        "share",
        "growth"
    )?;
    for (blame, name) in shown.iter().zip(&named) {
        writeln!(
            out,
            "{name:width$} {:>8} {:>10} {:>10} {:>10} {:>13}",
            blame.slices,
            bytes(blame.live_bytes),
            bytes(blame.exclusive_bytes),
            bytes(blame.amortised_bytes),
            growth(history.growth_of(args.by, &blame.holder)),
        )?;
    }
    if shown.len() < rows.len() {
        writeln!(out, "and {} more", rows.len() - shown.len())?;
    }
    Ok(())
}

/// What the first column of a table is called.
pub fn title(by: By) -> &'static str {
    match by {
        By::Tag => "tag",
        By::Scope => "scope",
        By::Kind => "kind of scope",
        By::Site => "site",
        By::Thread => "thread",
    }
}

/// A rate, or a dash where nothing is known yet.
pub fn growth(rate_or_not: Option<f64>) -> String {
    rate_or_not.map_or("–".to_owned(), rate)
}
