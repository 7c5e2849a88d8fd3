//! How a command ends.

use std::io;

/// What a command has to say by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// `watch`: a limit was passed.
    Above,
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// Nobody reads the output any more, which is no trouble at all.
    ClosedPipe,
    /// For the person who started it, in one or a few lines.
    Said(String),
}

impl Failure {
    pub fn new(text: impl Into<String>) -> Failure {
        Failure::Said(text.into())
    }

    /// A failure to write where the output goes.
    pub fn of_output(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Said(format!("the output cannot be written: {error}")),
        }
    }
}
