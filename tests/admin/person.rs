//! A person who types commands.

use bufslab::admin::{Connection, Console, Door};
use bufslab::{Level, SlabPool};

use crate::help::{HOSTILE, converse, leak, leaking, said, typed};

#[test]
fn every_command_answers() {
    let (pool, _kept) = leaking("http", 12);
    let hinted = leak(&pool, "hinted", 1);
    hinted[0].touch("queued");
    let console = Console::builder().pool(&pool).build().unwrap();
    let slab = pool.report().slabs[0].id;
    for (line, expected) in [
        ("help", "slabs            the report on one screen"),
        ("?", "scope NAME [ID]"),
        ("slabs", "13 slabs pinned: 52 KiB kept alive by 13 slices that use 260 B"),
        ("SLABS all", "and"),
        ("slabs 3", "slab ID shows one slab"),
        ("top", "by kind of scope"),
        ("tag req.head", "of req.head copies 2"),
        ("tag \"req.head\"", "ws_session"),
        ("tag", "which one?"),
        ("tag nothing", "no tag nothing: there is req.head, hinted"),
        ("scope ws_session", "all ws_session"),
        ("scope ws_session 3", "ws_session 3"),
        ("scope ws_session 99", "no scope \"ws_session 99\": there is ws_session"),
        ("scope", "which one?"),
        (&format!("slab {slab}"), &format!("slab {slab} gen ")),
        ("slab 4711", "no pinned slab 4711: there is "),
        ("slab x", "a number"),
        ("diff", "no report of this pool is remembered yet"),
        ("diff 7", "\"7\" is no report that was served"),
        ("reports", "no report of this pool is remembered yet"),
        ("pools", "* \"http\": pinned 52 KiB of"),
        ("pool other", "no pool is called \"other\": there is \"http\""),
        ("pool http", "now looking at pool \"http\""),
        ("config", "slab_size         4KiB              code\n"),
        ("settings", "idle_decay        1s                default\n"),
        ("level", "sites"),
        ("level off", "allow_level_changes(true)"),
        ("compact", "on_compact(|pool| ...)"),
        ("record", "nothing is recorded"),
        ("record start", "allow_recording(true)"),
        ("record start 1 2 3", "record, record start [N] [SIZE], or record end"),
        ("record end", "allow_recording(true)"),
        ("quit", "bye"),
        ("sabs", "\"sabs\" is no command: type help"),
    ] {
        let fresh = Console::builder().pool(&pool).build().unwrap();
        let out = typed(&fresh, &format!("{line}\n"));
        assert!(out.contains(expected), "{line}: {out}");
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{line}: {out}");
    }
    assert_eq!(pool.tracking(), Level::Sites);
    let hinted = pool.report().slabs.iter().find(|slab| slab.slices[0].first_hint.is_some()).unwrap().id;
    assert!(typed(&console, &format!("slab {hinted}\n")).contains("touched at 0: queued"));
}

#[test]
fn a_session_remembers_what_it_has_seen() {
    let (pool, _kept) = leaking("http", 2);
    let console = Console::builder().pool(&pool).build().unwrap();
    let mut session = Connection::new(console.clone(), Door::Unknown);
    let mut say = |line: &str| String::from_utf8(converse(&mut session, line.as_bytes(), 3).0).unwrap();
    assert_eq!(say("\n"), format!("bufslab {}: type help\nbufslab> ", env!("CARGO_PKG_VERSION")));
    assert_eq!(say("\n"), "bufslab> ", "it greets once");
    say("slabs\n");
    // Somebody else looks in between, which changes nothing for this one.
    let planted = leak(&pool, "planted", 3);
    typed(&console, "slabs\n");
    let diff = say("diff\n");
    assert!(diff.contains("planted") && diff.contains("+12 KiB"), "{diff}");
    drop(planted);
    let again = say("diff\n");
    assert!(again.contains("-12 KiB"), "{again}");
    let since_first = say("diff 1\n");
    assert!(!since_first.contains("planted"), "{since_first}");
    let reports = say("reports\n");
    assert!(reports.starts_with("1  ") && reports.contains(" ago\n2  "), "{reports}");
}

