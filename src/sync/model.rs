//! The same surface over loom, for the models in `loom-tests`.

use super::Plant;
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
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

/// The bug planted for the current model, if any. Set before `loom::model` starts, so it is the same in each execution.
static PLANTED: std::sync::Mutex<Option<Plant>> = std::sync::Mutex::new(None);

/// Plants `bug` until the next call; `None` removes it.
pub fn plant(bug: Option<Plant>) {
    *PLANTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = bug;
}

pub(crate) fn planted(bug: Plant) -> bool {
    *PLANTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner) == Some(bug)
}
