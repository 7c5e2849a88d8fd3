//! Callbacks near the limit.

use bufslab::{Pressure, SlabBytesMut, SlabPool, SlabPoolBuilder};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};

const SLAB: usize = 4096;

fn builder(slabs: usize) -> SlabPoolBuilder {
    SlabPool::builder().slab_size(SLAB).max_bytes(slabs * SLAB)
}

/// A callback that takes down what it is told.
fn told() -> (Arc<Mutex<Vec<Pressure>>>, impl Fn(&Pressure) + Send + Sync) {
    let told = Arc::<Mutex<Vec<Pressure>>>::default();
    let here = Arc::clone(&told);
    (told, move |pressure| here.lock().unwrap().push(*pressure))
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn a_mark_is_told_once_until_the_memory_fell_well_below_it() {
    let (told, callback) = told();
    let pool = builder(20).on_pressure(50, callback).build().unwrap();
    let count = || told.lock().unwrap().len();
    let mut kept: Vec<SlabBytesMut> = (0..10).map(|_| pool.alloc(SLAB)).collect();
    assert_eq!(count(), 0, "half of it is not above half");
    kept.push(pool.alloc(100));
    let first = told.lock().unwrap()[0];
    assert_eq!((first.requested, first.slab_bytes, first.percent, first.at_limit), (100, SLAB, 50, false));
    assert_eq!((first.used_bytes, first.memory_bytes, first.max_bytes), (10 * SLAB, 10 * SLAB, 20 * SLAB));
    assert_eq!(first.to_string(), "50 % of 81920 bytes in use");
    kept.extend((0..8).map(|_| pool.alloc(SLAB)));
    assert_eq!(count(), 1, "not for every slab above the mark");
    // A little below is not below.
    // Two slabs stay attached: nine are in use.
    kept.truncate(7);
    kept.extend((0..6).map(|_| pool.alloc(SLAB)));
    assert_eq!(count(), 1);
    kept.clear();
    kept.extend((0..12).map(|_| pool.alloc(SLAB)));
    assert_eq!(count(), 2);
    assert_eq!(pool.pressure_panics(), 0);
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn what_the_callback_lets_go_is_there_for_the_request() {
    let cache = Arc::<Mutex<Vec<SlabBytesMut>>>::default();
    let calls = Arc::<AtomicUsize>::default();
    let pool = {
        let (cache, calls) = (Arc::clone(&cache), Arc::clone(&calls));
        let callback = move |_: &Pressure| {
            calls.fetch_add(1, SeqCst);
            let old = std::mem::take(&mut *cache.lock().unwrap());
            drop(old);
        };
        builder(4).on_pressure(100, callback).build().unwrap()
    };
    for round in 0..100 {
        let n = if round % 10 == 9 { 2 * SLAB } else { SLAB };
        let buffer = pool.try_alloc(n).unwrap();
        cache.lock().unwrap().push(buffer);
        assert!(pool.stats().memory_bytes <= 4 * SLAB);
    }
    assert!(calls.load(SeqCst) >= 20, "{} calls", calls.load(SeqCst));
    // What can never fit is nobody's business.
    let before = calls.load(SeqCst);
    assert!(pool.try_alloc(4 * SLAB + 1).unwrap_err().is_limit());
    assert_eq!(calls.load(SeqCst), before);
}

#[test]
fn callbacks_that_cannot_help_are_left_alone_for_a_while() {
    let (told, callback) = told();
    let pool = builder(2).on_pressure(100, callback).build().unwrap();
    let all = [pool.alloc(SLAB), pool.alloc(SLAB)];
    let start = std::time::Instant::now();
    let mut failures = 0;
    while start.elapsed() < std::time::Duration::from_millis(50) || failures < 10 {
        assert!(pool.try_alloc(1).unwrap_err().is_limit());
        failures += 1;
    }
    let calls = told.lock().unwrap().len();
    let most = start.elapsed().as_millis() as usize / 50 + 2;
    assert!((1..=most).contains(&calls), "{calls} calls for {failures} failures in {:?}", start.elapsed());
    drop(all);
}

#[test]
fn a_callback_that_allocates_is_not_called_again() {
    let here = Arc::<OnceLock<SlabPool>>::default();
    let (depth, calls) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let pool = {
        let (here, depth, calls) = (Arc::clone(&here), Arc::clone(&depth), Arc::clone(&calls));
        let callback = move |_: &Pressure| {
            assert_eq!(depth.fetch_add(1, SeqCst), 0, "it runs already");
            calls.fetch_add(1, SeqCst);
            let pool = here.get().unwrap();
            // The rest, and one more that fails.
            let more: Vec<_> = std::iter::from_fn(|| pool.try_alloc(SLAB).ok()).collect();
            let elsewhere = pool.clone();
            assert!(std::thread::spawn(move || elsewhere.try_alloc(SLAB).is_err()).join().unwrap());
            assert!(!more.is_empty() || pool.stats().memory_bytes == 10 * SLAB);
            drop(more);
            depth.fetch_sub(1, SeqCst);
        };
        builder(10).on_pressure(50, callback).build().unwrap()
    };
    here.set(pool.clone()).unwrap();
    let kept: Vec<_> = std::iter::from_fn(|| pool.try_alloc(SLAB).ok()).collect();
    assert!(kept.len() >= 8, "{}", kept.len());
    assert!(calls.load(SeqCst) >= 2, "at the mark and at the limit");
    assert_eq!((depth.load(SeqCst), pool.pressure_panics()), (0, 0));
}

#[test]
fn a_callback_that_panics_loses_nothing() {
    let pool = builder(4).on_pressure(50, |_| panic!("a cache with a bug")).build().unwrap();
    let kept: Vec<_> = (0..4).map(|_| pool.try_alloc(SLAB).unwrap()).collect();
    assert_eq!(pool.pressure_panics(), 1);
    assert!(pool.try_alloc(1).unwrap_err().is_limit());
    assert_eq!(pool.pressure_panics(), 2);
    drop(kept);
    assert!(pool.try_alloc(SLAB).is_ok());
}

#[test]
fn marks_are_steps() {
    let (low, at_low) = told();
    let (high, at_high) = told();
    let pool = builder(10).on_pressure(30, at_low).on_pressure(80, at_high).build().unwrap();
    let counts = || (low.lock().unwrap().len(), high.lock().unwrap().len());
    let mut kept = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..10 {
        kept.push(pool.alloc(SLAB));
        seen.push(counts());
    }
    let expected = [(0, 0), (0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 1), (1, 1)];
    assert_eq!(seen, expected);
    assert!(pool.try_alloc(1).is_err());
    assert_eq!(counts(), (2, 2), "both may have something to let go");
}

#[test]
fn what_cannot_be_set() {
    let error = |builder: SlabPoolBuilder| builder.build().unwrap_err();
    assert_eq!(error(builder(1).on_pressure(0, |_| ())).field(), "on_pressure");
    assert_eq!(error(builder(1).on_pressure(101, |_| ())).value(), "101");
    let unlimited = error(SlabPool::builder().on_pressure(80, |_| ()));
    assert_eq!(unlimited.to_string(), "on_pressure is 80 %: it must be used together with max_bytes");
}

#[test]
fn who_would_wait_is_told_of_first() {
    let cache = Arc::<Mutex<Vec<SlabBytesMut>>>::default();
    let emptied = Arc::clone(&cache);
    let pool =
        builder(1).on_pressure(100, move |_| drop(std::mem::take(&mut *emptied.lock().unwrap()))).build().unwrap();
    cache.lock().unwrap().push(pool.alloc(SLAB));
    let mut task = crate::source::Task::new(pool.alloc_async(SLAB));
    assert!(task.poll().unwrap().is_ok(), "it does not have to wait");
}
