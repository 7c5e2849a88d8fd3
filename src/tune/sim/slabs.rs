//! Slabs and allocations of the simulation: who keeps what alive, and the sums over all of them.

use super::cover::Cover;

/// No thread.
pub(super) const NOBODY: u32 = u32::MAX;

/// The twin of a header and of what its owner has of it. Like those, used again for another slab when its memory is gone.
#[derive(Debug)]
pub(super) struct Slab {
    /// Bytes; 0 while there is no memory.
    pub(super) size: u64,
    pub(super) owner: u32,
    /// Handles.
    pub(super) refs: u64,
    /// With how many handles a look found too little room here.
    pub(super) full_at: u64,
    pub(super) cursor: u64,
    /// Where the owner stops cutting.
    pub(super) limit: u64,
    /// Where its last stretch ends.
    end: u64,
    /// Bytes that it cut before it went back to the start.
    laps: u64,
    /// Bytes of a stretch; as many as there can be if it is cut straight to its end.
    stretch: u64,
    /// Whether it cuts from holes.
    is_around: bool,
    /// Where there is room besides, the lowest last.
    pub(super) holes: Vec<(u64, u64)>,
    /// Allocations with a handle.
    roots: Vec<u32>,
    /// Bytes from the start that were cut since the memory was taken from the source.
    touched: u64,
    /// Bytes up to here were cut since the slab was attached, started over or went on in this hole.
    cut: u64,
    /// Bytes that all threads had cut when it was opened last.
    opened_at: u64,
    /// Whether as much was cut since it had been opened before that it is in no cache any more.
    is_cold: bool,
}

/// What of the last level of cache a thread has, about: in the replays that `traces/fit_model.py` makes, slabs of 4 MiB, of which a thread
/// cuts from two in turn, are as fast as smaller ones, and slabs of 8 MiB are not. What was cut this many bytes ago has left it.
const CACHE: u64 = 8 << 20;

/// Where an allocation lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In this slab, from this byte on.
    Slab(u32, u64),
    /// In an exact copy of its own.
    Copy,
}

/// What all handles made from one another lie in.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) home: Home,
    /// Bytes, without those that were given back.
    pub(super) len: u64,
    pub(super) cover: Cover,
    handles: u32,
    /// Place in the slab's list.
    at: u32,
}

/// Sums that the simulation answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) pinned_bytes: u64,
    pub(super) pinned_slabs: u64,
    pub(super) live_bytes: u64,
    pub(super) memory_bytes: u64,
    pub(super) copy_bytes: u64,
    pub(super) taken: u64,
    pub(super) fresh_bytes: u64,
    pub(super) cold_bytes: u64,
    pub(super) hot_bytes: u64,
    pub(super) guest_ops: u64,
}

#[derive(Debug, Default)]
pub(super) struct Slabs {
    pub(super) list: Vec<Slab>,
    /// Without memory, to be used next; the last first.
    spare: Vec<u32>,
    roots: Vec<Root>,
    spare_roots: Vec<u32>,
    /// The most memory that there was: a heap has so much at hand from then on.
    most_memory: u64,
    /// Bytes that were cut, by whatever thread.
    all_cut: u64,
    pub(super) sums: Sums,
}

impl Slabs {
    pub(super) fn slab(&self, slab: u32) -> &Slab {
        &self.list[slab as usize]
    }

    pub(super) fn slab_mut(&mut self, slab: u32) -> &mut Slab {
        &mut self.list[slab as usize]
    }

    pub(super) fn root(&self, root: u32) -> &Root {
        &self.roots[root as usize]
    }

    pub(super) fn root_mut(&mut self, root: u32) -> &mut Root {
        &mut self.roots[root as usize]
    }

    // ---- Memory.

    /// A slab of fresh memory, nobody's.
    pub(super) fn take(&mut self, size: u64) -> u32 {
        self.sums.memory_bytes += size;
        self.sums.taken += 1;
        let slab = self.spare.pop().unwrap_or_else(|| {
            self.list.push(Slab::new());
            self.list.len() as u32 - 1
        });
        let new = self.sums.memory_bytes.saturating_sub(self.most_memory).min(size);
        self.most_memory += new;
        let taken = self.slab_mut(slab);
        (taken.size, taken.touched, taken.owner, taken.is_cold) = (size, size - new, NOBODY, false);
        slab
    }

    /// The memory of an empty slab goes back.
    pub(super) fn retire(&mut self, slab: u32) {
        let retired = self.slab_mut(slab);
        debug_assert!(retired.refs == 0 && retired.owner == NOBODY);
        let size = core::mem::take(&mut retired.size);
        self.sums.memory_bytes -= size;
        self.spare.push(slab);
    }

    // ---- Cutting.

