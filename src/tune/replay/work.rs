//! What a step does: with a real pool, or with nothing, to see what the running of the steps costs by itself.

use super::ReplayError;
use super::plan::{Act, What};
use crate::buf::{SlabBytes, SlabBytesMut};
use crate::pool::SlabPool;
use crate::track::Tag;
use bytes::Buf;
use core::hint::black_box;
use std::sync::Arc;

/// Payload is written in pieces of this, from a place that is always in the cache.
const PIECE: usize = 16 << 10;

/// What payload is copied from.
struct Ink(Box<[u8]>);

impl Ink {
    /// Where a copy starts if it may not start at the front.
    const ASIDE: usize = 128;

    fn new() -> Ink {
        Ink(vec![0x5a; PIECE + Ink::ASIDE].into())
    }

    /// So many bytes, to be copied to this address.
    ///
    /// Where that lies a few bytes behind the source, modulo 4,096, `rep movsb` is many times as slow on several processors of AMD
    /// (<https://sourceware.org/bugzilla/show_bug.cgi?id=30994>), and glibc copies some KiB with nothing else. What is to be compared here
    /// has no part in it.
    fn piece(&self, to: usize, len: usize) -> &[u8] {
        let is_close = to.wrapping_sub(self.0.as_ptr().addr()) % 4096 < 64;
        let start = if is_close { Ink::ASIDE } else { 0 };
        &self.0[start..start + len]
    }
}

/// What steps are done with.
pub(super) trait Work: Send {
    type Hand: Send;

    /// # Errors
    ///
    /// If there is no memory.
    fn alloc(&mut self, act: &Act, len: usize, filled: usize) -> Result<Self::Hand, ReplayError>;
    fn derive(&mut self, from: &mut Self::Hand, act: &Act, offset: u64, len: u64, shared: bool) -> Self::Hand;
    /// # Errors
    ///
    /// If there is no memory.
    fn change(&mut self, hand: &mut Self::Hand, act: &Act) -> Result<(), ReplayError>;
    fn free(&mut self, hand: Self::Hand);
    /// Looks at memory.
    fn look(&mut self) {}
}

/// The real thing.
pub(super) struct OnPool {
    pool: SlabPool,
    tags: Arc<[Option<Tag>]>,
    /// Whether anything is ever retained.
    retains: bool,
    ink: Ink,
    /// Steps that could not be done as they were recorded, only much like it.
    pub(super) approximated: u64,
    /// Most bytes pinned whenever somebody looked.
    pub(super) peak_pinned: u64,
    /// Most resident bytes of the process whenever somebody looked.
    pub(super) peak_resident: u64,
}

/// A handle, and where in its allocation it begins.
pub(super) enum Hand {
    Write(SlabBytesMut, u64),
    Read(SlabBytes, u64),
}

impl OnPool {
    pub(super) fn new(pool: SlabPool, tags: Arc<[Option<Tag>]>, retains: bool) -> OnPool {
        OnPool { pool, tags, retains, ink: Ink::new(), approximated: 0, peak_pinned: 0, peak_resident: 0 }
    }

    fn fill(&self, buffer: &mut SlabBytesMut, mut left: usize) {
        while left > 0 {
            let piece = left.min(PIECE);
            let to = buffer.as_ptr().addr() + buffer.len();
            buffer.extend_from_slice(self.ink.piece(to, piece));
            left -= piece;
        }
    }

    /// Brings a writable handle to this range: forward, and to more room, and fills that up to `filled`. Its room never shrinks but where it
    /// is split.
    fn resize(
        &mut self,
        buffer: &mut SlabBytesMut,
        start: &mut u64,
        (offset, len): (u64, u64),
        filled: u64,
    ) -> Result<(), ReplayError> {
        let front = offset.saturating_sub(*start).min(buffer.len() as u64);
        if front > 0 {
            buffer.advance(front as usize);
            *start += front;
        }
        let wanted = usize::try_from(len).unwrap_or(usize::MAX);
        if wanted > buffer.capacity() {
            buffer.grow_to(wanted)?;
            // It may have slid to what was before it, or be elsewhere.
            *start = offset;
            let filled = usize::try_from(filled.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.capacity());
            self.fill(buffer, filled.saturating_sub(buffer.len()));
        }
        self.approximated += u64::from(*start != offset || buffer.capacity() as u64 != len);
        Ok(())
    }

    fn name(&self, hand: &mut Hand, number: u32) {
        if let Some(Some(tag)) = self.tags.get(number as usize) {
            match hand {
                Hand::Write(buffer, _) => buffer.retag(*tag),
                Hand::Read(slice, _) => slice.retag(*tag),
            }
        }
    }

    fn retain(&mut self, hand: &mut Hand) {
        match hand {
            Hand::Read(slice, _) if self.retains => *slice = core::mem::take(slice).retain(),
            Hand::Read(..) => {}
            Hand::Write(..) => self.approximated += 1,
        }
    }

    /// Brings a read-only handle to this range, which it can only do inside what it has.
    fn cut(&mut self, slice: &mut SlabBytes, start: &mut u64, offset: u64, len: u64) {
        let front = offset.saturating_sub(*start).min(slice.len() as u64);
        if front > 0 {
            slice.advance(front as usize);
            *start += front;
        }
        slice.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.approximated += u64::from(*start != offset || slice.len() as u64 != len);
    }

