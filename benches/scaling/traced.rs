//! Locked instructions of the loads, counted by stepping through them one instruction at a time, as `tests/no_lock` does. What is
//! stepped through is this program once more, with [`SUBJECT`] set.

use std::hint::black_box;
use std::thread;

use bufslab::{RetainPolicy, SlabBytes, SlabPool, Tag};

use crate::counted::{Check, Rates, Window, openings, read};

use crate::model;

/// Requests of each load that are stepped through: ten slabs of reads.
const REQUESTS: usize = 160;
/// Reads that go before in the load with random lifetimes.
const MIX: usize = 20_000;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../../tests/no_lock/tracer.rs"]
mod tracer;

/// Set in the environment of the program that is stepped through.
pub const SUBJECT: &str = "BUFSLAB_SCALING_SUBJECT";

/// Steps through all loads and compares with what the model says. `None` where that is not possible.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn checks() -> Option<Vec<Check>> {
    let me = std::env::current_exe().ok()?;
    // SAFETY: no other thread of this program runs now. The tracer starts the program with this environment.
    unsafe { std::env::set_var(SUBJECT, "1") };
    let looks = tracer::trace(&me);
    let rates = rates();
    let loads = model::loads(&rates);
    let sum = |uses: &[model::Use]| uses.iter().map(|one| one.events * one.locked).sum::<f64>();
    let expected = |name: &str| -> Option<(f64, f64)> {
        let exactly = |locked: f64| Some((locked, locked));
        match name {
            "handed over: dropped" => exactly(sum(&model::dropped())),
            "handed over: made" => exactly(sum(&model::made())),
            "random" => {
                let spread = sum(&model::spread(&rates));
                let locked = loads.iter().find(|load| load.name == name)?.locked();
                // Looks in vain, and slabs that are emptied, come on top.
                Some((locked + spread / 2.0, (locked + spread) * 1.25))
            }
            _ => exactly(loads.iter().find(|load| load.name == name)?.locked()),
        }
    };
    let check = |look: tracer::Look| {
        let requests = if look.name == "handed over: made" { MADE } else { REQUESTS };
        let counted = look.locked.len() as f64 / requests as f64;
        let (least, most) = expected(&look.name).unwrap_or((f64::NAN, f64::NAN));
        if std::env::var_os("SCALING_ADDRESSES").is_some() {
            look.locked.iter().for_each(|at| eprintln!("{} {at:#x}", look.name));
        }
        eprintln!("{}: {} instructions a request", look.name, look.instructions / requests);
        assert_eq!(look.system_calls, 0, "{}: no system calls", look.name);
        Check { load: look.name, what: "locked instructions, a request", least, counted, most }
    };
    Some(looks.into_iter().map(check).collect())
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn checks() -> Option<Vec<Check>> {
    None
}

/// An `int3` with a number in a register: what the tracer stops at.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[inline(always)]
fn breakpoint(number: u64) {
    // SAFETY: a trap that the tracer steps over; no register or memory is touched.
    unsafe { core::arch::asm!("int3", in("rdi") number, options(nostack, preserves_flags)) }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn breakpoint(_: u64) {}

/// Runs loads between breakpoints.
struct Looks(u64);

impl Looks {
    fn at<R>(&mut self, name: &str, requests: impl FnOnce() -> R) {
        self.0 += 1;
        println!("{name}");
        breakpoint(self.0);
        let result = requests();
        breakpoint(0);
        drop(black_box(result));
    }
}

fn times(mut request: impl FnMut()) -> impl FnOnce() {
    move || (0..REQUESTS).for_each(|_| request())
}

/// Reads of a thread that is gone.
fn made_elsewhere(pool: &SlabPool) -> Vec<SlabBytes> {
    let make = || (0..REQUESTS).map(|_| read(pool)).collect();
    thread::scope(|scope| scope.spawn(make).join().expect("it only allocates"))
}

/// The traced program.
pub fn subject() {
    let mut looks = Looks(0);
    let pool = SlabPool::new();
    let hot = |pool: &SlabPool| (0..REQUESTS).for_each(|_| drop(black_box(read(pool))));
    hot(&pool);
    looks.at("hot", || hot(&pool));
    let limited = SlabPool::builder().max_bytes(64 << 20).build().expect("a limit");
    hot(&limited);
    looks.at("hot, max_bytes", || hot(&limited));

    let slice = made_elsewhere(&pool).swap_remove(0);
    let broadcast = || drop(black_box(slice.clone()));
    broadcast();
    looks.at("broadcast", times(broadcast));

    let kept = SlabPool::builder().retain_policy(RetainPolicy::new(0, usize::MAX)).build().expect("a policy");
    let mut some = Some(read(&kept));
    looks.at("retain", times(|| some = some.take().map(SlabBytes::retain)));

    let tag = || _ = black_box(Tag::new("scaling.known"));
    tag();
    looks.at("tag by name", times(tag));

    let pool = SlabPool::new();
    let made = made_elsewhere(&pool);
    looks.at("handed over: dropped", || drop(made));
    // Of slabs that became everybody's by that, into one that this thread has.
    let mut reads: Vec<SlabBytes> = Vec::with_capacity(2 * REQUESTS);
    reads.extend((0..48).map(|_| read(&pool)));
    looks.at("handed over: made", || reads.extend((0..MADE).map(|_| read(&pool))));

    let (pool, mut window) = mixed();
    looks.at("random", times(|| window.replace(&pool)));
}

/// Reads of a look at making them: of seven slabs, so that none is fresh.
const MADE: usize = 7 * 16;

fn mixed() -> (SlabPool, Window) {
    let pool = SlabPool::new();
    let mut window = Window::new(&pool);
    (0..MIX).for_each(|_| window.replace(&pool));
    (pool, window)
}

/// What the requests that the subject steps through do: chance is the same each time.
fn rates() -> Rates {
    let (pool, mut window) = mixed();
    let before = (openings(&pool.stats()), window.jumps);
    (0..REQUESTS).for_each(|_| window.replace(&pool));
    Rates {
        openings: (openings(&pool.stats()) - before.0) as f64 / REQUESTS as f64,
        jumps: (window.jumps - before.1) as f64 / REQUESTS as f64,
    }
}
