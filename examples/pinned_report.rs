//! The trap in 40 lines, without a network: `cargo run --example pinned_report`.
//!
//! A server reads into slabs and drops each request when it is served. Two things stay: a session keeps the 20-byte head
//! of its upgrade request, and a cache keeps keys. Memory grows although nearly nothing is kept. The report says why, and
//! `retain` ends it.

use bufslab::{BufMut, SlabBytes, SlabPool};

const REQUEST: usize = 16 * 1024;

/// Reads one request as a socket would hand it over.
fn read_request(pool: &SlabPool, id: usize) -> SlabBytes {
    let mut read = pool.alloc(REQUEST);
    read.put_slice(format!("GET /page/{id:06} HTTP/1.1\r\n").as_bytes());
    read.put_bytes(b'.', REQUEST - read.len());
    read.freeze()
}

fn serve(pool: &SlabPool, keep: fn(SlabBytes, &'static str) -> SlabBytes) -> Vec<SlabBytes> {
    let mut kept = Vec::new();
    for id in 0..1024 {
        let request = read_request(pool, id);
        if id % 16 == 0 {
            kept.push(keep(request.slice(..20), "session.head"));
        }
        if id % 64 == 0 {
            kept.push(keep(request.slice(4..16), "cache.key"));
        }
    }
    kept
}

fn main() {
    let pool = SlabPool::builder().name("requests").slab_size(64 * 1024).build().unwrap();

    let held = serve(&pool, |slice, tag| slice.tag(tag));
    println!("Slices held as they are:\n\n{}\n", pool.report());
    drop(held);

    let retained = serve(&pool, |slice, tag| slice.retain_as(tag));
    println!("The same slices, retained:\n\n{}", pool.report());
    assert_eq!(retained[0], "GET /page/000000 HTT");
}
