//! One line for each slice, as RFC 4180 has it; described in `docs/outputs.md`.

use core::fmt::{self, Write};
use core::time::Duration;
use std::collections::HashMap;
use std::io;
use std::time::UNIX_EPOCH;

use super::blame::Share;
use super::escape::harmless;
use super::model::{PinReport, PinnedSlab, PinnedSlice};
use super::shares::{Payer, Shares};
use super::stream::stream;
use crate::raw::SliceKind;
use crate::track::{Trace, TraceId};

/// The header line. What is added later goes to the end.
pub(super) const HEADER: &str = "taken_unix_ms,pool,slab,generation,slab_bytes,attached,suspect,level,kind,handles,offset,len,\
    tag,scope_kind,scope_id,site_file,site_line,site_column,thread,age_min_ms,age_max_ms,first_hint,last_hint,stack,\
    live_share_bytes,waste_share_bytes,pinned_share_bytes,slab_resident_bytes\r\n";

impl PinReport {
    /// Writes one line for each slice, for spreadsheets and data frames: sizes in bytes, times in milliseconds.
    ///
    /// RFC 4180, in UTF-8, with a header line. Handles that are not listed have a line for each slab, so that
    /// `pinned_share_bytes` adds up to [`Totals::pinned_bytes`](super::Totals::pinned_bytes), by tag to that tag's
    /// [`amortised_bytes`](super::Blame::amortised_bytes). Every column, and how names that would act as formulas are
    /// made harmless, is in [`docs::outputs`](crate::docs::outputs).
    ///
    /// The pieces are small: give it a [`BufWriter`](io::BufWriter) if `out` is a file or a socket.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().name("http").slab_size(4096).build()?;
    /// let mut read = pool.alloc(4096);
    /// read.resize(4096, 0);
    /// let head = read.freeze().slice(100..120).tag("req.head");
    ///
    /// let mut csv = Vec::new();
    /// pool.report().write_csv(&mut csv)?;
    /// let csv = String::from_utf8(csv)?;
    /// assert!(csv.starts_with("taken_unix_ms,pool,slab,"));
    /// assert_eq!(csv.lines().count(), 2);
    /// assert!(csv.contains(",shared,1,100,20,req.head,"));
    /// assert!(csv.ends_with(",20,4076,4096,\r\n"));
    /// # drop(head);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_csv(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        stream(out, |out| document(self, out))
    }
}

fn document(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    out.write_str(HEADER)?;
    let mut common = String::new();
    write!(common, "{},", report.taken_at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis()))?;
    cell(&report.pool, &mut common)?;
    let traces: HashMap<TraceId, &Trace> = report.traces.iter().map(|trace| (trace.id, trace)).collect();
    let mut shares = Shares::of(report);
    let mut slab_cells = String::new();
    for slab in &report.slabs {
        slab_cells.clear();
        slab_cells.push_str(&common);
        cells_of_slab(slab, &mut slab_cells)?;
        shares.split(slab, |payer, share| {
            out.write_str(&slab_cells)?;
            match payer {
                Payer::Slice(slice) => cells_of_slice(slice, &traces, out)?,
                Payer::Untracked(handles) => cells_of_unlisted("untracked", handles, slab, out)?,
                Payer::InMotion(handles) => cells_of_unlisted("in_motion", handles, slab, out)?,
            }
            let Share { live, waste } = share;
            write!(out, ",{live},{waste},{},", live + waste)?;
            if let Some(resident) = slab.resident_bytes {
                write!(out, "{resident}")?;
            }
            out.write_str("\r\n")
        })?;
    }
    Ok(())
}

/// From `slab` to `level`.
fn cells_of_slab(slab: &PinnedSlab, out: &mut impl Write) -> fmt::Result {
    let PinnedSlab { id, generation, size, attached, suspect, level, .. } = slab;
    write!(out, ",{id},{generation},{size},{attached},{suspect},{level}")
}

