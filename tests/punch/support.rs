//! What all of these tests use: slabs with slices at given places, and the kernel's own word on what is resident.

use bufslab::{MmapSource, Reuse, SlabBytes, SlabPool, SlabPoolBuilder};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) const PAGE: usize = 4096;

/// Tests that look at the memory of the whole process run one after the other, and with nobody beside them.
pub(super) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    assert_eq!(page_size(), PAGE, "these tests are written for pages of 4 KiB");
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn page_size() -> usize {
    // SAFETY: a question.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// A pool of page-backed slabs, of which each pinned one stays pinned, and each idle one idle.
pub(super) fn builder(slab_size: usize) -> SlabPoolBuilder {
    SlabPool::builder()
        .slab_size(slab_size)
        .reuse(Reuse::WholeSlab)
        .idle_decay(Duration::ZERO)
        .source(MmapSource::new())
}

pub(super) fn pool(slab_size: usize) -> SlabPool {
    builder(slab_size).build().unwrap()
}

/// The byte at this place of slab number `slab`, as tests fill it.
pub(super) fn byte(slab: usize, offset: usize) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 12) ^ slab.wrapping_mul(97)) as u8 | 1
}

/// A slab that is full to the last byte, of which only the slices at `ranges` are left, and that no thread is attached to.
pub(super) fn pinned(pool: &SlabPool, slab: usize, ranges: &[Range<usize>]) -> Vec<SlabBytes> {
    // A thread that ends leaves its slabs to their slices.
    let make = || {
        let size = pool.slab_size();
        let mut read = pool.alloc(size);
        // Piece by piece: a list as long as the slab would stay in the process's memory.
        for start in (0..size).step_by(1000) {
            let piece: [u8; 1000] = std::array::from_fn(|i| byte(slab, start + i));
            read.extend_from_slice(&piece[..(size - start).min(1000)]);
        }
        let read = read.freeze();
        ranges.iter().map(|range| read.slice(range.clone())).collect()
    };
    std::thread::scope(|scope| scope.spawn(make).join().unwrap())
}

/// Checks that the slices of [`pinned`] hold what they held.
pub(super) fn check(slab: usize, ranges: &[Range<usize>], slices: &[SlabBytes]) {
    for (range, slice) in ranges.iter().zip(slices) {
        assert_eq!(slice.len(), range.len());
        for (offset, found) in range.clone().zip(slice.iter()) {
            assert_eq!(*found, byte(slab, offset), "byte {offset} of slab {slab}");
        }
    }
}

/// Which pages of the slab that `slice` begins at `offset` of are in memory, by `mincore`.
pub(super) fn pages_of(slice: &SlabBytes, offset: usize, slab_size: usize) -> Vec<bool> {
    let base = slice.as_ptr().wrapping_sub(offset);
    let mut seen = vec![0u8; slab_size.div_ceil(PAGE)];
    // SAFETY: the slab is mapped as long as the slice lives; there is a byte for each page.
    let failed = unsafe { libc::mincore(base.cast_mut().cast(), slab_size, seen.as_mut_ptr()) };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
    seen.into_iter().map(|flags| flags & 1 != 0).collect()
}

/// Bytes of that slab that are in memory.
pub(super) fn resident(slice: &SlabBytes, offset: usize, slab_size: usize) -> usize {
    pages_of(slice, offset, slab_size).into_iter().filter(|&page| page).count() * PAGE
}

/// One figure of `/proc/self/statm`, in bytes.
fn statm(field: usize) -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(field).unwrap().parse::<usize>().unwrap() * PAGE
}

/// Bytes of the process that are in memory.
pub(super) fn rss() -> usize {
    statm(1)
}

/// Whether the test itself was built with AddressSanitizer, whose shadow memory counts in [`rss`]: it takes terabytes of addresses.
pub(super) fn is_sanitized() -> bool {
    statm(0) > 1 << 40
}

/// Checks that every pinned slab is accounted for once.
pub(super) fn conserved(outcome: &bufslab::Punched) {
    let sum = outcome.punched
        + outcome.dense
        + outcome.attached
        + outcome.moving
        + outcome.untracked
        + outcome.not_page_backed
        + outcome.refused;
    assert_eq!(outcome.pinned_slabs, sum, "{outcome:?}");
}
