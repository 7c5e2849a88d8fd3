//! The charts: panels with two axes by powers of ten, or of two for threads.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::format::{count, rate, time};
use crate::point::{Point, Results};
use crate::series::{ALL, Axis, PANELS, Panel, Series};

/// Width and height of one panel.
const PANEL: (u32, u32) = (540, 400);
const GRID: RGBColor = RGBColor(230, 230, 230);
const COLOURS: [RGBColor; 7] = [
    RGBColor(20, 110, 180),
    RGBColor(200, 40, 40),
    RGBColor(40, 150, 70),
    RGBColor(225, 140, 20),
    RGBColor(130, 70, 170),
    RGBColor(90, 90, 90),
    RGBColor(20, 160, 170),
];
/// Room that a line of the legend takes, and its margins, as parts of a panel.
const LEGEND: (f64, f64) = (0.048, 0.07);

type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Figures by their logarithm to the base of ten, with a label at each of `labels`.
#[derive(Clone)]
struct Logarithmic {
    low: f64,
    high: f64,
    labels: Vec<f64>,
}

impl Ranged for Logarithmic {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        let part = (value - self.low) / (self.high - self.low);
        begin + (part * f64::from(end - begin)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.labels.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.low..self.high
    }
}

/// What a panel shows of each point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Figure {
    /// Processor time of an operation.
    Time,
    /// The same for each of what there is.
    Share,
    /// Operations a second of all threads.
    Rate,
}

impl Figure {
    fn of(self, point: &Point) -> Option<f64> {
        match self {
            Figure::Time => Some(point.ns.median),
            Figure::Share => Some(point.ns.median / point.x),
            Figure::Rate => point.per_second,
        }
    }

    fn title(self, panel: Panel) -> String {
        match self {
            Figure::Time => panel.title.to_owned(),
            Figure::Share => format!("{}, for each one", panel.title),
            Figure::Rate => panel.title.to_owned(),
        }
    }

    fn axis(self) -> &'static str {
        match self {
            Figure::Time => "processor time of one operation",
            Figure::Share => "processor time for each one",
            Figure::Rate => "operations a second, all together",
        }
    }

    fn shown(self, figure: f64) -> String {
        match self {
            Figure::Rate => rate(figure).replace(".00", "").replace(".0 ", " "),
            _ => time(figure).replace(".00", "").replace(".0 ", " "),
        }
    }
}

/// Panels in a row.
const COLUMNS: usize = 2;

/// What a chart shows, row by row.
fn plan(chart: &str) -> Vec<(Panel, Figure)> {
    let panels: Vec<Panel> = PANELS.into_iter().filter(|panel| panel.chart == chart).collect();
    let mut shown: Vec<(Panel, Figure)> = panels.iter().map(|&panel| (panel, Figure::Time)).collect();
    match chart {
        "threads" => panels.iter().flat_map(|&panel| [(panel, Figure::Time), (panel, Figure::Rate)]).collect(),
        "slices" => {
            shown.insert(3, (panels[2], Figure::Share));
            shown.push((panels[3], Figure::Share));
            shown
        }
        _ => shown,
    }
}

/// Draws one of the charts as an SVG text.
pub fn svg(results: &Results, chart: &str) -> Result<String> {
    let mut text = String::new();
    // The backend writes into `text` when it is dropped, at the end of `draw`.
    draw(&mut text, results, chart).map_err(|error| anyhow!("drawing scaling_{chart}.svg: {error}"))?;
    Ok(text)
}

fn draw(text: &mut String, results: &Results, chart: &str) -> Drawn {
    let panels = plan(chart);
    let rows = panels.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::with_string(text, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, &(panel, figure)) in root.split_evenly((rows, COLUMNS)).iter().zip(&panels) {
        draw_panel(area, results, panel, figure)?;
    }
    root.present()?;
    Ok(())
}

/// A series and its points as they are drawn.
struct Line {
    series: &'static Series,
    colour: RGBColor,
    /// Logarithms, and whether there were more threads than cores.
    points: Vec<(f64, f64, bool)>,
}

