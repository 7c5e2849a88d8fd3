//! A gzipped profile for pprof; described in `docs/outputs.md`.
//!
//! The format is `profile.proto` of <https://github.com/google/pprof/tree/main/proto>. A profile is one message, and
//! the order of a message's fields is free: each text, function and location is written when it is first needed, before
//! the sample that needs it, so that nothing has to be kept until the end. What has been written is remembered up to a
//! limit; past it, it is forgotten and written again when it is needed again, which the format allows, too.

use core::time::Duration;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::escape::harmless;
use super::model::{PinReport, PinnedSlice};
use super::protobuf::{Message, int64};
use super::shares::{Payer, Shares};
use super::tally::Tally;
use super::units;
use crate::raw::SliceKind;
use crate::track::{Frame, ScopeName, Site, Tag, Trace, TraceId};

impl PinReport {
    /// Writes a profile that pprof, and everything that reads its files, opens: gzipped, with pinned bytes as what is
    /// shown first.
    ///
    /// ```text
    /// $ go tool pprof -top pins.pb.gz
    /// $ go tool pprof -diff_base=before.pb.gz -tags after.pb.gz
    /// ```
    ///
    /// | sample type | what it counts |
    /// |---|---|
    /// | `slices` | handles |
    /// | `live` | bytes that slices cover, overlaps once |
    /// | `waste` | the rest of the slabs they pin |
    /// | `pinned` | both: adds up to [`Totals::pinned_bytes`](super::Totals::pinned_bytes). The default. |
    ///
    /// The stack of a sample is, from its root: the pool, the kind of the scope, the scope, the recorded stack if there
    /// is one, the site. Labels and how a slab is shared out are in [`docs::outputs`](crate::docs::outputs).
    ///
    /// Equal samples are added up in a few MiB of memory; if there are more than fit, a sample may come more than once.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_pprof(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        // As Go's own runtime does: profiles repeat themselves so much that more effort gains little.
        let mut gzip = GzEncoder::new(UpToFirstError { out, failed: false }, Compression::fast());
        Profile::new(&mut gzip).write(self)?;
        gzip.finish().map(drop)
    }

    /// Writes what changed since `before` as a profile: what was pinned then is taken off, as by pprof's `-diff_base`.
    #[cfg(feature = "admin")]
    pub(crate) fn write_pprof_delta(&self, before: &PinReport, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let mut gzip = GzEncoder::new(UpToFirstError { out, failed: false }, Compression::default());
        let mut profile = Profile::new(&mut gzip);
        profile.head(self, self.uptime.saturating_sub(before.uptime))?;
        profile.all_samples(self)?;
        profile.negative = true;
        profile.all_samples(before)?;
        gzip.finish().map(drop)
    }
}

/// The encoder writes what it has left when it is dropped. After an error it is not to.
struct UpToFirstError<'a, W: ?Sized> {
    out: &'a mut W,
    failed: bool,
}

impl<W: io::Write + ?Sized> io::Write for UpToFirstError<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let written = self.out.write(bytes);
        // Nothing taken is an error to whoever has to write all.
        self.failed = match &written {
            Ok(taken) => *taken == 0 && !bytes.is_empty(),
            Err(error) => error.kind() != io::ErrorKind::Interrupted,
        };
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed { Ok(()) } else { self.out.flush() }
    }
}

/// Fields of `Profile`.
mod field {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const MAPPING: u32 = 3;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING_TABLE: u32 = 6;
    pub(super) const TIME_NANOS: u32 = 9;
    pub(super) const DURATION_NANOS: u32 = 10;
    pub(super) const PERIOD_TYPE: u32 = 11;
    pub(super) const PERIOD: u32 = 12;
    pub(super) const COMMENT: u32 = 13;
    pub(super) const DEFAULT_SAMPLE_TYPE: u32 = 14;
}

/// The one mapping. Its functions have names, so that no program is looked for to find them in.
const MAPPING_ID: u64 = 1;

/// Texts and places that are remembered as written, each.
const REMEMBERED: usize = if cfg!(test) { 64 } else { 1 << 14 };

struct Profile<'a, W> {
    out: W,
    message: Message,
    /// Where each text stands in the table of strings.
    texts: HashMap<Cow<'a, str>, u64>,
    next_text: u64,
    places: HashMap<Place<'a>, Written>,
    next_place: u64,
    /// Whether samples are taken off what was written before.
    negative: bool,
}

