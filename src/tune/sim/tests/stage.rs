//! Real handles of a real pool, on real threads that take turns.

use crate::pool::SlabPool;
use crate::{SlabBytes, SlabBytesMut};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A handle, and where in its allocation it begins.
pub(super) enum Hand {
    Write(SlabBytesMut, u64),
    Read(SlabBytes, u64),
}

/// All handles there ever were, by number.
pub(super) type Hands = Vec<Option<Hand>>;

type Job = Box<dyn FnOnce(&SlabPool, &mut Hands) + Send>;

/// Where a thread gets its jobs from, and the thread.
type Player = (Sender<(Job, Hands)>, JoinHandle<()>);

/// Threads that do what they are told, one at a time.
pub(super) struct Stage {
    threads: Vec<Player>,
    done: Receiver<Hands>,
    pub(super) hands: Hands,
}

impl Stage {
    pub(super) fn new(pool: &SlabPool, threads: usize) -> Stage {
        let (ready, done) = channel();
        let start = |_| {
            let (jobs, todo) = channel::<(Job, Hands)>();
            let (pool, ready) = (pool.clone(), ready.clone());
            let run = move || {
                for (job, mut hands) in todo {
                    job(&pool, &mut hands);
                    if ready.send(hands).is_err() {
                        return;
                    }
                }
            };
            (jobs, std::thread::spawn(run))
        };
        Stage { threads: (0..threads).map(start).collect(), done, hands: Vec::new() }
    }

    /// Has this done on that thread, and waits for it.
    pub(super) fn on(&mut self, thread: u32, job: impl FnOnce(&SlabPool, &mut Hands) + Send + 'static) {
        let hands = std::mem::take(&mut self.hands);
        self.threads[thread as usize].0.send((Box::new(job), hands)).expect("the thread is there");
        self.hands = self.done.recv().expect("the thread did it");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (jobs, thread) in self.threads.drain(..) {
            drop(jobs);
            // If it failed, so did whoever waited for it.
            _ = thread.join();
        }
    }
}
