//! Scopes: who owns what is made.
//!
//! A handle's note holds a scope's number. The number outlives the scope, for the slice that a session left behind is the one
//! that matters; so a number is given up only when neither a [`Scope`] nor a listed slice has it, which is found out by
//! looking through all ledgers ([`sweep`]) when the table has doubled.

use super::Tag;
use crate::sync::{RwLock, clock, thread};
use core::fmt;
use core::marker::PhantomData;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

/// What a report calls an owner scope: a name shared by all scopes of its kind, and the number of this one, as in
/// `ws_session 42`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeName {
    kind: Tag,
    id: u64,
}

impl ScopeName {
    pub(crate) fn new(kind: Tag, id: u64) -> ScopeName {
        ScopeName { kind, id }
    }

    /// The name of its kind: `ws_session`.
    #[must_use]
    pub fn kind(self) -> Tag {
        self.kind
    }

    /// Which one of its kind: 42.
    #[must_use]
    pub fn id(self) -> u64 {
        self.id
    }
}

/// `ws_session 42`, as it is. The name may hold anything: reports escape it.
impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeName({:?}, {})", self.kind.name(), self.id)
    }
}

/// An owner: whatever a thread makes while it is inside is charged to it in reports.
///
/// Made by [`SlabPool::scope`](crate::SlabPool::scope). A cheap clone; may be kept beside a connection, sent to other threads
/// and entered there. Two scopes of the same kind and id are one.
#[derive(Clone)]
pub struct Scope(Arc<Open>);

/// A scope that somebody may still enter.
struct Open {
    number: u32,
    name: ScopeName,
}

impl Scope {
    /// What reports call it.
    #[must_use]
    pub fn name(&self) -> ScopeName {
        self.0.name
    }

    /// Charges what this thread makes to this scope, until the guard is dropped.
    #[must_use = "the scope is left when the guard is dropped"]
    pub fn enter(&self) -> ScopeGuard {
        ScopeGuard::new(self.clone())
    }

    /// A scope that nothing is charged to.
    pub(crate) fn uncharged(name: ScopeName) -> Scope {
        Scope(Arc::new(Open { number: 0, name }))
    }

    pub(crate) fn number(&self) -> u32 {
        self.0.number
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.0.name).finish()
    }
}

/// While it lives, this thread is inside its [`Scope`]: everything that it allocates, slices or clones is charged to it.
///
/// Guards of one thread may be dropped in any order: the thread is inside the scope that was entered last of those that are
/// left. A guard stays on its thread, so it cannot be held over an `.await` of a task that moves; there
/// [`in_scope`](crate::InScope::in_scope) does the same.
pub struct ScopeGuard {
    scope: Scope,
    /// Which entry of the thread's stack is this guard's.
    entry: u64,
    not_send: PhantomData<*mut ()>,
}

/// The scopes that a thread is in, the last one entered at the end, each with a number of its own.
struct Entered {
    next: u64,
    stack: Vec<(u64, u32)>,
}

std::thread_local! {
    static ENTERED: RefCell<Entered> = const { RefCell::new(Entered { next: 0, stack: Vec::new() }) };
}

impl ScopeGuard {
    pub(crate) fn new(scope: Scope) -> ScopeGuard {
        let number = scope.number();
        // A thread that is dying has no stack any more, and is in no scope.
        let entry = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let entry = entered.next;
            entered.next += 1;
            entered.stack.push((entry, number));
            thread::set_scope(number);
            entry
        });
        ScopeGuard { scope, entry: entry.unwrap_or(u64::MAX), not_send: PhantomData }
    }

    /// The scope that this thread is inside of.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        let _ = ENTERED.try_with(|entered| {
            let stack = &mut entered.borrow_mut().stack;
            stack.retain(|&(entry, _)| entry != self.entry);
            thread::set_scope(stack.last().map_or(0, |&(_, number)| number));
        });
    }
}

