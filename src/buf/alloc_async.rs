//! Buffers from a pool at its limit, for who can wait.

use super::SlabBytesMut;
use crate::error::AllocError;
use crate::pool::{SlabPool, Ticket};
use crate::raw::Label;
use core::fmt;
use core::future::Future;
use core::panic::Location;
use core::pin::Pin;
use core::task::{Context, Poll};

impl SlabPool {
    /// As [`try_alloc`](SlabPool::try_alloc), but where the pool's `max_bytes` stands in the way it waits until slabs come back.
    ///
    /// Needs no runtime: any executor will do. Those who wait are served in the order they came; while somebody waits,
    /// `try_alloc` fails rather than come between. A future that is dropped gives its place up, and what was already cut for it to
    /// the next. [`docs::limits`](crate::docs::limits) says what a slab that comes back is, and what is not.
    ///
    /// # Errors
    ///
    /// At once if the request can never fit (more than `max_bytes`), or the memory's source has none, or the scope is over its quota;
    /// when the pool is closed, also to those who wait.
    ///
    /// ```
    /// # use std::future::Future;
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).max_bytes(4096).build()?;
    /// let all = pool.alloc(4096);
    /// let mut more = pin!(pool.alloc_async(1500));
    /// let mut context = Context::from_waker(Waker::noop()); // an executor's
    /// assert!(more.as_mut().poll(&mut context).is_pending());
    /// drop(all); // on whatever thread: `more` is woken
    /// let Poll::Ready(more) = more.poll(&mut context) else { unreachable!() };
    /// assert_eq!(more.unwrap().capacity(), 1500);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[track_caller]
    pub fn alloc_async(&self, n: usize) -> AllocAsync {
        let label = Label { site: Location::caller(), tag: 0 };
        AllocAsync { pool: self.clone(), n, label, state: State::New }
    }

    /// Requests that wait for memory.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core().ledger().wanted() as usize
    }

    /// Looks for memory for those who wait in [`alloc_async`](SlabPool::alloc_async), beyond the slabs that come back: in slabs that are
    /// pinned, but have lost most of their slices. Returns how many wait still.
    ///
    /// Nobody is told when a slice is dropped and others are left of its slab. In a pool where every slab is pinned for long, call
    /// this from a timer; it costs nothing while nobody waits.
    pub fn serve_waiting(&self) -> usize {
        if self.waiting() > 0 {
            self.core().room_made();
        }
        self.waiting()
    }
}

/// What [`SlabPool::alloc_async`] returns.
#[must_use = "futures do nothing unless polled"]
pub struct AllocAsync {
    pool: SlabPool,
    n: usize,
    label: Label,
    state: State,
}

enum State {
    New,
    Waiting(Ticket),
    Done,
}

impl AllocAsync {
    /// Gives up waiting: has it at once, or an error.
    #[cfg(feature = "tokio")]
    pub(super) fn give_up(mut self) -> Result<SlabBytesMut, AllocError> {
        self.state = State::Done;
        self.pool.alloc_raw(self.n, self.label).map(SlabBytesMut::from_raw)
    }

    /// Tries to have it at once; `None` if it has to wait.
    fn begin(&self) -> Option<Result<SlabBytesMut, AllocError>> {
        match self.pool.alloc_raw(self.n, self.label) {
            Ok(raw) => Some(Ok(SlabBytesMut::from_raw(raw))),
            // What is larger than the limit will never fit.
            Err(error) if error.is_limit() && error.limit().is_some_and(|max| self.n <= max) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl Future for AllocAsync {
    type Output = Result<SlabBytesMut, AllocError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let is_new = matches!(self.state, State::New);
        if is_new {
            if let Some(outcome) = self.begin() {
                self.state = State::Done;
                return Poll::Ready(outcome);
            }
            self.state = State::Waiting(self.pool.wait(self.n, self.label, context.waker().clone()));
        }
        let State::Waiting(ticket) = &self.state else { panic!("an AllocAsync is polled after it was done") };
        let mut outcome = ticket.poll(context.waker());
        if outcome.is_pending() && !is_new && ticket.is_head() {
            // Whoever is polled without being woken looks once more, if it is its turn.
            self.pool.serve_waiting();
            outcome = ticket.poll(context.waker());
        }
        let Poll::Ready(outcome) = outcome else { return Poll::Pending };
        self.state = State::Done;
        Poll::Ready(match outcome {
            Ok(raw) => Ok(SlabBytesMut::from_raw(raw)),
            Err(error) => Err(error.of_request(self.n)),
        })
    }
}

impl fmt::Debug for AllocAsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = matches!(self.state, State::Waiting(_));
        f.debug_struct("AllocAsync").field("requested", &self.n).field("waits", &waits).finish_non_exhaustive()
    }
}
