//! Where nothing may be pinned any more: tests, closed pools, the end of the process.
#![allow(missing_docs)]

use bufslab::{ExitReport, Level, SlabBytes, SlabPool, assert_no_pins};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn pool() -> SlabPool {
    SlabPool::builder().name("gated").slab_size(4096).build().unwrap()
}

fn slice_of(pool: &SlabPool, len: usize, tag: &str) -> SlabBytes {
    let mut read = pool.alloc(len);
    read.extend_from_slice(&vec![b'.'; len]);
    read.freeze().tag(tag)
}

/// What `f` panics with.
fn panics_with(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it has to panic");
    panic.downcast::<String>().map_or_else(|_| "not a string".to_owned(), |text| *text)
}

#[test]
fn nothing_pinned_is_no_failure() {
    let pool = pool();
    assert_no_pins!(pool);
    drop(slice_of(&pool, 100, "gone"));
    assert_no_pins!(&pool);
    let detached = slice_of(&pool, 100, "kept").compact();
    assert_no_pins!(pool, "a detached slice ({} bytes) pins nothing", detached.len());
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn a_pin_fails_with_site_and_tag() {
    let pool = pool();
    let _session = pool.scope("ws_session", 42);
    let kept: Vec<_> = (0..3).map(|_| slice_of(&pool, 20, "req.head")).collect();
    let text = panics_with(|| assert_no_pins!(pool, "round {}", 7));
    assert!(text.starts_with("round 7: 3 handles still pin 1 slab (4.0 KiB) of pool gated:\n"), "{text}");
    assert!(text.contains("20 B  req.head of ws_session 42  made at tests/gates.rs:"), "{text}");
    assert!(text.contains("(3 times)"), "{text}");
    drop(kept);
    assert_no_pins!(pool);
}

#[test]
fn many_kinds_of_holders_are_counted() {
    let pool = pool();
    let kept: Vec<_> = (0..20).map(|n| slice_of(&pool, 20, &format!("kind{n}"))).collect();
    let text = panics_with(|| assert_no_pins!(pool));
    assert!(text.ends_with("and 12 handles"), "{text}");
    drop(kept);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn at_levels_that_list_nothing_it_fails_all_the_same() {
    let pool = SlabPool::builder().name("off").tracking(Level::Off).build().unwrap();
    let kept = slice_of(&pool, 20, "unseen");
    let text = panics_with(|| assert_no_pins!(pool));
    assert!(text.starts_with("1 handle still pins 1 slab (64 KiB) of pool off:"), "{text}");
    assert!(panics_with(|| drop(pool.pin_gate())).contains("needs tracking of at least sites"));
    drop(kept);
}

#[test]
fn gates_see_their_own_test_only() {
    let pool = pool();
    let outside = slice_of(&pool, 10, "before");
    let gate = pool.pin_gate();
    let barrier = Barrier::new(2);
    std::thread::scope(|threads| {
        let beside = threads.spawn(|| {
            let beside = slice_of(&pool, 20, "beside");
            barrier.wait();
            barrier.wait();
            beside
        });
        barrier.wait();
        drop(slice_of(&pool, 30, "mine"));
        gate.check().expect("what others hold is not this gate's");
        barrier.wait();
        drop(beside.join().unwrap());
    });
    let copy = outside.clone();
    let still = gate.check().expect_err("a clone made under it is");
    assert_eq!(still.report().totals.slices, 1);
    assert_eq!(still.report().totals.live_bytes, 10);
    drop(copy);
    drop(gate);
    drop(outside);
}

#[test]
fn a_gate_follows_what_is_made_from_its_own() {
    let pool = pool();
    let gate = pool.pin_gate();
    let mine = slice_of(&pool, 100, "mine");
    let (sender, receiver) = std::sync::mpsc::channel::<SlabBytes>();
    let thread = std::thread::spawn(move || receiver.recv().unwrap().slice(..10));
    sender.send(mine).unwrap();
    let part = thread.join().unwrap();
    assert_eq!(gate.check().unwrap_err().report().totals.slices, 1, "made on another thread, outside of the scope");
    drop(part);
    drop(gate);
}

#[test]
fn a_gate_that_fails_names_site_and_tag() {
    let pool = pool();
    let mut cache = Vec::new();
    let text = panics_with(|| {
        let _gate = pool.pin_gate();
        cache.push(slice_of(&pool, 20, "cache.value"));
    });
    assert!(text.contains("20 B  cache.value of \"pin gate\""), "{text}");
    assert!(text.contains("made at tests/gates.rs:"), "{text}");
}

#[test]
fn a_gate_does_not_panic_twice() {
    let pool = pool();
    let mut cache = Vec::new();
    let text = panics_with(|| {
        let _gate = pool.pin_gate();
        cache.push(slice_of(&pool, 20, "cache.value"));
        panic!("{}", "the test's own failure");
    });
    assert_eq!(text, "the test's own failure");
}

#[test]
fn a_closed_pool_says_who_holds_on() {
    let pool = pool();
    let kept = slice_of(&pool, 20, "cache.value");
    let still = pool.close(Duration::from_millis(5)).unwrap_err();
    assert!(still.to_string().contains("cache.value"), "{still}");
    for n in [1, 100, 4096, 4097, 1 << 20] {
        let error = pool.try_alloc(n).unwrap_err();
        assert!(error.is_closed() && error.limit().is_none(), "{error}");
        assert_eq!(error.to_string(), format!("cannot allocate {n} bytes: the pool is closed"));
    }
    // What exists stays what it is.
    let copy = kept.clone();
    assert_eq!(copy, kept);
    drop((kept, copy));
    pool.close(Duration::ZERO).expect("nobody holds on any more");
    assert_eq!(pool.stats().idle_bytes, 0);
}

#[test]
fn closing_reaches_threads_with_a_slab_in_hand() {
    let pool = pool();
    let barrier = Barrier::new(2);
    std::thread::scope(|threads| {
        let other = threads.spawn(|| {
            drop(slice_of(&pool, 20, "warm"));
            barrier.wait();
            barrier.wait();
            pool.try_alloc(20).map(drop)
        });
        barrier.wait();
        pool.close(Duration::from_secs(5)).unwrap();
        barrier.wait();
        assert!(other.join().unwrap().unwrap_err().is_closed());
    });
}

#[test]
fn closing_waits_for_the_last_slice() {
    let pool = pool();
    let kept = slice_of(&pool, 20, "soon");
    let dropped = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(Duration::from_millis(60));
            dropped.store(true, Ordering::SeqCst);
            drop(kept);
        });
        pool.close(Duration::from_secs(60)).unwrap();
        assert!(dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn closing_against_threads_that_allocate() {
    let pool = pool();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let start = Instant::now();
                while let Ok(buffer) = pool.try_alloc(100) {
                    drop(buffer);
                    assert!(start.elapsed() < Duration::from_secs(60), "the pool never closes");
                }
            });
        }
        std::thread::sleep(Duration::from_millis(10));
        pool.close(Duration::from_secs(30)).unwrap();
    });
    assert_no_pins!(pool);
}

