//! The document, value by value: what `docs/report_json.md` says, and which values can be.
//!
//! Everything listed is turned into the report's own types as it comes, so that the text and the report are never in
//! memory side by side.

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;
use std::time::SystemTime;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use super::super::build::covered;
use super::super::model::{Age, PinReport, PinnedSlab, PinnedSlice, ReportMeta};
use super::places;
use crate::config::{Level, SetBy, Setting};
use crate::policy::RetainPolicy;
use crate::raw::{Backing, SliceKind};
use crate::report::SlabSizeMove;
use crate::track::{Frame, ScopeName, Site, Tag, Trace, TraceId};

/// No memory is larger, so no sum of sizes may be: then none can overflow.
const MAX_BYTES: usize = isize::MAX as usize;

#[derive(serde::Deserialize)]
pub(super) struct Document {
    #[serde(rename = "schema")]
    _schema: Schema,
    #[serde(rename = "version")]
    _version: Version,
    pool: Pool,
    #[serde(default)]
    config: Vec<SettingText>,
    #[serde(default)]
    config_warnings: Vec<String>,
    #[serde(default)]
    slab_size_moves: Vec<MoveText>,
    taken_unix_ms: Moment,
    uptime_ms: Ticks,
    totals: OwnFigures,
    slabs: Slabs,
    #[serde(default)]
    traces: Vec<TraceText>,
}

#[derive(serde::Deserialize)]
struct Pool {
    name: String,
    slab_size: usize,
    level: LevelName,
    retain_policy: Policy,
    #[serde(default)]
    backing: BackingText,
}

/// Reports of before have none: they were of memory of which nothing was known.
#[derive(Default, serde::Deserialize)]
struct BackingText {
    kind: String,
    page_size: Option<usize>,
    note: Option<String>,
}

#[derive(serde::Deserialize)]
struct Policy {
    copybreak: usize,
    ratio: usize,
}

#[derive(serde::Deserialize)]
#[serde(try_from = "SettingKeys")]
struct SettingText(Setting);

#[derive(serde::Deserialize)]
struct MoveText {
    from: usize,
    to: usize,
    age_ms: u64,
    reason: String,
}

#[derive(serde::Deserialize)]
struct SettingKeys {
    name: String,
    value: String,
    set_by: String,
    #[serde(deserialize_with = "present")]
    variable: Option<String>,
}

impl TryFrom<SettingKeys> for SettingText {
    type Error = String;

    fn try_from(keys: SettingKeys) -> Result<SettingText, String> {
        let set_by = match (keys.set_by.as_str(), keys.variable) {
            ("default", None) => SetBy::Default,
            ("code", None) => SetBy::Code,
            ("file", None) => SetBy::File,
            ("env", Some(variable)) => SetBy::Env(variable),
            ("run_time", None) => SetBy::RunTime,
            (other, variable) => {
                let with = if variable.is_some() { "with" } else { "without" };
                let known = "default, code, file, run_time, or env with a variable";
                return Err(format!("set_by is {other:?} {with} a variable: it must be {known}"));
            }
        };
        Ok(SettingText(Setting::reported(keys.name, keys.value, set_by)))
    }
}

/// The totals that no sum over slabs gives.
#[derive(serde::Deserialize)]
struct OwnFigures {
    clipped: usize,
    memory_bytes: usize,
    idle_bytes: usize,
    ledger_bytes: usize,
    #[serde(default)]
    names_bytes: usize,
}

#[derive(serde::Deserialize)]
struct SlabText {
    id: u64,
    generation: u64,
    size: usize,
    attached: bool,
    #[serde(default)]
    foreign: bool,
    #[serde(default)]
    suspect: bool,
    level: LevelName,
    handles: Handles,
    untracked: Handles,
    #[serde(default)]
    resident_bytes: Option<usize>,
    age_ms: AgeText,
    slices: Vec<Slice>,
}

