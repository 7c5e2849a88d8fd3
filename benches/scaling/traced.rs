//! Locked instructions of the loads, counted by stepping through them one instruction at a time, as `tests/no_lock` does. What is
//! stepped through is this program once more, with [`SUBJECT`] set.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use bufslab::{RetainPolicy, SlabBytes, SlabPool, Tag};

use crate::counted::{Check, Rates, Window, openings, read, short};

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
    use tracer::Look;
    let me = std::env::current_exe().ok()?;
    // SAFETY: no other thread of this program runs now. The tracer starts the program with this environment.
    unsafe { std::env::set_var(SUBJECT, "1") };
    let looks: Vec<Look> = tracer::trace(&me);
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
                // Some reads are dropped by the owner of their slab, for nothing; two looks in vain take two more each.
                Some((locked + spread - 0.1, locked + spread + 4.0 * rates.openings))
            }
            _ => exactly(loads.iter().find(|load| load.name == name)?.locked()),
        }
    };
    let check = |look: Look| {
        let requests = if look.name == "handed over: made" { MADE } else { REQUESTS };
        let counted = look.locked.len() as f64 / requests as f64;
        let (least, most) = expected(&look.name).unwrap_or((f64::NAN, f64::NAN));
        if std::env::var_os("SCALING_ADDRESSES").is_some() {
            look.locked.iter().for_each(|at| eprintln!("{} {at:#x}", look.name));
        }
        let Look { name, instructions, system_calls, .. } = &look;
        eprintln!("{name}: {} instructions a request, {system_calls} system calls in all", instructions / requests);
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

/// A pool that gives nothing back by itself: the clock goes on while it is stepped through.
fn pool() -> SlabPool {
    SlabPool::builder().idle_decay(Duration::ZERO).build().expect("the default but for the time")
}

/// What a thread made that is gone.
fn elsewhere<T: Send>(make: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(make).join().expect("it only allocates"))
}

/// The traced program. No pool is there while another one is looked at: each one that a thread uses costs it something.
pub fn subject() {
    let mut looks = Looks(0);
    {
        let pool = pool();
        let mut last = read(&pool);
        let mut hot = || (0..REQUESTS).for_each(|_| last = black_box(read(&pool)));
        hot();
        looks.at("hot", hot);
    }
    {
        let pool = SlabPool::builder().idle_decay(Duration::ZERO).max_bytes(64 << 20).build().expect("a limit");
        let mut last = read(&pool);
        let mut hot = || (0..REQUESTS).for_each(|_| last = black_box(read(&pool)));
        hot();
        looks.at("hot, max_bytes", hot);
    }
    {
        let pool = pool();
        let slice = elsewhere(|| short(&pool));
        let broadcast = || drop(black_box(slice.clone()));
        broadcast();
        looks.at("broadcast", times(broadcast));
    }
    {
        let policy = RetainPolicy::new(0, usize::MAX);
        let pool = SlabPool::builder().retain_policy(policy).build().expect("a policy");
        let mut slice = Some(short(&pool));
        looks.at("retain", times(|| slice = slice.take().map(SlabBytes::retain)));
    }
    let tag = || _ = black_box(Tag::new("scaling.known"));
    tag();
    looks.at("tag by name", times(tag));

    {
        let pool = pool();
        let scope = || drop(black_box(pool.scope("scaling.known", 1)));
        scope();
        looks.at("scope by name", times(scope));
    }
    handed_over(&mut looks);
    let (pool, mut window) = mixed();
    looks.at("random", times(|| window.replace(&pool)));
}

fn handed_over(looks: &mut Looks) {
    let pool = pool();
    let mut reads = Vec::with_capacity(2 * REQUESTS);
    let make = |reads: &mut Vec<_>| reads.extend((0..REQUESTS).map(|_| read(&pool)));
    // Once before, so that all lists have their memory.
    elsewhere(|| make(&mut reads));
    reads.clear();
    elsewhere(|| make(&mut reads));
    looks.at("handed over: dropped", || reads.clear());
    // Of the slabs that are everybody's by that. This thread fills some before, so that there is one to be left for each.
    reads.extend((0..REQUESTS - MADE).map(|_| read(&pool)));
    looks.at("handed over: made", || reads.extend((0..MADE).map(|_| read(&pool))));
}

/// Reads of a look at making them: of seven slabs, so that none of them is fresh.
const MADE: usize = 7 * 16;

fn mixed() -> (SlabPool, Window) {
    let pool = pool();
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
