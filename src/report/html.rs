//! The report as one page for a browser: it needs no other file, no network and, for the verdict, the advice, the
//! blame, the ages and the worst slabs, no script.
//!
//! | file | part |
//! |---|---|
//! | `html/top` | the verdict, what to do, and where the memory is |
//! | `html/config` | what the pool was told, and by whom |
//! | `html/tables` | blame, ages, the worst slabs and stacks, as they stand without a script |
//! | `html/data` | the same and more as JSON, for the script: sorting, filtering, the slab map |
//! | `html/markup` | text and figures as HTML |
//! | `html/*.css`, `html/*.js` | how it looks, and what it does |
//!
//! Names that the program chose reach the page in two ways: escaped by `markup::Text`, or as JSON that the script only
//! ever turns into text nodes.

mod config;
mod data;
mod markup;
mod tables;
mod top;

use core::fmt::{self, Write};
use std::io;

use markup::Text;
#[cfg(any(feature = "admin", feature = "tune"))]
pub(crate) use markup::escaped as in_markup;

use super::model::PinReport;
use super::stream::stream;

/// Columns that a name may take; a longer one loses its middle.
const NAME: usize = 160;

/// The hashes by which the page's content security policy allows its own style and script, and nothing else: SHA-256 in
/// base64, as <https://www.w3.org/TR/CSP3/#grammardef-hash-source> has it. A unit test names the new ones when either has changed.
pub(super) const STYLE_HASH: &str = "sha256-WlWlcLf/2maqyAvPPmShhA4TYTvZI92i4mN7JL3FZH0=";
pub(super) const SCRIPT_HASH: &str = "sha256-z94RW4VDBuT2M5OLvOflKZPOIA1RqwBnwY7aGucLLtc=";

pub(super) const STYLE: [&str; 2] = [include_str!("html/page.css"), include_str!("html/map.css")];

/// One function around all of it, so that it adds no name to the page's.
pub(super) const SCRIPT: [&str; 8] = [
    "(() => {\n'use strict';\n",
    include_str!("html/units.js"),
    include_str!("html/dom.js"),
    include_str!("html/data.js"),
    include_str!("html/table.js"),
    include_str!("html/map.js"),
    include_str!("html/page.js"),
    "})();\n",
];

/// How much of a large report is in the page. It says what is left out.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Slabs, the most waste first.
    pub(super) slabs: usize,
    /// Slices of all these slabs together.
    pub(super) slices: usize,
    /// Slices of one slab.
    pub(super) slices_of_one: usize,
    /// Groups of one table.
    pub(super) groups: usize,
    /// Stacks.
    pub(super) traces: usize,
    /// Calls of one stack.
    pub(super) frames: usize,
    /// Rows of one table that are there without a script.
    pub(super) rows: usize,
}

/// Keeps the page below 25 MB, which a browser opens in about a second.
pub(super) const LIMITS: Limits = Limits {
    slabs: 100_000,
    slices: 200_000,
    slices_of_one: 4_000,
    groups: 5_000,
    traces: 2_000,
    frames: 64,
    rows: 50,
};

impl PinReport {
    /// Writes the report as one HTML page that a browser opens from a file, offline: the verdict and what to do, blame by
    /// tag, site, scope and thread, a map of where the live slices lie in each slab, ages, and every slab with its slices.
    ///
    /// It refers to nothing outside itself, and its content security policy refuses every request and every script but
    /// its own. Without scripts it still shows the verdict, the advice, and the top of each table. A report too large for
    /// a browser is cut at 100,000 slabs, 200,000 slices (4,000 for one slab) and 5,000 groups in each table, the worst
    /// being kept, and the page says so; sums are always over all of it.
    ///
    /// The pieces are small: give it a [`BufWriter`](io::BufWriter) if `out` is a file or a socket.
    ///
    /// ```
    /// let mut page = Vec::new();
    /// bufslab::SlabPool::new().report().write_html(&mut page)?;
    /// assert!(page.starts_with(b"<!doctype html>"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_html(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        stream(out, |out| page(self, &LIMITS, out))
    }
}

pub(super) fn page(report: &PinReport, limits: &Limits, out: &mut impl Write) -> fmt::Result {
    head(report, out)?;
    out.write_str("<body>\n")?;
    top::top(report, out)?;
    out.write_str("<main>\n")?;
    tables::blame(report, limits, out)?;
    tables::map(report, out)?;
    tables::ages(report, out)?;
    tables::slabs(report, limits, out)?;
    tables::stacks(report, limits, out)?;
    config::config(report, out)?;
    out.write_str("</main>\n")?;
    top::footer(report, limits, out)?;
    out.write_str("<script type=\"application/json\" id=\"data\">\n")?;
    data::data(report, limits, &mut markup::InScript(out))?;
    out.write_str("</script>\n<script>")?;
    SCRIPT.iter().try_for_each(|part| out.write_str(part))?;
    out.write_str("</script>\n</body>\n</html>\n")
}

fn head(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    // The policy stands before everything it is about: <https://www.w3.org/TR/CSP3/#meta-element>. The icon is an empty
    // one, so that no browser asks a server for it.
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; script-src '{}'; \
         img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"generator\" content=\"bufslab {}\">\n\
         <title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>",
        STYLE_HASH,
        SCRIPT_HASH,
        env!("CARGO_PKG_VERSION"),
        Text(top::title(report)),
    )?;
    STYLE.iter().try_for_each(|part| out.write_str(part))?;
    out.write_str("</style>\n</head>\n")
}
