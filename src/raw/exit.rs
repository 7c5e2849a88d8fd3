//! The one call into the C library: to be called when the process ends.

/// Has `callback` called when the process ends by returning from `main` or by `exit`. Says whether that will be so: not under
/// an interpreter, and not on a system without `atexit`.
pub(crate) fn at_exit(callback: extern "C" fn()) -> bool {
    #[cfg(all(any(unix, windows), not(miri)))]
    {
        // SAFETY: ISO C, 7.22.4.2: takes a function and returns 0 on success. Every program for these systems that uses the
        // standard library is linked with it.
        unsafe extern "C" {
            safe fn atexit(callback: extern "C" fn()) -> core::ffi::c_int;
        }
        atexit(callback) == 0
    }
    #[cfg(not(all(any(unix, windows), not(miri))))]
    {
        let _ = callback;
        false
    }
}
