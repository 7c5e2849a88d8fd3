//! Idle slabs in the order they came, and which of them nobody needs.
//!
//! Slabs come and go at the hot end. So whatever stayed at the cold end all through an interval, and that is as many as the
//! stack ever fell to, was needed by nobody:
//!
//! ```text
//!            hot  ┌───┐ ◀─ push, pop
//!                 │   │    were in use at some time since the last mark
//!        unused ─▶├───┤    the lowest that the stack fell to since then
//!                 │   │
//!       surplus ─▶├───┤    unused all through the interval before that: to be given back
//!            cold └───┘ ─▶ pop_surplus
//! ```

use std::collections::VecDeque;

/// `surplus` ≤ len and `unused` ≤ len, always.
#[derive(Debug)]
pub(crate) struct Stack<T> {
    /// Coldest first.
    slabs: VecDeque<T>,
    /// How many of the coldest were here all the time since the last mark.
    unused: usize,
    /// How many of the coldest are to be given back.
    surplus: usize,
}

impl<T> Stack<T> {
    pub(crate) const fn new() -> Stack<T> {
        Stack { slabs: VecDeque::new(), unused: 0, surplus: 0 }
    }

    /// Makes room for as many slabs as given. Says whether there is.
    pub(crate) fn reserve(&mut self, slabs: usize) -> bool {
        self.slabs.try_reserve(slabs.saturating_sub(self.slabs.len())).is_ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.slabs.len()
    }

    /// Puts a slab at the hot end. Returns it if there is no memory to note it down.
    pub(crate) fn push(&mut self, slab: T) -> Result<(), T> {
        if self.slabs.try_reserve(1).is_err() {
            return Err(slab);
        }
        self.slabs.push_back(slab);
        Ok(())
    }

    /// Puts a slab at the cold end, to be used last and given back first. As many are given back as without it. Returns it if
    /// there is no memory to note it down.
    pub(crate) fn push_cold(&mut self, slab: T) -> Result<(), T> {
        if self.slabs.try_reserve(1).is_err() {
            return Err(slab);
        }
        self.slabs.push_front(slab);
        Ok(())
    }

