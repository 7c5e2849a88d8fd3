//! Chapters, rewritten from results between markers: `<!-- scaling: NAME -->` and `<!-- scaling: end -->`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::point::Results;
use crate::series::CHARTS;
use crate::{chart, table};

const BEGIN: &str = "<!-- scaling: ";
const END: &str = "<!-- scaling: end -->";
const CLOSE: &str = " -->";

/// The folder of the chapters.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs"))
}

/// Writes all charts into `folder`.
pub fn write_charts(results: &Results, folder: &Path) -> Result<()> {
    for chart in CHARTS {
        let path = folder.join(format!("scaling_{chart}.svg"));
        fs::write(&path, chart::svg(results, chart)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Rewrites the chapter on scaling in `folder`, its charts, and these once more as links' definitions: rustdoc copies no pictures.
pub fn write_scaling(results: &Results, folder: &Path) -> Result<()> {
    rewrite(&folder.join("scaling.md"), |name| {
        Ok(match name.split_once(' ') {
            Some(("tables", chart)) => table::markdown(results, chart),
            Some(("operations", chart)) => table::operations(chart),
            Some(("verdicts", chart)) => table::verdicts(results, chart),
            _ if name == "made" => results.made.clone(),
            _ if name == "words" => table::words(),
            _ => return Ok(None),
        }
        .into())
    })?;
    let pictures = folder.join("pictures");
    write_charts(results, &pictures)?;
    let mut embedded = String::from("\n");
    for chart in CHARTS {
        let svg = STANDARD.encode(chart::svg(results, chart)?);
        embedded += &format!("[scaling_{chart}]: data:image/svg+xml;base64,{svg}\n");
    }
    let path = pictures.join("scaling.md");
    fs::write(&path, embedded).with_context(|| path.display().to_string())
}

/// Rewrites what is between markers in `file` by what `make` makes of their names.
pub fn rewrite(file: &Path, make: impl Fn(&str) -> Result<Option<String>>) -> Result<()> {
    let shown = file.display();
    let old = fs::read_to_string(file).with_context(|| format!("--doc: {shown}"))?;
    let (mut new, mut rest, mut places) = (String::new(), old.as_str(), 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(CLOSE).with_context(|| format!("{shown}: a marker without its end"))?;
        let made = make(name)?.with_context(|| format!("{shown}: {BEGIN}{name}{CLOSE}: no such part"))?;
        let (_, after) =
            after.split_once(END).with_context(|| format!("{shown}: {BEGIN}{name}{CLOSE} has no {END}"))?;
        new.push_str(&format!("{before}{BEGIN}{name}{CLOSE}\n\n{}\n\n{END}", made.trim_end()));
        (rest, places) = (after, places + 1);
    }
    ensure!(places > 0, "{shown}: there is no {BEGIN}NAME{CLOSE} in it");
    new.push_str(rest);
    fs::write(file, new).with_context(|| format!("--doc: {shown}"))
}
