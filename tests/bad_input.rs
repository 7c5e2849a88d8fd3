//! What a program may do wrong, or have done to it: arguments out of bounds, memory that runs out, sources that fail, panic
//! or call back, threads that die at any point, and curiosity about what memory held before.

#![allow(missing_docs)]

#[path = "bad_input/arguments.rs"]
mod arguments;
#[path = "bad_input/dying_threads.rs"]
mod dying_threads;
#[path = "bad_input/failing_source.rs"]
mod failing_source;
#[path = "bad_input/limits.rs"]
mod limits;
#[path = "bad_input/recycled.rs"]
mod recycled;
#[path = "bad_input/sources.rs"]
mod sources;
#[path = "common/stop.rs"]
mod stop;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `f` panics with; it must.
#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => (*payload.downcast::<&str>().expect("a panic with a text")).to_owned(),
        },
    }
}
