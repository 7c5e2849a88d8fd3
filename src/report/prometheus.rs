//! Prometheus' text exposition, version 0.0.4, as
//! <https://prometheus.io/docs/instrumenting/exposition_formats/> describes it.

use core::fmt::{self, Write};
use std::io;

use super::model::PinReport;
use super::pool_metrics::{Distribution, Family, Point, PoolMetrics, Series};
use super::stream::stream;

impl PinReport {
    /// Writes the report's metrics in Prometheus' text exposition: gauges, histograms, and who pins most, as listed in
    /// [`METRICS`](super::METRICS). What of that a report does not know, the pool's counters, is left out; see
    /// [`PoolMetrics`] for those.
    ///
    /// For one pool. An exposition may name each metric only once, so that several of these cannot stand one after the
    /// other: for several pools there is [`write_prometheus_all`].
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_prometheus(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        write_prometheus_all(&[PoolMetrics::from_report(self)], out)
    }
}

/// Writes the metrics of several pools as one exposition in Prometheus' text format.
///
/// # Errors
///
/// The first error of `out`, after which nothing more is written.
pub fn write_prometheus_all(pools: &[PoolMetrics], out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
    stream(out, |out| PoolMetrics::families(pools).try_for_each(|family| write_family(&family, out)))
}

fn write_family(family: &Family<'_>, out: &mut impl Write) -> fmt::Result {
    let (metric, name) = (family.metric, family.metric.name());
    // No help text holds what would have to be escaped there: a test looks.
    writeln!(out, "# HELP {name} {}", metric.help())?;
    writeln!(out, "# TYPE {name} {}", metric.kind().as_str())?;
    for series in family.series() {
        match series.point {
            Point::Number(figure) => {
                out.write_str(name)?;
                labels(&series, None, out)?;
                writeln!(out, " {figure}")?;
            }
            Point::Distribution(each) => write_histogram(name, &series, each, out)?,
        }
    }
    Ok(())
}

fn write_histogram(name: &str, series: &Series<'_>, each: &Distribution, out: &mut impl Write) -> fmt::Result {
    let mut so_far = 0;
    for (bound, count) in each.buckets() {
        so_far += count;
        write!(out, "{name}_bucket")?;
        labels(series, Some(bound), out)?;
        writeln!(out, " {so_far}")?;
    }
    write!(out, "{name}_sum")?;
    labels(series, None, out)?;
    writeln!(out, " {}", each.sum)?;
    write!(out, "{name}_count")?;
    labels(series, None, out)?;
    writeln!(out, " {so_far}")
}

fn labels(series: &Series<'_>, bound: Option<f64>, out: &mut impl Write) -> fmt::Result {
    let mut before = '{';
    for (name, value) in &series.labels {
        write!(out, "{before}{name}=\"")?;
        escaped(value, out)?;
        out.write_char('"')?;
        before = ',';
    }
    match bound {
        None => {}
        Some(f64::INFINITY) => {
            write!(out, "{before}le=\"+Inf\"")?;
            before = ',';
        }
        // With a decimal, `1.0`, as OpenMetrics has it: a bucket is known by this text, and pools that are scraped in
        // either form are to share it.
        Some(bound) => {
            write!(out, "{before}le=\"{bound:?}\"")?;
            before = ',';
        }
    }
    if before == ',' { out.write_char('}') } else { Ok(()) }
}

/// The text of a label's value: backslash, double quote and line feed have to be escaped, everything else stands as it
/// is.
pub(crate) fn escaped(value: &str, out: &mut (impl Write + ?Sized)) -> fmt::Result {
    for c in value.chars() {
        match c {
            '\\' => out.write_str("\\\\")?,
            '"' => out.write_str("\\\"")?,
            '\n' => out.write_str("\\n")?,
            _ => out.write_char(c)?,
        }
    }
    Ok(())
}
