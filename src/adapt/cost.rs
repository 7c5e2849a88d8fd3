//! What a load costs, by a model: time, and the memory that is kept from others meanwhile.

/// Nanoseconds, by `traces/fit_model.py`: rounded from what fits best to the timed replays of the four traces in `traces/`, at eleven sizes
/// and with both kinds of reuse, on two cores of an AMD EPYC.
pub(crate) mod ns {
    /// A request that is cut from the current slab, and its drop.
    pub(crate) const REQUEST: f64 = 20.0;
    /// Any other step: a slice, a freeze, a drop.
    pub(crate) const STEP: f64 = 12.0;
    /// A drained slab is started over.
    pub(crate) const IN_PLACE: f64 = 20.0;
    /// A slab is left and another one attached.
    pub(crate) const CHANGE: f64 = 120.0;
    /// Memory is asked of the source and given back to it, a heap that has it at hand.
    pub(crate) const TAKEN: f64 = 180.0;
    /// A byte that was cut again when it had left the caches.
    pub(crate) const COLD_BYTE: f64 = 0.02;
    /// A byte that the system has to find first.
    pub(crate) const FRESH_BYTE: f64 = 0.15;
    /// An atomic read-modify-write: a handle that is dropped after its slab was left.
    pub(crate) const GUEST: f64 = 30.0;
    /// The rent of one MiB for the time of one request. A core costs about as much as 8 GiB of memory in the clouds' price lists, and
    /// a busy core makes some 120,000 requests in a second: so MiB · request = 1 s / 8192 / 120,000.
    pub(crate) const RENT: f64 = 1.0;
}

/// What is paid for, over a stretch of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    /// Requests for memory.
    pub(crate) requests: f64,
    /// What else was done with what they gave, as far as it is known.
    pub(crate) steps: f64,
    /// Slabs that were started over in place.
    pub(crate) in_place: f64,
    /// Slabs that were left for another one.
    pub(crate) changes: f64,
    /// Slabs, and slabs for one request, whose memory came from the source.
    pub(crate) taken: f64,
    /// Bytes cut for the first time, of memory that is more than there was before.
    pub(crate) fresh_bytes: f64,
    /// Bytes cut again when they had left the caches.
    pub(crate) cold_bytes: f64,
    /// Handles made or dropped on slabs that the thread did not own.
    pub(crate) guests: f64,
    /// Pinned bytes on average.
    pub(crate) pinned_bytes: f64,
}

impl Spent {
    /// Nanoseconds of processors.
    pub(crate) fn time(&self) -> f64 {
        self.requests * ns::REQUEST
            + self.steps * ns::STEP
            + self.in_place * ns::IN_PLACE
            + self.changes * ns::CHANGE
            + self.taken * ns::TAKEN
            + self.fresh_bytes * ns::FRESH_BYTE
            + self.cold_bytes * ns::COLD_BYTE
            + self.guests * ns::GUEST
    }

    /// The rent of pinned memory, as nanoseconds of a processor.
    pub(crate) fn rent(&self) -> f64 {
        self.requests * ns::RENT * self.pinned_bytes / f64::from(1 << 20)
    }

    /// Both.
    pub(crate) fn cost(&self) -> f64 {
        self.time() + self.rent()
    }
}
