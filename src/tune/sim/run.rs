//! What each step of a trace does to the handles of a simulated pool.

use super::SimulateError;
use super::pool::Pool;
use super::series::Series;
use super::slabs::{Home, Sums};
use crate::policy::RetainPolicy;
use crate::trace::{AllocTrace, Op, Step};
use crate::tune::{Setup, Simulated};

/// More than any program has: a number that a broken file may name must not take all memory.
const MOST_THREADS: u32 = 1 << 20;

/// The largest request, and the most slab memory, in bytes: far more than there is on any machine, and far less than overflows.
const LARGEST: u64 = 1 << 40;
const MOST_MEMORY: u64 = 1 << 60;

/// No allocation: of a handle without bytes.
const NOTHING: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Handle {
    root: u32,
    /// What it covers, in bytes from the start of its allocation here.
    start: u64,
    end: u64,
    /// Where that allocation starts in the recorded one.
    shift: u64,
    tag: u32,
    is_shared: bool,
    is_alive: bool,
}

/// A simulation in progress.
#[derive(Debug)]
pub(super) struct Run {
    pool: Pool,
    handles: Vec<Handle>,
    retain: Option<RetainPolicy>,
    /// Of each tag, whether slices that have it are retained.
    retained_tags: Vec<bool>,
    threads: u32,
    result: Simulated,
    pinned_sum: u128,
    series: Series,
}

impl Run {
    pub(super) fn new(trace: &AllocTrace, setup: &Setup) -> Result<Run, SimulateError> {
        setup.slab_size.check("slab_size".to_owned())?;
        if trace.threads > MOST_THREADS {
            return Err(SimulateError::Trace { step: 0, what: "is of a trace with more threads than can be" });
        }
        let millis = trace.steps.first().map_or(0, |step| step.millis);
        Ok(Run {
            pool: Pool::new(setup, trace.threads, millis),
            handles: Vec::new(),
            retain: setup.retain,
            retained_tags: trace.tags.iter().map(|tag| setup.retain_tags.contains(tag)).collect(),
            threads: trace.threads,
            result: Simulated::default(),
            pinned_sum: 0,
            series: Series::new(trace.steps.len() as u64),
        })
    }

    pub(super) fn step(&mut self, step: &Step) -> Result<(), SimulateError> {
        let number = self.result.steps;
        self.pool.millis = self.pool.millis.max(step.millis);
        self.run(step).map_err(|what| SimulateError::Trace { step: number, what })?;
        self.result.steps += 1;
        let sums = self.pool.slabs.sums;
        self.pinned_sum += u128::from(sums.pinned_bytes);
        let result = &mut self.result;
        result.peak_pinned_bytes = result.peak_pinned_bytes.max(sums.pinned_bytes);
        result.peak_live_bytes = result.peak_live_bytes.max(sums.live_bytes);
        result.peak_memory_bytes = result.peak_memory_bytes.max(sums.memory_bytes);
        result.peak_copy_bytes = result.peak_copy_bytes.max(sums.copy_bytes);
        result.peak_held_bytes = result.peak_held_bytes.max(sums.pinned_bytes + sums.copy_bytes);
        self.series.note(number, self.pool.millis, &sums);
        Ok(())
    }

