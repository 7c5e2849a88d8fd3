//! The text form: what a stranger reads, and what a hostile name cannot do to it.

use super::fixtures::{MIB, build, forever, meta, server_meta, server_under_load, slab, slot, trap};
use super::server;
use crate::config::{Config, Key, Level, SetBy};
use crate::raw::SliceKind;
use crate::report::names::width;
use crate::report::units::{bytes, percent, span};
use crate::report::{PinReport, names};

/// No line of `report` is wider than promised, and none holds what could move a cursor.
pub(super) fn assert_fits(report: &impl std::fmt::Display) {
    for (text, limit) in [(report.to_string(), 80), (format!("{report:#}"), 100)] {
        for line in text.lines() {
            assert!(width(line) <= limit, "{} columns: {line}", width(line));
            assert_eq!(line, line.trim_end());
            assert!(
                !line.chars().any(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'))
            );
        }
        assert!(!text.ends_with('\n'));
    }
}

/// If this fails because the text was changed on purpose, put the new text in `sample.txt`.
#[test]
#[cfg(not(windows))]
fn the_sample_in_the_documentation_is_what_is_printed() {
    let report = PinReport::build(server_meta(), server_under_load());
    assert_fits(&report);
    let (sample, printed) = (include_str!("../sample.txt").trim_end(), report.to_string());
    assert!(sample == printed, "sample.txt should read:\n{printed}\n");
}

#[test]
fn the_verdict_comes_first_and_then_the_advice() {
    let report = build(trap());
    let text = report.to_string();
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), "12 slabs pinned: 120 MiB kept alive by 12 slices that use 240 B (waste 99.9 %)");
    assert_eq!(lines.nth(4).unwrap(), "compacting 12 slices of req.head copies 240 B and frees 120 MiB");
    assert!(text.ends_with("and 7 more slabs"));
    let full = format!("{report:#}");
    assert!(!full.contains("more") && (0..12).all(|id| full.contains(&format!("slab {id} gen 1"))), "{full}");
}

#[test]
fn verdicts() {
    let verdict = |report: &PinReport| report.to_string().lines().next().unwrap().to_owned();
    assert_eq!(verdict(&build(Vec::new())), "no slab is pinned: no live slice keeps memory of this pool");
    assert!(build(Vec::new()).is_empty());

    let one = slab(0, 64 << 10, vec![slot(0, 20, None, None)]);
    assert_eq!(
        verdict(&build(vec![one.clone()])),
        "1 slab pinned: 64 KiB kept alive by 1 slice that uses 20 B (waste 99.9 %)"
    );

    let mut half = one.clone();
    half.untracked = 7;
    half.handles = 8;
    let report = build(vec![half]);
    assert!(
        report.to_string().starts_with("1 slab pinned: 64 KiB kept alive by 1 slice that uses 20 B, and 7 untracked")
    );
    assert!(report.to_string().contains("(waste at most 99.9 %)"));

    let mut off = one;
    off.slots.clear();
    off.level = Level::Off;
    off.untracked = 1;
    let text = build(vec![off]).to_string();
    assert!(text.starts_with("1 slab pinned: 64 KiB kept alive by 1 untracked handle (waste unknown)\n"), "{text}");
    assert!(text.contains("nothing to compact") && text.contains("64 KiB under handles that are not listed"), "{text}");
}

