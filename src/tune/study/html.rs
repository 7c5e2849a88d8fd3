//! A study as a page of its own: the table, the chart, and memory over time. No script.

use super::figure::{count, size};
use super::plot::{LINES, Panel, Scale, bytes, legend, style};
use super::{Row, Study};
use crate::report::in_markup as xml;
use core::fmt::Write;

const PAGE: &str = "<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;\
    padding:0 1rem;background:#fff;color:#222}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
    td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}th{font-weight:600}\
    .wide{overflow-x:auto}.pick{background:#eef6e8;font-weight:600}pre{background:#f4f4f4;padding:.8rem;overflow-x:auto}\
    .note{color:#555}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}svg{width:100%;height:auto}\
    @media(prefers-color-scheme:dark){body{background:#16181d;color:#eee}td,th{border-color:#333}.pick{background:#22351c}\
    pre{background:#22252c}.note{color:#aaa}}</style>";

impl Study {
    /// The study as a page that needs nothing else: no script, no font, no network.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = xml(&self.headline());
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
             <meta name=\"viewport\" content=\"width=device-width\"/><title>bufslab tune</title>{PAGE}{}</head>\n<body>\
             <h1>Which slab size?</h1><p>{title}</p>\n",
            style()
        );
        if let Some(best) = self.recommended() {
            let (env, builder) = (xml(&best.env_line()), xml(&best.builder_line()));
            let _ = write!(
                out,
                "<p><strong>Recommended:</strong> {}</p>\n<pre>{env}\n{builder}</pre>\n",
                xml(&self.reason())
            );
        }
        for note in self.notes() {
            let _ = write!(out, "<p class=\"note\">{}</p>", xml(&note));
        }
        self.table(&mut out);
        out += "<h2>Memory and time against slab size</h2>\n";
        out += &self.chart(false);
        self.over_time(&mut out);
        out += "</body></html>\n";
        out
    }

    fn table(&self, out: &mut String) {
        let columns = self.columns();
        let heads: String = columns.iter().map(|column| format!("<th>{}</th>", column.head)).collect();
        let _ = write!(out, "<div class=\"wide\"><table><thead><tr><th></th>{heads}</tr></thead><tbody>");
        for (at, row) in self.rows.iter().enumerate() {
            let (class, mark) = match (self.recommended == Some(at), row.is_front) {
                (true, _) => (" class=\"pick\"", "recommended"),
                (false, true) => ("", "*"),
                (false, false) => ("", ""),
            };
            let cells: String = columns.iter().map(|column| format!("<td>{}</td>", xml(&column.cells[at]))).collect();
            let _ = write!(out, "<tr{class}><td>{mark}</td>{cells}</tr>");
        }
        *out += "</tbody></table></div>\n<p class=\"note\">* no other setup is better in time and mean held memory at once. \
                 Held: pinned slabs, and copies of what was retained.</p>\n";
    }

    /// Pinned bytes over the steps of the trace, for the recommended policy, at as many sizes as can be told apart.
    fn over_time(&self, out: &mut String) {
        let Some(best) = self.recommended() else { return };
        let same = |row: &&Row| {
            row.policy() == best.policy() && row.reuse() == best.reuse() && !row.simulated.series.is_empty()
        };
        let rows: Vec<&Row> = self.rows.iter().filter(same).collect();
        // The recommended one is among them, whatever is left out.
        let step = rows.len().div_ceil(LINES - 1).max(1);
        let is_best = |row: &Row| row.slab_size() == best.slab_size();
        let rows: Vec<&Row> = rows
            .into_iter()
            .enumerate()
            .filter(|(at, row)| at % step == 0 || is_best(row))
            .map(|(_, row)| row)
            .collect();
        let most = rows.iter().map(|row| row.simulated.peak_held_bytes).max().unwrap_or(1);
        let least = rows.iter().map(|row| row.slab_size() as u64).min().unwrap_or(1).min(most);
        let end =
            rows.iter().filter_map(|row| row.simulated.series.last()).map(|moment| moment.step).max().unwrap_or(1);
        let names: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| {
                let mark = if is_best(row) { " (recommended)" } else { "" };
                (at, "", format!("{}{mark}", size(row.slab_size() as u64)))
            })
            .collect();
        let mut body = String::new();
        let top = legend(&mut body, &names, 84.0, 836.0, 16.0) + 40.0;
        let bottom = top + 260.0;
        let panel = Panel {
            x: Scale::linear(0.0, end as f64, 84.0, 816.0),
            y: Scale::log((least as f64).log2().floor().exp2(), (most as f64).log2().ceil().exp2(), bottom, top),
            left: 84.0,
            right: 836.0,
            top,
            bottom,
        };
        panel.grid(&mut body, "Pinned bytes after each step", bytes);
        panel.below(&mut body, &panel.x.ticks(8), "step of the trace", |step| count(step as u64));
        for (at, row) in rows.iter().enumerate() {
            let floor = (least as f64).log2().floor().exp2();
            let points: Vec<(f64, f64)> = row
                .simulated
                .series
                .iter()
                .map(|moment| (moment.step as f64, (moment.pinned_bytes as f64).max(floor)))
                .collect();
            panel.line(&mut body, at, "", &points);
        }
        let _ = write!(
            out,
            "<h2>Pinned over time</h2>\n<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 860 {:.0}\" \
             role=\"img\"><title>Pinned bytes over the steps of the trace</title>{body}</svg>\n",
            bottom + 56.0
        );
    }
}
