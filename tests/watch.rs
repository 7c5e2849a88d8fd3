//! A watch says when a pool pins too much, and when that is over.
#![allow(missing_docs)]
#![cfg(not(miri))]

use bufslab::report::Holder;
use bufslab::{Condition, SlabBytes, SlabPool, Watch, WatchBuilder, WatchEventKind};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn pool(name: &str) -> SlabPool {
    SlabPool::builder().name(name).slab_size(4096).build().unwrap()
}

fn slice_of(pool: &SlabPool, tag: &str) -> SlabBytes {
    let mut read = pool.alloc(4096);
    read.extend_from_slice(&[b'.'; 4096]);
    read.freeze().slice(..20).tag(tag)
}

/// What is said, as kind, text and holder.
type Said = Receiver<(WatchEventKind, String, Option<Holder>)>;

fn start(watch: WatchBuilder) -> (Watch, Said) {
    let (sender, said) = channel();
    let fast = watch.every(Duration::from_millis(2)).at_most_every(Duration::ZERO);
    let watch = fast.start(move |event| {
        let _ = sender.send((event.kind, event.to_string(), event.holder));
    });
    (watch.unwrap(), said)
}

#[test]
fn too_much_and_over() {
    let pool = pool("http");
    let (watch, said) = start(pool.watch().pinned_above(20_000));
    let kept: Vec<_> = (0..4).map(|_| slice_of(&pool, "req.head")).collect();
    let before = watch.looks();
    let start = Instant::now();
    while watch.looks() < before + 3 {
        assert!(start.elapsed() < PATIENCE, "it looks every few milliseconds");
        std::thread::yield_now();
    }
    assert!(said.try_recv().is_err(), "16 KiB are not above 20,000 B");

    let more: Vec<_> = (0..4).map(|_| slice_of(&pool, "req.head")).collect();
    let (kind, text, _) = said.recv_timeout(PATIENCE).unwrap();
    assert_eq!(kind, WatchEventKind::Above);
    assert!(text.starts_with("pool http: pinned bytes above 19.5 KiB: "), "{text}");
    assert!(text.contains("; req.head keeps most, "), "{text}");

    drop((kept, more));
    let (kind, text, _) = said.recv_timeout(PATIENCE).unwrap();
    assert_eq!((kind, &*text), (WatchEventKind::Recovered, "pool http: pinned bytes above 19.5 KiB: over, 0 B"));
    assert!(said.try_recv().is_err());
}

#[test]
fn the_scope_past_its_quota_is_named() {
    let pool = pool("sessions");
    let (_watch, said) = start(pool.watch().scope_above("ws_session", 10_000));
    let mut kept = Vec::new();
    for (id, slabs) in [(1, 2), (2, 2), (3, 6)] {
        let _session = pool.scope("ws_session", id);
        kept.extend((0..slabs).map(|_| slice_of(&pool, "req.head")));
    }
    let (_, text, holder) = said.recv_timeout(PATIENCE).unwrap();
    let Some(Holder::Scope(scope)) = holder else { panic!("{holder:?}") };
    assert_eq!(scope.to_string(), "ws_session 3");
    assert!(text.contains("one ws_session above 9.8 KiB: ") && text.contains("(ws_session 3)"), "{text}");
}

#[test]
fn waste_and_age() {
    let pool = pool("old");
    let watch = pool.watch().waste_above(50).oldest_pin_above(Duration::from_millis(50)).repeat_every(None);
    let (_watch, said) = start(watch);
    let kept: Vec<_> = (0..4).map(|_| slice_of(&pool, "cache.value")).collect();
    let first = said.recv_timeout(PATIENCE).unwrap();
    assert!(first.1.contains("waste above 50 %: 99 %"), "{}", first.1);
    let second = said.recv_timeout(PATIENCE).unwrap();
    assert!(second.1.contains("oldest pin above 50 ms: ") && second.1.contains("(cache.value)"), "{}", second.1);
    drop(kept);
}

