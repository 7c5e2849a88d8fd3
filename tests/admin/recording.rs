//! A recording that is begun, looked at, ended and fetched from afar.

use bufslab::admin::Console;
use bufslab::trace::{AllocTrace, Op};
use bufslab::{BufMut, SlabPool};

use crate::help::{request, typed};

fn pool() -> SlabPool {
    SlabPool::builder().name("http").slab_size(4096).build().unwrap()
}

fn read(pool: &SlabPool) {
    let mut read = pool.alloc(100);
    read.put_slice(b"no byte of this is in any trace");
    drop(read.freeze());
}

#[test]
fn over_http() {
    let pool = pool();
    let console = Console::builder().pool(&pool).allow_recording(true).build().unwrap();
    let get = || request(&console, "GET", "/debug/slabs/recording", "").text().to_owned();
    let post = |target: &str, headers: &str| request(&console, "POST", &format!("/debug/slabs/{target}"), headers);
    assert_eq!(get(), "nothing is recorded\n");
    for (target, headers, status, expected) in [
        ("recording", "Origin: http://evil.example\r\n", 403, "may not change anything here"),
        ("recording/stop", "Origin: http://evil.example\r\n", 403, "may not change anything here"),
        ("recording?one_in=0", "", 400, "one_in must be a number from 1"),
        ("recording?one_in=many", "", 400, "one_in must be a number from 1"),
        ("recording?max_bytes=lots", "", 400, "max_bytes"),
        ("recording/stop", "", 404, "nothing is recorded"),
        ("recording?pool=other", "", 404, "no pool is called"),
    ] {
        let answer = post(target, headers);
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.text().contains(expected), "{target}: {}", answer.text());
        assert!(pool.recording().is_none());
    }

    let begun = post("recording?one_in=1&max_bytes=64KiB", "");
    assert_eq!(begun.status, 200);
    assert!(begun.text().ends_with("every allocation: 0 steps, 0 of 65536 bytes\n"), "{}", begun.text());
    read(&pool);
    assert!(get().starts_with("recording for ") && get().contains(": 3 steps, "), "{}", get());
    assert_eq!(request(&console, "GET", "/debug/slabs/recording/stop", "").status, 405, "a link ends nothing");
    let twice = post("recording", "");
    assert_eq!(twice.status, 409);
    assert!(twice.text().contains("a recording has been under way for"), "{}", twice.text());

    let file = post("recording/stop", "");
    assert_eq!((file.status, file.header("content-type")), (200, Some("application/octet-stream")));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"recorded.slabtrace\""));
    assert!(!file.body.windows(7).any(|part| part == b"no byte"));
    let trace = AllocTrace::from_bytes(&file.body).unwrap();
    assert_eq!((trace.pool.name.as_str(), trace.allocations, trace.steps.len()), ("http", 1, 3));
    assert!(matches!(trace.steps[1].op, Op::Freeze { handle: 0, offset: 0, len: 31 }));
    assert_eq!(get(), "nothing is recorded\n");
}

#[test]
fn by_a_person() {
    let pool = pool();
    let console = Console::builder().pool(&pool).allow_recording(true).build().unwrap();
    let say = |line: &str| typed(&console, &format!("{line}\n"));
    assert!(say("record start no").contains("one_in must be a number from 1"));
    assert!(say("record end").contains("nothing is recorded"));
    let begun = say("record start 1 1MiB");
    assert!(begun.contains("every allocation: 0 steps, 0 of 1048576 bytes"), "{begun}");
    read(&pool);
    assert!(say("record").contains(": 3 steps"));
    let ended = say("record end");
    assert!(ended.contains("POST /debug/slabs/recording/stop fetches it"), "{ended}");
    read(&pool);
    assert!(say("record start").contains("a recording has ended and was not taken"));
    let file = request(&console, "POST", "/debug/slabs/recording/stop", "");
    assert_eq!(AllocTrace::from_bytes(&file.body).unwrap().steps.len(), 3);
}
