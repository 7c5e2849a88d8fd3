//! A heap snapshot of V8, for Chrome DevTools and memlab.

use std::io;

use super::model::PinReport;

impl PinReport {
    /// A heap snapshot of V8, for Chrome DevTools and memlab.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_heap_snapshot(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let _ = out;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
