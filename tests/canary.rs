//! No output holds a byte of payload, and no name that a stranger chose breaks one.
//!
//! Slabs are filled with a canary, in their living parts and their dead ones. Then everything that can be written is
//! written, and searched for eight bytes of the canary in a row: as they are, in hex, base64, decimal and more.
#![allow(missing_docs)]
#![cfg(not(miri))]

#[path = "canary/finder.rs"]
mod finder;
#[path = "canary/readers.rs"]
mod readers;

use bufslab::report::{Format, Series};
use bufslab::{Level, PinReport, SlabBytes, SlabBytesMut, SlabPool, SuspectPolicy};
use finder::{Finder, STANDARD, URL, base64, hex};
use std::thread;
use std::time::Duration;

const SLAB: usize = 4096;

/// 32 letters and digits, which every text can hold as they are, and 32 bytes that none can.
fn canary() -> [u8; 64] {
    let mut state = 0x00c0_ffee_5eed_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    core::array::from_fn(|at| if at < 32 { letters[usize::from(next()) % letters.len()] } else { next() | 0x80 })
}

/// A buffer full of canary.
fn full(pool: &SlabPool, len: usize) -> SlabBytesMut {
    let mut read = pool.alloc(len);
    read.extend_from_slice(&canary().iter().cycle().take(len).copied().collect::<Vec<_>>());
    read
}

/// What is kept of the life of a pool.
struct Kept {
    pool: SlabPool,
    slices: Vec<SlabBytes>,
    _writable: SlabBytesMut,
    _exported: bytes::Bytes,
}

/// Slabs in every state, all full of canary: pinned by small slices, by whole ones, by clones of other threads, by a
/// writable buffer, by exported bytes; oversize, suspect, attached, and idle.
fn life(level: Level) -> Kept {
    let suspects = SuspectPolicy::new(Duration::ZERO, 50);
    let pool = SlabPool::builder().name("tls").slab_size(SLAB).tracking(level).suspects(suspects).build().unwrap();
    let mut slices = Vec::new();
    for id in 0..12 {
        let _inside = pool.scope("ws_session", id);
        let read = full(&pool, SLAB).freeze();
        let at = id as usize * 37;
        slices.push(read.slice(at..at + 90).tag("req.head"));
        slices[slices.len() - 1].touch("parsed");
        slices[slices.len() - 1].touch("queued");
    }
    slices.push(full(&pool, 3 * SLAB).freeze().slice(100..200).tag("oversize"));
    slices.push(full(&pool, 700).freeze());
    let elsewhere = slices[0].clone();
    slices.extend(thread::spawn(move || [elsewhere.slice(5..), elsewhere.clone().tag("elsewhere")]).join().unwrap());
    // Full of canary, and back with the pool.
    drop(full(&pool, SLAB));
    let mut handed_over = slices[1].clone();
    handed_over.retag("cache.value");
    handed_over.charge_to(pool.scope("cache", 1).scope());
    slices.push(handed_over);
    let exported = full(&pool, 2000).tag("exported").freeze().into();
    let mut writable = full(&pool, SLAB).tag("writable");
    writable.truncate(1000);
    // The first report makes suspects of them, and what touches those leaves a stack.
    assert!(pool.report().slabs.iter().any(|slab| slab.suspect));
    slices[2].touch("late");
    Kept { pool, slices, _writable: writable, _exported: exported }
}

