//! `bufslab trace`.

use std::fs::File;
use std::io;
use std::path::Path;

use bufslab::trace::AllocTrace;

use crate::args::TraceArgs;
use crate::failure::{Failure, Outcome};
use crate::output;

pub fn run(args: &TraceArgs) -> Result<Outcome, Failure> {
    let summary = read(&args.file)?.summary();
    output::print(|out| writeln!(out, "{summary}"))?;
    Ok(Outcome::Done)
}

/// A trace out of a file, or standard input for `-`.
pub fn read(path: &Path) -> Result<AllocTrace, Failure> {
    let named =
        |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display().to_string().escape_debug()));
    if path == Path::new("-") {
        return AllocTrace::read_from(io::stdin().lock()).map_err(|error| named(&error));
    }
    let file = File::open(path).map_err(|error| named(&error))?;
    AllocTrace::read_from(file).map_err(|error| named(&error))
}
