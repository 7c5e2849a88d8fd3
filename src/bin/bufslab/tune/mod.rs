//! `bufslab tune`.

mod args;
mod write;

use std::borrow::Cow;
use std::path::Path;

use bufslab::trace::{AllocTrace, Op};
use bufslab::tune::{ReplayOptions, Replayed, Row, Setup, Simulated, Study, replay, simulate};

pub use self::args::{HELP, TuneArgs};
use crate::failure::{Failure, Outcome};
use crate::names::harmless;
use crate::output;
use crate::progress::Steps;

pub fn run(args: &TuneArgs) -> Result<Outcome, Failure> {
    args.check()?;
    let recorded = read(&args.trace)?;
    let setups = args.setups();
    let name = name(&args.trace);
    let trace = match recorded.one_in {
        0 | 1 => Cow::Borrowed(&recorded),
        _ => Cow::Owned(recorded.expand().map_err(|error| Failure::new(format!("{name}: {error}")))?),
    };
    let failed = |setup: &Setup, error: &dyn std::fmt::Display| {
        let size = setup.slab_size;
        Failure::new(format!("{name}: with slabs of {size} bytes: {error}"))
    };
    let mut steps = Steps::on_terminal(setups.len() * if args.no_replay { 1 } else { 1 + args.passes as usize });
    let mut simulated = Vec::new();
    for setup in &setups {
        steps.next("simulating");
        simulated.push(simulate(&trace, setup).map_err(|error| failed(setup, &error))?);
    }
    // All setups in turn, and again, so that whatever else the machine does is in all of them.
    let mut replayed: Vec<Vec<Replayed>> = vec![Vec::new(); setups.len()];
    if !args.no_replay {
        let mut options = ReplayOptions::default();
        options.passes = 1;
        for _ in 0..args.passes {
            for (setup, runs) in setups.iter().zip(&mut replayed) {
                steps.next("replaying");
                runs.push(replay(&trace, setup, &options).map_err(|error| failed(setup, &error))?);
            }
        }
    }
    drop(steps);
    let row = |((setup, simulated), runs): ((Setup, Simulated), Vec<Replayed>)| {
        Row::new(setup, simulated, (!runs.is_empty()).then(|| Replayed::median(&runs)))
    };
    let rows = setups.into_iter().zip(simulated).zip(replayed).map(row).collect();
    let study = Study::new(&name, &recorded, rows);
    for (flag, path, text) in [
        ("--svg", &args.svg, Study::to_svg as fn(&Study) -> String),
        ("--html", &args.html, Study::to_html),
        ("--json", &args.json, Study::to_json),
    ] {
        if let Some(path) = path.as_deref().filter(|path| *path != Path::new("-")) {
            write::file(flag, path, &text(&study))?;
        }
    }
    let is_json = args.json.as_deref() == Some(Path::new("-"));
    output::print(|out| match is_json {
        true => out.write_all(study.to_json().as_bytes()),
        false => write!(out, "{study}"),
    })?;
    Ok(Outcome::Done)
}

/// What the trace is called where it is shown.
fn name(path: &Path) -> String {
    if path == Path::new("-") {
        return "standard input".to_owned();
    }
    harmless(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
}

fn read(path: &Path) -> Result<AllocTrace, Failure> {
    let trace = crate::trace::read(path)?;
    if trace.steps.iter().any(|step| matches!(step.op, Op::Alloc { .. })) {
        return Ok(trace);
    }
    Err(Failure::new(format!("{}: the trace has no allocation: there is nothing to tune for", name(path))))
}
