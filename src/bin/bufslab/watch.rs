//! `bufslab watch`.

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use bufslab::report::{Advice, Blame, Holder};
use bufslab::{PinReport, Tag};
use serde_json::{Value, json};

use crate::args::WatchArgs;
use crate::failure::{Failure, Outcome};
use crate::names;
use crate::output;
use crate::units::{bytes, percent, span};

/// Looks in a row that may fail once one has succeeded: a server that starts again takes a moment.
const PATIENCE: u32 = 3;
/// Culprits that are named.
const NAMED: usize = 5;

pub fn run(args: &WatchArgs) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let mut meanwhile = Meanwhile { talks: !args.json && io::stderr().is_terminal(), is_open: false };
    let (mut failed, mut looked) = (0, false);
    loop {
        match args.source.read_quietly(&args.ask) {
            Ok(report) => {
                (failed, looked) = (0, true);
                let look = Look::at(&report, args);
                let is_over = look.is_over(args);
                if args.json {
                    output::print(|out| writeln!(out, "{}", look.to_json(&report)))?;
                } else if is_over {
                    meanwhile.end();
                    output::print(|out| look.write(&report, out))?;
                } else {
                    meanwhile.say(&look.sentence());
                }
                if is_over {
                    return Ok(Outcome::Above);
                }
            }
            Err(Failure::Said(text)) if looked && failed + 1 < PATIENCE => {
                failed += 1;
                meanwhile.end();
                output::complain(&format!("{text}\n(look {failed} of {PATIENCE} that fails)"));
            }
            Err(failure) => return Err(failure),
        }
        if args.time.is_some_and(|time| start.elapsed() + args.interval > time) {
            meanwhile.end();
            return Ok(Outcome::Done);
        }
        thread::sleep(args.interval);
    }
}

/// What a person sees while nothing happens: one line on standard error, written anew for each look.
struct Meanwhile {
    talks: bool,
    is_open: bool,
}

impl Meanwhile {
    fn say(&mut self, text: &str) {
        if self.talks {
            let _ = write!(io::stderr(), "\r{text}\u{1b}[K");
            self.is_open = true;
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = writeln!(io::stderr());
        }
    }
}

/// One figure beside its limit.
struct Limit {
    name: &'static str,
    value: f64,
    limit: f64,
    /// Both, for people.
    shown: (String, String),
}

impl Limit {
    fn is_passed(&self) -> bool {
        self.value > self.limit
    }
}

/// What was seen at one time.
struct Look {
    /// Of whom, if not of everybody.
    group: Option<String>,
    limits: Vec<Limit>,
}

impl Look {
    fn at(report: &PinReport, args: &WatchArgs) -> Look {
        let group = Group::of(args);
        let t = &report.totals;
        let mut limits = Vec::new();
        if let Some(limit) = args.above {
            let value = group.bytes(report);
            limits.push(Limit {
                name: "pinned_bytes",
                value: value as f64,
                limit: limit as f64,
                shown: (format!("pinned {}", bytes(value)), bytes(limit)),
            });
        }
        if let Some(limit) = args.waste {
            let value = if t.pinned_bytes == 0 { 0.0 } else { t.waste_bytes as f64 / t.pinned_bytes as f64 };
            limits.push(Limit {
                name: "waste_ratio",
                value,
                limit,
                shown: (format!("waste {}", percent(t.waste_bytes, t.pinned_bytes)), format!("{} %", limit * 100.0)),
            });
        }
        if let Some(limit) = args.oldest {
            let value = group.oldest(report);
            limits.push(Limit {
                name: "oldest_ms",
                value: value.as_millis() as f64,
                limit: limit.as_millis() as f64,
                shown: (format!("oldest {}", span(value)), span(limit)),
            });
        }
        Look { group: group.name(), limits }
    }

    fn is_over(&self, args: &WatchArgs) -> bool {
        let mut passed = self.limits.iter().map(Limit::is_passed);
        if args.all { passed.all(|is| is) } else { passed.any(|is| is) }
    }

    /// `pinned 72 MiB (limit 64 MiB), waste 99.9 % (limit 90 %)`.
    fn sentence(&self) -> String {
        let whose = self.group.as_ref().map_or(String::new(), |group| format!("{group}: "));
        let limits = self.limits.iter().map(|limit| {
            let above = if limit.is_passed() { "above the" } else { "within the" };
            format!("{} ({above} limit of {})", limit.shown.0, limit.shown.1)
        });
        format!("{whose}{}", limits.collect::<Vec<_>>().join(", "))
    }

