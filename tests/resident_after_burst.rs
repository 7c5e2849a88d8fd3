//! Resident memory as the kernel counts it falls back after a burst, without a call.
//!
//! With slabs of the heap, in a process of its own in which glibc gives every freed slab back at once: by default it raises its
//! threshold for that with the first large piece of memory that is freed, up to 32 MiB, and keeps what it likes of smaller ones.

#![allow(missing_docs)]
#![cfg(all(target_os = "linux", not(miri)))]

use bufslab::{BufMut, SlabBytes, SlabPool};
use std::collections::VecDeque;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[path = "common/stop.rs"]
mod stop;
use stop::Stop;

const SLAB: usize = 1 << 20;
const THREADS: usize = 2;
/// Slices, half a slab each, that each thread holds at a time.
const STEADY: usize = 16;

/// What is not slabs: pages that the burst touched once and that stay. The ledger has 1 KiB of slots for each of the 160 slabs
/// and 384 bytes of header, the lists of idle slabs 16 bytes each; the C library's own lists and the threads' stacks have
/// been touched before. 2 MiB is several times that.
const ELSE: usize = 2 << 20;

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * page_size()
}

/// As the program's auxiliary vector has it: entry 6, `AT_PAGESZ`.
fn page_size() -> usize {
    let words = std::fs::read("/proc/self/auxv").unwrap();
    let words: Vec<usize> =
        words.chunks_exact(size_of::<usize>()).map(|word| usize::from_ne_bytes(word.try_into().unwrap())).collect();
    words.chunks_exact(2).find(|entry| entry[0] == 6).expect("AT_PAGESZ")[1]
}

fn traffic(pool: &SlabPool, window: &AtomicUsize, held_now: &AtomicUsize, over: &AtomicBool) {
    let mut held: VecDeque<SlabBytes> = VecDeque::new();
    while !over.load(SeqCst) {
        let mut buffer = pool.alloc(SLAB / 2);
        buffer.put_bytes(held.len() as u8, SLAB / 2);
        held.push_back(buffer.freeze());
        while held.len() > window.load(SeqCst) {
            held.pop_front();
        }
        held_now.store(held.len(), SeqCst);
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "in vain: {what}; {} bytes resident", resident());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Run by the test below, in a process of its own.
#[test]
#[ignore = "run by the other test, in a process of its own"]
fn in_its_own_process() {
    let decay = Duration::from_millis(50);
    let pool = SlabPool::builder().slab_size(SLAB).idle_bytes(usize::MAX).idle_decay(decay).build().unwrap();
    let (window, over) = (AtomicUsize::new(STEADY), AtomicBool::new(false));
    let held: [AtomicUsize; THREADS] = [const { AtomicUsize::new(0) }; THREADS];
    let before = resident();
    std::thread::scope(|scope| {
        let _stop = Stop(&over);
        for held_here in &held {
            scope.spawn(|| traffic(&pool, &window, held_here, &over));
        }
        let all_hold = |slices| held.iter().all(|held| held.load(SeqCst) == slices);
        until("the threads get going", || all_hold(STEADY));
        // The load's slabs: those it holds, and two attached for each thread, of which half a slab is held.
        let working_set = THREADS * (STEADY / 2 + 2) * SLAB;
        let bound = before + working_set + working_set / 10 + ELSE;
        until("the load is steady", || resident() <= bound);
        for round in 0..2 {
            window.store(10 * STEADY, SeqCst);
            until("the burst", || all_hold(10 * STEADY));
            let peak = resident();
            assert!(peak >= before + THREADS * 10 * STEADY / 2 * SLAB, "round {round}: {peak} bytes at the peak");
            window.store(STEADY, SeqCst);
            until("resident memory falls back", || resident() <= bound);
            let now = resident();
            eprintln!("round {round}: {before} bytes at first, {peak} in the burst, {now} after it");
        }
    });
}

#[test]
fn resident_memory_falls_back_after_a_burst() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_its_own_process", "--ignored", "--nocapture"])
        // glibc: maps every piece of this size or more, also later on. Other C libraries do not know it.
        .env("MALLOC_MMAP_THRESHOLD_", "131072")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(said.contains("round 1:"), "{said}");
    println!("{said}");
}
