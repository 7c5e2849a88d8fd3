//! Who takes part in which operation, and who ranks as a peer there.

use crate::impls::{
    ArcCopied, Bufslab, Carved, Fresh, FromVec, LocalObjects, Ntex, Objects, Oxidizer, PlainVec, SLAB, SharePool,
};
use crate::placed::{Places, Sender};
use crate::timing::Run;
use crate::{listed, machine, ops};

/// Slabs as Node once had them.
const LARGE_SLAB: usize = 10 << 20;
/// What most reads have room for.
const ROOM: usize = 4096;
/// A full packet.
const PACKET: usize = 1500;

/// Tracking of sites, and cutting around pins: the defaults.
type Default = Bufslab<2, true>;
type Counters = Bufslab<1, true>;
type Off = Bufslab<0, true>;
type WholeSlabs = Bufslab<2, false>;

/// One operation and all who do it.
pub(crate) struct Op {
    pub(crate) name: &'static str,
    /// Room in each read.
    pub(crate) n: usize,
    pub(crate) cases: Vec<Case>,
}

/// One who does it.
pub(crate) struct Case {
    pub(crate) who: &'static str,
    /// Whether the best of these is what bufslab is compared with: others than bufslab whose reads can be shared.
    pub(crate) peer: bool,
    pub(crate) make: Box<dyn Fn() -> Run>,
}

/// Adds whoever can do it. An operation is a closure over a type, which Rust has no word for: hence macros.
macro_rules! add {
    ($op:ident, $peer:literal, $make:ident, $args:tt: $($who:literal = $reader:ty,)*) => {
        $($op.add($who, $peer, || ops::$make::<$reader>$args);)*
    };
}

/// Those whose reads can be shared.
macro_rules! sharing {
    ($op:ident, $make:ident, $args:tt) => {
        add! { $op, true, $make, $args:
            "Arc<[u8]>, copied" = ArcCopied,
            "Vec, Bytes" = FromVec,
            "BytesMut, fresh" = Fresh,
            "BytesMut, carved" = Carved,
            "bytes-pool" = SharePool,
            "bytesbuf" = Oxidizer,
            "ntex-bytes" = Ntex,
        }
    };
}

/// Those whose reads cannot.
macro_rules! unshared {
    ($op:ident, $make:ident, $args:tt) => {
        add! { $op, false, $make, $args:
            "Vec" = PlainVec,
            "opool" = Objects,
        }
    };
}

macro_rules! bufslab {
    ($op:ident, $make:ident, $args:tt) => {
        add! { $op, false, $make, $args:
            "bufslab" = Default,
            "bufslab, counters" = Counters,
            "bufslab, off" = Off,
        }
    };
}

/// The same, where it matters what becomes of pinned slabs.
macro_rules! bufslab_pinned {
    ($op:ident, $make:ident, $args:tt) => {
        bufslab!($op, $make, $args);
        add! { $op, false, $make, $args: "bufslab, whole slabs" = WholeSlabs, }
    };
}

impl Op {
    fn new(name: &'static str, n: usize) -> Op {
        Op { name, n, cases: Vec::new() }
    }

    fn add(&mut self, who: &'static str, peer: bool, make: impl Fn() -> Run + 'static) {
        self.cases.push(Case { who, peer, make: Box::new(make) });
    }

    fn machine(&mut self, who: &'static str, make: impl Fn() -> Run + 'static) {
        self.add(who, false, make);
    }
}

const PLAIN_COUNT: &str = "machine: plain count up and down";
const LISTED: &str = "machine: a handle listed";
const COPY_LISTED: &str = "machine: copy, listed";
const LISTED_SENT: &str = "machine: copy, listed, sent";
const LISTED_COUNTED: &str = "machine: copy, listed, sent, counted";
const COPY_LISTED_THREE: &str = "machine: copy, listed three times";
const TWO_RMWS: &str = "machine: two atomic RMWs";
const COPY: &str = "machine: copy into one hot buffer";
const COPY_AROUND: &str = "machine: copy into 1,024 buffers in turn";
const POINTER: &str = "machine: a pointer sent";

/// All operations.
pub(crate) fn all() -> Vec<Op> {
    let mut all = handles();
    all.extend(reads());
    all.extend(windows());
    all.extend(others());
    all
}

/// Handles that are made of handles.
fn handles() -> Vec<Op> {
    let mut clone = Op::new("clone", ROOM);
    bufslab!(clone, clone, (SLAB));
    sharing!(clone, clone, (SLAB));

    let mut slice = Op::new("slice", ROOM);
    bufslab!(slice, slice, (SLAB));
    sharing!(slice, slice, (SLAB));

    let mut split_to = Op::new("split_to", ROOM);
    bufslab!(split_to, split_to, (SLAB));
    sharing!(split_to, split_to, (SLAB));

    let mut old = Op::new("clone_old", ROOM);
    bufslab!(old, clone_old, (SLAB));
    sharing!(old, clone_old, (SLAB));

    let mut elsewhere = Op::new("clone_elsewhere", ROOM);
    bufslab!(elsewhere, clone_elsewhere, (SLAB));
    sharing!(elsewhere, clone_elsewhere, (SLAB));

    let mut all = vec![clone, slice, split_to, old, elsewhere];
    for op in &mut all {
        op.machine(PLAIN_COUNT, machine::plain_count);
        op.machine(LISTED, listed::handle);
        op.machine(TWO_RMWS, machine::two_rmws);
    }
    all
}

