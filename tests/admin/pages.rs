//! What each address shows, to whom, and what may be done.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bufslab::admin::{Console, Request};
use bufslab::report::Format;
use bufslab::{Level, SlabPool};

use crate::help::{HOSTILE, get, leak, leaking, request};

#[test]
fn every_form_of_the_report_has_an_address() {
    let (pool, _kept) = leaking("http", 3);
    let console = Console::builder().pool(&pool).build().unwrap();
    for (target, format, begins) in [
        ("/debug/slabs", Format::Text, &b"3 slabs pinned"[..]),
        ("/debug/slabs.txt", Format::Text, b"3 slabs pinned"),
        ("/debug/slabs?short", Format::Text, b"3 slabs pinned"),
        ("/debug/slabs?format=csv", Format::Csv, b"taken_unix_ms,pool,slab,"),
        ("/debug/slabs.json", Format::Json, b"{\n\"schema\":\"bufslab.pin_report\""),
        ("/debug/slabs.csv", Format::Csv, b"taken_unix_ms,pool,slab,"),
        ("/debug/slabs.html", Format::Html, b"<!doctype html>"),
        ("/debug/slabs.heapsnapshot", Format::HeapSnapshot, b"{\"snapshot\""),
        ("/debug/slabs.folded", Format::Folded, b""),
        ("/debug/pprof/slabs", Format::Pprof, b"\x1f\x8b"),
        ("/metrics", Format::Prometheus, b"# HELP bufslab_"),
    ] {
        let answer = get(&console, target);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("content-type"), Some(format.content_type()), "{target}");
        assert!(
            answer.body.starts_with(begins),
            "{target}: {}",
            answer.body[..100.min(answer.body.len())].escape_ascii()
        );
        assert!(answer.body.len() > 60, "{target}");
        assert_eq!(answer.header("connection"), Some("keep-alive"));
        // What every answer says to browsers.
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{target}");
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"), "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{target}");
        assert!(answer.header("date").unwrap().ends_with(" GMT"));

        let head = request(&console, "HEAD", target, "");
        assert_eq!((head.status, head.header("content-type")), (200, Some(format.content_type())), "{target}");
    }
    assert_eq!(get(&console, "/debug/slabs?format=xml").status, 400);
    let names = get(&console, "/debug/slabs.json");
    assert_eq!(names.json()["by_tag"][0]["holder"]["tag"], "req.head");
    // Chrome and pprof know a file by its name.
    let named = get(&console, "/debug/slabs.heapsnapshot");
    assert_eq!(named.header("content-disposition"), Some("attachment; filename=\"pins.heapsnapshot\""));
}

#[test]
fn the_index_leads_to_every_page() {
    let (pool, _kept) = leaking(HOSTILE, 1);
    for (at, up) in [("/", ""), ("/debug/", "../")] {
        let console = Console::builder().pool(&pool).build().unwrap();
        get(&console, "/debug/slabs");
        let index = get(&console, at);
        assert_eq!(index.header("content-type"), Some("text/html; charset=utf-8"));
        let page = index.text();
        assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
        let links: Vec<&str> = page.split("href=\"").skip(1).map(|link| link.split('"').next().unwrap()).collect();
        assert!(links.len() > 12, "{links:?}");
        for link in links {
            let path = link.strip_prefix(up).expect("links are relative to the page").replace("&amp;", "&");
            let answer = get(&console, &format!("/{path}"));
            // A form that only takes a POST has no link of its own.
            assert!(
                answer.status == 200 || answer.status == 405 && (path.ends_with("compact") || path.ends_with("stop")),
                "{path}: {answer:?}"
            );
        }
    }
}

#[test]
fn what_is_not_there_says_what_is() {
    let (pool, _kept) = leaking("http", 1);
    let console = Console::builder().pool(&pool).build().unwrap();
    let missing = get(&console, "/debug/slab%1b[31m");
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("/debug/slabs.heapsnapshot"), "{}", missing.text());
    assert!(missing.text().bytes().all(|b| b == b'\n' || !b.is_ascii_control()));

    let wrong = request(&console, "DELETE", "/debug/slabs", "");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
    let options = request(&console, "OPTIONS", "/debug/slabs", "Origin: http://evil.example\r\n");
    assert_eq!(options.status, 403, "nobody gets leave to ask from elsewhere");
    assert_eq!(request(&console, "OPTIONS", "/debug/slabs", "").status, 405);
    let compact = get(&console, "/debug/slabs/compact");
    assert_eq!((compact.status, compact.header("allow")), (405, Some("POST")));
}

