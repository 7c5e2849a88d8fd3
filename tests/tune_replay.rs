//! Traces run on a real pool: step by step, and as fast as the threads can.
//!
//! | file | part |
//! |---|---|
//! | `traces` | traces made up for tests |
//! | `lockstep` | figures that can be worked out by hand, on one thread and on several |
//! | `prediction` | what the simulation says of the same traces |
//! | `timed` | everything is done, on every thread; errors and panics end all of them |
#![allow(missing_docs)]
#![cfg(all(feature = "tune", not(miri)))]

mod tune {
    mod lockstep;
    mod prediction;
    mod timed;
    mod traces;
}
