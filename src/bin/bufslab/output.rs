//! Standard output and standard error.

use std::io::{self, BufWriter, IsTerminal, Write};

use crate::failure::Failure;

/// Lets `write` write to standard output, in large pieces.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(|error| Failure::of_output(&error))
}

/// Says on standard error why the command ends.
pub fn complain(text: &str) {
    let (on, off) = if colours(io::stderr().is_terminal()) { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    // Nobody listens: nothing to be done.
    let _ = writeln!(io::stderr(), "{on}bufslab:{off} {text}");
}

/// Whether colours are wanted: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>) or the terminal is dumb.
pub fn colours(is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
