//! Who the current thread is, as far as slabs care.
//!
//! A thread's id comes from a global counter and is never handed out twice: the address of a thread-local would be
//! reused by the next thread, which would then believe that it owns the dead thread's slabs.

use super::thread_local;
use core::cell::Cell;
use core::ptr::NonNull;
use std::collections::BTreeSet;
use std::sync::Mutex as StdMutex;

/// No thread: the owner of a detached slab or of a segment that nobody allocates from.
pub(crate) const NOBODY: u32 = 0;
/// No thread either: the owner of a detached slab while a mover copies parked slices out of it.
pub(crate) const MOVER: u32 = u32::MAX - 3;
/// A thread that has not asked for its id yet. Never an owner, so that a thread is compared with an owner in one test.
const UNBORN: u32 = u32::MAX - 2;
/// A thread whose identity is gone because its thread-locals are being destroyed. It owns nothing and never will.
pub(crate) const GONE: u32 = u32::MAX;

/// The id of no pool, which nobody asks for: a buffer that was never any pool's asks for 0.
const NO_POOL: usize = usize::MAX;

/// Last segment used on some slab that this thread does not own, keyed by the slab's unique id.
#[derive(Clone, Copy)]
pub(crate) struct Hint {
    pub(crate) uid: u64,
    pub(crate) segment: *mut (),
}

/// Slabs of other threads that one thread remembers its segment of. Direct mapped by unique id.
pub(crate) const HINTS: usize = 8;

/// What is known of a thread.
pub(crate) struct Identity {
    id: Cell<u32>,
    /// The id as long as the thread is in no scope.
    out_of_scopes: Cell<u32>,
    hints: [Cell<Hint>; HINTS],
    /// The slab that this thread cuts from, and the id of its pool: [`NO_POOL`] if there is none, and nothing behind the pointer.
    current: Cell<(usize, NonNull<()>)>,
    /// Number of the scope that this thread is in; 0 is none.
    scope: Cell<u32>,
    /// Handles until the next stack is due.
    countdown: Cell<u32>,
}

#[expect(clippy::declare_interior_mutable_const, reason = "an initial value, copied into each thread")]
const NO_HINT: Cell<Hint> = Cell::new(Hint { uid: 0, segment: core::ptr::null_mut() });
#[expect(clippy::declare_interior_mutable_const, reason = "as above")]
const NO_SLAB: Cell<(usize, NonNull<()>)> = Cell::new((NO_POOL, NonNull::dangling()));

impl Identity {
    const fn unborn() -> Identity {
        Identity {
            id: Cell::new(UNBORN),
            out_of_scopes: Cell::new(UNBORN),
            hints: [NO_HINT; HINTS],
            current: NO_SLAB,
            scope: Cell::new(0),
            countdown: Cell::new(0),
        }
    }

    /// The id that [`is`] compares with.
    #[inline(always)]
    pub(crate) fn known_id(&self) -> u32 {
        self.id.get()
    }

    /// The id that [`is_out_of_scopes`] compares with.
    #[inline(always)]
    pub(crate) fn known_id_out_of_scopes(&self) -> u32 {
        self.out_of_scopes.get()
    }

    /// As [`hint`].
    #[inline(always)]
    pub(crate) fn hint(&self, uid: u64) -> Option<*mut ()> {
        let hint = self.hints[uid as usize % HINTS].get();
        (hint.uid == uid).then_some(hint.segment)
    }

    fn set_id(&self, id: u32) {
        self.id.set(id);
        self.out_of_scopes.set(if self.scope.get() == 0 { id } else { UNBORN });
    }
}

#[cfg(not(bufslab_loom))]
thread_local! {
    // No destructor: it may be read while other thread-locals are being destroyed.
    static IDENTITY: Identity = const { Identity::unborn() };
}
#[cfg(bufslab_loom)]
thread_local! {
    static IDENTITY: Identity = Identity::unborn();
}

/// Ids of threads that have one and still live.
#[cfg(not(bufslab_loom))]
static ALIVE: StdMutex<BTreeSet<u32>> = StdMutex::new(BTreeSet::new());

/// This thread's id, [`GONE`] when it is dying.
#[inline]
pub(crate) fn id() -> u32 {
    IDENTITY.with(|me| {
        let id = me.id.get();
        if id != UNBORN { id } else { first_id(me) }
    })
}

/// Whether this thread is the owner `id`. Cheaper than [`id`]: a thread that never asked owns nothing.
#[inline(always)]
pub(crate) fn is(owner: u32) -> bool {
    IDENTITY.with(|me| me.id.get() == owner)
}

/// Whether this thread is the owner `id` and in no scope.
#[inline(always)]
pub(crate) fn is_out_of_scopes(owner: u32) -> bool {
    IDENTITY.with(|me| me.out_of_scopes.get() == owner)
}

/// Passes this thread's identity on. To find it out of line may take a call, and registers saved for that: where a thread's own variables
/// are is not known as long as nobody knows what the code will be linked to.
#[inline(always)]
pub(crate) fn with_identity<R>(f: impl FnOnce(&Identity) -> R) -> R {
    IDENTITY.with(f)
}