impl From<ScopeGuard> for Scope {
    /// Leaves the scope, and keeps it to be entered elsewhere.
    fn from(guard: ScopeGuard) -> Scope {
        guard.scope.clone()
    }
}

impl From<&Scope> for Scope {
    fn from(scope: &Scope) -> Scope {
        scope.clone()
    }
}

impl fmt::Debug for ScopeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopeGuard").field(&self.scope.0.name).finish()
    }
}

/// A number is an index into the table and a count of how often that place was used, so that one that was given up too soon
/// is nobody's rather than somebody else's.
const INDEX: u32 = (1 << 20) - 1;
/// Scopes that may be known at a time: those that can be entered, and those that some slice is charged to.
const MAX_SCOPES: usize = INDEX as usize;
/// The table is swept when it has this many entries for the first time.
const FIRST_SWEEP: usize = if cfg!(test) { 8 } else { 4096 };

struct Entry {
    name: ScopeName,
    open: Weak<Open>,
    /// Scopes with this number that are not dropped yet. Counted under the lock, so that who sees none left sees what was made
    /// inside of them.
    holders: u32,
    /// How often it was opened.
    opened: u64,
    round: u32,
    free: bool,
}

struct Table {
    entries: Vec<Entry>,
    indices: Option<HashMap<ScopeName, u32>>,
    free: Vec<u32>,
    sweep_at: usize,
    /// When it was swept in vain; 0 if the last sweep was worth it.
    swept_tick: u32,
}

/// Ticks to wait after a sweep that found little: with a table full of scopes in use it would be done for each new one.
const REST: u32 = 100;

static TABLE: RwLock<Table> =
    RwLock::new(Table { entries: Vec::new(), indices: None, free: Vec::new(), sweep_at: FIRST_SWEEP, swept_tick: 0 });

impl Entry {
    fn number(&self, index: u32) -> u32 {
        // Places are counted from 1: the number 0 is none.
        self.round << INDEX.count_ones() | (index + 1)
    }

    fn open(&mut self, index: u32) -> Scope {
        let open = Arc::new(Open { number: self.number(index), name: self.name });
        self.open = Arc::downgrade(&open);
        self.holders += 1;
        self.opened += 1;
        Scope(open)
    }
}

/// The scope with this name. `None` when the table is full: then, or when it has doubled, `sweep` should be called.
pub(crate) fn open(name: ScopeName) -> Option<Scope> {
    let mut table = TABLE.write();
    let Table { entries, indices, free, .. } = &mut *table;
    let indices = indices.get_or_insert_default();
    if let Some(&index) = indices.get(&name) {
        let entry = &mut entries[index as usize];
        if let Some(open) = entry.open.upgrade() {
            return Some(Scope(open));
        }
        return Some(entry.open(index));
    }
    let index = match free.pop() {
        Some(index) => index,
        None if entries.len() < MAX_SCOPES => {
            entries.push(Entry { name, open: Weak::new(), holders: 0, opened: 0, round: 0, free: true });
            entries.len() as u32 - 1
        }
        None => return None,
    };
    let entry = &mut entries[index as usize];
    (entry.name, entry.free) = (name, false);
    indices.insert(name, index);
    Some(entry.open(index))
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(index) = (self.number & INDEX).checked_sub(1) {
            TABLE.write().entries[index as usize].holders -= 1;
        }
    }
}

/// Whether the table has doubled since it was last swept.
pub(crate) fn is_sweep_due() -> bool {
    let table = TABLE.read();
    let rested = || table.swept_tick == 0 || clock::read().wrapping_sub(table.swept_tick) >= REST;
    table.entries.len() - table.free.len() >= table.sweep_at && rested()
}

