//! Against the console of a program that runs.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use bufslab::admin::Server;
use bufslab::report::Format;
use bufslab::{PinReport, SlabPool};

use super::command::{Ran, bufslab, folder, head, pinned, report_file, run};

#[test]
fn a_program_is_asked_over_tcp() {
    let (pool, _kept) = pinned(6);
    let other = SlabPool::builder().name("a b&c").build().unwrap();
    let server = Server::builder().pool(&pool).pool(&other).bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    for source in [address.clone(), server.url(), format!("{}/", server.url()), format!("{}/debug/slabs", server.url())]
    {
        let text = run(["report", &source]).good().out;
        assert!(text.starts_with("6 slabs pinned") && text.contains("req.head"), "{source}: {text}");
    }
    assert!(run(["report", "--pool", "a b&c", &address]).good().out.contains("no slab is pinned"));
    let error = run(["report", "--pool", "nobody", &address]).refused("no pool is called").err;
    assert!(!error.contains("Is this a console"), "{error}");
    for format in Format::ALL {
        assert!(run(["export", "-f", format.name(), &address]).good().bytes.len() > 100, "{format}");
    }
    let json = run(["report", "--json", &address]).good().out;
    assert_eq!(PinReport::from_json(json.as_bytes()).unwrap().totals.slabs, 6);
    assert_eq!(run(["watch", "--above", "100KiB", "--for", "0s", &address]).code, 1);
    assert_eq!(run(["watch", "--above", "100MiB", "--for", "0s", &address]).code, 0);
}

#[test]
fn a_program_is_compared_with_what_it_was() {
    let (pool, mut kept) = pinned(2);
    let server = Server::builder().pool(&pool).bind("127.0.0.1:0").unwrap();
    let folder = folder("live_diff");
    let before = folder.join("before.json");
    run(["export", &server.url(), "-o", before.to_str().unwrap()]).good();
    kept.extend((0..4).map(|id| head(&pool, id)));
    let text = run(["diff", before.to_str().unwrap(), &server.url()]).good().out;
    assert!(text.contains("4 slabs new"), "{text}");
}

#[test]
#[cfg(unix)]
fn a_program_is_asked_through_a_unix_socket() {
    let (pool, _kept) = pinned(3);
    let folder = folder("unix");
    let path = folder.join("slabs.sock");
    let unnamed = folder.join("socket");
    let _server = Server::builder().pool(&pool).bind_unix(&path).unwrap();
    let _second = Server::builder().pool(&pool).bind_unix(&unnamed).unwrap();
    let path = path.to_str().unwrap();
    // With its scheme, by its ending, or because it is one.
    for source in [&format!("unix:{path}"), path, unnamed.to_str().unwrap()] {
        assert!(run(["report", source]).good().out.starts_with("3 slabs pinned"), "{source}");
    }
    let gone = folder.join("gone.sock");
    run(["report", gone.to_str().unwrap()]).refused("there is no such socket: its program does not run");
}

#[test]
fn top_prints_tables_where_there_is_no_terminal() {
    let (pool, mut kept) = pinned(4);
    let server = Server::builder().pool(&pool).bind("127.0.0.1:0").unwrap();
    let once = run(["top", "--once", "--by", "kind", &server.url()]).good().out;
    assert!(once.starts_with("pool http, up ") && once.contains("\nall ws_session "), "{once}");
    assert_eq!(once.lines().count(), 3);
    let few = run(["top", "--once", "--by", "scope", "--rows", "1", &server.url()]).good().out;
    assert!(few.ends_with("and 3 more\n"), "{few}");

    let args = ["top", "--interval", "100ms", &server.url()];
    let mut child = bufslab().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let first = lines.by_ref().find(|line| line.starts_with("req.head")).unwrap();
    assert!(first.ends_with('–'), "nothing is known of growth yet: {first}");
    kept.extend((0..20).map(|id| head(&pool, id)));
    let grown = lines.by_ref().find(|line| line.starts_with("req.head") && line.contains(" 24 ")).unwrap();
    assert!(grown.contains("+") && grown.ends_with("/s"), "{grown}");
    // Nobody reads any more: it ends, quietly.
    drop(lines);
    Ran::from(child.wait_with_output().unwrap()).good();
}

#[test]
fn hostile_names_stay_words() {
    let pool = SlabPool::builder().name("\u{1b}[2Jpool\u{202e}").slab_size(4096).build().unwrap();
    let _scope = pool.scope("\u{1b}]0;scope\u{7}", 1);
    let mut read = pool.alloc(4096);
    read.resize(4096, 0);
    let _kept = read.freeze().slice(..20).tag("\u{1b}[31mtag\r\n\u{202e}");
    let server = Server::builder().pool(&pool).bind("127.0.0.1:0").unwrap();
    let url = server.url();
    let commands: [&[&str]; 6] = [
        &["report", &url],
        &["report", "--full", &url],
        &["top", "--once", &url],
        &["top", "--once", "--by", "scope", &url],
        &["watch", "--above", "1", "--for", "0s", &url],
        &["watch", "--above", "1", "--for", "0s", "--json", &url],
    ];
    for args in commands {
        let ran = run(args);
        assert!(ran.out.contains("tag") || ran.out.contains("scope"), "{}", ran.out);
        let plain = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
        // JSON holds names as they are, escaped where that is needed.
        let wanted = if args.contains(&"--json") { |c: char| c == '\n' || !c.is_control() } else { plain };
        assert!(ran.out.chars().all(wanted), "{args:?}: {:?}", ran.out);
    }
    // Two reports of two pools compare, too.
    let file = report_file(&folder("hostile"), "pins.json", 1);
    let ran = run(["diff", file.to_str().unwrap(), &url]).good();
    assert!(ran.out.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", ran.out);
}