const CHILD: &str = "BUFSLAB_TEST_EXIT_REPORT";

/// What the process below runs; nothing without the variable.
#[test]
fn child_that_exits_with_a_pin() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let pool = pool();
    let kept = slice_of(&pool, 20, "at.exit");
    pool.report_at_exit(ExitReport::Stderr).unwrap();
    pool.report_at_exit(std::path::PathBuf::from(path)).unwrap();
    assert!(pool.report_at_exit_from_env().unwrap());
    drop(pool);
    std::mem::forget(kept);
    std::process::exit(0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
#[cfg(not(miri))]
fn a_report_at_exit() {
    let folder = std::env::temp_dir().join(format!("bufslab-exit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_exits_with_a_pin", "--nocapture"])
        .env(CHILD, folder.join("pins.json"))
        .env("SLAB_REPORT_AT_EXIT", folder.join("pins.txt"))
        .output()
        .unwrap();
    let json = std::fs::read_to_string(folder.join("pins.json")).unwrap();
    let text = std::fs::read_to_string(folder.join("pins.txt")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["by_tag"][0]["holder"]["tag"], "at.exit");
    for text in [text, String::from_utf8_lossy(&output.stderr).into_owned()] {
        assert!(text.contains("1 slab pinned: 4.0 KiB kept alive by 1 slice"), "{text}");
    }
}
