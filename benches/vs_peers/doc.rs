//! The chapter: what is between its markers, `<!-- vs_peers: begin NAME -->` and `<!-- vs_peers: end -->`, and the charts beside it.

use crate::results::{About, Results};
use crate::{chart, faster, table};
use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- vs_peers: begin ";
const CLOSE: &str = " -->";
const END: &str = "<!-- vs_peers: end -->";

/// The charts once more as links' definitions: rustdoc copies no pictures.
const EMBEDDED: &str = "vs_peers.md";

/// Rewrites what is between markers in `file`, and the charts in the folder `pictures` beside it.
pub fn rewrite(file: &Path, results: &Results, about: &About) -> Result<()> {
    let shown = file.display();
    let old = fs::read_to_string(file).with_context(|| format!("--doc {shown}"))?;
    let new = rewritten(&old, results, about).with_context(|| format!("--doc {shown}"))?;
    fs::write(file, new).with_context(|| format!("--doc {shown}"))?;

    let pictures = file.with_file_name("pictures");
    let write = |name: &str, text: &str| {
        let path = pictures.join(name);
        fs::write(&path, text).with_context(|| format!("--doc: writing {}", path.display()))
    };
    let mut embedded = String::new();
    for (name, svg) in [("vs_peers_ratios", chart::ratios(results)?), ("vs_peers_times", chart::times(results)?)] {
        write(&format!("{name}.svg"), &svg)?;
        embedded.push_str(&format!("\n[{name}]: data:image/svg+xml;base64,{}\n", STANDARD.encode(&svg)));
    }
    write(EMBEDDED, &embedded)
}

fn rewritten(text: &str, results: &Results, about: &About) -> Result<String> {
    let (mut new, mut rest, mut places) = (String::new(), text, 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(CLOSE).context("a marker without its end")?;
        let made = match name {
            "made" => table::made(about),
            "targets" => table::targets(results, about),
            "faster" => faster::text(results),
            "ops" => table::ops(results),
            _ => bail!("{BEGIN}{name}{CLOSE}: no such table"),
        };
        let (_, after) = after.split_once(END).with_context(|| format!("{BEGIN}{name}{CLOSE} has no {END}"))?;
        new.push_str(&format!("{before}{BEGIN}{name}{CLOSE}\n\n{}\n\n{END}", made.trim_end()));
        (rest, places) = (after, places + 1);
    }
    ensure!(places > 0, "there is no {BEGIN}NAME{CLOSE} in it");
    new.push_str(rest);
    Ok(new)
}
