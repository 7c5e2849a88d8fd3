//! The chart: four panels over the slab size.

use anyhow::{Result, anyhow};
use bufslab::{Auto, Reuse, SlabSize};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::plan::{Case, REUSES};
use crate::results::{Results, Spread, Spreads};
use crate::size::size_name;

const SIZE: (u32, u32) = (1080, 820);

const WHOLE: RGBColor = RGBColor(200, 40, 40);
const AROUND: RGBColor = RGBColor(40, 150, 70);
const VEC: RGBColor = RGBColor(90, 90, 90);
const STREAMED: RGBColor = RGBColor(225, 140, 20);
const HOT: RGBColor = RGBColor(20, 110, 180);
const GRID: RGBColor = RGBColor(230, 230, 230);

type Area<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// From where to where an axis goes, and where its labels are.
#[derive(Clone)]
struct Axis {
    low: f64,
    high: f64,
    labels: Vec<f64>,
}

impl Ranged for Axis {
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

struct Panel {
    title: &'static str,
    y: &'static str,
    /// Whether the figures go up by powers of ten.
    log: bool,
    lines: Vec<Line>,
}

struct Line {
    label: String,
    colour: RGBColor,
    dashed: bool,
    /// By slab size in bytes, rising.
    points: Vec<(f64, Spread)>,
    /// Where `Auto` ended up.
    auto: Option<(f64, Spread)>,
}

/// Draws the chart as an SVG text.
pub fn svg(results: &Results) -> Result<String> {
    let mut text = String::new();
    // The backend writes into `text` when it is dropped, at the end of `draw`.
    draw(&mut text, results).map_err(|error| anyhow!("drawing the chart: {error}"))?;
    Ok(text)
}

fn draw(text: &mut String, results: &Results) -> Drawn {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, panel) in root.split_evenly((2, 2)).iter().zip(panels(results)) {
        draw_panel(area, &panel, &results.sizes())?;
    }
    root.present()?;
    Ok(())
}

fn panels(results: &Results) -> [Panel; 4] {
    let servers = |name: &str, scale: f64, what: &str| -> Vec<Line> {
        let mut lines: Vec<Line> = REUSES.iter().map(|&reuse| server_line(results, reuse, name, scale, what)).collect();
        lines.extend(flat_line(
            results,
            results.server(Case::Vec),
            name,
            scale,
            &format!("a Vec for each read{what}"),
            VEC,
        ));
        lines
    };
    // The same for another figure, dashed, without what does not depend on slabs.
    let dashed = |name: &str, scale: f64, what: &str| -> Vec<Line> {
        let lines = REUSES.iter().map(|&reuse| server_line(results, reuse, name, scale, what));
        lines.map(|line| Line { dashed: true, auto: None, ..line }).collect()
    };
    let mut speed = servers("requests_per_cpu_s", 1e-3, ": of its time on a core");
    speed.extend(dashed("requests_per_s", 1e-3, ": with these clients"));
    let mut memory = servers("resident_peak_bytes", 1e-6, ": resident");
    memory.extend(dashed("pinned_peak_bytes", 1e-6, ": pinned"));
    let alone = |name: &str, label: &str, colour| {
        let points = results.allocations.iter().filter_map(|(size, row)| Some(((*size)? as f64, *row.get(name)?)));
        Line { label: label.to_owned(), colour, dashed: false, points: points.collect(), auto: None }
    };
    let mut alone = vec![
        alone("fresh_ns", "fresh: each slab mapped anew", WHOLE),
        alone("streamed_ns", "streamed: 64 MiB until it comes back", STREAMED),
        alone("hot_ns", "hot: dropped at once", HOT),
    ];
    alone.extend(flat_line(
        results,
        results.allocation(None),
        "hot_ns",
        1.0,
        "a Vec for each read, dropped at once",
        VEC,
    ));
    [
        Panel { title: "Requests a second", y: "thousands a second", log: false, lines: speed },
        Panel {
            title: "99th percentile of little requests",
            y: "µs",
            log: false,
            lines: servers("small_p99_us", 1.0, ""),
        },
        Panel { title: "The server's memory, peak", y: "MB", log: true, lines: memory },
        Panel { title: "Alone: one read of 1,500 bytes", y: "ns", log: true, lines: alone },
    ]
}

fn reuse_label(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::WholeSlab => "wait for whole slabs",
        _ => "around the pins",
    }
}

fn scaled(spread: Spread, scale: f64) -> Spread {
    Spread { median: spread.median * scale, min: spread.min * scale, max: spread.max * scale }
}

fn server_line(results: &Results, reuse: Reuse, name: &str, scale: f64, what: &str) -> Line {
    let point = |bytes: usize| {
        let row = results.server(Case::Pool { size: SlabSize::Fixed(bytes), reuse })?;
        Some((bytes as f64, scaled(*row.get(name)?, scale)))
    };
    let auto = results.server(Case::Pool { size: Auto.into(), reuse });
    Line {
        label: format!("{}{what}", reuse_label(reuse)),
        colour: if reuse == Reuse::WholeSlab { WHOLE } else { AROUND },
        dashed: false,
        points: results.sizes().into_iter().filter_map(point).collect(),
        auto: auto.and_then(|row| Some((row.get("slab_size_end_bytes")?.median, scaled(*row.get(name)?, scale)))),
    }
}

