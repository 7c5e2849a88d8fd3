//! Writing a report takes a few MiB, however large the report is and however many names are in it. By a global allocator that
//! knows how much is allocated. `cargo test --release --all-features --test output_memory -- --nocapture` prints figures for
//! 100,000 slabs with a million slices.
#![cfg(not(miri))]
#![allow(missing_docs)]

use bufslab::report::Format;
use bufslab::{PinReport, SlabBytes, SlabPool, Tag};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

struct Metering;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = ALLOCATED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call is handed on unchanged; `realloc` and `alloc_zeroed` are the provided ones, which come here.
unsafe impl GlobalAlloc for Metering {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller promises, here and below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Metering = Metering;

const SLABS: usize = if cfg!(debug_assertions) { 4_000 } else { 100_000 };
const SLAB: usize = 256;
const SLICES_OF_EACH: usize = 10;

/// Every writer listed here holds to this, whatever the report.
const BOUND: usize = 16 << 20;

/// A pool with ten slices on each slab, charged to `scopes` scopes, with `tags` tags.
fn pool(scopes: usize, tags: usize) -> (SlabPool, Vec<SlabBytes>) {
    let pool = SlabPool::builder().name("tls").slab_size(SLAB).build().unwrap();
    let tags: Vec<Tag> = (0..tags).map(|n| Tag::new(&format!("tag {n}"))).collect();
    let mut kept = Vec::with_capacity(SLABS * SLICES_OF_EACH);
    for n in 0..SLABS {
        let _inside = pool.scope("ws_session", (n % scopes) as u64);
        let mut read = pool.alloc(SLAB);
        read.resize(SLAB, 0);
        let read = read.freeze();
        for at in 0..SLICES_OF_EACH {
            kept.push(read.slice(at * 20..at * 20 + 20).tag(tags[(n * 7 + at) % tags.len()]));
        }
    }
    (pool, kept)
}

/// Counts what it is given.
#[derive(Debug)]
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes `report` and says how much more memory that took at its height.
fn extra_memory(format: Format, report: &PinReport) -> usize {
    let before = ALLOCATED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let start = Instant::now();
    let mut out = io::BufWriter::new(Counter(0));
    report.write_as(format, &mut out).unwrap();
    let written = out.into_inner().unwrap().0;
    let took = start.elapsed();
    let extra = PEAK.load(Ordering::Relaxed) - before;
    println!(
        "{format:>12}: {:>6} ms, {:>9} KiB written, {:>6} KiB of memory",
        took.as_millis(),
        written / 1024,
        extra / 1024
    );
    extra
}

// One test: other threads would be metered, too.
#[test]
fn writing_takes_little_memory() {
    for (scopes, tags) in [(1_000, 20), (SLABS, 20_000)] {
        let before = ALLOCATED.load(Ordering::Relaxed);
        let (pool, kept) = pool(scopes, tags);
        let of_pool = ALLOCATED.load(Ordering::Relaxed) - before;
        let start = Instant::now();
        let report = pool.report();
        println!(
            "{SLABS} slabs, {} slices, {scopes} scopes, {tags} tags: pool {} MiB, report {} ms",
            kept.len(),
            of_pool >> 20,
            start.elapsed().as_millis()
        );
        assert_eq!(report.totals.slices, SLABS * SLICES_OF_EACH);
        // The others have tables of their own, and tests of their own.
        let mut forms = vec![Format::Json, Format::Csv, Format::Folded];
        #[cfg(feature = "pprof")]
        forms.push(Format::Pprof);
        for format in forms {
            let extra = extra_memory(format, &report);
            assert!(extra < BOUND, "{format} took {extra} bytes");
        }
    }
}
