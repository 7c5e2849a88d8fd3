//! Random traces that a program could leave.

use crate::trace::{AllocTrace, Op, Step};

/// Xorshift.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

struct Handle {
    number: u32,
    offset: u64,
    len: u64,
    is_shared: bool,
}

/// A trace of so many steps.
pub(crate) fn trace(seed: u64, steps: usize) -> AllocTrace {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut trace = AllocTrace { one_in: 1 + random.below(3) as u32, threads: 3, ..AllocTrace::default() };
    trace.pool.name = String::from("p\u{f6}ol");
    trace.pool.slab_size = 65_536;
    trace.sites.extend(["src/read.rs:10:5", "src/read.rs:20:9"].map(String::from));
    trace.tags.extend(["req.head", "body"].map(String::from));
    let mut alive: Vec<Handle> = Vec::new();
    let (mut made, mut millis, mut position) = (0, 0, 0);
    for _ in 0..steps {
        millis += [0, 0, 0, 10, 500][random.below(5) as usize];
        position += if trace.one_in > 1 { random.below(4) } else { 0 };
        let at = random.below(alive.len().max(1) as u64) as usize;
        let names = (random.below(3) as u32, random.below(3) as u32);
        let mut made_here = |offset, len, is_shared, alive: &mut Vec<Handle>| {
            alive.push(Handle { number: made, offset, len, is_shared });
            made += 1;
        };
        let op = match random.below(10) {
            0..=3 if !alive.is_empty() => Op::Free { handle: alive.swap_remove(at).number },
            4 if !alive.is_empty() && alive[at].len > 0 => {
                let (parent, skip) = (alive[at].number, random.below(alive[at].len));
                let (offset, len) = (alive[at].offset + skip, 1 + random.below(alive[at].len - skip));
                let shared = alive[at].is_shared;
                made_here(offset, len, shared, &mut alive);
                Op::Derive { parent, offset, len, shared, site: names.0, tag: names.1 }
            }
            5 if alive.get(at).is_some_and(|handle| !handle.is_shared) => {
                let handle = &mut alive[at];
                handle.offset += random.below(handle.len + 1);
                handle.len = (handle.len / 2).min(1);
                handle.is_shared = true;
                Op::Freeze { handle: handle.number, offset: handle.offset, len: 0 }
            }
            6 if !alive.is_empty() => {
                let handle = &mut alive[at];
                (handle.offset, handle.len) = (random.below(100_000), random.below(100_000));
                Op::Resize { handle: handle.number, offset: handle.offset, len: handle.len }
            }
            7 if !alive.is_empty() => Op::Tag { handle: alive[at].number, tag: names.1 },
            8 if !alive.is_empty() => Op::Retain { handle: alive[at].number, copied: random.below(2) == 0 },
            _ => {
                let len = [1, 20, 1500, 16_384, 1 << 33][random.below(5) as usize];
                made_here(0, len, false, &mut alive);
                Op::Alloc { len, site: names.0, tag: names.1 }
            }
        };
        if let Op::Freeze { .. } = op {
            alive[at].len = 0;
        }
        trace.steps.push(Step { millis, position, thread: random.below(3) as u32, op });
        position += u64::from(matches!(op, Op::Alloc { .. }));
    }
    (trace.allocations, trace.millis, trace.is_cut_short) = (position + 3, millis, random.below(2) == 0);
    trace
}
