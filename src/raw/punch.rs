//! Giving the dead pages of pinned slabs back to the system, under their live slices.
//!
//! A page goes while the slab is [looked](Look) at: what an exact look shows dead stays dead, because nobody attaches the slab and
//! cuts from it before the look ends. Whoever had a slice there is done with it, for its slot was read as dead by an Acquire that
//! pairs with the Release of its clearing.

use super::header::Header;
use super::ledger::Ledger;
use super::look::Look;
use super::poison;
use super::slab::Idle;
use super::slot::Extent;
use super::source::slab_layout;
use crate::sync::{Ordering, Plant, planted};
use core::ops::Range;
use core::ptr::NonNull;

/// How often a slab is looked at that does not keep still.
const TRIES: usize = if cfg!(bufslab_loom) { 1 } else { 4 };

/// What [`SlabPool::punch`](crate::SlabPool::punch) did.
///
/// ```text
/// punched 40 of 40 pinned slabs: 399.8 MiB given back, 160 KiB stay resident for 40 slices; 0 slabs moving, 0 not page-backed
/// ```
///
/// Every pinned slab is counted once, as punched or under the reason why it was not:
///
/// ```text
/// pinned_slabs = punched + dense + attached + moving + untracked + not_page_backed + refused
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Punched {
    /// Slabs that some slice kept alive.
    pub pinned_slabs: usize,
    /// Those of them whose dead pages went back to the system, now or before.
    pub punched: usize,
    /// Bytes of memory that this call freed.
    pub given_back_bytes: usize,
    /// Bytes that the punched slabs take still.
    pub resident_bytes: usize,
    /// Slices on the punched slabs, for which that stays.
    pub slices: usize,
    /// Slabs without a page that no slice touches.
    pub dense: usize,
    /// Slabs that a thread allocates from.
    pub attached: usize,
    /// Slabs whose handles were being made or dropped, or that somebody else looked at. Another call may find them still.
    pub moving: usize,
    /// Slabs with handles that are not listed, so that nobody knows which bytes are dead.
    pub untracked: usize,
    /// Slabs whose source cannot give pages back, and slabs of somebody else's memory.
    pub not_page_backed: usize,
    /// Slabs whose source or system refused. Nothing is lost by that.
    pub refused: usize,
    /// What the last of them said.
    pub refusal: Option<String>,
}

/// What came of one slab.
enum Outcome {
    Punched { given_back: usize, resident: usize, slices: usize },
    Dense,
    Moving,
    Untracked,
    NotPageBacked,
    Refused(String),
}

/// A look that ends whatever happens: the source is the user's code, and may panic.
struct Looking<'a> {
    look: Option<Look>,
    /// Has room for one more.
    emptied: &'a mut Vec<Idle>,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.emptied.extend(self.look.take().and_then(Look::leave));
    }
}

/// Lists that are used for one slab after the other.
#[derive(Default)]
struct Lists {
    live: Vec<Extent>,
    dead: Vec<Range<usize>>,
}

impl Ledger {
    /// Gives the dead pages of all detached, pinned slabs back to the system. Slabs that turn out to be empty are appended to
    /// `emptied`.
    pub(crate) fn punch(&self, emptied: &mut Vec<Idle>) -> Punched {
        let mut sum = Punched::default();
        let mut lists = Lists::default();
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            let Some((_, 1.., attached)) = unsafe { header.as_ref() }.sums() else { continue };
            sum.pinned_slabs += 1;
            if attached {
                sum.attached += 1;
                continue;
            }
            // SAFETY: as above.
            if unsafe { header.as_ref() }.is_foreign() {
                // Somebody else's pages, which are not ours to give.
                sum.not_page_backed += 1;
                continue;
            }
            // Room first: a slab that comes back must not be lost.
            if emptied.try_reserve(1).is_err() {
                sum.moving += 1;
                continue;
            }
            match Look::take(header) {
                Some(look) => {
                    let looking = Looking { look: Some(look), emptied };
                    sum.add(self.punch_slab(&looking, &mut lists));
                }
                None => sum.moving += 1,
            }
        }
        sum
    }

    fn punch_slab(&self, looking: &Looking<'_>, lists: &mut Lists) -> Outcome {
        let Some(look) = &looking.look else { return Outcome::Moving };
        let header = look.header();
        let size = header.size();
        let (Some(memory), Some(layout)) = (NonNull::new(header.base()), slab_layout(size)) else {
            return Outcome::Moving;
        };
        let page = match self.source.page_size(memory, layout) {
            Some(page) if page.is_power_of_two() => page,
            _ => return Outcome::NotPageBacked,
        };
        let exact = (0..TRIES).any(|_| look.live(&mut lists.live));
        if !exact && !planted(Plant::PunchUnchecked) {
            let handles = u64::from(header.state().refs().saturating_sub(1));
            return if header.unlisted(handles) > 0 { Outcome::Untracked } else { Outcome::Moving };
        }
        let slices = lists.live.len();
        if slices == 0 || lists.dead.try_reserve(slices + 1).is_err() {
            // Its last slice has gone just now: it is returned when the look ends.
            return Outcome::Moving;
        }
        dead_pages(&mut lists.live, memory.addr().get(), size, page, &mut lists.dead);
        if lists.dead.is_empty() {
            return Outcome::Dense;
        }
        // The source may write to them.
        lists.dead.iter().for_each(|range| poison::open(header, range.start, range.len()));
        // SAFETY: the memory is this source's, of this layout: the look's reference keeps the slab. The ranges are whole pages
        // inside it without a live byte, as an exact look shows; until the look ends nobody may cut from them.
        let outcome = unsafe { self.source.punch(memory, layout, &lists.dead) };
        lists.dead.iter().for_each(|range| poison::close(header, range.start, range.len()));
        match outcome {
            Ok(given_back) => {
                header.set_punched(true);
                let dead = lists.dead.iter().map(Range::len).sum();
                let resident = self.source.resident(memory.as_ptr(), size).unwrap_or(size.saturating_sub(dead));
                Outcome::Punched { given_back, resident, slices }
            }
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    /// How many bytes of this memory, which may be gone, are resident.
    pub(super) fn resident(&self, memory: *const u8, size: usize) -> Option<usize> {
        self.source.resident(memory, size).map(|bytes| bytes.min(size))
    }

    /// What the memory really is.
    pub(crate) fn backing(&self) -> super::Backing {
        self.source.describe()
    }
}

impl Punched {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Punched { given_back, resident, slices } => {
                self.punched += 1;
                self.given_back_bytes += given_back;
                self.resident_bytes += resident;
                self.slices += slices;
            }
            Outcome::Dense => self.dense += 1,
            Outcome::Moving => self.moving += 1,
            Outcome::Untracked => self.untracked += 1,
            Outcome::NotPageBacked => self.not_page_backed += 1,
            Outcome::Refused(error) => {
                self.refused += 1;
                self.refusal = Some(error);
            }
        }
    }
}

