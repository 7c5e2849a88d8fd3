//! The configuration, to be unfolded.

use core::fmt::{self, Write};

use super::markup::{Text, count};
use crate::config::SetBy;
use crate::report::model::PinReport;
use crate::report::settings::{warning, words};
use crate::report::span;

pub(super) fn config(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    if !report.config.is_empty() {
        let set = report.config.iter().filter(|setting| *setting.set_by() != SetBy::Default).count();
        let is = if set == 1 { "is" } else { "are" };
        writeln!(out, "<details id=\"config\"><summary>Configuration: {} {is} set</summary>", count(set, "value"))?;
        out.write_str("<div class=\"scroll\"><table>\n<thead><tr><th>setting</th><th>value</th><th>set by</th></tr></thead>\n<tbody>\n")?;
        for setting in &report.config {
            let [name, value, by] = words(setting).map(Text);
            writeln!(out, "<tr><td><code>{name}</code></td><td><code>{value}</code></td><td>{by}</td></tr>")?;
        }
        out.write_str("</tbody></table></div>\n</details>\n")?;
    }
    if let Some(line) = report.sizing_line() {
        writeln!(out, "<details id=\"sizing\"><summary>{}</summary>\n<ul>", Text(&line))?;
        for made in report.slab_size_moves.iter().rev() {
            writeln!(out, "<li>{} ago it {}</li>", span(made.age), Text(warning(&made.reason)))?;
        }
        out.write_str("</ul>\n</details>\n")?;
    }
    for text in &report.config_warnings {
        writeln!(out, "<p class=\"facts warn\">Configuration: {}.</p>", Text(warning(text).trim_end_matches('.')))?;
    }
    Ok(())
}
