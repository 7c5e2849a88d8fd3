//! What steps of a trace may say.

use super::{AllocTrace, Op, Step, TraceError};

/// No request is longer, in bytes: far more than any machine has, and far less than overflows.
const LONGEST: u64 = 1 << 40;
/// More threads than any program has.
pub(super) const MOST_THREADS: u32 = 1 << 20;

/// Follows the steps of a trace.
#[derive(Default)]
pub(super) struct Checker {
    handles: Vec<Handle>,
    threads: u32,
    sites: u32,
    tags: u32,
    millis: u64,
    pub(super) position: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Handle {
    pub(super) offset: u64,
    pub(super) len: u64,
    is_alive: bool,
    is_shared: bool,
}

impl Checker {
    pub(super) fn new(trace: &AllocTrace) -> Result<Checker, &'static str> {
        let count = |list: &[String]| u32::try_from(list.len()).map_err(|_| "more names than can be numbered");
        for list in [&trace.sites, &trace.tags] {
            if !list.first().is_some_and(String::is_empty) {
                return Err("the lists of sites and tags begin with an empty name, for none");
            }
        }
        if trace.threads > MOST_THREADS {
            return Err("more threads than any program has");
        }
        if trace.one_in == 0 {
            return Err("one in 0 allocations cannot be recorded");
        }
        let (sites, tags) = (count(&trace.sites)?, count(&trace.tags)?);
        Ok(Checker { threads: trace.threads, sites, tags, ..Checker::default() })
    }

    /// A handle's range as it is now.
    pub(super) fn handle(&self, handle: u32) -> Option<Handle> {
        self.handles.get(handle as usize).copied()
    }

    /// Handles made so far.
    pub(super) fn made(&self) -> u32 {
        self.handles.len() as u32
    }

    pub(super) fn step(&mut self, step: &Step) -> Result<(), &'static str> {
        if step.thread >= self.threads {
            return Err("it names a thread that the trace does not have");
        }
        if step.millis < self.millis || step.position < self.position {
            return Err("it lies before the step before it");
        }
        (self.millis, self.position) = (step.millis, step.position);
        match step.op {
            Op::Alloc { len, site, tag } => {
                let is_shared = false;
                self.add(Handle { offset: 0, len, is_alive: true, is_shared }, site, tag)?;
                self.position = self.position.saturating_add(1);
            }
            Op::Derive { parent, offset, len, shared: is_shared, site, tag } => {
                let from = self.alive(parent)?;
                if offset < from.offset || offset.saturating_add(len) > from.offset + from.len {
                    return Err("it makes a handle of bytes that the one it is made from does not cover");
                }
                self.add(Handle { offset, len, is_alive: true, is_shared }, site, tag)?;
            }
            Op::Freeze { handle, offset, len } => {
                let before = *self.alive(handle)?;
                if before.is_shared {
                    return Err("it freezes a handle that is read-only already");
                }
                if offset < before.offset || offset.saturating_add(len) > before.offset + before.len {
                    return Err("it freezes bytes that the handle does not cover");
                }
                *self.alive(handle)? = Handle { offset, len, is_shared: true, ..before };
            }
            Op::Resize { handle, offset, len } => {
                if offset.saturating_add(len) > LONGEST {
                    return Err("it names more bytes than can be");
                }
                let before = self.alive(handle)?;
                (before.offset, before.len) = (offset, len);
            }
            Op::Tag { handle, tag } => {
                self.alive(handle)?;
                if tag >= self.tags {
                    return Err("it names a tag that the trace does not have");
                }
            }
            Op::Retain { handle, .. } => drop(self.alive(handle)?),
            Op::Free { handle } => self.alive(handle)?.is_alive = false,
        }
        Ok(())
    }

    fn add(&mut self, handle: Handle, site: u32, tag: u32) -> Result<(), &'static str> {
        if handle.len == 0 || handle.offset.saturating_add(handle.len) > LONGEST {
            return Err("it makes a handle of no bytes, or of more than can be");
        }
        if site >= self.sites || tag >= self.tags {
            return Err("it names a site or a tag that the trace does not have");
        }
        if self.handles.len() >= u32::MAX as usize {
            return Err("it makes more handles than can be numbered");
        }
        self.handles.push(handle);
        Ok(())
    }

    fn alive(&mut self, handle: u32) -> Result<&mut Handle, &'static str> {
        let found = self.handles.get_mut(handle as usize).ok_or("it names a handle that is not made yet")?;
        if found.is_alive { Ok(found) } else { Err("it names a handle that was dropped") }
    }
}

impl AllocTrace {
    /// Whether the trace is one that a program could leave: handles are made before they are used and not used after they are
    /// dropped, ranges lie where they can, names and threads are there, and time does not run backwards.
    ///
    /// # Errors
    ///
    /// Names the first step that is wrong, and why.
    pub fn check(&self) -> Result<(), TraceError> {
        let mut checker = Checker::new(self).map_err(|what| TraceError::step(0, what))?;
        for (number, step) in self.steps.iter().enumerate() {
            checker.step(step).map_err(|what| TraceError::step(number, what))?;
        }
        if checker.position > self.allocations {
            return Err(TraceError::step(self.steps.len(), "the steps have more allocations than the trace says"));
        }
        Ok(())
    }
}
