//! `bufslab report`.

use crate::args::ReportArgs;
use crate::failure::{Failure, Outcome};
use crate::output;

pub fn run(args: &ReportArgs) -> Result<Outcome, Failure> {
    let report = args.source.read(&args.ask)?;
    output::print(|out| match (args.json, args.full) {
        (true, _) => report.write_json(out),
        (false, true) => writeln!(out, "{report:#}"),
        (false, false) => writeln!(out, "{report}"),
    })?;
    Ok(Outcome::Done)
}