#[test]
fn a_panicking_callback_ends_nothing() {
    let pool = pool("panics");
    let (sender, said) = channel();
    let watch = pool.watch().pinned_above(0).every(Duration::from_millis(2)).at_most_every(Duration::ZERO);
    let watch = watch
        .start(move |event| {
            sender.send(event.kind).unwrap();
            panic!("the callback's own");
        })
        .unwrap();
    let kept = slice_of(&pool, "x");
    assert_eq!(said.recv_timeout(PATIENCE), Ok(WatchEventKind::Above));
    drop(kept);
    assert_eq!(said.recv_timeout(PATIENCE), Ok(WatchEventKind::Recovered));
    let start = Instant::now();
    while watch.panics() < 2 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(!watch.is_finished());
}

#[test]
fn it_stops_when_dropped_and_when_the_pool_is_gone() {
    let gone = pool("gone");
    let (watch, _said) = start(gone.watch().pinned_above(0));
    drop(gone);
    let begin = Instant::now();
    while !watch.is_finished() {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }

    let pool = pool("dropped");
    // Dropping does not wait for the next look.
    let watch = pool.watch().every(Duration::from_secs(3600)).start(|_| ()).unwrap();
    drop(watch);
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn the_watch_does_not_keep_the_pool() {
    let pool = pool("weak");
    let watch = pool.watch().pinned_above(0).every(Duration::from_secs(3600)).start(|_| ()).unwrap();
    let begin = Instant::now();
    while watch.looks() == 0 {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    drop(pool);
    while SlabPool::all().iter().any(|pool| pool.name() == "weak") {
        assert!(begin.elapsed() < PATIENCE, "somebody keeps the pool");
        std::thread::yield_now();
    }
}

#[test]
fn hostile_names_stay_in_their_line() {
    let pool = pool("a\n\u{1b}[31mb\0");
    let (_watch, said) = start(pool.watch().pinned_above(0).scope_above("kind\r\n", 0));
    let _session = pool.scope("kind\r\n", 1);
    let kept = slice_of(&pool, "tag\n\u{202e}");
    for _ in 0..2 {
        let (_, text, _) = said.recv_timeout(PATIENCE).unwrap();
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text:?}");
    }
    drop(kept);
}

#[test]
fn a_builder_shows_its_conditions() {
    let watch = pool("shown").watch().pinned_above(1 << 20).waste_above(90);
    assert!(format!("{watch:?}").contains("PinnedBytes(1048576)"));
    assert_eq!(Condition::PinnedBytes(1 << 20).limit(), 1 << 20);
}

#[cfg(feature = "tracing")]
#[test]
fn events_reach_a_subscriber() {
    use std::fmt::Write;
    use std::sync::{Arc, Mutex};
    use tracing::field::{Field, Visit};
    use tracing::span;

    /// Keeps the level and the fields of every event of ours.
    struct Keep(Arc<Mutex<Vec<(tracing::Level, String)>>>);
    struct Fields(String);
    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            let _ = write!(self.0, "{field}={value:?};");
        }
    }
    impl tracing::Subscriber for Keep {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            metadata.target() == "bufslab::watch"
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    let kept = Arc::new(Mutex::new(Vec::new()));
    tracing::subscriber::set_global_default(Keep(Arc::clone(&kept))).unwrap();
    let pool = pool("traced");
    let (_watch, said) = start(pool.watch().pinned_above(0));
    let slice = slice_of(&pool, "req.head");
    said.recv_timeout(PATIENCE).unwrap();
    drop(slice);
    said.recv_timeout(PATIENCE).unwrap();
    // Tests beside this one have events too.
    let events = kept.lock().unwrap();
    let mine: Vec<_> = events.iter().filter(|(_, fields)| fields.contains("pool=traced;")).collect();
    assert_eq!(mine.iter().map(|(level, _)| *level).collect::<Vec<_>>(), [tracing::Level::WARN, tracing::Level::INFO]);
    assert!(mine[0].1.contains("limit=0;") && mine[0].1.contains("condition=pinned bytes above 0 B;"), "{}", mine[0].1);
}
