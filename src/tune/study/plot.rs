//! Axes and lines of the charts: plain SVG, that is light on a light page and dark on a dark one.

use super::figure;
use crate::report::in_markup as xml;
use core::fmt::Write;

/// Colours that stay apart for those who see few of them, after Okabe and Ito; the second of each pair is for dark pages.
const COLOURS: [(&str, &str); 8] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9a4d"),
    ("#009e73", "#3fd6a8"),
    ("#aa4499", "#e39bd0"),
    ("#8a6d00", "#f0e442"),
    ("#555555", "#bbbbbb"),
    ("#332288", "#a8a0ff"),
    ("#882255", "#ff8fb8"),
];

/// How many lines can be told apart.
pub(super) const LINES: usize = COLOURS.len();

/// What all charts of a page share. To stand in the SVG itself, so that a file of its own has it too.
pub(super) fn style() -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (at, (on_light, on_dark)) in COLOURS.iter().enumerate() {
        light += &format!(".l{at}{{stroke:{on_light}}}.d{at}{{fill:{on_light}}}");
        dark += &format!(".l{at}{{stroke:{on_dark}}}.d{at}{{fill:{on_dark}}}");
    }
    format!(
        "<style>.chart{{font:13px system-ui,sans-serif}}.chart text{{fill:#222}}.chart .dim{{fill:#555}}.paper{{fill:#fff}}\
         .grid{{stroke:#ddd}}.axis{{stroke:#777}}.best{{stroke:#222;stroke-dasharray:2 3}}.line{{fill:none;stroke-width:2}}\
         .thin{{stroke-width:1.3;stroke-dasharray:6 4}}.head{{font-weight:600}}{light}\
         @media(prefers-color-scheme:dark){{.chart text{{fill:#eee}}.chart .dim{{fill:#aaa}}.paper{{fill:#16181d}}\
         .grid{{stroke:#333}}.axis{{stroke:#888}}.best{{stroke:#eee}}{dark}}}</style>"
    )
}

/// Where values lie between two ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    is_log: bool,
}

impl Scale {
    pub(super) fn linear(from: f64, to: f64, start: f64, end: f64) -> Scale {
        Scale { from, to: if to > from { to } else { from + 1.0 }, start, end, is_log: false }
    }

    pub(super) fn log(from: f64, to: f64, start: f64, end: f64) -> Scale {
        let (from, to) = (from.max(1.0).log2(), to.max(1.0).log2());
        // A single value lies in the middle.
        let (from, to) = if to - from < 0.01 { (from - 1.0, to + 1.0) } else { (from, to) };
        Scale { from, to, start, end, is_log: true }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.is_log { value.max(1.0).log2() } else { value };
        self.start + (value - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    /// Round values for marks: powers of two on a logarithmic scale.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        if self.is_log {
            let (first, last) = (self.from.ceil() as i32, self.to.floor() as i32);
            let step = (1..).find(|step| (last - first) / step < most as i32).unwrap_or(1);
            return (first..=last).step_by(step as usize).map(|power| f64::from(power).exp2()).collect();
        }
        let rough = (self.to - self.from) / most as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.from / step).ceil() as i64;
        (first..).map(|n| n as f64 * step).take_while(|value| *value <= self.to + step * 0.001).collect()
    }
}

/// A panel: its place, its scales, and what it shows.
pub(super) struct Panel {
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Panel {
    /// The grid, with labels on the left.
    pub(super) fn grid(&self, out: &mut String, title: &str, label: impl Fn(f64) -> String) {
        let Panel { left, right, top, bottom, .. } = *self;
        let _ = write!(out, "<text class=\"head\" x=\"{left}\" y=\"{:.1}\">{}</text>", top - 10.0, xml(title));
        for tick in self.y.ticks(6) {
            let y = self.y.at(tick);
            let _ = write!(out, "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
            let (x, y, label) = (left - 8.0, y + 4.0, xml(&label(tick)));
            let _ = write!(out, "<text class=\"dim\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>");
        }
        let _ = write!(out, "<line class=\"axis\" x1=\"{left}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>");
        let _ = write!(out, "<line class=\"axis\" x1=\"{left}\" x2=\"{left}\" y1=\"{top}\" y2=\"{bottom}\"/>");
    }

    /// Labels below.
    pub(super) fn below(&self, out: &mut String, ticks: &[f64], title: &str, label: impl Fn(f64) -> String) {
        for &tick in ticks {
            let (x, y) = (self.x.at(tick), self.bottom);
            let _ = write!(out, "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{:.1}\"/>", y + 5.0);
            let (y, label) = (y + 20.0, xml(&label(tick)));
            let _ = write!(out, "<text class=\"dim\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        let (x, y) = (f64::midpoint(self.left, self.right), self.bottom + 40.0);
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>", xml(title));
    }

    /// A line through points; with dots where they are few.
    pub(super) fn line(&self, out: &mut String, number: usize, class: &str, points: &[(f64, f64)]) {
        let at = |(x, y): &(f64, f64)| (self.x.at(*x), self.y.at(*y));
        let list: Vec<String> = points.iter().map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let number = number % LINES;
        let _ = write!(out, "<polyline class=\"line {class} l{number}\" points=\"{}\"/>", list.join(" "));
        if points.len() <= 40 && class.is_empty() {
            for (x, y) in points.iter().map(at) {
                let _ = write!(out, "<circle class=\"d{number}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
            }
        }
    }
}

/// Names of lines, in rows from the left. Returns where the last row ends.
pub(super) fn legend(out: &mut String, names: &[(usize, &str, String)], left: f64, right: f64, top: f64) -> f64 {
    let (mut x, mut y) = (left, top);
    for (number, class, name) in names {
        let width = 40.0 + 7.4 * name.chars().count() as f64;
        if x + width > right && x > left {
            (x, y) = (left, y + 20.0);
        }
        let number = number % LINES;
        let end = x + 24.0;
        let _ =
            write!(out, "<line class=\"line {class} l{number}\" x1=\"{x:.1}\" x2=\"{end:.1}\" y1=\"{y}\" y2=\"{y}\"/>");
        let _ = write!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 30.0, y + 4.0, xml(name));
        x += width + 10.0;
    }
    y
}

/// Bytes on an axis.
pub(super) fn bytes(value: f64) -> String {
    figure::size(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_and_their_marks() {
        let log = Scale::log(16_384.0, 16_777_216.0, 0.0, 100.0);
        assert_eq!((log.at(16_384.0), log.at(524_288.0), log.at(16_777_216.0)), (0.0, 50.0, 100.0));
        assert_eq!(log.ticks(11).len(), 11);
        assert_eq!(log.ticks(6), [14, 16, 18, 20, 22, 24].map(|power| f64::from(power).exp2()));
        let linear = Scale::linear(0.0, 47.0, 100.0, 0.0);
        assert_eq!(linear.ticks(5), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(Scale::log(5.0, 5.0, 0.0, 10.0).at(5.0), 5.0);
        assert!(Scale::linear(0.0, 0.0, 0.0, 1.0).at(0.0).is_finite());
    }

    #[test]
    fn names_stay_text() {
        assert_eq!(xml("<a href=\"x\">&\u{1b}"), "&lt;a href=&quot;x&quot;&gt;&amp;\\u{1b}");
    }
}
