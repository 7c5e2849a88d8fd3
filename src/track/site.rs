//! Sites: where in the source a handle was made.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::panic::Location;

/// A source location: of this program, or of the one that a report was read from.
///
/// Two sites are equal when file, line and column are.
///
/// ```
/// let site = bufslab::Site::caller();
/// assert!(site.to_string().ends_with(&format!(":{}:{}", site.line(), site.column())));
/// ```
#[derive(Clone, Copy)]
pub struct Site(At);

#[derive(Clone, Copy)]
enum At {
    Here(&'static Location<'static>),
    Elsewhere(&'static Elsewhere),
}

/// A site of another process.
struct Elsewhere {
    file: &'static str,
    line: u32,
    column: u32,
}

impl Site {
    /// The place in the source that calls this.
    #[must_use]
    #[track_caller]
    pub const fn caller() -> Site {
        Site(At::Here(Location::caller()))
    }

    /// A site that a report names. It is never freed: keep what is read in a table, as reading a report does.
    #[cfg_attr(not(feature = "json"), allow(dead_code, reason = "reports are read back under this feature"))]
    pub(crate) fn elsewhere(file: &'static str, line: u32, column: u32) -> Site {
        Site(At::Elsewhere(Box::leak(Box::new(Elsewhere { file, line, column }))))
    }

    /// The source file, as the compiler was given it.
    #[must_use]
    pub fn file(&self) -> &'static str {
        match self.0 {
            At::Here(location) => location.file(),
            At::Elsewhere(site) => site.file,
        }
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        match self.0 {
            At::Here(location) => location.line(),
            At::Elsewhere(site) => site.line,
        }
    }

    /// The column, counted from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        match self.0 {
            At::Here(location) => location.column(),
            At::Elsewhere(site) => site.column,
        }
    }

    /// Equal for the same object in memory. Sites that differ here may still be equal.
    pub(crate) fn address(&self) -> usize {
        match self.0 {
            At::Here(location) => core::ptr::from_ref(location).addr(),
            At::Elsewhere(site) => core::ptr::from_ref(site).addr(),
        }
    }

    fn parts(&self) -> (&'static str, u32, u32) {
        (self.file(), self.line(), self.column())
    }
}

impl From<&'static Location<'static>> for Site {
    fn from(location: &'static Location<'static>) -> Site {
        Site(At::Here(location))
    }
}

impl PartialEq for Site {
    fn eq(&self, other: &Site) -> bool {
        self.address() == other.address() || self.parts() == other.parts()
    }
}

impl Eq for Site {}

impl PartialOrd for Site {
    fn partial_cmp(&self, other: &Site) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Site {
    fn cmp(&self, other: &Site) -> core::cmp::Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl Hash for Site {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// `file:line:column`, as it is. A file's name may hold anything: reports escape it.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, column) = self.parts();
        write!(f, "{file}:{line}:{column}")
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Site({self})")
    }
}
