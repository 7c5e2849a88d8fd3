//! A page that needs nothing else.

use std::io;

use super::model::PinReport;

impl PinReport {
    /// A page that needs nothing else.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_html(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let _ = out;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
