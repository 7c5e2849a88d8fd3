//! The system calls behind memory that comes by the page.
//!
//! Mapping and unmapping work on every unix. What is said to the kernel about pages, and asked of it, is for Linux: elsewhere
//! nothing is given back under live slices (`MADV_DONTNEED` keeps the bytes there, or is not there), and nothing is known of
//! residency.

use core::ptr::{self, NonNull};
use std::io;
use std::sync::OnceLock;

/// Bytes of a page.
pub(super) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: a question without arguments that could be wrong.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096)
    })
}

/// `len` rounded up to whole pages, or `None` when no address space can hold that.
pub(super) fn whole_pages(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(page_size()).filter(|&len| len <= isize::MAX as usize)
}

/// New private pages of zeros, where the kernel likes. `flags` are further ones for `mmap`.
///
/// # Errors
///
/// The kernel's.
pub(super) fn map(len: usize, flags: libc::c_int) -> io::Result<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | flags;
    // SAFETY: no address is given, so that no mapping there is touched.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mmap gave the address 0"))
}

/// Gives mapped pages back.
///
/// # Safety
///
/// They were mapped by [`map`], whole pages, and nobody uses them any more.
pub(super) unsafe fn unmap(start: NonNull<u8>, len: usize) {
    if len == 0 {
        return;
    }
    // SAFETY: the caller's promise.
    let failed = unsafe { libc::munmap(start.as_ptr().cast(), len) } != 0;
    debug_assert!(!failed, "munmap: {}", io::Error::last_os_error());
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use super::{io, page_size};
    use core::ptr::NonNull;

    /// Whether pages can be given back one by one.
    pub(in super::super) const CAN_PUNCH: bool = true;

    /// What is said to the kernel about some pages.
    #[derive(Clone, Copy)]
    pub(in super::super) enum Advice {
        /// Their memory may go; they read as zeros from now on.
        Forget = libc::MADV_DONTNEED as isize,
        Huge = libc::MADV_HUGEPAGE as isize,
        NotHuge = libc::MADV_NOHUGEPAGE as isize,
        DontDump = libc::MADV_DONTDUMP as isize,
    }

    /// # Errors
    ///
    /// The kernel's, as for pages that are locked.
    ///
    /// # Safety
    ///
    /// The range is whole mapped pages of the caller's; with [`Advice::Forget`] nobody needs what they hold.
    pub(in super::super) unsafe fn advise(start: NonNull<u8>, len: usize, advice: Advice) -> io::Result<()> {
        // SAFETY: the caller's promise.
        match unsafe { libc::madvise(start.as_ptr().cast(), len, advice as libc::c_int) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Bytes of a range that are in memory. `None` where nothing is mapped.
    pub(in super::super) fn resident(start: *const u8, len: usize) -> Option<usize> {
        const AT_ONCE: usize = 1024;
        let page = page_size();
        let (from, end) = (start.addr(), start.addr().checked_add(len)?);
        let mut sum = 0;
        let mut at = from & !(page - 1);
        while at < end {
            let mut seen = [0u8; AT_ONCE];
            let pages = (end - at).div_ceil(page).min(AT_ONCE);
            // SAFETY: `mincore` reads nothing at the address and writes one byte for each page, for which there is room.
            if unsafe { libc::mincore(start.with_addr(at).cast_mut().cast(), pages * page, seen.as_mut_ptr()) } != 0 {
                return None;
            }
            for (i, _) in seen[..pages].iter().enumerate().filter(|(_, flags)| *flags & 1 != 0) {
                let first = at + i * page;
                sum += (first + page).min(end) - first.max(from);
            }
            at += pages * page;
        }
        Some(sum)
    }

    /// Pages of 2 MiB from the kernel's own pool of them.
    pub(in super::super) const MAP_HUGE: libc::c_int = libc::MAP_HUGETLB | libc::MAP_HUGE_2MB;

    /// Why transparent huge pages are not to be had on this system, as far as that can be told.
    pub(in super::super) fn no_transparent() -> Option<&'static str> {
        match std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled") {
            Ok(text) if text.contains("[never]") => Some("transparent huge pages are switched off in this system"),
            _ => None,
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::io;
    use core::ptr::NonNull;

    pub(in super::super) const CAN_PUNCH: bool = false;

    #[derive(Clone, Copy)]
    pub(in super::super) enum Advice {
        Forget,
        Huge,
        NotHuge,
        DontDump,
    }

    /// # Safety
    ///
    /// None is needed here: nothing is done.
    pub(in super::super) unsafe fn advise(_: NonNull<u8>, _: usize, _: Advice) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn resident(_: *const u8, _: usize) -> Option<usize> {
        None
    }

    /// No flag: a mapping with it is one of normal pages.
    pub(in super::super) const MAP_HUGE: libc::c_int = 0;

    pub(in super::super) fn no_transparent() -> Option<&'static str> {
        Some("huge pages are asked for on Linux only")
    }
}

pub(super) use system::{Advice, CAN_PUNCH, MAP_HUGE, advise, no_transparent, resident};
