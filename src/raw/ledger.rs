//! The ledger of one pool: its headers, its segments and the bytes it has taken from its source.

use super::berth::{BERTHS_SIZE, Berths};
use super::header::Header;
use super::notes::{NOTES_SIZE, Notes};
use super::poison;
use super::segment::{SEGMENT_SIZE, Segment};
use super::slab::Idle;
use super::source::{SlabSource, slab_layout};
use crate::error::AllocError;
use crate::policy::RetainPolicy;
use crate::sync::{AtomicU32, AtomicUsize, Mutex, Ordering, Plant, next_uid, planted, thread};
use core::any::Any;
use core::ptr::{self, NonNull};
use std::sync::{Arc, OnceLock, Weak};

/// Owns everything type-stable of one pool, and the accounts.
///
/// Conservation: `memory_bytes` = Σ sizes of the slabs that exist (idle, attached or pinned) ≤ `max_bytes`.
pub(crate) struct Ledger {
    id: usize,
    policy: RetainPolicy,
    pub(super) source: Box<dyn SlabSource>,
    max_bytes: usize,
    max_ledger_bytes: usize,
    memory_bytes: AtomicUsize,
    ledger_bytes: AtomicUsize,
    /// Every header there is, so that a report finds them.
    pub(super) headers: Mutex<Vec<NonNull<Header>>>,
    /// Where the next search for a partly filled slab starts.
    pub(super) rotor: AtomicUsize,
    /// Where the next mover starts.
    pub(super) moved_last: AtomicUsize,
    /// Headers without a slab.
    spare_headers: Mutex<Vec<NonNull<Header>>>,
    /// Segments without a slab, linked by `next`.
    spare_segments: Mutex<*mut Segment>,
    /// Segments without a slab whose slots are all kept for moved slices.
    full_segments: Mutex<Line>,
    home: OnceLock<Weak<dyn Any + Send + Sync>>,
    /// Bytes of a stretch; see [`super::stretch`].
    pub(super) stretch: AtomicUsize,
    /// See [`Ledger::wishes`].
    pub(super) wishes: AtomicU32,
    /// Not 0: nothing is cut any more.
    closed: AtomicU32,
    /// Requests that wait for memory.
    pub(super) wanted: AtomicU32,
    /// What is recorded.
    pub(super) log: super::log::Log,
    /// Records the stack of its caller and returns its number.
    pub(super) tracer: fn() -> u32,
}

// SAFETY: the raw pointers own what they point to, which is `Send` and `Sync` itself or only touched under the lock.
unsafe impl Send for Ledger {}
// SAFETY: as above.
unsafe impl Sync for Ledger {}

impl Ledger {
    /// An empty ledger of the pool with this id. `max_ledger_bytes` bounds what slots may use; past it handles are untracked.
    /// `tracer` records the stack of whoever calls it and returns its number, 0 for none.
    pub(crate) fn new(
        id: usize,
        source: Box<dyn SlabSource>,
        max_bytes: Option<usize>,
        max_ledger_bytes: Option<usize>,
        policy: RetainPolicy,
        tracer: fn() -> u32,
    ) -> Arc<Ledger> {
        Arc::new(Ledger {
            id,
            source,
            policy,
            max_bytes: max_bytes.unwrap_or(usize::MAX),
            max_ledger_bytes: max_ledger_bytes.unwrap_or(usize::MAX),
            memory_bytes: AtomicUsize::new(0),
            ledger_bytes: AtomicUsize::new(0),
            headers: Mutex::new(Vec::new()),
            rotor: AtomicUsize::new(0),
            moved_last: AtomicUsize::new(0),
            spare_headers: Mutex::new(Vec::new()),
            spare_segments: Mutex::new(ptr::null_mut()),
            full_segments: Mutex::new(Line { first: ptr::null_mut(), last: ptr::null_mut() }),
            home: OnceLock::new(),
            stretch: AtomicUsize::new(super::stretch::STRETCH),
            wishes: AtomicU32::new(0),
            closed: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
            log: super::log::Log::new(),
            tracer,
        })
    }

