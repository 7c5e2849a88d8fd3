//! The measurements with the system's allocator, which is that of glibc on most of Linux.

use std::process::ExitCode;

fn main() -> ExitCode {
    bufslab_peers::main("glibc", &bufslab_peers::versions::libc())
}
