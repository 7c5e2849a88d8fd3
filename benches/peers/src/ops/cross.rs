//! Reads that one thread makes and another drops, over a bounded ring, in batches.

use super::bytes;
use crate::impls::Reader;
use crate::timing::Run;
use crossbeam_queue::ArrayQueue;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Reads that are sent at once.
const BATCH: usize = 64;
/// Batches that are on the way at most.
const RING: usize = 8;

/// Both ways: full batches there, and empty ones back, so that the ring itself allocates nothing.
struct Ring<T> {
    full: ArrayQueue<Vec<T>>,
    empty: ArrayQueue<Vec<T>>,
    /// Whether the other thread has seen that there is work to do.
    awake: AtomicBool,
}

/// Waits for something, without sleeping: another thread works on it.
fn wait<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    loop {
        for _ in 0..100 {
            if let Some(found) = ready() {
                return found;
            }
            spin_loop();
        }
        // Where there are fewer processors than threads.
        thread::yield_now();
    }
}

/// Sends what `make` makes, and the other thread drops it.
fn send<T: Send + 'static>(mut make: impl FnMut() -> T + 'static) -> Run {
    let ring: Arc<Ring<T>> =
        Arc::new(Ring { full: ArrayQueue::new(RING), empty: ArrayQueue::new(RING), awake: AtomicBool::new(false) });
    for _ in 0..RING {
        let _ = ring.empty.push(Vec::with_capacity(BATCH));
    }
    let (work, orders) = mpsc::channel::<u64>();
    let theirs = Arc::clone(&ring);
    // It sleeps while others are measured, and ends with the channel.
    thread::spawn(move || {
        while let Ok(batches) = orders.recv() {
            theirs.awake.store(true, Ordering::Release);
            for _ in 0..batches {
                let mut batch = wait(|| theirs.full.pop());
                batch.drain(..).for_each(|read| drop(black_box(read)));
                let _ = theirs.empty.push(batch);
            }
        }
    });
    Box::new(move |rounds| {
        let batches = rounds.div_ceil(BATCH as u64);
        ring.awake.store(false, Ordering::Relaxed);
        work.send(batches).expect("the thread that drops");
        wait(|| ring.awake.load(Ordering::Acquire).then_some(()));
        let start = Instant::now();
        for _ in 0..batches {
            let mut batch = wait(|| ring.empty.pop());
            batch.extend((0..BATCH).map(|_| make()));
            let _ = ring.full.push(batch);
        }
        // Until the last one is dropped.
        wait(|| (ring.empty.len() == RING).then_some(()));
        // As if it had been as many as were asked for, and not whole batches.
        start.elapsed().mul_f64(rounds as f64 / (batches * BATCH as u64) as f64)
    })
}

/// Room for `n` bytes, `written` of them written, ready to be shared; dropped by the other thread.
pub(crate) fn cross<R: Reader<Read: Send>>(slab: usize, n: usize, written: usize) -> Run {
    let mut reader = R::new(slab);
    send(move || reader.read(black_box(n), bytes(written)))
}

/// A value of the size of a pointer, which is all that the ring has to carry.
pub(crate) fn pointer() -> Run {
    let mut value = 0_usize;
    send(move || {
        value += 1;
        black_box(value)
    })
}