    /// The hottest slab.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let slab = self.slabs.pop_back();
        self.unused = self.unused.min(self.slabs.len());
        self.surplus = self.surplus.min(self.slabs.len());
        slab
    }

    /// The coldest slab.
    pub(crate) fn pop_cold(&mut self) -> Option<T> {
        let slab = self.slabs.pop_front()?;
        self.unused = self.unused.saturating_sub(1);
        self.surplus = self.surplus.saturating_sub(1);
        Some(slab)
    }

    /// The coldest slab of which `unwanted` holds.
    pub(crate) fn pop_where(&mut self, unwanted: impl FnMut(&T) -> bool) -> Option<T> {
        let at = self.slabs.iter().position(unwanted)?;
        let slab = self.slabs.remove(at);
        self.unused -= usize::from(at < self.unused);
        self.surplus -= usize::from(at < self.surplus);
        slab
    }

    /// An interval ends and the next begins.
    pub(crate) fn mark(&mut self) {
        self.surplus = self.unused;
        self.unused = self.slabs.len();
    }

    /// How many slabs `pop_surplus` has still to give.
    pub(crate) fn surplus(&self) -> usize {
        self.surplus
    }

    /// The coldest slab, if nobody needed it in the interval before the last mark, nor since.
    pub(crate) fn pop_surplus(&mut self) -> Option<T> {
        if self.surplus == 0 { None } else { self.pop_cold() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(slabs: impl IntoIterator<Item = u32>) -> Stack<u32> {
        let mut stack = Stack::new();
        slabs.into_iter().for_each(|slab| stack.push(slab).unwrap());
        stack
    }

    fn surplus(stack: &mut Stack<u32>) -> Vec<u32> {
        std::iter::from_fn(|| stack.pop_surplus()).collect()
    }

    #[test]
    fn what_stayed_all_through_an_interval_goes_and_the_coldest_first() {
        let mut stack = of(0..10);
        stack.mark();
        assert_eq!(surplus(&mut stack), [0_u32; 0], "they came in the interval that ended");
        let top: Vec<u32> = (0..3).filter_map(|_| stack.pop()).collect();
        assert_eq!(top, [9, 8, 7]);
        top.into_iter().for_each(|slab| stack.push(slab).unwrap());
        stack.mark();
        assert_eq!(surplus(&mut stack), [0, 1, 2, 3, 4, 5, 6], "three were used");
        stack.mark();
        assert_eq!(surplus(&mut stack), [9, 8, 7], "nor are they now");
        assert_eq!((stack.len(), stack.pop(), stack.pop_cold()), (0, None, None));
    }

    #[test]
    fn what_is_needed_again_before_it_went_stays() {
        let mut stack = of(0..10);
        stack.mark();
        stack.mark();
        for _ in 0..8 {
            stack.pop();
        }
        (20..28).for_each(|slab| stack.push(slab).unwrap());
        assert_eq!(surplus(&mut stack), [0, 1]);
        stack.mark();
        assert_eq!(surplus(&mut stack), [0_u32; 0], "the stack fell to nothing but those two");
    }

    #[test]
    fn taking_from_the_cold_end_leaves_the_others_their_time() {
        let mut stack = of(0..6);
        stack.mark();
        // Two are used and come back; four are unused, and one of these is taken.
        let (a, b) = (stack.pop().unwrap(), stack.pop().unwrap());
        stack.push(b).unwrap();
        stack.push(a).unwrap();
        assert_eq!(stack.pop_cold(), Some(0));
        assert_eq!(stack.pop_where(|slab| slab % 2 == 0), Some(2));
        assert_eq!(stack.pop_where(|slab| *slab == 5), Some(5), "one that was used");
        stack.mark();
        assert_eq!(surplus(&mut stack), [1, 3]);
        assert_eq!(stack.pop(), Some(4));
    }

    #[test]
    fn what_is_put_at_the_cold_end_is_used_last_and_goes_first() {
        let mut stack = of(0..4);
        stack.mark();
        stack.pop();
        stack.push_cold(9).unwrap();
        stack.mark();
        assert_eq!((surplus(&mut stack), stack.len()), (vec![9, 0, 1], 1), "three were unused, as without it");
        stack.push_cold(8).unwrap();
        assert_eq!((stack.pop(), stack.pop(), stack.pop()), (Some(2), Some(8), None));
    }

    /// Against a twin that writes down for each slab when it was last touched.
    #[test]
    fn a_twin_that_notes_every_use_agrees() {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let (mut stack, mut twin) = (Stack::new(), VecDeque::<(u64, u64)>::new());
        let (mut interval, mut given) = (0, 0);
        for slab in 0..20_000_u64 {
            match next(100) {
                0..45 => {
                    stack.push(slab).unwrap();
                    twin.push_back((slab, interval));
                }
                45..88 => assert_eq!(stack.pop(), twin.pop_back().map(|(slab, _)| slab)),
                88..93 => assert_eq!(stack.pop_cold(), twin.pop_front().map(|(slab, _)| slab)),
                _ => {
                    stack.mark();
                    interval += 1;
                    // Those that came before the interval that ended.
                    while let Some(slab) = stack.pop_surplus() {
                        let (coldest, came) = twin.pop_front().unwrap();
                        assert_eq!(slab, coldest);
                        assert!(came + 1 < interval, "came in {came}, goes in {interval}");
                        given += 1;
                    }
                    assert!(twin.front().is_none_or(|(_, came)| came + 1 >= interval), "one was forgotten");
                }
            }
            assert_eq!(stack.len(), twin.len());
        }
        assert!(given > 100, "{given} given back: too few to say anything");
    }
}
