//! What was asked of huge pages, and what was got.

use crate::sync::{AtomicU64, Mutex, Ordering};
use core::fmt;
use std::collections::BTreeSet;
use std::io;

/// Bytes of a huge page.
pub(super) const HUGE: usize = 2 << 20;

/// Which pages a `MmapSource` asks for. Whatever cannot be had is replaced by the next best, and
/// [`MmapSource::huge_page_use`](super::MmapSource::huge_page_use) and reports say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HugePages {
    /// Normal pages, also where the system makes huge ones for everybody (`transparent_hugepage/enabled` is `always`): what
    /// [`punch`](crate::SlabPool::punch) gives back, the kernel then never fills up again.
    #[default]
    No,
    /// Slabs on 2 MiB boundaries, for which the kernel uses huge pages where it finds some (`MADV_HUGEPAGE`).
    ///
    /// Punching works by the normal page. It splits huge pages, and the kernel frees the memory of a split one when it
    /// gets short. A punched slab has normal pages for the rest of its life.
    Transparent,
    /// Pages of 2 MiB that the administrator set aside (`MAP_HUGETLB`); and [`Transparent`](HugePages::Transparent) ones if there are none
    /// left.
    ///
    /// They are never swapped out, and not given back by punching: see [`docs::sources`](crate::docs::sources).
    Explicit,
}

/// What a slab's pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Normal,
    Transparent,
    Explicit,
}

/// What came of asking for huge pages.
///
/// A slab counts as transparent when the kernel agreed to use huge pages for it. Whether it found any is for the kernel to
/// say: `AnonHugePages` in `/proc/self/smaps`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HugePageUse {
    /// What was asked for.
    pub asked: HugePages,
    /// Mappings in pages of 2 MiB that were set aside.
    pub explicit: u64,
    /// Mappings that the kernel may put on huge pages.
    pub transparent: u64,
    /// Mappings in normal pages.
    pub normal: u64,
    /// Why the last mapping that was not as asked for was not.
    pub refusal: Option<String>,
}

impl HugePageUse {
    /// Mappings that are not what was asked for.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        match self.asked {
            HugePages::No => 0,
            HugePages::Transparent => self.normal,
            HugePages::Explicit => self.normal + self.transparent,
        }
    }
}

/// `huge pages asked for, normal pages used: Cannot allocate memory (os error 12)`
impl fmt::Display for HugePageUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match self.asked {
            HugePages::No => return f.write_str("normal pages"),
            HugePages::Transparent => "transparent huge pages",
            HugePages::Explicit => "huge pages",
        };
        let kinds = [
            (self.explicit, "huge pages"),
            (self.transparent, "transparent huge pages"),
            (self.normal, "normal pages"),
        ];
        let used: Vec<_> = kinds.into_iter().filter(|(mappings, _)| *mappings > 0).collect();
        write!(f, "{asked} asked for")?;
        match &used[..] {
            [] => return Ok(()),
            [(_, _)] if self.fallbacks() == 0 => return f.write_str(" and got"),
            [(_, kind)] => write!(f, ", {kind} used")?,
            several => {
                for (i, (mappings, kind)) in several.iter().enumerate() {
                    write!(f, "{}{kind} used for {mappings}", if i == 0 { ", " } else { " and " })?;
                }
            }
        }
        match &self.refusal {
            Some(refusal) => write!(f, ": {refusal}"),
            None => Ok(()),
        }
    }
}

/// The counts behind [`HugePageUse`]. Relaxed: for reports, ordered with nothing.
#[derive(Debug, Default)]
pub(super) struct Tally {
    explicit: AtomicU64,
    transparent: AtomicU64,
    normal: AtomicU64,
    refusal: Mutex<Option<String>>,
    /// Addresses of the mappings that are explicit huge pages.
    set_aside: Mutex<BTreeSet<usize>>,
}

impl Tally {
    pub(super) fn count(&self, got: Got) {
        let counter = match got {
            Got::Explicit => &self.explicit,
            Got::Transparent => &self.transparent,
            Got::Normal => &self.normal,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, by: impl fmt::Display) {
        *self.refusal.lock() = Some(by.to_string());
    }

    pub(super) fn set_aside(&self, start: usize) {
        self.set_aside.lock().insert(start);
    }

    pub(super) fn is_set_aside(&self, start: usize) -> bool {
        self.set_aside.lock().contains(&start)
    }

    pub(super) fn given_back(&self, start: usize) {
        self.set_aside.lock().remove(&start);
    }

    pub(super) fn used(&self, asked: HugePages) -> HugePageUse {
        HugePageUse {
            asked,
            explicit: self.explicit.load(Ordering::Relaxed),
            transparent: self.transparent.load(Ordering::Relaxed),
            normal: self.normal.load(Ordering::Relaxed),
            refusal: self.refusal.lock().clone(),
        }
    }
}

/// Why the size stands in the way of huge pages.
pub(super) fn unfit(len: usize, explicit: bool) -> Result<(), io::Error> {
    match explicit {
        true if len % HUGE != 0 => Err(io::Error::other("the size is no multiple of 2 MiB")),
        false if len < HUGE => Err(io::Error::other("the size is below 2 MiB")),
        _ => Ok(()),
    }
}
