//! The tables: one for each panel, and what they say in words.

use crate::fit::{Growth, WORDS};
use crate::format::{count, markdown_table, rate, text_table, time};
use crate::point::{Point, Results};
use crate::series::{ALL, Axis, PANELS, Panel, Series};

/// A cell for each x, a row for each series.
struct Table {
    panel: Panel,
    rows: Vec<Vec<String>>,
}

fn series_of(panel: Panel) -> impl Iterator<Item = &'static Series> {
    ALL.iter().filter(move |series| series.panel == panel)
}

/// Every x of these series, rising.
fn xs(results: &Results, panel: Panel) -> Vec<f64> {
    let mut xs: Vec<f64> = series_of(panel).flat_map(|series| results.of(series.name).map(|point| point.x)).collect();
    xs.sort_unstable_by(f64::total_cmp);
    xs.dedup();
    xs
}

/// Whole decades, and what lies at the ends: half decades are for the charts and the exponents.
fn shown(xs: &[f64], panel: Panel) -> Vec<f64> {
    let is_decade = |x: f64| (x.log10() - x.log10().round()).abs() < 1e-9;
    let wanted = |&(at, &x): &(usize, &f64)| {
        panel.axis == Axis::Threads || panel.axis == Axis::Owners || at == 0 || at + 1 == xs.len() || is_decade(x)
    };
    xs.iter().enumerate().filter(wanted).map(|(_, &x)| x).collect()
}

fn table(results: &Results, panel: Panel, cell: impl Fn(&Series, &Point) -> Option<String>, skip: bool) -> Table {
    let xs = shown(&xs(results, panel), panel);
    let over = |x: &f64| {
        let marked = results.points.iter().any(|point| point.oversubscribed && point.x == *x);
        if panel.axis == Axis::Threads && marked { " *" } else { "" }
    };
    let mut rows = vec![vec![panel.axis.unit().to_owned()]];
    rows[0].extend(xs.iter().map(|x| count(*x) + over(x)));
    for series in series_of(panel).filter(|series| !skip || series.over_all) {
        let points: Vec<&Point> = results.of(series.name).collect();
        if points.is_empty() {
            continue;
        }
        let at = |x: &f64| points.iter().find(|point| point.x == *x).and_then(|point| cell(series, point));
        let mut row = vec![series.name.to_owned()];
        row.extend(xs.iter().map(|x| at(x).unwrap_or_else(|| "–".to_owned())));
        rows.push(row);
    }
    Table { panel, rows }
}

fn times(results: &Results, panel: Panel) -> Table {
    table(results, panel, |_, point| Some(time(point.ns.median)), false)
}

/// Operations a second of all threads together.
fn rates(results: &Results, panel: Panel) -> Table {
    table(results, panel, |_, point| point.per_second.map(rate), false)
}

/// Calls that look at everything, for each of what there is.
fn shares(results: &Results, panel: Panel) -> Table {
    table(results, panel, |series, point| series.over_all.then(|| time(point.ns.median / point.x)), true)
}

/// All of it, for a terminal.
pub fn text(results: &Results) -> String {
    let mut text = format!("{}\n", results.made);
    for panel in PANELS {
        let all = times(results, panel);
        if all.rows.len() < 2 {
            continue;
        }
        text += &format!("\n{}: processor time of one operation\n{}", panel.title, text_table(&all.rows));
        if panel.axis == Axis::Threads {
            let rates = rates(results, panel);
            text +=
                &format!("\n{}: operations a second, all threads together\n{}", panel.title, text_table(&rates.rows));
        }
        let shares = shares(results, panel);
        if shares.rows.len() > 1 {
            text += &format!("\n{}: for each of the {}\n{}", panel.title, panel.axis.unit(), text_table(&shares.rows));
        }
    }
    if results.points.iter().any(|point| point.oversubscribed) {
        text += "\n* more threads than cores\n";
    }
    text + "\nGrowth\n" + &text_table(&verdict_rows(results, |_| true))
}

/// The tables of one chart for the chapter.
pub fn markdown(results: &Results, chart: &str) -> String {
    let mut text = String::new();
    for panel in PANELS.into_iter().filter(|panel| panel.chart == chart) {
        let all = times(results, panel);
        if all.rows.len() < 2 {
            continue;
        }
        text +=
            &format!("**{}**: processor time of one operation.\n\n{}\n", all.panel.title, markdown_table(&all.rows, 1));
        if panel.axis == Axis::Threads {
            let rates = rates(results, panel);
            text += &format!("Operations a second, all threads together:\n\n{}\n", markdown_table(&rates.rows, 1));
        }
        let shares = shares(results, panel);
        if shares.rows.len() > 1 {
            let table = markdown_table(&shares.rows, 1);
            text += &format!("The same for each of the {}:\n\n{table}\n", panel.axis.unit());
        }
    }
    text
}

/// What each series is.
pub fn operations(chart: &str) -> String {
    let mut rows = vec![vec!["series".to_owned(), "one operation".to_owned()]];
    let of = ALL.iter().filter(|series| series.panel.chart == chart);
    rows.extend(of.map(|series| vec![series.name.to_owned(), series.operation.to_owned()]));
    markdown_table(&rows, 2)
}

/// How each series grows, in words.
pub fn verdicts(results: &Results, chart: &str) -> String {
    markdown_table(&verdict_rows(results, |series| series.panel.chart == chart), 2)
}

fn verdict_rows(results: &Results, wanted: impl Fn(&Series) -> bool) -> Vec<Vec<String>> {
    let head = ["series", "growth", "exponent, first → last decade", "from", "to"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for series in ALL.iter().filter(|series| wanted(series)) {
        let points: Vec<&Point> = results.of(series.name).filter(|point| !point.oversubscribed).collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
        let at = |point: &Point| format!("{} at {}", time(point.ns.median), count(point.x));
        let growth = Growth::of(results.of(series.name));
        rows.push(vec![
            series.name.to_owned(),
            growth.map_or("one point only".to_owned(), |growth| growth.words()),
            growth.map_or("–".to_owned(), |growth| growth.exponents()),
            at(first),
            at(last),
        ]);
    }
    rows
}

/// From which exponent on which word is used.
pub fn words() -> String {
    let mut rows = vec![vec!["exponent".to_owned(), "word".to_owned()]];
    for (at, (from, word)) in WORDS.iter().enumerate() {
        let range = match WORDS.get(at + 1) {
            Some((to, _)) if at == 0 => format!("below {to}"),
            Some((to, _)) => format!("{from} to {to}"),
            None => format!("{from} and more"),
        };
        rows.push(vec![range, (*word).to_owned()]);
    }
    markdown_table(&rows, 2)
}
