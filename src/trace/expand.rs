//! A sampled trace as the full one that it stands for.

use super::{AllocTrace, Op, Step, TraceError};

/// Steps of the largest trace that is made here.
const MOST_STEPS: u64 = 1 << 26;

/// What happened to one copy of a recorded step: its place in the order, and whose copy it is.
struct Copied {
    position: u64,
    /// An allocation is the last of the steps with its position.
    is_alloc: bool,
    step: usize,
    copy: u32,
}

impl AllocTrace {
    /// The trace of all allocations that a sampled one stands for, about: one of which one in `n` allocations was recorded gets
    /// `n` of each, at consecutive places in the order, and all that happened to it later as many places later. So a lifetime, counted in
    /// allocations, stays what it was, and as much is alive at any time. A full trace is its own.
    ///
    /// # Errors
    ///
    /// If the trace contradicts itself, or would have more than 67,108,864 steps or 4,294,967,295 handles.
    pub fn expand(&self) -> Result<AllocTrace, TraceError> {
        self.check()?;
        let copies = u64::from(self.one_in);
        if copies == 1 {
            return Ok(self.clone());
        }
        if copies.saturating_mul(self.steps.len() as u64) > MOST_STEPS {
            let what = format!("{copies} times the steps of the trace are more than {MOST_STEPS}");
            return Err(TraceError::step(self.steps.len(), what));
        }
        let mut order: Vec<Copied> = Vec::with_capacity(self.steps.len() * copies as usize);
        for (number, step) in self.steps.iter().enumerate() {
            let is_alloc = matches!(step.op, Op::Alloc { .. });
            order.extend((0..self.one_in).map(|copy| {
                let position = step.position.saturating_add(u64::from(copy));
                Copied { position, is_alloc, step: number, copy }
            }));
        }
        order.sort_unstable_by_key(|copied| (copied.position, copied.is_alloc, copied.step, copied.copy));
        Ok(self.in_order(&order))
    }

    fn in_order(&self, order: &[Copied]) -> AllocTrace {
        let copies = self.one_in as usize;
        // The handle that each recorded step makes.
        let mut makes = Vec::with_capacity(self.steps.len());
        let mut made = 0;
        for step in &self.steps {
            makes.push(made);
            made += u32::from(matches!(step.op, Op::Alloc { .. } | Op::Derive { .. }));
        }
        // What each copy of each recorded handle is called now.
        let mut names = vec![u32::MAX; made as usize * copies];
        let (mut next, mut millis, mut position) = (0, 0, 0);
        let mut steps = Vec::with_capacity(order.len());
        for copied in order {
            let recorded = &self.steps[copied.step];
            let name = |handle: u32| handle as usize * copies + copied.copy as usize;
            let op = match recorded.op {
                Op::Alloc { .. } | Op::Derive { .. } => {
                    names[name(makes[copied.step])] = next;
                    next += 1;
                    match recorded.op {
                        Op::Derive { parent, offset, len, shared, site, tag } => {
                            Op::Derive { parent: names[name(parent)], offset, len, shared, site, tag }
                        }
                        other => other,
                    }
                }
                Op::Freeze { handle, offset, len } => Op::Freeze { handle: names[name(handle)], offset, len },
                Op::Resize { handle, offset, len } => Op::Resize { handle: names[name(handle)], offset, len },
                Op::Tag { handle, tag } => Op::Tag { handle: names[name(handle)], tag },
                Op::Retain { handle, copied } => Op::Retain { handle: names[name(handle)], copied },
                Op::Free { handle } => Op::Free { handle: names[name(handle)] },
            };
            millis = recorded.millis.max(millis);
            steps.push(Step { millis, position, thread: recorded.thread, op });
            position += u64::from(copied.is_alloc);
        }
        AllocTrace { one_in: 1, allocations: self.allocations.max(position), steps, ..self.without_steps() }
    }

    fn without_steps(&self) -> AllocTrace {
        AllocTrace {
            pool: self.pool.clone(),
            sites: self.sites.clone(),
            tags: self.tags.clone(),
            steps: Vec::new(),
            ..*self
        }
    }
}
