//! The forms in which a report can be written.

use core::fmt;
use core::str::FromStr;
use std::io;

use super::model::PinReport;

/// A form in which a report can be written.
///
/// ```
/// use bufslab::report::Format;
///
/// let format: Format = "json".parse()?;
/// let mut out = Vec::new();
/// bufslab::SlabPool::new().report().write_as(format, &mut out)?;
/// assert!(out.starts_with(b"{"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// For people, all of it: `{:#}`.
    Text,
    /// [`PinReport::write_json`].
    Json,
    /// [`PinReport::write_csv`].
    Csv,
    /// [`PinReport::write_heap_snapshot`].
    HeapSnapshot,
    /// [`PinReport::write_pprof`], which needs the feature `pprof`.
    #[cfg(feature = "pprof")]
    Pprof,
    /// [`PinReport::write_folded`].
    Folded,
    /// [`PinReport::write_prometheus`].
    Prometheus,
    /// [`PinReport::write_html`].
    Html,
}

impl Format {
    /// Every form that this build can write.
    pub const ALL: &[Format] = &[
        Format::Text,
        Format::Json,
        Format::Csv,
        Format::HeapSnapshot,
        #[cfg(feature = "pprof")]
        Format::Pprof,
        Format::Folded,
        Format::Prometheus,
        Format::Html,
    ];

    /// What commands and addresses call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::HeapSnapshot => "heapsnapshot",
            #[cfg(feature = "pprof")]
            Format::Pprof => "pprof",
            Format::Folded => "folded",
            Format::Prometheus => "prometheus",
            Format::Html => "html",
        }
    }

    /// How a file of it is called: `pins.` and this.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Text => "txt",
            #[cfg(feature = "pprof")]
            Format::Pprof => "pb.gz",
            Format::Prometheus => "prom",
            other => other.name(),
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text | Format::Folded => "text/plain; charset=utf-8",
            Format::Json | Format::HeapSnapshot => "application/json",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            #[cfg(feature = "pprof")]
            Format::Pprof => "application/octet-stream",
            // Of the exposition format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::Html => "text/html; charset=utf-8",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Format, UnknownFormat> {
        let known = Format::ALL.iter().copied().find(|format| format.name() == text);
        known.ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// A form that this build does not know. Its text names those it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        write!(f, "format is {:?}: must be one of {}", self.0, names.join(", "))
    }
}

impl core::error::Error for UnknownFormat {}

impl PinReport {
    /// Writes the report in this form, piece by piece: it is never in memory twice.
    ///
    /// The pieces are small: give it a [`BufWriter`](io::BufWriter) if `out` is a file or a socket.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_as(&self, format: Format, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        match format {
            Format::Text => writeln!(out, "{self:#}"),
            Format::Json => self.write_json(out),
            Format::Csv => self.write_csv(out),
            Format::HeapSnapshot => self.write_heap_snapshot(out),
            #[cfg(feature = "pprof")]
            Format::Pprof => self.write_pprof(out),
            Format::Folded => self.write_folded(out),
            Format::Prometheus => self.write_prometheus(out),
            Format::Html => self.write_html(out),
        }
    }
}
