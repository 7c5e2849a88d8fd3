//! Pages from the kernel, memory that is shared with another mapping, and buffers that are registered with io_uring.

use super::{SLAB, pool_of};
use bufslab::{BufMut, Mapping, MmapSource, RegionSource, Reuse, SlabBytesMut, SlabPool, SlabSource, StableRegion};
use io_uring::{IoUring, opcode, types};
use std::alloc::Layout;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::NonNull;

/// A mapping of a file, shared with whoever else maps it.
struct SharedMapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value.
unsafe impl Send for SharedMapping {}

impl SharedMapping {
    fn of(file: &File, len: usize) -> SharedMapping {
        let (read_write, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping, at no address in particular.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, read_write, shared, file.as_raw_fd(), 0) };
        assert_ne!(start, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        SharedMapping { start: NonNull::new(start.cast()).unwrap(), len }
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `of` with this length.
        assert_eq!(unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) }, 0);
    }
}

// SAFETY: the mapping stays until this is dropped. Whoever maps the file too writes only into buffers that are waiting for it.
unsafe impl StableRegion for SharedMapping {
    fn memory(&mut self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.start, self.len)
    }
}

/// Memory in a file that has no name.
fn memory_file(len: usize) -> File {
    // SAFETY: the name is a C string; the descriptor is this function's alone.
    let file = unsafe {
        let descriptor = libc::memfd_create(c"bufslab-test".as_ptr(), libc::MFD_CLOEXEC);
        assert!(descriptor >= 0, "{}", std::io::Error::last_os_error());
        File::from_raw_fd(descriptor)
    };
    file.set_len(len as u64).unwrap();
    file
}

/// Says that the first `len` bytes of the buffer were filled by somebody else.
fn filled_by_others(buffer: &mut SlabBytesMut, len: usize) {
    assert!(len <= buffer.capacity());
    // SAFETY: the caller knows that they were, and all memory of these tests is initialised.
    unsafe { buffer.set_len(len) };
}

/// Another process, played by a second mapping of the same memory, writes where the buffer lies; the bytes are in its slices.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slabs are as small as their slices")]
fn what_another_mapping_writes_is_in_the_slices() {
    let len = 16 * SLAB;
    let file = memory_file(len);
    let other = SharedMapping::of(&file, len);
    let region = RegionSource::new(SharedMapping::of(&file, len), SLAB).unwrap();
    assert_ne!(other.start, region.as_ptr());
    let pool = pool_of(&region);
    let mut kept = Vec::new();
    for i in 0..20u8 {
        let mut buffer = pool.alloc(1000);
        let spare = buffer.spare_capacity_mut();
        let place = region.place_of_raw(spare.as_ptr().cast(), spare.len()).unwrap();
        // SAFETY: the place lies in the region, and so in the other mapping of the same memory.
        unsafe { other.start.as_ptr().add(place.offset).write_bytes(i + 1, 1000) };
        filled_by_others(&mut buffer, 1000);
        kept.push((buffer.freeze().slice(10..500), i + 1));
    }
    for (slice, value) in &kept {
        assert!(slice.iter().all(|byte| byte == value));
        let place = region.place_of(slice).unwrap();
        // SAFETY: as above.
        assert_eq!(unsafe { other.start.as_ptr().add(place.offset + 489).read() }, *value);
    }
    // Shared memory is not given back: the other side has it still.
    assert_eq!(pool.punch().punched, 0);
    drop(kept);
}

/// The kernel fills registered buffers: one region, registered at once, read into by index and address.
#[test]
fn io_uring_reads_into_registered_slabs() {
    let mut ring = match IoUring::new(4) {
        Ok(ring) => ring,
        Err(error) => return println!("skipped: this kernel gives no io_uring: {error}"),
    };
    let region = RegionSource::new(MmapSource::new().map(8 * SLAB).unwrap(), SLAB).unwrap();
    let buffers: Vec<libc::iovec> = (0..region.slabs())
        .map(|slab| libc::iovec {
            iov_base: region.as_ptr().as_ptr().wrapping_add(region.slab_offset(slab)).cast(),
            iov_len: region.slab_size(),
        })
        .collect();
    // SAFETY: the region outlives the ring, which is dropped first below.
    if let Err(error) = unsafe { ring.submitter().register_buffers(&buffers) } {
        return println!("skipped: this process may register no buffers: {error}");
    }
    let mut file = memory_file(0);
    let text: Vec<u8> = (0..6000u32).map(|i| (i % 251) as u8).collect();
    file.write_all(&text).unwrap();

    let pool = pool_of(&region);
    let mut kept = Vec::new();
    for at in (0..6000).step_by(1500) {
        let mut buffer = pool.alloc(1500);
        let place = region.place_of_raw(buffer.spare_capacity_mut().as_ptr().cast(), 1500).unwrap();
        let start = buffer.spare_capacity_mut().as_mut_ptr().cast();
        let read =
            opcode::ReadFixed::new(types::Fd(file.as_raw_fd()), start, 1500, place.slab as u16).offset(at as u64);
        // SAFETY: the buffer is not touched before the read is done.
        unsafe { ring.submission().push(&read.build()).unwrap() };
        ring.submit_and_wait(1).unwrap();
        let done = ring.completion().next().unwrap().result();
        assert_eq!(done, 1500, "{}", std::io::Error::from_raw_os_error(-done));
        filled_by_others(&mut buffer, 1500);
        kept.push(buffer.freeze());
    }
    println!("io_uring read {} bytes into registered slabs", text.len());
    assert_eq!(kept.concat(), text);
    // Who registered the region relies on its pages.
    let outcome = pool.punch();
    assert_eq!((outcome.punched, outcome.given_back_bytes), (0, 0), "{outcome}");
    drop((kept, ring));
}

