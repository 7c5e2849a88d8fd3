//! The charts: how bufslab compares in each operation, and what each operation takes with whom.

use crate::results::Results;
use crate::table::title;
use crate::targets::DEFAULT;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;

const US: RGBColor = RGBColor(40, 150, 70);
const US_LIGHT: RGBColor = RGBColor(150, 205, 165);
const PEER: RGBColor = RGBColor(20, 110, 180);
const OTHER: RGBColor = RGBColor(150, 150, 150);
const MACHINE: RGBColor = RGBColor(225, 140, 20);
const WORSE: RGBColor = RGBColor(200, 40, 40);
const GRID: RGBColor = RGBColor(230, 230, 230);
/// A bar for each allocator, from dark to light.
const SHADES: [f64; 3] = [1.0, 0.7, 0.45];

fn svg(size: (u32, u32), draw: impl FnOnce(&Area) -> Drawn) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let drawn = root.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&root));
        drawn.and_then(|()| Ok(root.present()?)).map_err(|error| anyhow!("drawing a chart: {error}"))?;
    }
    Ok(text)
}

fn write(area: &Area, text: &str, at: (i32, i32), size: i32, side: HPos) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&BLACK).pos(Pos::new(side, VPos::Center));
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}

fn bar(area: &Area, (left, top): (i32, i32), (length, height): (f64, i32), colour: &RGBAColor) -> Drawn {
    let corners = [(left, top), (left + length.round().max(1.0) as i32, top + height)];
    Ok(area.draw(&Rectangle::new(corners, colour.filled()))?)
}

fn line(area: &Area, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
    Ok(area.draw(&PathElement::new([from, to], colour))?)
}

/// For each operation what bufslab takes, the best peer's time being 1: a bar for each allocator, red where it takes longer.
pub fn ratios(results: &Results) -> Result<String> {
    const LEFT: i32 = 330;
    const WIDTH: i32 = 640;
    const ROW: i32 = 40;
    const TOP: i32 = 64;
    /// A longer bar would make all others too short to be told apart.
    const CUT: f64 = 2.5;
    let (ops, allocators) = (results.ops(), results.allocators());
    let of = |op: &str, allocator: &str| results.row(op, DEFAULT, allocator).map(|row| row.ratio);
    let all = ops.iter().flat_map(|op| allocators.iter().filter_map(|allocator| of(op, allocator)));
    let most = all.fold(1.2, f64::max).min(CUT);
    let x = |ratio: f64| ratio.min(most) / most * f64::from(WIDTH);
    let height = TOP + ROW * ops.len() as i32 + 30;
    svg(((LEFT + WIDTH + 60) as u32, height as u32), |area| {
        write(area, "bufslab's time, the best peer's being 1 (less is better)", (LEFT, 18), 16, HPos::Left)?;
        for (at, allocator) in allocators.iter().enumerate() {
            let left = LEFT + 14 + at as i32 * 110;
            bar(area, (left, 36), (12.0, 12), &US.mix(SHADES[at % 3]))?;
            bar(area, (left - 14, 36), (12.0, 12), &WORSE.mix(SHADES[at % 3]))?;
            write(area, allocator, (left + 18, 42), 13, HPos::Left)?;
        }
        let mut tick = 0.0;
        while tick <= most {
            let at = LEFT + x(tick) as i32;
            line(area, (at, TOP - 4), (at, height - 26), if tick == 1.0 { BLACK } else { GRID })?;
            write(area, &format!("{tick}"), (at, height - 14), 12, HPos::Center)?;
            tick += 0.25;
        }
        for (row, op) in ops.iter().enumerate() {
            let top = TOP + row as i32 * ROW;
            write(area, title(op), (LEFT - 8, top + 18), 13, HPos::Right)?;
            for (at, allocator) in allocators.iter().enumerate() {
                let Some(ratio) = of(op, allocator) else { continue };
                let colour = if ratio <= 1.0 { US } else { WORSE };
                bar(area, (LEFT, top + at as i32 * 11), (x(ratio), 9), &colour.mix(SHADES[at % 3]))?;
                let end = LEFT + x(ratio) as i32 + 4;
                let cut = if ratio > most { "… " } else { "" };
                write(area, &format!("{cut}{ratio:.2}"), (end, top + 5 + at as i32 * 11), 10, HPos::Left)?;
            }
        }
        Ok(())
    })
}

