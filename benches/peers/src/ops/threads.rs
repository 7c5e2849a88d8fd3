//! Two threads at once, each with its own reads.

use super::alloc::link;
use crate::impls::Sharer;
use crate::random::Random;
use crate::timing::Run;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Both wait until both are here.
fn meet(here: &AtomicUsize) {
    here.fetch_add(1, Ordering::AcqRel);
    while here.load(Ordering::Acquire) < 2 {
        spin_loop();
    }
}

fn rounds_of<R: Sharer>(reader: &mut R, random: &mut Random, n: usize, rounds: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        link(reader, random, n);
    }
    start.elapsed()
}

/// The chain, by two threads at once. What counts is the mean of what they took for a round each.
pub(crate) fn chain_on_two<R: Sharer + Send>(slab: usize, n: usize) -> Run {
    let mut mine = R::new(slab);
    let mut theirs = mine.another();
    let (work, orders) = mpsc::channel::<(u64, Arc<AtomicUsize>)>();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut random = Random::default();
        while let Ok((rounds, here)) = orders.recv() {
            meet(&here);
            let _ = tell.send(rounds_of(&mut theirs, &mut random, n, rounds));
        }
    });
    let mut random = Random::default();
    Box::new(move |rounds| {
        let here = Arc::new(AtomicUsize::new(0));
        work.send((rounds, Arc::clone(&here))).expect("the other thread");
        meet(&here);
        let took = rounds_of(&mut mine, &mut random, n, rounds);
        (took + told.recv().expect("the other thread")) / 2
    })
}
