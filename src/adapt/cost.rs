//! What a load costs, by a model: time, and the memory that is kept from others meanwhile.

/// Nanoseconds, rounded from the table "the allocator alone" in [`docs::slab_size`](crate::docs) (1,500 bytes are written and
/// dropped, by slab size; an AMD EPYC core with 1 MiB of second-level cache): each figure is the slope of a column.
pub(crate) mod ns {
    /// A request that is cut from the current slab.
    pub(crate) const REQUEST: f64 = 10.0;
    /// A drained slab is started over: *hot* with 2 and with 10 requests to a slab, against the limit.
    pub(crate) const IN_PLACE: f64 = 60.0;
    /// A slab is left and another one attached: *streamed*, against its limit.
    pub(crate) const CHANGE: f64 = 500.0;
    /// A byte that is not in the core's own cache: the limit of *streamed* against that of *hot*.
    pub(crate) const COLD_BYTE: f64 = 0.05;
    /// A byte that the system has to find first: the limit of *fresh* against that of *hot*.
    pub(crate) const FRESH_BYTE: f64 = 0.35;
    /// Memory is asked of the source and given back to it: a heap that maps only now and then.
    pub(crate) const TAKEN: f64 = 1_000.0;
    /// An atomic read-modify-write: a handle that is dropped after its slab was left.
    pub(crate) const GUEST: f64 = 8.0;
    /// The rent of one MiB for the time of one request. A core costs about as much as 8 GiB of memory in the clouds' price lists, and
    /// a busy core makes some 120,000 requests in a second: so MiB · request = 1 s / 8192 / 120,000.
    pub(crate) const RENT: f64 = 1.0;
}

/// What is paid for, over a stretch of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    /// Requests for memory.
    pub(crate) requests: f64,
    /// Slabs that were started over in place.
    pub(crate) in_place: f64,
    /// Slabs that were left for another one.
    pub(crate) changes: f64,
    /// Slabs, and slabs for one request, whose memory came from the source.
    pub(crate) taken: f64,
    /// Bytes cut for the first time since they came from the source.
    pub(crate) fresh_bytes: f64,
    /// Bytes cut again after they had been out of use, or from slabs too large to stay in a cache.
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