/// Lists the ranges of whole pages that no live slice touches, in bytes from the slab's start. `base` is the slab's address, which
/// need not be a page's. There is room in `dead` for one more than there are slices.
fn dead_pages(live: &mut [Extent], base: usize, size: usize, page: usize, dead: &mut Vec<Range<usize>>) {
    dead.clear();
    if live.iter().any(|extent| extent.is_whole()) {
        return;
    }
    live.sort_unstable_by_key(|extent| extent.offset());
    let mut hole = |from: usize, to: usize| {
        let up = |address: usize| address.next_multiple_of(page);
        let down = |address: usize| address & !(page - 1);
        let (first, end) = match planted(Plant::PunchTouchesSlices) {
            false => (up(base + from), down(base + to)),
            true => (down(base + from), down(base + to)),
        };
        if first < end {
            dead.push(first - base..end - base);
        }
    };
    let mut covered = 0;
    for extent in live.iter() {
        hole(covered, extent.offset());
        covered = covered.max(extent.end());
    }
    hole(covered, size);
}

impl Header {
    /// Whether pages of the slab were given back and, as far as the ledger knows, not filled again. For who has it to itself.
    pub(super) fn is_punched(&self) -> bool {
        // Relaxed, here and below: written under a look or by who has the slab to itself, ordered as the slab is.
        self.fixed.punched.load(Ordering::Relaxed) != 0
    }

    pub(super) fn set_punched(&self, punched: bool) {
        self.fixed.punched.store(u32::from(punched), Ordering::Relaxed);
    }
}

impl Idle {
    /// Whether using it means that the system has to find pages for it first.
    pub(crate) fn is_punched(&self) -> bool {
        self.header_ref().is_punched()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dead pages of 16 bytes of a slab of 128 bytes at `base`.
    fn dead(base: usize, live: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let mut live: Vec<Extent> = live.iter().map(|&(offset, len)| Extent::new(offset, len)).collect();
        let mut dead = Vec::new();
        dead_pages(&mut live, base, 128, 16, &mut dead);
        dead.into_iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn dead_pages_are_whole_and_touch_no_slice() {
        assert_eq!(dead(4096, &[(0, 1)]), [(16, 128)]);
        assert_eq!(dead(4096, &[(127, 1)]), [(0, 112)]);
        assert_eq!(dead(4096, &[(15, 2)]), [(32, 128)], "on both sides of a boundary");
        assert_eq!(dead(4096, &[(32, 16)]), [(0, 32), (48, 128)], "exactly a page");
        assert_eq!(dead(4096, &[(40, 4), (16, 60), (17, 1)]), [(0, 16), (80, 128)], "overlapping slices");
        assert_eq!(dead(4096, &[(0, 128)]), []);
        assert_eq!(dead(4096, &[(0, 1), (24, 1), (40, 1), (56, 1), (72, 1), (88, 1), (104, 1), (120, 1)]), []);
    }

    #[test]
    fn a_slab_need_not_start_on_a_page() {
        assert_eq!(dead(4096 + 8, &[(0, 1)]), [(8, 120)]);
        assert_eq!(dead(4096 + 8, &[(0, 8), (120, 8)]), [(8, 120)]);
        assert_eq!(dead(4096 + 8, &[(0, 9), (119, 1)]), [(24, 104)]);
    }
}
