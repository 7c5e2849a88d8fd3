//! What is done, to the pool and to the twin alike.

use crate::twin::{Handle, Hold, Twin, World};
use bufslab::{Buf, BufMut, Level, SlabBytes, SlabBytesMut};

pub(crate) const TAGS: [&str; 3] = ["req.head", "body", ""];
/// More handles than this are dropped before others are made.
const MOST_HANDLES: usize = 24;

/// One step. What the numbers mean depends on what is there when it is done, so any list of actions is a valid one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action {
    /// Who does it.
    pub(crate) thread: u8,
    pub(crate) what: u8,
    pub(crate) which: u32,
    pub(crate) a: u32,
    pub(crate) b: u32,
}

impl World {
    pub(crate) fn act(&mut self, action: Action) {
        let Action { what, which, a, b, .. } = action;
        let crowded = self.twins.len() > MOST_HANDLES;
        if self.config.tells {
            let chosen = self.chosen(which).map(|at| &self.twins[at]);
            eprintln!("thread {}: {what} / {b} / {a} on {chosen:?}", action.thread);
        }
        match what {
            0..45 if !crowded => self.alloc(a as usize, b),
            45..50 if !crowded => self.detached(a as usize % 40, b),
            50..60 => drop(self.take(which)),
            60..63 => self.set_slab_size(a),
            63..66 if self.config.switches_level => {
                let level = [Level::Off, Level::Counters, Level::Sites][a as usize % 3];
                if let Some(pool) = &self.pool {
                    pool.set_tracking(level);
                    assert_eq!(pool.tracking(), level);
                }
            }
            66 if a % 4 == 0 => self.pool = None,
            67..71 => self.punch(),
            _ => {
                let Some(twin) = self.take(which) else { return };
                match &twin.handle {
                    Handle::Mut(_) => self.act_on_mut(twin, b, a as usize),
                    Handle::Shared(_) => self.act_on_shared(twin, b, a as usize, crowded),
                    Handle::Foreign(_) => self.act_on_foreign(twin, b, a as usize),
                }
            }
        }
    }

    /// Any handle, and mostly one of the last three, so that one thing leads to another.
    fn chosen(&self, which: u32) -> Option<usize> {
        let all = self.twins.len();
        let among = if which % 3 == 0 { all } else { all.min(3) };
        (all > 0).then(|| all - 1 - which as usize / 3 % among)
    }

    fn take(&mut self, which: u32) -> Option<Twin> {
        Some(self.twins.swap_remove(self.chosen(which)?))
    }

    pub(crate) fn put(&mut self, twin: Twin) {
        self.twins.push(twin.settled());
    }