// Keys that may be null must be there all the same: else a few bytes of text would become a hundred of memory.
#[derive(serde::Deserialize)]
struct SliceText {
    offset: usize,
    len: usize,
    kind: Kind,
    #[serde(deserialize_with = "present")]
    tag: Option<TagName>,
    #[serde(deserialize_with = "present")]
    site: Option<Place>,
    #[serde(default)]
    scope: Option<Owner>,
    thread: u32,
    age_ms: AgeText,
    #[serde(default)]
    first_hint: Option<TagName>,
    #[serde(default)]
    last_hint: Option<TagName>,
    #[serde(default)]
    trace: Option<NonZeroU32>,
}

#[derive(serde::Deserialize)]
struct TraceText {
    id: NonZeroU32,
    frames: Vec<FrameText>,
}

#[derive(serde::Deserialize)]
struct FrameText {
    #[serde(deserialize_with = "present")]
    function: Option<String>,
    #[serde(deserialize_with = "present")]
    file: Option<String>,
    #[serde(deserialize_with = "present")]
    line: Option<u32>,
}

#[derive(serde::Deserialize)]
struct PlaceText {
    file: FileName,
    line: u32,
    column: u32,
}

#[derive(serde::Deserialize)]
struct OwnerText {
    kind: TagName,
    id: u64,
}

#[derive(serde::Deserialize)]
struct AgeBounds {
    min: Ticks,
    max: Ticks,
}

impl Document {
    pub(super) fn into_report(self) -> PinReport {
        let meta = ReportMeta {
            pool: self.pool.name,
            slab_size: self.pool.slab_size,
            level: self.pool.level.0,
            retain_policy: RetainPolicy::new(self.pool.retain_policy.copybreak, self.pool.retain_policy.ratio),
            backing: self.pool.backing.into_backing(),
            config: self.config.into_iter().map(|setting| setting.0).collect(),
            config_warnings: self.config_warnings,
            slab_size_moves: self.slab_size_moves.into_iter().map(MoveText::into_move).collect(),
            taken_at: self.taken_unix_ms.0,
            now_tick: self.uptime_ms.0,
            memory_bytes: self.totals.memory_bytes,
            idle_bytes: self.totals.idle_bytes,
            ledger_bytes: self.totals.ledger_bytes,
            names_bytes: self.totals.names_bytes,
        };
        let mut report = PinReport::assemble(meta, self.slabs.0, self.totals.clipped);
        report.traces = self.traces.into_iter().map(TraceText::into_trace).collect();
        report
    }
}

impl MoveText {
    fn into_move(self) -> SlabSizeMove {
        let MoveText { from, to, age_ms, reason } = self;
        SlabSizeMove { from, to, age: Duration::from_millis(age_ms), reason }
    }
}

impl BackingText {
    fn into_backing(self) -> Backing {
        let kind = if self.kind.is_empty() { "unknown".to_owned() } else { self.kind };
        let mut backing = Backing::new(kind);
        backing.page_size = self.page_size;
        backing.note = self.note.map(Into::into);
        backing
    }
}

impl TraceText {
    fn into_trace(self) -> Trace {
        let frame = |frame: FrameText| Frame { function: frame.function, file: frame.file, line: frame.line };
        Trace { id: trace_id(self.id), frames: self.frames.into_iter().map(frame).collect() }
    }
}

fn trace_id(number: NonZeroU32) -> TraceId {
    TraceId::from_number(number.get()).unwrap_or_else(|| unreachable!("it is not 0"))
}

/// Takes a value whose key has to be there even if it is null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    T::deserialize(from)
}

/// All slabs, each checked by itself ([`Slab`]) and then together.
struct Slabs(Vec<PinnedSlab>);

impl<'de> Deserialize<'de> for Slabs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Slabs, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Slabs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of slabs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Slabs, A::Error> {
                let mut slabs: Vec<PinnedSlab> = Vec::new();
                let mut sums = Sums::default();
                while let Some(Slab(slab)) = list.next_element()? {
                    sums.add(&slab).map_err(|what| {
                        let id = slab.id;
                        Error::custom(format_args!("up to slab {id}, {what} add up to more than {MAX_BYTES}"))
                    })?;
                    slabs.push(slab);
                }
                let mut ids: Vec<u64> = slabs.iter().map(|slab| slab.id).collect();
                ids.sort_unstable();
                match ids.windows(2).find(|pair| pair[0] == pair[1]) {
                    Some(twice) => Err(Error::custom(format_args!("slab {} is listed twice", twice[0]))),
                    None => Ok(Slabs(slabs)),
                }
            }
        }

        from.deserialize_seq(List)
    }
}

