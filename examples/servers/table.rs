//! The table, and the sentences on each row, in Markdown.

use std::fmt::Write as _;

use crate::plan::Kind;
use crate::results::{Results, Spread};
use crate::tools::{CONNECTIONS, KEYS};

/// A figure that is compared.
struct Compared {
    name: &'static str,
    /// In a sentence: `4.9 µs of processor time a request`.
    unit: &'static str,
    what: &'static str,
    scale: f64,
    more_is_better: bool,
}

const fn less(name: &'static str, unit: &'static str, what: &'static str, scale: f64) -> Compared {
    Compared { name, unit, what, scale, more_is_better: false }
}

/// Those of each row's sentence.
const CPU: Compared = less("cpu_us_per_request", " µs", "of processor time a request", 1.0);
const LOADED: Compared = less("resident_load_bytes", " MB", "resident under load", 1e-6);

/// All that may be worse.
const ALL: [Compared; 9] = [
    CPU,
    LOADED,
    less("resident_after_bytes", " MB", "resident after it", 1e-6),
    less("resident_peak_bytes", " MB", "resident at most", 1e-6),
    Compared { name: "requests_per_s", unit: "", what: "requests a second", scale: 1.0, more_is_better: true },
    less("p50_us", " µs", "for half of the requests", 1.0),
    less("p99_us", " µs", "for 99 % of the requests", 1.0),
    less("syscalls_per_request", "", "system calls a request", 1.0),
    less("allocations_per_request", "", "allocations a request", 1.0),
];

/// Two medians that are nearer than this are the same, whatever the rounds say.
const SAME_PERCENT: f64 = 1.0;
/// The same for figures of a single run, as system calls are: nothing says by how much those differ.
const SAME_PERCENT_ONCE: f64 = 5.0;
/// Nor do these matter: a count of single events in thousands of requests.
const SAME_COUNT: f64 = 0.005;

/// What is printed at the end, and written into documents.
pub fn all(results: &Results) -> String {
    let mut text = format!("{}\n{}", made(results), table(results));
    if results.kinds().contains(&Kind::Slab) && results.kinds().len() > 1 {
        let _ = write!(text, "\n{}\n{}", verdicts(results), worse(results));
    }
    text
}

/// How and where it was measured.
fn made(results: &Results) -> String {
    let note = if results.quick { " **A quick run: the figures mean nothing.**" } else { "" };
    let rounds = if results.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", results.rounds) };
    let tools = if results.tools.is_empty() { "no other programs".to_owned() } else { results.tools.join(", ") };
    format!(
        "{}. {rounds} of about {} s each; {CONNECTIONS} connections; {} keys; driven by {tools}.{note}\n",
        results.machine,
        results.seconds,
        grouped(KEYS as u64),
    )
}

fn table(results: &Results) -> String {
    let mut text = "| load | buffers | processor time a request | requests/s | p50 | p99 | p99.9 | resident: load | after | at most \
                    | system calls a request | allocations a request |\n\
                    |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for row in &results.rows {
        let figure = |name: &str| row.figures.get(name);
        let number = |name: &str, scale: f64, unit: &str| shown(figure(name), scale, unit);
        let cpu = figure("cpu_us_per_request");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.kind.shown(),
            match cpu {
                Some(spread) => format!("{}\u{a0}±\u{a0}{:.0}\u{a0}%", shown(cpu, 1.0, " µs"), spread.percent()),
                None => shown(None, 1.0, ""),
            },
            number("requests_per_s", 1.0, ""),
            number("p50_us", 1.0, " µs"),
            number("p99_us", 1.0, " µs"),
            number("p999_us", 1.0, " µs"),
            number("resident_load_bytes", 1e-6, " MB"),
            number("resident_after_bytes", 1e-6, " MB"),
            number("resident_peak_bytes", 1e-6, " MB"),
            number("syscalls_per_request", 1.0, ""),
            number("allocations_per_request", 1.0, ""),
        );
    }
    text
}

/// Ours in one row, and the best of the others.
struct Pair {
    ours: Spread,
    best: Spread,
    of: Kind,
    /// By how many percent ours is worse; negative if it is better.
    percent: f64,
}

