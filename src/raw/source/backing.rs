//! What slab memory really is, for reports.

use core::fmt;
use std::borrow::Cow;

/// What a pool's memory really is, as its [source](crate::SlabSource) says.
///
/// ```
/// use bufslab::Backing;
///
/// let heap = Backing::new("heap");
/// assert_eq!(heap.to_string(), "heap");
/// let pages = Backing::new("mmap").with_page_size(4096).with_note("huge pages asked for, normal pages used");
/// assert_eq!(pages.to_string(), "mmap, pages of 4096 bytes, huge pages asked for, normal pages used");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backing {
    /// A word or two: `heap`, `mmap`, `region`.
    pub kind: Cow<'static, str>,
    /// The size in bytes of the pages in which memory can be given back under live slices. `None` if it cannot be. Single slabs may
    /// differ.
    pub page_size: Option<usize>,
    /// What else is to be said, as where the memory is not what was asked for.
    pub note: Option<Cow<'static, str>>,
}

impl Backing {
    /// Memory of this kind, of which nothing can be given back under live slices.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>) -> Backing {
        Backing { kind: kind.into(), page_size: None, note: None }
    }

    /// The same in pages of so many bytes.
    #[must_use]
    pub fn with_page_size(self, bytes: usize) -> Backing {
        Backing { page_size: Some(bytes), ..self }
    }

    /// The same with a remark.
    #[must_use]
    pub fn with_note(self, note: impl Into<Cow<'static, str>>) -> Backing {
        Backing { note: Some(note.into()), ..self }
    }
}

impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(bytes) = self.page_size {
            write!(f, ", pages of {bytes} bytes")?;
        }
        match &self.note {
            Some(note) => write!(f, ", {note}"),
            None => Ok(()),
        }
    }
}
