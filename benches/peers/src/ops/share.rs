//! Handles that are made of others.

use super::bytes;
use crate::impls::Sharer;
use crate::random::Random;
use crate::timing::Run;
use std::hint::black_box;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Reads that there are, to be cloned and sliced in random order.
const READS: usize = 64;
/// Room in each.
const N: usize = 4096;

/// Runs `act` on random ones of `reads`, and keeps `kept` until it is done.
fn on_random<R: Sharer, K: 'static>(
    reads: Vec<R::Read>,
    kept: K,
    act: impl Fn(&R::Read, &mut Random) + 'static,
) -> Run {
    let mut random = Random::default();
    Box::new(move |rounds| {
        let _kept = &kept;
        let start = Instant::now();
        for _ in 0..rounds {
            act(&reads[random.next() % READS], &mut random);
        }
        start.elapsed()
    })
}

fn reads<R: Sharer>(reader: &mut R, written: usize) -> Vec<R::Read> {
    (0..READS).map(|_| reader.read(N, bytes(written))).collect()
}

/// A clone of a read of 64 bytes, dropped, by the thread that made the read.
pub(crate) fn clone<R: Sharer>(slab: usize) -> Run {
    let mut reader = R::new(slab);
    on_random::<R, _>(reads(&mut reader, 64), reader, |read, _| {
        black_box(&read.clone());
    })
}

/// A part of a read of 64 bytes, dropped, by the thread that made the read.
pub(crate) fn slice<R: Sharer>(slab: usize) -> Run {
    let mut reader = R::new(slab);
    on_random::<R, _>(reads(&mut reader, 64), reader, |read, random| {
        black_box(&R::slice(read, random.part()));
    })
}

/// The first bytes of what is left of a read of 4 KiB, dropped. When little is left, it begins with another clone of the whole.
pub(crate) fn split_to<R: Sharer>(slab: usize) -> Run {
    let mut reader = R::new(slab);
    let whole = reader.read(N, bytes(N));
    let mut random = Random::default();
    let (mut rest, mut left) = (whole.clone(), N);
    Box::new(move |rounds| {
        let _kept = &reader;
        let start = Instant::now();
        for _ in 0..rounds {
            if left < 64 {
                (rest, left) = (whole.clone(), N);
            }
            let len = random.part().len();
            left -= len;
            black_box(&R::split_to(&mut rest, len));
        }
        start.elapsed()
    })
}

/// A clone of a read that has long been made, dropped: so many others were made since, and are all kept, that their
/// memory is used up and left to them. By the thread that made the read.
pub(crate) fn clone_old<R: Sharer>(slab: usize) -> Run {
    let mut reader = R::new(slab);
    let reads = reads(&mut reader, N);
    let since: Vec<R::Read> = (0..4 * slab / N).map(|_| reader.read(N, bytes(N))).collect();
    on_random::<R, _>(reads, (since, reader), |read, _| {
        black_box(&read.clone());
    })
}

/// A clone of a read of another thread, dropped. That thread lives, and does nothing.
pub(crate) fn clone_elsewhere<R: Sharer<Read: Send>>(slab: usize) -> Run {
    let (give, take) = mpsc::channel();
    let (stay, leave) = mpsc::channel::<()>();
    let owner = thread::spawn(move || {
        let mut reader = R::new(slab);
        let _ = give.send(reads(&mut reader, 64));
        let _ = leave.recv();
    });
    let reads = take.recv().expect("the thread that makes them");
    on_random::<R, _>(reads, Owner { stay: Some(stay), owner: Some(owner) }, |read, _| {
        black_box(&read.clone());
    })
}

/// A thread that ends when this is dropped.
struct Owner {
    stay: Option<mpsc::Sender<()>>,
    owner: Option<thread::JoinHandle<()>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.stay.take());
        if let Some(owner) = self.owner.take() {
            let _ = owner.join();
        }
    }
}
