//! Sources of slab memory that misbehave.

use bufslab::{HeapSource, SlabPool, SlabSource};
use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// What an [`Odd`] source does, and has done.
#[derive(Default)]
pub(crate) struct Account {
    /// Calls of `allocate` so far.
    pub(crate) calls: AtomicU64,
    /// Calls that fail: bit n for the n-th. The last bit is for all that follow.
    pub(crate) fails: AtomicU64,
    /// The same for calls that panic.
    pub(crate) panics: AtomicU64,
    /// Every how many calls one fails or panics; 0 for none.
    pub(crate) fails_every: AtomicU64,
    pub(crate) panics_every: AtomicU64,
    /// Whether memory that comes back is out for a while longer.
    pub(crate) slow: AtomicBool,
    /// Bytes that are out, and the most there ever were.
    pub(crate) out: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    /// A pool that the source takes a buffer from, and what it took.
    pub(crate) calls_back: Mutex<Option<SlabPool>>,
    pub(crate) taken: Mutex<Vec<bufslab::SlabBytesMut>>,
}

/// The heap, after it has done what its account says.
pub(crate) struct Odd(pub(crate) Arc<Account>);

// SAFETY: memory comes from the heap's source or not at all.
unsafe impl SlabSource for Odd {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let number = self.0.calls.fetch_add(1, SeqCst);
        let call = number.min(63);
        let is_nth =
            |every: &AtomicU64| every.load(SeqCst).checked_sub(1).is_some_and(|rest| number % (rest + 1) == rest);
        let is_set = |bits: &AtomicU64| bits.load(SeqCst) >> call & 1 == 1;
        let pool = self.0.calls_back.lock().unwrap().clone();
        if let Some(pool) = pool.filter(|_| call < 2) {
            let buffer = pool.alloc(16);
            self.0.taken.lock().unwrap().push(buffer);
        }
        assert!(!is_set(&self.0.panics) && !is_nth(&self.0.panics_every), "the source has a bug");
        if is_set(&self.0.fails) || is_nth(&self.0.fails_every) {
            return None;
        }
        // Counted before the memory is there, and until after it is gone: what is out is never less than this says.
        let out = self.0.out.fetch_add(layout.size(), SeqCst) + layout.size();
        self.0.peak.fetch_max(out, SeqCst);
        HeapSource.allocate(layout)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { HeapSource.deallocate(memory, layout) }
        if self.0.slow.load(SeqCst) {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        assert!(self.0.out.fetch_sub(layout.size(), SeqCst) >= layout.size(), "more came back than was out");
    }
}

/// A source and its account.
pub(crate) fn odd() -> (Odd, Arc<Account>) {
    let account = Arc::<Account>::default();
    (Odd(Arc::clone(&account)), account)
}