/// From `kind` to `stack`.
fn cells_of_slice(slice: &PinnedSlice, traces: &HashMap<TraceId, &Trace>, out: &mut impl Write) -> fmt::Result {
    let kind = match slice.kind {
        SliceKind::Mut => "mut",
        SliceKind::Shared => "shared",
        SliceKind::Exported => "exported",
        SliceKind::Parked => "parked",
    };
    write!(out, ",{kind},1,{},{},", slice.offset, slice.len)?;
    if let Some(tag) = slice.tag {
        cell(tag.name(), out)?;
    }
    out.write_str(",")?;
    match slice.scope {
        Some(scope) => {
            cell(scope.kind().name(), out)?;
            write!(out, ",{},", scope.id())?;
        }
        None => out.write_str(",,")?,
    }
    match slice.site {
        Some(site) => {
            cell(site.file(), out)?;
            write!(out, ",{},{},", site.line(), site.column())?;
        }
        None => out.write_str(",,,")?,
    }
    write!(out, "{},{},{},", slice.thread, millis(slice.age.min()), millis(slice.age.max()))?;
    for hint in [slice.first_hint, slice.last_hint] {
        if let Some(hint) = hint {
            cell(hint.name(), out)?;
        }
        out.write_str(",")?;
    }
    match slice.trace.and_then(|id| traces.get(&id)) {
        Some(trace) => stack(trace, out),
        None => Ok(()),
    }
}

/// The same for handles of which nothing is known but their number.
fn cells_of_unlisted(kind: &str, handles: usize, slab: &PinnedSlab, out: &mut impl Write) -> fmt::Result {
    write!(out, ",{kind},{handles},,,,,,,,,,{},{},,,", millis(slab.age.min()), millis(slab.age.max()))
}

/// A stack in one cell: `read_head < on_request < main`, the innermost call first.
fn stack(trace: &Trace, out: &mut impl Write) -> fmt::Result {
    let mut text = String::new();
    for frame in &trace.frames {
        if !text.is_empty() {
            text.push_str(" < ");
        }
        match (&frame.function, &frame.file) {
            (Some(function), _) => text.push_str(function),
            (None, Some(file)) => write!(text, "{file}:{}", frame.line.unwrap_or(0))?,
            (None, None) => text.push('?'),
        }
    }
    cell(&text, out)
}

/// A text as a cell: harmless to terminals, then to spreadsheets, then quoted where RFC 4180 asks for it.
fn cell(text: &str, out: &mut impl Write) -> fmt::Result {
    let acts = acts_as_formula(text);
    let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b',';
    if !text.is_empty() && !acts && text.bytes().all(plain) {
        return out.write_str(text);
    }
    out.write_char('"')?;
    if acts {
        out.write_char('\'')?;
    }
    harmless(text, |_| false, &mut Doubled(out))?;
    out.write_char('"')
}

/// Whether a spreadsheet may take `text` for a formula: what OWASP's page on CSV injection lists, looked for behind
/// everything that a program may strip first. A name that begins with the mark itself gets one too, so that taking
/// one away gives the name back.
fn acts_as_formula(text: &str) -> bool {
    let first = text.chars().find(|&c| !(c.is_whitespace() || c.is_control() || is_invisible(c)));
    let starts_blank = text.starts_with(['\t', '\r', '\n']);
    starts_blank || first.is_some_and(|c| matches!(c, '=' | '+' | '-' | '@' | '\'' | '＝' | '＋' | '－' | '＠'))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Writes each quote twice.
struct Doubled<'a, W>(&'a mut W);

impl<W: Write> Write for Doubled<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut pieces = text.split('"');
        self.0.write_str(pieces.next().unwrap_or(""))?;
        pieces.try_for_each(|piece| {
            self.0.write_str("\"\"")?;
            self.0.write_str(piece)
        })
    }
}

fn millis(time: Duration) -> u128 {
    time.as_millis()
}
