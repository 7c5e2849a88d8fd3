//! What is marked `zero_on_drop` is overwritten, wherever it went.
//!
//! Three who look: a source that keeps all memory it ever gave ([`arena`]), which can be searched after a drop; an allocator
//! that searches whatever is freed, detached copies and slabs alike ([`allocator`]); and whoever is handed a buffer and looks
//! into its room. Secrets are made of one byte that nothing else in these tests is.
#![allow(missing_docs)]

#[path = "secrecy/allocator.rs"]
mod allocator;
#[path = "secrecy/arena.rs"]
mod arena;
#[path = "secrecy/kinds.rs"]
mod kinds;
#[path = "secrecy/threads.rs"]
mod threads;
#[path = "secrecy/twin.rs"]
mod twin;

use arena::Arena;
use bufslab::{BufMut, Level, SlabBytesMut, SlabPool};

/// What secrets are made of.
const SECRET: u8 = 0xC5;
const SLAB: usize = 512;

fn pool(level: Level) -> (SlabPool, Arena) {
    let arena = Arena::default();
    (SlabPool::builder().slab_size(SLAB).tracking(level).source(arena.clone()).build().unwrap(), arena)
}

/// A marked buffer of `room` bytes, `filled` of which are secret.
fn secret(pool: &SlabPool, room: usize, filled: usize) -> SlabBytesMut {
    let mut buffer = pool.alloc(room).zero_on_drop();
    buffer.put_bytes(SECRET, filled);
    buffer
}

/// Whether the room of a buffer shows a secret. All memory of an [`Arena`] is initialised.
fn shows_secret(buffer: &mut SlabBytesMut) -> bool {
    // SAFETY: as said.
    buffer.spare_capacity_mut().iter().any(|byte| unsafe { byte.assume_init() } == SECRET)
}

/// Takes all the memory that the pool has ready for this thread, and looks into it.
#[track_caller]
fn assert_handed_out_clean(pool: &SlabPool) {
    let mut taken: Vec<SlabBytesMut> = (0..4).map(|_| pool.alloc(SLAB)).collect();
    taken.extend((0..8).map(|_| pool.alloc(64)));
    assert!(!taken.iter_mut().any(shows_secret), "a secret is handed out");
}