/// Whatever is added up over slabs.
#[derive(Default)]
struct Sums {
    sizes: usize,
    lengths: usize,
    handles: usize,
}

impl Sums {
    /// Adds a slab. The error says which sum has become larger than any memory.
    fn add(&mut self, slab: &PinnedSlab) -> Result<(), &'static str> {
        let add = |sum: &mut usize, n: usize| {
            *sum = sum.checked_add(n).filter(|&sum| sum <= MAX_BYTES)?;
            Some(())
        };
        add(&mut self.sizes, slab.size).ok_or("the sizes of slabs")?;
        slab.slices.iter().try_for_each(|slice| add(&mut self.lengths, slice.len)).ok_or("the lengths of slices")?;
        add(&mut self.handles, slab.handles)
            .and_then(|()| add(&mut self.handles, slab.untracked))
            .and_then(|()| add(&mut self.handles, slab.in_motion))
            .ok_or("the handles of slabs")
    }
}

#[derive(serde::Deserialize)]
#[serde(try_from = "SlabText")]
struct Slab(PinnedSlab);

impl TryFrom<SlabText> for Slab {
    type Error = String;

    fn try_from(text: SlabText) -> Result<Slab, String> {
        let size = text.size;
        let mut slices: Vec<PinnedSlice> = text.slices.into_iter().map(|slice| slice.0).collect();
        let past = slices.iter().position(|slice| slice.offset.checked_add(slice.len).is_none_or(|end| end > size));
        if let Some(at) = past {
            let PinnedSlice { offset, len, .. } = slices[at];
            return Err(format!("slices[{at}] has {len} bytes at {offset} of a slab of {size} bytes"));
        }
        // Stable: slices that begin and end alike stay as they were listed.
        slices.sort_by_key(|slice| (slice.offset, slice.len));
        let live_bytes = covered(&slices);
        let (handles, untracked) = (text.handles.0, text.untracked.0);
        Ok(Slab(PinnedSlab {
            id: text.id,
            generation: text.generation,
            size,
            attached: text.attached,
            foreign: text.foreign,
            suspect: text.suspect,
            level: text.level.0,
            handles,
            untracked,
            in_motion: handles.abs_diff(slices.len().saturating_add(untracked)),
            live_bytes,
            waste_bytes: size - live_bytes,
            resident_bytes: text.resident_bytes.map(|bytes| bytes.min(size)),
            age: text.age_ms.0,
            slices,
        }))
    }
}

#[derive(serde::Deserialize)]
#[serde(from = "SliceText")]
struct Slice(PinnedSlice);

