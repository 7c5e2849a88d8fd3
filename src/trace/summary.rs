//! What a trace shows, in figures.

use super::{AllocTrace, Op};
use core::fmt;
use std::collections::BTreeMap;

/// How long something was kept alive, by what the pool allocated meanwhile: that, and not time, decides whether a slab of a
/// given size was full before it could be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LifetimeClass {
    /// It was gone before the pool's next allocation.
    AtOnce,
    /// At most this many bytes were allocated meanwhile, a power of two from 1 KiB on, and more than half of that.
    Within(u64),
    /// It was alive when recording ended.
    ToTheEnd,
}

impl LifetimeClass {
    pub(super) fn of(allocations: u64, bytes: u64) -> LifetimeClass {
        if allocations == 0 {
            return LifetimeClass::AtOnce;
        }
        LifetimeClass::Within(bytes.max(1024).checked_next_power_of_two().unwrap_or(u64::MAX))
    }
}

/// `at once`, `within 64 KiB`, `to the end`
impl fmt::Display for LifetimeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LifetimeClass::AtOnce => f.pad("at once"),
            LifetimeClass::Within(bytes) => f.pad(&format!("within {}", size(*bytes))),
            LifetimeClass::ToTheEnd => f.pad("to the end"),
        }
    }
}

/// Some of a trace's allocations or handles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Share {
    /// How many.
    pub count: u64,
    /// The bytes they covered when they were made.
    pub bytes: u64,
    /// How many of them were alive when recording ended.
    pub kept: u64,
    /// The bytes that those covered when they were made.
    pub kept_bytes: u64,
}

/// What [`AllocTrace::summary`] found. `Display` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceSummary {
    /// The pool's name.
    pub pool: String,
    /// Of how many allocations one was recorded.
    pub one_in: u32,
    /// Allocations of the pool, recorded or not.
    pub allocations: u64,
    /// How long was recorded, in milliseconds.
    pub millis: u64,
    /// Threads.
    pub threads: u32,
    /// Whether recording ended early.
    pub is_cut_short: bool,
    /// Steps of the trace.
    pub steps: u64,
    /// Recorded allocations.
    pub recorded: Share,
    /// Half of the recorded allocations asked for no more than this, in bytes.
    pub median: u64,
    /// 99 of 100 asked for no more than this, in bytes.
    pub p99: u64,
    /// The largest request, in bytes.
    pub largest: u64,
    /// Recorded allocations by how long any handle kept them alive. One that was copied out when it was retained keeps the copy alive, and no
    /// longer what it was copied from.
    pub lifetimes: BTreeMap<LifetimeClass, Share>,
    /// Handles by the tag they had last.
    pub by_tag: BTreeMap<String, Share>,
    /// Handles by the site that made them.
    pub by_site: BTreeMap<String, Share>,
}

struct Root {
    len: u64,
    /// Recorded allocations, and bytes of them, after it was made.
    made: u64,
    bytes: u64,
    handles: u32,
}

struct Handle {
    /// The allocation that it keeps alive; none if it was copied out.
    root: Option<usize>,
    len: u64,
    site: u32,
    tag: u32,
    is_alive: bool,
}

