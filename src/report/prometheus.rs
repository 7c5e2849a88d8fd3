//! Prometheus' text exposition.

use std::io;

use super::model::PinReport;

impl PinReport {
    /// Prometheus' text exposition.
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written.
    pub fn write_prometheus(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let _ = out;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
