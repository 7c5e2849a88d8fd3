//! Profiles of real pools, read by `go tool pprof` itself. `.ci/pprof` installs Go and runs this.
#![cfg(feature = "pprof")]
#![allow(missing_docs)]

use bufslab::{PinReport, SlabBytes, SlabPool};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const SLAB: usize = 64 << 10;

/// One read from a socket, of which a head of 20 bytes is kept: it pins the slab.
fn keep_head(pool: &SlabPool) -> SlabBytes {
    let mut read = pool.alloc(SLAB);
    read.resize(SLAB, b'.');
    read.freeze().slice(100..120).tag("req.head")
}

fn write(name: &str, report: &PinReport) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pprof");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    report.write_pprof(&mut File::create(&path).unwrap()).unwrap();
    path
}

#[test]
fn explore() {
    let pool = SlabPool::builder().name("tls").slab_size(SLAB).build().unwrap();
    let mut kept: Vec<_> = (0..3).map(|_| keep_head(&pool)).collect();
    let mut body = pool.alloc(3000);
    body.resize(3000, 0);
    let body = body.freeze();
    write("base.pb.gz", &pool.report());
    kept.extend((0..40).map(|_| keep_head(&pool)));
    write("target.pb.gz", &pool.report());
    drop(body);
}