fn lines(results: &Results, panel: Panel, figure: Figure) -> Vec<Line> {
    let shown = ALL.iter().filter(|series| series.panel == panel).zip(COLOURS.into_iter().cycle());
    let line = |(series, colour): (&'static Series, RGBColor)| {
        let point = |point: &Point| Some((point.x.log10(), figure.of(point)?.log10(), point.oversubscribed));
        let wanted = figure != Figure::Share || series.over_all;
        let points: Vec<_> = if wanted { results.of(series.name).filter_map(point).collect() } else { Vec::new() };
        (!points.is_empty()).then_some(Line { series, colour, points })
    };
    shown.filter_map(line).collect()
}

/// From the least to the most, with a label at 1, or at 1, 2 and 5 where there is little to see otherwise.
fn axis(figures: impl Iterator<Item = f64> + Clone, headroom: f64) -> Logarithmic {
    let least = figures.clone().fold(f64::MAX, f64::min);
    let most = figures.fold(f64::MIN, f64::max);
    let (low, high) = ((least - 0.08).min(most - 0.3), (most + 0.08).max(least + 0.3));
    let high = low + (high - low) / (1.0 - headroom);
    let times: &[f64] = if high - low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.floor() as i32..=high.ceil() as i32;
    let labels = powers.flat_map(|power| times.iter().map(move |times| f64::from(power) + times.log10()));
    Logarithmic { low, high, labels: labels.filter(|label| (low..=high).contains(label)).collect() }
}

fn draw_panel<'b: 'a, 'a>(
    area: &DrawingArea<SVGBackend<'b>, Shift>,
    results: &Results,
    panel: Panel,
    figure: Figure,
) -> Drawn {
    let lines = lines(results, panel, figure);
    if lines.is_empty() {
        return Ok(());
    }
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let mut x = axis(points().map(|point| point.0), 0.0);
    if panel.axis == Axis::Threads || panel.axis == Axis::Owners {
        let powers = (0..16).map(|power| f64::from(power) * 2_f64.log10());
        x.labels = powers.filter(|label| (x.low..=x.high).contains(label)).collect();
    }
    let over = points().any(|point| point.2);
    let entries = lines.len() + usize::from(over);
    let y = axis(points().map(|point| point.1), LEGEND.0 * entries as f64 + LEGEND.1);
    let mut chart = ChartBuilder::on(area)
        .caption(figure.title(panel), ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(72)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .x_desc(panel.axis.unit())
        .y_desc(figure.axis())
        .axis_desc_style(("sans-serif", 13))
        .label_style(("sans-serif", 12))
        .x_label_formatter(&|x| count(10_f64.powf(*x)))
        .y_label_formatter(&|y| figure.shown(10_f64.powf(*y)))
        .draw()?;
    for line in &lines {
        let style = line.colour.stroke_width(2);
        let cut = line.points.iter().filter(|point| !point.2).count();
        let at = |point: &(f64, f64, bool)| (point.0, point.1);
        let own = chart.draw_series(LineSeries::new(line.points[..cut].iter().map(at), style))?;
        let name = line.series.name.rsplit('/').next().unwrap_or_default();
        own.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        let rest = line.points[cut.saturating_sub(1)..].iter().map(at);
        chart.draw_series(DashedLineSeries::new(rest, 6, 4, line.colour.stroke_width(1)))?;
        chart.draw_series(line.points.iter().map(|point| match point.2 {
            true => Circle::new(at(point), 3, line.colour.stroke_width(1)),
            false => Circle::new(at(point), 3, line.colour.filled()),
        }))?;
    }
    if over {
        let nothing = chart.draw_series(std::iter::empty::<Circle<(f64, f64), i32>>())?;
        let style = COLOURS[5].stroke_width(1);
        nothing
            .label("more threads than cores")
            .legend(move |(x, y)| DashedPathElement::new([(x, y), (x + 18, y)], 5, 3, style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(6)
        .background_style(WHITE.mix(0.9))
        .border_style(GRID)
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}