    /// Cuts the next `n` bytes of a slab, if that many are left, for an allocation without a handle as yet.
    pub(super) fn cut(&mut self, slab: u32, n: u64) -> Option<u32> {
        let cut = &mut self.list[slab as usize];
        if n > cut.limit.saturating_sub(cut.cursor) && !cut.go_on(n) {
            return None;
        }
        let base = cut.cursor;
        let end = base + n;
        cut.cursor = end;
        self.count_cut(slab, end);
        Some(self.new_root(Home::Slab(slab, base), n))
    }

    /// The owner's cursor is at `end` now: what of that is new, or was long out of use?
    pub(super) fn count_cut(&mut self, slab: u32, end: u64) {
        let cut = &mut self.list[slab as usize];
        let fresh = end.saturating_sub(cut.touched);
        self.sums.fresh_bytes += fresh;
        cut.touched += fresh;
        let again = end.saturating_sub(cut.cut);
        cut.cut += again;
        self.all_cut += again;
        let again = again.saturating_sub(fresh);
        *if cut.is_cold { &mut self.sums.cold_bytes } else { &mut self.sums.hot_bytes } += again;
    }

    /// A thread begins to cut from this slab, one of `threads` that do.
    pub(super) fn begin(&mut self, slab: u32, threads: usize) {
        let since = self.all_cut - self.list[slab as usize].opened_at;
        let opened = &mut self.list[slab as usize];
        opened.is_cold = since / (threads as u64).max(1) > CACHE;
        opened.opened_at = self.all_cut;
    }

    pub(super) fn new_root(&mut self, home: Home, len: u64) -> u32 {
        let root = self.spare_roots.pop().unwrap_or_else(|| {
            let cover = Cover::default();
            self.roots.push(Root { home: Home::Copy, len: 0, cover, handles: 0, at: 0 });
            self.roots.len() as u32 - 1
        });
        let at = match home {
            Home::Slab(slab, _) => {
                let roots = &mut self.list[slab as usize].roots;
                roots.push(root);
                roots.len() as u32 - 1
            }
            Home::Copy => {
                self.sums.copy_bytes += len;
                0
            }
        };
        let made = self.root_mut(root);
        (made.home, made.len, made.at) = (home, len, at);
        root
    }

    // ---- Handles.

    /// A handle on `start..end` of an allocation is made on this thread.
    pub(super) fn hold(&mut self, root: u32, start: u64, end: u64, thread: u32) {
        let held = &mut self.roots[root as usize];
        held.handles += 1;
        let live = held.cover.add(start, end);
        let Home::Slab(slab, _) = held.home else {
            self.sums.guest_ops += u64::from(held.handles > 1);
            return;
        };
        self.sums.live_bytes += live;
        let slab = &mut self.list[slab as usize];
        slab.refs += 1;
        self.sums.guest_ops += u64::from(slab.owner != thread);
        if slab.refs == 1 {
            self.sums.pinned_bytes += slab.size;
            self.sums.pinned_slabs += 1;
        }
    }

    /// A handle covers another range of its allocation.
    pub(super) fn shift(&mut self, root: u32, (start, end): (u64, u64), to: (u64, u64)) {
        let held = &mut self.roots[root as usize];
        let live = held.cover.add(to.0, to.1);
        let dead = held.cover.remove(start, end);
        if held.home != Home::Copy {
            self.sums.live_bytes = self.sums.live_bytes + live - dead;
        }
    }

    /// A handle is dropped on this thread. Returns the slab if that emptied it and it is nobody's.
    pub(super) fn release(&mut self, root: u32, start: u64, end: u64, thread: u32) -> Option<u32> {
        let held = &mut self.roots[root as usize];
        held.handles -= 1;
        let is_gone = held.handles == 0;
        let dead = if is_gone && held.home == Home::Copy { 0 } else { held.cover.remove(start, end) };
        let home = held.home;
        let Home::Slab(slab, _) = home else {
            self.sums.guest_ops += u64::from(!is_gone);
            if is_gone {
                self.sums.copy_bytes -= held.len;
                self.end_root(root);
            }
            return None;
        };
        self.sums.live_bytes -= dead;
        if is_gone {
            self.end_root(root);
        }
        let held = &mut self.list[slab as usize];
        held.refs -= 1;
        self.sums.guest_ops += u64::from(held.owner != thread);
        if held.refs > 0 {
            return None;
        }
        self.sums.pinned_bytes -= held.size;
        self.sums.pinned_slabs -= 1;
        (held.owner == NOBODY).then_some(slab)
    }

    fn end_root(&mut self, root: u32) {
        let ended = &mut self.roots[root as usize];
        ended.cover.clear();
        if let Home::Slab(slab, _) = ended.home {
            let at = ended.at;
            let roots = &mut self.list[slab as usize].roots;
            roots.swap_remove(at as usize);
            if let Some(&moved) = roots.get(at as usize) {
                self.roots[moved as usize].at = at;
            }
        }
        self.spare_roots.push(root);
    }

