//! The commands of a person who talks to the console.

use std::io::{self, Write};
use std::time::SystemTime;

use super::console::{Console, Refusal};
use crate::report::{AllSettings, Part, What, bytes, diff, span};

/// Lines in a row that may be no command before the session ends: nobody is there then.
const MAX_STRIKES: u32 = 10;

const HELP: &str = "\
slabs            the report on one screen: what is pinned, by whom, what would free it
slabs all        all of it
top              groups by tag, site, scope and thread, largest share first
tag NAME         one tag: who made its slices, and which slabs they keep
scope NAME [ID]  one kind of owner scope, or one scope
slab ID          one slab and every slice on it
diff [ID]        what changed since the last report you saw, or since report ID
reports          the reports that diff can compare with
pool [NAME]      the pools, or another one to look at
config           every setting with its value, and who set it
level [NAME]     the tracking level, or a new one, if the program allows it
compact          asks the program to compact, if it allows it
record           how recording stands
record start [N] [SIZE]  records one allocation in N, in SIZE bytes, if the program allows it
record end       ends recording; the trace is fetched over HTTP
help             this
quit             ends the session
The same port answers HTTP: GET / lists the addresses.";

/// A person's session.
#[derive(Debug, Default)]
pub(super) struct Shell {
    pool: usize,
    /// The last report that was shown, of which pool.
    seen: Option<(usize, u64)>,
    strikes: u32,
    greeted: bool,
}

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Go,
    Quit,
}

/// What a line was.
enum Said {
    Done,
    Quit,
    NoCommand,
}