    fn run(&mut self, step: &Step) -> Result<(), &'static str> {
        let thread = step.thread;
        if thread >= self.threads {
            return Err("is on a thread that the trace does not have");
        }
        if let Op::Derive { offset, len, .. } | Op::Freeze { offset, len, .. } | Op::Resize { offset, len, .. } =
            step.op
        {
            if offset.saturating_add(len) > LARGEST {
                return Err("covers bytes that no allocation has");
            }
        }
        match step.op {
            Op::Alloc { len, tag, .. } => {
                self.result.allocations += 1;
                let root = self.alloc(len, thread)?;
                let handle = Handle { root, start: 0, end: len, shift: 0, tag, is_shared: false, is_alive: true };
                self.handles.push(handle);
            }
            Op::Derive { parent, offset, len, shared, tag, .. } => {
                let parent = self.handle(parent)?;
                self.derive(parent, offset, len, shared, tag, thread);
            }
            Op::Freeze { handle, offset, len } => self.freeze(handle, offset, len, thread)?,
            Op::Resize { handle, offset, len } => self.resize(handle, offset, len, thread)?,
            Op::Tag { handle, tag } => {
                let was_retained = self.is_retained(self.handle(handle)?.tag);
                self.handles[handle as usize].tag = tag;
                if !was_retained {
                    self.retain_if_tagged(handle, thread);
                }
            }
            Op::Retain { handle, .. } => {
                self.handle(handle)?;
                self.retain(handle, thread);
            }
            Op::Free { handle } => {
                let dropped = self.handle(handle)?;
                self.handles[handle as usize].is_alive = false;
                self.release(dropped, thread);
            }
        }
        Ok(())
    }

    fn handle(&self, handle: u32) -> Result<Handle, &'static str> {
        let handle = self.handles.get(handle as usize).ok_or("names a handle that nothing made")?;
        if handle.is_alive { Ok(*handle) } else { Err("names a handle that was dropped") }
    }

    fn alloc(&mut self, len: u64, thread: u32) -> Result<u32, &'static str> {
        if len > LARGEST || self.pool.slabs.sums.memory_bytes > MOST_MEMORY {
            return Err("asks for more memory than there can be");
        }
        Ok(if len == 0 { NOTHING } else { self.pool.alloc(len, thread) })
    }

    /// What a range of the recorded allocation is of the one that this handle lies in here.
    fn range(&self, handle: Handle, offset: u64, len: u64) -> (u64, u64) {
        let start = offset.saturating_sub(handle.shift);
        (start, start.saturating_add(len))
    }

    /// The same, but for what lies beyond it.
    fn range_within(&self, handle: Handle, offset: u64, len: u64) -> (u64, u64) {
        let (start, end) = self.range(handle, offset, len);
        let most = self.pool.slabs.root(handle.root).len;
        if start < most {
            return (start, end.min(most));
        }
        // Nothing of it lies here; then it is as much of what the handle covers.
        (handle.start, handle.end.min(handle.start.saturating_add(len)))
    }

    fn derive(&mut self, parent: Handle, offset: u64, len: u64, shared: bool, tag: u32, thread: u32) {
        let is_shared = shared || parent.is_shared;
        let mut made = Handle { tag, is_shared, ..parent };
        if len == 0 || parent.root == NOTHING {
            (made.root, made.start, made.end) = (NOTHING, 0, 0);
        } else {
            (made.start, made.end) = self.range_within(parent, offset, len);
            self.pool.slabs.hold(made.root, made.start, made.end, thread);
        }
        self.handles.push(made);
        self.retain_if_tagged(self.handles.len() as u32 - 1, thread);
    }

    fn freeze(&mut self, number: u32, offset: u64, len: u64, thread: u32) -> Result<(), &'static str> {
        let before = self.handle(number)?;
        let mut frozen = before;
        if before.root != NOTHING && len == 0 {
            self.release(before, thread);
            (frozen.root, frozen.start, frozen.end) = (NOTHING, 0, 0);
        } else if before.root != NOTHING {
            (frozen.start, frozen.end) = self.range_within(before, offset, len);
            self.pool.slabs.shift(frozen.root, (before.start, before.end), (frozen.start, frozen.end));
            if !before.is_shared {
                self.pool.slabs.give_back(frozen.root, frozen.end, before.end, thread);
            }
        }
        frozen.is_shared = true;
        self.handles[number as usize] = frozen;
        if !before.is_shared {
            self.retain_if_tagged(number, thread);
        }
        Ok(())
    }

    fn resize(&mut self, number: u32, offset: u64, len: u64, thread: u32) -> Result<(), &'static str> {
        let before = self.handle(number)?;
        let mut sized = before;
        if len == 0 {
            self.release(before, thread);
            (sized.root, sized.start, sized.end) = (NOTHING, 0, 0);
        } else if before.root == NOTHING {
            // A buffer without room that got some.
            sized.root = self.alloc(len, thread)?;
            (sized.start, sized.end, sized.shift) = (0, len, offset);
        } else {
            let (start, end) = self.range(before, offset, len);
            if before.is_shared || self.fits(before, end, thread) {
                (sized.start, sized.end) = self.range_within(before, offset, len);
                self.pool.slabs.shift(sized.root, (before.start, before.end), (sized.start, sized.end));
            } else {
                sized.root = self.alloc(end - start, thread)?;
                (sized.start, sized.end, sized.shift) = (0, end - start, before.shift.saturating_add(start));
                self.release(before, thread);
                self.result.moves += 1;
            }
        }
        self.handles[number as usize] = sized;
        Ok(())
    }

    /// Makes a writable handle's allocation long enough to end there, if the slab has that much room behind it.
    fn fits(&mut self, handle: Handle, end: u64, thread: u32) -> bool {
        let slabs = &mut self.pool.slabs;
        let root = slabs.root_mut(handle.root);
        let more = end.saturating_sub(root.len);
        let Home::Slab(slab, base) = root.home else { return more == 0 };
        if more == 0 {
            return true;
        }
        let owned = slabs.slab_mut(slab);
        let cursor = owned.cursor;
        let is_last = owned.owner == thread && cursor == base + (end - more);
        if !is_last || !owned.reach(cursor + more) {
            return false;
        }
        owned.cursor += more;
        slabs.count_cut(slab, cursor + more);
        slabs.root_mut(handle.root).len = end;
        true
    }

    fn is_retained(&self, tag: u32) -> bool {
        self.retained_tags.get(tag as usize) == Some(&true)
    }

    fn retain_if_tagged(&mut self, number: u32, thread: u32) {
        let handle = self.handles[number as usize];
        if handle.is_shared && self.is_retained(handle.tag) {
            self.retain(number, thread);
        }
    }

    /// Copies a slice that is kept for long if the policy says so; a buffer that is written to is none.
    fn retain(&mut self, number: u32, thread: u32) {
        let handle = self.handles[number as usize];
        let (Some(policy), true) = (self.retain, handle.is_shared && handle.root != NOTHING) else { return };
        let slabs = &mut self.pool.slabs;
        let (len, root) = (handle.end - handle.start, slabs.root(handle.root));
        let kept = match root.home {
            Home::Slab(slab, _) => slabs.slab(slab).size,
            Home::Copy if root.len == len => return,
            Home::Copy => root.len,
        };
        let to_usize = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        if !policy.decide(to_usize(len), to_usize(kept)).is_copy() {
            return;
        }
        self.result.copies += 1;
        self.result.copied_bytes = self.result.copied_bytes.saturating_add(len);
        let root = slabs.new_root(Home::Copy, len);
        slabs.hold(root, 0, len, thread);
        let shift = handle.shift.saturating_add(handle.start);
        self.handles[number as usize] = Handle { root, start: 0, end: len, shift, ..handle };
        self.release(handle, thread);
    }

    /// What a handle held is let go. A writable one's room goes back to the slab if it was cut last.
    fn release(&mut self, handle: Handle, thread: u32) {
        if handle.root == NOTHING {
            return;
        }
        let slabs = &mut self.pool.slabs;
        let (start, mut end) = (handle.start, handle.end);
        if !handle.is_shared {
            slabs.shift(handle.root, (start, end), (start, start));
            slabs.give_back(handle.root, start, end, thread);
            end = start;
        }
        if let Some(emptied) = slabs.release(handle.root, start, end, thread) {
            self.pool.take_back(emptied, thread);
        }
    }

    #[cfg(test)]
    pub(super) fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    pub(super) fn sums(&self) -> Sums {
        self.pool.slabs.sums
    }

    pub(super) fn finish(mut self) -> Simulated {
        let (sums, pool) = (self.sums(), self.pool);
        let steps = u128::from(self.result.steps.max(1));
        self.result.mean_pinned_bytes = (self.pinned_sum / steps) as u64;
        self.result.series = self.series.into_moments();
        Simulated {
            end_pinned_bytes: sums.pinned_bytes,
            end_live_bytes: sums.live_bytes,
            slabs_taken: sums.taken,
            fresh_bytes: sums.fresh_bytes,
            cold_bytes: sums.cold_bytes,
            hot_bytes: sums.hot_bytes,
            guest_ops: sums.guest_ops,
            oversize: pool.oversize,
            slabs_reused: pool.reused,
            slabs_reused_in_place: pool.in_place,
            slabs_reused_around: pool.around,
            slabs_recycled: pool.recycled,
            slab_changes: pool.changes,
            detaches: pool.detaches,
            end_slab_size: pool.slab_size as usize,
            slab_size_moves: pool.moves,
            ..self.result
        }
    }
}
