//! Who was measured: the versions of the allocators and of the peers.

use std::ffi::CStr;

/// The crates that take part, as `Cargo.lock` has them.
const CRATES: [&str; 5] = ["bytes", "bytes-pool", "bytesbuf", "ntex-bytes", "opool"];

/// `name version` of each peer, from this package's lock file.
#[must_use]
pub fn peers() -> Vec<String> {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let rest = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?.1;
        Some(rest.split_once('"')?.0)
    };
    CRATES.iter().filter_map(|name| Some(format!("{name} {}", version(name)?))).collect()
}

/// The C library's own word.
#[must_use]
pub fn libc() -> String {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it takes nothing and returns a string that lives forever.
        #[allow(unsafe_code, reason = "the C library is asked for its version")]
        let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
        format!("glibc {}", version.to_string_lossy())
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    format!("the allocator of {}", std::env::consts::OS)
}

/// jemalloc's own word.
#[must_use]
pub fn jemalloc() -> String {
    let version = tikv_jemalloc_ctl::version::read().unwrap_or("of unknown version");
    format!("jemalloc {}", version.trim_end_matches('\0').split('-').next().unwrap_or(version))
}

/// mimalloc's own word: two digits each for minor and patch.
#[must_use]
pub fn mimalloc() -> String {
    // SAFETY: it takes nothing and reads nothing but a constant.
    #[allow(unsafe_code, reason = "the allocator is asked for its version")]
    let number = unsafe { libmimalloc_sys::mi_version() };
    format!("mimalloc {}.{}.{}", number / 10_000, number / 100 % 100, number % 100)
}
