//! The tables, and the sentences that answer the question, in Markdown.

use std::fmt::Write as _;

use bufslab::{Reuse, SlabSize};

use crate::load::{SMALL_PER_UPLOAD, UPLOAD_BYTES, UPLOADS_PER_SESSION};
use crate::plan::{Case, REUSES};
use crate::results::{Results, Spread, Spreads};
use crate::size::size_name;

/// What Node 0.8 had, and what pools here have by default: the two that the answer compares, where they were measured.
const LARGE: usize = 10 << 20;
const SMALL: usize = 64 << 10;

/// What is printed at the end.
pub fn all(results: &Results) -> String {
    format!(
        "{}\n### The server\n\n{}\n### The allocator alone\n\n{}\n{}",
        made(results),
        servers(results),
        allocations(results),
        answer(results)
    )
}

/// How and where it was measured.
pub fn made(results: &Results) -> String {
    let note = if results.quick { " **A quick run: the figures mean nothing.**" } else { "" };
    let rounds = if results.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", results.rounds) };
    format!(
        "{}. {rounds} of {} s; {} clients, {SMALL_PER_UPLOAD} little requests for each upload of {UPLOAD_BYTES} bytes, a new session \
         for each {UPLOADS_PER_SESSION} uploads, {} sessions open.{note}\n",
        results.machine, results.seconds, results.clients, results.sessions
    )
}

/// All of the servers' figures that matter.
pub fn servers(results: &Results) -> String {
    let mut text = "| slabs | reuse | requests a second of CPU | requests/s | MB/s | little: p50 | little: p99 | upload: p99 | faults a request \
                    | resident, peak | pinned, peak | pinned, end | slabs taken |\n\
                    |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for (case, row) in &results.servers {
        let figure = |name: &str| row.get(name);
        let number = |name: &str, scale: f64, unit: &str| shown(figure(name), scale, unit);
        let slabs = match figure("slab_size_end_bytes") {
            Some(size) if case.is_auto() => format!("{}, {} at the end", case.slabs(), size_name(size.median as usize)),
            _ => case.slabs(),
        };
        let _ = writeln!(
            text,
            "| {slabs} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            case.reuse().map_or("–", reuse_word),
            with_spread(figure("requests_per_cpu_s"), 1.0, ""),
            with_spread(figure("requests_per_s"), 1.0, ""),
            number("bytes_per_s", 1e-6, ""),
            number("small_p50_us", 1.0, " µs"),
            number("small_p99_us", 1.0, " µs"),
            number("upload_p99_us", 1e-3, " ms"),
            number("faults_per_request", 1.0, ""),
            number("resident_peak_bytes", 1e-6, " MB"),
            number("pinned_peak_bytes", 1e-6, " MB"),
            number("pinned_end_bytes", 1e-6, " MB"),
            number("slabs_taken", 1.0, ""),
        );
    }
    text
}

/// One row for each size, whole slabs → around the pin.
pub fn short(results: &Results) -> String {
    let mut text =
        "| slabs | requests a second of CPU | requests/s | p99 of little requests | resident, peak | pinned, peak |\n|---|--:|--:|--:|--:|--:|\n"
            .to_owned();
    let mut rows: Vec<(Case, Vec<&Spreads>)> = Vec::new();
    for (case, row) in &results.servers {
        match rows.last_mut() {
            Some((last, both)) if last.slabs() == case.slabs() => both.push(row),
            _ => rows.push((*case, vec![row])),
        }
    }
    for (case, both) in rows {
        let pair = |name: &str, scale: f64, unit: &str| {
            let figures: Vec<String> = both.iter().map(|row| shown(row.get(name), scale, "")).collect();
            format!("{}{unit}", figures.join(" → "))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            case.slabs(),
            pair("requests_per_cpu_s", 1.0, ""),
            pair("requests_per_s", 1.0, ""),
            pair("small_p99_us", 1.0, " µs"),
            pair("resident_peak_bytes", 1e-6, " MB"),
            pair("pinned_peak_bytes", 1e-6, " MB"),
        );
    }
    text
}

/// The allocator alone.
pub fn allocations(results: &Results) -> String {
    let mut text =
        "| slabs | hot: dropped at once | streamed: 64 MiB until a slab comes back | fresh: each slab mapped anew |\n|---|--:|--:|--:|\n".to_owned();
    for (slab_size, row) in &results.allocations {
        let cell = |name: &str| with_spread(row.get(name), 1.0, " ns");
        let slabs = slab_size.map_or(Case::Vec.slabs(), size_name);
        let _ = writeln!(text, "| {slabs} | {} | {} | {} |", cell("hot_ns"), cell("streamed_ns"), cell("fresh_ns"));
    }
    if let Some(copy) = results.allocation(None).and_then(|row| row.get("copy_ns")) {
        let _ = writeln!(
            text,
            "\nThe copy of the 1,500 bytes is in all of them, and costs {} alone.",
            shown(Some(copy), 1.0, " ns")
        );
    }
    text
}

