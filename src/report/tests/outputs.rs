//! What has a line or a sample for each slice: sums against the report, on random slabs, and names against readers that
//! are not ours. (pprof itself reads profiles in `tests/pprof.rs`.)

use std::collections::BTreeMap;
use std::io;

use super::fixtures::{MIB, build, forever, server_meta, server_under_load, slab, slot, trap};
use super::server;
use super::twin::{Random, random_views};
use crate::report::{Format, Holder, PinReport};
use crate::track::{Frame, ScopeName, Tag, Trace, TraceId};

type Row = BTreeMap<String, String>;

fn csv(report: &PinReport) -> Vec<Row> {
    let mut out = Vec::new();
    report.write_csv(&mut out).unwrap();
    assert!(out.ends_with(b"\r\n"));
    let lines = out.split(|&b| b == b'\n').count() - 1;
    let rows: Vec<Row> = csv::Reader::from_reader(&out[..]).deserialize().map(Result::unwrap).collect();
    assert_eq!(lines, rows.len() + 1, "a row has more than one line");
    rows
}

fn figure(row: &Row, column: &str) -> usize {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

fn folded(report: &PinReport) -> Vec<(String, usize)> {
    let mut out = Vec::new();
    report.write_folded(&mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    out.lines()
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(stack, n)| (stack.to_owned(), n.parse().unwrap()))
        .collect()
}

/// Scopes and stacks, which the raw views made by hand do not have.
fn with_scopes_and_stacks(mut report: PinReport, random: &mut Random) -> PinReport {
    let frame = |function: &str, line| Frame { function: Some(function.to_owned()), file: None, line };
    for id in 1..4 {
        let frames = vec![frame("server::read", Some(id)), frame(&format!("<Conn as Task>::run {id}"), None)];
        report.traces.push(Trace { id: TraceId::from_number(id).unwrap(), frames });
    }
    for slice in report.slabs.iter_mut().flat_map(|slab| &mut slab.slices) {
        let kind = Tag::new(["ws_session", "upload", "(unscoped)"][random.below(3)]);
        slice.scope = (random.below(4) > 0).then(|| ScopeName::new(kind, random.below(40) as u64));
        // The last one has no trace in the report.
        slice.trace = TraceId::from_number(random.below(5) as u32);
    }
    report
}

fn random_report(random: &mut Random) -> PinReport {
    let report = build(random_views(random));
    with_scopes_and_stacks(report, random)
}

/// What `by_tag` calls a row of the CSV.
fn holder_of(row: &Row) -> String {
    match &*row["kind"] {
        "untracked" | "in_motion" => row["kind"].clone(),
        _ => row["tag"].clone(),
    }
}

#[test]
fn shares_add_up_to_each_tag_and_to_all() {
    let mut random = Random(0x0dd_b17e5);
    for _ in 0..if cfg!(miri) { 5 } else { 300 } {
        let report = random_report(&mut random);
        let rows = csv(&report);
        let sum = |column: &str| rows.iter().map(|row| figure(row, column)).sum::<usize>();
        let totals = &report.totals;
        assert_eq!(sum("pinned_share_bytes"), totals.pinned_bytes);
        assert_eq!(sum("live_share_bytes"), totals.live_bytes);
        assert_eq!(sum("waste_share_bytes"), totals.waste_bytes);
        assert_eq!(rows.iter().filter(|row| !row["offset"].is_empty()).count(), totals.slices);
        assert_eq!(folded(&report).iter().map(|(_, bytes)| bytes).sum::<usize>(), totals.pinned_bytes);

        // The random tags are such that an empty name and no name cannot be told apart by a reader: add them up.
        let mut by_tag: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for blame in &report.by_tag {
            let name = match blame.holder {
                Holder::Tag(tag) => shown(tag.name()),
                Holder::Untagged => String::new(),
                Holder::Untracked => "untracked".to_owned(),
                Holder::InMotion => "in_motion".to_owned(),
                holder => panic!("{holder:?} is no tag"),
            };
            let sums = by_tag.entry(name).or_default();
            *sums = (sums.0 + blame.slices, sums.1 + blame.amortised_bytes);
        }
        let mut by_rows: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for row in &rows {
            let sums = by_rows.entry(holder_of(row)).or_default();
            *sums = (sums.0 + figure(row, "handles"), sums.1 + figure(row, "pinned_share_bytes"));
        }
        assert_eq!(by_rows, by_tag);
    }
}

/// A tag of the twin as a cell has it.
fn shown(name: &str) -> String {
    name.replace('\u{1b}', "\\u{1b}").replace('\u{202e}', "\\u{202e}")
}

#[test]
fn within_a_tag_live_goes_by_length_and_waste_by_head() {
    let slots = vec![slot(0, 10, Some("a"), None), slot(10, 30, Some("a"), None), slot(40, 7, Some("b"), None)];
    let report = build(vec![slab(0, 150, slots)]);
    let shares: Vec<_> =
        csv(&report).iter().map(|row| (figure(row, "live_share_bytes"), figure(row, "waste_share_bytes"))).collect();
    // 103 bytes of waste: 52 for `a`, which is first by name, and 51 for `b`.
    assert_eq!(shares, [(10, 26), (30, 26), (7, 51)]);
}

#[test]
fn every_column_of_the_csv() {
    let mut views = server_under_load();
    views.truncate(1);
    views[0].untracked = 2;
    views[0].handles = 4;
    let mut report = PinReport::build(server_meta(), views);
    report.slabs[0].resident_bytes = Some(4096);
    let slice = &mut report.slabs[0].slices[0];
    slice.scope = Some(ScopeName::new(Tag::new("ws_session"), 42));
    slice.first_hint = Some(Tag::new("parsed"));
    slice.last_hint = Some(Tag::new("queued"));
    slice.trace = TraceId::from_number(9);
    let frame = |function: Option<&str>, file: Option<&str>, line| Frame {
        function: function.map(str::to_owned),
        file: file.map(str::to_owned),
        line,
    };
    let frames = vec![
        frame(Some("server::read_head"), Some("server.rs"), Some(11)),
        frame(None, Some("server.rs"), Some(7)),
        frame(None, None, None),
    ];
    report.traces.push(Trace { id: TraceId::from_number(9).unwrap(), frames });

    let rows = csv(&report);
    let columns: Vec<&str> = super::super::csv::HEADER.trim_end().split(',').collect();
    let table = |row: &Row| columns.iter().map(|&column| row[column].clone()).collect::<Vec<_>>().join("|");
    let site = server::read_head();
    let (file, line, column) = (site.file(), site.line(), site.column());
    assert_eq!(rows.len(), 3);
    assert_eq!(
        table(&rows[0]),
        format!(
            "1700000000123|tls|0|1|10485760|false|false|sites|shared|1|0|20|req.head|ws_session|42|{file}|{line}|{column}\
             |1|500|3000|parsed|queued|server::read_head < server.rs:7 < ?|20|3495247|3495267|4096"
        )
    );
    let unlisted =
        "1700000000123|tls|0|1|10485760|false|false|sites|untracked|2|||||||||| 500|3000||||0|3495247|3495247|4096";
    assert_eq!(table(&rows[1]), unlisted.replace(' ', ""));
    let unseen =
        "1700000000123|tls|0|1|10485760|false|false|sites|in_motion|1||||||||||500|3000||||0|3495246|3495246|4096";
    assert_eq!(table(&rows[2]), unseen);
}

#[test]
fn the_chapter_names_every_column() {
    let chapter = include_str!("../../docs/outputs.md");
    let documented: Vec<&str> =
        chapter.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).map(|(name, _)| name).collect();
    for column in super::super::csv::HEADER.trim_end().split(',') {
        assert!(documented.contains(&column), "{column} is not in docs/outputs.md: {documented:?}");
    }
}