    /// Moves the owner's cursor back from `end` over what nobody covers any more, down to `start` at most, both from the start of the
    /// allocation; if nothing was cut since and the thread is the owner.
    pub(super) fn give_back(&mut self, root: u32, start: u64, end: u64, thread: u32) {
        let Home::Slab(slab, base) = self.root(root).home else { return };
        let owned = self.slab(slab);
        if owned.owner != thread || owned.cursor != base + end {
            return;
        }
        let held = &mut self.roots[root as usize];
        let kept = held.cover.last_before(end).max(start);
        held.len = held.len.min(kept);
        self.slab_mut(slab).cursor = base + kept;
    }

    /// Fills `holes` with those of a slab that are at least `floor` bytes long, the lowest last. Returns their sum and the longest.
    pub(super) fn holes(
        &self,
        slab: u32,
        floor: u64,
        live: &mut Vec<(u64, u64)>,
        holes: &mut Vec<(u64, u64)>,
    ) -> (u64, u64) {
        let slab = self.slab(slab);
        live.clear();
        for &root in &slab.roots {
            let root = self.root(root);
            if let Home::Slab(_, base) = root.home {
                live.extend(root.cover.ranges().map(|(start, end)| (base + start, base + end)));
            }
        }
        live.sort_unstable();
        live.push((slab.size, slab.size));
        holes.clear();
        let (mut sum, mut longest, mut covered) = (0, 0, 0);
        for &(start, end) in live.iter() {
            let len = start.saturating_sub(covered);
            if len >= floor.max(1) {
                (sum, longest) = (sum + len, longest.max(len));
                holes.push((covered, start));
            }
            covered = covered.max(end);
        }
        holes.reverse();
        (sum, longest)
    }
}

impl Slab {
    fn new() -> Slab {
        Slab {
            size: 0,
            owner: NOBODY,
            refs: 0,
            full_at: u64::MAX,
            cursor: 0,
            limit: 0,
            end: 0,
            laps: 0,
            stretch: u64::MAX,
            is_around: false,
            holes: Vec::new(),
            roots: Vec::new(),
            touched: 0,
            cut: 0,
            opened_at: 0,
            is_cold: false,
        }
    }

    /// The owner cuts from the start of the empty slab from now on, by stretches of so many bytes.
    pub(super) fn open(&mut self, stretch: u64) {
        (self.cursor, self.cut, self.laps, self.is_around) = (0, 0, 0, false);
        (self.limit, self.end, self.stretch) = (self.size.min(stretch), self.size, stretch);
    }

    /// The same of the drained slab that it has: it stops where it did.
    pub(super) fn start_over(&mut self) {
        let limit = self.limit;
        self.open(self.stretch);
        self.limit = limit;
    }

    /// It had drained when it came to its end: the owner is to look for that earlier, if where it stops is far.
    pub(super) fn stop_early(&mut self) {
        if self.limit / 2 > self.stretch {
            self.limit = self.stretch;
        }
    }

    /// Bytes that it may still cut before it has to start over or to leave.
    pub(super) fn room(&self) -> u64 {
        self.end.min(self.size - self.laps).saturating_sub(self.cursor)
    }

    /// Goes on in the next stretch, or in the first one if the slab has drained. Says whether `n` bytes have room there.
    fn go_on(&mut self, n: u64) -> bool {
        if self.cursor > 0 && !self.is_around && self.stretch < u64::MAX && self.refs == 0 {
            let has_room = n <= self.room();
            if has_room {
                (self.laps, self.cursor) = (self.laps + self.cursor, 0);
                let end = self.size - self.laps;
                if !(n + self.stretch / 2..=end.min(n + 2 * self.stretch)).contains(&self.limit) {
                    self.limit = end.min(n + self.stretch.max(n));
                }
            }
            return has_room;
        }
        self.reach(self.cursor.saturating_add(n))
    }

    /// Whether it may cut up to `to`, for which it goes on in the next stretch if need be.
    pub(super) fn reach(&mut self, to: u64) -> bool {
        if to > self.limit && to <= self.end {
            self.limit = self.end.min(to.saturating_add(self.stretch.max(to)));
        }
        to <= self.limit
    }

    /// Goes on to the next hole with room for `n` bytes, if there is one.
    pub(super) fn next_hole(&mut self, n: u64) -> bool {
        while let Some((start, end)) = self.holes.pop() {
            if end - start >= n {
                (self.cursor, self.cut, self.laps, self.is_around) = (start, start, 0, true);
                (self.limit, self.end) = (end, end);
                return true;
            }
        }
        false
    }
}
