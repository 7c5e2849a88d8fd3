//! Scopes: who owns what is made.

use super::Tag;
use core::fmt;

/// What a report calls an owner scope: a name shared by all scopes of its kind, and the number of this one, as in
/// `ws_session 42`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeName {
    kind: Tag,
    id: u64,
}

impl ScopeName {
    pub(crate) fn new(kind: Tag, id: u64) -> ScopeName {
        ScopeName { kind, id }
    }

    /// The name of its kind: `ws_session`.
    #[must_use]
    pub fn kind(self) -> Tag {
        self.kind
    }

    /// Which one of its kind: 42.
    #[must_use]
    pub fn id(self) -> u64 {
        self.id
    }
}

/// `ws_session 42`, as it is. The name may hold anything: reports escape it.
impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeName({:?}, {})", self.kind.name(), self.id)
    }
}
