//! Running a model, and proving that it ran.

use bufslab::model::{Idle, Ledger};
use bufslab::{HeapSource, SlabSource};
use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// One model: a closure that loom runs once for each execution it finds.
pub struct Model {
    /// Named after the race it looks for.
    pub name: &'static str,
    /// At most this many preemptions in an execution; `None` explores them all.
    pub preemptions: Option<usize>,
    /// Fewer executions than this, and the model does not model anything any more.
    pub floor: usize,
    /// Outcomes that some execution each must [`reach`].
    pub outcomes: &'static [&'static str],
    /// One execution.
    pub body: fn(),
}

thread_local! {
    // Loom runs all threads of a model on the thread that started it.
    static REACHED: RefCell<BTreeMap<&'static str, usize>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts an outcome, so that a model can show that it saw both sides of a race.
pub fn reach(outcome: &'static str) {
    REACHED.with_borrow_mut(|reached| *reached.entry(outcome).or_default() += 1);
}

impl Model {
    /// Explores the model.
    ///
    /// # Panics
    ///
    /// When an execution fails, and when the model explored too little.
    pub fn check(&self) {
        let executions = self.explore();
        assert!(executions >= self.floor, "{} explored only {executions} executions", self.name);
        for outcome in self.outcomes {
            let reached = REACHED.with_borrow(|reached| reached.contains_key(outcome));
            assert!(reached, "{} never reached: {outcome}", self.name);
        }
    }

    /// Explores the model, and does not ask how far that went. Returns the number of executions.
    ///
    /// # Panics
    ///
    /// When an execution fails.
    pub fn explore(&self) -> usize {
        let executions = Arc::new(AtomicUsize::new(0));
        let (count, body, start) = (Arc::clone(&executions), self.body, Instant::now());
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.preemptions;
        builder.max_branches = 20_000;
        REACHED.with_borrow_mut(BTreeMap::clear);
        builder.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            body();
        });
        let executions = executions.load(Ordering::Relaxed);
        let bound = self.preemptions.map_or("complete".into(), |n| format!("at most {n} preemptions"));
        let reached = REACHED.with_borrow(Clone::clone);
        println!("model {}: {executions} executions, {bound}, {:.1?}, {reached:?}", self.name, start.elapsed());
        executions
    }
}

/// A ledger over the heap.
pub fn ledger() -> Ledger {
    Ledger::new(HeapSource)
}

/// Passes on the one possessor of the emptied slab.
///
/// # Panics
///
/// When nobody got it, or more than one did.
pub fn exactly_one(found: impl IntoIterator<Item = Option<Idle>>) -> Idle {
    let mut found: Vec<Idle> = found.into_iter().flatten().collect();
    assert_eq!(found.len(), 1, "the slab is emptied exactly once");
    found.remove(0)
}

/// The heap, with a count of the slabs that are out.
#[derive(Clone, Default)]
pub struct Counting(pub Arc<AtomicUsize>);

// SAFETY: every call is handed to the heap's source unchanged.
unsafe impl SlabSource for Counting {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        HeapSource.allocate(layout)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is the one asked for.
        unsafe { HeapSource.deallocate(memory, layout) }
    }
}
