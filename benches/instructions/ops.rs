//! Every operation that has a ceiling.

use crate::common::placed::Owner::{AnotherThread, Nobody, ThisThread};
use crate::common::steps::Origin;
use crate::common::window::Lifetimes;
use crate::{handles, pools};

pub(crate) struct Op {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Does it in so many rounds, and returns how often that was.
    pub(crate) run: fn(usize) -> usize,
}

const fn op(name: &'static str, what: &'static str, run: fn(usize) -> usize) -> Op {
    Op { name, what, run }
}

/// Where nothing else is said, on the thread that owns the slab.
pub(crate) const OPS: &[Op] = &[
    op("alloc", "a buffer of 64 bytes", |count| pools::alloc(64, count)),
    op("alloc_1500", "a buffer of 1,500 bytes", |count| pools::alloc(1500, count)),
    op("alloc_fill_freeze_drop", "1,500 bytes of which 64 are filled", pools::alloc_fill_freeze_drop),
    op("clone", "a handle of 4 KiB", |count| handles::clone(ThisThread, count)),
    op("slice", "20 bytes of 4 KiB", |count| handles::slice(ThisThread, count)),
    op("split_to", "20 bytes off the front", |count| handles::split_to(ThisThread, count)),
    op("split_off", "all but 20 bytes", |count| handles::split_off(ThisThread, count)),
    op("split_to_writable", "64 bytes off a writable buffer", pools::split_to_writable),
    op("truncate", "to 20 bytes", |count| handles::truncate(ThisThread, count)),
    op("drop", "a slice that is not the last", |count| handles::drop(ThisThread, count)),
    op("tag", "a slice is given a name", handles::tag),
    op("chain", "alloc, fill, freeze, clone, slice, 3 drops", pools::whole_chain),
    op("request", "a read, 8 slices, 9 drops", pools::whole_request),
    op("guest_clone", "of another thread's slab", |count| handles::clone(AnotherThread, count)),
    op("guest_slice", "of another thread's slab", |count| handles::slice(AnotherThread, count)),
    op("guest_split_to", "of another thread's slab", |count| handles::split_to(AnotherThread, count)),
    op("guest_drop", "of another thread's slab", |count| handles::drop(AnotherThread, count)),
    op("detached_clone", "of a slab without an owner", |count| handles::clone(Nobody, count)),
    op("detached_drop", "of a slab without an owner", |count| handles::drop(Nobody, count)),
    op("cross_thread_drop", "what another thread allocates", handles::cross_thread_drop),
    op("step_in_place", "a slab is started over: 2 allocs, 2 drops", |count| pools::step(Origin::Place, count)),
    op("step_magazine", "a slab out of the thread's idle ones, a drop", |count| pools::step(Origin::Magazine, count)),
    op("step_depot", "a slab out of everybody's idle ones, a drop", |count| pools::step(Origin::Depot, count)),
    op("step_around_pins", "a slab with a pin, a drop", |count| pools::step(Origin::Pins, count)),
    op("step_fresh", "a slab of fresh memory, a drop", |count| pools::step(Origin::Source, count)),
    op("window_fifo", "a read; the oldest of 1,024 goes", |count| pools::window(Lifetimes::Fifo, count)),
    op("window_random", "a read; any of 1,024 goes", |count| pools::window(Lifetimes::Random, count)),
    op("compact", "a copy of 20 bytes, and the slice goes", handles::compact),
    op("export_copied", "1 KiB to a Bytes", |count| handles::export(1024, count)),
    op("export_shared", "more than 1 KiB to a Bytes", |count| handles::export(1025, count)),
    op("parked_read", "one byte", |count| handles::read_parked(ThisThread, count)),
    op("guest_parked_read", "one byte, on another thread's slab", |count| handles::read_parked(AnotherThread, count)),
    op("report_1000", "of 1,000 slices, without its drop", pools::report),
];
