//! Requests that wait for memory, in the order they came.
//!
//! A slab that comes back while somebody waits is cut for the request at the head of the queue, and for those behind it that fit
//! as well, on the thread that gave it back. Each of them is woken with its memory in hand: nobody is woken in vain, nobody can
//! come between, and a request that is given up after it was served gives its memory back, to whoever is the next.
//!
//! No wake-up is lost: who waits counts itself in the ledger ([`Ledger::want`](crate::raw::Ledger::want)) and then looks for memory once more; who gives
//! memory back does that first, and then looks at the count.

use super::{Core, SlabPool, local, recycle};
use crate::config::Level;
use crate::error::AllocError;
use crate::raw::{Attached, Idle, Label, Search, Unique};
use crate::sync::{Mutex, thread};
use core::task::{Poll, Waker};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The queue of one pool.
pub(crate) struct Waiters(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    next: u64,
    /// By ticket: the first is the head.
    waiting: BTreeMap<u64, Waiting>,
    /// Those whose memory is being cut, or was, until they take it.
    served: BTreeMap<u64, Served>,
}

struct Waiting {
    request: Request,
    waker: Waker,
}

/// What somebody waits for.
#[derive(Clone, Copy)]
struct Request {
    n: usize,
    label: Label,
    /// The number of the scope that it was made in.
    scope: u32,
}

struct Served {
    /// Taken when the outcome is there.
    waker: Option<Waker>,
    outcome: Option<Result<Granted, AllocError>>,
}

/// Memory for one request. It goes back if nobody takes it.
struct Granted(Option<Unique>);

impl Granted {
    fn take(mut self) -> Unique {
        self.0.take().expect("memory is taken once")
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        if let Some(idle) = self.0.take().and_then(Unique::release) {
            recycle(idle);
        }
    }
}

/// A place in the queue. Dropping it gives the place up, and what was already cut for it back.
pub(crate) struct Ticket {
    core: Arc<Core>,
    number: u64,
}

impl Waiters {
    pub(super) fn new() -> Waiters {
        Waiters(Mutex::new(Queue::default()))
    }
}

impl Core {
    /// Queues a request that found no room.
    pub(super) fn wait(self: &Arc<Self>, n: usize, label: Label, waker: Waker) -> Ticket {
        let request = Request { n, label, scope: thread::scope() };
        let mut queue = self.waiters.0.lock();
        let number = queue.next;
        queue.next += 1;
        let is_first = queue.waiting.is_empty();
        queue.waiting.insert(number, Waiting { request, waker });
        self.ledger().want(1);
        drop(queue);
        let ticket = Ticket { core: Arc::clone(self), number };
        // What this thread is attached to is no use to it while it waits. The others are asked once: as long as somebody waits,
        // nobody stays attached to a slab.
        local::leave(self.id);
        if is_first {
            self.ledger().recall();
        }
        self.serve(None);
        ticket
    }

    /// An error for a request that comes while others wait.
    pub(super) fn queue_up(&self, n: usize) -> Result<(), AllocError> {
        let Some(max) = self.config.max_bytes else { return Ok(()) };
        if self.ledger().wanted() == 0 {
            return Ok(());
        }
        self.serve(None);
        match self.ledger().wanted() {
            0 => Ok(()),
            waiting => Err(AllocError::behind(n, waiting, max, self.ledger().memory_bytes())),
        }
    }

    /// Whether somebody waits, or else will see what the caller did before. For who attached a slab, or gave memory back.
    pub(super) fn is_wanted_now(&self) -> bool {
        self.config.max_bytes.is_some() && self.ledger().is_wanted_now()
    }

    /// Memory was given back, in whatever way: those who wait may have it.
    pub(crate) fn room_made(&self) {
        if self.is_wanted_now() {
            self.serve(None);
        }
    }

    /// Gives an emptied slab to those who wait. Returns it if there are none.
    pub(super) fn offer(&self, idle: Idle) -> Option<Idle> {
        if self.ledger().wanted() == 0 {
            return Some(idle);
        }
        self.serve(Some(idle));
        None
    }

