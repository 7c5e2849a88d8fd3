//! A trace made ready to run: who does what, where the handle lies, and whom it has to wait for.

use super::{MOST_THREADS, ReplayError};
use crate::trace::{AllocTrace, Op, Step};
use crate::track::Tag;
use crate::tune::Setup;

/// Where a handle lies: in a table that only one thread has, or in a cell that all have.
///
/// Places are used again when their handle is gone, so that the tables are no larger than what is alive at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Own(u32),
    Shared(u32),
}

/// What is done; offsets count from the start of the allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Asks for `len` bytes, and writes the first `filled` of them.
    Alloc {
        len: usize,
        filled: usize,
    },
    Derive {
        from: Place,
        turn: u32,
        offset: u64,
        len: u64,
        shared: bool,
    },
    Freeze {
        offset: u64,
        len: u64,
    },
    /// A writable one that gets more room is filled up to `filled`, counted from the start of the allocation too, with `more` bytes.
    Resize {
        offset: u64,
        len: u64,
        filled: u64,
        more: usize,
    },
    Tag,
    Retain,
    Free,
}

/// One step, as the thread that does it needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    /// Its number in the trace.
    pub(super) index: u64,
    pub(super) thread: u32,
    /// Of the handle that it makes or changes.
    pub(super) place: Place,
    /// Steps on that handle before this one. Only counted for shared ones.
    pub(super) turn: u32,
    /// Number of the tag that the handle gets, 0 for none.
    pub(super) tag: u32,
    /// Whether the handle is one that the setup retains from now on.
    pub(super) keep: bool,
    pub(super) what: What,
}

/// A trace made ready.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of the trace.
    pub(super) acts: Vec<Act>,
    pub(super) threads: u32,
    pub(super) allocations: u64,
    /// Places that each thread needs; a single table if all share one.
    pub(super) own: Vec<u32>,
    pub(super) shared: u32,
    pub(super) tags: Vec<Option<Tag>>,
}

/// Who may lay handles where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    /// Each thread has its own, and handles that several threads touch lie in cells.
    PerThread,
    /// There is one, which goes from thread to thread.
    One,
}

/// What is known of a handle while the trace is read.
struct Known {
    alive: bool,
    /// The thread of all steps on it, if it is only one.
    only: Option<u32>,
    allocation: u32,
    writable: bool,
    offset: u64,
    len: u64,
    tag: u32,
}

/// What all handles of an allocation say about its bytes.
struct Bytes {
    filled: u64,
    is_frozen: bool,
}

impl Plan {
    pub(super) fn new(trace: &AllocTrace, setup: &Setup, tables: Tables) -> Result<Plan, ReplayError> {
        if trace.threads > MOST_THREADS {
            return Err(ReplayError::Threads { threads: trace.threads, most: MOST_THREADS });
        }
        let (known, bytes) = read(trace)?;
        let retained: Vec<bool> = trace.tags.iter().map(|tag| setup.retain_tags.contains(tag)).collect();
        let tags = trace.tags.iter().enumerate();
        let mut plan = Plan {
            acts: Vec::with_capacity(trace.steps.len()),
            threads: trace.threads,
            allocations: 0,
            own: vec![0; if tables == Tables::One { 1 } else { trace.threads as usize }],
            shared: 0,
            tags: tags.map(|(i, tag)| (i > 0 && !tag.is_empty()).then(|| Tag::new(tag))).collect(),
        };
        let mut layout = Layout { places: Vec::new(), free: vec![Vec::new(); plan.own.len()] };
        let mut state = vec![(false, 0_u32, 0_u64); known.len()];
        for (index, step) in trace.steps.iter().enumerate() {
            let handle = match step.op {
                Op::Alloc { .. } | Op::Derive { .. } => {
                    let only = known[layout.places.len()].only.filter(|_| tables == Tables::PerThread);
                    let table = if tables == Tables::One { Some(0) } else { only };
                    layout.add(&mut plan, table)
                }
                Op::Freeze { handle, .. }
                | Op::Resize { handle, .. }
                | Op::Tag { handle, .. }
                | Op::Retain { handle, .. }
                | Op::Free { handle } => handle as usize,
            };
            let (place, turn) = layout.touch(handle);
            let (writable, tag, filled) = state[handle];
            let is_kept = |writable: bool, tag: u32| !writable && retained.get(tag as usize) == Some(&true);
            let (what, next) = match step.op {
                Op::Alloc { len, tag, .. } => {
                    plan.allocations += 1;
                    let bytes = &bytes[known[handle].allocation as usize];
                    let filled = if bytes.is_frozen { bytes.filled.min(len) } else { len };
                    (What::Alloc { len: to_usize(len), filled: to_usize(filled) }, (true, tag, filled))
                }
                Op::Derive { parent, offset, len, shared, tag, .. } => {
                    let (from, turn) = layout.touch(parent as usize);
                    // What comes from a read-only handle is read-only, whatever the program made of it.
                    let shared = shared || !state[parent as usize].0;
                    let (_, _, filled) = state[parent as usize];
                    (What::Derive { from, turn, offset, len, shared }, (!shared, tag, filled))
                }
                Op::Freeze { offset, len, .. } => (What::Freeze { offset, len }, (false, tag, filled)),
                Op::Resize { offset, len, .. } => {
                    let bytes = &bytes[known[handle].allocation as usize];
                    let end = offset.saturating_add(len);
                    let wanted = if bytes.is_frozen { bytes.filled.min(end) } else { end };
                    let now = if writable { filled.max(wanted) } else { filled };
                    let more = to_usize(now - filled);
                    (What::Resize { offset, len, filled: now, more }, (writable, tag, now))
                }
                Op::Tag { tag, .. } => (What::Tag, (writable, tag, filled)),
                Op::Retain { .. } => (What::Retain, (writable, tag, filled)),
                Op::Free { .. } => (What::Free, (writable, tag, filled)),
            };
            let keep = what != What::Free && !is_kept(writable, tag) && is_kept(next.0, next.1);
            state[handle] = next;
            if what == What::Free {
                layout.end(handle);
            }
            plan.acts.push(Act { index: index as u64, thread: step.thread, place, turn, tag: next.1, keep, what });
        }
        Ok(plan)
    }

