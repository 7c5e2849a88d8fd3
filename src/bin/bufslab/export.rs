//! `bufslab export`.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use bufslab::PinReport;
use bufslab::report::Format;

use crate::args::ExportArgs;
use crate::failure::{Failure, Outcome};
use crate::names::harmless;
use crate::output;
use crate::progress::{Counted, Meter};

pub fn run(args: &ExportArgs) -> Result<Outcome, Failure> {
    let output = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let format = match (args.format, output) {
        (Some(form), _) => form.0,
        (None, Some(path)) => by_ending(path)?,
        (None, None) => return Err(Failure::new(format!("--format is missing: it must be one of {}", names()))),
    };
    if output.is_none() && is_binary(format) && io::stdout().is_terminal() {
        return Err(Failure::new(format!("{format} is binary and this is a terminal: use -o FILE, or a pipe")));
    }
    let report = args.source.read(&args.ask)?;
    match output {
        // What a terminal shows is its own progress.
        None if io::stdout().is_terminal() => output::print(|out| report.write_as(format, out))?,
        None => {
            let meter = Meter::on_terminal("writing");
            output::print(|out| report.write_as(format, &mut Counted::new(out, None, meter)))?;
        }
        Some(path) => write_file(&report, format, path)?,
    }
    Ok(Outcome::Done)
}

fn write_file(report: &PinReport, format: Format, path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::new(format!("-o {}: {error}", harmless(&path.display().to_string()))),
    };
    let file = File::create(path).map_err(failed)?;
    let mut file = BufWriter::with_capacity(64 << 10, Counted::new(file, None, Meter::on_terminal("writing")));
    report.write_as(format, &mut file).and_then(|()| file.flush()).map_err(|error| {
        // Half a file looks like a whole one.
        if path.is_file() {
            let _ = fs::remove_file(path);
        }
        failed(error)
    })
}

fn by_ending(path: &Path) -> Result<Format, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let ends = |format: &&Format| name.ends_with(&format!(".{}", format.extension()));
    Format::ALL.iter().find(ends).copied().ok_or_else(|| {
        let endings: Vec<String> = Format::ALL.iter().map(|format| format!(".{}", format.extension())).collect();
        let name = harmless(&name);
        Failure::new(format!(
            "--format is missing, and {name} says none: it ends in none of {}\n--format is one of {}",
            endings.join(", "),
            names(),
        ))
    })
}

fn names() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

fn is_binary(format: Format) -> bool {
    matches!(format, Format::Pprof)
}