/// A place in a stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place<'a> {
    Pool(&'a str),
    ScopeKind(Tag),
    Scope(ScopeName),
    Call(&'a Frame),
    Site(Site),
    NoSite,
    Untracked,
    InMotion,
}

/// A place that is in the file: its location, and where its name stands.
#[derive(Clone, Copy)]
struct Written {
    location: u64,
    name: u64,
}

/// What slices have in common that share a sample.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    who: Who,
    slab_size: usize,
    /// An index of [`AGES`].
    age: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Slice {
        site: Option<Site>,
        trace: Option<TraceId>,
        scope: Option<ScopeName>,
        tag: Option<Tag>,
        hints: [Option<Tag>; 2],
        kind: SliceKind,
        thread: u32,
        /// Its length, rounded up to a power of two.
        len: usize,
    },
    Untracked,
    InMotion,
}

/// Classes of age by their lower bound in seconds.
const AGES: [(u64, &str); 7] = [
    (0, "under 1s"),
    (1, "1s to 10s"),
    (10, "10s to 1min"),
    (60, "1min to 10min"),
    (600, "10min to 1h"),
    (3_600, "1h to 1d"),
    (86_400, "over 1d"),
];

/// The class of what is at least this old.
fn age_class(age: Duration) -> u8 {
    AGES.iter().rposition(|&(from, _)| age.as_secs() >= from).unwrap_or(0) as u8
}

impl Key {
    fn of(payer: Payer<'_>, slab_size: usize, slab_age: Duration) -> Key {
        let (who, age) = match payer {
            Payer::Slice(slice) => (Who::of(slice), slice.age.min()),
            Payer::Untracked(_) => (Who::Untracked, slab_age),
            Payer::InMotion(_) => (Who::InMotion, slab_age),
        };
        Key { who, slab_size, age: age_class(age) }
    }
}

impl Who {
    fn of(slice: &PinnedSlice) -> Who {
        let PinnedSlice { site, trace, scope, tag, kind, thread, len, first_hint, last_hint, .. } = *slice;
        let len = len.checked_next_power_of_two().unwrap_or(len);
        Who::Slice { site, trace, scope, tag, hints: [first_hint, last_hint], kind, thread, len }
    }
}

impl<'a, W: Write> Profile<'a, W> {
    fn new(out: W) -> Self {
        Profile {
            out,
            message: Message::default(),
            texts: HashMap::new(),
            next_text: 0,
            places: HashMap::new(),
            next_place: 1,
            negative: false,
        }
    }

    fn write(mut self, report: &'a PinReport) -> io::Result<()> {
        self.head(report, report.uptime)?;
        self.all_samples(report)
    }

    fn all_samples(&mut self, report: &'a PinReport) -> io::Result<()> {
        let traces: HashMap<TraceId, &Trace> = report.traces.iter().map(|trace| (trace.id, trace)).collect();
        let mut shares = Shares::of(report);
        let mut tally = Tally::new();
        for slab in &report.slabs {
            shares.split(slab, |payer, share| {
                let key = Key::of(payer, slab.size, slab.age.min());
                tally.add(key, [payer.handles(), share.live, share.waste]);
                if tally.is_full() { self.samples(report, &traces, &mut tally) } else { Ok(()) }
            })?;
        }
        self.samples(report, &traces, &mut tally)
    }