    pub(super) fn steps(&self) -> u64 {
        self.acts.len() as u64
    }
}

/// Where each handle lies.
struct Layout {
    /// Of each handle: its place, its turns so far, and its table.
    places: Vec<(Place, u32, Option<usize>)>,
    free: Vec<Vec<u32>>,
}

impl Layout {
    /// A place for the next handle, in this table or in a cell.
    fn add(&mut self, plan: &mut Plan, table: Option<u32>) -> usize {
        let place = match table {
            Some(table) => Place::Own(self.free[table as usize].pop().unwrap_or_else(|| {
                let places = &mut plan.own[table as usize];
                *places += 1;
                *places - 1
            })),
            // Not used again: whoever comes next would have to wait for whoever was there.
            None => {
                plan.shared += 1;
                Place::Shared(plan.shared - 1)
            }
        };
        self.places.push((place, 0, table.map(|table| table as usize)));
        self.places.len() - 1
    }

    fn touch(&mut self, handle: usize) -> (Place, u32) {
        let (place, turns, _) = &mut self.places[handle];
        *turns += 1;
        (*place, *turns - 1)
    }

    fn end(&mut self, handle: usize) {
        if let (Place::Own(place), _, Some(table)) = self.places[handle] {
            self.free[table].push(place);
        }
    }
}

/// Looks through the trace once: whether it can be run, and what of the future its steps have to know.
fn read(trace: &AllocTrace) -> Result<(Vec<Known>, Vec<Bytes>), ReplayError> {
    let mut known: Vec<Known> = Vec::new();
    let mut bytes: Vec<Bytes> = Vec::new();
    for (at, step) in trace.steps.iter().enumerate() {
        let wrong = |what| ReplayError::Trace { step: at, what };
        if step.thread >= trace.threads {
            return Err(wrong("is on a thread that the trace does not have"));
        }
        let Step { thread, op, .. } = *step;
        match op {
            Op::Alloc { len, tag, .. } => {
                let allocation = bytes.len() as u32;
                bytes.push(Bytes { filled: 0, is_frozen: false });
                known.push(Known { alive: true, only: Some(thread), allocation, writable: true, offset: 0, len, tag });
            }
            Op::Derive { parent, offset, len, shared, tag, .. } => {
                let parent = touched(&mut known, parent, thread).map_err(wrong)?;
                if offset < parent.offset || offset.saturating_add(len) > parent.offset.saturating_add(parent.len) {
                    return Err(wrong("makes a handle of more than its parent covers"));
                }
                let writable = parent.writable && !shared;
                let allocation = parent.allocation;
                if parent.writable {
                    // The front is split off what is filled; of the back, as of a slice, nothing is known yet.
                    let is_front = offset == parent.offset && len < parent.len;
                    bytes[allocation as usize]
                        .fill(if is_front || shared { offset.saturating_add(len) } else { 0 }, shared);
                }
                known.push(Known { alive: true, only: Some(thread), allocation, writable, offset, len, tag });
            }
            Op::Freeze { handle, offset, len } => {
                let handle = touched(&mut known, handle, thread).map_err(wrong)?;
                bytes[handle.allocation as usize].fill(offset.saturating_add(len), true);
                (handle.writable, handle.offset, handle.len) = (false, offset, len);
            }
            Op::Resize { handle, offset, len } => {
                let handle = touched(&mut known, handle, thread).map_err(wrong)?;
                if handle.writable {
                    bytes[handle.allocation as usize].fill(offset, false);
                }
                (handle.offset, handle.len) = (offset, len);
            }
            Op::Tag { handle, tag } => touched(&mut known, handle, thread).map_err(wrong)?.tag = tag,
            Op::Retain { handle, .. } => _ = touched(&mut known, handle, thread).map_err(wrong)?,
            Op::Free { handle } => touched(&mut known, handle, thread).map_err(wrong)?.alive = false,
        }
    }
    Ok((known, bytes))
}

fn touched(known: &mut [Known], handle: u32, thread: u32) -> Result<&mut Known, &'static str> {
    let handle = known.get_mut(handle as usize).ok_or("names a handle that nothing made")?;
    if !handle.alive {
        return Err("names a handle that was dropped");
    }
    handle.only = handle.only.filter(|&only| only == thread);
    Ok(handle)
}

impl Bytes {
    fn fill(&mut self, end: u64, is_frozen: bool) {
        self.filled = self.filled.max(end);
        self.is_frozen |= is_frozen;
    }
}

/// More than there is memory for on any machine stays more than that.
fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
