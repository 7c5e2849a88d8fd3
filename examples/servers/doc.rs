//! What is between `<!-- servers: begin -->` and `<!-- servers: end -->` in documents, rewritten from results.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::results::Results;
use crate::{chart, table};

/// The chart's file.
pub const CHART: &str = "servers.svg";
/// The chart once more as a link's definition: rustdoc copies no pictures.
const EMBEDDED: &str = "servers.md";

const BEGIN: &str = "<!-- servers: begin -->";
const END: &str = "<!-- servers: end -->";
const PICTURE: &str = "![Processor time and resident memory of each load, a bar for each kind of buffers][servers]";

/// Rewrites what is between the markers in `file`, and the chart beside it.
pub fn rewrite(file: &Path, results: &Results) -> Result<()> {
    let shown = file.display();
    let old = fs::read_to_string(file).with_context(|| format!("--doc {shown}"))?;
    let (before, rest) = old.split_once(BEGIN).with_context(|| format!("--doc {shown}: there is no {BEGIN} in it"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("--doc {shown}: {BEGIN} has no {END}"))?;
    let table = table::all(results);
    let new = format!("{before}{BEGIN}\n\n{}\n\n{PICTURE}\n\n{END}{after}", table.trim_end());
    fs::write(file, new).with_context(|| format!("--doc {shown}"))?;

    let pictures = file.with_file_name("pictures");
    if pictures.is_dir() {
        let svg = chart::svg(results)?;
        let embedded = format!("\n[servers]: data:image/svg+xml;base64,{}\n", STANDARD.encode(&svg));
        fs::write(pictures.join(CHART), svg)?;
        fs::write(pictures.join(EMBEDDED), embedded)?;
    }
    Ok(())
}
