//! `bufslab diff`.

use crate::args::DiffArgs;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::source::Source;

pub fn run(args: &DiffArgs) -> Result<Outcome, Failure> {
    if args.before == Source::Stdin && args.after == Source::Stdin {
        return Err(Failure::new("A and B are both -: standard input holds one report"));
    }
    let before = args.before.read(&args.ask)?;
    let after = args.after.read(&args.ask)?;
    let diff = bufslab::report::diff(&before, &after);
    output::print(|out| match (args.json, args.full) {
        (true, _) => diff.write_json(out),
        (false, true) => writeln!(out, "{diff:#}"),
        (false, false) => writeln!(out, "{diff}"),
    })?;
    Ok(Outcome::Done)
}
