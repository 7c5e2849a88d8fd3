//! Traces made up for tests.

use bufslab::trace::{AllocTrace, Op, Step};

/// A trace in the making.
#[derive(Default)]
pub(super) struct Script {
    trace: AllocTrace,
    handles: u32,
    allocations: u64,
    /// A number that nobody would have thought of.
    seed: u64,
}

impl Script {
    pub(super) fn new(threads: u32, tags: &[&str]) -> Script {
        let mut trace = AllocTrace::default();
        trace.one_in = 1;
        trace.threads = threads;
        trace.sites = vec![String::new(), "src/conn.rs:10:5".to_owned()];
        trace.tags = std::iter::once("").chain(tags.iter().copied()).map(str::to_owned).collect();
        Script { trace, seed: 0x2545_f491_4f6c_dd1d, ..Script::default() }
    }

    pub(super) fn step(&mut self, thread: u32, op: Op) {
        let (position, millis) = (self.allocations, self.trace.steps.len() as u64 / 100 * 10);
        self.trace.steps.push(Step { millis, position, thread, op });
    }

    pub(super) fn alloc(&mut self, thread: u32, len: u64) -> u32 {
        self.step(thread, Op::Alloc { len, site: 1, tag: 0 });
        self.allocations += 1;
        self.made()
    }

    pub(super) fn freeze(&mut self, thread: u32, handle: u32, len: u64) {
        self.step(thread, Op::Freeze { handle, offset: 0, len });
    }

    pub(super) fn slice(&mut self, thread: u32, parent: u32, offset: u64, len: u64, tag: u32) -> u32 {
        self.step(thread, Op::Derive { parent, offset, len, shared: true, site: 1, tag });
        self.made()
    }

    pub(super) fn free(&mut self, thread: u32, handle: u32) {
        self.step(thread, Op::Free { handle });
    }

    /// A buffer of `len` bytes that is filled with so many.
    pub(super) fn read(&mut self, thread: u32, len: u64, filled: u64) -> u32 {
        let handle = self.alloc(thread, len);
        self.freeze(thread, handle, filled);
        handle
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % n
    }

    pub(super) fn end(mut self) -> AllocTrace {
        self.trace.allocations = self.allocations;
        self.trace.millis = self.trace.steps.last().map_or(0, |step| step.millis);
        self.trace.pool.slab_size = 65_536;
        self.trace
    }

    fn made(&mut self) -> u32 {
        self.handles += 1;
        self.handles - 1
    }
}

/// Reads of 1,500 bytes; of every so many, 20 bytes are kept for good.
pub(super) fn upgrades(reads: u64, keep_one_in: u64) -> AllocTrace {
    let mut script = Script::new(1, &["req.head"]);
    for i in 0..reads {
        let read = script.read(0, 1500, 1500);
        if i % keep_one_in == 0 {
            script.slice(0, read, 0, 20, 1);
        }
        script.free(0, read);
    }
    script.end()
}

/// One thread reads, another parses and drops; a third keeps a few for a while.
pub(super) fn hand_over(reads: u64) -> AllocTrace {
    let mut script = Script::new(3, &["body", "cache"]);
    let mut cached = std::collections::VecDeque::new();
    let mut waiting = std::collections::VecDeque::new();
    for _ in 0..reads {
        let filled = 1 + script.below(4096);
        let read = script.read(0, 4096, filled);
        waiting.push_back((read, filled));
        if waiting.len() > 5 {
            let (read, filled) = waiting.pop_front().unwrap();
            let head = script.slice(1, read, 0, filled.min(40), 2);
            if script.below(10) == 0 {
                let copy = script.slice(2, head, 0, filled.min(40), 2);
                cached.push_back(copy);
            }
            script.free(1, head);
            script.free(1, read);
        }
        if cached.len() > 50 {
            script.free(2, cached.pop_front().unwrap());
        }
    }
    script.end()
}

/// Buffers of all sizes with lives of all lengths, on so many threads, split and sliced.
pub(super) fn mixed(threads: u32, steps: u64) -> AllocTrace {
    let mut script = Script::new(threads, &["a", "b", "c"]);
    let mut alive: Vec<(u32, u64)> = Vec::new();
    for _ in 0..steps {
        let thread = script.below(u64::from(threads)) as u32;
        match script.below(5) {
            0 | 1 => {
                let len = 1 << script.below(15);
                let filled = 1 + script.below(len);
                alive.push((script.read(thread, len, filled), filled));
            }
            2 if !alive.is_empty() => {
                let (parent, len) = alive[script.below(alive.len() as u64) as usize];
                let offset = script.below(len);
                let (part, tag) = (1 + script.below(len - offset), 1 + script.below(3) as u32);
                // Where a slice begins counts from the allocation; only slices of whole reads are made here.
                if part == len {
                    alive.push((script.slice(thread, parent, offset, part, tag), part));
                }
            }
            _ if alive.len() > 40 || script.below(3) == 0 && !alive.is_empty() => {
                let at = script.below(alive.len() as u64) as usize;
                let (handle, _) = alive.swap_remove(at);
                script.free(thread, handle);
            }
            _ => {}
        }
    }
    script.end()
}
