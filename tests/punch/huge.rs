//! Huge pages: what was asked for, what was got, and punching in between.

use super::support::{PAGE, alone, builder, check, pinned, resident};
use bufslab::{HugePages, MmapSource};

const HUGE: usize = 2 << 20;
const SIZE: usize = 2 * HUGE;

/// Bytes of huge pages in the mapping at this address, from `/proc/self/smaps`.
fn anonymous_huge(at: usize) -> usize {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in smaps.lines() {
        if let Some((range, _)) = line.split_once(' ') {
            if let Some((start, end)) = range.split_once('-') {
                if let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) {
                    inside = (start..end).contains(&at);
                }
            }
        }
        if let Some(figure) = line.strip_prefix("AnonHugePages:").filter(|_| inside) {
            return figure.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10;
        }
    }
    0
}

fn asked(huge: HugePages) -> (usize, MmapSource) {
    let source = MmapSource::new().huge_pages(huge);
    let pool = builder(SIZE).source(source.clone()).build().unwrap();
    let ranges = [HUGE + 5 * PAGE..HUGE + 5 * PAGE + 20];
    let slices = pinned(&pool, 1, &ranges);
    let base = slices[0].as_ptr().addr() - ranges[0].start;
    let before = anonymous_huge(base);
    println!("{huge:?}: {}; AnonHugePages {} KiB", pool.report().backing, before >> 10);
    let outcome = pool.punch();
    println!("{huge:?}: {outcome}; AnonHugePages {} KiB", anonymous_huge(base) >> 10);
    check(1, &ranges, &slices);
    let explicit = source.huge_page_use().explicit > 0;
    if explicit {
        assert_eq!((outcome.not_page_backed, outcome.punched), (1, 0));
    } else {
        assert_eq!(outcome.given_back_bytes, SIZE - PAGE);
        assert_eq!(resident(&slices[0], ranges[0].start, SIZE), PAGE);
    }
    drop(slices);
    let whole = &[0..SIZE];
    check(2, whole, &pinned(&pool, 2, whole));
    (base, source)
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn normal_pages_unless_asked() {
    let _alone = alone();
    let (_, source) = asked(HugePages::No);
    let used = source.huge_page_use();
    assert_eq!((used.normal, used.transparent, used.explicit, used.fallbacks()), (1, 0, 0, 0));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn transparent_huge_pages_or_a_reason() {
    let _alone = alone();
    let (base, source) = asked(HugePages::Transparent);
    let used = source.huge_page_use();
    assert_eq!(used.transparent + used.normal, 1);
    if used.transparent == 1 {
        assert_eq!((base % HUGE, used.fallbacks(), used.refusal), (0, 0, None));
    } else {
        assert!(used.fallbacks() == 1 && used.refusal.is_some());
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn explicit_huge_pages_or_a_reason() {
    let _alone = alone();
    let (_, source) = asked(HugePages::Explicit);
    let used = source.huge_page_use();
    assert_eq!(used.explicit + used.transparent + used.normal, 1);
    assert_eq!(used.fallbacks(), 1 - used.explicit);
    assert_eq!(used.refusal.is_some(), used.explicit == 0);
}

#[test]
fn slabs_that_no_huge_page_fits_in_say_so() {
    for (huge, size, why) in [
        (HugePages::Transparent, 64 * 1024, "the size is below 2 MiB"),
        (HugePages::Explicit, 3 << 20, "the size is no multiple of 2 MiB"),
    ] {
        let source = MmapSource::new().huge_pages(huge);
        let mapping = source.map(size).unwrap();
        assert_eq!(mapping.len(), size);
        let used = source.huge_page_use();
        assert_eq!((used.fallbacks(), used.refusal.as_deref()), (1, Some(why)));
        println!("{used}");
    }
}