    /// Freezes this range of a writable handle.
    fn freeze(&mut self, mut buffer: SlabBytesMut, start: u64, offset: u64, len: u64) -> Hand {
        let front = offset.saturating_sub(start).min(buffer.len() as u64);
        if front > 0 {
            buffer.advance(front as usize);
        }
        buffer.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.approximated += u64::from(start + front != offset || buffer.len() as u64 != len);
        Hand::Read(buffer.freeze(), start + front)
    }

    /// Splits this range off a writable handle: its front or its back.
    fn split(&mut self, buffer: &mut SlabBytesMut, start: &mut u64, offset: u64, len: u64) -> (SlabBytesMut, u64) {
        let at = |bytes: u64, most: usize| usize::try_from(bytes).map_or(most, |bytes| bytes.min(most));
        let ahead = at(offset.saturating_sub(*start), buffer.capacity());
        let len = at(len, buffer.capacity() - ahead);
        if ahead == 0 && len <= buffer.len() {
            let front = buffer.split_to(len);
            *start += len as u64;
            return (front, offset);
        }
        // Of a piece in the middle, what lies behind it goes along.
        self.approximated += u64::from(ahead + len != buffer.capacity());
        (buffer.split_off(ahead), *start + ahead as u64)
    }
}

impl Work for OnPool {
    type Hand = Hand;

    fn alloc(&mut self, act: &Act, len: usize, filled: usize) -> Result<Hand, ReplayError> {
        let mut buffer = self.pool.try_alloc(len)?;
        self.fill(&mut buffer, filled);
        let mut hand = Hand::Write(buffer, 0);
        self.name(&mut hand, act.tag);
        Ok(hand)
    }

    fn derive(&mut self, from: &mut Hand, act: &Act, offset: u64, len: u64, shared: bool) -> Hand {
        let mut made = match from {
            Hand::Write(buffer, start) => {
                let (piece, at) = self.split(buffer, start, offset, len);
                if shared { self.freeze(piece, at, offset, len) } else { Hand::Write(piece, at) }
            }
            Hand::Read(slice, start) => {
                let most = slice.len();
                let ahead = (offset.saturating_sub(*start) as usize).min(most);
                let end = ahead.saturating_add(len as usize).min(most);
                self.approximated += u64::from(*start + ahead as u64 != offset || (end - ahead) as u64 != len);
                Hand::Read(slice.slice(ahead..end), *start + ahead as u64)
            }
        };
        self.name(&mut made, act.tag);
        if act.keep {
            self.retain(&mut made);
        }
        made
    }

    fn change(&mut self, hand: &mut Hand, act: &Act) -> Result<(), ReplayError> {
        match (act.what, &mut *hand) {
            (What::Freeze { offset, len }, Hand::Write(buffer, start)) => {
                let (buffer, start) = (core::mem::take(buffer), *start);
                *hand = self.freeze(buffer, start, offset, len);
            }
            (What::Freeze { offset, len } | What::Resize { offset, len, .. }, Hand::Read(slice, start)) => {
                self.cut(slice, start, offset, len);
            }
            (What::Resize { offset, len, filled, .. }, Hand::Write(buffer, start)) => {
                self.resize(buffer, start, (offset, len), filled)?;
            }
            (What::Tag, _) => self.name(hand, act.tag),
            (What::Retain, _) => self.retain(hand),
            (What::Alloc { .. } | What::Derive { .. } | What::Free, _) => {}
        }
        if act.keep {
            self.retain(hand);
        }
        Ok(())
    }

    fn free(&mut self, hand: Hand) {
        drop(hand);
    }

    fn look(&mut self) {
        self.peak_pinned = self.peak_pinned.max(self.pool.stats().pinned_bytes as u64);
        self.peak_resident = self.peak_resident.max(super::resident::bytes().unwrap_or(0));
    }
}

/// The same loop with no pool: payload is written to one place that is always in the cache.
pub(super) struct Nothing {
    ink: Ink,
    paper: Box<[u8]>,
}

impl Nothing {
    pub(super) fn new() -> Nothing {
        Nothing { ink: Ink::new(), paper: vec![0; PIECE].into() }
    }

    fn fill(&mut self, mut left: usize) {
        while left > 0 {
            let piece = left.min(PIECE);
            let to = self.paper.as_ptr().addr();
            black_box(&mut self.paper[..piece]).copy_from_slice(self.ink.piece(to, piece));
            left -= piece;
        }
    }
}

impl Work for Nothing {
    /// As large as a real one.
    type Hand = [u64; 5];

    fn alloc(&mut self, act: &Act, _len: usize, filled: usize) -> Result<[u64; 5], ReplayError> {
        self.fill(filled);
        Ok([act.index; 5])
    }

    fn derive(&mut self, from: &mut [u64; 5], act: &Act, _offset: u64, _len: u64, _shared: bool) -> [u64; 5] {
        black_box(from);
        [act.index; 5]
    }

    fn change(&mut self, hand: &mut [u64; 5], act: &Act) -> Result<(), ReplayError> {
        if let What::Resize { more, .. } = act.what {
            self.fill(more);
        }
        hand[0] = black_box(act.index);
        Ok(())
    }

    fn free(&mut self, hand: [u64; 5]) {
        black_box(hand);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_copy_goes_to_a_place_close_behind_its_source() {
        let ink = Ink::new();
        for to in ink.0.as_ptr().addr()..ink.0.as_ptr().addr() + 2 * 4096 {
            let piece = ink.piece(to, PIECE);
            assert!(to.wrapping_sub(piece.as_ptr().addr()) % 4096 >= 64, "{to:x} from {:p}", piece.as_ptr());
            assert_eq!(piece.len(), PIECE);
        }
    }
}