    /// Everything but samples. The table of strings has to begin with the empty one.
    fn head(&mut self, report: &'a PinReport, duration: Duration) -> io::Result<()> {
        self.text("")?;
        let count = self.text("count")?;
        let bytes = self.text("bytes")?;
        let mut last = 0;
        for (name, unit) in [("slices", count), ("live", bytes), ("waste", bytes), ("pinned", bytes)] {
            last = self.text(name)?;
            self.value_type(field::SAMPLE_TYPE, last, unit)?;
        }
        self.message.uint(field::DEFAULT_SAMPLE_TYPE, last);
        self.flush()?;
        // Every slice is listed: nothing is sampled.
        let slices = self.text("slices")?;
        self.value_type(field::PERIOD_TYPE, slices, count)?;
        self.message.uint(field::PERIOD, 1);
        let taken = report.taken_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.message.uint(field::TIME_NANOS, nanos(taken));
        self.message.uint(field::DURATION_NANOS, nanos(duration));
        self.flush()?;

        // pprof shows it as the profile's file.
        let filename = self.name(&*report.pool)?;
        self.message.message(field::MAPPING, |mapping| {
            // id, filename; then has_functions, has_filenames, has_line_numbers and has_inline_frames.
            mapping.uint(1, MAPPING_ID).uint(5, filename);
            mapping.flag(7, true).flag(8, true).flag(9, true).flag(10, true);
        });
        self.flush()?;
        let totals = &report.totals;
        let (slabs, slices) = (units::count(totals.slabs, "slab"), units::count(totals.slices, "slice"));
        let comment =
            format!("bufslab: {slabs} pinned by {slices}; pinned = live + waste, shares as in its by_tag table");
        let settings = report.settings_line().map(|line| format!("bufslab: pool {}, {line}", report.pool));
        let warnings = report.config_warnings.iter().map(|text| format!("bufslab: {text}"));
        for comment in [comment].into_iter().chain(settings).chain(warnings) {
            let comment = self.name(comment)?;
            self.message.uint(field::COMMENT, comment);
        }
        self.flush()
    }

    /// Writes all samples of `tally`, each behind the places that it names.
    fn samples(
        &mut self,
        report: &'a PinReport,
        traces: &HashMap<TraceId, &'a Trace>,
        tally: &mut Tally<Key, 3>,
    ) -> io::Result<()> {
        let negative = self.negative;
        let pool = self.place(Place::Pool(&report.pool))?;
        let mut stack = Vec::new();
        let mut labels = Message::default();
        for (key, [slices, live, waste]) in tally.drain() {
            // The leaf first.
            stack.clear();
            labels.clear();
            self.label(&mut labels, "pool", pool.name)?;
            match key.who {
                Who::Slice { site, trace, scope, .. } => {
                    stack.push(self.place(site.map_or(Place::NoSite, Place::Site))?.location);
                    let calls = trace.and_then(|id| traces.get(&id)).map_or(&[][..], |trace| &trace.frames);
                    for call in calls {
                        stack.push(self.place(Place::Call(call))?.location);
                    }
                    if let Some(scope) = scope {
                        let (one, kind) =
                            (self.place(Place::Scope(scope))?, self.place(Place::ScopeKind(scope.kind()))?);
                        stack.extend([one.location, kind.location]);
                        self.label(&mut labels, "scope", one.name)?;
                        self.label(&mut labels, "scope_kind", kind.name)?;
                    }
                }
                Who::Untracked => stack.push(self.place(Place::Untracked)?.location),
                Who::InMotion => stack.push(self.place(Place::InMotion)?.location),
            }
            stack.push(pool.location);
            self.labels_of(&key, &mut labels)?;
            self.message.message(field::SAMPLE, |sample| {
                sample.packed(1, stack.iter().copied());
                let values = [slices, live, waste, live.saturating_add(waste)].map(int64);
                sample.packed(2, values.map(|value| if negative { value.wrapping_neg() } else { value }));
                sample.append(&labels);
            });
            self.flush()?;
        }
        Ok(())
    }

    /// All labels but those that name places.
    fn labels_of(&mut self, key: &Key, labels: &mut Message) -> io::Result<()> {
        if let Who::Slice { tag, hints, kind, thread, len, .. } = key.who {
            let [first, last] = hints;
            for (name, tag) in [("tag", tag), ("first_hint", first), ("last_hint", last)] {
                if let Some(tag) = tag {
                    let text = self.name(tag.name())?;
                    self.label(labels, name, text)?;
                }
            }
            let kind = match kind {
                SliceKind::Mut => "mut",
                SliceKind::Shared => "shared",
                SliceKind::Exported => "exported",
                SliceKind::Parked => "parked",
            };
            let kind = self.text(kind)?;
            self.label(labels, "kind", kind)?;
            let thread = self.text(thread.to_string())?;
            self.label(labels, "thread", thread)?;
            self.figure(labels, "slice_size", len, "bytes")?;
        }
        self.figure(labels, "slab_size", key.slab_size, "bytes")?;
        let (seconds, class) = AGES[usize::from(key.age)];
        let class = self.text(class)?;
        self.label(labels, "age", class)?;
        self.figure(labels, "age_min", seconds as usize, "seconds")
    }