#[test]
fn pools_are_chosen_by_name_and_metrics_have_all() {
    let (first, _kept) = leaking("first", 2);
    let (second, _more) = leaking("a second & third", 5);
    let console = Console::builder().pool(&first).pool(&second).build().unwrap();
    assert!(get(&console, "/debug/slabs").text().starts_with("2 slabs pinned"));
    assert!(get(&console, "/debug/slabs?pool=first").text().starts_with("2 slabs pinned"));
    assert!(get(&console, "/debug/slabs?pool=a+second+%26%20third").text().starts_with("5 slabs pinned"));
    let unknown = get(&console, "/debug/slabs?pool=other");
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.text(), "no pool is called \"other\": there is \"first\", \"a second & third\"\n");
    let metrics = get(&console, "/metrics");
    for pool in ["first", "a second & third"] {
        let series = format!("bufslab_slab_size_bytes{{pool=\"{pool}\"}} 4096\n");
        assert!(metrics.text().contains(&series), "{}", metrics.text());
    }
    assert_eq!(metrics.text().matches("# TYPE bufslab_slab_size_bytes gauge").count(), 1);

    let error = Console::builder().pool(&first).pool(&first).build().unwrap_err();
    assert_eq!((error.field(), error.value()), ("pool", "\"first\""));
    assert_eq!(Console::new().pools()[0].name(), SlabPool::global().name());
}

#[test]
fn what_changed_since_a_report_that_was_served() {
    let (pool, _kept) = leaking("http", 2);
    let console = Console::builder().pool(&pool).build().unwrap();
    let none = get(&console, "/debug/slabs/diff");
    assert_eq!(none.status, 404);
    assert!(none.text().contains("no report of this pool is remembered yet"), "{}", none.text());

    let before = get(&console, "/debug/slabs.json");
    let id = before.header("bufslab-report-id").unwrap().to_owned();
    assert_eq!(before.json()["report_id"], *id, "told in the JSON as well");
    #[cfg(feature = "json")]
    {
        let read = bufslab::PinReport::from_json(&before.body[..]).expect("a served report is a report");
        assert_eq!(read.totals, pool.report().totals);
    }
    assert_eq!(before.header("etag"), Some(&*format!("\"{id}\"")));
    let _planted = leak(&pool, "planted", 7);

    let target = format!("/debug/slabs/diff?since={id}");
    let json = request(&console, "GET", &target, "Accept: application/json\r\n");
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert_eq!(json.header("bufslab-since-id"), Some(&*id));
    let grown = &json.json()["by_tag"][0];
    assert_eq!(grown["holder"]["tag"], "planted", "the planted leak comes first: {grown}");
    let later = json.header("bufslab-report-id").unwrap().to_owned();
    assert_ne!(later, id);

    let text = get(&console, &target);
    assert!(text.text().contains("planted"), "{}", text.text());
    for target in
        [format!("/debug/slabs/diff.json?since={later}"), format!("/debug/slabs/diff?format=json&since={later}")]
    {
        let same = get(&console, &target);
        assert_eq!(same.json()["totals"]["pinned_bytes"]["before"], 9 * 4096);
    }
    // Without an ID: since the last one.
    assert!(get(&console, "/debug/slabs/diff").header("bufslab-since-id").is_some());
    let unknown = get(&console, "/debug/slabs/diff?since=4711-00000000");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("earlier run"), "{}", unknown.text());
    assert!(unknown.text().contains(&id), "it names those there are: {}", unknown.text());
    // Metrics are scraped for ever, and push nobody's report out.
    for _ in 0..40 {
        get(&console, "/metrics");
    }
    assert_eq!(get(&console, &target).status, 200);
    for _ in 0..32 {
        get(&console, "/debug/slabs?short");
    }
    let forgotten = get(&console, &target);
    assert_eq!(forgotten.status, 404);
    assert!(forgotten.text().contains("is forgotten by now; there are "), "{}", forgotten.text());
    let head = request(&console, "HEAD", "/debug/slabs/diff", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn nothing_is_changed_without_the_programs_leave() {
    let (pool, _kept) = leaking("http", 1);
    let console = Console::builder().pool(&pool).build().unwrap();
    for (target, how) in [
        ("/debug/slabs/level?level=off", "allow_level_changes(true)"),
        ("/debug/slabs/compact", "on_compact(|pool| ...)"),
        ("/debug/slabs/recording?one_in=1", "allow_recording(true)"),
        ("/debug/slabs/recording/stop", "allow_recording(true)"),
    ] {
        let refused = request(&console, "POST", target, "");
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains(how), "{}", refused.text());
    }
    assert!(pool.recording().is_none());
    assert_eq!(pool.tracking(), Level::Sites);
    assert_eq!(get(&console, "/debug/slabs/level").text(), "sites\n");
    assert_eq!(get(&console, "/debug/slabs/level?level=off").text(), "sites\n", "a GET changes nothing");
}