impl AllocTrace {
    /// What the trace shows: sizes, lifetimes, and who keeps what to the end.
    ///
    /// ```
    /// let summary = bufslab::trace::AllocTrace::default().summary();
    /// assert_eq!(summary.recorded.count, 0);
    /// println!("{summary}");
    /// ```
    #[must_use]
    pub fn summary(&self) -> TraceSummary {
        let (mut roots, mut handles): (Vec<Root>, Vec<Handle>) = (Vec::new(), Vec::new());
        let (mut made, mut bytes) = (0, 0u64);
        let mut lifetimes = BTreeMap::<LifetimeClass, Share>::new();
        for step in &self.steps {
            match step.op {
                Op::Alloc { len, site, tag } => {
                    made += 1;
                    bytes = bytes.saturating_add(len);
                    handles.push(Handle { root: Some(roots.len()), len, site, tag, is_alive: true });
                    roots.push(Root { len, made, bytes, handles: 1 });
                }
                Op::Derive { parent, len, site, tag, .. } => {
                    let Some(root) = handles.get(parent as usize).map(|parent| parent.root) else { continue };
                    handles.push(Handle { root, len, site, tag, is_alive: true });
                    if let Some(root) = root {
                        roots[root].handles += 1;
                    }
                }
                Op::Tag { handle, tag } => {
                    if let Some(handle) = handles.get_mut(handle as usize) {
                        handle.tag = tag;
                    }
                }
                Op::Free { handle } | Op::Retain { handle, copied: true } => {
                    let Some(handle) = handles.get_mut(handle as usize).filter(|handle| handle.is_alive) else {
                        continue;
                    };
                    handle.is_alive = matches!(step.op, Op::Retain { .. });
                    let Some(root) = handle.root.take().map(|root| &mut roots[root]) else { continue };
                    root.handles -= 1;
                    if root.handles == 0 {
                        let since = |now: u64, then: u64| (now - then).saturating_mul(u64::from(self.one_in));
                        let class = LifetimeClass::of(since(made, root.made), since(bytes, root.bytes));
                        lifetimes.entry(class).or_default().add(root.len, false);
                    }
                }
                Op::Freeze { .. } | Op::Resize { .. } | Op::Retain { copied: false, .. } => {}
            }
        }
        let mut recorded = Share::default();
        for root in &roots {
            recorded.add(root.len, root.handles > 0);
            if root.handles > 0 {
                lifetimes.entry(LifetimeClass::ToTheEnd).or_default().add(root.len, true);
            }
        }
        let mut lens: Vec<u64> = roots.iter().map(|root| root.len).collect();
        lens.sort_unstable();
        let at =
            |percent: usize| lens.get((lens.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        TraceSummary {
            pool: self.pool.name.clone(),
            one_in: self.one_in,
            allocations: self.allocations,
            millis: self.millis,
            threads: self.threads,
            is_cut_short: self.is_cut_short,
            steps: self.steps.len() as u64,
            recorded,
            median: at(50),
            p99: at(99),
            largest: at(100),
            lifetimes,
            by_tag: by_name(&handles, &self.tags, |handle| handle.tag),
            by_site: by_name(&handles, &self.sites, |handle| handle.site),
        }
    }
}

impl Share {
    fn add(&mut self, len: u64, is_kept: bool) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(len);
        if is_kept {
            self.kept += 1;
            self.kept_bytes = self.kept_bytes.saturating_add(len);
        }
    }
}

fn by_name(handles: &[Handle], names: &[String], number: impl Fn(&Handle) -> u32) -> BTreeMap<String, Share> {
    let mut shares = vec![Share::default(); names.len()];
    for handle in handles {
        if let Some(share) = shares.get_mut(number(handle) as usize) {
            share.add(handle.len, handle.is_alive);
        }
    }
    let named = names.iter().cloned().zip(shares);
    named.filter(|(_, share)| share.count > 0).collect()
}

impl fmt::Display for TraceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = self.pool.escape_debug();
        let seconds = self.millis as f64 / 1000.0;
        let threads = plural(u64::from(self.threads), "thread");
        writeln!(f, "pool {pool}: {} in {seconds:.1} s on {threads}", plural(self.allocations, "allocation"))?;
        let how = match self.one_in {
            1 => String::from("all of them"),
            n => format!("one in {}", grouped(n.into())),
        };
        let (recorded, bytes) = (grouped(self.recorded.count), size(self.recorded.bytes));
        writeln!(f, "recorded: {how}, {recorded} of {bytes} together, {}", plural(self.steps, "step"))?;
        if self.is_cut_short {
            writeln!(f, "recording ended early: the trace was as large as it might be")?;
        }
        let (half, most, largest) = (size(self.median), size(self.p99), size(self.largest));
        writeln!(f, "requests: half of at most {half}, 99 % of at most {most}, the largest {largest}")?;
        writeln!(f, "\n{:<38}{:>10}{:>8}{:>12}", "kept alive, by bytes allocated since", "count", "", "bytes")?;
        for (class, share) in &self.lifetimes {
            let percent = share.count as f64 * 100.0 / self.recorded.count.max(1) as f64;
            let class = class.to_string();
            writeln!(f, "  {class:<32}{:>14}{percent:>6.1} %{:>12}", grouped(share.count), size(share.bytes))?;
        }
        for (what, none, shares) in
            [("handles by tag", "(no tag)", &self.by_tag), ("handles by site", "(no site)", &self.by_site)]
        {
            let (width, rows) = rows(shares, none);
            writeln!(f, "\n{what:<width$}{:>12}{:>12}{:>12}{:>12}", "count", "bytes", "kept", "bytes")?;
            for (name, share) in rows {
                let (count, kept) = (grouped(share.count), grouped(share.kept));
                let (bytes, kept_bytes) = (size(share.bytes), size(share.kept_bytes));
                writeln!(f, "  {name:<w$}{count:>12}{bytes:>12}{kept:>12}{kept_bytes:>12}", w = width - 2)?;
            }
        }
        write!(f, "\nkept: alive when recording ended")
    }
}

/// The rows of a table, what is kept most first, and the width of its first column.
fn rows<'a>(shares: &'a BTreeMap<String, Share>, none: &str) -> (usize, Vec<(String, &'a Share)>) {
    let name = |name: &String| if name.is_empty() { none.to_owned() } else { name.escape_debug().to_string() };
    let mut rows: Vec<_> = shares.iter().map(|(key, share)| (name(key), share)).collect();
    rows.sort_by_key(|(_, share)| core::cmp::Reverse((share.kept_bytes, share.bytes)));
    let width = rows.iter().map(|(name, _)| name.chars().count() + 2).max().unwrap_or(0).max(20);
    (width, rows)
}

/// `1 thread`, `2,000 threads`
fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `1,234`
fn grouped(n: u64) -> String {
    crate::error::grouped(usize::try_from(n).unwrap_or(usize::MAX))
}

/// `512 B`, `1.5 KiB`
fn size(n: u64) -> String {
    crate::error::rounded(usize::try_from(n).unwrap_or(usize::MAX))
}
