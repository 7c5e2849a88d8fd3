//! A source that counts what is out, and fails or panics when it is told to.

use bufslab::{HeapSource, SlabSource};
use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[derive(Default)]
pub(crate) struct Account {
    /// Bytes that are out, and the most there ever were.
    pub(crate) out: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    /// Calls of `allocate`, those that failed included.
    pub(crate) calls: AtomicUsize,
    /// Of every so many calls the last two fail: a pool that is refused tries once more. 0: none does.
    pub(crate) fails_every: AtomicUsize,
    /// So many calls of `deallocate` panic, after they have done their work.
    pub(crate) panics: AtomicUsize,
}

impl Account {
    pub(crate) fn out(&self) -> usize {
        self.out.load(SeqCst)
    }
}

pub(crate) struct Counting(Arc<Account>);

/// A source and its account.
pub(crate) fn counting() -> (Counting, Arc<Account>) {
    let account = Arc::<Account>::default();
    (Counting(Arc::clone(&account)), account)
}

// SAFETY: memory comes from the heap's source or not at all.
unsafe impl SlabSource for Counting {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let call = self.0.calls.fetch_add(1, SeqCst);
        let every = self.0.fails_every.load(SeqCst);
        if every > 0 && call % every + 2 >= every {
            return None;
        }
        let memory = HeapSource.allocate(layout)?;
        let out = self.0.out.fetch_add(layout.size(), SeqCst) + layout.size();
        self.0.peak.fetch_max(out, SeqCst);
        Some(memory)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        assert!(self.0.out.fetch_sub(layout.size(), SeqCst) >= layout.size(), "more came back than was out");
        // SAFETY: as the caller promises.
        unsafe { HeapSource.deallocate(memory, layout) }
        let panics = self.0.panics.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        assert!(panics.is_err(), "the source has a bug");
    }
}
