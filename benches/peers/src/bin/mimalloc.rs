//! The measurements with mimalloc.

use std::process::ExitCode;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    bufslab_peers::main("mimalloc", &bufslab_peers::versions::mimalloc())
}
