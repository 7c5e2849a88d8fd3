//! The same surface over loom, for the models in `loom-tests`.

use super::Plant;
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(crate) use loom::thread_local;

/// `loom::sync::Mutex` with `parking_lot`'s `lock`.
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

/// What is read often and written seldom is never on a modelled path: the shipped lock serves.
pub(crate) use parking_lot::RwLock;

/// A cell that loom watches: readers of the payload `read`, whoever takes the slab back `write`s. Without it a model of
/// a reference count is blind to a missing Acquire, for no modelled access would be unordered.
pub(crate) struct Witness(loom::cell::UnsafeCell<()>);

impl Witness {
    pub(crate) fn new() -> Self {
        Witness(loom::cell::UnsafeCell::new(()))
    }

    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }

    pub(crate) fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

// Loom runs all threads of a model on the thread that started it, so what is the same in each execution may live in that
// thread's own storage, and models may run beside each other.
std::thread_local! {
    static PLANTED: core::cell::Cell<Option<Plant>> = const { core::cell::Cell::new(None) };
    static UIDS: core::cell::Cell<u64> = const { core::cell::Cell::new(1) };
}

/// Plants `bug` in the models that this thread starts, until the next call; `None` removes it.
pub fn plant(bug: Option<Plant>) {
    PLANTED.set(bug);
}

pub(crate) fn planted(bug: Plant) -> bool {
    PLANTED.get() == Some(bug)
}

/// Waits a moment for another thread.
pub(crate) fn wait() {
    loom::thread::yield_now();
}

/// A number that no other call of this model gets. Never 0. Not a modelled atomic: nothing depends on which number it is.
pub(crate) fn next_uid() -> u64 {
    UIDS.replace(UIDS.get() + 1)
}