#[test]
fn the_level_is_changed_with_leave_and_from_our_own_pages_only() {
    let (pool, _kept) = leaking("http", 1);
    let console = Console::builder().pool(&pool).allow_level_changes(true).build().unwrap();
    let post =
        |level: &str, headers: &str| request(&console, "POST", &format!("/debug/slabs/level?level={level}"), headers);
    for (headers, status) in [
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", 200),
        ("", 200),
        ("Origin: http://evil.example\r\nX-Bufslab: 1\r\n", 200),
    ] {
        pool.set_tracking(Level::Sites);
        assert_eq!(post("counters", headers).status, status, "{headers}");
        let expected = if status == 200 { Level::Counters } else { Level::Sites };
        assert_eq!(pool.tracking(), expected, "{headers}");
    }
    let told = post("backtraces/100", "");
    assert_eq!(told.text(), "tracking was counters, and is backtraces/100 for slabs taken from now on\n");
    let wrong = post("max", "");
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("it must be off, counters, sites, backtraces"), "{}", wrong.text());
    assert_eq!(request(&console, "POST", "/debug/slabs/level", "").status, 400);

    let form = "POST /debug/slabs/level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nlevel=off";
    let answer = crate::help::said(&console, form.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
    assert_eq!(pool.tracking(), Level::Off);
}

#[test]
fn compaction_is_the_programs_own_and_may_panic() {
    let (pool, kept) = leaking("http", 4);
    let kept = Arc::new(std::sync::Mutex::new(kept));
    let calls = Arc::new(AtomicUsize::new(0));
    let console = {
        let (kept, calls) = (Arc::clone(&kept), Arc::clone(&calls));
        let compact = move |pool: &SlabPool| {
            assert_eq!(pool.name(), "http");
            assert!(calls.fetch_add(1, Ordering::SeqCst) < 1, "planted");
            let mut kept = kept.lock().unwrap();
            *kept = kept.drain(..).map(bufslab::SlabBytes::compact).collect();
        };
        Console::builder().pool(&pool).on_compact(compact).build().unwrap()
    };
    let done = request(&console, "POST", "/debug/slabs/compact", "");
    assert_eq!(done.text(), "the program was asked to compact: pinned before 16 KiB, now 0 B\n");
    assert_eq!(kept.lock().unwrap().len(), 4);
    assert_eq!(get(&console, "/debug/slabs/compact").status, 405, "a link compacts nothing");

    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let panicked = request(&console, "POST", "/debug/slabs/compact", "");
    let to_a_person = crate::help::typed(&console, "compact\nlevel\n");
    panic::set_hook(quiet);
    assert_eq!(panicked.status, 500);
    assert_eq!(calls.load(Ordering::SeqCst), 3, "and another may be tried");
    assert!(to_a_person.starts_with("that panicked"), "{to_a_person}");
    assert!(to_a_person.contains("sites\n"), "{to_a_person}");
}

#[test]
fn few_reports_are_in_memory_at_a_time() {
    let (pool, _kept) = leaking("http", 1);
    let console = Console::builder().pool(&pool).build().unwrap();
    let ask = |target: &str| console.respond(&Request::new("GET", target).header("host", b"localhost"));
    let mut held: Vec<_> = (0..4).map(|_| ask("/debug/slabs.json")).collect();
    assert!(held.iter().all(|response| response.status() == 200));
    let refused = ask("/debug/slabs.json");
    assert_eq!((refused.status(), refused.header("retry-after")), (503, Some("1")));
    assert_eq!(ask("/metrics").status(), 503);
    assert_eq!(ask("/debug/slabs/level").status(), 200, "what takes no report is answered");
    held.pop();
    assert_eq!(ask("/debug/slabs.json").status(), 200);
}

