//! What a pool sees where slabs change hands, and nowhere else: nothing is counted for a slice.

/// Sizes of requests are told apart by powers of two: up to 64 bytes, up to 128, …, up to 4 MiB, and larger.
const CLASSES: usize = 18;
const SMALLEST: u32 = 6;

/// How a thread came by the slab that it goes on in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It drained, and was started over where it was.
    InPlace,
    /// It lay idle.
    Idle,
    /// Slices pin it; it is cut from around them.
    Around,
    /// Its memory is fresh.
    Fresh,
}

/// Requests of similar sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Class {
    pub(crate) requests: f32,
    /// Of the mean one.
    pub(crate) bytes: f32,
}

impl Class {
    fn add(&mut self, requests: f32, bytes: f32) {
        let sum = self.requests + requests;
        if sum > 0.0 {
            self.bytes += (bytes - self.bytes) * requests / sum;
        }
        self.requests = sum;
    }
}

/// Sums over the events since the last look; see [`Adapt`](super::Adapt).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// The slab size that these events are about.
    pub(super) size: usize,
    pub(super) in_place: f32,
    pub(super) idle: f32,
    pub(super) around: f32,
    pub(super) fresh: f32,
    /// Bytes that were left at the ends of slabs because a request did not fit.
    pub(super) unused: f32,
    /// Slabs left to others, and the handles on them then.
    pub(super) left: f32,
    pub(super) handles: f32,
    /// Requests that opened a slab. A request does so the more often the larger it is, so these are as the bytes are distributed.
    pub(super) opened_by: [Class; CLASSES],
    /// Requests that were larger than a slab.
    pub(super) alone: [Class; CLASSES],
    pub(super) largest: usize,
}

impl Seen {
    fn class(n: usize) -> usize {
        let up_to = usize::BITS - n.saturating_sub(1).leading_zeros();
        (up_to.saturating_sub(SMALLEST) as usize).min(CLASSES - 1)
    }

    fn at(&mut self, size: usize) -> &mut Seen {
        if self.size != size {
            *self = Seen { size, ..Seen::default() };
        }
        self
    }

    /// A request of `n` bytes found no room, but for `unused` bytes in the slab before, and opened a slab of `size` bytes.
    pub(crate) fn opened(&mut self, size: usize, how: Opening, n: usize, unused: usize) {
        let seen = self.at(size);
        let count = match how {
            Opening::InPlace => &mut seen.in_place,
            Opening::Idle => &mut seen.idle,
            Opening::Around => &mut seen.around,
            Opening::Fresh => &mut seen.fresh,
        };
        *count += 1.0;
        seen.unused += unused as f32;
        seen.opened_by[Seen::class(n)].add(1.0, n as f32);
        seen.largest = seen.largest.max(n);
    }

    /// A thread left a slab of `size` bytes with so many handles on it.
    pub(crate) fn left(&mut self, size: usize, handles: u64) {
        if self.size == size {
            self.left += 1.0;
            self.handles += handles as f32;
        }
    }

    /// A request of `n` bytes, more than the slab size, got a slab of its own.
    pub(crate) fn alone(&mut self, size: usize, n: usize) {
        let seen = self.at(size);
        seen.alone[Seen::class(n)].add(1.0, n as f32);
        seen.largest = seen.largest.max(n);
    }

    /// Slabs that were opened.
    pub(super) fn openings(&self) -> f32 {
        self.in_place + self.idle + self.around + self.fresh
    }

    pub(super) fn requests_alone(&self) -> f32 {
        self.alone.iter().map(|class| class.requests).sum()
    }

    /// Openings and requests larger than a slab.
    pub(crate) fn events(&self) -> u32 {
        (self.openings() + self.requests_alone()) as u32
    }

    pub(super) fn add(&mut self, more: &Seen) {
        let seen = self.at(more.size);
        seen.in_place += more.in_place;
        seen.idle += more.idle;
        seen.around += more.around;
        seen.fresh += more.fresh;
        seen.unused += more.unused;
        seen.left += more.left;
        seen.handles += more.handles;
        seen.largest = seen.largest.max(more.largest);
        let classes = seen.opened_by.iter_mut().chain(&mut seen.alone);
        for (class, more) in classes.zip(more.opened_by.iter().chain(&more.alone)) {
            class.add(more.requests, more.bytes);
        }
    }

    /// Takes fresh slabs for ones that lay idle.
    pub(super) fn forgive_fresh(&mut self) {
        self.idle += core::mem::take(&mut self.fresh);
    }

    /// Forgets half of it, so that what is new counts for more.
    pub(super) fn fade(&mut self) {
        let counts =
            [&mut self.in_place, &mut self.idle, &mut self.around, &mut self.fresh, &mut self.unused, &mut self.left];
        counts.into_iter().for_each(|count| *count /= 2.0);
        self.handles /= 2.0;
        self.opened_by.iter_mut().chain(&mut self.alone).for_each(|class| class.requests /= 2.0);
    }
}

/// What a pool finds when it looks at its pinned slabs, which it does before it decides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Census {
    /// Slabs of the present size that some slice pins.
    pub(crate) slabs: u64,
    /// Handles on them.
    pub(crate) handles: u64,
    /// Bytes of them that nothing would pin if each were two of half the size: a slab's size / 2^handles, if slices lie
    /// anywhere in it.
    pub(crate) saved_by_halving: u64,
    /// Slabs of whatever size that there are: how long a look takes.
    pub(crate) looked_at: u64,
}

impl Census {
    /// Counts a slab of `size` bytes with so many handles.
    pub(crate) fn count(&mut self, size: usize, handles: u64) {
        self.looked_at += 1;
        if handles > 0 {
            self.slabs += 1;
            self.handles += handles;
            self.saved_by_halving += (size as u64).checked_shr(handles.min(63) as u32).unwrap_or(0);
        }
    }

    /// Counts a slab of another size than the present one.
    pub(crate) fn pass(&mut self) {
        self.looked_at += 1;
    }
}