impl From<SliceText> for Slice {
    fn from(text: SliceText) -> Slice {
        Slice(PinnedSlice {
            offset: text.offset,
            len: text.len,
            site: text.site.map(|site| site.0),
            tag: text.tag.map(|tag| tag.0),
            scope: text.scope.map(|scope| scope.0),
            first_hint: text.first_hint.map(|hint| hint.0),
            last_hint: text.last_hint.map(|hint| hint.0),
            trace: text.trace.map(trace_id),
            kind: text.kind.0,
            thread: text.thread,
            age: text.age_ms.0,
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(try_from = "PlaceText")]
struct Place(Site);

impl TryFrom<PlaceText> for Place {
    type Error = places::Full;

    fn try_from(text: PlaceText) -> Result<Place, places::Full> {
        places::site(text.file.0, text.line, text.column).map(Place)
    }
}

#[derive(serde::Deserialize)]
#[serde(from = "OwnerText")]
struct Owner(ScopeName);

impl From<OwnerText> for Owner {
    fn from(text: OwnerText) -> Owner {
        Owner(ScopeName::new(text.kind.0, text.id))
    }
}

#[derive(serde::Deserialize)]
#[serde(try_from = "AgeBounds")]
struct AgeText(Age);

impl TryFrom<AgeBounds> for AgeText {
    type Error = String;

    fn try_from(bounds: AgeBounds) -> Result<AgeText, String> {
        let (min, max) = (bounds.min.0, bounds.max.0);
        if min > max {
            let ms = |ticks: u32| u64::from(ticks) * Age::TICK_MS;
            return Err(format!("min is {}: it must be at most the max of {}", ms(min), ms(max)));
        }
        Ok(AgeText(Age::from_ticks(min, max)))
    }
}

/// A number of milliseconds that fits the report's clock, which counts steps of 10.
struct Ticks(u32);

impl<'de> Deserialize<'de> for Ticks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Ticks, D::Error> {
        let ms = u64::deserialize(from)?;
        let most = u64::from(u32::MAX) * Age::TICK_MS;
        let refuse = || Error::invalid_value(Unexpected::Unsigned(ms), &&*format!("milliseconds, at most {most}"));
        u32::try_from(ms / Age::TICK_MS).map(Ticks).map_err(|_| refuse())
    }
}

/// A time by the wall clock, given in milliseconds since 1970.
struct Moment(SystemTime);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
        let ms = u64::deserialize(from)?;
        let moment = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
        let refuse =
            || Error::invalid_value(Unexpected::Unsigned(ms), &"milliseconds since 1970 that a clock can show");
        moment.map(Moment).ok_or_else(refuse)
    }
}

/// A number of references. A slab counts them in 40 bits.
struct Handles(usize);

impl<'de> Deserialize<'de> for Handles {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Handles, D::Error> {
        let n = u64::deserialize(from)?;
        match usize::try_from(n) {
            Ok(handles) if n < 1 << 40 => Ok(Handles(handles)),
            _ => Err(Error::invalid_value(Unexpected::Unsigned(n), &"a number of handles below 2^40")),
        }
    }
}

/// Values that are made from a string which need not be kept: one visitor for each, which never copies it.
macro_rules! from_text {
    ($type:ident, $expecting:expr, |$text:ident| $value:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_fmt(format_args!("{}", $expecting))
                    }

                    fn visit_str<E: Error>(self, $text: &str) -> Result<$type, E> {
                        let refuse = || E::invalid_value(Unexpected::Str($text), &Text);
                        let value: Option<Result<$type, E>> = $value;
                        value.unwrap_or_else(|| Err(refuse()))
                    }
                }

                from.deserialize_str(Text)
            }
        }
    };
}

struct Schema;
from_text!(Schema, "\"bufslab.pin_report\"", |text| (text == "bufslab.pin_report").then_some(Ok(Schema)));

struct TagName(Tag);
from_text!(TagName, "a name", |text| Some(Ok(TagName(Tag::new(text)))));

struct FileName(&'static str);
from_text!(FileName, "the name of a file", |text| Some(places::file(text).map(FileName).map_err(E::custom)));

struct LevelName(Level);
from_text!(LevelName, "a level: \"off\", \"counters\", \"sites\" or \"backtraces/N\"", |text| {
    let level = text.parse().ok().filter(|level: &Level| level.to_string() == text);
    level.map(|level| Ok(LevelName(level)))
});

struct Kind(SliceKind);
from_text!(Kind, "a kind of slice: \"mut\", \"shared\", \"exported\" or \"parked\"", |text| match text {
    "mut" => Some(Ok(Kind(SliceKind::Mut))),
    "shared" => Some(Ok(Kind(SliceKind::Shared))),
    "exported" => Some(Ok(Kind(SliceKind::Exported))),
    "parked" => Some(Ok(Kind(SliceKind::Parked))),
    _ => None,
});

/// The version this crate writes, and so reads.
struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Version, D::Error> {
        let version = u64::deserialize(from)?;
        if version == u64::from(PinReport::SCHEMA_VERSION) {
            return Ok(Version);
        }
        let known = PinReport::SCHEMA_VERSION;
        let text = format!("a report of version {known}, which this bufslab reads");
        Err(Error::invalid_value(Unexpected::Unsigned(version), &&*text))
    }
}
