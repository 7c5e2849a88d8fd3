//! Stacks: how the program came to a site.

use core::fmt;
use core::num::NonZeroU32;

/// The number of a stack that was recorded. The same stack has the same number as long as the process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(NonZeroU32);

impl TraceId {
    /// The number, from 1 on.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The trace with this number; 0 is none.
    pub(crate) fn from_number(number: u32) -> Option<TraceId> {
        NonZeroU32::new(number).map(TraceId)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({})", self.0)
    }
}

/// One stack with names, as a report gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// What slices refer to it by.
    pub id: TraceId,
    /// Innermost call first.
    pub frames: Vec<Frame>,
}

/// One call of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// The function's name, if the program has symbols.
    pub function: Option<String>,
    /// The source file, if the program has debug information.
    pub file: Option<String>,
    /// The line in it, counted from 1.
    pub line: Option<u32>,
}

pub(crate) use store::{bytes, record, resolve};

/// Stacks that may be known at a time; what comes after that many is not recorded.
#[cfg(feature = "backtraces")]
const MAX_STACKS: usize = 4096;
/// Calls of a stack that are kept, from the innermost on.
#[cfg(feature = "backtraces")]
const MAX_FRAMES: usize = 64;

#[cfg(feature = "backtraces")]
mod store {
    use super::{Frame, MAX_FRAMES, MAX_STACKS, Trace, TraceId};
    use crate::sync::RwLock;
    use core::ptr;
    use std::collections::{BTreeMap, HashMap};

    /// Return addresses, innermost first.
    type Stack = Box<[usize]>;

    struct Store {
        numbers: Option<HashMap<Stack, u32>>,
        /// What addresses stand for, once a report asked.
        frames: BTreeMap<usize, Vec<Frame>>,
        bytes: usize,
    }

    static STORE: RwLock<Store> = RwLock::new(Store { numbers: None, frames: BTreeMap::new(), bytes: 0 });

    /// The number of the calling thread's stack. 0 when the store is full.
    pub(crate) fn record() -> u32 {
        let mut stack = [0_usize; MAX_FRAMES];
        let mut depth = 0;
        backtrace::trace(|frame| {
            stack[depth] = frame.ip().addr();
            depth += 1;
            depth < MAX_FRAMES
        });
        let mut store = STORE.write();
        let store = &mut *store;
        let numbers = store.numbers.get_or_insert_default();
        if let Some(&number) = numbers.get(&stack[..depth]) {
            return number;
        }
        if numbers.len() >= MAX_STACKS {
            return 0;
        }
        let number = numbers.len() as u32 + 1;
        numbers.insert(stack[..depth].into(), number);
        store.bytes += depth * size_of::<usize>() + size_of::<(Stack, u32)>();
        number
    }

    /// The stacks with these numbers, which are in ascending order, with names. Slow at the first time it sees an address.
    pub(crate) fn resolve(ids: &[TraceId]) -> Vec<Trace> {
        let mut stacks: Vec<(TraceId, Stack)> = Vec::new();
        {
            let store = STORE.read();
            let wanted = |number: u32| TraceId::from_number(number).filter(|id| ids.binary_search(id).is_ok());
            for (stack, &number) in store.numbers.iter().flatten() {
                stacks.extend(wanted(number).map(|id| (id, stack.clone())));
            }
        }
        stacks.sort_by_key(|(id, _)| *id);
        stacks.into_iter().map(|(id, stack)| Trace { id, frames: named(&stack) }).collect()
    }

    fn named(stack: &[usize]) -> Vec<Frame> {
        let frames: Vec<Frame> = stack.iter().flat_map(|&address| frames_at(address)).collect();
        // The calls down here are this crate's own way to the recorder, with those of the standard library between and above
        // them: what is asked for begins at the first that is neither.
        let on_the_way = |frame: &Frame| {
            let name = frame.function.as_deref().unwrap_or("").trim_start_matches('<');
            ["bufslab::", "backtrace::", "std::", "core::", "alloc::"].iter().any(|of| name.starts_with(of))
        };
        let begin = frames.iter().position(|frame| !on_the_way(frame)).unwrap_or(0);
        frames[begin..].to_vec()
    }

    fn frames_at(address: usize) -> Vec<Frame> {
        if let Some(known) = STORE.read().frames.get(&address) {
            return known.clone();
        }
        let mut frames = Vec::new();
        // A return address: the call is the instruction before.
        let call = ptr::without_provenance_mut(address.saturating_sub(1));
        backtrace::resolve(call, |symbol| {
            frames.push(Frame {
                function: symbol.name().map(|name| format!("{name:#}")),
                file: symbol.filename().map(|file| file.display().to_string()),
                line: symbol.lineno(),
            });
        });
        if frames.is_empty() {
            frames.push(Frame { function: None, file: None, line: None });
        }
        let mut store = STORE.write();
        let text =
            |frame: &Frame| frame.function.as_ref().map_or(0, String::len) + frame.file.as_ref().map_or(0, String::len);
        store.bytes += frames.iter().map(|frame| size_of::<Frame>() + text(frame)).sum::<usize>();
        store.frames.insert(address, frames.clone());
        frames
    }

    /// Bytes of the store, about.
    pub(crate) fn bytes() -> usize {
        STORE.read().bytes
    }
}

#[cfg(not(feature = "backtraces"))]
mod store {
    use super::{Trace, TraceId};

    /// No stack is recorded without the feature `backtraces`.
    pub(crate) fn record() -> u32 {
        0
    }

    pub(crate) fn resolve(_: &[TraceId]) -> Vec<Trace> {
        Vec::new()
    }

    pub(crate) fn bytes() -> usize {
        0
    }
}
