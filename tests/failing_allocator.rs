//! A global allocator that fails: slab memory, the ledger's own memory and the copies of `compact` all come from it unless
//! a pool is told otherwise.

#![allow(missing_docs)]

use bufslab::{BufMut, CompactPolicy, Level, SlabBytes, SlabPool};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// Which requests of this thread fail.
#[derive(Clone, Copy, PartialEq)]
enum Failing {
    Nothing,
    /// Those of at least so many bytes.
    AtLeast(usize),
    /// Those aligned to at least so many bytes, as slots and slab headers are.
    Aligned(usize),
}

thread_local! {
    // No destructor, so that it can be read at any time.
    static FAILING: Cell<Failing> = const { Cell::new(Failing::Nothing) };
    static FAILED: Cell<u64> = const { Cell::new(0) };
}

struct Moody;

// SAFETY: every call is handed on unchanged, or answered with null, which is allowed at any time.
unsafe impl GlobalAlloc for Moody {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let fails = match FAILING.with(Cell::get) {
            Failing::Nothing => false,
            Failing::AtLeast(size) => layout.size() >= size,
            Failing::Aligned(align) => layout.align() >= align,
        };
        if fails {
            FAILED.with(|failed| failed.set(failed.get() + 1));
            return ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Moody = Moody;

/// Runs `f` while the allocator fails. It must have failed at least once.
fn while_failing<R>(which: Failing, f: impl FnOnce() -> R) -> R {
    let before = FAILED.with(Cell::get);
    FAILING.with(|failing| failing.set(which));
    let result = f();
    FAILING.with(|failing| failing.set(Failing::Nothing));
    assert!(FAILED.with(Cell::get) > before, "nothing was asked for that fails");
    result
}

const SLAB: usize = 4096;

fn frozen(pool: &SlabPool, n: usize) -> SlabBytes {
    let mut buffer = pool.alloc(n);
    buffer.put_bytes(n as u8, n);
    buffer.freeze()
}

#[test]
fn no_memory_for_slabs_and_copies() {
    let pool = SlabPool::builder().slab_size(SLAB).idle_bytes(0).build().unwrap();
    let kept = frozen(&pool, 3000);
    let mut buffer = pool.alloc(1000);
    buffer.put_bytes(1, 1000);
    let before = pool.stats();
    let kept = while_failing(Failing::AtLeast(2000), || {
        for n in [3000, SLAB, SLAB + 1, 100_000] {
            let error = pool.try_alloc(n).unwrap_err();
            assert!(error.is_out_of_memory() && error.requested() == n && error.limit().is_none());
        }
        assert!(buffer.try_reserve(3000).unwrap_err().is_out_of_memory());
        assert!(!buffer.try_reclaim(3000));
        let (error, kept) = kept.try_compact().unwrap_err();
        assert!(error.is_out_of_memory() && error.requested() == 3000);
        kept
    });
    assert_eq!((&kept[..], &buffer[..]), (&[3000_usize as u8; 3000][..], &[1; 1000][..]));
    let after = pool.stats();
    assert_eq!((after.memory_bytes, after.handles), (before.memory_bytes, before.handles), "nothing is lost");
    buffer.reserve(3000);
    assert!(kept.compact().is_compact());
    assert_eq!(pool.try_alloc(100_000).unwrap().capacity(), 100_000);
}

#[test]
fn no_memory_for_slots() {
    for level in [Level::Counters, Level::Sites] {
        let pool = SlabPool::builder().slab_size(SLAB).tracking(level).build().unwrap();
        let slice = frozen(&pool, 100);
        let size = if cfg!(bufslab_one_each) { 100 } else { SLAB };
        let mut clones: Vec<SlabBytes> = Vec::with_capacity(1000);
        let ledger_bytes = pool.stats().ledger_bytes;
        while_failing(Failing::Aligned(1024), || {
            clones.extend((0..100).map(|i| slice.slice(i / 2..)));
        });
        let totals = pool.report().totals;
        assert_eq!(totals.ledger_bytes, ledger_bytes, "what was refused is not charged");
        assert_eq!((totals.slices + totals.untracked, totals.in_motion), (101, 0));
        assert!(totals.slices >= 30, "what slots there are, are used");
        assert!(totals.untracked > 0);
        assert_eq!(pool.stats().handles, 101);
        // Now there is memory: the next ones are listed, whatever came before.
        clones.extend((0..100).map(|i| slice.slice(i / 2..)));
        assert_eq!(pool.report().totals.untracked, totals.untracked);
        // A handle that nothing lists is a handle all the same: so is what is made of it, here and elsewhere.
        let last = clones.remove(99);
        assert_eq!(last.tag_name(), None);
        let last = last.tag("not to be had");
        assert_eq!((last.tag_name(), last.is_unique(), last.retained_size()), (None, false, size));
        let last = std::thread::spawn(move || last.slice(1..11)).join().unwrap();
        assert_eq!(last[..], [100; 10]);
        drop((slice, clones));
        assert_eq!(pool.stats().pinned_bytes, size);
        drop(last);
        assert_eq!((pool.stats().handles, pool.stats().pinned_bytes), (0, 0));
    }
}

#[test]
fn no_memory_for_the_slots_of_a_guest() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let slice = frozen(&pool, 100);
    let sent = slice.clone();
    let guest = std::thread::spawn(move || while_failing(Failing::Aligned(1024), || (sent.clone(), sent.slice(5..))));
    let (clone, part) = guest.join().unwrap();
    assert_eq!((clone[..].len(), part.len(), pool.report().totals.untracked), (100, 95, 2));
    drop((clone, part));
    let totals = pool.report().totals;
    assert_eq!((totals.slices, totals.untracked), (1, 0));
    drop(slice);
    assert_eq!(pool.stats().pinned_bytes, 0);
}

#[test]
fn no_memory_for_a_slabs_header() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let kept = frozen(&pool, SLAB);
    let before = pool.stats();
    // Headers have cache lines of their own, and slabs one at least; slots ask for more, and are not reached.
    while_failing(Failing::Aligned(64), || {
        for n in [100, SLAB, SLAB + 1] {
            let error = pool.try_alloc(n).unwrap_err();
            assert!(error.is_out_of_memory() && error.requested() == n);
        }
    });
    let after = pool.stats();
    assert_eq!((after.memory_bytes, after.ledger_bytes), (before.memory_bytes, before.ledger_bytes));
    assert_eq!((pool.alloc(100).capacity(), kept[0]), (100, SLAB as u8));
}

