//! Reports show what is resident beside what is pinned, and what the memory really is.

use super::support::{PAGE, alone, builder, pinned};
use bufslab::report::{PoolMetrics, write_prometheus_all};
use bufslab::{HugePages, MmapSource, PinReport, Reuse, SlabPool};

const SIZE: usize = 64 * PAGE;

fn prometheus(pool: &SlabPool) -> String {
    let mut page = Vec::new();
    write_prometheus_all(&[PoolMetrics::of(pool)], &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

fn csv(report: &PinReport) -> Vec<String> {
    let mut csv = Vec::new();
    report.write_csv(&mut csv).unwrap();
    let text = String::from_utf8(csv).unwrap();
    text.lines().map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
}

#[test]
fn resident_stands_beside_pinned() {
    let _alone = alone();
    let pool = builder(SIZE).name("tls").build().unwrap();
    let empty = pool.report();
    assert_eq!((empty.totals.resident_bytes, empty.totals.pinned_bytes), (Some(0), 0));
    let slices: Vec<_> = (0..3).map(|slab| pinned(&pool, slab, &[PAGE - 5..PAGE + 5])).collect();
    let before = pool.report();
    assert_eq!((before.totals.resident_bytes, before.totals.pinned_bytes), (Some(3 * SIZE), 3 * SIZE));
    assert_eq!(pool.punch().given_back_bytes, 3 * (SIZE - 2 * PAGE));
    let after = pool.report();
    assert_eq!((after.totals.resident_bytes, after.totals.pinned_bytes), (Some(6 * PAGE), 3 * SIZE));
    assert!(after.slabs.iter().all(|slab| slab.resident_bytes == Some(2 * PAGE)));

    let text = after.to_string();
    assert!(text.contains("memory: mmap, pages of 4096 bytes; resident of the pinned slabs: 24 KiB\n"), "{text}");
    assert!(text.contains("8.0 KiB resident"), "{text}");
    let json = after.to_json();
    assert!(json.contains("\"backing\":{\"kind\":\"mmap\",\"page_size\":4096,\"note\":null}"), "{json}");
    let totals = json.lines().find(|line| line.starts_with("\"totals\"")).unwrap();
    assert!(totals.contains("\"resident_bytes\":24576,"), "{totals}");
    assert_eq!(json.matches("\"resident_bytes\":8192,").count(), 3, "{json}");
    assert_eq!(csv(&after), ["slab_resident_bytes", "8192", "8192", "8192"]);
    assert!(prometheus(&pool).contains("bufslab_resident_bytes{pool=\"tls\"} 24576\n"));
    #[cfg(feature = "json")]
    assert_eq!(PinReport::from_json(json.as_bytes()).unwrap().to_json(), json);
    drop(slices);
}

#[test]
fn of_the_heap_it_is_not_known() {
    let pool = SlabPool::builder().name("heap").slab_size(SIZE).reuse(Reuse::WholeSlab).build().unwrap();
    let slices = pinned(&pool, 1, &[0..20]);
    pool.punch();
    let report = pool.report();
    assert_eq!((report.totals.resident_bytes, report.slabs[0].resident_bytes), (None, None));
    let text = format!("{report:#}");
    let says = "memory: heap; resident of the pinned slabs: not known: memory is not page-backed\n";
    assert!(text.contains(says), "{text}");
    assert!(report.to_json().contains("\"resident_bytes\":null"));
    assert_eq!(csv(&report), ["slab_resident_bytes", ""]);
    assert!(!prometheus(&pool).contains("bufslab_resident_bytes"));
    drop(slices);
}

#[test]
fn pages_that_were_never_used_take_no_memory() {
    let _alone = alone();
    let pool = builder(SIZE).build().unwrap();
    let mut buffer = pool.alloc(SIZE);
    assert_eq!(pool.report().totals.resident_bytes, Some(0));
    buffer.extend_from_slice(&[1; PAGE + 1]);
    assert_eq!(pool.report().totals.resident_bytes, Some(2 * PAGE));
    let filled = builder(SIZE).source(MmapSource::new().prefault(true).dont_dump(true)).build().unwrap();
    let kept = filled.alloc(SIZE);
    assert_eq!(filled.report().totals.resident_bytes, Some(SIZE));
    drop((buffer, kept));
}

#[test]
fn what_was_asked_for_and_what_was_got() {
    let _alone = alone();
    // No huge page fits into such a slab.
    let source = MmapSource::new().huge_pages(HugePages::Transparent);
    let pool = builder(SIZE).source(source.clone()).build().unwrap();
    let kept = pool.alloc(10);
    let says = "transparent huge pages asked for, normal pages used: the size is below 2 MiB";
    let report = pool.report();
    assert_eq!(report.backing.note.as_deref(), Some(says));
    let text = report.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("memory: mmap, pages of 4096 bytes, {says}; resident")), "{text}");
    assert_eq!(source.fallbacks(), 1);
    drop(kept);
}