/// The answer, in sentences whose figures and comparisons are the measured ones.
pub fn answer(results: &Results) -> String {
    let sizes = results.sizes();
    let pick = |wanted: usize, other: Option<&usize>| sizes.iter().find(|&&size| size == wanted).or(other).copied();
    let (Some(small), Some(large)) = (pick(SMALL, sizes.first()), pick(LARGE, sizes.last())) else {
        return String::new();
    };
    let row = |bytes: usize, reuse: Reuse| results.server(Case::Pool { size: SlabSize::Fixed(bytes), reuse });
    let (small_name, large_name) = (size_name(small), size_name(large));
    // Time on the processor is the server's own; where the system does not tell it, the clients' speed is in it too.
    let own = results.servers.iter().all(|row| row.1.contains_key("requests_per_cpu_s"));
    let (speed_name, per) = match own {
        true => ("requests_per_cpu_s", "for each second of its time on a processor"),
        false => ("requests_per_s", "a second"),
    };
    let speed = |row: &Spreads| row.get(speed_name).copied();
    let mut text = String::new();
    for reuse in REUSES {
        let (Some(one), Some(other)) = (row(small, reuse), row(large, reuse)) else {
            continue;
        };
        let Some((a, b)) = speed(one).zip(speed(other)) else {
            continue;
        };
        let _ = writeln!(
            text,
            "With a pool that {}, the server with slabs of {small_name} answers {} requests {per}, with slabs of {large_name} {}: {}. The \
             heads pin {} MB at most, against {} MB, and {} MB are resident, against {} MB.\n",
            reuse_name(reuse),
            with_spread(Some(&a), 1.0, ""),
            with_spread(Some(&b), 1.0, ""),
            verdict(a, b),
            shown(one.get("pinned_peak_bytes"), 1e-6, ""),
            shown(other.get("pinned_peak_bytes"), 1e-6, ""),
            shown(one.get("resident_peak_bytes"), 1e-6, ""),
            shown(other.get("resident_peak_bytes"), 1e-6, ""),
        );
    }
    if let Some(vec) = results.server(Case::Vec) {
        let _ = writeln!(
            text,
            "A `Vec` for each read answers {} and has {} MB resident.\n",
            with_spread(speed(vec).as_ref(), 1.0, ""),
            shown(vec.get("resident_peak_bytes"), 1e-6, "")
        );
    }
    if let (Some(one), Some(other)) = (results.allocation(Some(small)), results.allocation(Some(large))) {
        let _ = writeln!(
            text,
            "Without sockets and TLS, a read of 1,500 bytes costs {} in a slab of {small_name} that is reused hot; in slabs of {large_name} \
             {} so, {} if they come back cold, and {} if they are fresh from the system.",
            shown(one.get("hot_ns"), 1.0, " ns"),
            shown(other.get("hot_ns"), 1.0, " ns"),
            shown(other.get("streamed_ns"), 1.0, " ns"),
            shown(other.get("fresh_ns"), 1.0, " ns"),
        );
    }
    text
}

/// Which of two speeds is higher, if their rounds do not overlap.
fn verdict(small: Spread, large: Spread) -> String {
    let percent = (small.median / large.median - 1.0).abs() * 100.0;
    if small.min == small.max && large.min == large.max {
        format!("{percent:.0} % apart, in a single round")
    } else if small.min > large.max {
        format!("the small ones are {percent:.0} % faster")
    } else if large.min > small.max {
        format!("the large ones are {percent:.0} % faster")
    } else {
        format!("{percent:.0} % apart, which is within what the rounds differ by")
    }
}

/// In a narrow column.
fn reuse_word(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::WholeSlab => "whole",
        _ => "around",
    }
}

fn reuse_name(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::WholeSlab => "waits for whole slabs",
        _ => "cuts around the pins",
    }
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
        size if size < 0.995 => format!("{number:.2}{unit}"),
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

fn with_spread(figure: Option<&Spread>, scale: f64, unit: &str) -> String {
    match figure {
        Some(spread) => format!("{}\u{a0}±\u{a0}{:.0}\u{a0}%", shown(figure, scale, unit), spread.percent()),
        None => shown(None, scale, unit),
    }
}
