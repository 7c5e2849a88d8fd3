//! The command `bufslab`, started as people start it: its output, its errors and its exit codes.
//!
//! | file | part |
//! |---|---|
//! | `command` | starting it |
//! | `files` | reports from files and standard input, exports, diffs |
//! | `limits` | `watch` and its exit codes |
//! | `live` | against `admin::Server`, over TCP and a unix socket |
//! | `servers` | against servers that answer in every other way there is |
//! | `traces` | what was recorded, shown |
//! | `tune` | a recorded trace, run with other slab sizes |
//! | `usage` | help, completions, and what is said of wrong arguments |
//!
//! What needs a terminal (`top`) is in `.ci/cli`.
#![allow(missing_docs)]
#![cfg(all(feature = "cli", not(miri)))]

mod cli {
    mod command;
    mod files;
    mod limits;
    #[cfg(feature = "admin")]
    mod live;
    mod servers;
    mod traces;
    mod tune;
    mod usage;
}