fn pair(results: &Results, name: &str, compared: &Compared) -> Option<Pair> {
    let ours = results.figure(name, Kind::Slab, compared.name)?;
    let others = results.kinds().into_iter().filter(|&kind| kind != Kind::Slab);
    let others = others.filter_map(|kind| Some((kind, results.figure(name, kind, compared.name)?)));
    let sign = if compared.more_is_better { -1.0 } else { 1.0 };
    let (of, best) = others.min_by(|a, b| (sign * a.1.median).total_cmp(&(sign * b.1.median)))?;
    let (ours_cost, best_cost) =
        if compared.more_is_better { (best.median, ours.median) } else { (ours.median, best.median) };
    Some(Pair { ours, best, of, percent: (ours_cost / best_cost - 1.0) * 100.0 })
}

impl Pair {
    /// Whether the rounds of the two are apart.
    fn is_clear(&self) -> bool {
        self.ours.min > self.best.max || self.best.min > self.ours.max
    }

    fn is_the_same(&self) -> bool {
        let is_once = self.ours.min == self.ours.max && self.best.min == self.best.max;
        let percent = if is_once { SAME_PERCENT_ONCE } else { SAME_PERCENT };
        self.percent.abs() < percent || (self.ours.median - self.best.median).abs() < SAME_COUNT
    }
}

/// A sentence on each row.
fn verdicts(results: &Results) -> String {
    let mut text = String::new();
    for name in results.names() {
        let halves = [CPU, LOADED].iter().filter_map(|compared| {
            let pair = pair(results, name, compared)?;
            let verdict = match () {
                () if pair.is_the_same() => "the same".to_owned(),
                () if results.rounds == 1 => format!("{}, in a single round", amount(pair.percent)),
                () if !pair.is_clear() => {
                    format!("{:.0} % apart, which is within what the rounds differ by", pair.percent.abs())
                }
                () => format!("**{}**", amount(pair.percent)),
            };
            Some(format!(
                "{} {} against {} of {}: {verdict}",
                shown(Some(&pair.ours), compared.scale, compared.unit),
                compared.what,
                shown(Some(&pair.best), compared.scale, compared.unit),
                pair.of.shown(),
            ))
        });
        let _ = writeln!(text, "* **{name}**: {}.", halves.collect::<Vec<_>>().join("; "));
    }
    text
}

fn amount(percent: f64) -> String {
    let word = if percent > 0.0 { "more" } else { "less" };
    format!("{:.0} % {word}", percent.abs())
}

/// All figures in which ours is clearly worse than the best of the others.
fn worse(results: &Results) -> String {
    let mut lines = String::new();
    for compared in &ALL {
        let rows = results.names().into_iter().filter_map(|name| Some((name, pair(results, name, compared)?)));
        let worse: Vec<String> = rows
            .filter(|(_, pair)| pair.percent > 0.0 && pair.is_clear() && !pair.is_the_same())
            .map(|(name, pair)| {
                let by = if pair.percent.is_finite() { format!(" ({:.0} %)", pair.percent) } else { String::new() };
                format!(
                    "{name}: {} against {} of {}{by}",
                    shown(Some(&pair.ours), compared.scale, compared.unit),
                    shown(Some(&pair.best), compared.scale, compared.unit),
                    pair.of.shown(),
                )
            })
            .collect();
        if !worse.is_empty() {
            let _ = writeln!(lines, "* *{}*: {}.", compared.what, worse.join("; "));
        }
    }
    if lines.is_empty() {
        return "In no row and no figure are all rounds of `SlabBytesMut` worse than those of the best of the others.\n".to_owned();
    }
    format!("Where all rounds of `SlabBytesMut` are worse than those of the best of the others:\n\n{lines}")
}

/// The median with three digits or more; a dash for what is not known.
fn shown(figure: Option<&Spread>, scale: f64, unit: &str) -> String {
    let Some(figure) = figure else {
        return "–".to_owned();
    };
    let number = figure.median * scale;
    // A number and its unit stay in one line.
    let unit = unit.replace(' ', "\u{a0}");
    match number.abs() {
        0.0 => format!("0{unit}"),
        size if size < 0.0095 => format!("{number:.4}{unit}"),
        size if size < 9.95 => format!("{number:.2}{unit}"),
        size if size < 99.5 => format!("{number:.1}{unit}"),
        _ => format!("{}{unit}", grouped(number.round() as u64)),
    }
}

/// `1,234`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
