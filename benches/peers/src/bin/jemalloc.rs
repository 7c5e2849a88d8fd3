//! The measurements with jemalloc.

use std::process::ExitCode;

#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    bufslab_peers::main("jemalloc", &bufslab_peers::versions::jemalloc())
}