impl Shell {
    /// Carries out one line, and writes what there is to say.
    pub(super) fn run(&mut self, console: &Console, line: &str, out: &mut dyn Write) -> io::Result<Flow> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match self.command(console, &word.to_ascii_lowercase(), rest.trim(), out)? {
            Said::Quit => {
                writeln!(out, "bye")?;
                return Ok(Flow::Quit);
            }
            Said::Done => self.strikes = 0,
            Said::NoCommand => {
                let shown: String = word.chars().take(40).flat_map(char::escape_debug).collect();
                writeln!(out, "\"{shown}\" is no command: type help")?;
                return self.strike(out);
            }
        }
        Ok(Flow::Go)
    }

    /// Says that a line was too long to be a command.
    pub(super) fn too_long(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        writeln!(out, "that line is longer than any command: type help")?;
        self.strike(out)
    }

    pub(super) fn prompt(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"bufslab> ")
    }

    fn strike(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        self.strikes += 1;
        if self.strikes < MAX_STRIKES {
            return Ok(Flow::Go);
        }
        writeln!(out, "{MAX_STRIKES} lines and no command among them: bye")?;
        Ok(Flow::Quit)
    }

    fn command(&mut self, console: &Console, word: &str, rest: &str, out: &mut dyn Write) -> io::Result<Said> {
        match (word, rest) {
            ("", _) if !self.greeted => writeln!(out, "bufslab {}: type help", env!("CARGO_PKG_VERSION"))?,
            ("", _) => {}
            ("help" | "?" | "h", _) => writeln!(out, "{HELP}")?,
            ("quit" | "exit" | "bye" | "q", _) => return Ok(Said::Quit),
            ("slabs" | "report", "") => self.report(console, out, false)?,
            ("slabs" | "report", "all") => self.report(console, out, true)?,
            ("slabs" | "report", _) => writeln!(out, "slabs, or slabs all; slab ID shows one slab")?,
            ("top", _) => self.part(console, out, What::Top)?,
            ("tag", "") => writeln!(out, "tag NAME: which one? top lists them")?,
            ("tag", name) => self.part(console, out, What::Tag(name))?,
            ("scope", "") => writeln!(out, "scope NAME [ID]: which one? top lists them")?,
            ("scope", name) => {
                let numbered = name.rsplit_once(char::is_whitespace);
                let numbered = numbered.and_then(|(name, id)| Some((name, id.parse().ok()?)));
                let (name, id) = numbered.map_or((name, None), |(name, id)| (name.trim(), Some(id)));
                self.part(console, out, What::Scope(name, id))?;
            }
            ("slab", id) => match id.parse() {
                Ok(id) => self.part(console, out, What::Slab(id))?,
                Err(_) => writeln!(out, "slab ID: a number, as slabs shows it")?,
            },
            ("diff", id) => self.diff(console, id, out)?,
            ("reports", _) => self.reports(console, out)?,
            ("pool" | "pools", "") => self.pools(console, out)?,
            ("pool" | "pools", name) => match console.pool_called(Some(unquoted(name))) {
                Ok(pool) => {
                    self.pool = pool;
                    writeln!(out, "now looking at pool {:?}", console.pools()[pool].name())?;
                }
                Err(refusal) => writeln!(out, "{}", refusal.text)?,
            },
            ("config" | "settings", _) => writeln!(out, "{}", AllSettings(&console.pools()[self.pool]))?,
            ("level", "") => writeln!(out, "{}", console.pools()[self.pool].tracking())?,
            ("level", name) => told(console.change_level(self.pool, name), out)?,
            ("record" | "recording", rest) => self.record(console, rest, out)?,
            ("compact", _) => told(console.compact(self.pool), out)?,
            _ => return Ok(Said::NoCommand),
        }
        self.greeted = true;
        Ok(Said::Done)
    }

    fn record(&self, console: &Console, rest: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut words = rest.split_whitespace();
        let (what, one_in, max_bytes, more) = (words.next(), words.next(), words.next(), words.next());
        match (what, more) {
            (None, _) => writeln!(out, "{}", console.recording(self.pool)),
            (Some("start"), None) => told(console.begin_recording(self.pool, one_in, max_bytes), out),
            (Some("end"), _) if one_in.is_none() => told(console.end_recording(self.pool), out),
            _ => writeln!(out, "record, record start [N] [SIZE], or record end"),
        }
    }

    fn report(&mut self, console: &Console, out: &mut dyn Write, all: bool) -> io::Result<()> {
        let taken = match console.take(self.pool) {
            Ok(taken) => taken,
            Err(refusal) => return writeln!(out, "{}", refusal.text),
        };
        self.seen = taken.number().map(|number| (self.pool, number));
        if all { writeln!(out, "{:#}", taken.report()) } else { writeln!(out, "{}", taken.report()) }
    }

    fn part(&self, console: &Console, out: &mut dyn Write, what: What<'_>) -> io::Result<()> {
        match console.glance(self.pool) {
            Ok(taken) => writeln!(out, "{}", Part { report: taken.report(), what }),
            Err(refusal) => writeln!(out, "{}", refusal.text),
        }
    }

    fn diff(&mut self, console: &Console, id: &str, out: &mut dyn Write) -> io::Result<()> {
        let past = console.past();
        let seen = self.seen.filter(|(pool, _)| *pool == self.pool);
        let found = match (id, seen) {
            ("", None) => past.latest(self.pool),
            ("", Some((_, number))) => past.find(self.pool, &number.to_string()),
            (id, _) => past.find(self.pool, id),
        };
        let (_, before) = match found {
            Ok(found) => found,
            Err(unknown) => return writeln!(out, "{}", unknown.0),
        };
        let taken = match console.take(self.pool) {
            Ok(taken) => taken,
            Err(refusal) => return writeln!(out, "{}", refusal.text),
        };
        self.seen = taken.number().map(|number| (self.pool, number));
        let diff = diff(&before, taken.report());
        drop(taken);
        writeln!(out, "{diff}")
    }

    fn reports(&self, console: &Console, out: &mut dyn Write) -> io::Result<()> {
        let now = SystemTime::now();
        let known = console.past().known(self.pool);
        if known.is_empty() {
            return writeln!(out, "no report of this pool is remembered yet: slabs makes one");
        }
        for (number, taken_at) in known {
            let age = span(now.duration_since(taken_at).unwrap_or_default());
            writeln!(out, "{number}  {age} ago")?;
        }
        Ok(())
    }

    fn pools(&self, console: &Console, out: &mut dyn Write) -> io::Result<()> {
        for (at, pool) in console.pools().iter().enumerate() {
            let mark = if at == self.pool { '*' } else { ' ' };
            let stats = pool.stats();
            writeln!(
                out,
                "{mark} {:?}: pinned {} of {}, tracking {}",
                pool.name(),
                bytes(stats.pinned_bytes),
                bytes(stats.memory_bytes),
                pool.tracking(),
            )?;
        }
        Ok(())
    }
}

/// Takes off the quotes that names of pools are shown in.
fn unquoted(name: &str) -> &str {
    name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name)
}

fn told(result: Result<String, Refusal>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", result.unwrap_or_else(|refusal| refusal.text))
}
