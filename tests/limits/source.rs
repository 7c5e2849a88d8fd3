//! A source that keeps its own account, and a task to poll by hand.

use bufslab::{AllocAsync, AllocError, HeapSource, SlabBytesMut, SlabSource};
use std::alloc::Layout;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// Bytes that a source has out, the most there ever were, and whether it has none from now on.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) out: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    pub(crate) fails: AtomicBool,
    pub(crate) panics: AtomicBool,
}

pub(crate) struct Counting(pub(crate) Arc<Account>);

// SAFETY: memory comes from the heap's source or not at all.
unsafe impl SlabSource for Counting {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        assert!(!self.0.panics.load(SeqCst), "the source has a bug");
        if self.0.fails.load(SeqCst) {
            return None;
        }
        let out = self.0.out.fetch_add(layout.size(), SeqCst) + layout.size();
        self.0.peak.fetch_max(out, SeqCst);
        HeapSource.allocate(layout)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { HeapSource.deallocate(memory, layout) }
        self.0.out.fetch_sub(layout.size(), SeqCst);
    }
}

pub(crate) fn counting() -> (Counting, Arc<Account>) {
    let account = Arc::<Account>::default();
    (Counting(Arc::clone(&account)), account)
}

/// Times that a task was woken.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A request, polled by hand.
pub(crate) struct Task {
    future: AllocAsync,
    wakes: Arc<Wakes>,
}

impl Task {
    pub(crate) fn new(future: AllocAsync) -> Task {
        Task { future, wakes: Arc::default() }
    }

    /// Polled once, to wait.
    #[track_caller]
    pub(crate) fn waiting(future: AllocAsync) -> Task {
        let mut task = Task::new(future);
        assert!(task.poll().is_none(), "it does not have to wait");
        task
    }

    pub(crate) fn poll(&mut self) -> Option<Result<SlabBytesMut, AllocError>> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(SeqCst)
    }

    /// What it was woken for.
    #[track_caller]
    pub(crate) fn outcome(&mut self) -> Result<SlabBytesMut, AllocError> {
        assert!(self.wakes() > 0, "nobody woke it");
        self.poll().expect("it was woken in vain")
    }
}
