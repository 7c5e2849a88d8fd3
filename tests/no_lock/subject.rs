//! The program under the microscope of `tests/no_lock.rs`: runs each operation between two breakpoints.
//!
//! A breakpoint is an `int3`. The register `rdi` holds 0 behind the operation, and before it the number of the operation's
//! name on standard output, where names are printed as they come, one a line.

use bufslab::{Buf, CompactPolicy, Level, SlabBytes, SlabPool};
use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Times each operation is run before it is looked at, so that symbols are bound and slots and slabs are there.
const WARM: usize = 40;

#[inline(always)]
fn breakpoint(number: u64) {
    // SAFETY: a trap that the tracer steps over; no register or memory is touched.
    unsafe { core::arch::asm!("int3", in("rdi") number, options(nostack, preserves_flags)) }
}

struct Looks(u64);

impl Looks {
    /// Runs `op` on what `ready` makes, several times out of sight and three times in sight. What it returns is dropped out
    /// of sight.
    fn at<T, R>(&mut self, name: &str, mut ready: impl FnMut() -> T, mut op: impl FnMut(T) -> R) {
        self.0 += 1;
        println!("{name}");
        for round in 0..WARM + 3 {
            let input = black_box(ready());
            if round >= WARM {
                breakpoint(self.0);
            }
            let output = op(input);
            if round >= WARM {
                breakpoint(0);
            }
            drop(black_box(output));
        }
    }
}

const SLAB: usize = 1 << 20;
/// As `src/raw/stretch.rs` has it.
const STRETCH: usize = 12 << 10;

/// Has room for some kilobytes in the stretch that is cut now: where that ends is looked at below.
fn with_room(pool: &SlabPool) -> &SlabPool {
    drop(pool.alloc(5000));
    pool
}

fn frozen_of(pool: &SlabPool, len: usize) -> SlabBytes {
    let mut buffer = pool.alloc(len);
    buffer.extend_from_slice(&vec![7; len]);
    buffer.freeze()
}

fn frozen(pool: &SlabPool) -> SlabBytes {
    frozen_of(pool, 1000)
}

fn owner(looks: &mut Looks, level: Level) {
    let pool = SlabPool::builder().slab_size(SLAB).tracking(level).build().unwrap();
    let filled = || {
        let mut buffer = with_room(&pool).alloc(1000);
        buffer.extend_from_slice(&[7; 900]);
        buffer
    };
    let slice = frozen(&pool);
    let name = |op: &str| format!("owner {op} at {level}");
    looks.at(&name("alloc"), || with_room(&pool), |pool| pool.alloc(1000));
    looks.at(&name("drop of a writer"), || pool.alloc(1000), drop);
    looks.at(&name("freeze"), filled, |buffer| buffer.freeze());
    looks.at(&name("clone"), || (), |()| slice.clone());
    looks.at(&name("slice"), || (), |()| slice.slice(100..200));
    looks.at(&name("slice_ref"), || &slice[5..20], |part| slice.slice_ref(part));
    looks.at(&name("split_to"), || slice.clone(), |mut s| (s.split_to(100), s));
    looks.at(&name("split_off"), || slice.clone(), |mut s| (s.split_off(100), s));
    looks.at(&name("advance"), || slice.clone(), |mut s| (s.advance(100), s));
    looks.at(&name("truncate"), || slice.clone(), |mut s| (s.truncate(100), s));
    looks.at(&name("drop"), || slice.clone(), drop);
    looks.at(&name("drop of the last"), || frozen(&pool), drop);
    looks.at(&name("split_to of a writer"), filled, |mut b| (b.split_to(100), b));
    looks.at(&name("split_off of a writer"), filled, |mut b| (b.split_off(500), b));
    looks.at(&name("split of a writer"), filled, |mut b| (b.split(), b));
    looks.at(
        &name("unsplit"),
        || {
            let mut front = filled();
            let back = front.split_off(500);
            (front, back)
        },
        |(mut front, back)| (front.unsplit(back), front),
    );
    let parked = slice.clone().park_untagged();
    looks.at(&name("park"), || slice.clone(), |s| s.park_untagged());
    looks.at(&name("read of a parked slice"), || (), |()| parked.read(|bytes| bytes.len()));
    looks.at(&name("drop of a parked slice"), || slice.clone().park_untagged(), drop);
    // The slab before the current one is its owner's still.
    let full = pool.alloc(SLAB);
    looks.at(&name("clone in the previous slab"), || (), |()| slice.clone());
    looks.at(&name("drop in the previous slab"), || slice.clone(), drop);
    drop(full);
}

