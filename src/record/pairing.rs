//! From a log, which calls handles by where their slots are, to a trace, which numbers them.

use crate::raw::{Event, EventKind, Logged};
use crate::sync::clock;
use crate::trace::{AllocTrace, Op, Step, TracedPool};
use crate::track::{Site, Tag};
use core::hash::Hash;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A handle that is alive.
#[derive(Clone, Copy)]
struct Handle {
    number: u32,
    /// Where in its slab the allocation begins.
    base: u64,
    /// What it covers, from there on.
    offset: u64,
    len: u64,
    /// Whether it is read-only, or was once: a trace does not say when it is writable again.
    is_frozen: bool,
}

/// Names in the order in which they are first met, numbered from 1. The first one is empty.
struct Names<K> {
    numbers: HashMap<K, u32>,
    list: Vec<String>,
}

impl<K: Eq + Hash> Names<K> {
    fn number(&mut self, key: K, name: impl FnOnce() -> String) -> u32 {
        match self.numbers.entry(key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.list.push(name());
                *entry.insert(self.list.len() as u32 - 1)
            }
        }
    }
}

impl<K> Default for Names<K> {
    fn default() -> Names<K> {
        Names { numbers: HashMap::new(), list: vec![String::new()] }
    }
}

#[derive(Default)]
struct Pairing {
    alive: HashMap<usize, Handle>,
    handles: u32,
    threads: HashMap<u32, u32>,
    sites: Names<Site>,
    tags: Names<Tag>,
    steps: Vec<Step>,
}

/// The trace of what was logged.
pub(super) fn trace(logged: Logged, pool: &str) -> AllocTrace {
    let Logged { state, events, began } = logged;
    let mut pairing = Pairing::default();
    // Threads read the clock and are counted before it is their turn to log. So times are the latest so far, and allocations have
    // their numbers in the order of the log.
    let is_alloc = |event: &&Event| event.kind == EventKind::Alloc;
    let mut numbers: Vec<u64> = events.iter().flatten().filter(is_alloc).map(|event| event.position).collect();
    numbers.sort_unstable();
    let mut numbers = numbers.into_iter().peekable();
    let (mut millis, mut position) = (0, 0);
    for event in events.iter().flatten() {
        millis = millis.max(clock::since(event.tick, began).as_millis() as u64);
        let next = numbers.peek().copied().unwrap_or(state.allocations);
        if event.kind == EventKind::Alloc {
            numbers.next();
            pairing.event(event, millis, next);
            position = next + 1;
        } else {
            position = event.position.min(next).max(position);
            pairing.event(event, millis, position);
        }
    }
    AllocTrace {
        pool: TracedPool { name: pool.to_owned(), slab_size: state.limits.slab_size as u64 },
        one_in: state.limits.one_in,
        allocations: state.allocations,
        millis: millis.max(state.duration.as_millis() as u64),
        is_cut_short: state.is_cut_short,
        sites: pairing.sites.list,
        tags: pairing.tags.list,
        threads: pairing.threads.len() as u32,
        steps: pairing.steps,
    }
}

impl Pairing {
    fn event(&mut self, event: &Event, millis: u64, position: u64) {
        let Event { key, other, len, .. } = *event;
        let begins = match event.kind {
            EventKind::Alloc => Some(Handle { number: 0, base: event.offset, offset: 0, len, is_frozen: false }),
            EventKind::Derive { shared } => {
                // A handle of before, or of an earlier recording, is not in this one, and nothing of it.
                let Some(parent) = self.alive.get(&other) else { return };
                Some(Handle { offset: event.offset.saturating_sub(parent.base), len, is_frozen: shared, ..*parent })
            }
            EventKind::Another => {
                let Some(parent) = self.alive.get(&other) else { return };
                Some(Handle { is_frozen: true, ..*parent })
            }
            _ => None,
        };
        let thread = match begins.is_some() || self.alive.contains_key(&key) {
            true => self.thread(event.thread),
            false => return,
        };
        let step = |op| Step { millis, position, thread, op };
        if let Some(handle) = begins {
            if let Some(old) = self.alive.remove(&key) {
                // Its end was not seen: a slot is not taken before it is free.
                self.steps.push(step(Op::Free { handle: old.number }));
            }
            let op = self.begin(event, handle);
            self.steps.push(step(op));
            return;
        }
        let Some(handle) = self.alive.get_mut(&key) else { return };
        let number = handle.number;
        if matches!(event.kind, EventKind::Freeze | EventKind::Resize) {
            handle.offset = event.offset.saturating_sub(handle.base);
            handle.len = len;
        }
        let Handle { offset, len, is_frozen, .. } = *handle;
        handle.is_frozen |= event.kind == EventKind::Freeze;
        let op = match event.kind {
            EventKind::Freeze if !is_frozen => Op::Freeze { handle: number, offset, len },
            EventKind::Freeze | EventKind::Resize => Op::Resize { handle: number, offset, len },
            EventKind::Tag => Op::Tag { handle: number, tag: self.tag(event.tag) },
            EventKind::Retain => {
                if other != 0 {
                    if let Some(handle) = self.alive.remove(&key) {
                        self.alive.insert(other, handle);
                    }
                }
                Op::Retain { handle: number, copied: other != 0 }
            }
            _ => {
                self.alive.remove(&key);
                Op::Free { handle: number }
            }
        };
        self.steps.push(step(op));
    }

    /// A handle begins; `handle` has the number of its parent.
    fn begin(&mut self, event: &Event, handle: Handle) -> Op {
        let (parent, Handle { offset, len, .. }) = (handle.number, handle);
        self.alive.insert(event.key, Handle { number: self.handles, ..handle });
        self.handles += 1;
        let site = event.site.map_or(0, |site| {
            let site = Site::from(site);
            self.sites.number(site, || site.to_string())
        });
        let tag = self.tag(event.tag);
        match event.kind {
            EventKind::Alloc => Op::Alloc { len, site, tag },
            kind => {
                let shared = kind != EventKind::Derive { shared: false };
                Op::Derive { parent, offset, len, shared, site, tag }
            }
        }
    }

    fn tag(&mut self, number: u32) -> u32 {
        Tag::from_number(number).map_or(0, |tag| self.tags.number(tag, || tag.name().to_owned()))
    }

    fn thread(&mut self, id: u32) -> u32 {
        let next = self.threads.len() as u32;
        *self.threads.entry(id).or_insert(next)
    }
}