    /// When a slice that is kept for long is copied.
    pub(crate) fn policy(&self) -> RetainPolicy {
        self.policy
    }

    /// The pool's id.
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    /// Says where emptied slabs go. The first call counts.
    pub(crate) fn set_home(&self, home: Weak<dyn Any + Send + Sync>) {
        let _ = self.home.set(home);
    }

    /// Where emptied slabs go, while it lives.
    pub(crate) fn home(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.home.get()?.upgrade()
    }

    /// From now on nobody cuts from any slab, but for who is in the middle of it.
    pub(crate) fn close(&self) {
        // AcqRel: pairs with the one in `is_closed_now`. Whoever attached a slab before this made it visible to the loop
        // below, and whoever does so after this sees the flag.
        self.closed.swap(1, Ordering::AcqRel);
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            unsafe { header.as_ref() }.stop();
        }
    }

    /// Whether the ledger is closed; a hint.
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: who must know asks `is_closed_now`.
        self.closed.load(Ordering::Relaxed) != 0
    }

    /// Whether the ledger is closed, or else will see what the caller did before.
    pub(crate) fn is_closed_now(&self) -> bool {
        // AcqRel: as in `close`. A read-modify-write, so that of the two one is first.
        self.closed.fetch_add(0, Ordering::AcqRel) != 0
    }

    /// Bytes of slab memory taken from the source and not given back.
    pub(crate) fn memory_bytes(&self) -> usize {
        // Relaxed, here and below: an account, ordered with nothing.
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of headers and slots.
    pub(crate) fn ledger_bytes(&self) -> usize {
        self.ledger_bytes.load(Ordering::Relaxed)
    }

    /// A new slab of `size` bytes that holds nothing and that nobody knows.
    ///
    /// # Errors
    ///
    /// When the size is 0 or impossible, `max_bytes` would be exceeded, or the source or the allocator has no memory.
    pub(crate) fn slab(self: &Arc<Self>, size: usize) -> Result<Idle, AllocError> {
        let layout = slab_layout(size).ok_or_else(|| AllocError::too_large(size))?;
        let charge = |in_use: usize| in_use.checked_add(size).filter(|&sum| sum <= self.max_bytes);
        // Acquire: pairs with the Release in `retire`; what was given back is with the source before this asks it for more.
        self.memory_bytes
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, charge)
            .map_err(|in_use| AllocError::over_limit(size, size, self.max_bytes, in_use))?;
        let mut unmade = Unmade { ledger: self, size, header: None };
        let refused = || AllocError::source(size, size);
        let header = *unmade.header.insert(self.header().ok_or_else(refused)?);
        let memory = self.source.allocate(layout).ok_or_else(refused)?;
        core::mem::forget(unmade);
        // SAFETY: headers are type-stable; this one is nobody else's now.
        let header_ref = unsafe { header.as_ref() };
        header_ref.set_memory(memory.as_ptr(), size);
        poison::close(header_ref, 0, size);
        Ok(Idle::fresh(header, Arc::clone(self)))
    }

    /// Takes a slab's memory and header back for good.
    pub(super) fn retire(&self, header: NonNull<Header>) {
        // SAFETY: headers are type-stable; the caller has this slab to itself.
        let header_ref = unsafe { header.as_ref() };
        let size = header_ref.size();
        if header_ref.is_foreign() {
            return self.retire_foreign(header);
        }
        poison::open(header_ref, 0, size);
        if let (Some(memory), Some(layout)) = (NonNull::new(header_ref.base()), slab_layout(size)) {
            // SAFETY: the memory was allocated by this source with this layout; no handle is left and it is forgotten
            // below. Payload pointers are gone with the handles.
            unsafe { self.source.deallocate(memory, layout) };
        }
        header_ref.set_memory(ptr::null_mut(), 0);
        // Release: pairs with the Acquire in `slab`.
        self.memory_bytes.fetch_sub(size, Ordering::Release);
        self.spare_headers.lock().push(header);
    }

    /// The same for memory that is somebody else's and was never charged for. It goes last: that is the user's code.
    fn retire_foreign(&self, header: NonNull<Header>) {
        // SAFETY: as in `retire`.
        let header_ref = unsafe { header.as_ref() };
        let kept = header_ref.end_life();
        header_ref.set_memory(ptr::null_mut(), 0);
        self.spare_headers.lock().push(header);
        drop(kept);
    }

    pub(super) fn header(self: &Arc<Self>) -> Option<NonNull<Header>> {
        if let Some(header) = self.spare_headers.lock().pop() {
            return Some(header);
        }
        let layout = core::alloc::Layout::new::<Header>();
        // Room in both lists first: giving a header back must not fail.
        let mut headers = self.headers.lock();
        headers.try_reserve(1).ok()?;
        let mut spare = self.spare_headers.lock();
        spare.try_reserve(headers.len() + 1).ok()?;
        // SAFETY: the layout's size is not 0.
        let header = NonNull::new(unsafe { std::alloc::alloc(layout) })?.cast::<Header>();
        // SAFETY: fresh memory of the right layout.
        unsafe { header.as_ptr().write(Header::new(next_uid(), Arc::as_ptr(self))) };
        self.ledger_bytes.fetch_add(layout.size(), Ordering::Relaxed);
        headers.push(header);
        Some(header)
    }

    /// A segment for the slab `header`, nobody's yet.
    pub(super) fn segment(&self, header: NonNull<Header>) -> Option<NonNull<Segment>> {
        let mut spare = self.spare_segments.lock();
        if let Some(segment) = NonNull::new(*spare) {
            // SAFETY: segments are type-stable; a spare one is nobody's.
            let segment_ref = unsafe { segment.as_ref() };
            *spare = segment_ref.next();
            segment_ref.set_header(header);
            return Some(segment);
        }
        drop(spare);
        if let Some(segment) = self.no_longer_full() {
            // SAFETY: segments are type-stable; this one is nobody's.
            unsafe { segment.as_ref() }.set_header(header);
            return Some(segment);
        }
        self.charged(SEGMENT_SIZE, || Segment::allocate(header))
    }

    /// The first of the segments that were full, if it is so no more; otherwise it goes to the end of the line.
    fn no_longer_full(&self) -> Option<NonNull<Segment>> {
        let mut full = self.full_segments.lock();
        let first = full.pop()?;
        // SAFETY: segments are type-stable; those in line are nobody's but for the slots that are kept.
        if unsafe { first.as_ref() }.sweep() {
            return Some(first);
        }
        full.push(first);
        None
    }

    /// Berths for a segment.
    pub(super) fn berths(&self, segment: NonNull<Segment>) -> Option<NonNull<Berths>> {
        self.charged(BERTHS_SIZE, || Berths::allocate(segment))
    }

    /// Takes back berths that no segment got.
    pub(super) fn return_berths(&self, berths: NonNull<Berths>) {
        // SAFETY: they came from `berths`, and nobody else ever knew them.
        unsafe { Berths::free(berths) };
        self.ledger_bytes.fetch_sub(BERTHS_SIZE, Ordering::Relaxed);
    }

    /// Notes for a segment.
    pub(super) fn notes(&self) -> Option<NonNull<Notes>> {
        self.charged(NOTES_SIZE, Notes::allocate)
    }

    /// Takes back notes that no segment got.
    pub(super) fn return_notes(&self, notes: NonNull<Notes>) {
        // SAFETY: they came from `notes`, and nobody else ever knew them.
        unsafe { Notes::free(notes) };
        self.ledger_bytes.fetch_sub(NOTES_SIZE, Ordering::Relaxed);
    }

    /// Makes something of `size` bytes within the ledger's budget.
    fn charged<T>(&self, size: usize, make: impl FnOnce() -> Option<T>) -> Option<T> {
        let charge = |used: usize| used.checked_add(size).filter(|&sum| sum <= self.max_ledger_bytes);
        self.ledger_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge).ok()?;
        let made = make();
        if made.is_none() {
            self.ledger_bytes.fetch_sub(size, Ordering::Relaxed);
        }
        made
    }

    /// Takes a list of segments whose slots are all dead.
    pub(super) fn take_segments(&self, first: *mut Segment) {
        let mut next = first;
        while let Some(segment) = NonNull::new(next) {
            // SAFETY: segments are type-stable; these are nobody's.
            let segment_ref = unsafe { segment.as_ref() };
            next = segment_ref.next();
            segment_ref.sweep();
            if !planted(Plant::SpareKeepsAllocator) {
                // Or a thread that remembers the segment would go on taking slots from it.
                segment_ref.set_owner(thread::NOBODY);
            }
            if segment_ref.is_full() {
                self.full_segments.lock().push(segment);
                continue;
            }
            let mut spare = self.spare_segments.lock();
            segment_ref.set_next(*spare);
            *spare = segment.as_ptr();
        }
    }

    /// Every header there is, for a look from outside. Holds the lock for the copy only.
    pub(super) fn headers(&self) -> Vec<NonNull<Header>> {
        self.headers.lock().clone()
    }
}

