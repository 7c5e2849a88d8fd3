//! Tables and sentences in documents, rewritten from results between markers: `<!-- slab_size: NAME -->` and `<!-- slab_size: end -->`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::results::Results;
use crate::{chart, table};

/// The chart's file.
pub const CHART: &str = "slab_size.svg";
/// The chart once more as a link's definition: rustdoc copies no pictures.
const EMBEDDED: &str = "slab_size.md";

const BEGIN: &str = "<!-- slab_size: ";
const END: &str = "<!-- slab_size: end -->";
const CLOSE: &str = " -->";

/// Rewrites what is between markers in `file`, and the chart beside it.
pub fn rewrite(file: &Path, results: &Results) -> Result<()> {
    let shown = file.display();
    let old = fs::read_to_string(file).with_context(|| format!("--doc {shown}"))?;
    let new = rewritten(&old, results).with_context(|| format!("--doc {shown}"))?;
    ensure!(new.1 > 0, "--doc {shown}: there is no {BEGIN}NAME{CLOSE} in it");
    fs::write(file, new.0).with_context(|| format!("--doc {shown}"))?;

    let pictures = file.with_file_name("pictures");
    if pictures.is_dir() {
        let svg = chart::svg(results)?;
        let embedded = format!("\n[slab_size]: data:image/svg+xml;base64,{}\n", STANDARD.encode(&svg));
        fs::write(pictures.join(CHART), svg)?;
        fs::write(pictures.join(EMBEDDED), embedded)?;
    }
    Ok(())
}

/// The new text, and how many places were rewritten.
fn rewritten(text: &str, results: &Results) -> Result<(String, usize)> {
    let (mut new, mut rest, mut places) = (String::new(), text, 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(CLOSE).context("a marker without its end")?;
        let made = match name {
            "made" => table::made(results),
            "servers" => table::servers(results),
            "short" => table::short(results),
            "allocations" => table::allocations(results),
            "answer" => table::answer(results),
            _ => bail!("{BEGIN}{name}{CLOSE}: no such table"),
        };
        let (_, after) = after.split_once(END).with_context(|| format!("{BEGIN}{name}{CLOSE} has no {END}"))?;
        new.push_str(&format!("{before}{BEGIN}{name}{CLOSE}\n\n{}\n\n{END}", made.trim_end()));
        (rest, places) = (after, places + 1);
    }
    new.push_str(rest);
    Ok((new, places))
}
