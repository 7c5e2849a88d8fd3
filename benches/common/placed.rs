//! Slices of slabs that this thread owns, that another thread owns, and that nobody owns.

use super::read;
use bufslab::{SlabBytes, SlabPool};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

/// Who allocates from a slab.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    /// The thread that measures: no locked instruction.
    ThisThread,
    /// A thread that waits meanwhile: the one that measures is its guest.
    AnotherThread,
    /// A thread that has ended: the slab is detached.
    Nobody,
}

impl Owner {
    pub(crate) const ALL: [Owner; 3] = [Owner::ThisThread, Owner::AnotherThread, Owner::Nobody];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Owner::ThisThread => "owner",
            Owner::AnotherThread => "guest",
            Owner::Nobody => "detached",
        }
    }
}

/// A slice whose slab has the same owner as long as this lives.
pub(crate) struct Placed {
    pub(crate) slice: SlabBytes,
    /// Without its pool a slab has no owner.
    _pool: SlabPool,
    waiting: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Placed {
    pub(crate) fn new(pool: &SlabPool, owner: Owner, len: usize) -> Placed {
        let (slice, waiting) = match owner {
            Owner::ThisThread => (read(pool, len, len), None),
            Owner::AnotherThread => {
                let (to, from) = channel();
                let (end, ended) = channel();
                let pool = pool.clone();
                let thread = thread::spawn(move || {
                    to.send(read(&pool, len, len)).expect("the other end waits for it");
                    // Nothing comes: it is an error when the sender is dropped.
                    let _ = ended.recv();
                });
                (from.recv().expect("a slice is sent"), Some((end, thread)))
            }
            Owner::Nobody => {
                let slice = thread::scope(|scope| scope.spawn(|| read(pool, len, len)).join());
                (slice.expect("a read does not panic"), None)
            }
        };
        Placed { slice, _pool: pool.clone(), waiting }
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.waiting.take() {
            drop(end);
            thread.join().expect("waiting does not panic");
        }
    }
}
