//! What was wrong with a report, and where.

use core::fmt;
use std::io;

use serde_json::error::Category;

/// Why a report could not be read: which value, where it stands, and what is allowed there.
///
/// ```
/// use bufslab::PinReport;
///
/// let error = PinReport::from_json("{\"schema\":\"bufslab.pin_report\",\"version\":7".as_bytes()).unwrap_err();
/// assert_eq!(error.place(), "version");
/// assert!(error.to_string().contains("version 1"), "{error}");
/// ```
#[derive(Debug)]
pub struct ReadError {
    place: String,
    cause: serde_json::Error,
}

/// Characters of a message that are shown: a file may hold a name of a gigabyte where a number belongs.
const SHOWN: usize = 300;

impl ReadError {
    pub(super) fn new(path: String, cause: serde_json::Error) -> ReadError {
        // The root's own path is a dot.
        let place = if path == "." { String::new() } else { path };
        ReadError { place, cause }
    }

    /// The value that was refused, as in `slabs[3].slices[0].len`; empty for the document as a whole.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The line, counted from 1; 0 if reading failed.
    #[must_use]
    pub fn line(&self) -> usize {
        self.cause.line()
    }

    /// The column in bytes, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.cause.column()
    }

    /// Whether the reader failed, and not what it gave.
    #[must_use]
    pub fn is_io(&self) -> bool {
        self.cause.classify() == Category::Io
    }

    /// Whether the text ended in the middle of the report.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.cause.classify() == Category::Eof
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_io() {
            return write!(f, "the report cannot be read: {}", self.cause);
        }
        match (self.is_truncated(), self.place()) {
            (true, "") => f.write_str("the report ends too early: ")?,
            (true, place) => write!(f, "the report ends too early, in {place}: ")?,
            (false, "") => f.write_str("not a report: ")?,
            (false, place) => write!(f, "{place}: ")?,
        }
        let text = self.cause.to_string();
        let mut characters = text.chars();
        characters.by_ref().take(SHOWN).try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_debug()),
            false => write!(f, "{c}"),
        })?;
        if characters.next().is_some() {
            write!(f, "… at line {} column {}", self.line(), self.column())?;
        }
        Ok(())
    }
}

impl core::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        let kind = match error.cause.classify() {
            Category::Io => error.cause.io_error_kind().unwrap_or(io::ErrorKind::Other),
            Category::Eof => io::ErrorKind::UnexpectedEof,
            Category::Syntax | Category::Data => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
