//! Ten lines and the report they print: `cargo run --example quickstart`.

use bufslab::{BufMut, SlabPool};

fn main() {
    let pool = SlabPool::builder().name("http").slab_size(1 << 20).build().unwrap();
    let mut kept = Vec::new();
    for id in 0..12 {
        let mut read = pool.alloc(1 << 20); // one read from a socket
        read.put_bytes(b'.', 1 << 20);
        let request = read.freeze();
        kept.push(request.slice(id..id + 20).tag("req.head")); // 20 bytes that somebody keeps
    }
    println!("{}", pool.report()); // who keeps what alive, and what would free it

    let kept: Vec<_> = kept.into_iter().map(|head| head.retain()).collect();
    println!("{} heads kept, {} bytes pinned", kept.len(), pool.stats().pinned_bytes);
}