const HOSTILE: [&str; 18] = [
    "=cmd|'/c calc'!A1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "\u{feff}=1",
    "＝1",
    "'quoted",
    "a,b",
    "say \"hi\"",
    "a\nb\r\nc",
    "semi;colon 12",
    "\u{1b}[31m\u{202e}",
    "\0",
    " 7 ",
    "(untagged)",
];

fn hostile_report(name: &'static str) -> PinReport {
    let mut meta = server_meta();
    meta.pool = name.to_owned();
    let mut report =
        PinReport::build(meta, vec![slab(0, MIB, vec![slot(0, 20, Some(name), Some(server::read_head()))])]);
    let slice = &mut report.slabs[0].slices[0];
    slice.scope = Some(ScopeName::new(Tag::new(name), 3));
    slice.last_hint = slice.tag;
    slice.trace = TraceId::from_number(1);
    let frame = Frame { function: Some(name.to_owned()), file: Some(name.to_owned()), line: Some(1) };
    report.traces.push(Trace { id: TraceId::from_number(1).unwrap(), frames: vec![frame] });
    report
}

#[test]
fn no_cell_of_the_csv_is_a_formula() {
    for name in HOSTILE {
        let rows = csv(&hostile_report(name));
        assert_eq!(rows.len(), 1);
        for column in ["pool", "tag", "scope_kind", "last_hint", "stack"] {
            let cell = &rows[0][column];
            let first = cell.trim_start().chars().next().unwrap();
            assert!(!"=+-@＝＋－＠".contains(first) && !cell.starts_with(char::is_control), "{cell:?}");
            assert!(!cell.chars().any(|c| c.is_control() || c == '\u{202e}'), "{cell:?}");
            assert!(name != "=cmd|'/c calc'!A1" || cell == "'=cmd|'/c calc'!A1");
            assert!(name != "'quoted" || cell == "''quoted");
            if name.chars().all(|c| c.is_ascii_graphic()) {
                assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), name);
            }
        }
    }
}

