use std::io;

use bufslab::report::{METRICS, MetricKind, PoolMetrics, write_prometheus_all};
use bufslab::{Auto, PinReport, Reuse, SlabBytes, SlabPool};

use crate::parse::{Page, page};
use crate::{pin, pool};

fn exposition(pools: &[&SlabPool]) -> String {
    let metrics: Vec<PoolMetrics> = pools.iter().map(|pool| PoolMetrics::of(pool)).collect();
    let mut out = Vec::new();
    write_prometheus_all(&metrics, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn of_report(report: &PinReport) -> Page {
    let mut out = Vec::new();
    report.write_prometheus(&mut out).unwrap();
    page(&String::from_utf8(out).unwrap())
}

#[test]
fn the_figures_are_those_of_the_report() {
    let pool = SlabPool::builder().name("tls").slab_size(4096).max_bytes(1 << 20).build().unwrap();
    let kept: Vec<SlabBytes> = (0..5).map(|n| pin(&pool, "req.head", 20 + n)).collect();
    let exported = bytes::Bytes::from(kept[0].slice(..).tag("sent"));
    let writable = pool.alloc(100);
    let (report, stats) = (pool.report(), pool.stats());
    let (mut out, metrics) = (Vec::new(), PoolMetrics::with_stats(&report, &stats));
    write_prometheus_all(&[metrics], &mut out).unwrap();
    let page = page(&String::from_utf8(out).unwrap());

    let t = &report.totals;
    for (name, figure) in [
        ("bufslab_memory_bytes", t.memory_bytes),
        ("bufslab_pinned_bytes", t.pinned_bytes),
        ("bufslab_live_bytes", t.live_bytes),
        ("bufslab_waste_bytes", t.waste_bytes),
        ("bufslab_reclaimable_bytes", t.reclaimable_bytes),
        ("bufslab_attached_bytes", t.attached_bytes),
        ("bufslab_unlisted_bytes", t.unlisted_bytes),
        ("bufslab_writable_bytes", t.writable_bytes),
        ("bufslab_foreign_bytes", t.foreign_bytes),
        ("bufslab_idle_bytes", t.idle_bytes),
        ("bufslab_slab_size_bytes", 4096),
        ("bufslab_max_bytes", 1 << 20),
        ("bufslab_ledger_bytes", t.ledger_bytes),
        ("bufslab_pinned_slabs", t.slabs),
        ("bufslab_suspect_slabs", 0),
        ("bufslab_slices", t.slices),
        ("bufslab_exported_slices", t.exported),
        ("bufslab_untracked_handles", 0),
        ("bufslab_in_motion_handles", 0),
        ("bufslab_slabs_taken_total", stats.slabs_taken as usize),
        ("bufslab_slabs_reused_total", stats.slabs_reused as usize),
        ("bufslab_slabs_reused_in_place_total", stats.slabs_reused_in_place as usize),
        ("bufslab_slabs_reused_around_total", stats.slabs_reused_around as usize),
        ("bufslab_slabs_recycled_total", stats.slabs_recycled as usize),
        ("bufslab_slab_size_moves_total", stats.slab_size_moves as usize),
    ] {
        assert_eq!(page.get(name, &[("pool", "tls")]), Some(figure as f64), "{name}");
    }
    assert!(t.reclaimable_bytes > 0 && (t.attached_bytes > 0) != cfg!(bufslab_one_each));
    assert!(t.slabs >= 5 && stats.slabs_taken >= 5, "{report}");
    assert_eq!(page.get("bufslab_names_bytes", &[]), Some(t.names_bytes as f64), "one of the process has no pool");
    let head = report.blame_of_tag("req.head").unwrap();
    let of_head = |name: &str| page.get(name, &[("pool", "tls"), ("tag", "req.head")]);
    assert_eq!(of_head("bufslab_tag_pinned_bytes"), Some(head.amortised_bytes as f64));
    assert_eq!(of_head("bufslab_tag_exclusive_bytes"), Some(head.exclusive_bytes as f64));
    assert_eq!(of_head("bufslab_tag_slices"), Some(5.0));
    // Of memory from the heap nobody knows what is resident.
    assert!(!page.families.contains_key("bufslab_resident_bytes"));
    assert_eq!(page.families.len(), METRICS.len() - 1, "all others are there, and none else");
    drop((kept, exported, writable));
}

#[test]
fn a_report_alone_knows_no_counters() {
    let pool = pool("alone", 4096);
    let page = of_report(&pool.report());
    let counters = METRICS.iter().filter(|metric| metric.kind() == MetricKind::Counter);
    assert!(counters.clone().count() > 0);
    for metric in counters {
        assert!(!page.families.contains_key(metric.name()), "{}", metric.name());
    }
    assert!(!page.families.contains_key("bufslab_max_bytes"));
    assert_eq!(page.get("bufslab_oldest_pin_seconds", &[("pool", "alone")]), Some(0.0));
    assert_eq!(page.get("bufslab_pin_age_seconds_count", &[("pool", "alone")]), Some(0.0));
}

#[test]
fn every_pool_has_its_series_under_one_head() {
    let pools = [pool("a", 4096), pool("b", 8192), pool("b", 1024), pool("b#2", 512), pool("", 256)];
    let kept: Vec<SlabBytes> = pools.iter().map(|pool| pin(pool, "kept", 1)).collect();
    let page = page(&exposition(&pools.iter().collect::<Vec<_>>()));
    let sizes = page.by("bufslab_pinned_bytes", "pool");
    let expected = [("\"\"", 256.0), ("a", 4096.0), ("b", 8192.0), ("b#2", 1024.0), ("b#2#2", 512.0)];
    assert_eq!(sizes, expected.map(|(name, size)| (name.to_owned(), size)));
    drop(kept);
}

#[test]
fn many_tags_become_few_series_that_add_up() {
    let pool = pool("crowd", 1024);
    let kept: Vec<SlabBytes> = (0..300).map(|n| pin(&pool, &format!("tag {}", n % 100), 1 + n)).collect();
    let report = pool.report();
    let page = of_report(&report);
    let shares = page.by("bufslab_tag_pinned_bytes", "tag");
    assert_eq!(shares.len(), 21);
    assert_eq!(shares.iter().map(|(_, share)| share).sum::<f64>(), report.totals.pinned_bytes as f64);
    for blame in &report.by_tag[..20] {
        let bufslab::report::Holder::Tag(tag) = blame.holder else { panic!("{blame:?}") };
        assert!(shares.contains(&(tag.name().to_owned(), blame.amortised_bytes as f64)), "{blame:?}");
    }
    let slices = page.by("bufslab_tag_slices", "tag");
    assert_eq!(slices.iter().map(|(_, slices)| slices).sum::<f64>(), 300.0);
    assert!(slices.contains(&("(other)".to_owned(), 240.0)), "{slices:?}");
    let kinds = page.by("bufslab_scope_kind_pinned_bytes", "scope_kind");
    assert_eq!(kinds, [("(no scope)".to_owned(), report.totals.pinned_bytes as f64)]);
    drop(kept);
}

#[test]
fn a_pool_has_a_bounded_number_of_series() {
    let pool = SlabPool::builder().name("crowd").slab_size(512).max_bytes(1 << 20).build().unwrap();
    let kept: Vec<SlabBytes> = (0..200)
        .map(|n| {
            let _scope = pool.scope(format!("kind {}", n % 50).as_str(), n);
            pin(&pool, &format!("tag {n}"), 1)
        })
        .collect();
    // As the chapter on fleets says.
    let series = page(&exposition(&[&pool, &pool])).series.len();
    assert_eq!(series, 357);
    drop(kept);
}

#[test]
fn all_scopes_of_a_kind_are_one_series() {
    let pool = pool("scoped", 1024);
    let mut kept = vec![pin(&pool, "kept", 10)];
    for (kind, id) in [("ws_session", 1), ("ws_session", 2), ("(no scope)", 3)] {
        let _scope = pool.scope(kind, id);
        kept.push(pin(&pool, "kept", 10));
    }
    let page = of_report(&pool.report());
    let expected = [("\"(no scope)\"", 1.0), ("(no scope)", 1.0), ("ws_session", 2.0)];
    for (name, each) in
        [("scope_kind_slices", 1.0), ("scope_kind_pinned_bytes", 1024.0), ("scope_kind_exclusive_bytes", 1024.0)]
    {
        let kinds = page.by(&format!("bufslab_{name}"), "scope_kind");
        assert_eq!(kinds, expected.map(|(kind, times)| (kind.to_owned(), times * each)), "{name}");
    }
    drop(kept);
}

#[test]
fn histograms_count_every_slice_and_slab_once() {
    let pool = pool("spread", 1000);
    let kept: Vec<SlabBytes> = [1, 10, 50, 51, 500, 999, 1000].map(|kept| pin(&pool, "kept", kept)).into();
    std::thread::sleep(std::time::Duration::from_millis(150));
    let report = pool.report();
    let page = of_report(&report);
    let ages: Vec<f64> = report
        .slabs
        .iter()
        .flat_map(|slab| &slab.slices)
        .map(|slice| slice.age.max().as_millis() as f64 / 1000.0)
        .collect();
    let occupancies: Vec<f64> = report.slabs.iter().map(|slab| slab.live_bytes as f64 / slab.size as f64).collect();
    for (name, observed) in [("bufslab_pin_age_seconds", &ages), ("bufslab_slab_occupancy_ratio", &occupancies)] {
        let of_pool = |suffix: &str| page.get(&format!("{name}{suffix}"), &[("pool", "spread")]);
        assert_eq!(of_pool("_count"), Some(observed.len() as f64));
        let sum: f64 = observed.iter().sum();
        assert!((of_pool("_sum").unwrap() - sum).abs() < 1e-9 * sum);
        let buckets = page.by(&format!("{name}_bucket"), "le");
        assert!(buckets.len() > 5);
        for (bound, count) in buckets {
            let limit: f64 = bound.parse().unwrap();
            assert!(bound == "+Inf" || bound.contains('.'), "not as OpenMetrics writes it: {bound}");
            let below = observed.iter().filter(|&&observed| observed <= limit).count();
            assert_eq!(count, below as f64, "{name} up to {bound}");
        }
    }
    let occupied = |bound: &str| page.get("bufslab_slab_occupancy_ratio_bucket", &[("pool", "spread"), ("le", bound)]);
    assert_eq!((occupied("0.001"), occupied("0.01"), occupied("0.05")), (Some(1.0), Some(2.0), Some(3.0)));
    let oldest = page.get("bufslab_oldest_pin_seconds", &[("pool", "spread")]).unwrap();
    assert_eq!(oldest, ages.iter().copied().fold(0.0, f64::max));
    assert!((0.14..60.0).contains(&oldest), "{oldest}");
    drop(kept);
}

#[test]
fn no_name_can_upset_a_reader_or_pass_for_another() {
    let hostile = [
        "plain",
        "back\\slash",
        "quo\"te",
        "line\nfeed",
        "line\\nfeed",
        "nul\0",
        "bell\u{7}\r",
        "\u{85}",
        "",
        "\"\"",
        "(untagged)",
        "\"(untagged)\"",
        "(other)",
        "} 1\nbufslab_pinned_bytes{pool=\"x\"",
        "日本 \u{202e}",
    ];
    let pool = pool("a\"b\\c\nd", 64);
    let mut kept: Vec<SlabBytes> = hostile.iter().map(|tag| pin(&pool, tag, 1)).collect();
    let mut untagged = pool.alloc(64);
    untagged.resize(64, 0);
    kept.push(untagged.freeze().slice(..1));
    let report = pool.report();
    let page = of_report(&report);
    let shares = page.by("bufslab_tag_pinned_bytes", "tag");
    assert_eq!(shares.len(), hostile.len() + 1, "{shares:?}");
    assert!(shares.iter().all(|(_, share)| *share == 64.0), "{shares:?}");
    for (tag, label) in [
        ("plain", "plain"),
        ("back\\slash", "back\\slash"),
        ("quo\"te", "quo\"te"),
        ("line\nfeed", "\"line\\nfeed\""),
        ("nul\0", "\"nul\\0\""),
        ("", "\"\""),
        ("(untagged)", "\"(untagged)\""),
        ("no tag at all", "(untagged)"),
        ("(other)", "(other)"),
    ] {
        assert!(shares.iter().any(|(of, _)| of == label), "{tag:?} is not shown as {label:?}: {shares:?}");
    }
    assert!(page.series.keys().all(|(_, labels)| labels.get("pool").is_none_or(|pool| pool == "\"a\\\"b\\\\c\\nd\"")));
    drop(kept);
}

#[test]
fn the_first_error_ends_the_writing() {
    /// Takes some bytes, then refuses.
    struct Full(usize);

    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(self.0 != usize::MAX, "written to after an error");
            let Some(left) = self.0.checked_sub(bytes.len()) else {
                self.0 = usize::MAX;
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            };
            self.0 = left;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let report = pool("full", 64).report();
    for room in [0, 1, 100, 2000] {
        let error = report.write_prometheus(&mut Full(room)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn the_settings_in_effect_are_the_labels_of_one_series() {
    let build = |name: &str| SlabPool::builder().name(name).slab_size(Auto.between(1024, 4096)).max_bytes(1 << 20);
    let (pool, other) = (build("a").build().unwrap(), build("b").reuse(Reuse::WholeSlab).build().unwrap());
    pool.set_slab_size(2048).unwrap();
    let page = page(&exposition(&[&pool, &other]));
    let info = |label: &str| page.by("bufslab_config_info", label);
    assert_eq!(info("pool"), [("a".to_owned(), 1.0), ("b".to_owned(), 1.0)]);
    assert_eq!(info("slab_size"), [("2KiB".to_owned(), 1.0), ("auto:1KiB..4KiB".to_owned(), 1.0)]);
    assert_eq!(info("reuse"), [("around".to_owned(), 1.0), ("whole".to_owned(), 1.0)]);
    assert_eq!(info("max_ledger_bytes")[0].0, "none");
}