/// What does not depend on slabs, as a line from side to side.
fn flat_line(
    results: &Results,
    row: Option<&Spreads>,
    name: &str,
    scale: f64,
    label: &str,
    colour: RGBColor,
) -> Option<Line> {
    let Spread { median, .. } = scaled(*row?.get(name)?, scale);
    let level = Spread { median, min: median, max: median };
    let sizes = results.sizes();
    let points = [*sizes.first()?, *sizes.last()?].map(|bytes| (bytes as f64, level)).to_vec();
    Some(Line { label: label.to_owned(), colour, dashed: true, points, auto: None })
}

/// Where a figure is on an axis that may go by powers of ten.
fn place(figure: f64, log: bool) -> f64 {
    if log { figure.max(1e-3).log10() } else { figure }
}

/// The upright axis.
fn axis(panel: &Panel) -> Axis {
    let spreads = panel.lines.iter().flat_map(|line| line.points.iter().chain(&line.auto)).map(|point| point.1);
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for spread in spreads {
        low = low.min(place(spread.min, panel.log));
        high = high.max(place(spread.max, panel.log));
    }
    if low > high {
        return Axis { low: 0.0, high: 1.0, labels: vec![0.0, 1.0] };
    }
    // The legend's share of the height.
    let entries = panel.lines.len() + usize::from(panel.lines.iter().any(|line| line.auto.is_some()));
    let free = 1.0 - (16.0 * entries as f64 + 28.0) / 320.0;
    if panel.log {
        let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
        let labels = (low as i32..=high as i32).map(f64::from).collect();
        return Axis { low, high: low + (high - low) / free, labels };
    }
    // From zero, so that differences look as large as they are.
    let step = 10_f64.powf((high / 3.0).log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|times| times * step).into_iter().find(|step| high / step <= 6.0).unwrap_or(high);
    let labels = (0..).map(|count| f64::from(count) * step).take_while(|&at| at <= high * 1.05).collect();
    Axis { low: 0.0, high: high / free, labels }
}

fn draw_panel<'b: 'a, 'a>(
    area: &DrawingArea<SVGBackend<'b>, plotters::coord::Shift>,
    panel: &'a Panel,
    sizes: &[usize],
) -> Drawn {
    let (Some(&first), Some(&last)) = (sizes.first(), sizes.last()) else {
        return Ok(());
    };
    let (first, last) = (first as f64, last as f64);
    // Sizes go by powers of two, with a label at every second one.
    let (low, high) = (first.log2() - 0.3, last.log2() + 0.3);
    let powers = (1..40).map(|power| f64::from(2 * power)).filter(|power| (low..high).contains(power));
    let sizes = Axis { low, high, labels: powers.collect() };
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 19))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(58)
        .build_cartesian_2d(sizes, axis(panel))?;
    let log = panel.log;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .x_desc("slab size")
        .y_desc(panel.y)
        .axis_desc_style(("sans-serif", 14))
        .label_style(("sans-serif", 12))
        .x_label_formatter(&|power| size_name(power.exp2() as usize))
        .y_label_formatter(&|y| {
            if log { format!("{}", 10_f64.powf(*y)) } else { format!("{}", (y * 100.0).round() / 100.0) }
        })
        .draw()?;
    for (number, line) in panel.lines.iter().enumerate() {
        draw_line(&mut chart, line, log, number == 0)?;
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

fn draw_line<'b: 'a, 'a>(chart: &mut Area<'a, 'b>, line: &'a Line, log: bool, first: bool) -> Drawn {
    let at = |bytes: f64, figure: f64| (bytes.log2(), place(figure, log));
    let points = line.points.iter().map(|(bytes, spread)| at(*bytes, spread.median));
    let style = line.colour.stroke_width(2);
    let series = if line.dashed {
        chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?
    } else {
        chart.draw_series(LineSeries::new(points, style))?
    };
    let dashed = line.dashed;
    series.label(line.label.as_str()).legend(move |(x, y)| {
        let ends = [(x, y), (x + 18, y)];
        if dashed {
            DashedPathElement::new(ends, 5, 3, style).into_dyn()
        } else {
            PathElement::new(ends, style).into_dyn()
        }
    });
    // What the rounds differ by, and the medians themselves.
    let bars = line.points.iter().chain(&line.auto).filter(|(_, spread)| spread.max > spread.min);
    chart.draw_series(bars.map(|(bytes, spread)| {
        PathElement::new([at(*bytes, spread.min), at(*bytes, spread.max)], line.colour.mix(0.5).stroke_width(1))
    }))?;
    if !line.dashed {
        let dots =
            line.points.iter().map(|(bytes, spread)| Circle::new(at(*bytes, spread.median), 3, line.colour.filled()));
        chart.draw_series(dots)?;
    }
    if let Some((bytes, spread)) = &line.auto {
        let mark = TriangleMarker::new(at(*bytes, spread.median), 7, line.colour.filled());
        let series = chart.draw_series([mark])?;
        if first {
            let mark = |(x, y)| TriangleMarker::new((x + 9, y), 6, VEC.filled());
            series.label("with Auto, where it ended up").legend(mark);
        }
    }
    Ok(())
}
