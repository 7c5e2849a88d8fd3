//! Folded stacks, for flame graphs; described in `docs/outputs.md`.

use core::fmt::{self, Write};
use std::collections::HashMap;
use std::io;

use super::escape::harmless;
use super::model::{PinReport, PinnedSlice};
use super::shares::{Payer, Shares};
use super::stream::stream;
use super::tally::Tally;
use crate::track::{Frame, ScopeName, Site, Tag, Trace, TraceId};

impl PinReport {
    /// Writes folded stacks, which flame graph programs read: one line for each way to pinned memory, with its bytes.
    ///
    /// ```text
    /// tls;ws_session;#42;req.head;src/server.rs:11:5 10485760
    /// ```
    ///
    /// The frames are the pool, the kind and the number of the scope, the tag, the recorded stack if there is one, and
    /// the site. The figures are shares of slabs: they add up to
    /// [`Totals::pinned_bytes`](super::Totals::pinned_bytes). See [`docs::outputs`](crate::docs::outputs).
    ///
    /// Equal stacks are added up in a few MiB of memory; if there are more than fit, a stack may come more than once.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_folded(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        stream(out, |out| document(self, out))
    }
}

/// What slices have in common that share a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Stack {
    Listed { scope: Option<ScopeName>, tag: Option<Tag>, trace: Option<TraceId>, site: Option<Site> },
    Untracked,
    InMotion,
}

impl Stack {
    fn of(slice: &PinnedSlice) -> Stack {
        Stack::Listed { scope: slice.scope, tag: slice.tag, trace: slice.trace, site: slice.site }
    }
}

fn document(report: &PinReport, out: &mut impl Write) -> fmt::Result {
    let traces: HashMap<TraceId, &Trace> = report.traces.iter().map(|trace| (trace.id, trace)).collect();
    let mut root = String::new();
    name(&report.pool, &mut root)?;
    let mut shares = Shares::of(report);
    let mut tally = Tally::new();
    for slab in &report.slabs {
        shares.split(slab, |payer, share| {
            let stack = match payer {
                Payer::Slice(slice) => Stack::of(slice),
                Payer::Untracked(_) => Stack::Untracked,
                Payer::InMotion(_) => Stack::InMotion,
            };
            tally.add(stack, [share.live + share.waste]);
            if tally.is_full() { lines(&root, &mut tally, &traces, out) } else { Ok(()) }
        })?;
    }
    lines(&root, &mut tally, &traces, out)
}

fn lines(
    root: &str,
    tally: &mut Tally<Stack, 1>,
    traces: &HashMap<TraceId, &Trace>,
    out: &mut impl Write,
) -> fmt::Result {
    for (stack, [bytes]) in tally.drain() {
        // A share may be nothing: a slice among more slices than its slab has waste, covered by others.
        if bytes == 0 {
            continue;
        }
        out.write_str(root)?;
        match stack {
            Stack::Listed { scope, tag, trace, site } => {
                match scope {
                    Some(scope) => {
                        out.write_char(';')?;
                        name(scope.kind().name(), out)?;
                        write!(out, ";#{}", scope.id())?;
                    }
                    None => out.write_str(";(unscoped)")?,
                }
                match tag {
                    Some(tag) => {
                        out.write_char(';')?;
                        name(tag.name(), out)?;
                    }
                    None => out.write_str(";(untagged)")?,
                }
                let calls = trace.and_then(|id| traces.get(&id)).map_or(&[][..], |trace| &trace.frames);
                for call in calls.iter().rev() {
                    out.write_char(';')?;
                    frame(&called(call), out)?;
                }
                match site {
                    Some(site) => {
                        out.write_char(';')?;
                        frame(&site.to_string(), out)?;
                    }
                    None => out.write_str(";(no site)")?,
                }
            }
            Stack::Untracked => out.write_str(";(untracked)")?,
            Stack::InMotion => out.write_str(";(in motion)")?,
        }
        writeln!(out, " {bytes}")?;
    }
    Ok(())
}

fn called(call: &Frame) -> String {
    match (&call.function, &call.file) {
        (Some(function), _) => function.clone(),
        (None, Some(file)) => format!("{file}:{}", call.line.unwrap_or(0)),
        (None, None) => "(unknown)".to_owned(),
    }
}

/// A name that the program chose. It cannot pass for one of ours, which begin with a parenthesis.
fn name(text: &str, out: &mut impl Write) -> fmt::Result {
    match text.strip_prefix('(') {
        Some(rest) => {
            write!(out, "{}", '('.escape_unicode())?;
            frame(rest, out)
        }
        None if text.is_empty() => out.write_str("\"\""),
        None => frame(text, out),
    }
}

/// A frame: no `;` in it, and no space that could be taken for the one before the figure.
fn frame(text: &str, out: &mut impl Write) -> fmt::Result {
    let inner = text.trim_matches(' ');
    let figure = inner.rfind(' ').filter(|at| inner[at + 1..].bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    if inner.len() == text.len() && figure.is_none() {
        harmless(text, |c| c == ';', out)
    } else {
        harmless(text, |c| matches!(c, ';' | ' '), out)
    }
}
