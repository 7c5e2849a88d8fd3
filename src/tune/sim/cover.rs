//! Which bytes of an allocation are live: covered by at least one handle.

/// A count for each byte of an allocation, as the places where it changes.
#[derive(Debug, Default)]
pub(super) struct Cover {
    /// Place, and how many handles cover the bytes from there up to the next place. The last count is 0, and no two that follow
    /// each other are equal; nothing before the first place is covered.
    marks: Vec<(u64, u32)>,
}

impl Cover {
    /// One more handle covers `start..end`. Returns how many of these bytes nobody covered before.
    pub(super) fn add(&mut self, start: u64, end: u64) -> u64 {
        self.change(start, end, |count| *count += 1, |count| count == 1)
    }

    /// One handle fewer covers `start..end`. Returns how many of these bytes nobody covers now.
    pub(super) fn remove(&mut self, start: u64, end: u64) -> u64 {
        self.change(start, end, |count| *count -= 1, |count| count == 0)
    }

    fn change(&mut self, start: u64, end: u64, change: impl Fn(&mut u32), turned: impl Fn(u32) -> bool) -> u64 {
        if start >= end {
            return 0;
        }
        let from = self.mark(start);
        let to = self.mark(end);
        let mut bytes = 0;
        for at in from..to {
            change(&mut self.marks[at].1);
            if turned(self.marks[at].1) {
                bytes += self.marks[at + 1].0 - self.marks[at].0;
            }
        }
        // Between the two ends all counts moved alike.
        self.merge(to);
        self.merge(from);
        bytes
    }

    /// The index of the mark at this place, which is made if there is none.
    fn mark(&mut self, place: u64) -> usize {
        match self.marks.binary_search_by_key(&place, |&(at, _)| at) {
            Ok(found) => found,
            Err(index) => {
                let count = self.count_before(index);
                self.marks.insert(index, (place, count));
                index
            }
        }
    }

    fn merge(&mut self, index: usize) {
        if self.marks[index].1 == self.count_before(index) {
            self.marks.remove(index);
        }
    }

    fn count_before(&self, index: usize) -> u32 {
        index.checked_sub(1).map_or(0, |before| self.marks[before].1)
    }

    /// Where the last live byte before `end` ends; 0 if there is none.
    pub(super) fn last_before(&self, end: u64) -> u64 {
        let behind = self.marks.partition_point(|&(at, _)| at < end);
        match behind.checked_sub(1).map(|last| self.marks[last]) {
            None => 0,
            Some((place, 0)) => place,
            Some(_) => end,
        }
    }

    /// The live ranges, in order.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.marks.windows(2).filter(|pair| pair[0].1 > 0).map(|pair| (pair[0].0, pair[1].0))
    }

    /// Forgets everything, and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a twin that counts each byte.
    #[test]
    fn a_twin_that_counts_each_byte_agrees() {
        let mut random = crate::tune::sim::tests::Random::new(7);
        for _ in 0..if cfg!(miri) { 3 } else { 200 } {
            let (mut cover, mut twin, mut handles) = (Cover::default(), [0_u32; 64], Vec::new());
            for _ in 0..100 {
                if handles.is_empty() || random.below(5) < 3 {
                    let start = random.below(64);
                    let end = start + random.below(65 - start);
                    let fresh = twin[start as usize..end as usize].iter().filter(|&&count| count == 0).count();
                    twin[start as usize..end as usize].iter_mut().for_each(|count| *count += 1);
                    assert_eq!(cover.add(start, end), fresh as u64);
                    handles.push((start, end));
                } else {
                    let (start, end) = handles.swap_remove(random.below(handles.len() as u64) as usize);
                    twin[start as usize..end as usize].iter_mut().for_each(|count| *count -= 1);
                    let dead = twin[start as usize..end as usize].iter().filter(|&&count| count == 0).count();
                    assert_eq!(cover.remove(start, end), dead as u64);
                }
                let mut shown = [false; 64];
                cover.ranges().for_each(|(start, end)| shown[start as usize..end as usize].fill(true));
                assert!(shown.iter().zip(twin).all(|(&live, count)| live == (count > 0)));
                for end in 0..=64 {
                    let last = twin[..end].iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
                    assert_eq!(cover.last_before(end as u64), last as u64);
                }
            }
            handles.into_iter().for_each(|(start, end)| _ = cover.remove(start, end));
            assert_eq!(cover.marks, []);
        }
    }
}