#[test]
fn a_region_of_pages_is_punched_if_it_may_be() {
    let mapping: Mapping = MmapSource::new().map(40 * SLAB).unwrap();
    let region = RegionSource::from_mapping(mapping, 4 * SLAB + 100).unwrap();
    let size = region.slab_size();
    assert_ne!(size % SLAB, 0, "slabs need not start on a page");
    let pool = pool_of(&region);
    let kept: Vec<_> = std::thread::scope(|scope| {
        let fill = || {
            let slab = |i: u8| {
                let mut read = pool.alloc(size);
                read.put_bytes(i, size);
                read.freeze().slice(size / 2..size / 2 + 20)
            };
            (0..8).map(slab).collect()
        };
        scope.spawn(fill).join().unwrap()
    });
    let before = pool.report().totals.resident_bytes;
    assert_eq!(before, Some(8 * size));
    let outcome = pool.punch();
    println!("{outcome}");
    assert_eq!(outcome.punched, 8);
    // The pages that two slabs share stay.
    assert!(outcome.given_back_bytes >= 8 * 2 * SLAB && outcome.resident_bytes + outcome.given_back_bytes == 8 * size);
    assert_eq!(pool.report().totals.resident_bytes, Some(outcome.resident_bytes));
    for (i, slice) in kept.iter().enumerate() {
        assert!(slice.iter().all(|&byte| usize::from(byte) == i));
    }
}

#[test]
fn mapped_slabs_are_pages_of_zeros() {
    let source = MmapSource::new();
    for size in [1, 63, 64, SLAB, SLAB + 1, 1 << 20] {
        let layout = Layout::from_size_align(size, 64).unwrap();
        let memory = source.allocate(layout).unwrap();
        assert_eq!(memory.as_ptr().addr() % SLAB, 0);
        // SAFETY: it is this test's until it is given back, and zeros are initialised.
        unsafe {
            assert!(std::slice::from_raw_parts(memory.as_ptr(), size).iter().all(|&byte| byte == 0));
            memory.as_ptr().write_bytes(1, size);
            source.deallocate(memory, layout);
        }
    }
    assert_eq!(source.huge_page_use().normal, 6);
    assert!(
        source.allocate(Layout::from_size_align(SLAB, 1 << 20).unwrap()).is_none(),
        "an alignment that pages do not have"
    );
    assert_eq!(source.map(0).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(source.map(usize::MAX).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    assert!(source.map(isize::MAX as usize / 2).is_err(), "the system has not that much");
}

/// What is given back to the system is gone: asking for its residency is harmless.
#[test]
fn residency_of_what_is_gone_is_not_known() {
    let source = MmapSource::new();
    let layout = Layout::from_size_align(1 << 20, 64).unwrap();
    let memory = source.allocate(layout).unwrap();
    assert_eq!(source.resident(memory.as_ptr(), 1 << 20), Some(0));
    // SAFETY: the memory is this test's.
    unsafe {
        memory.as_ptr().add(5000).write(1);
        assert_eq!(source.resident(memory.as_ptr(), 1 << 20), Some(SLAB));
        assert_eq!(source.resident(memory.as_ptr().add(5000), 10), Some(10));
        assert_eq!(source.resident(memory.as_ptr().add(4000), 100), Some(4));
        source.deallocate(memory, layout);
    }
    // Another thread may have mapped something there by now.
    let _ = source.resident(memory.as_ptr(), 1 << 20);
}

#[test]
fn a_limit_and_the_end_of_a_pool_hold_for_mapped_slabs() {
    let pool = SlabPool::builder()
        .slab_size(1 << 20)
        .max_bytes(4 << 20)
        .idle_bytes(0)
        .reuse(Reuse::WholeSlab)
        .source(MmapSource::new())
        .build()
        .unwrap();
    let kept: Vec<_> = std::iter::from_fn(|| pool.try_alloc(1 << 20).ok()).collect();
    assert_eq!((kept.len(), pool.stats().memory_bytes), (4, 4 << 20));
    assert!(pool.try_alloc(1).unwrap_err().is_limit());
    let last = kept.into_iter().next().unwrap();
    drop(pool);
    std::thread::spawn(move || drop(last)).join().unwrap();
}