/// Everything that can be said of a pool, by the name of the form.
fn outputs(pool: &SlabPool, report: &PinReport) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for &format in Format::ALL {
        let mut out = Vec::new();
        report.write_as(format, &mut out).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert!(!out.is_empty(), "{format}");
        all.push((format.to_string(), out));
    }
    #[cfg(feature = "pprof")]
    {
        let profile = readers::gunzip(&all.iter().find(|(name, _)| name == "pprof").unwrap().1);
        all.push(("pprof, unpacked".to_owned(), profile));
    }
    let mut said = |name: &str, text: String| all.push((name.to_owned(), text.into_bytes()));
    said("{}", report.to_string());
    said("{:#}", format!("{report:#}"));
    said("{:?}", format!("{report:?}"));
    said("{:#?}", format!("{report:#?}"));
    said("to_json", report.to_json());
    said("the pool's own {:?}", format!("{pool:?} {:?}", pool.stats()));
    let later = pool.report();
    let diff = bufslab::report::diff(report, &later);
    said("a diff", format!("{diff} {diff:?} {}", diff.to_json()));
    let plan = report.compact_plan(&pool.retain_policy());
    said("a plan", format!("{plan} {plan:?}"));
    let mut series = Series::new(4);
    series.push(report);
    series.push(&later);
    said("a series", format!("{series} {series:?}"));
    #[cfg(feature = "json")]
    said("what was read back", format!("{:?}", PinReport::from_json(report.to_json().as_bytes()).unwrap()));
    let still = pool.close(Duration::ZERO).unwrap_err();
    said("what closing says", format!("{still} {still:?}"));
    all
}

#[test]
fn no_payload_byte_is_in_any_output() {
    let finder = Finder::new(&canary());
    for level in [Level::Off, Level::Counters, Level::Sites, Level::backtraces(1), Level::backtraces(7)] {
        let kept = life(level);
        for slice in &kept.slices {
            assert_eq!(finder.find(slice), Some("as it is"), "the slice is not full of canary");
        }
        let report = kept.pool.report();
        assert!(report.totals.slabs >= 15, "{report}");
        assert_eq!(report.totals.slices >= 18, level > Level::Off, "{report}");
        assert!(report.slabs.iter().any(|slab| slab.suspect), "{report}");
        let scoped = report.slabs.iter().flat_map(|slab| &slab.slices).filter(|slice| slice.scope.is_some()).count();
        assert!(level < Level::Sites || (scoped > 12 && report.blame_of_tag("cache.value").is_some()), "{report}");
        if cfg!(feature = "backtraces") && level >= Level::Sites {
            assert!(!report.traces.is_empty(), "at {level} what touches a suspect leaves a stack");
        }
        for (name, output) in outputs(&kept.pool, &report) {
            if let Some(form) = finder.find(&output) {
                panic!("at level {level} the output {name} holds payload {form}: {}", String::from_utf8_lossy(&output));
            }
        }
    }
}

/// The search itself: a piece of the payload in the midst of a report is found, wherever the piece begins and however it
/// is written.
#[test]
fn a_planted_canary_is_found_in_every_form() {
    let canary = canary();
    let finder = Finder::new(&canary);
    let kept = life(Level::Sites);
    let report = kept.pool.report().to_json();
    assert_eq!(finder.find(report.as_bytes()), None);
    let (before, after) = (&report.as_bytes()[..500], &report.as_bytes()[500..1000]);
    let plant = |planted: &[u8]| finder.find(&[before, planted, after].concat()).map(str::to_owned);
    for at in 0..canary.len() {
        let piece: Vec<u8> = canary.iter().cycle().skip(at).take(20).copied().collect();
        let latin: String = piece.iter().map(|&b| b as char).collect();
        let mut planted = vec![
            ("as it is", piece.clone()),
            ("as characters", latin.clone().into_bytes()),
            ("as UTF-16", piece.iter().flat_map(|&b| [b, 0]).collect()),
            ("in decimal", format!("{piece:?}").into_bytes()),
            ("in decimal", format!("{piece:#?}").into_bytes()),
            ("in decimal", piece.iter().map(u8::to_string).collect::<Vec<_>>().join(" ").into_bytes()),
            ("hex", format!("{piece:02x?}").into_bytes()),
            ("hex", format!("{piece:02X?}").into_bytes()),
        ];
        // What a debugger, a URL, a source file and a dump make of it.
        for (between, upper) in [("", false), ("", true), (" ", false), (":", true), ("-", false), ("%", true)] {
            planted.push(("hex", hex(&piece, between, upper)));
        }
        let high: Vec<u8> = canary.iter().copied().filter(|b| *b >= 0x80).collect();
        planted.push(("hex", high.escape_ascii().to_string().into_bytes()));
        planted.push(("hex", format!("{:?}", high.escape_ascii().to_string()).into_bytes()));
        for table in [STANDARD, URL] {
            planted.push(("base64", base64(&piece, table)));
            let lines: Vec<u8> = base64(&piece, table).chunks(6).collect::<Vec<_>>().join(&b"\r\n"[..]);
            planted.push(("base64", lines));
            for before in ["x", "xy"] {
                planted.push(("base64", base64(&[before.as_bytes(), &piece].concat(), table)));
            }
        }
        for (form, planted) in planted {
            let found = plant(&planted).unwrap_or_else(|| panic!("from byte {at} {form}: {planted:?} is not found"));
            // Bytes whose hex has no letters look alike in both cases, and letters are themselves in several forms.
            assert!(found.contains(form) || found == "as it is", "{form} was taken for {found}");
        }
    }
}

