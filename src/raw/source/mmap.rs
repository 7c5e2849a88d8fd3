//! Slab memory that comes by the page.

use super::huge::{Got, HUGE, HugePageUse, HugePages, Tally, unfit};
use super::pages::{self, Advice};
use super::{Backing, SlabSource};
use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;
use std::io;
use std::sync::Arc;

/// Slab memory in anonymous private pages: one mapping for each slab, so that [`SlabPool::punch`](crate::SlabPool::punch) can
/// give dead pages back under live slices (on Linux). Needs the feature `mmap`.
///
/// A slab starts on a page, and takes whole pages: choose a slab size that is a multiple of 4 KiB. A mapping costs a system call or two
/// and a page fault for each page at first use, so keep slabs large, or `idle_bytes` high. Linux allows some 65,000 mappings (`vm.max_map_count`);
/// neighbours that are alike count as one.
///
/// A clone shares the counts of the original: keep one to ask for [`huge_page_use`](MmapSource::huge_page_use).
///
/// ```
/// # if cfg!(miri) { return Ok(()) }
/// use bufslab::{BufMut, MmapSource, SlabPool};
///
/// let pool = SlabPool::builder().slab_size(1 << 20).source(MmapSource::new()).build()?;
/// let mut read = pool.alloc(1 << 20);
/// read.put_bytes(b'.', 1 << 20);
/// let head = read.freeze().slice(..20);
/// # pool.alloc(1 << 20); pool.alloc(1 << 20); let other = pool.alloc(1 << 20); let more = pool.alloc(1 << 20);
///
/// println!("{}", pool.punch());
/// assert_eq!(head, [b'.'; 20]);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MmapSource {
    huge: HugePages,
    prefault: bool,
    dont_dump: bool,
    tally: Arc<Tally>,
}

impl MmapSource {
    /// Normal pages, which the kernel fills at their first use.
    #[must_use]
    pub fn new() -> MmapSource {
        MmapSource::default()
    }

    /// Which pages to ask for. Default: [`HugePages::No`].
    #[must_use]
    pub fn huge_pages(self, huge: HugePages) -> MmapSource {
        MmapSource { huge, tally: Arc::default(), ..self }
    }

    /// Whether every page is written once when it is mapped, so that the first use of a slab meets no page fault. The memory
    /// is then on the NUMA node of the thread that took the slab. Default: no.
    #[must_use]
    pub fn prefault(self, prefault: bool) -> MmapSource {
        MmapSource { prefault, ..self }
    }

    /// Whether a core dump leaves the slabs out, on Linux (`MADV_DONTDUMP`). Default: no.
    #[must_use]
    pub fn dont_dump(self, dont_dump: bool) -> MmapSource {
        MmapSource { dont_dump, ..self }
    }

    /// What came of asking for huge pages so far.
    #[must_use]
    pub fn huge_page_use(&self) -> HugePageUse {
        self.tally.used(self.huge)
    }

    /// Mappings that are not in the pages that were asked for.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.huge_page_use().fallbacks()
    }

    /// Maps at least `len` bytes of memory as a slab's would be, as for a [`RegionSource`](super::RegionSource).
    ///
    /// # Errors
    ///
    /// The system's; and when `len` is 0 or more than any address space holds.
    pub fn map(&self, len: usize) -> io::Result<Mapping> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "no such size can be mapped");
        let len = pages::whole_pages(len).filter(|&len| len > 0).ok_or_else(invalid)?;
        let (start, got) = self.pages(len)?;
        self.tally.count(got);
        let mapping = Mapping { start, len, got };
        // What is only advice may be refused: the memory is good all the same.
        if self.dont_dump {
            // SAFETY: the mapping is this function's alone.
            let _ = unsafe { pages::advise(start, len, Advice::DontDump) };
        }
        if self.prefault {
            for offset in (0..len).step_by(pages::page_size()) {
                // SAFETY: in bounds of the mapping, which holds zeros and is this function's alone.
                unsafe { start.as_ptr().add(offset).write_volatile(0) };
            }
        }
        Ok(mapping)
    }

    fn pages(&self, len: usize) -> io::Result<(NonNull<u8>, Got)> {
        if self.huge == HugePages::Explicit {
            match unfit(len, true).and_then(|()| explicit(len)) {
                Ok(start) => return Ok((start, Got::Explicit)),
                Err(error) => self.tally.refused(error),
            }
        }
        if self.huge != HugePages::No {
            match unfit(len, false).and_then(|()| transparent(len)) {
                Ok(start) => return Ok((start, Got::Transparent)),
                // The first refusal is the one to know.
                Err(error) if self.huge == HugePages::Transparent => self.tally.refused(error),
                Err(_) => {}
            }
        }
        let start = pages::map(len, 0)?;
        // Also where the system gives huge pages to everybody: what is punched would be filled up again.
        // SAFETY: a new mapping.
        let _ = unsafe { pages::advise(start, len, Advice::NotHuge) };
        Ok((start, Got::Normal))
    }
}

/// `len` bytes of huge pages that were set aside. They are reserved by the mapping, so that using them does not fail later.
fn explicit(len: usize) -> io::Result<NonNull<u8>> {
    match pages::MAP_HUGE {
        0 => Err(io::Error::other("huge pages are asked for on Linux only")),
        flags => pages::map(len, flags),
    }
}