    /// Serves those who wait, from the head on, until there is nobody or no more room. Not while this thread's part is borrowed:
    /// memory is asked for, and wakers are woken, which is the user's code.
    pub(super) fn serve(&self, mut hand: Option<Idle>) {
        loop {
            if self.ledger().is_closed() {
                drop(hand);
                return self.turn_away();
            }
            let head = self.waiters.0.lock().waiting.first_key_value().map(|(&number, head)| (number, head.request.n));
            let Some((number, n)) = head else {
                let Some(idle) = hand.take() else { return };
                self.keep_or_free(idle);
                // Somebody may have come and looked while the slab was in hand.
                if self.ledger().is_wanted_now() {
                    continue;
                }
                return;
            };
            let size = if n <= self.slab_size() { self.slab_size() } else { n };
            // One of another size makes room when it is dropped.
            let at_hand = hand.take().filter(|idle| idle.size() == size);
            let found = match at_hand {
                Some(mut idle) => {
                    if self.config.zero_on_recycle {
                        idle.zero();
                    }
                    Ok(idle)
                }
                None => self.idle_or_fresh(n, size),
            };
            match found {
                Ok(idle) => hand = self.grant(idle),
                Err(error) if error.is_limit() => {
                    let around =
                        (n <= self.slab_size()).then(|| self.attach_around(n, &mut Search::default(), true)).flatten();
                    match around {
                        Some(attached) => hand = self.grant_from(attached),
                        None => return,
                    }
                }
                Err(error) => self.refuse(number, error.of_request(n)),
            }
        }
    }

    /// An empty slab of this size: an idle one or fresh memory. A source that panics is one that has none: whoever drops a slice
    /// has no part in what others wait for.
    fn idle_or_fresh(&self, n: usize, size: usize) -> Result<Idle, AllocError> {
        let idle = (size == self.slab_size()).then(|| self.idle_slab(None)).flatten();
        match idle {
            Some(idle) => Ok(idle),
            None => catch_unwind(AssertUnwindSafe(|| self.fresh_slab(size)))
                .unwrap_or_else(|_| Err(AllocError::source(n, size))),
        }
    }

    /// Cuts an empty slab for the head of the queue and for those behind it that fit. Returns the slab if nobody is left.
    fn grant(&self, idle: Idle) -> Option<Idle> {
        let batch = self.next_batch(idle.size());
        let Some((first, head)) = batch.first() else { return Some(idle) };
        if head.n > self.slab_size() || idle.size() != self.slab_size() {
            let granted = Granted(Some(in_scope_of(head, || idle.single(head.n, self.level(), head.label))));
            self.deliver(*first, Ok(granted));
            self.put_back(&batch[1..]);
            return None;
        }
        // Whose stack would it be?
        match idle.attach(self.level().min(Level::Sites)) {
            Ok(attached) => self.cut_for(batch, attached),
            // A dying thread owns no slab.
            Err(idle) => {
                let granted = Granted(Some(in_scope_of(head, || idle.single(head.n, self.level(), head.label))));
                self.deliver(*first, Ok(granted));
                self.put_back(&batch[1..]);
                None
            }
        }
    }

    /// Cuts a partly filled slab for the head of the queue and for those behind it that fit.
    fn grant_from(&self, attached: Attached) -> Option<Idle> {
        let batch = self.next_batch(attached.size());
        self.cut_for(batch, attached)
    }

    /// Cuts from a slab for these requests, as far as it goes, and leaves it to them.
    fn cut_for(&self, batch: Vec<(u64, Request)>, mut attached: Attached) -> Option<Idle> {
        let mut cut = Vec::with_capacity(batch.len());
        for (_, request) in &batch {
            let Request { n, label, .. } = *request;
            let raw = in_scope_of(request, || {
                attached.alloc(n, label).or_else(|| attached.next_hole(n).then(|| attached.alloc(n, label)).flatten())
            });
            // First come, first served: who does not fit is waited for.
            let Some(raw) = raw else { break };
            cut.push(Granted(Some(raw)));
        }
        let rest = batch[cut.len()..].to_vec();
        // Before the slices go to other threads, which may drop them at once.
        let emptied = attached.detach();
        self.put_back(&rest);
        for ((number, _), granted) in batch.into_iter().zip(cut) {
            self.deliver(number, Ok(granted));
        }
        emptied
    }

    /// Takes requests from the head of the queue, up to so many bytes together.
    fn next_batch(&self, room: usize) -> Vec<(u64, Request)> {
        let mut batch = Vec::new();
        let mut left = room;
        let mut queue = self.waiters.0.lock();
        while let Some(entry) = queue.waiting.first_entry().filter(|entry| entry.get().request.n <= left) {
            let (number, Waiting { request, waker }) = entry.remove_entry();
            left -= request.n;
            queue.served.insert(number, Served { waker: Some(waker), outcome: None });
            batch.push((number, request));
        }
        self.ledger().unwant(batch.len() as u32);
        batch
    }

    /// Returns requests to their places in the queue, but for those that were given up meanwhile.
    fn put_back(&self, batch: &[(u64, Request)]) {
        let mut queue = self.waiters.0.lock();
        for &(number, request) in batch {
            let Some(waker) = queue.served.get_mut(&number).and_then(|served| served.waker.take()) else { continue };
            queue.served.remove(&number);
            queue.waiting.insert(number, Waiting { request, waker });
            self.ledger().want(1);
        }
    }