#[test]
fn base64_is_that_of_the_rfc() {
    for (text, coded) in
        [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")]
    {
        assert_eq!(base64(text.as_bytes(), STANDARD), coded.as_bytes());
    }
    assert_eq!((base64(&[0xfb, 0xff], STANDARD), base64(&[0xfb, 0xff], URL)), (b"+/8".to_vec(), b"-_8".to_vec()));
}

const HOSTILE: [&str; 12] = [
    "say \"hi\"",
    "</script><script>alert(1)</script>",
    "--><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "two\nlines\r\nor three",
    "\u{1b}[31mred\u{1b}[0m\u{7}\u{9b}",
    "a;b 12",
    "=cmd|'/c calc'!A1",
    "\u{202e}drawkcab\u{2066}\u{2028}",
    "back\\slash\\",
    "{x=\"1\"} 7\n# HELP",
    "\0",
];

/// A small report in which everything that has a name has this one.
fn named(name: &str) -> (SlabPool, PinReport, SlabBytes) {
    let pool = SlabPool::builder().name(name).slab_size(SLAB).build().unwrap();
    let slice = {
        let _inside = pool.scope(name, 7);
        full(&pool, SLAB).freeze().slice(10..30).tag(name)
    };
    slice.touch(name);
    slice.touch("second");
    let report = pool.report();
    assert_eq!(report.totals.slices, 1);
    (pool, report, slice)
}

#[test]
fn hostile_names_break_no_output() {
    let (_, plain, _kept) = named("plain");
    for name in HOSTILE {
        let (_pool, report, _kept) = named(name);
        for &format in Format::ALL {
            let write = |report: &PinReport| {
                let mut out = Vec::new();
                report.write_as(format, &mut out).unwrap_or_else(|error| panic!("{format}: {error}"));
                out
            };
            let checked = readers::check(format, &write(&report), &write(&plain), &report);
            assert!(checked.is_ok(), "{format} with {name:?}: {}", checked.unwrap_err());
        }
    }
}

/// The readers themselves: what would be written if names were put in as they are is refused.
#[test]
fn names_put_in_as_they_are_would_be_noticed() {
    let (_pool, report, _kept) = named("plain");
    for (format, name) in [
        (Format::Text, "two\nlines"),
        (Format::Text, "\u{1b}[31mred"),
        (Format::Json, "say \"hi\""),
        (Format::HeapSnapshot, "back\\slash"),
        (Format::Csv, "=cmd"),
        (Format::Csv, "a,b"),
        (Format::Csv, "\"hi"),
        (Format::Folded, "a;b"),
        (Format::Folded, "two\nlines"),
        (Format::Prometheus, "two\nlines"),
        (Format::Prometheus, "say \"hi\""),
        (Format::Html, "<img src=x onerror=alert(1)>"),
        (Format::Html, "</script>"),
    ] {
        let mut plain = Vec::new();
        report.write_as(format, &mut plain).unwrap();
        assert!(readers::check(format, &plain, &plain, &report).is_ok(), "{format}");
        let broken = String::from_utf8(plain.clone()).unwrap().replace("plain", name);
        assert!(readers::check(format, broken.as_bytes(), &plain, &report).is_err(), "{format} with {name:?}");
    }
}
