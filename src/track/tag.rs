//! Tags: names for slices.

use crate::sync::RwLock;
use core::fmt;
use core::num::NonZeroU32;
use std::collections::HashMap;

/// A name that the program gives to slices it keeps: `"req.head"`, `"cache.key"`.
///
/// A tag is a number behind which the name stands once and for ever, so it is cheap to copy and to store with each slice.
/// Making one from text looks the name up (some tens of nanoseconds); where that matters, make it once and keep it.
///
/// A process has room for 65,535 names of at most 128 bytes; longer ones are cut, and what comes after that many is
/// called `(other)`.
///
/// ```
/// use bufslab::Tag;
///
/// let head = Tag::new("req.head");
/// assert_eq!(head, Tag::from("req.head"));
/// assert_eq!(head.name(), "req.head");
/// assert_eq!(head.to_string(), "req.head");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(NonZeroU32);

/// Names a process may have.
const MAX_TAGS: usize = 65_535;
/// Bytes a name may have.
const MAX_NAME: usize = 128;
/// The number of all tags past the limit.
const FULL: NonZeroU32 = NonZeroU32::new(MAX_TAGS as u32 + 1).unwrap();
/// Their name.
const OTHER: &str = "(other)";

struct Names {
    /// By number − 1.
    names: Vec<&'static str>,
    numbers: Option<HashMap<&'static str, NonZeroU32>>,
}

static NAMES: RwLock<Names> = RwLock::new(Names { names: Vec::new(), numbers: None });

impl Tag {
    /// The tag with this name.
    #[must_use]
    pub fn new(name: &str) -> Tag {
        let name = shortened(name);
        let known = NAMES.read().numbers.as_ref().and_then(|numbers| numbers.get(name).copied());
        Tag(known.unwrap_or_else(|| add(name)))
    }

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.read().names.get(self.0.get() as usize - 1).copied().unwrap_or(OTHER)
    }

    /// Never 0, and less than 2²⁴.
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }

    /// The tag with this number; 0 is none.
    pub(crate) fn from_number(number: u32) -> Option<Tag> {
        NonZeroU32::new(number).map(Tag)
    }
}

fn shortened(name: &str) -> &str {
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cold]
fn add(name: &str) -> NonZeroU32 {
    let mut table = NAMES.write();
    let Names { names, numbers } = &mut *table;
    let numbers = numbers.get_or_insert_default();
    if let Some(&number) = numbers.get(name) {
        return number;
    }
    if names.len() >= MAX_TAGS {
        return FULL;
    }
    let name: &'static str = String::from(name).leak();
    names.push(name);
    let number = NonZeroU32::new(names.len() as u32).unwrap_or(FULL);
    numbers.insert(name, number);
    number
}

/// Bytes of the names, about.
pub(super) fn bytes() -> usize {
    let table = NAMES.read();
    let entry = 2 * size_of::<(&str, u32)>() + size_of::<&str>();
    table.names.iter().map(|name| name.len() + entry).sum()
}

impl From<&str> for Tag {
    fn from(name: &str) -> Tag {
        Tag::new(name)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:?})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        let long = "ä".repeat(100);
        assert_eq!(Tag::new(&long).name(), "ä".repeat(64));
        assert_eq!(Tag::new(&long), Tag::new(&"ä".repeat(64)));
    }

    #[test]
    fn an_empty_name_is_a_name() {
        assert_eq!(Tag::new("").name(), "");
        assert_ne!(Tag::new("").number(), 0);
    }
}