/// A panel for each operation: who takes how long, each with the allocator that is best for it.
pub fn times(results: &Results) -> Result<String> {
    const COLUMNS: i32 = 2;
    const WIDTH: i32 = 560;
    const LABELS: i32 = 215;
    const ROW: i32 = 17;
    const LEGEND: i32 = 40;
    let ops = results.ops();
    let rows = ops.iter().map(|op| results.who(op).len()).max().unwrap_or(0) as i32;
    let height = 44 + rows * ROW;
    let lines = (ops.len() as i32 + COLUMNS - 1) / COLUMNS;
    svg(((COLUMNS * WIDTH) as u32, (lines * height + LEGEND) as u32), |area| {
        let legend = [
            (US, "bufslab"),
            (US_LIGHT, "bufslab, otherwise set"),
            (PEER, "peers"),
            (OTHER, "not shared"),
            (MACHINE, "the machine's least"),
        ];
        for (at, (colour, name)) in legend.into_iter().enumerate() {
            let left = 40 + at as i32 * 200;
            bar(area, (left, 12), (12.0, 12), &colour.mix(1.0))?;
            write(area, name, (left + 18, 18), 13, HPos::Left)?;
        }
        for (at, op) in ops.iter().enumerate() {
            let corner = (at as i32 % COLUMNS * WIDTH, at as i32 / COLUMNS * height + LEGEND);
            panel(area, results, op, corner, (WIDTH, LABELS, ROW))?;
        }
        Ok(())
    })
}

fn panel(area: &Area, results: &Results, op: &str, (left, top): (i32, i32), size: (i32, i32, i32)) -> Drawn {
    let (width, labels, row) = size;
    let mut bars: Vec<_> = results.who(op).into_iter().filter_map(|who| best(results, op, who)).collect();
    bars.sort_by(|a, b| a.1.total_cmp(&b.1));
    // A bar that would make all others too short to be told apart is cut.
    let middle = bars.get(bars.len() / 2).map_or(1.0, |bar| bar.1);
    let most = bars.iter().map(|bar| bar.1).filter(|ns| *ns <= middle * 6.0).fold(0.0, f64::max);
    let room = f64::from(width - labels - 110);
    write(area, &format!("{}, ns", title(op)), (left + labels, top + 12), 14, HPos::Left)?;
    for (at, (who, ns, allocator, peer)) in bars.iter().enumerate() {
        let y = top + 26 + at as i32 * row;
        let colour = match *who {
            DEFAULT => US,
            who if who.starts_with("bufslab") => US_LIGHT,
            who if who.starts_with("machine") => MACHINE,
            _ if *peer => PEER,
            _ => OTHER,
        };
        let name = who.trim_start_matches("machine: ");
        write(area, name, (left + labels - 6, y + row / 2 - 1), 12, HPos::Right)?;
        let length = (ns / most).min(1.04) * room;
        bar(area, (left + labels, y), (length, row - 4), &colour.mix(1.0))?;
        let cut = if *ns > most { "… " } else { "" };
        let text = match who.starts_with("machine") {
            true => format!("{ns:.1}"),
            false => format!("{cut}{ns:.1} {allocator}"),
        };
        let end = left + labels + length.round() as i32 + 4;
        write(area, &text, (end, y + row / 2 - 1), 11, HPos::Left)?;
    }
    Ok(())
}

/// The least of `who`'s figures, with the allocator, and whether it ranks as a peer.
fn best<'a>(results: &'a Results, op: &str, who: &'a str) -> Option<(&'a str, f64, &'a str, bool)> {
    let rows = results.rows.iter().filter(|row| row.op == op && row.who == who);
    let best = rows.min_by(|a, b| a.ns.total_cmp(&b.ns))?;
    Some((who, best.ns, &best.allocator, best.peer))
}