#[test]
fn hostile_names_stay_names() {
    let (pool, _kept) = leaking("http", 1);
    let _hostile = leak(&pool, HOSTILE, 2);
    let console = Console::builder().pool(&pool).build().unwrap();
    get(&console, "/debug/slabs");
    for target in ["/debug/slabs", "/debug/slabs?short", "/debug/slabs/diff", "/debug/slabs.folded", "/metrics"] {
        let answer = get(&console, target);
        assert!(answer.text().contains("31m"), "{target} names the tag");
        assert!(answer.text().bytes().all(|b| b == b'\n' || !b.is_ascii_control()), "{target}: {}", answer.text());
    }
    let page = get(&console, "/debug/slabs.html");
    assert!(!page.text().contains("<script>alert"));
    let json = get(&console, "/debug/slabs.json");
    assert_eq!(json.json()["by_tag"][0]["holder"]["tag"], HOSTILE, "and JSON has it as it is");
}

#[test]
fn no_address_and_no_command_tells_what_the_buffers_hold() {
    // Its bytes, in hex, and in base64 at each of the three places that they may begin at.
    let secret = "canary-7f3a-of-a-payload";
    let mut forms = vec![secret.to_owned(), secret.bytes().map(|b| format!("{b:02x}")).collect()];
    forms.extend(["Y2FuYXJ5LTdmM2Et", "NhbmFyeS03ZjNhLW9m", "jYW5hcnktN2YzYS1v"].map(str::to_owned));
    let pool = SlabPool::builder().name("http").slab_size(4096).build().unwrap();
    let mut read = pool.alloc(4096);
    read.extend_from_slice(secret.repeat(100).as_bytes());
    let kept = read.freeze().tag("kept");
    let _writable = pool.alloc(100);
    let console = Console::builder().pool(&pool).build().unwrap();
    let check = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        assert!(text.len() > 5, "{what}");
        for form in &forms {
            assert!(!text.contains(&form.to_lowercase()), "{what} holds {form}");
        }
    };
    for target in [
        "/",
        "/debug/slabs",
        "/debug/slabs?short",
        "/debug/slabs.html",
        "/debug/slabs.json",
        "/debug/slabs.csv",
        "/debug/slabs.heapsnapshot",
        "/debug/slabs.folded",
        "/metrics",
        "/debug/slabs/diff",
        "/debug/slabs/diff.json",
    ] {
        check(target, &get(&console, target).body);
    }
    let mut profile = Vec::new();
    let zipped = get(&console, "/debug/pprof/slabs").body;
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&zipped[..]), &mut profile).unwrap();
    check("/debug/pprof/slabs", &profile);
    let slab = pool.report().slabs[0].id;
    for line in ["slabs", "slabs all", "top", "tag kept", &format!("slab {slab}"), "diff", "pools"] {
        check(line, crate::help::typed(&console, &format!("{line}\n")).as_bytes());
    }
    drop(kept);
}

#[test]
fn profiles_of_what_changes_in_a_while() {
    let (pool, kept) = leaking("http", 3);
    let console = Console::builder().pool(&pool).build().unwrap();
    for seconds in ["x", "-1", "31", "1.5"] {
        let refused = get(&console, &format!("/debug/pprof/slabs?seconds={seconds}"));
        assert_eq!(refused.status, 400, "{seconds}");
    }
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| get(&console, "/debug/pprof/slabs?seconds=1"));
        std::thread::sleep(std::time::Duration::from_millis(400));
        drop(kept);
        asked.join().unwrap()
    });
    assert_eq!(answer.status, 200);
    let mut profile = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut profile).unwrap();
    // -4096 as an int64 of protobuf, for each of the slabs that went.
    let gone = [0x80, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let gone = profile.windows(10).filter(|bytes| *bytes == gone).count();
    assert_eq!(gone, 3, "{}", profile.escape_ascii());
}