    /// What is above, and by whom.
    fn write(&self, report: &PinReport, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "pool {}: {}", names::harmless(&report.pool), self.sentence())?;
        for blame in report.by_tag.iter().take(NAMED) {
            let share = percent(blame.amortised_bytes, report.totals.pinned_bytes);
            writeln!(out, "  {} by {} slices ({share})", charged(blame), blame.slices)?;
        }
        let owners: Vec<String> = report.by_scope_kind.iter().take(NAMED).map(charged).collect();
        let has_owners = report.by_scope_kind.iter().any(|blame| matches!(blame.holder, Holder::ScopeKind(_)));
        if has_owners {
            writeln!(out, "  by owner: {}", owners.join(", "))?;
        }
        if let Some(blame) = report.by_site.first().filter(|blame| matches!(blame.holder, Holder::Site(_))) {
            writeln!(out, "  most at {}", charged(blame))?;
        }
        if let Some(advice) = report.advice.first() {
            writeln!(out, "  {}", advice_line(advice))?;
        }
        Ok(())
    }

    fn to_json(&self, report: &PinReport) -> Value {
        let t = &report.totals;
        let limits = self.limits.iter().map(|limit| {
            let (value, most) = (number(limit.value), number(limit.limit));
            json!({ "figure": limit.name, "value": value, "limit": most, "above": limit.is_passed() })
        });
        let row = |blame: &Blame| {
            let name = names::holder(&blame.holder);
            json!({ "name": name, "amortised_bytes": blame.amortised_bytes, "slices": blame.slices })
        };
        let taken = report.taken_at.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        json!({
            "pool": report.pool,
            "taken_unix_ms": taken,
            "pinned_bytes": t.pinned_bytes,
            "live_bytes": t.live_bytes,
            "slabs": t.slabs,
            "group": self.group,
            "limits": limits.collect::<Vec<_>>(),
            "by_tag": report.by_tag.iter().take(NAMED).map(row).collect::<Vec<_>>(),
        })
    }
}

/// A whole number without a point.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

/// A group and its share: `req.head: 15 MiB`.
fn charged(blame: &Blame) -> String {
    format!("{}: {}", names::holder(&blame.holder), bytes(blame.amortised_bytes))
}

/// What compacting one group would free: `compacting 11 of 12 slices of req.head copies 220 B and frees 110 MiB`.
pub fn advice_line(advice: &Advice) -> String {
    let (n, all) = (advice.slices, advice.slices_in_group);
    let slices = match (n, all) {
        (n, all) if n == all => format!("{all} slices"),
        _ => format!("{n} of {all} slices"),
    };
    let name = names::holder(&advice.holder);
    format!(
        "compacting {slices} of {name} copies {} and frees {}",
        bytes(advice.copied_bytes),
        bytes(advice.freed_bytes)
    )
}

/// Whose figures are looked at.
enum Group<'a> {
    Everyone,
    Tag(&'a str),
    /// A kind of scopes, or one scope.
    Scope(&'a str),
}

impl Group<'_> {
    fn of(args: &WatchArgs) -> Group<'_> {
        match (&args.tag, &args.scope) {
            (Some(tag), _) => Group::Tag(tag),
            (None, Some(scope)) => Group::Scope(scope),
            (None, None) => Group::Everyone,
        }
    }

    fn name(&self) -> Option<String> {
        match self {
            Group::Everyone => None,
            Group::Tag(name) => Some(format!("tag {}", names::harmless(name))),
            Group::Scope(name) => Some(format!("scope {}", names::harmless(name))),
        }
    }

    /// What the group is charged with. Nothing, if it is not there.
    fn bytes(&self, report: &PinReport) -> usize {
        let is = |blame: &&Blame| match (self, &blame.holder) {
            (Group::Tag(name), Holder::Tag(tag)) => tag.name() == *name,
            (Group::Scope(name), Holder::ScopeKind(kind)) => kind.name() == *name,
            (Group::Scope(name), Holder::Scope(scope)) => scope.to_string() == *name,
            _ => false,
        };
        match self {
            Group::Everyone => report.totals.pinned_bytes,
            Group::Tag(_) => report.by_tag.iter().find(is).map_or(0, |blame| blame.amortised_bytes),
            Group::Scope(_) => {
                let mut tables = report.by_scope_kind.iter().chain(&report.by_scope);
                tables.find(is).map_or(0, |blame| blame.amortised_bytes)
            }
        }
    }

    fn oldest(&self, report: &PinReport) -> Duration {
        let tag = match self {
            Group::Tag(name) => Some(Tag::new(name)),
            _ => None,
        };
        let is_ours = |slice: &bufslab::report::PinnedSlice| match self {
            Group::Everyone => true,
            Group::Tag(_) => slice.tag == tag,
            Group::Scope(name) => {
                slice.scope.is_some_and(|scope| scope.kind().name() == *name || scope.to_string() == *name)
            }
        };
        let slices = report.slabs.iter().flat_map(|slab| &slab.slices).filter(|slice| is_ours(slice));
        // The least age it can have: nobody is accused of what may not be.
        slices.map(|slice| slice.age.min()).max().unwrap_or_default()
    }
}
