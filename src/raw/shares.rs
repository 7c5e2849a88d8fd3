//! How much slices hold by tag or by scope, without the rest of a report.

use super::header::Header;
use super::ledger::Ledger;
use super::segment::Segment;
use super::snapshot::slot_view;
use std::collections::HashMap;

/// What slices are added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Tag,
    Scope,
}

/// What the slices with one number, of a tag or a scope, hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// 0 for slices without one.
    pub(crate) number: u32,
    pub(crate) slices: usize,
    /// Bytes that at least one of them covers.
    pub(crate) bytes: usize,
}

/// One live slice: the number it is added up by, and its range.
type Range = (u32, usize, usize);

impl Ledger {
    /// The live bytes of every tag or scope, in no order. Stops nobody; a slab that changes hands while it is read is left out.
    pub(crate) fn shares(&self, by: By) -> Vec<Share> {
        let mut sums: HashMap<u32, Share> = HashMap::new();
        let mut ranges: Vec<Range> = Vec::new();
        for header in self.headers() {
            // SAFETY: headers are type-stable.
            if unsafe { header.as_ref() }.ranges(by, &mut ranges) {
                add_up(&mut ranges, &mut sums);
            }
        }
        sums.into_values().collect()
    }
}

impl Header {
    /// Fills `ranges` with the slab's live slices. `false` if it changed hands meanwhile.
    fn ranges(&self, by: By, ranges: &mut Vec<Range>) -> bool {
        ranges.clear();
        let generation = self.generation();
        let size = self.size();
        for segment in self.segments() {
            if !core::ptr::eq(segment.header(), self) {
                break;
            }
            ranges.extend(segment.slots().iter().filter_map(|slot| range_of(segment, slot, size, by)));
        }
        self.generation() == generation
    }
}

fn range_of(segment: &Segment, slot: &super::slot::Slot, size: usize, by: By) -> Option<Range> {
    let view = slot_view(segment, slot, size, false)?;
    let number = match by {
        By::Tag => view.tag,
        By::Scope => view.scope,
    };
    Some((number, view.offset, view.offset + view.len))
}

/// Adds one slab's slices to the sums: a byte that several slices of one number cover counts once.
fn add_up(ranges: &mut [Range], sums: &mut HashMap<u32, Share>) {
    ranges.sort_unstable();
    let mut covered = (0, 0);
    for &(number, start, end) in ranges.iter() {
        let from = if covered.0 == number { start.max(covered.1) } else { start };
        let share = sums.entry(number).or_insert(Share { number, slices: 0, bytes: 0 });
        share.slices += 1;
        share.bytes += end.saturating_sub(from);
        covered = (number, end.max(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(ranges: &[Range]) -> Vec<(u32, usize, usize)> {
        let mut sums = HashMap::new();
        add_up(&mut ranges.to_vec(), &mut sums);
        let mut list: Vec<_> = sums.into_values().map(|share| (share.number, share.slices, share.bytes)).collect();
        list.sort_unstable();
        list
    }

    #[test]
    fn a_byte_counts_once_for_each_number() {
        assert_eq!(sums(&[(1, 0, 10), (1, 5, 20), (2, 5, 8)]), [(1, 2, 20), (2, 1, 3)]);
        assert_eq!(sums(&[(0, 0, 10), (0, 2, 4), (0, 6, 8)]), [(0, 3, 10)], "inside one another");
        assert_eq!(sums(&[(7, 30, 40), (7, 0, 10)]), [(7, 2, 20)], "apart");
        assert_eq!(sums(&[]), []);
    }
}