    fn fresh_bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.fresh_byte()).collect()
    }

    fn fresh_byte(&mut self) -> u8 {
        self.next_byte = self.next_byte.wrapping_mul(5).wrapping_add(113);
        self.next_byte
    }

    // ---- The pool.

    fn punch(&mut self) {
        let Some(pool) = &self.pool else { return };
        let (pinned, before) = (pool.stats().pinned_slabs, self.source.punched());
        let outcome = pool.punch();
        assert_eq!(outcome.given_back_bytes, self.source.punched() - before);
        // Nothing moves: every pinned slab is attached, or known to the byte, or has handles that are not.
        let known = outcome.punched + outcome.dense + outcome.attached + outcome.untracked;
        assert_eq!((outcome.pinned_slabs, known), (pinned, pinned), "{outcome:?}");
    }

    /// A length that often fits a slab and sometimes does not.
    fn some_len(&self, n: usize) -> usize {
        let slab = self.config.slab_size;
        match n % 8 {
            0 => slab,
            1 => n / 8 % (2 * slab + 2),
            _ => n / 8 % (slab / 2 + 2),
        }
        .min(if cfg!(miri) { 60 } else { 5000 })
    }

    fn alloc(&mut self, n: usize, b: u32) {
        let Some(pool) = &self.pool else { return };
        let n = self.some_len(n);
        let buffer = match pool.try_alloc(n) {
            Ok(buffer) => buffer,
            Err(error) => {
                let max = self.config.max_bytes.expect("the heap has memory");
                let needed = if n <= pool.slab_size() { pool.slab_size() } else { n };
                assert!(error.is_limit() && error.requested() == n && error.limit() == Some(max), "{error}");
                assert!(pool.stats().memory_bytes + needed > max, "{n} bytes would have fitted: {error}");
                return;
            }
        };
        assert_eq!((buffer.len(), buffer.capacity()), (0, n));
        let mut twin = self.new_twin(Handle::Mut(buffer), Vec::new());
        self.name_if_tracked(&mut twin);
        if b % 4 > 0 {
            self.fill(twin, n - n / 5 * (b as usize / 4 % 3));
        } else {
            self.put(twin);
        }
    }

    /// A twin of a handle that is new in its place.
    fn new_twin(&self, handle: Handle, bytes: Vec<u8>) -> Twin {
        let mut twin =
            Twin { handle, bytes, hold: Hold::Nothing, tracked: true, tag: None, start: None, ever_shared: false };
        let reach = twin.reach();
        twin.hold = if reach.is_empty() { None } else { self.source.slab_of(reach.start) }
            .map_or(Hold::Nothing, |(slab, _)| Hold::Slab(slab));
        twin.start = Some(reach.start);
        twin
    }

    /// Where slabs of several levels are about: only a tracked handle takes a name, so a name tells.
    fn name_if_tracked(&mut self, twin: &mut Twin) {
        if !self.config.switches_level || matches!(twin.hold, Hold::Nothing) {
            return;
        }
        let Handle::Mut(m) = &mut twin.handle else { return };
        *m = std::mem::take(m).tag("named");
        twin.tracked = m.tag_name().is_some();
        twin.tag = twin.tracked.then_some("named");
    }

    fn detached(&mut self, n: usize, b: u32) {
        let bytes = self.fresh_bytes(n);
        let handle = match b % 4 {
            0 => SlabBytes::copy_from_slice(&bytes),
            1 => SlabBytes::from(bytes.clone()),
            2 => SlabBytes::from_owner(bytes.clone()),
            _ => SlabBytes::from(bytes.clone().into_boxed_slice()),
        };
        let twin = self.new_twin(Handle::Shared(handle), bytes);
        assert!(matches!(twin.hold, Hold::Nothing), "a detached slice in a slab");
        self.put(twin);
    }

    fn set_slab_size(&mut self, a: u32) {
        let Some(pool) = &self.pool else { return };
        let size = [1, 7, 16, 64, 100, 0, 4096][a as usize % 7];
        let valid = size > 0 && self.config.max_bytes.is_none_or(|max| size <= max);
        let before = pool.slab_size();
        assert_eq!(pool.set_slab_size(size).is_ok(), valid);
        assert_eq!(pool.slab_size(), if valid { size } else { before });
        if valid {
            self.config.slab_size = size;
            self.largest_slab = self.largest_slab.max(size);
        }
    }

    // ---- Writable handles.

    fn act_on_mut(&mut self, mut twin: Twin, b: u32, n: usize) {
        let Handle::Mut(ref mut m) = twin.handle else { unreachable!() };
        let len = m.len();
        match b % 22 {
            0..3 => {
                let n = self.some_len(n);
                return self.fill(twin, n);
            }
            3 => {
                let n = self.some_len(n);
                let value = self.next_byte;
                if self.reserved(&mut twin, n.saturating_sub(len)) {
                    let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
                    m.resize(n, value);
                    twin.bytes.resize(n, value);
                }
            }
            4 => {
                let n = self.some_len(n);
                self.reserved(&mut twin, n);
            }
            5 => {
                let n = self.some_len(n);
                let before = (m.as_ptr().addr(), m.capacity());
                let room = self.grow(&mut twin, n, |m| m.try_reclaim(n));
                let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
                assert!(!room || m.capacity() - m.len() >= n, "reclaimed less than was asked for");
                assert!(before.1 - len < n || (room && before == (m.as_ptr().addr(), m.capacity())));
            }
            6 | 7 => {
                let n = n % (len + 1);
                m.advance(n);
                twin.bytes.drain(..n);
            }
            8 => {
                let n = n % (len + 3);
                m.truncate(n);
                twin.bytes.truncate(n);
            }
            9 => {
                m.clear();
                twin.bytes.clear();
            }
            10 | 11 => {
                let at = if n % 3 == 0 { len } else { n / 3 % (len + 1) };
                return self.split_mut_to(twin, at);
            }
            12 | 13 => {
                let at = n % (m.capacity() + 1);
                return self.split_mut_off(twin, at);
            }
            14 | 15 => return self.unsplit(twin, n),
            16 | 17 => return self.freeze(twin),
            18 => {
                let tag = TAGS[n % TAGS.len()];
                *m = std::mem::take(m).tag(tag);
                twin.tag = Some(tag);
            }
            19 if self.config.max_bytes.is_none() && self.twins.len() < MOST_HANDLES => {
                let copy = m.clone();
                let mut copy = self.new_twin(Handle::Mut(copy), twin.bytes.clone());
                copy.tag = twin.tag.filter(|_| twin.tracked);
                self.name_if_tracked(&mut copy);
                self.put(copy);
            }
            20 => {
                let start = n % (len + 1);
                let end = start + n / 64 % (len - start + 1);
                if self.reserved(&mut twin, end - start) {
                    let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
                    m.extend_from_within(start..end);
                    twin.bytes.extend_from_within(start..end);
                }
            }
            _ => self.scribble(&mut twin),
        }
        self.put(twin);
    }

    /// Writes wherever the handle may.
    fn scribble(&mut self, twin: &mut Twin) {
        let value = self.fresh_byte();
        let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
        m.fill(value);
        twin.bytes.fill(value);
        for byte in m.spare_capacity_mut() {
            byte.write(!value);
        }
    }

    fn fill(&mut self, mut twin: Twin, n: usize) {
        let bytes = self.fresh_bytes(n);
        if self.reserved(&mut twin, n) {
            let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
            match n % 3 {
                0 => m.put_slice(&bytes),
                1 => m.put(&bytes[..]),
                _ => m.extend(&bytes),
            }
            twin.bytes.extend(&bytes);
        }
        self.put(twin);
    }

    /// Makes room, by the call that panics where memory has no limit.
    fn reserved(&mut self, twin: &mut Twin, n: usize) -> bool {
        let limited = self.config.max_bytes.is_some();
        let result = self.grow(twin, n, |m| {
            if limited {
                return m.try_reserve(n);
            }
            m.reserve(n);
            Ok(())
        });
        if let Err(error) = &result {
            assert!(limited && error.is_limit(), "{error}");
        }
        result.is_ok()
    }

    /// Runs `f`, which may make room for `n` bytes, and finds out where the handle is afterwards.
    fn grow<R>(&mut self, twin: &mut Twin, n: usize, f: impl FnOnce(&mut SlabBytesMut) -> R) -> R {
        let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
        let (address, capacity, room) = (m.as_ptr().addr(), m.capacity(), m.capacity() - m.len());
        let result = f(m);
        let (now, capacity_now) = (m.as_ptr().addr(), m.capacity());
        if n <= room {
            assert_eq!((now, capacity_now), (address, capacity), "there was room");
        } else if now == address && matches!(twin.hold, Hold::Slab(_)) {
            twin.start = None;
        } else {
            // To the start of its region, or to another.
            let fresh = self.source.slab_of(now).filter(|_| capacity_now > 0).map(|(slab, _)| slab);
            let moved = !matches!((&twin.hold, fresh), (&Hold::Slab(old), Some(new)) if old == new);
            twin.start = Some(now);
            twin.hold = fresh.map_or(Hold::Nothing, Hold::Slab);
            if moved {
                self.name_if_tracked(twin);
            }
        }
        result
    }

    fn split_mut_to(&mut self, mut twin: Twin, at: usize) {
        let Handle::Mut(ref mut m) = twin.handle else { unreachable!() };
        let capacity = m.capacity();
        let head = if at == m.len() { m.split() } else { m.split_to(at) };
        let rest = m.as_ptr().addr();
        assert_eq!((head.len(), head.capacity(), m.capacity()), (at, at, capacity - at));
        let bytes = twin.bytes.drain(..at).collect();
        let mut head = twin.sibling(Handle::Mut(head), bytes);
        if at == 0 {
            head.hold = Hold::Nothing;
        } else if at == capacity {
            twin.hold = Hold::Nothing;
        } else {
            twin.start = Some(rest);
        }
        self.put(head);
        self.put(twin);
    }

    fn split_mut_off(&mut self, mut twin: Twin, at: usize) {
        let Handle::Mut(ref mut m) = twin.handle else { unreachable!() };
        let capacity = m.capacity();
        let tail = m.split_off(at);
        assert_eq!((m.capacity(), tail.capacity()), (at, capacity - at));
        let address = tail.as_ptr().addr();
        let bytes = twin.bytes.split_off(at.min(twin.bytes.len()));
        let mut tail = twin.sibling(Handle::Mut(tail), bytes);
        if at == capacity {
            tail.hold = Hold::Nothing;
        } else if at == 0 {
            twin.hold = Hold::Nothing;
        } else {
            tail.start = Some(address);
        }
        self.put(tail);
        self.put(twin);
    }

    fn unsplit(&mut self, mut twin: Twin, n: usize) {
        // Mostly one that may fit.
        let end = twin.reach().end;
        let follows = |other: &Twin| matches!(other.handle, Handle::Mut(_)) && (n % 5 == 0 || other.address() == end);
        let Some(at) = self.twins.iter().position(follows) else { return self.put(twin) };
        let mut other = self.twins.swap_remove(at);
        let Handle::Mut(theirs) = other.take_handle() else { unreachable!() };
        let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
        let (capacity, more) = (m.capacity(), theirs.capacity());
        if m.is_empty() {
            m.unsplit(theirs);
            other.handle = twin.take_handle();
            return self.put(other);
        }
        match m.try_unsplit(theirs) {
            Ok(()) => {
                assert!(m.capacity() == capacity + more && (more == 0 || capacity == twin.bytes.len()));
                twin.bytes.extend(&other.bytes);
            }
            Err(theirs) if self.reserved(&mut twin, theirs.len()) => {
                let Handle::Mut(m) = &mut twin.handle else { unreachable!() };
                m.unsplit(theirs);
                twin.bytes.extend(&other.bytes);
            }
            Err(theirs) => {
                other.handle = Handle::Mut(theirs);
                self.put(other);
            }
        }
        self.put(twin);
    }

    fn freeze(&mut self, twin: Twin) {
        let Handle::Mut(m) = twin.handle else { unreachable!() };
        let frozen = if twin.bytes.len() % 2 == 0 { m.freeze() } else { m.into() };
        let hold = if frozen.is_empty() { Hold::Nothing } else { twin.hold };
        self.put(Twin { handle: Handle::Shared(frozen), hold, start: None, ever_shared: false, ..twin });
    }
}
