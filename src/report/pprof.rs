//! A gzipped profile for pprof.

use std::io;

use super::model::PinReport;

impl PinReport {
    /// A gzipped profile for pprof.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_pprof(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let _ = out;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
