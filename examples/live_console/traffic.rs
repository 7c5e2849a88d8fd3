//! The traffic: uploads that come and go, sessions that keep a head each, a cache that keeps values.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use bufslab::{BufMut, SlabBytes, SlabPool};

/// What the server reads from a socket at a time.
const READ: usize = 16 * 1024;
/// An upload has this many bytes: a little more than a slab, so that no two sessions share one.
const UPLOAD: usize = 272 * 1024;
/// The head of an upgrade request, which a session keeps for as long as it lives.
const HEAD: usize = 20;
/// Workers, each with uploads and sessions of its own.
const WORKERS: u64 = 2;
/// Sessions that a worker has open; the oldest hangs up when another comes. All of them keep 140 MiB.
const SESSIONS: usize = 280;
/// Values that the cache keeps, of 1 to 8 KiB.
const VALUES: usize = 512;
/// How often each thread does something: with two workers, sessions keep 2 MiB more with each second.
const TICK: Duration = Duration::from_millis(250);

/// Makes traffic until it is told to stop.
pub fn run(pool: &SlabPool, stop: &AtomicBool) -> Result<()> {
    thread::scope(|scope| {
        let mut threads: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(pool, stop, worker))).collect();
        threads.push(scope.spawn(|| keep_cache(pool, stop)));
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// Waits for the next round; false when it is time to end.
fn next(stop: &AtomicBool) -> bool {
    thread::sleep(TICK);
    !stop.load(Ordering::Relaxed)
}

fn work(pool: &SlabPool, stop: &AtomicBool, worker: u64) -> Result<()> {
    let mut sessions = VecDeque::new();
    let mut round = 0;
    while next(stop) {
        let number = round * WORKERS + worker;
        upload(pool, number)?;
        sessions.push_back(open_session(pool, number)?);
        if sessions.len() > SESSIONS {
            sessions.pop_front();
        }
        // One of them is heard of again, which leaves a hint.
        sessions[round as usize * 7 % sessions.len()].touch("said hello");
        round += 1;
    }
    Ok(())
}

fn keep_cache(pool: &SlabPool, stop: &AtomicBool) -> Result<()> {
    let mut values = VecDeque::new();
    let mut round = 0;
    while next(stop) {
        values.extend(new_values(pool, round)?);
        values.drain(..values.len().saturating_sub(VALUES));
        round += 1;
    }
    Ok(())
}

/// One read from a socket.
fn read(pool: &SlabPool, size: usize, text: &str) -> Result<SlabBytes> {
    let mut read = pool.try_alloc(size)?;
    read.put_slice(text.as_bytes());
    read.put_bytes(b'.', size - text.len());
    Ok(read.freeze())
}

/// Reads an upload piece by piece, and drops each piece when it is written elsewhere.
fn upload(pool: &SlabPool, number: u64) -> Result<()> {
    let _scope = pool.scope("upload", number);
    let mut written = 0;
    while written < UPLOAD {
        let piece = read(pool, READ, "POST /upload")?.tag("upload.body");
        written += piece.len();
    }
    Ok(())
}

/// The trap: 20 bytes of a request are worth keeping, and they keep the slab that it was read into.
fn open_session(pool: &SlabPool, number: u64) -> Result<SlabBytes> {
    let _scope = pool.scope("ws_session", number);
    let request = read(pool, 1024, &format!("GET /socket/{number:06} HTTP/1.1"))?;
    Ok(request.slice(..HEAD).tag("req.head"))
}

/// Values that the cache keeps for good reason: they are what fills their slabs.
fn new_values(pool: &SlabPool, round: u64) -> Result<Vec<SlabBytes>> {
    let _scope = pool.scope("cache", 0);
    let size = |n: u64| 1024 * (1 + (round + 3 * n) % 8) as usize;
    (0..8).map(|n| Ok(read(pool, size(n), "value")?.tag("cache.value"))).collect()
}
