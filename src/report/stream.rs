//! Formatted text into anything that takes bytes, piece by piece.

use core::fmt;
use std::io;

/// Lets `write` format into `out`.
///
/// # Errors
///
/// The first error of `out`, after which nothing more is written.
pub(super) fn stream<W: io::Write + ?Sized>(
    out: &mut W,
    write: impl FnOnce(&mut Adapter<'_, W>) -> fmt::Result,
) -> io::Result<()> {
    let mut adapter = Adapter { out, error: None };
    let written = write(&mut adapter);
    match adapter.error {
        Some(error) => Err(error),
        None => written.map_err(io::Error::other),
    }
}

/// `fmt::Write` over `io::Write`; remembers the error that `fmt::Error` cannot carry.
pub(super) struct Adapter<'a, W: ?Sized> {
    out: &'a mut W,
    error: Option<io::Error>,
}

impl<W: io::Write + ?Sized> fmt::Write for Adapter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}