/// Reads that are gone before the next.
fn reads() -> Vec<Op> {
    let mut chain = Op::new("chain", ROOM);
    bufslab!(chain, chain, (SLAB, ROOM));
    sharing!(chain, chain, (SLAB, ROOM));
    chain.machine(COPY, machine::copy_hot::<64>);
    chain.machine(COPY_LISTED_THREE, listed::chain::<64>);
    chain.machine(PLAIN_COUNT, machine::plain_count);
    chain.machine(TWO_RMWS, machine::two_rmws);

    let mut part = Op::new("alloc_64", ROOM);
    bufslab!(part, alloc, (SLAB, ROOM, 64));
    sharing!(part, alloc, (SLAB, ROOM, 64));
    unshared!(part, alloc, (SLAB, ROOM, 64));
    add! { part, false, alloc, (SLAB, ROOM, 64): "opool, of one thread" = LocalObjects, }
    part.machine(COPY, machine::copy_hot::<64>);
    part.machine(COPY_LISTED, listed::read::<64>);
    part.machine(PLAIN_COUNT, machine::plain_count);

    let mut full = Op::new("alloc_full", PACKET);
    bufslab!(full, alloc, (SLAB, PACKET, PACKET));
    sharing!(full, alloc, (SLAB, PACKET, PACKET));
    unshared!(full, alloc, (SLAB, PACKET, PACKET));
    add! { full, false, alloc, (SLAB, PACKET, PACKET): "opool, of one thread" = LocalObjects, }
    full.machine(COPY, machine::copy_hot::<PACKET>);
    full.machine(COPY_LISTED, listed::read::<PACKET>);

    let mut large = Op::new("large_slabs", PACKET);
    bufslab_pinned!(large, alloc, (LARGE_SLAB, PACKET, PACKET));
    sharing!(large, alloc, (LARGE_SLAB, PACKET, PACKET));
    large.machine(COPY, machine::copy_hot::<PACKET>);

    let mut request = Op::new("request", ROOM);
    bufslab!(request, request, (SLAB, ROOM));
    sharing!(request, request, (SLAB, ROOM));
    request.machine(COPY, machine::copy_hot::<1024>);

    vec![chain, part, full, large, request]
}

/// Reads that live for a while.
fn windows() -> Vec<Op> {
    let mut fifo_part = Op::new("fifo_64", ROOM);
    bufslab_pinned!(fifo_part, fifo, (SLAB, ROOM, 64));
    sharing!(fifo_part, fifo, (SLAB, ROOM, 64));
    unshared!(fifo_part, fifo, (SLAB, ROOM, 64));

    let mut fifo_full = Op::new("fifo_full", ROOM);
    bufslab_pinned!(fifo_full, fifo, (SLAB, ROOM, ROOM));
    sharing!(fifo_full, fifo, (SLAB, ROOM, ROOM));
    unshared!(fifo_full, fifo, (SLAB, ROOM, ROOM));

    let mut random_part = Op::new("random_64", ROOM);
    bufslab_pinned!(random_part, random, (SLAB, ROOM, 64));
    sharing!(random_part, random, (SLAB, ROOM, 64));
    unshared!(random_part, random, (SLAB, ROOM, 64));

    let mut random_full = Op::new("random_full", ROOM);
    bufslab_pinned!(random_full, random, (SLAB, ROOM, ROOM));
    sharing!(random_full, random, (SLAB, ROOM, ROOM));
    unshared!(random_full, random, (SLAB, ROOM, ROOM));

    for op in [&mut fifo_part, &mut random_part] {
        op.machine(COPY, machine::copy_hot::<64>);
        op.machine(COPY_AROUND, machine::copy_around::<64, 1024>);
    }
    fifo_part.machine(COPY_LISTED, || ops::fifo::<Places>(SLAB, ROOM, 64));
    random_part.machine(COPY_LISTED, || ops::random::<Places>(SLAB, ROOM, 64));
    for op in [&mut fifo_full, &mut random_full] {
        op.machine(COPY, machine::copy_hot::<ROOM>);
        op.machine(COPY_AROUND, machine::copy_around::<ROOM, 1024>);
    }
    fifo_full.machine(COPY_LISTED, || ops::fifo::<Places>(SLAB, ROOM, ROOM));
    random_full.machine(COPY_LISTED, || ops::random::<Places>(SLAB, ROOM, ROOM));
    vec![fifo_part, fifo_full, random_part, random_full]
}

/// Operations of two threads.
fn others() -> Vec<Op> {
    let mut part = Op::new("cross_64", ROOM);
    bufslab_pinned!(part, cross, (SLAB, ROOM, 64));
    sharing!(part, cross, (SLAB, ROOM, 64));
    unshared!(part, cross, (SLAB, ROOM, 64));
    part.machine(POINTER, ops::pointer);
    part.machine(COPY, machine::copy_hot::<64>);
    part.machine(LISTED_SENT, || ops::cross::<Sender<false>>(SLAB, ROOM, 64));
    part.machine(LISTED_COUNTED, || ops::cross::<Sender<true>>(SLAB, ROOM, 64));

    let mut full = Op::new("cross_full", PACKET);
    bufslab_pinned!(full, cross, (SLAB, PACKET, PACKET));
    sharing!(full, cross, (SLAB, PACKET, PACKET));
    unshared!(full, cross, (SLAB, PACKET, PACKET));
    full.machine(POINTER, ops::pointer);
    full.machine(COPY, machine::copy_hot::<PACKET>);
    full.machine(LISTED_SENT, || ops::cross::<Sender<false>>(SLAB, PACKET, PACKET));
    full.machine(LISTED_COUNTED, || ops::cross::<Sender<true>>(SLAB, PACKET, PACKET));

    let mut two = Op::new("two_threads", ROOM);
    bufslab!(two, chain_on_two, (SLAB, ROOM));
    sharing!(two, chain_on_two, (SLAB, ROOM));
    two.machine(COPY, machine::copy_hot::<64>);

    vec![part, full, two]
}
