//! Folded stacks, for flame graphs.

use std::io;

use super::model::PinReport;

impl PinReport {
    /// Folded stacks, for flame graphs.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_folded(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let _ = out;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
