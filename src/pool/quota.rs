//! A quota for scopes of one kind: no connection may keep more than so much.
//!
//! Whose bytes a scope's are is known from the ledger, and adding them up means a look at every slice: so a quota is enforced when
//! [`SlabPool::enforce_quotas`] is called, from a timer, and not at every allocation.

use super::{Core, SlabPool};
use crate::error::AllocError;
use crate::raw::By;
use crate::sync::{AtomicU32, Mutex, Ordering, thread};
use crate::track::{self, ScopeName, Tag};
use core::cmp::Reverse;
use core::fmt;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How many live bytes a scope of some kind may have, and what is done about those that have more.
///
/// ```
/// use bufslab::{Quota, QuotaAction};
///
/// let refuse = Quota::new(256 << 10);
/// let say = Quota::new(256 << 10).at_most(1).then(QuotaAction::call(|over| eprintln!("{over}")));
/// assert_eq!((refuse.bytes(), say.bytes()), (262_144, 262_144));
/// ```
#[derive(Clone, Debug)]
pub struct Quota {
    bytes: usize,
    at_most: usize,
    action: QuotaAction,
}

impl Quota {
    /// At most so many live bytes. Scopes that have more are [refused](QuotaAction::Refuse) further memory, unless another action
    /// is set.
    #[must_use]
    pub fn new(bytes: usize) -> Quota {
        Quota { bytes, at_most: 16, action: QuotaAction::Refuse }
    }

    /// What is done about a scope that has more.
    #[must_use]
    pub fn then(mut self, action: QuotaAction) -> Quota {
        self.action = action;
        self
    }

    /// To how many scopes that is done in one call of [`SlabPool::enforce_quotas`], the largest first. Default: 16.
    #[must_use]
    pub fn at_most(mut self, scopes: usize) -> Quota {
        self.at_most = scopes;
        self
    }

    /// The limit in live bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What is done about a scope that has more than its [`Quota`].
#[derive(Clone)]
#[non_exhaustive]
pub enum QuotaAction {
    /// Allocations inside the scope fail with an error that [says so](AllocError::is_quota), until the scope has come down to its
    /// quota and that was seen.
    Refuse,
    /// This is called, on the thread that enforces quotas.
    Call(Arc<dyn Fn(&OverQuota) + Send + Sync>),
}

impl QuotaAction {
    /// To call `f`: to close the connection, to compact what it keeps, to log its name. If it panics, that is counted
    /// ([`QuotaOutcome::panics`]) and the next scope has its turn.
    pub fn call(f: impl Fn(&OverQuota) + Send + Sync + 'static) -> QuotaAction {
        QuotaAction::Call(Arc::new(f))
    }
}

impl fmt::Debug for QuotaAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QuotaAction::Refuse => "Refuse",
            QuotaAction::Call(_) => "Call",
        })
    }
}

/// A scope that has more than its quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverQuota {
    /// Which.
    pub scope: ScopeName,
    /// Its live bytes, in this pool.
    pub bytes: usize,
    /// How many slices those are.
    pub slices: usize,
    /// What it may have.
    pub quota: usize,
}

/// `conn 42 holds 300000 bytes in 75 slices, more than its quota of 262144`
impl fmt::Display for OverQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OverQuota { scope, bytes, slices, quota } = self;
        let plural = if *slices == 1 { "" } else { "s" };
        let (kind, id) = (scope.kind().name().escape_debug(), scope.id());
        write!(f, "{kind} {id} holds {bytes} bytes in {slices} slice{plural}, more than its quota of {quota}")
    }
}

/// What [`SlabPool::enforce_quotas`] has done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct QuotaOutcome {
    /// Scopes that have more than their quota.
    pub over: usize,
    /// Those that something was done about in this call, the largest first.
    pub acted: Vec<OverQuota>,
    /// Scopes that are refused memory from now on, those included that were before.
    pub refused: usize,
    /// Scopes that were refused memory and have come down to their quota.
    pub released: usize,
    /// Callbacks that panicked.
    pub panics: usize,
}