/// Fills six slabs and drops them: two stay attached, and the others have to be kept somewhere or given back.
fn four_to_keep(pool: &SlabPool) -> Vec<SlabBytes> {
    (0..6).map(|_| frozen(pool, SLAB)).collect()
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn no_memory_to_note_down_what_is_idle() {
    // Nothing at all; nothing for a thread's magazine; nothing for the magazine's list and all else of its size.
    for (which, kept) in [(Failing::AtLeast(1), 0), (Failing::Aligned(128), 4), (Failing::AtLeast(64), 0)] {
        let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
        let slices = four_to_keep(&pool);
        while_failing(which, || drop(slices));
        let stats = pool.stats();
        assert_eq!((stats.idle_bytes, stats.memory_bytes), (kept * SLAB, (2 + kept) * SLAB), "{stats:?}");
        assert_eq!((stats.handles, stats.slabs_recycled), (0, 4));
        // With memory it works on, and with a magazine.
        drop(four_to_keep(&pool));
        assert_eq!(pool.stats().idle_bytes, 4 * SLAB);
        assert_eq!((pool.trim().bytes, pool.stats().memory_bytes), (4 * SLAB, 2 * SLAB));
    }
}

thread_local! {
    static LAST: std::cell::RefCell<Option<AtDeath>> = const { std::cell::RefCell::new(None) };
}

/// The allocator fails this thread from here to its end.
struct AtDeath;

impl Drop for AtDeath {
    fn drop(&mut self) {
        FAILING.with(|failing| failing.set(Failing::AtLeast(1)));
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: no slab is ever idle")]
fn no_memory_for_what_a_dying_thread_leaves() {
    // Locals are destroyed in the order of their first use or in the reverse: in one of the two, the allocator fails by the
    // time the pool's are.
    let mut kept = [false, true].map(|first| {
        let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
        let used = pool.clone();
        let dies = std::thread::spawn(move || {
            let at_death = || LAST.with(|last| *last.borrow_mut() = Some(AtDeath));
            if first {
                at_death();
            }
            drop(four_to_keep(&used));
            assert_eq!(used.stats().idle_bytes, 4 * SLAB);
            if !first {
                at_death();
            }
        });
        dies.join().unwrap();
        let stats = pool.stats();
        assert_eq!(stats.memory_bytes, stats.idle_bytes, "nothing is lost: {stats:?}");
        assert_eq!(pool.trim().bytes, stats.idle_bytes);
        assert_eq!(pool.stats().memory_bytes, 0);
        stats.idle_bytes / SLAB
    });
    kept.sort_unstable();
    assert_eq!(kept, [0, 6], "without memory it is given back, with memory it is kept for others");
}

#[test]
fn no_memory_for_parking_and_moving() {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let policy = CompactPolicy::new().older_than(std::time::Duration::ZERO).below_percent(100);
    let retire = || drop([(); 3].map(|()| frozen(&pool, SLAB)));
    // No berth: it stays where it is for good, and is as good as any slice.
    let stays = frozen(&pool, 1000);
    let stays = while_failing(Failing::AtLeast(500), || stays.park("stays"));
    retire();
    assert_eq!((pool.compact(&policy).left(), stays.is_moved()), (0, false));
    assert!(stays.read(|bytes| bytes == [1000_usize as u8; 1000]));
    drop(stays);
    assert_eq!(pool.stats().pinned_bytes, 0);

    // No copy: both are left, and neither was copied in vain.
    let two = frozen(&pool, 3000);
    let (short, long) = (two.slice(..20).park("short"), two.slice(100..1600).park("long"));
    drop(two);
    retire();
    let did = while_failing(Failing::AtLeast(1500), || pool.compact(&policy));
    assert_eq!((did.left_no_memory, did.copied_bytes, did.complete), (2, 0, true), "{did}");
    let did = while_failing(Failing::AtLeast(1500), || pool.compact(&policy.pack(true)));
    assert!(did.left_no_memory == 2 || did.slices == 0, "{did}");
    assert!(!while_failing(Failing::AtLeast(1), || pool.compact(&policy)).complete);
    assert!(!short.is_moved() && !long.is_moved());
    let did = pool.compact(&policy);
    assert_eq!((did.slices, did.copied_bytes, did.freed_slabs), (2, 1520, 1), "{did}");
    assert!(
        short.read(|bytes| bytes == [3000_usize as u8; 20]) && long.read(|bytes| bytes == [3000_usize as u8; 1500])
    );
}

#[test]
fn a_recording_that_gets_no_memory_ends_by_itself() {
    let pool = SlabPool::builder().slab_size(4096).build().unwrap();
    drop(pool.alloc(10));
    let recording = pool.record(bufslab::RecordOptions::new()).unwrap();
    // More than a slab, a header or slots.
    let buffer = while_failing(Failing::AtLeast(60_000), || pool.alloc(10));
    assert!(recording.is_full());
    drop(buffer);
    let trace = recording.stop();
    assert!(trace.is_cut_short && trace.steps.is_empty());
    assert_eq!(trace.check().map_err(|error| error.to_string()), Ok(()));
    drop(pool.alloc(10));
}
