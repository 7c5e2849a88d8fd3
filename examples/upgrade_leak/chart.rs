//! The chart: the published curves, and ours over them.

use anyhow::{Result, anyhow};
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::plan::{Case, Mode, NODE_SLAB, SMALL_SLAB, Scenario};
use crate::published::Published;
use crate::run::Run;
use crate::size::size_name;

const SIZE: (u32, u32) = (960, 560);
const MB: f64 = 1e6;

const NODE_BOTH: RGBColor = RGBColor(90, 90, 90);
const NODE_UPLOADS: RGBColor = RGBColor(140, 140, 140);
const NODE_SOCKETS: RGBColor = RGBColor(185, 185, 185);
const HOLD: RGBColor = RGBColor(200, 40, 40);
const SMALL: RGBColor = RGBColor(225, 140, 20);
const RETAIN: RGBColor = RGBColor(20, 110, 180);
const AROUND: RGBColor = RGBColor(40, 150, 70);
const PARK: RGBColor = RGBColor(130, 70, 170);

type Area<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One line of the chart, in seconds and bytes.
struct Line {
    label: String,
    colour: RGBColor,
    width: u32,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// Draws the chart as an SVG text.
pub fn svg(runs: &[Run], published: &Published) -> Result<String> {
    let mut lines = published_lines(published);
    lines.extend(our_lines(runs));
    let mut text = String::new();
    // The backend writes into `text` when it is dropped, at the end of `draw`.
    draw(&mut text, &lines).map_err(|error| anyhow!("drawing the chart: {error}"))?;
    Ok(text)
}

fn published_lines(published: &Published) -> Vec<Line> {
    [
        ("Node 0.8: both (RSS growth, published)", NODE_BOTH, &published.both),
        ("Node 0.8: uploads only", NODE_UPLOADS, &published.uploads),
        ("Node 0.8: websockets only", NODE_SOCKETS, &published.websockets),
    ]
    .into_iter()
    .map(|(label, colour, points)| Line {
        label: label.to_owned(),
        colour,
        width: 2,
        dashed: true,
        points: points.clone(),
    })
    .collect()
}

fn our_lines(runs: &[Run]) -> Vec<Line> {
    let wanted = [
        (Mode::Hold, NODE_SLAB, HOLD),
        (Mode::Hold, SMALL_SLAB, SMALL),
        (Mode::Around, NODE_SLAB, AROUND),
        (Mode::Park, NODE_SLAB, PARK),
        (Mode::Retain, NODE_SLAB, RETAIN),
    ];
    wanted
        .into_iter()
        .filter_map(|(mode, slab_size, colour)| {
            let case = Case::new(Scenario::Both, mode, slab_size);
            let run = runs.iter().find(|run| run.case == case)?;
            let (mode, size) = (mode.name(), size_name(slab_size));
            Some(Line {
                label: format!("bufslab: both, {mode}, {size} slabs (pinned bytes)"),
                colour,
                width: 3,
                dashed: false,
                points: run.samples.iter().map(|s| (s.t, s.pool.pinned as f64)).collect(),
            })
        })
        .collect()
}

fn draw(text: &mut String, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let last_second = points().map(|point| point.0).fold(1.0, f64::max);
    let most = points().map(|point| point.1).fold(1.0, f64::max) / MB;

    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("4 uploads and 1 WebSocket a second: who keeps the slabs", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last_second, 0.0..most * 1.05)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(230, 230, 230))
        .x_desc("seconds of the published experiment")
        .y_desc("memory (MB)")
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14))
        .x_label_formatter(&|t| format!("{t:.0}"))
        .y_label_formatter(&|mb| format!("{mb:.0}"))
        .draw()?;
    for line in lines {
        draw_line(&mut chart, line)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(12)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 14))
        .draw()?;
    root.present()?;
    Ok(())
}

fn draw_line<'b: 'a, 'a>(chart: &mut Area<'a, 'b>, line: &Line) -> Result<(), Box<dyn std::error::Error>> {
    let points = line.points.iter().map(|&(t, bytes)| (t, bytes / MB));
    let style = line.colour.stroke_width(line.width);
    let series = if line.dashed {
        chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?
    } else {
        chart.draw_series(LineSeries::new(points, style))?
    };
    let dashed = line.dashed;
    series.label(&line.label).legend(move |(x, y)| {
        let ends = [(x, y), (x + 20, y)];
        if dashed {
            DashedPathElement::new(ends, 5, 3, style).into_dyn()
        } else {
            PathElement::new(ends, style).into_dyn()
        }
    });
    Ok(())
}
