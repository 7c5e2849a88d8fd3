//! The example `foreign_pins` runs, and finds and ends every shape that it names.
#![allow(missing_docs)]
#![cfg(not(miri))]

#[path = "../examples/foreign_pins/main.rs"]
#[allow(dead_code, reason = "its `main`")]
mod example;

#[test]
fn every_shape_is_reproduced_and_ended() {
    example::run().unwrap();
}