/// Gives up the numbers that no [`Scope`] has or had since before the looks, and that are not in what `in_use` finds in two
/// looks, one after the other: a handle that is cloned behind the first look and dropped before it is seen would have to do so
/// twice.
pub(crate) fn sweep(in_use: impl Fn() -> HashSet<u32>) {
    let left: Vec<(usize, u64)> = {
        let table = TABLE.read();
        let left = table.entries.iter().enumerate().filter(|(_, entry)| !entry.free && entry.holders == 0);
        left.map(|(index, entry)| (index, entry.opened)).collect()
    };
    let (first, second) = (in_use(), in_use());
    let mut table = TABLE.write();
    let Table { entries, indices, free, sweep_at, swept_tick } = &mut *table;
    let indices = indices.get_or_insert_default();
    for (index, opened) in left {
        let entry = &mut entries[index];
        let number = entry.number(index as u32);
        // Another sweep may have given it up meanwhile, or somebody have opened it again.
        let untouched = !entry.free && entry.holders == 0 && entry.opened == opened;
        if untouched && !first.contains(&number) && !second.contains(&number) {
            indices.remove(&entry.name);
            entry.free = true;
            entry.round = (entry.round + 1) & (u32::MAX >> INDEX.count_ones());
            free.push(index as u32);
        }
    }
    *sweep_at = FIRST_SWEEP.max((entries.len() - free.len()) * 2).min(MAX_SCOPES);
    let used = entries.len() - free.len();
    *swept_tick = if used > entries.len() / 4 * 3 { clock::read() } else { 0 };
}

/// The name behind a number, as many times as it is asked without a lock in between.
pub(crate) fn names() -> impl Fn(u32) -> Option<ScopeName> {
    let table = TABLE.read();
    let known: Vec<(u32, ScopeName)> = (0..)
        .zip(&table.entries)
        .map(|(index, entry)| (if entry.free { 0 } else { entry.number(index) }, entry.name))
        .collect();
    move |number| {
        let &(known, name) = known.get((number & INDEX).checked_sub(1)? as usize)?;
        (known == number).then_some(name)
    }
}

/// Bytes of the table, about.
pub(crate) fn bytes() -> usize {
    let table = TABLE.read();
    let entry = size_of::<Entry>() + size_of::<Open>() + 2 * size_of::<usize>() + 2 * size_of::<(ScopeName, u32)>();
    table.entries.len() * entry
}

#[cfg(test)]
mod tests {
    use super::*;

    // The table is the process's: one test, so that nobody else's sweep comes between.
    #[test]
    fn numbers_live_as_long_as_somebody_has_them() {
        let name = |id| ScopeName::new(Tag::new("scope test"), id);
        let kept = open(name(1)).unwrap();
        assert_eq!(open(name(1)).unwrap().number(), kept.number(), "one name is one scope");
        let left_behind = open(name(2)).unwrap().number();
        let forgotten = open(name(3)).unwrap().number();
        assert_eq!(names()(forgotten), Some(name(3)), "not before it is swept");

        sweep(|| HashSet::from([left_behind]));
        assert_eq!(names()(kept.number()), Some(name(1)));
        assert_eq!(names()(left_behind), Some(name(2)));
        assert_eq!(names()(forgotten), None);
        assert_eq!(names()(0), None);
        let next = open(name(4)).unwrap().number();
        assert_ne!(next, forgotten, "the place may be the same, the number is not");
        assert_eq!(open(name(2)).unwrap().number(), left_behind, "who comes back has the old number");

        // Opened, used and left while the sweep looks, behind its back.
        sweep(|| {
            drop(open(name(2)));
            HashSet::new()
        });
        assert_eq!(names()(left_behind), Some(name(2)), "it may have left something behind");
        sweep(HashSet::new);
        assert_eq!(names()(left_behind), None);
    }

    #[test]
    fn guards_may_be_dropped_in_any_order() {
        let name = |id| ScopeName::new(Tag::new("guard test"), id);
        let (a, b) = (open(name(1)).unwrap(), open(name(2)).unwrap());
        let first = a.enter();
        let second = b.enter();
        assert_eq!(thread::scope(), b.number());
        drop(first);
        assert_eq!(thread::scope(), b.number());
        drop(second);
        assert_eq!(thread::scope(), 0, "the first scope is not entered again");
    }
}
