//! Loom models of bufslab's reference protocol. `cargo loom` runs them; without `--cfg bufslab_loom` nothing is left here.
//!
//! | file | what is modelled |
//! |---|---|
//! | `counts` | who empties a slab: references counted by an owner, by guests, or by both |
//! | `segments` | who takes which slot: guests, owners that sweep, threads that die, segments that move on |
//! | `looks` | what a report may see while others recycle, reuse and detach |
//! | `notes` | what a handle is charged to, against slots that change hands |
//! | `around` | a slab that is attached again around its slices: no live byte is handed out, no slab is lost |
//! | `stretch` | an owner that goes back to the start of its slab: only when that has drained, and not once it is to stop |
//! | `park` | slices that are moved under drops, readers and clones: no reference is given back twice, no reader sees freed memory |
//! | `punch` | dead pages that are given back: none that a live slice needs, or that somebody cuts from |
//! | `foreign` | memory of others: who joins a foreign slab, and when its owner gets it back |
//! | `record` | what is recorded: every allocation, and of each slot beginnings and ends in turn |
//! | `exact` | what an exact snapshot and the question "am I alone?" may conclude |
//! | `secret` | whether bytes of marked handles are overwritten before their slab is handed on, and no other byte ever |
//!
//! The models run the shipped code of `src/raw`; only the atomics, locks and thread identities are loom's (`src/sync`), and two
//! constants are small so that the rare path is the common one: slots in a segment (2) and the tally an owner settles at (3).
//!
//! `tests/models.rs` runs every model and wants it to pass; `tests/planted.rs` plants one bug after the other and wants the
//! models named in its table to fail.
#![cfg(bufslab_loom)]

pub mod around;
pub mod counts;
pub mod exact;
pub mod foreign;
pub mod harness;
pub mod looks;
pub mod notes;
pub mod park;
pub mod punch;
pub mod record;
pub mod secret;
pub mod segments;
pub mod stretch;

pub use harness::Model;

/// Every model.
pub const MODELS: &[&[Model]] = &[
    counts::MODELS,
    segments::MODELS,
    looks::MODELS,
    notes::MODELS,
    exact::MODELS,
    around::MODELS,
    stretch::MODELS,
    punch::MODELS,
    foreign::MODELS,
    secret::MODELS,
    park::MODELS,
    record::MODELS,
];

/// The model with this name.
pub fn model(name: &str) -> &'static Model {
    MODELS
        .iter()
        .copied()
        .flatten()
        .find(|model| model.name == name)
        .unwrap_or_else(|| panic!("no model is called {name}"))
}
