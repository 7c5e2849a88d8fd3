//! The chart: processor time and resident memory of each row, a bar for each kind of buffers.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::plan::Kind;
use crate::results::{Results, Spread};

const WIDTH: u32 = 1080;
/// Heights of a bar, of what is between two rows, of the title and of what is below.
const BAR: i32 = 9;
const GAP: i32 = 10;
const TOP: i32 = 62;
const BOTTOM: i32 = 34;
/// Where bars begin in a panel, and how long they may be.
const NAMES: i32 = 172;
const LENGTH: i32 = 296;

const GRID: RGBColor = RGBColor(225, 225, 225);
const TEXT: RGBColor = RGBColor(50, 50, 50);

struct Panel {
    title: &'static str,
    figure: &'static str,
    /// What one is in the figure's unit, and how it is called.
    scale: f64,
    unit: &'static str,
}

const PANELS: [Panel; 2] = [
    Panel {
        title: "Processor time a request, by powers of ten", figure: "cpu_us_per_request", scale: 1.0, unit: "µs"
    },
    Panel { title: "Resident under load, by powers of ten", figure: "resident_load_bytes", scale: 1e-6, unit: "MB" },
];

fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Vec => RGBColor(150, 150, 150),
        Kind::Bytes => RGBColor(225, 140, 20),
        Kind::Slab => RGBColor(20, 110, 180),
    }
}

fn name(kind: Kind) -> &'static str {
    kind.shown().trim_matches('`')
}

/// Draws the chart as an SVG text.
pub fn svg(results: &Results) -> Result<String> {
    let mut text = String::new();
    // The backend writes into `text` when it is dropped, at the end of `draw`.
    draw(&mut text, results).map_err(|error| anyhow!("drawing the chart: {error}"))?;
    Ok(text)
}

fn draw(text: &mut String, results: &Results) -> Result<(), Box<dyn std::error::Error>> {
    let row = BAR * results.kinds().len() as i32 + GAP;
    let height = TOP + row * results.names().len() as i32 + BOTTOM;
    let root = SVGBackend::with_string(text, (WIDTH, height as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, panel) in root.split_evenly((1, PANELS.len())).iter().zip(&PANELS) {
        draw_panel(area, panel, results, row, height)?;
    }
    root.present()?;
    Ok(())
}

fn draw_panel<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    panel: &Panel,
    results: &Results,
    row: i32,
    height: i32,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let style = |size: i32, h: HPos, v: VPos| ("sans-serif", size).into_font().color(&TEXT).pos(Pos::new(h, v));
    area.draw(&Text::new(panel.title, (NAMES, 10), style(19, HPos::Left, VPos::Top)))?;
    let mut x = NAMES;
    for kind in results.kinds() {
        area.draw(&Rectangle::new([(x, 39), (x + 10, 49)], colour(kind).filled()))?;
        area.draw(&Text::new(name(kind), (x + 15, 44), style(12, HPos::Left, VPos::Center)))?;
        x += 96;
    }

    // By powers of ten: the rows are of very different kinds.
    let value = |name: &str, kind: Kind| results.figure(name, kind, panel.figure);
    let all: Vec<f64> =
        results.rows.iter().filter_map(|row| value(&row.name, row.kind)).map(|s| s.max * panel.scale).collect();
    let least = results.rows.iter().filter_map(|row| value(&row.name, row.kind)).map(|s| s.min * panel.scale);
    let low = least.fold(f64::MAX, f64::min).max(1e-6).log10().floor();
    let high = all.iter().copied().fold(1e-6, f64::max).log10().ceil().max(low + 1.0);
    let place = |figure: f64| {
        let part = (figure.max(1e-6).log10() - low) / (high - low);
        NAMES + (part.clamp(0.0, 1.0) * f64::from(LENGTH)) as i32
    };
    for power in low as i32..=high as i32 {
        let x = place(10_f64.powi(power));
        area.draw(&PathElement::new([(x, TOP - 6), (x, height - BOTTOM)], GRID))?;
        let label = format!("{} {}", 10_f64.powi(power), panel.unit);
        area.draw(&Text::new(label, (x, height - BOTTOM + 6), style(11, HPos::Center, VPos::Top)))?;
    }
    for (number, load) in results.names().into_iter().enumerate() {
        let top = TOP + number as i32 * row;
        let middle = top + (row - GAP) / 2;
        area.draw(&Text::new(load, (NAMES - 8, middle), style(12, HPos::Right, VPos::Center)))?;
        for (at, kind) in results.kinds().into_iter().enumerate() {
            let Some(Spread { median, min, max }) = value(load, kind) else { continue };
            let (y, end) = (top + at as i32 * BAR, place(median * panel.scale));
            area.draw(&Rectangle::new([(NAMES, y), (end, y + BAR - 2)], colour(kind).filled()))?;
            // What the rounds differ by.
            let line = [(place(min * panel.scale), y + BAR / 2 - 1), (place(max * panel.scale), y + BAR / 2 - 1)];
            area.draw(&PathElement::new(line, TEXT))?;
            let (label, end) = (label(median * panel.scale), end.max(line[1].0));
            area.draw(&Text::new(label, (end + 5, y + BAR / 2), style(9, HPos::Left, VPos::Center)))?;
        }
    }
    Ok(())
}

fn label(figure: f64) -> String {
    if figure < 99.5 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}
