//! How a series grows, in a number and in a word.

use crate::point::Point;

/// The exponents `e` of `x^e` that fit best, by least squares of the logarithms.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Over the first decade of x.
    pub first: f64,
    /// Over the last.
    pub last: f64,
}

impl Growth {
    /// `None` with fewer than two points. Points with more threads than cores are left out: they say how threads wait for cores.
    pub fn of<'a>(points: impl Iterator<Item = &'a Point>) -> Option<Growth> {
        let mut points: Vec<(f64, f64)> =
            points.filter(|point| !point.oversubscribed).map(|point| (point.x, point.ns.median)).collect();
        points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (least, most) = (points.first()?.0, points.last()?.0);
        // A little more than a decade, for what was rounded.
        let first = slope(points.iter().filter(|point| point.0 <= least * 10.2))?;
        let last = slope(points.iter().filter(|point| point.0 >= most / 10.2))?;
        Some(Growth { first, last })
    }

    /// `constant, then linear`.
    pub fn words(&self) -> String {
        let (first, last) = (word(self.first), word(self.last));
        if first == last { first.to_owned() } else { format!("{first}, then {last}") }
    }

    pub fn exponents(&self) -> String {
        format!("{:.2} → {:.2}", tidy(self.first), tidy(self.last))
    }
}

/// No minus before what is shown as zero.
fn tidy(exponent: f64) -> f64 {
    if exponent.abs() < 0.005 { 0.0 } else { exponent }
}

fn slope<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points.map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|log| log.0), mean(|log| log.1));
    let square: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
    let product: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    (square > 0.0).then(|| product / square)
}

/// From which exponent on which word holds.
pub const WORDS: [(f64, &str); 6] = [
    (f64::NEG_INFINITY, "falling"),
    (-0.15, "constant"),
    (0.15, "slower than linear"),
    (0.85, "linear"),
    (1.15, "faster than linear"),
    (1.85, "quadratic or worse"),
];

fn word(exponent: f64) -> &'static str {
    WORDS.iter().rev().find(|(from, _)| exponent >= *from).map_or("unknown", |(_, word)| word)
}