/// Segments in a line, linked by `next`.
struct Line {
    first: *mut Segment,
    last: *mut Segment,
}

impl Line {
    fn push(&mut self, segment: NonNull<Segment>) {
        // SAFETY: segments are type-stable.
        unsafe { segment.as_ref() }.set_next(ptr::null_mut());
        match NonNull::new(self.last) {
            // SAFETY: as above.
            Some(last) => unsafe { last.as_ref() }.set_next(segment.as_ptr()),
            None => self.first = segment.as_ptr(),
        }
        self.last = segment.as_ptr();
    }

    fn pop(&mut self) -> Option<NonNull<Segment>> {
        let segment = NonNull::new(self.first)?;
        // SAFETY: as above.
        self.first = unsafe { segment.as_ref() }.next();
        if self.first.is_null() {
            self.last = ptr::null_mut();
        }
        Some(segment)
    }
}

/// A slab that is charged for and has no memory yet. If it gets none, because the source refuses or (it is the user's code)
/// panics, the charge and the header go back.
struct Unmade<'a> {
    ledger: &'a Ledger,
    size: usize,
    header: Option<NonNull<Header>>,
}

impl Drop for Unmade<'_> {
    fn drop(&mut self) {
        self.ledger.memory_bytes.fetch_sub(self.size, Ordering::Relaxed);
        if let Some(header) = self.header.take() {
            self.ledger.spare_headers.lock().push(header);
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Nothing refers to the ledger: no slab is out, and all idle ones were retired, so every header is spare.
        for header in self.headers() {
            // SAFETY: headers are type-stable until this line.
            free_segments(unsafe { header.as_ref() }.first_segment());
            // SAFETY: allocated in `header` with this layout, and freed once.
            unsafe {
                header.as_ptr().drop_in_place();
                std::alloc::dealloc(header.as_ptr().cast(), core::alloc::Layout::new::<Header>());
            }
        }
        free_segments(*self.spare_segments.lock());
        free_segments(self.full_segments.lock().first);
    }
}

/// Frees a list of segments that nobody else knows.
fn free_segments(first: *mut Segment) {
    let mut next = first;
    while let Some(segment) = NonNull::new(next) {
        // SAFETY: nobody else knows it, and it is freed once. Who gave the last reference to a slab back and has a slot to free
        // behind that is waited for.
        unsafe {
            next = segment.as_ref().next();
            segment.as_ref().await_stragglers();
            Segment::free(segment);
        }
    }
}