/// `len` bytes that start on a boundary of huge pages, for which the kernel agreed to use them.
fn transparent(len: usize) -> io::Result<NonNull<u8>> {
    if let Some(reason) = pages::no_transparent() {
        return Err(io::Error::other(reason));
    }
    let spare = HUGE - pages::page_size().min(HUGE);
    let all = len.checked_add(spare).ok_or(io::ErrorKind::OutOfMemory)?;
    let mapped = pages::map(all, 0)?;
    let before = mapped.addr().get().next_multiple_of(HUGE) - mapped.addr().get();
    // SAFETY: `before + len` is at most `all`. What is cut off at both ends is whole pages that nobody knows, and what is left is
    // this function's alone.
    unsafe {
        let start = mapped.add(before);
        pages::unmap(mapped, before);
        pages::unmap(start.add(len), all - before - len);
        match pages::advise(start, len, Advice::Huge) {
            Ok(()) => Ok(start),
            Err(error) => {
                pages::unmap(start, len);
                Err(error)
            }
        }
    }
}

/// Memory that a [`MmapSource`] mapped; given back when this is dropped.
///
/// ```
/// # if cfg!(miri) { return Ok(()) }
/// use bufslab::{MmapSource, RegionSource, SlabPool};
///
/// // 16 slabs that lie side by side, to be registered with the kernel at once.
/// let mapping = MmapSource::new().prefault(true).map(1 << 20)?;
/// let region = RegionSource::new(mapping, 64 * 1024)?;
/// let pool = SlabPool::builder().slab_size(64 * 1024).source(region.clone()).build()?;
/// let buffer = pool.alloc(4096);
/// # drop(buffer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
    got: Got,
}

// SAFETY: the memory belongs to the mapping, which reads and writes none of it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Its size in bytes: whole pages.
    #[allow(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether its pages can be given back one by one.
    pub(super) fn can_punch(&self) -> bool {
        pages::CAN_PUNCH && self.got != Got::Explicit
    }

    fn into_raw(self) -> (NonNull<u8>, Got) {
        let this = core::mem::ManuallyDrop::new(self);
        (this.start, this.got)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `MmapSource::map` with this length, and nobody uses it any more.
        unsafe { pages::unmap(self.start, self.len) }
    }
}

// SAFETY: a mapping is valid, zeroed, aligned to a page and nobody else's until it is unmapped; the kernel drops the pages that
// `punch` names and no others, and reads of them give zeros from then on.
unsafe impl SlabSource for MmapSource {
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.align() > pages::page_size() {
            return None;
        }
        let (start, got) = self.map(layout.size()).ok()?.into_raw();
        if got == Got::Explicit {
            self.tally.set_aside(start.addr().get());
        }
        Some(start)
    }

    unsafe fn deallocate(&self, memory: NonNull<u8>, layout: Layout) {
        if self.huge == HugePages::Explicit {
            self.tally.given_back(memory.addr().get());
        }
        // SAFETY: it was mapped in `allocate` with the same size, rounded up in the same way.
        unsafe { pages::unmap(memory, pages::whole_pages(layout.size()).unwrap_or(0)) }
    }

    fn page_size(&self, memory: NonNull<u8>, _: Layout) -> Option<usize> {
        let set_aside = self.huge == HugePages::Explicit && self.tally.is_set_aside(memory.addr().get());
        (pages::CAN_PUNCH && !set_aside).then(pages::page_size)
    }

    unsafe fn punch(&self, memory: NonNull<u8>, layout: Layout, dead: &[Range<usize>]) -> io::Result<usize> {
        if self.huge != HugePages::No && !dead.is_empty() {
            // Or the kernel would put the slab on huge pages again, and fill up what was given back. Without it the slab is
            // punched all the same.
            // SAFETY: the slab is whole pages of this source's; their contents stay.
            let _ = unsafe { pages::advise(memory, pages::whole_pages(layout.size()).unwrap_or(0), Advice::NotHuge) };
        }
        // SAFETY: the caller's promise is the one asked for.
        unsafe { forget(memory, dead) }
    }

    fn resident(&self, memory: *const u8, len: usize) -> Option<usize> {
        pages::resident(memory, len)
    }

    fn describe(&self) -> Backing {
        let backing = match pages::CAN_PUNCH {
            true => Backing::new("mmap").with_page_size(pages::page_size()),
            false => Backing::new("mmap").with_note("pages are given back on Linux only"),
        };
        match self.huge {
            HugePages::No => backing,
            _ => backing.with_note(self.huge_page_use().to_string()),
        }
    }
}

/// Gives pages back. Says how many bytes of them were in memory.
///
/// # Safety
///
/// The ranges, counted from `memory`, are whole mapped pages that nobody uses and whose contents nobody needs.
pub(super) unsafe fn forget(memory: NonNull<u8>, dead: &[Range<usize>]) -> io::Result<usize> {
    let mut given = 0;
    for range in dead {
        // SAFETY: in bounds of the mapping, says the caller.
        let (start, len) = (unsafe { memory.add(range.start) }, range.len());
        let resident = pages::resident(start.as_ptr(), len).unwrap_or(len);
        // SAFETY: the caller's promise.
        unsafe { pages::advise(start, len, Advice::Forget) }?;
        given += resident;
    }
    Ok(given)
}