    fn label(&mut self, labels: &mut Message, key: &'static str, value: u64) -> io::Result<()> {
        let key = self.text(key)?;
        labels.message(3, |label| _ = label.uint(1, key).uint(2, value));
        Ok(())
    }

    fn figure(&mut self, labels: &mut Message, key: &'static str, value: usize, unit: &'static str) -> io::Result<()> {
        let (key, unit) = (self.text(key)?, self.text(unit)?);
        labels.message(3, |label| _ = label.uint(1, key).int(3, value).uint(4, unit));
        Ok(())
    }

    fn value_type(&mut self, field: u32, name: u64, unit: u64) -> io::Result<()> {
        self.message.message(field, |value| _ = value.uint(1, name).uint(2, unit));
        self.flush()
    }

    /// Writes function and location of `place`, unless that is done.
    fn place(&mut self, place: Place<'a>) -> io::Result<Written> {
        if let Some(&written) = self.places.get(&place) {
            return Ok(written);
        }
        let (name, file, line, column) = match place {
            Place::Pool(name) => (self.name(name)?, 0, 0, 0),
            Place::ScopeKind(kind) => (self.name(kind.name())?, 0, 0, 0),
            Place::Scope(scope) => (self.name(scope.to_string())?, 0, 0, 0),
            Place::Site(site) => (self.text(site.to_string())?, self.text(site.file())?, site.line(), site.column()),
            Place::Call(Frame { function, file, line }) => {
                let line = line.unwrap_or(0);
                let name = match (function, file) {
                    (Some(function), _) => self.text(&**function)?,
                    (None, Some(file)) => self.text(format!("{file}:{line}"))?,
                    (None, None) => self.text("(unknown)")?,
                };
                (name, self.text(file.as_deref().unwrap_or(""))?, line, 0)
            }
            Place::NoSite => (self.text("(no site)")?, 0, 0, 0),
            Place::Untracked => (self.text("(untracked)")?, 0, 0, 0),
            Place::InMotion => (self.text("(in motion)")?, 0, 0, 0),
        };
        // Each location has a function of its own, by the same number.
        let id = self.next_place;
        self.next_place += 1;
        // id, name, filename. Without a `system_name`, as pprof takes apart what it holds for mangled.
        self.message.message(field::FUNCTION, |function| _ = function.uint(1, id).uint(2, name).uint(4, file));
        self.flush()?;
        self.message.message(field::LOCATION, |location| {
            location.uint(1, id).uint(2, MAPPING_ID);
            location.message(4, |at| _ = at.uint(1, id).uint(2, line.into()).uint(3, column.into()));
        });
        self.flush()?;
        let written = Written { location: id, name };
        if self.places.len() >= REMEMBERED {
            self.places.clear();
        }
        self.places.insert(place, written);
        Ok(written)
    }

    /// As [`text`](Self::text), for what the program may have put anything into: pprof hands labels, and the mapping's
    /// name, to graphviz in quotes, and leaves quotes in them as they are.
    fn name(&mut self, name: impl Into<Cow<'a, str>>) -> io::Result<u64> {
        let name = name.into();
        let in_quotes = |c: char| matches!(c, '"' | '\\');
        if !name.contains(in_quotes) {
            return self.text(name);
        }
        let mut shown = String::new();
        harmless(&name, in_quotes, &mut shown).map_err(io::Error::other)?;
        self.text(shown)
    }

    /// Where `text` stands in the table of strings, to which it is added unless it is there.
    fn text(&mut self, text: impl Into<Cow<'a, str>>) -> io::Result<u64> {
        let text = text.into();
        if let Some(&at) = self.texts.get(&text) {
            return Ok(at);
        }
        let mut shown = String::with_capacity(text.len());
        harmless(&text, |_| false, &mut shown).map_err(io::Error::other)?;
        self.message.bytes(field::STRING_TABLE, shown.as_bytes());
        self.flush()?;
        let at = self.next_text;
        self.next_text += 1;
        if self.texts.len() >= REMEMBERED {
            self.texts.clear();
        }
        self.texts.insert(text, at);
        Ok(at)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(self.message.as_bytes())?;
        self.message.clear();
        Ok(())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(i64::MAX as u64)
}