#[test]
fn every_line_of_the_folded_stacks_has_its_frames_and_one_figure() {
    for name in HOSTILE {
        let report = hostile_report(name);
        let mut out = Vec::new();
        report.write_folded(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let (stack, bytes) = out.strip_suffix('\n').unwrap().rsplit_once(' ').unwrap();
        assert_eq!(bytes, MIB.to_string());
        let frames: Vec<&str> = stack.split(';').collect();
        // Pool, kind, number, tag, the one recorded call, site.
        assert_eq!(frames.len(), 6, "{stack}");
        assert_eq!(frames[2], "#3");
        assert!(frames[5].starts_with(server::read_head().file()));
        for frame in frames {
            assert!(!frame.chars().any(|c| c.is_control()), "{frame:?}");
            assert!(!frame.starts_with(' ') && !frame.ends_with(' '), "{frame:?}");
            let last = frame.rsplit_once(' ').map_or("", |(_, last)| last);
            assert!(last.is_empty() || last.parse::<f64>().is_err(), "{frame:?} passes for a stack with a figure");
        }
    }
    let stack = |name| folded(&hostile_report(name))[0].0.clone();
    assert!(stack("semi;colon 12").starts_with(r"semi\u{3b}colon\u{20}12;semi\u{3b}colon\u{20}12;#3;"));
    assert!(stack("two words").starts_with("two words;two words;#3;two words;two words;"));
    assert!(stack("(untagged)").starts_with(r"\u{28}untagged);"), "ours and theirs are told apart");
}

/// `inferno` draws the graph; the figures in its titles are the report's.
#[test]
#[cfg_attr(miri, ignore = "draws a picture")]
fn inferno_draws_the_folded_stacks() {
    let report = with_scopes_and_stacks(PinReport::build(server_meta(), server_under_load()), &mut Random(4));
    let mut out = Vec::new();
    report.write_folded(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut options = inferno::flamegraph::Options::default();
    "bytes".clone_into(&mut options.count_name);
    options.min_width = 0.0;
    let mut svg = Vec::new();
    inferno::flamegraph::from_lines(&mut options, text.lines(), &mut svg).unwrap();
    let svg = String::from_utf8(svg).unwrap();
    // `<title>body (1,234 bytes, 5.6%)</title>`
    let boxes: Vec<(&str, usize)> = svg
        .split("<title>")
        .skip(1)
        .filter_map(|rest| rest.split_once("</title>")?.0.rsplit_once(" ("))
        .map(|(name, figures)| (name, figures.split_once(" bytes").unwrap().0.replace(',', "").parse().unwrap()))
        .collect();
    let sum = |wanted: &str| boxes.iter().filter(|(name, _)| *name == wanted).map(|(_, bytes)| bytes).sum::<usize>();
    assert_eq!(sum("all"), report.totals.pinned_bytes);
    assert_eq!(sum("tls"), report.totals.pinned_bytes);
    for tag in ["req.head", "body"] {
        assert_eq!(Some(sum(tag)), report.blame_of_tag(tag).map(|blame| blame.amortised_bytes), "{tag}");
    }
    assert!(boxes.iter().any(|(name, _)| name.ends_with("src/report/tests/server.rs:11:5")), "{boxes:?}");
    let runs = sum(r"&lt;Conn\u{20}as\u{20}Task&gt;::run\u{20}1") + sum(r"&lt;Conn\u{20}as\u{20}Task&gt;::run\u{20}2");
    assert!(runs > 0 && runs <= sum("server::read"), "a name that ends in a figure is a name: {boxes:?}");
}

/// More distinct stacks than are kept in memory at once: they come in several parts, and nothing is lost.
#[test]
fn what_does_not_fit_is_written_and_forgotten() {
    let tags: Vec<&'static str> = (0..500).map(|n| forever(format!("tag {n}"))).collect();
    let views = (0..50).map(|id| {
        let slots = (0..20).map(|n| slot(n * 40, 30, Some(tags[(id * 7 + n * 31) % 500]), Some(server::read_body())));
        slab(id as u64, 1_000, slots.collect())
    });
    let report = with_scopes_and_stacks(build(views.collect()), &mut Random(8));
    let lines = folded(&report);
    assert_eq!(lines.iter().map(|(_, bytes)| bytes).sum::<usize>(), 50_000);
    assert!(lines.len() > 500);
}

/// Takes so many bytes and fails then; counts what is asked of it afterwards.
struct Full {
    room: usize,
    asked_again: usize,
}

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.asked_again += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_first_error_is_passed_on_and_ends_the_writing() {
    let report = PinReport::build(server_meta(), server_under_load());
    let mut forms = vec![Format::Csv, Format::Folded];
    #[cfg(feature = "pprof")]
    forms.push(Format::Pprof);
    for form in forms {
        for room in [0, 1, 100] {
            let mut out = Full { room, asked_again: 0 };
            let error = report.write_as(form, &mut out).unwrap_err();
            assert_eq!((error.kind(), out.asked_again), (io::ErrorKind::StorageFull, 1), "{form}");
        }
        let behind_a_pointer: &mut dyn io::Write = &mut io::sink();
        report.write_as(form, behind_a_pointer).unwrap();
    }
}

/// As `go tool pprof -comments` shows it, which takes them from the table of strings.
#[cfg(feature = "pprof")]
#[test]
fn a_profile_has_the_configuration_as_a_comment() {
    use std::io::Read as _;
    let mut report = build(trap());
    report.config_warnings.push("SLAB_BUFER_SIZE\u{1b} is no variable of a pool".to_owned());
    let mut zipped = Vec::new();
    report.write_pprof(&mut zipped).unwrap();
    let mut profile = Vec::new();
    flate2::read::GzDecoder::new(&zipped[..]).read_to_end(&mut profile).unwrap();
    let profile = String::from_utf8_lossy(&profile);
    let set = "bufslab: pool tls, set: slab_size 10MiB (SLAB_BUFFER_SIZE), max_bytes 1GiB (config file)";
    assert!(profile.contains(set) && profile.contains("bufslab: SLAB_BUFER_SIZE\\u{1b} is no variable of a pool"));
}
