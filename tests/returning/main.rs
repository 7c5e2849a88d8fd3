//! Idle memory goes back: when told to, in passing, when others need it, and on a thread of its own.
//!
//! What is to happen with time is waited for, and no time is asserted: a test that waits in vain fails.

#![allow(missing_docs)]

mod burst;
mod cap;
mod faults;
mod maintenance;
mod source;
#[path = "../common/stop.rs"]
mod stop;
mod trim;

use bufslab::{BufMut, SlabBytes, SlabPool};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) const SLAB: usize = 4096;

/// A slice that fills a slab.
pub(crate) fn whole(pool: &SlabPool) -> SlabBytes {
    let mut buffer = pool.alloc(SLAB);
    buffer.put_bytes(1, SLAB);
    buffer.freeze()
}

/// Repeats `work` until `is_so`, for much longer than it can take.
pub(crate) fn until(what: &str, mut work: impl FnMut(), mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "in vain: {what}");
        work();
    }
}

/// A thread that does what it is sent, and waits in between.
pub(crate) struct Hand {
    jobs: Option<Sender<Box<dyn FnOnce() + Send>>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    pub(crate) fn new() -> Hand {
        let (jobs, taken) = channel::<Box<dyn FnOnce() + Send>>();
        let (say, done) = channel();
        let thread = thread::spawn(move || {
            for job in taken {
                job();
                say.send(()).unwrap();
            }
        });
        Hand { jobs: Some(jobs), done, thread: Some(thread) }
    }

    /// Does it there and waits until it is done.
    pub(crate) fn does(&self, job: impl FnOnce() + Send + 'static) {
        self.jobs.as_ref().unwrap().send(Box::new(job)).unwrap();
        self.done.recv().expect("the job panicked");
    }

    /// Lets the thread end and waits until its locals are gone.
    pub(crate) fn ends(mut self) {
        self.jobs = None;
        self.thread.take().unwrap().join().unwrap();
    }
}