#[test]
fn nothing_to_compact_says_why() {
    let mut attached = slab(0, 64 << 10, vec![slot(0, 20, None, Some(server::read_head()))]);
    attached.attached = true;
    let mut writable = slab(1, 64 << 10, vec![slot(0, 20, None, Some(server::read_head()))]);
    writable.slots[0].kind = SliceKind::Mut;
    let full = slab(2, 64 << 10, vec![slot(0, 64 << 10, None, Some(server::read_head()))]);
    let report = build(vec![attached, writable, full]);
    assert!(report.advice.is_empty() && report.advice_together.is_none());
    let text = report.to_string();
    for line in [
        "nothing to compact: it would free no memory now",
        "not freed by compacting: 64 KiB in attached slabs (their threads reuse them)",
        "                         64 KiB under writable buffers (freeze them first)",
        "                         64 KiB in slabs well used or held by several groups",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn groups_that_only_free_a_slab_together() {
    let views = (0..3)
        .map(|id| {
            let mut exported = slot(500, 30, Some("cache.key"), None);
            exported.kind = SliceKind::Exported;
            slab(id, MIB, vec![slot(0, 20, Some("req.head"), None), exported])
        })
        .collect();
    let report = build(views);
    assert!(report.advice.is_empty());
    let together = report.advice_together.unwrap();
    assert_eq!((together.slices, together.exported, together.copied_bytes, together.freed_bytes), (6, 3, 150, 3 * MIB));
    let blame = report.blame_of_tag("req.head");
    assert!(blame.is_none_or(|blame| blame.exclusive_bytes == 0 && blame.shared_bytes == 3 * MIB));
}

#[test]
fn the_worst_is_shown_and_the_rest_is_counted() {
    let names: Vec<&'static str> = (0..40).map(|n| forever(format!("tag-{n:02}"))).collect();
    let slots = names.iter().enumerate().map(|(n, name)| slot(n * 50, 50 - n, Some(name), None)).collect();
    let report = build(vec![slab(0, MIB, slots)]);
    let text = report.to_string();
    assert!(text.contains("\n  tag-00") && text.contains("\n  and 34 more groups"), "{text}");
    assert!(text.contains("\n    and 37 more slices"), "{text}");
    let full = format!("{report:#}");
    assert!(names.iter().all(|name| full.matches(name).count() == 2), "once in the blame and once in the slab: {full}");
}

#[test]
fn hostile_names_stay_within_their_cell() {
    let long = forever("x".repeat(if cfg!(miri) { 2000 } else { 1 << 20 }));
    let wide = forever("漢字".repeat(100));
    let marks = forever("e\u{301}".repeat(300));
    let hostile: [&'static str; 12] = [
        long,
        wide,
        marks,
        "",
        " ",
        "(untracked)",
        "a\nfake line",
        "\u{1b}[2J\u{7}",
        "\u{202e}drawkcab\u{200b}",
        "quote\"'\\",
        "💥💥💥💥💥💥💥💥💥💥💥💥💥💥",
        "\u{9b}31m\0",
    ];
    for name in hostile {
        let mut meta = meta();
        meta.pool = name.to_owned();
        let mut view =
            slab(u64::MAX, usize::MAX / 4, vec![slot(usize::MAX / 8, 20, Some(name), Some(server::read_head()))]);
        view.generation = u64::MAX;
        view.slots[0].kind = SliceKind::Exported;
        view.slots[0].tick = 1;
        assert_fits(&PinReport::build(meta, vec![view]));
    }
}

#[test]
fn names_are_bare_only_where_that_is_safe() {
    for (text, shown) in [
        ("req.head", "req.head"),
        ("", "\"\""),
        ("two words", "\"two words\""),
        ("(untagged)", "\"(untagged)\""),
        ("it's", "\"it's\""),
        ("say \"hi\"\n", "\"say \\\"hi\\\"\\n\""),
        ("grün", "\"grün\""),
        ("some words that go on and on", "\"some words t…nd on\""),
        ("connection.upgrade.head", "connection.up…e.head"),
        ("\u{1b}\u{1b}\u{1b}\u{1b}\u{1b}", "\"\\u{1b}\\u{1b}…\""),
    ] {
        let got = names::name(text, 20);
        assert_eq!(got, shown);
        assert!(width(&got) <= 20, "{got}");
    }
    assert_eq!(names::keep_end("/very/long/path/to/server.rs:10:5", 16), "…/server.rs:10:5");
}

#[test]
fn figures_read_well() {
    for (n, shown) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10 << 10, "10 KiB"),
        ((64 << 10) - 10, "64.0 KiB"),
        (64 << 10, "64 KiB"),
        (MIB - 1, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (512 * 10 * MIB, "5.0 GiB"),
        (usize::MAX, "16.0 EiB"),
    ] {
        assert_eq!(bytes(n), shown);
    }
    for (part, whole, shown) in
        [(0, 0, "0 %"), (5, 5, "100 %"), (999_999, 1_000_000, "99.9 %"), (1, 1_000, "0.1 %"), (1, 3, "33 %")]
    {
        assert_eq!(percent(part, whole), shown);
    }
    for (ms, shown) in [
        (0, "<10 ms"),
        (990, "990 ms"),
        (3_290, "3.2 s"),
        (240_000, "4 min"),
        (1_800_000, "30 min"),
        (9_000_000, "2.5 h"),
        (864_000_000, "10 d"),
    ] {
        assert_eq!(span(std::time::Duration::from_millis(ms)), shown);
    }
}

#[test]
fn settings_are_those_that_somebody_set_and_all_if_asked() {
    let mut meta = meta();
    meta.config_warnings = (0..5).map(|n| format!("SLAB_{n} is no variable of a pool")).collect();
    let report = PinReport::build(meta, Vec::new());
    assert_fits(&report);
    let (short, full) = (report.to_string(), format!("{report:#}"));
    for text in [&short, &full] {
        assert!(text.contains("\nset: slab_size 10MiB (SLAB_BUFFER_SIZE), max_bytes 1GiB (config file)\n"), "{text}");
        assert!(text.contains("\nconfiguration: SLAB_2 is no variable of a pool\n"), "{text}");
    }
    assert!(short.ends_with("configuration: and 2 more to see to") && !short.contains("idle_decay"), "{short}");
    assert!(full.contains("\nnot set: idle_bytes 16MiB, idle_decay 1s, ") && full.contains("SLAB_4"), "{full}");
    let nothing_set = PinReport { config: Vec::new(), ..build(Vec::new()) };
    assert!(!format!("{nothing_set:#}").contains("set: "));
}

#[test]
fn settings_from_a_hostile_file_fit_too() {
    let mut meta = meta();
    let hostile = "\u{1b}[2J\n\u{202e}日本 ".repeat(200);
    let by = SetBy::Env(hostile.clone());
    let mut config = Config::default();
    config.put(Key::Reuse, by, |_| ());
    config.put(Key::Name, SetBy::File, |config| config.name = "x".repeat(10_000));
    meta.config = config.settings();
    meta.config_warnings = vec![hostile, "y".repeat(10_000)];
    let report = PinReport::build(meta, trap());
    assert_fits(&report);
    let mut page = Vec::new();
    report.write_html(&mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
}