#[test]
fn pools_are_looked_at_one_at_a_time() {
    let (first, _kept) = leaking("first", 1);
    let (second, _more) = leaking("the second", 2);
    let console = Console::builder().pool(&first).pool(&second).allow_level_changes(true).build().unwrap();
    let out = typed(&console, "pool \"the second\"\nslabs\npools\nlevel counters\ndiff 9\n");
    assert!(out.contains("2 slabs pinned"), "{out}");
    assert!(out.contains("* \"the second\"") && out.contains("  \"first\""), "{out}");
    assert_eq!((first.tracking(), second.tracking()), (Level::Sites, Level::Counters));
}

#[test]
fn lines_end_as_the_peers_do() {
    let console = Console::builder().pool(&SlabPool::new()).build().unwrap();
    let telnet = typed(&console, "help\r\nlevel\r\n");
    assert!(telnet.contains("sites\r\n") && !telnet.replace("\r\n", "").contains('\n'), "{telnet:?}");
    let nc = typed(&console, "help\nlevel\n");
    assert!(nc.contains("sites\n") && !nc.contains('\r'), "{nc:?}");
}

#[test]
fn telnets_own_bytes_and_slips_of_the_keyboard_do_no_harm() {
    let console = Console::builder().pool(&SlabPool::new()).build().unwrap();
    let out = said(&console, b"\xff\xfd\x03\xff\xfb\x18\xff\xfa\x18\x00xterm\xff\xf0levl\x7fel\r\n");
    let declined = b"\xff\xfc\x03\xff\xfe\x18";
    assert!(out.starts_with(declined), "{}", out.escape_ascii());
    assert_eq!(out[declined.len()..], *b"sites\r\n");
    assert_eq!(typed(&console, "nonsense\u{3}level\n"), "sites\n", "^C gives up the line");
    assert_eq!(typed(&console, "\u{4}level\n"), "", "^D leaves");
    assert_eq!(typed(&console, "level"), "sites\n", "the last line needs no end");
    assert_eq!(typed(&console, "quit\nlevel\n"), "bye\n", "and nothing follows a farewell");
}

#[test]
fn whoever_never_types_a_command_is_nobody() {
    let console = Console::builder().pool(&SlabPool::new()).build().unwrap();
    let out = typed(&console, &"x\n".repeat(100));
    assert_eq!(out.matches("is no command").count(), 10);
    assert!(out.ends_with("10 lines and no command among them: bye\n"), "{out}");
    let long = typed(&console, &format!("{}\n", "x".repeat(5000)).repeat(100));
    assert_eq!(long.matches("longer than any command").count(), 10);
    let patient = typed(&console, &format!("{}level\n", "x\n".repeat(9)).repeat(3));
    assert_eq!(patient.matches("sites\n").count(), 3, "{patient}");
}

#[test]
fn hostile_names_are_shown_harmlessly_and_found_as_they_are_shown() {
    let (pool, _kept) = leaking(HOSTILE, 1);
    let _hostile = leak(&pool, HOSTILE, 3);
    let _plain = leak(&pool, "a b", 1);
    let console = Console::builder().pool(&pool).build().unwrap();
    let top = typed(&console, "top\n");
    let shown = top.lines().find(|line| line.contains("u{1b}")).unwrap().trim();
    let shown = &shown[..shown.rfind('"').unwrap() + 1];
    for lines in [format!("tag {shown}\n"), "tag \"a b\"\n".to_owned(), "tag a b\n".to_owned()] {
        let out = typed(&console, &lines);
        assert!(out.contains("made at"), "{lines}{out}");
    }
    for lines in
        ["top\n", "slabs\n", "slabs all\n", "pools\n", "tag \u{1b}[31m\n", "\u{1b}]0;x\u{7}\n", "pool \u{1b}[2J\n"]
    {
        let out = typed(&console, lines);
        assert!(out.bytes().all(|b| b == b'\n' || !b.is_ascii_control()), "{lines:?}: {out:?}");
    }
}