    /// Hands a request what came of it, if it was not given up meanwhile, and wakes it.
    fn deliver(&self, number: u64, outcome: Result<Granted, AllocError>) {
        let mut outcome = Some(outcome);
        let mut queue = self.waiters.0.lock();
        let waker = queue.served.get_mut(&number).and_then(|served| {
            served.outcome = outcome.take();
            served.waker.take()
        });
        drop(queue);
        if let Some(waker) = waker {
            wake(waker);
        }
        // What nobody wants any more goes back here, outside of the lock.
        drop(outcome);
    }

    /// The request with this number fails, if it waits still.
    fn refuse(&self, number: u64, error: AllocError) {
        let mut queue = self.waiters.0.lock();
        let Some(Waiting { waker, .. }) = queue.waiting.remove(&number) else { return };
        self.ledger().unwant(1);
        queue.served.insert(number, Served { waker: None, outcome: Some(Err(error)) });
        drop(queue);
        wake(waker);
    }

    /// Fails everybody who waits: the pool is closed.
    pub(super) fn turn_away(&self) {
        let waiting: Vec<(u64, usize)> =
            self.waiters.0.lock().waiting.iter().map(|(&number, waiting)| (number, waiting.request.n)).collect();
        for (number, n) in waiting {
            self.refuse(number, AllocError::closed(n));
        }
    }
}

impl SlabPool {
    /// Queues a request that found no room.
    pub(crate) fn wait(&self, n: usize, label: Label, waker: Waker) -> Ticket {
        self.0.wait(n, label, waker)
    }

    /// Gives up what this thread has of the pool: the two slabs that it is attached to are left to their slices, and what is empty
    /// of it goes back to all.
    ///
    /// A thread that does nothing for a while should do this in a pool with [`max_bytes`](crate::SlabPoolBuilder::max_bytes): nobody
    /// else can use its slabs, and nobody can take them away. The next allocation takes a slab again. Runtimes call it when a thread has nothing to do:
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().max_bytes(64 << 20).build()?;
    /// let parked = pool.clone();
    /// let runtime = tokio::runtime::Builder::new_multi_thread()
    ///     .on_thread_park(move || parked.detach_thread())
    ///     .build()
    ///     .unwrap();
    /// # drop(runtime);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    pub fn detach_thread(&self) {
        local::leave(self.0.id);
    }
}

/// Charges what `cut` makes to the scope that the request was made in.
fn in_scope_of<R>(request: &Request, cut: impl FnOnce() -> R) -> R {
    struct Restore(u32);
    impl Drop for Restore {
        fn drop(&mut self) {
            thread::set_scope(self.0);
        }
    }
    let _restore = Restore(thread::set_scope(request.scope));
    cut()
}

/// Wakes a task. What its executor does wrong is not the business of whoever gave memory back.
fn wake(waker: Waker) {
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

impl Ticket {
    /// What came of the request, if it was served, or `waker` is woken when it is.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<Unique, AllocError>> {
        let mut fresh = Some(waker.clone());
        let mut queue = self.core.waiters.0.lock();
        let Queue { waiting, served, .. } = &mut *queue;
        let mut outcome = None;
        // The waker before goes outside of the lock: dropping it may drop a task, and that another request.
        let mut before = None;
        if let Some(waiting) = waiting.get_mut(&self.number) {
            before = fresh.take().map(|fresh| core::mem::replace(&mut waiting.waker, fresh));
        } else if let Some(found) = served.get_mut(&self.number) {
            outcome = found.outcome.take();
            if outcome.is_some() {
                served.remove(&self.number);
            } else {
                before = core::mem::replace(&mut found.waker, fresh.take());
            }
        }
        drop(queue);
        drop((before, fresh));
        let Some(outcome) = outcome else { return Poll::Pending };
        Poll::Ready(outcome.and_then(|granted| {
            if self.core.ledger().is_closed() {
                return Err(AllocError::closed(0));
            }
            let mut raw = granted.take();
            self.core.ledger().log_allocation(&mut raw);
            Ok(raw)
        }))
    }
}

impl Ticket {
    /// Whether nobody is before it.
    pub(crate) fn is_head(&self) -> bool {
        self.core.waiters.0.lock().waiting.first_key_value().is_some_and(|(number, _)| *number == self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queue = self.core.waiters.0.lock();
        let waiting = queue.waiting.remove(&self.number);
        if waiting.is_some() {
            self.core.ledger().unwant(1);
        }
        let served = queue.served.remove(&self.number);
        let others = !queue.waiting.is_empty();
        drop(queue);
        if waiting.is_some() && others {
            // It may have been the head, and those behind it want less.
            self.core.serve(None);
        }
        drop((waiting, served));
    }
}
