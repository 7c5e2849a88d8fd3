//! Gates for tests.

use super::StillPinned;
use crate::pool::SlabPool;
use crate::sync::next_uid;
use crate::track::{ScopeGuard, Tag};
use core::fmt;

/// Panics if any slab of the pool is pinned, and says by whom: size, tag, owner scope and site of each kind of holder.
///
/// For a pool that this test has for itself; for one that others use meanwhile there is [`PinGate`](crate::PinGate).
///
/// ```
/// let pool = bufslab::SlabPool::new();
/// drop(pool.alloc(100));
/// bufslab::assert_no_pins!(pool);
/// bufslab::assert_no_pins!(&pool, "after {} requests", 1);
/// ```
///
/// ```should_panic
/// let pool = bufslab::SlabPool::new();
/// let mut read = pool.alloc(100);
/// read.extend_from_slice(&[0; 100]);
/// let kept = read.freeze();
/// bufslab::assert_no_pins!(pool); // panics: 1 handle still pins 1 slab …
/// # drop(kept);
/// ```
#[macro_export]
macro_rules! assert_no_pins {
    ($pool:expr $(,)?) => {
        $crate::__assert_no_pins(&$pool, ::core::option::Option::None)
    };
    ($pool:expr, $($message:tt)+) => {
        $crate::__assert_no_pins(&$pool, ::core::option::Option::Some(::core::format_args!($($message)+)))
    };
}

/// What [`assert_no_pins!`](crate::assert_no_pins) calls.
///
/// # Panics
///
/// If the pool pins anything.
#[track_caller]
pub fn assert_no_pins(pool: impl AsRef<SlabPool>, message: Option<fmt::Arguments<'_>>) {
    let report = pool.as_ref().report();
    if report.is_empty() {
        return;
    }
    let still = StillPinned::new(report);
    match message {
        Some(message) => panic!("{message}: {still}"),
        None => panic!("{still}"),
    }
}

impl AsRef<SlabPool> for SlabPool {
    fn as_ref(&self) -> &SlabPool {
        self
    }
}

impl SlabPool {
    /// A gate for a test: when it is dropped, nothing that was made under it may be alive any more.
    ///
    /// It enters an owner scope of its own, so that it sees what this thread made (and what other threads made from that), and
    /// not what tests beside it make in the same pool. What a thread that the test starts makes from nothing counts if it
    /// enters [`PinGate::scope`]. Needs a tracking level of at least [`Level::Sites`](crate::Level::Sites).
    ///
    /// ```
    /// let pool = bufslab::SlabPool::global();
    /// let gate = pool.pin_gate();
    /// drop(pool.alloc(4096));
    /// drop(gate); // or at the end of the test
    /// ```
    ///
    /// ```should_panic
    /// let pool = bufslab::SlabPool::global();
    /// let mut cache = Vec::new();
    /// let gate = pool.pin_gate();
    /// let mut read = pool.alloc(4096);
    /// read.extend_from_slice(b"value");
    /// cache.push(read.freeze().tag("cache.value"));
    /// drop(gate); // panics, and names `cache.value` and the line above
    /// ```
    ///
    /// # Panics
    ///
    /// If the pool's level is below [`Level::Sites`](crate::Level::Sites): the gate would see nothing.
    #[must_use = "the gate looks when it is dropped"]
    #[track_caller]
    pub fn pin_gate(&self) -> PinGate {
        let level = self.tracking();
        assert!(level >= crate::Level::Sites, "a pin gate needs tracking of at least sites, the pool's is {level}");
        PinGate { pool: self.clone(), scope: self.scope(Tag::new("pin gate"), next_uid()) }
    }
}

/// What [`SlabPool::pin_gate`] returns. Dropped while the thread panics already, it says what it found on standard error.
#[derive(Debug)]
pub struct PinGate {
    pool: SlabPool,
    scope: ScopeGuard,
}

impl PinGate {
    /// The scope that what is made under the gate is charged to.
    #[must_use]
    pub fn scope(&self) -> &crate::Scope {
        self.scope.scope()
    }

    /// Whether all that was made under the gate is gone.
    ///
    /// # Errors
    ///
    /// What is left, by whom it is held.
    pub fn check(&self) -> Result<(), StillPinned> {
        let mine = self.scope().name();
        match self.pool.report().only(|slice| slice.scope == Some(mine)) {
            rest if rest.is_empty() => Ok(()),
            rest => Err(StillPinned::new(rest)),
        }
    }
}

impl Drop for PinGate {
    #[track_caller]
    fn drop(&mut self) {
        let Err(still) = self.check() else { return };
        if std::thread::panicking() {
            eprintln!("{still}");
        } else {
            panic!("{still}");
        }
    }
}