/// All quotas of one pool, and whom they struck.
#[derive(Default)]
pub(crate) struct Quotas {
    rules: Mutex<BTreeMap<Tag, Quota>>,
    struck: Mutex<Struck>,
    /// Scopes that are refused memory.
    refusing: AtomicU32,
}

impl Quotas {
    /// Whether there is a quota, or somebody is refused memory for one that there was.
    fn are_set(&self) -> bool {
        // Relaxed: a hint; a scope that is refused now was so before some call of `enforce_quotas` or `maintain` that sees it.
        !self.rules.lock().is_empty() || self.refusing.load(Ordering::Relaxed) > 0
    }
}

/// Scopes, by number, that something was done about and that have more than their quota still.
#[derive(Default)]
struct Struck {
    refused: HashMap<u32, Refused>,
    called: HashSet<u32>,
}

/// What a refused scope is told.
struct Refused {
    name: Arc<str>,
    quota: usize,
    held: usize,
}

/// A scope over its quota, its number, and what is to be done about it.
type Over = (u32, OverQuota, QuotaAction);

impl Quotas {
    /// With `struck` locked.
    fn set_refusing(&self, scopes: usize) {
        // Relaxed: a hint that sends threads to the lock, which orders the rest.
        let before = self.refusing.swap(scopes as u32, Ordering::Relaxed);
        thread::heed_scopes(i32::from(scopes > 0) - i32::from(before > 0));
    }

    /// Takes down who is over its quota, and chooses whom something is done about now.
    fn strike(&self, mut over: Vec<Over>, rules: &BTreeMap<Tag, Quota>, outcome: &mut QuotaOutcome) -> Vec<Over> {
        let mut struck = self.struck.lock();
        let Struck { refused, called } = &mut *struck;
        let before = refused.len();
        let known: HashMap<u32, &OverQuota> = over
            .iter()
            .filter(|(_, _, action)| matches!(action, QuotaAction::Refuse))
            .map(|(number, now, _)| (*number, now))
            .collect();
        refused.retain(|number, one| {
            let now = known.get(number);
            now.inspect(|now| (one.held, one.quota) = (now.bytes, now.quota)).is_some()
        });
        outcome.released = before - refused.len();
        let numbers: HashSet<u32> = over.iter().map(|(number, ..)| *number).collect();
        called.retain(|number| numbers.contains(number));

        // Whoever is refused memory needs nothing more, and whoever was called for comes after those that were not.
        over.retain(|(number, ..)| !refused.contains_key(number));
        over.sort_by_key(|(number, now, _)| (called.contains(number), Reverse(now.bytes), now.scope));
        let mut left: BTreeMap<Tag, usize> = rules.iter().map(|(&kind, quota)| (kind, quota.at_most)).collect();
        over.retain(|(_, now, _)| match left.get_mut(&now.scope.kind()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        });
        for (number, now, action) in &over {
            match action {
                QuotaAction::Refuse => {
                    let name = now.scope.to_string().into();
                    refused.insert(*number, Refused { name, quota: now.quota, held: now.bytes });
                }
                QuotaAction::Call(_) => {
                    called.insert(*number);
                }
            }
        }
        outcome.refused = refused.len();
        self.set_refusing(refused.len());
        over
    }
}

impl Drop for Quotas {
    fn drop(&mut self) {
        self.set_refusing(0);
    }
}

impl Core {
    /// An error if this thread is in a scope that is refused memory.
    pub(super) fn check_quota(&self, n: usize) -> Result<(), AllocError> {
        if self.quotas.refusing.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        match self.quotas.struck.lock().refused.get(&thread::scope()) {
            Some(Refused { name, quota, held }) => Err(AllocError::over_quota(n, Arc::clone(name), *quota, *held)),
            None => Ok(()),
        }
    }

