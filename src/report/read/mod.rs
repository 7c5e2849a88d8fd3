//! A report read back from its JSON, as another process wrote it.
//!
//! | file | part |
//! |---|---|
//! | `schema` | the document of `docs/report_json.md`, value by value, and what each may be |
//! | `places` | the source locations of other programs, each kept once |
//! | `error` | what was wrong, where |
//!
//! A file is believed as to what it lists (slabs and slices) and nothing else: sums, tables and advice are computed
//! anew. What it lists is checked so that no sum over it can overflow.

mod error;
mod places;
mod schema;

use std::io::{BufReader, Read};

use serde::Deserialize;

use super::model::PinReport;

pub use error::ReadError;
use schema::Document;

impl PinReport {
    /// Reads a report from the JSON that [`write_json`](PinReport::write_json) wrote, in this process or another.
    ///
    /// Unknown keys are skipped. Totals, tables and advice are computed from the slabs and slices that are listed, so that
    /// they hold whatever the file says of them; reading back what was written and writing it again gives the same
    /// bytes. Nothing is kept of `reader` but the report: the file is never in memory as a whole.
    ///
    /// ```
    /// use bufslab::PinReport;
    ///
    /// let report = bufslab::SlabPool::new().report();
    /// let again = PinReport::from_json(report.to_json().as_bytes())?;
    /// assert_eq!(again.to_json(), report.to_json());
    /// # Ok::<(), bufslab::report::ReadError>(())
    /// ```
    ///
    /// Names of tags and files are kept for the life of the process, each once: the limits of [`Tag`](crate::Tag) hold,
    /// and files may take 64 MiB.
    ///
    /// # Errors
    ///
    /// If `reader` fails, if the text is no JSON or ends too early, if it is not a report or one of another version, or if
    /// a value cannot be: a slice behind its slab's end, a negative size, a slab listed twice, sizes that add up to more
    /// than any memory (2⁶³ bytes). The error says where, and what is allowed.
    pub fn from_json(reader: impl Read) -> Result<PinReport, ReadError> {
        let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(64 << 10, reader));
        let mut track = serde_path_to_error::Track::new();
        let document = Document::deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track))
            .map_err(|cause| ReadError::new(track.path().to_string(), cause))?;
        json.end().map_err(|cause| ReadError::new(String::new(), cause))?;
        Ok(document.into_report())
    }
}