/// Inside an owner scope, where each handle has a note beside its slot.
fn scoped(looks: &mut Looks) {
    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let _session = pool.scope("session", 1);
    let slice = frozen(&pool);
    looks.at("scoped alloc", || with_room(&pool), |pool| pool.alloc(1000));
    looks.at("scoped clone", || (), |()| slice.clone());
    looks.at("scoped slice", || (), |()| slice.slice(100..200));
    looks.at("scoped drop", || slice.clone(), drop);
}

/// On this thread, with slices of a slab that another one owns, or that nobody does.
fn guest(looks: &mut Looks, whose: &str, slice: &SlabBytes) {
    let name = |op: &str| format!("guest {op} in a slab of {whose}");
    looks.at(&name("clone"), || (), |()| slice.clone());
    looks.at(&name("slice"), || (), |()| slice.slice(100..200));
    looks.at(&name("split_to"), || slice.clone(), |mut s| (s.split_to(100), s));
    looks.at(&name("drop"), || slice.clone(), drop);
    looks.at(&name("drop of a parked slice"), || slice.clone().park_untagged(), drop);
    let parked = slice.clone().park_untagged();
    looks.at(&format!("free park in a slab of {whose}"), || slice.clone(), |s| s.park_untagged());
    looks.at(&format!("reader of a parked slice in a slab of {whose}"), || (), |()| parked.read(|bytes| bytes.len()));
}

/// With slices that were moved out of their slab.
fn moved(looks: &mut Looks) {
    let pool = SlabPool::builder().slab_size(1000).build().unwrap();
    let policy = CompactPolicy::new().older_than(Duration::ZERO);
    let moved = || {
        let parked = frozen(&pool).slice(..20).park_untagged();
        drop((frozen(&pool), frozen(&pool), frozen(&pool)));
        assert_eq!(pool.compact(&policy).slices, 1);
        parked
    };
    let one = moved();
    looks.at("free read of a moved slice", || (), |()| one.read(|bytes| bytes.len()));
    looks.at("guest drop of a moved slice", moved, drop);
}

fn main() {
    let mut looks = Looks(0);
    looks.at("nothing", || (), |()| ());
    for level in [Level::Off, Level::Counters, Level::Sites] {
        owner(&mut looks, level);
    }
    scoped(&mut looks);

    let pool = SlabPool::builder().slab_size(SLAB).build().unwrap();
    let (to, from) = sync_channel::<SlabBytes>(0);
    let (done, wait) = sync_channel::<()>(0);
    let made = pool.clone();
    let other = std::thread::spawn(move || {
        let slice = frozen(&made);
        to.send(slice.clone()).unwrap();
        let _ = wait.recv();
        drop(slice);
    });
    let slice = from.recv().unwrap();
    guest(&mut looks, "another thread", &slice);
    drop(done);
    other.join().unwrap();
    guest(&mut looks, "nobody", &slice);

    moved(&mut looks);

    // At the end of a stretch: the slab has drained, or it has not.
    let pool = || SlabPool::builder().slab_size(SLAB).build().unwrap();
    let at_the_end = || {
        let pool = pool();
        (frozen_of(&pool, STRETCH), pool)
    };
    let drained = || at_the_end().1;
    looks.at("back to the first stretch", drained, |pool| (pool.alloc(1000), pool));
    looks.at("next stretch", at_the_end, |(slice, pool)| (pool.alloc(1000), slice, pool));

    // A slab is full and has drained. Without what the pool does once a second: stepped through, three of these may take that long.
    let pool = SlabPool::builder().slab_size(1000).idle_decay(Duration::ZERO).build().unwrap();
    looks.at("rotation in place", || drop(frozen(&pool)), |()| pool.alloc(1000).freeze());
}
