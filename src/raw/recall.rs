//! Asking threads to give up the slabs that they are attached to.
//!
//! A thread cuts from its slab without asking anybody, so nobody can take the slab away from it. What others can do is set the
//! limit up to which it cuts to 0: its next allocation then leaves the fast path, as at the slab's end, and finds itself recalled.

use super::ledger::Ledger;
use super::slab::Attached;
use crate::sync::{Ordering, Plant, planted, thread};

impl Ledger {
    /// So many more requests wait for memory.
    pub(crate) fn want(&self, requests: u32) {
        // AcqRel: pairs with the one in `is_wanted_now`. Whoever gave memory back, or attached a slab, before this is seen by
        // what the caller does next, and whoever does so after this sees the count.
        self.wanted.fetch_add(requests, Ordering::AcqRel);
    }

    /// So many requests wait no more.
    pub(crate) fn unwant(&self, requests: u32) {
        // AcqRel: it keeps the chain of `want` unbroken.
        self.wanted.fetch_sub(requests, Ordering::AcqRel);
    }

    /// Requests that wait for memory; a hint.
    pub(crate) fn wanted(&self) -> u32 {
        // Relaxed: who must know asks `is_wanted_now`.
        self.wanted.load(Ordering::Relaxed)
    }

    /// Whether somebody waits for memory, or else will see what the caller did before.
    pub(crate) fn is_wanted_now(&self) -> bool {
        if planted(Plant::WantUnseen) {
            return self.wanted() != 0;
        }
        // AcqRel: as in `want`. A read-modify-write, so that of the two one is first.
        self.wanted.fetch_add(0, Ordering::AcqRel) != 0
    }

    /// Asks every thread to give up the slabs it is attached to, at its next allocation. A slab that is attached at this very
    /// moment may be left out: whoever attaches one asks [`is_wanted_now`](Ledger::is_wanted_now) afterwards.
    pub(crate) fn recall(&self) {
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            let header = unsafe { header.as_ref() };
            // A slab that has changed hands since is recalled for nothing, and an idle one gets a new limit when it is attached.
            if header.owner() != thread::NOBODY {
                header.stop();
            }
        }
    }
}

impl Attached {
    /// Whether this thread was asked to give the slab up, or the ledger is closed.
    pub(crate) fn is_recalled(&self) -> bool {
        self.header().limit() == 0
    }
}
