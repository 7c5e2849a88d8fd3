//! Owner scopes: entering them, on a thread and around a future.

use super::{SlabPool, registry};
use crate::raw::Beside;
use crate::track::{self, Scope, ScopeGuard, ScopeName, Tag};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::HashSet;

impl SlabPool {
    /// Enters the owner scope `kind id`, `ws_session 42`: until the guard is dropped, everything that this thread allocates,
    /// slices or clones is charged to it in reports.
    ///
    /// What is made outside of any scope from a slice that is charged to one is charged to the same. A slice stays charged
    /// when the scope has ended: that is how a report names the session that left it behind. At hand-over, say so with
    /// [`retag`](crate::SlabBytes::retag) and [`charge_to`](crate::SlabBytes::charge_to).
    ///
    /// A scope is the thread's, not the pool's: slices of other pools that are made inside are charged to it as well. The same
    /// kind and id is the same scope, wherever it is entered. Entering costs a look-up under a lock; inside, a
    /// handle costs about twice the instructions (`cargo test --test no_lock -- --nocapture` prints them). At [`Level::Off`](crate::Level::Off) and [`Level::Counters`](crate::Level::Counters)
    /// nothing is charged. About a million scopes can be known at a time, those included that only a slice remembers; past
    /// that nothing is charged to new ones.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let kept = {
    ///     let _session = pool.scope("ws_session", 42);
    ///     let mut read = pool.alloc(4096);
    ///     read.extend_from_slice(&[0; 4096]);
    ///     read.freeze().slice(..20)
    /// };
    /// let report = pool.report();
    /// assert_eq!(report.slabs[0].slices[0].scope.unwrap().to_string(), "ws_session 42");
    /// # drop(kept);
    /// ```
    ///
    /// Keep the [`Scope`] where a connection lives on, and enter it again:
    ///
    /// ```
    /// let pool = bufslab::SlabPool::new();
    /// let session = pool.scope("ws_session", 42).scope().clone();
    /// std::thread::spawn(move || {
    ///     let _inside = session.enter();
    /// });
    /// ```
    #[must_use = "the scope is left when the guard is dropped"]
    pub fn scope(&self, kind: impl Into<Tag>, id: u64) -> ScopeGuard {
        let name = ScopeName::new(kind.into(), id);
        if track::is_sweep_due() {
            sweep();
        }
        track::open_scope(name).unwrap_or_else(|| Scope::uncharged(name)).enter()
    }
}

/// Gives up the numbers of scopes that nothing is charged to any more.
#[cold]
fn sweep() {
    let pools = registry::all();
    track::sweep_scopes(|| {
        let mut found = HashSet::new();
        for core in &pools {
            core.ledger().scopes_in_use(&mut |scope| {
                found.insert(scope);
            });
        }
        found
    });
}

/// A future whose every step is taken inside an owner scope.
///
/// ```
/// use bufslab::{InScope, SlabPool};
///
/// async fn serve(pool: SlabPool) -> bufslab::SlabBytesMut {
///     pool.alloc(1024)
/// }
///
/// let pool = SlabPool::new();
/// let session = serve(pool.clone()).in_scope(pool.scope("ws_session", 42));
/// # let mut session = std::pin::pin!(session);
/// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// # let std::task::Poll::Ready(kept) = session.as_mut().poll(&mut context) else { unreachable!() };
/// # assert_eq!(pool.report().by_scope[0].slices, 1);
/// ```
pub trait InScope: Future + Sized {
    /// Charges what the future makes to `scope`, on whatever thread it runs: a [`ScopeGuard`] (which is left by this), a
    /// [`Scope`] or a reference to one. Between its steps the thread is in the scope it was in before.
    fn in_scope(self, scope: impl Into<Scope>) -> Scoped<Self> {
        Scoped(Beside::new(self, scope.into()))
    }
}

impl<F: Future> InScope for F {}

/// What [`InScope::in_scope`] returns.
#[must_use = "futures do nothing unless polled"]
pub struct Scoped<F>(Beside<F, Scope>);

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (future, scope) = Beside::project_within(self, |scoped| &mut scoped.0);
        let _inside = scope.enter();
        future.poll(context)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}
