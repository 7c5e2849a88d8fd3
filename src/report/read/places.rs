//! Source locations of other programs. A [`Site`] lives as long as the process, so each is made once.

use std::collections::{HashMap, HashSet};

use crate::sync::RwLock;
use crate::track::Site;

/// Memory that names of files and their places may take, in bytes, about.
const MAX_BYTES: usize = 64 << 20;
/// What a place costs beside its file's name: itself, and its entry in the table with room to grow.
const PLACE_BYTES: usize = 128;

struct Known {
    files: Option<HashSet<&'static str>>,
    sites: Option<HashMap<(&'static str, u32, u32), Site>>,
    bytes: usize,
    max_bytes: usize,
}

static KNOWN: RwLock<Known> = RwLock::new(Known::new(MAX_BYTES));

/// The table of places is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    max_bytes: usize,
}

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the source locations read by this process take more than {} bytes", self.max_bytes)
    }
}

/// The name of a file, kept.
pub(super) fn file(name: &str) -> Result<&'static str, Full> {
    let known = KNOWN.read().files.as_ref().and_then(|files| files.get(name).copied());
    known.map_or_else(|| KNOWN.write().file(name), Ok)
}

/// The site at this place of a file whose name is kept.
pub(super) fn site(file: &'static str, line: u32, column: u32) -> Result<Site, Full> {
    let known = KNOWN.read().sites.as_ref().and_then(|sites| sites.get(&(file, line, column)).copied());
    known.map_or_else(|| KNOWN.write().site(file, line, column), Ok)
}

impl Known {
    const fn new(max_bytes: usize) -> Known {
        Known { files: None, sites: None, bytes: 0, max_bytes }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Full> {
        let spent = self.bytes.saturating_add(bytes);
        if spent > self.max_bytes {
            return Err(Full { max_bytes: self.max_bytes });
        }
        self.bytes = spent;
        Ok(())
    }

    fn file(&mut self, name: &str) -> Result<&'static str, Full> {
        if let Some(known) = self.files.as_ref().and_then(|files| files.get(name)) {
            return Ok(known);
        }
        self.spend(PLACE_BYTES.saturating_add(name.len()))?;
        let name: &'static str = String::from(name).leak();
        self.files.get_or_insert_default().insert(name);
        Ok(name)
    }

    fn site(&mut self, file: &'static str, line: u32, column: u32) -> Result<Site, Full> {
        if let Some(known) = self.sites.as_ref().and_then(|sites| sites.get(&(file, line, column))) {
            return Ok(*known);
        }
        self.spend(PLACE_BYTES)?;
        let site = Site::elsewhere(file, line, column);
        self.sites.get_or_insert_default().insert((file, line, column), site);
        Ok(site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_made_once() {
        let a = site(file("src/elsewhere.rs").unwrap(), 3, 9).unwrap();
        let b = site(file("src/elsewhere.rs").unwrap(), 3, 9).unwrap();
        assert_eq!(a.address(), b.address());
        assert_ne!(a.address(), site(file("src/elsewhere.rs").unwrap(), 3, 10).unwrap().address());
    }

    #[test]
    fn a_full_table_still_knows_what_is_in_it() {
        // What it keeps it keeps for ever: where a leak checker finds it.
        static SMALL: RwLock<Known> = RwLock::new(Known::new(1000));
        let mut known = SMALL.write();
        let first = known.file("a").unwrap();
        let site = known.site(first, 1, 1).unwrap();
        let refused = (1..).find_map(|line| known.site(first, line, 7).err());
        assert_eq!(refused, Some(Full { max_bytes: 1000 }));
        assert_eq!(known.file(&"x".repeat(1000)), Err(Full { max_bytes: 1000 }));
        assert_eq!(known.file("a").unwrap().as_ptr(), first.as_ptr());
        assert_eq!(known.site(first, 1, 1).unwrap().address(), site.address());
    }
}
