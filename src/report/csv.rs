//! One line for each slice, as RFC 4180 has it.

use std::io;

use super::model::PinReport;

impl PinReport {
    /// One line for each slice, as RFC 4180 has it.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_csv(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let _ = out;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
