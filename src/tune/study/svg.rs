//! A study as a chart: memory and time against slab size.

use super::figure::{self, size};
use super::plot::{LINES, Panel, Scale, bytes, legend, style};
use super::{Row, Study};
use crate::report::in_markup as xml;
use core::fmt::Write;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 836.0;

impl Study {
    /// Memory and time against slab size, one line for each policy, as an SVG that follows the reader's choice of light or dark.
    #[must_use]
    pub fn to_svg(&self) -> String {
        self.chart(true)
    }

    /// `alone`: with a background and its style, as a file of its own needs them.
    pub(super) fn chart(&self, alone: bool) -> String {
        let groups = self.groups();
        let mut names: Vec<_> =
            groups.iter().enumerate().map(|(at, (name, _))| (at, "", format!("{name}mean"))).collect();
        names.extend(groups.iter().enumerate().map(|(at, (name, _))| (at, "thin", format!("{name}peak"))));
        let mut body = String::new();
        let mut legends = String::new();
        let below = legend(&mut legends, &names, LEFT, RIGHT, 50.0);

        let x = self.x();
        let top = below + 46.0;
        let memory = self.memory_panel(x, top);
        memory.grid(&mut body, "Memory held (pinned slabs and copies)", bytes);
        body += &legends;
        let top = memory.bottom + 66.0;
        let most = self.rows.iter().map(Row::ns_per_alloc).fold(0.0, f64::max) * 1.08;
        let bottom = top + 180.0;
        let time = Panel { x, y: Scale::linear(0.0, most, bottom, top), left: LEFT, right: RIGHT, top, bottom };
        let how = if self.is_measured() { "measured on this machine" } else { "modelled" };
        time.grid(&mut body, &format!("Nanoseconds an allocation ({how})"), round);
        time.below(&mut body, &self.size_ticks(), "slab size", bytes);
        self.mark_best(&mut body, &memory, &time);
        for (at, (_, rows)) in groups.iter().enumerate() {
            let points =
                |y: &dyn Fn(&Row) -> f64| rows.iter().map(|row| (row.slab_size() as f64, y(row))).collect::<Vec<_>>();
            memory.line(&mut body, at, "thin", &points(&|row| row.simulated.peak_held_bytes as f64));
            memory.line(&mut body, at, "", &points(&|row| row.mean_held_bytes() as f64));
            time.line(&mut body, at, "", &points(&Row::ns_per_alloc));
        }
        let height = bottom + 56.0;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\">\
             <title>{}</title>",
            xml(&format!("Memory and time against slab size: {}", self.headline()))
        );
        if alone {
            out += &style();
            let _ = write!(out, "<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height:.0}\"/>");
        }
        let _ = write!(out, "<text class=\"head\" x=\"{LEFT}\" y=\"26\">{}</text>", xml(&self.title()));
        out += &body;
        out += "</svg>\n";
        out
    }

    /// Rows of one policy and reuse, by size. As many groups as can be told apart.
    fn groups(&self) -> Vec<(String, Vec<&Row>)> {
        let policies = self.has_many(Row::policy);
        let reuses = self.has_many(|row| row.reuse().to_owned());
        let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            let mut name = String::new();
            if policies {
                name += &format!("{}, ", row.policy());
            }
            if reuses {
                name += &format!("{}, ", row.reuse());
            }
            match groups.iter().position(|(group, _)| *group == name) {
                Some(at) => groups[at].1.push(row),
                None if groups.len() < LINES => groups.push((name, vec![row])),
                None => {}
            }
        }
        groups.iter_mut().for_each(|(_, rows)| rows.sort_by_key(|row| row.slab_size()));
        groups
    }

    fn x(&self) -> Scale {
        let sizes = self.rows.iter().map(|row| row.slab_size() as f64);
        let (least, most) = sizes.fold((f64::INFINITY, 1.0), |(a, b), size| (f64::min(a, size), f64::max(b, size)));
        Scale::log(least, most, LEFT + 20.0, RIGHT - 20.0)
    }

    fn size_ticks(&self) -> Vec<f64> {
        let mut sizes: Vec<usize> = self.rows.iter().map(Row::slab_size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        // Every label has room for its neighbour.
        let step = sizes.len().div_ceil(12).max(1);
        sizes.iter().step_by(step).map(|&size| size as f64).collect()
    }

    fn memory_panel(&self, x: Scale, top: f64) -> Panel {
        let figures = self.rows.iter().flat_map(|row| [row.mean_held_bytes(), row.simulated.peak_held_bytes]);
        let (least, most) = figures.fold((u64::MAX, 1), |(a, b), n| (a.min(n.max(1)), b.max(n)));
        let bottom = top + 220.0;
        // Whole powers of two around all of it.
        let (least, most) = ((least.min(most) as f64).log2().floor().exp2(), (most as f64).log2().ceil().exp2());
        Panel { x, y: Scale::log(least, most, bottom, top), left: LEFT, right: RIGHT, top, bottom }
    }

    fn mark_best(&self, out: &mut String, memory: &Panel, time: &Panel) {
        let Some(best) = self.recommended() else { return };
        let x = memory.x.at(best.slab_size() as f64);
        let _ = write!(
            out,
            "<line class=\"best\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
            memory.top, time.bottom
        );
        let (anchor, shift) = if x > 600.0 { ("end", -6.0) } else { ("start", 6.0) };
        let policy = if self.has_many(Row::policy) { format!(", retain {}", best.policy()) } else { String::new() };
        let label = format!("recommended: {}{policy}", size(best.slab_size() as u64));
        let (x, y) = (x + shift, memory.bottom + 22.0);
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", xml(&label));
    }
}

fn round(value: f64) -> String {
    if value.fract() == 0.0 { figure::count(value as u64) } else { format!("{value:.1}") }
}

impl Study {
    /// What fits above a chart.
    fn title(&self) -> String {
        let threads = if self.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads) };
        let name = short(&self.name, 50);
        format!("{name}: {} allocations on {threads}", figure::count(self.allocations))
    }
}

fn short(text: &str, most: usize) -> String {
    let mut cut: String = text.chars().take(most).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