    fn over_quota(&self, rules: &BTreeMap<Tag, Quota>) -> Vec<Over> {
        let Some(least) = rules.values().map(|quota| quota.bytes).min() else { return Vec::new() };
        let mut shares = self.ledger().shares(By::Scope);
        shares.retain(|share| share.number != 0 && share.bytes > least);
        if shares.is_empty() {
            return Vec::new();
        }
        let names = track::scope_names();
        let over = shares.iter().filter_map(|share| {
            let scope = names(share.number)?;
            let quota = rules.get(&scope.kind()).filter(|quota| share.bytes > quota.bytes)?;
            let now = OverQuota { scope, bytes: share.bytes, slices: share.slices, quota: quota.bytes };
            Some((share.number, now, quota.action.clone()))
        });
        over.collect()
    }

    fn enforce_quotas(&self) -> QuotaOutcome {
        let rules = self.quotas.rules.lock().clone();
        let over = self.over_quota(&rules);
        let mut outcome = QuotaOutcome { over: over.len(), ..QuotaOutcome::default() };
        let acted = self.quotas.strike(over, &rules, &mut outcome);
        if acted.iter().any(|(_, _, action)| matches!(action, QuotaAction::Refuse)) {
            // Threads that are inside such a scope are asked for their slabs, so that they notice.
            self.ledger().recall();
        }
        for (_, now, action) in acted {
            if let QuotaAction::Call(call) = action {
                // Outside of all locks: it may do what it likes with the pool.
                let panicked = catch_unwind(AssertUnwindSafe(|| call(&now))).is_err();
                outcome.panics += usize::from(panicked);
            }
            outcome.acted.push(now);
        }
        outcome
    }
}

impl SlabPool {
    /// Sets how many live bytes of this pool a [scope](SlabPool::scope) of this kind may have. Nothing happens before
    /// [`enforce_quotas`](SlabPool::enforce_quotas) is called.
    ///
    /// ```
    /// use bufslab::{Quota, SlabPool};
    ///
    /// let pool = SlabPool::builder().slab_size(64 << 10).build()?;
    /// pool.set_scope_quota("conn", Quota::new(8 << 10));
    /// let greedy = pool.scope("conn", 7);
    /// let kept: Vec<_> = (0..3).map(|_| pool.alloc(4096)).collect();
    ///
    /// let outcome = pool.enforce_quotas();
    /// assert_eq!((outcome.over, outcome.acted[0].bytes), (1, 12288));
    /// let error = pool.try_alloc(1).unwrap_err();
    /// assert!(error.is_quota());
    /// assert_eq!((error.scope(), error.limit(), error.held()), (Some("conn 7"), Some(8192), Some(12288)));
    ///
    /// drop(kept);
    /// pool.enforce_quotas();
    /// assert!(pool.try_alloc(1).is_ok());
    /// # drop(greedy);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    pub fn set_scope_quota(&self, kind: impl Into<Tag>, quota: Quota) {
        self.core().quotas.rules.lock().insert(kind.into(), quota);
    }

    /// Takes the quota of this kind away. Scopes that are refused memory for it get it again when quotas are next enforced.
    pub fn remove_scope_quota(&self, kind: impl Into<Tag>) {
        self.core().quotas.rules.lock().remove(&kind.into());
    }

    /// Adds up the live bytes of all scopes that there is a quota for, and does what the quota says about those that have more:
    /// to a few of them, the largest first, those before that nothing was done about yet. To be called from a timer: it looks at
    /// every slice of the pool, at the cost of a report without its text.
    ///
    /// A scope that is [refused](QuotaAction::Refuse) memory notices at its next allocation on each thread, or, on a thread that is
    /// just then taking a slab, when that is used up or the scope is next entered. That costs others nothing but a new slab for each
    /// thread that is attached to one: no allocation is checked on the fast path. What is made from a slice of the scope (a clone, a part) takes no memory
    /// and is not refused. Nor are allocations outside of the scope that are charged to it later.
    pub fn enforce_quotas(&self) -> QuotaOutcome {
        self.core().enforce_quotas()
    }

    /// Whether there is a quota, or somebody may still be refused memory for one that there was.
    pub(crate) fn has_quotas(&self) -> bool {
        self.core().quotas.are_set()
    }
}