/// The slab that this thread cuts from, if it is one of this pool.
#[inline(always)]
pub(crate) fn current(pool: usize) -> Option<NonNull<()>> {
    debug_assert_ne!(pool, NO_POOL);
    let (of, slab) = IDENTITY.with(|me| me.current.get());
    (of == pool).then_some(slab)
}

/// From now on this thread cuts from `slab`, of the pool with this id.
pub(crate) fn set_current(pool: usize, slab: NonNull<()>) {
    IDENTITY.with(|me| me.current.set((pool, slab)));
}

/// This thread does not own `slab` any more.
pub(crate) fn unset_current(slab: NonNull<()>) {
    IDENTITY.with(|me| {
        if me.current.get().1 == slab {
            me.current.set((NO_POOL, NonNull::dangling()));
        }
    });
}

/// The number of the scope that this thread is in; 0 is none.
#[inline(always)]
pub(crate) fn scope() -> u32 {
    IDENTITY.with(|me| me.scope.get())
}

/// From now on this thread is in the scope with this number. Returns the one it was in.
pub(crate) fn set_scope(scope: u32) -> u32 {
    // Relaxed: a hint; whoever must know asks under a lock.
    if HEEDED.load(core::sync::atomic::Ordering::Relaxed) != 0 {
        set_current(NO_POOL, NonNull::dangling());
    }
    IDENTITY.with(|me| {
        let before = me.scope.replace(scope);
        me.set_id(me.id.get());
        before
    })
}

/// How many pools refuse memory to some scope.
static HEEDED: core::sync::atomic::AtomicI32 = core::sync::atomic::AtomicI32::new(0);

/// So many more pools want every change of scope to be followed by a look at who is inside: the thread's current slab is
/// forgotten, and the next allocation finds it the long way.
pub(crate) fn heed_scopes(change: i32) {
    if change != 0 {
        HEEDED.fetch_add(change, core::sync::atomic::Ordering::Relaxed);
    }
}

/// Whether this is the next of every `n` calls on this thread; the first is one of them.
pub(crate) fn is_nth(n: u32) -> bool {
    IDENTITY.with(|me| {
        let left = me.countdown.get().min(n);
        me.countdown.set(if left <= 1 { n } else { left - 1 });
        left <= 1
    })
}

/// What this thread remembered about the slab with this unique id, if it did not remember another since.
#[inline]
pub(crate) fn hint(uid: u64) -> Option<*mut ()> {
    IDENTITY.with(|me| me.hint(uid))
}

/// Remembers `segment` for the slab with this unique id.
pub(crate) fn remember(uid: u64, segment: *mut ()) {
    IDENTITY.with(|me| me.hints[uid as usize % HINTS].set(Hint { uid, segment }));
}

/// Whether the thread with this id may still run code that uses the id. What a thread did before it died is ordered before
/// the answer "no".
#[cfg(not(bufslab_loom))]
pub(crate) fn is_alive(id: u32) -> bool {
    alive().contains(&id)
}

#[cfg(bufslab_loom)]
loom::lazy_static! {
    /// Model only: the dead instead of the living, so that being born orders nothing.
    static ref DEAD: super::Mutex<BTreeSet<u32>> = super::Mutex::new(BTreeSet::new());
}

#[cfg(bufslab_loom)]
pub(crate) fn is_alive(id: u32) -> bool {
    !DEAD.lock().contains(&id)
}

#[cfg(not(bufslab_loom))]
fn alive() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    // A panic cannot happen while the set is half changed; the poison says nothing.
    ALIVE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(not(bufslab_loom))]
#[cold]
fn first_id(me: &Identity) -> u32 {
    use super::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);

    struct Leave(u32);
    impl Drop for Leave {
        fn drop(&mut self) {
            IDENTITY.with(|me| me.set_id(GONE));
            set_current(NO_POOL, NonNull::dangling());
            alive().remove(&self.0);
        }
    }
    thread_local! {
        static LEAVE: Cell<Option<Leave>> = const { Cell::new(None) };
    }

    // Relaxed: only uniqueness matters. After four billion threads further threads own
    // nothing, which is slow and correct.
    let id =
        NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < MOVER - 1).then(|| n + 1)).unwrap_or(GONE);
    if id == GONE {
        me.set_id(GONE);
        return GONE;
    }
    alive().insert(id);
    if LEAVE.try_with(|leave| leave.set(Some(Leave(id)))).is_err() {
        // First use from within the destruction of the thread.
        alive().remove(&id);
        me.set_id(GONE);
        return GONE;
    }
    me.set_id(id);
    id
}

#[cfg(bufslab_loom)]
fn first_id(me: &Identity) -> u32 {
    // Not a modelled atomic: which number a thread gets is of no consequence, only that it is its own.
    static NEXT: StdMutex<u32> = StdMutex::new(1);
    let mut next = NEXT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let id = *next;
    *next = id + 1;
    me.set_id(id);
    id
}

/// Model only: the thread with this id counts as dead from here on.
#[cfg(bufslab_loom)]
pub(crate) fn leave() {
    let id = id();
    IDENTITY.with(|me| me.set_id(GONE));
    DEAD.lock().insert(id);
}
